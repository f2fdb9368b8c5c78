using System.Net;
using Microsoft.AspNetCore.Http;

namespace Tacit.App;

/// <summary>
/// Lets in only what comes from this machine's own programs and the app's own pages. A web page elsewhere reaches 127.0.0.1 too, directly or by having its
/// name resolve to it: the first shows in Origin and Sec-Fetch-Site, the second in Host. No CORS header is ever sent.
/// </summary>
internal sealed class LocalGuard(Func<int> port)
{
    public RequestDelegate Wrap(RequestDelegate next) => context => Refusal(context.Request) is string why
        ? ApiErrors.WriteAsync(context, new ApiFault(StatusCodes.Status403Forbidden, "invalid_request_error", "foreign_origin", why))
        : next(context);

    /// <summary>
    /// The page's files, which are at the app's number only: whoever follows <c>localhost</c> there is sent on. That is a name for two addresses, and at the one where the app does
    /// not listen another user of this machine may: a page that was loaded from there is of the same origin as what it then asks here.
    /// </summary>
    public RequestDelegate WrapPage(RequestDelegate next) => Wrap(context =>
    {
        if (IsByNumber(context.Request))
        {
            return next(context);
        }
        ConnectionInfo connection = context.Connection;
        IPAddress here = connection.LocalIpAddress is { IsIPv4MappedToIPv6: true } mapped ? mapped.MapToIPv4() : connection.LocalIpAddress ?? IPAddress.Loopback;
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Redirect($"http://{new IPEndPoint(here, port())}{context.Request.Path.ToUriComponent()}", permanent: false, preserveMethod: true);
        return Task.CompletedTask;
    });

    /// <summary>Whether a request names the app by an address that leads to one place alone (<see cref="WrapPage"/>).</summary>
    public static bool IsByNumber(HttpRequest request) => !request.Host.Host.Equals("localhost", StringComparison.OrdinalIgnoreCase);

    /// <summary>Why a request is not answered; null lets it in.</summary>
    public string? Refusal(HttpRequest request)
    {
        if (!IsOwnAuthority(request.Host.Value))
        {
            return "The app answers only to 127.0.0.1, localhost and [::1] at its own port.";
        }
        foreach (string? origin in request.Headers.Origin)
        {
            // "null" too: a sandboxed frame or a file has no origin to vouch for it.
            if (origin is null || !origin.StartsWith("http://", StringComparison.OrdinalIgnoreCase) || !origin[7..].Equals(request.Host.Value, StringComparison.OrdinalIgnoreCase))
            {
                return "The app answers no web page but its own.";
            }
        }
        // Browsers say this even where they leave Origin out, as for images and scripts. A person who follows a link to the page itself is welcome, a frame of
        // somebody else's page is not.
        string? site = request.Headers["Sec-Fetch-Site"];
        bool isNavigation = HttpMethods.IsGet(request.Method) && request.Headers["Sec-Fetch-Mode"] == "navigate"
            && (string?)request.Headers["Sec-Fetch-Dest"] is null or "document" && request.Path == "/";
        return site is null or "same-origin" or "none" || isNavigation ? null : "The app answers no web page but its own.";
    }

    private bool IsOwnAuthority(string? authority)
    {
        string suffix = ":" + port().ToString(System.Globalization.CultureInfo.InvariantCulture);
        if (authority is null)
        {
            return false;
        }
        ReadOnlySpan<char> name = authority;
        if (name.EndsWith(suffix, StringComparison.Ordinal))
        {
            name = name[..^suffix.Length];
        }
        else if (port() != 80)
        {
            return false;
        }
        return name.Equals("127.0.0.1", StringComparison.Ordinal) || name.Equals("localhost", StringComparison.OrdinalIgnoreCase)
            || name.Equals("[::1]", StringComparison.Ordinal);
    }
}
