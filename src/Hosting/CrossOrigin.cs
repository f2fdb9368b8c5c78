using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace Tacit.Hosting;

/// <summary>
/// Lets web pages of the origins that the operator names read what a path answers (the Fetch standard, CORS). Credentials are never allowed, nor an Authorization header:
/// there are none here that a browser would add by itself, so a page gets nothing by it that any program could not have.
/// </summary>
/// <param name="origins">As browsers write them, see <see cref="IsOrigin"/>; none turns it off.</param>
public sealed class CrossOrigin(IReadOnlyList<string> origins)
{
    private const string Any = "*";

    private readonly bool _isAny = origins.Contains(Any);
    private readonly HashSet<string> _origins = [.. origins];

    /// <summary>Whether any page may.</summary>
    public bool IsOn => _origins.Count > 0;

    /// <summary>The same handler, whose answers the pages may read.</summary>
    public RequestDelegate Around(RequestDelegate handler) => IsOn
        ? context =>
        {
            Allow(context);
            return handler(context);
        }
    : handler;

    /// <summary>Answers what a browser asks before it sends anything of the page's.</summary>
    public RequestDelegate Preflight(string method) => context =>
    {
        if (Allow(context))
        {
            context.Response.Headers.AccessControlAllowMethods = method;
            context.Response.Headers.AccessControlAllowHeaders = "content-type";
            context.Response.Headers.AccessControlMaxAge = "600";
        }

        context.Response.StatusCode = StatusCodes.Status204NoContent;
        return Task.CompletedTask;
    };

    /// <summary>Whether a setting names an origin, or all: <c>https://chat.example</c>, <c>*</c>. Compared byte for byte with the browser's, so only its own spelling will ever match.</summary>
    public static bool IsOrigin(string? text) =>
        text == Any || (Uri.TryCreate(text, UriKind.Absolute, out Uri? url) && url.GetLeftPart(UriPartial.Authority) == text && url.UserInfo.Length == 0 && url.Host.Length > 0);

    private bool Allow(HttpContext context)
    {
        if (!_isAny)
        {
            context.Response.Headers.Append(HeaderNames.Vary, HeaderNames.Origin);
        }

        if (context.Request.Headers.Origin is not [{ } origin] || !(_isAny || _origins.Contains(origin)))
        {
            return false;
        }

        context.Response.Headers.AccessControlAllowOrigin = _isAny ? Any : origin;
        context.Response.Headers.AccessControlExposeHeaders = "Retry-After";
        return true;
    }
}
