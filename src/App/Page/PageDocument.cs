using Microsoft.AspNetCore.Http;

namespace Tacit.App;

/// <summary>What is particular to the app's page; <see cref="Hosting.PageFiles"/> serves it.</summary>
internal static class PageDocument
{
    /// <summary>
    /// What the page may do: load its own files and ask its own app. Markup that came with a model's reply could then neither run nor fetch anything, even if it got past the
    /// sanitizer; <c>trusted-types</c> names the only two policies, the sanitizer's own and the one that makes the PDF reader's worker address.
    /// </summary>
    internal const string ContentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; "
        + "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types dompurify tacit-worker";

    /// <summary>Where the build had no Node.</summary>
    public static Task SayWhatIsMissingAsync(HttpContext context)
    {
        HttpRequest request = context.Request;
        context.Response.Headers.CacheControl = "no-store";
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync(
            $"Tacit runs here. Point any OpenAI client at {request.Scheme}://{request.Host}/v1, or any Anthropic client at {request.Scheme}://{request.Host}, with any API key.\n\n"
            + "Its page was not built, as Node 20 or later and npm were not there: install them (on Debian: apt-get install npm), run make again, and open this address anew.\n"
            + "In a terminal, `tacit chat` does the same without it.\n", context.RequestAborted);
    }
}
