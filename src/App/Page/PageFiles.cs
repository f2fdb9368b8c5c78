using System.IO.Compression;
using System.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Net.Http.Headers;

namespace Tacit.App;

/// <summary>
/// The files of the page, which the build embeds: each in brotli and gzip form only, as every browser takes one of them and whoever does not gets it decompressed. None where the
/// build had no Node. Every file has a route of its own, so that no path is ever looked up by a name that somebody sends.
/// </summary>
internal sealed class PageFiles
{
    private const string ResourcePrefix = "page/";
    private const string Immutable = "private, max-age=31536000, immutable";

    /// <summary>
    /// What the page may do: load its own files and ask its own app. Markup that came with a model's reply could then neither run nor fetch anything, even if it got past the
    /// sanitizer; <c>trusted-types</c> names the only two policies, the sanitizer's own and the one that makes the PDF reader's worker address.
    /// </summary>
    internal const string ContentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; "
        + "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types dompurify tacit-worker";

    private readonly Assembly _assembly;
    private readonly Dictionary<string, Forms> _files;

    public PageFiles(Assembly assembly)
    {
        _assembly = assembly;
        _files = new(StringComparer.Ordinal);
        foreach (string resource in assembly.GetManifestResourceNames().Where(name => name.StartsWith(ResourcePrefix, StringComparison.Ordinal)))
        {
            string name = resource[ResourcePrefix.Length..].Replace('\\', '/');
            (string path, string? encoding) = Path.GetExtension(name) switch
            {
                ".br" => (name[..^3], "br"),
                ".gz" => (name[..^3], "gzip"),
                _ => (name, null),
            };
            Forms forms = _files.GetValueOrDefault(path, new(null, null, null));
            _files[path] = encoding switch
            {
                "br" => forms with { Brotli = resource },
                "gzip" => forms with { Gzip = resource },
                _ => forms with { Plain = resource },
            };
        }
    }

    /// <summary>Whether the build had what makes the page.</summary>
    public bool AreBuilt => _files.ContainsKey("index.html");

    public void Map(IEndpointRouteBuilder routes, Func<RequestDelegate, RequestDelegate> guard)
    {
        string[] methods = [HttpMethods.Get, HttpMethods.Head];
        foreach ((string path, Forms forms) in _files)
        {
            string route = path == "index.html" ? "/" : "/" + path;
            routes.MapMethods(route, methods, guard(context => SendAsync(context, path, forms)));
        }
        if (!AreBuilt)
        {
            routes.MapMethods("/", methods, guard(SayWhatIsMissingAsync));
        }
    }

    private async Task SendAsync(HttpContext context, string path, Forms forms)
    {
        HttpResponse response = context.Response;
        (string resource, string? encoding, bool isPacked) = Choose(context.Request, forms);
        var tag = new EntityTagHeaderValue($"\"{_assembly.ManifestModule.ModuleVersionId:N}{(encoding is null ? "" : "-" + encoding)}\"");
        // A name with a hash in it is never used for anything else.
        response.Headers.CacheControl = path.StartsWith("assets/", StringComparison.Ordinal) ? Immutable : "no-cache";
        response.Headers.ETag = tag.ToString();
        response.Headers.Vary = HeaderNames.AcceptEncoding;
        WriteSecurityHeaders(response.Headers);
        if (EntityTagHeaderValue.TryParseList(context.Request.Headers.IfNoneMatch, out IList<EntityTagHeaderValue>? known)
            && known.Any(other => other.Compare(tag, useStrongComparison: false) || other.Equals(EntityTagHeaderValue.Any)))
        {
            response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }
        response.ContentType = ContentType(path);
        await using Stream content = _assembly.GetManifestResourceStream(resource)!;
        if (encoding is not null)
        {
            response.Headers.ContentEncoding = encoding;
        }
        if (!isPacked || encoding is not null)
        {
            response.ContentLength = content.Length;
        }
        if (HttpMethods.IsHead(context.Request.Method))
        {
            return;
        }
        await using Stream body = isPacked && encoding is null ? new BrotliStream(content, CompressionMode.Decompress) : content;
        await body.CopyToAsync(response.Body, context.RequestAborted);
    }

    /// <summary>The resource to send, the encoding to name, and whether the resource is compressed (without a named encoding it has to be unpacked).</summary>
    private static (string Resource, string? Encoding, bool IsPacked) Choose(HttpRequest request, Forms forms)
    {
        if (forms.Brotli is null || forms.Gzip is null)
        {
            return (forms.Plain ?? forms.Brotli ?? forms.Gzip!, null, false);
        }
        IList<StringWithQualityHeaderValue> accepted =
            StringWithQualityHeaderValue.TryParseList(request.Headers.AcceptEncoding, out IList<StringWithQualityHeaderValue>? list) ? list : [];
        return Accepts("br") ? (forms.Brotli, "br", true) : Accepts("gzip") ? (forms.Gzip, "gzip", true) : (forms.Brotli, null, true);

        bool Accepts(string encoding) => accepted.Any(value => value.Value.Equals(encoding, StringComparison.OrdinalIgnoreCase) && value.Quality is null or > 0);
    }

    private static void WriteSecurityHeaders(IHeaderDictionary headers)
    {
        headers.ContentSecurityPolicy = ContentSecurityPolicy;
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=(), payment=(), usb=(), interest-cohort=()";
    }

    private static string ContentType(string path) => Path.GetExtension(path) switch
    {
        ".html" => "text/html; charset=utf-8",
        ".js" => "text/javascript; charset=utf-8",
        ".css" => "text/css; charset=utf-8",
        ".svg" => "image/svg+xml",
        ".png" => "image/png",
        ".webmanifest" => "application/manifest+json",
        _ => "application/octet-stream",
    };

    private static Task SayWhatIsMissingAsync(HttpContext context)
    {
        HttpRequest request = context.Request;
        WriteSecurityHeaders(context.Response.Headers);
        context.Response.Headers.CacheControl = "no-store";
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync(
            $"Tacit runs here. Point any OpenAI client at {request.Scheme}://{request.Host}/v1, or any Anthropic client at {request.Scheme}://{request.Host}, with any API key.\n\n"
            + "Its page was not built, as Node 20 or later and npm were not there: install them (on Debian: apt-get install npm), run make again, and open this address anew.\n"
            + "In a terminal, `tacit chat` does the same without it.\n", context.RequestAborted);
    }

    /// <summary>The names of a file's resources.</summary>
    private sealed record Forms(string? Plain, string? Brotli, string? Gzip);
}
