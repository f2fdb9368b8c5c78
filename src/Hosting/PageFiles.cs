using System.IO.Compression;
using System.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Net.Http.Headers;

namespace Tacit.Hosting;

/// <summary>
/// The files of a page, which the build embeds (build/Web.targets): each in brotli and gzip form only, as every browser takes one of them and whoever does not gets it decompressed. None where the
/// build had no Node. Every file has a route of its own, so that no path is ever looked up by a name that somebody sends.
/// </summary>
public sealed class PageFiles
{
    private const string ResourcePrefix = "page/";
    private const string Immutable = "private, max-age=31536000, immutable";

    private readonly Assembly _assembly;
    private readonly Dictionary<string, Forms> _files;
    private readonly string _contentSecurityPolicy;

    /// <param name="assembly">Has the files.</param>
    /// <param name="contentSecurityPolicy">What the page may do.</param>
    public PageFiles(Assembly assembly, string contentSecurityPolicy)
    {
        ArgumentNullException.ThrowIfNull(assembly);
        _assembly = assembly;
        _contentSecurityPolicy = contentSecurityPolicy;
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

    /// <summary>Adds a route for each file: <c>index.html</c> at the root, the others below it.</summary>
    /// <param name="routes">Where they are added.</param>
    /// <param name="root">The page's own path: <c>/</c>, or <c>/name</c>.</param>
    /// <param name="guard">What is around each.</param>
    /// <param name="instead">Answers at the root where the page was not built; null leaves it unanswered.</param>
    public void Map(IEndpointRouteBuilder routes, string root, Func<RequestDelegate, RequestDelegate> guard, RequestDelegate? instead = null)
    {
        ArgumentNullException.ThrowIfNull(root);
        ArgumentNullException.ThrowIfNull(guard);
        string[] methods = [HttpMethods.Get, HttpMethods.Head];
        foreach ((string path, Forms forms) in _files)
        {
            routes.MapMethods(path == "index.html" ? root : $"{root.TrimEnd('/')}/{path}", methods, guard(context => SendAsync(context, path, forms)));
        }
        if (!AreBuilt && instead is not null)
        {
            routes.MapMethods(root, methods, guard(context =>
            {
                WriteSecurityHeaders(context.Response.Headers);
                return instead(context);
            }));
        }
    }

    /// <summary>The headers by which a browser keeps to what the page may do.</summary>
    public void WriteSecurityHeaders(IHeaderDictionary headers)
    {
        ArgumentNullException.ThrowIfNull(headers);
        headers.ContentSecurityPolicy = _contentSecurityPolicy;
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=(), payment=(), usb=(), interest-cohort=()";
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

    /// <summary>The names of a file's resources.</summary>
    private sealed record Forms(string? Plain, string? Brotli, string? Gzip);
}
