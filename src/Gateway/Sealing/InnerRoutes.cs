using Microsoft.AspNetCore.Http;
using Tacit.Gateway.Endpoints;
using Tacit.Protocol;

namespace Tacit.Gateway.Sealing;

/// <summary>
/// What can be reached from inside sealed requests: the handlers that the server itself maps, by an explicit list. What is not on it, such as the sealed resources
/// themselves, is not there inside.
/// </summary>
internal sealed class InnerRoutes
{
    private readonly Dictionary<string, (string Method, RequestDelegate Handler)> _exact = [];
    private readonly List<(string Method, string Prefix, string Value, RequestDelegate Handler)> _prefixes = [];

    public void Add(string method, string path, RequestDelegate handler) => _exact.Add(path, (method, handler));

    /// <param name="prefix">Ends with a slash; what follows becomes the route value <paramref name="value"/>.</param>
    public void AddPrefix(string method, string prefix, string value, RequestDelegate handler) => _prefixes.Add((method, prefix, value, handler));

    public Task InvokeAsync(HttpContext context)
    {
        string path = context.Request.Path.Value ?? "";
        if (_exact.TryGetValue(path, out (string Method, RequestDelegate Handler) route))
        {
            return context.Request.Method == route.Method ? route.Handler(context) : RefuseMethodAsync(context, route.Method);
        }

        foreach ((string method, string prefix, string value, RequestDelegate handler) in _prefixes)
        {
            if (path.Length > prefix.Length && path.StartsWith(prefix, StringComparison.Ordinal))
            {
                if (context.Request.Method != method)
                {
                    return RefuseMethodAsync(context, method);
                }

                context.Request.RouteValues[value] = path[prefix.Length..];
                return handler(context);
            }
        }

        return ErrorReply.WriteAsync(context, ApiError.Create(ErrorCodes.NotFound, "There is nothing at this path inside sealed requests."));
    }

    private static Task RefuseMethodAsync(HttpContext context, string method)
    {
        context.Response.Headers.Allow = method;
        return ErrorReply.WriteAsync(context, ApiError.Create(ErrorCodes.MethodNotAllowed, "This path does not take this method."));
    }
}
