using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace Tacit.Hosting;

/// <summary>
/// A role's own door for its operator: HTTP over the Unix socket <c>&lt;data&gt;/&lt;role&gt;.sock</c> with mode 0600. Who may open the file may
/// manage the role; there is no other login.
/// </summary>
public static class ManagementSocket
{
    public static string PathFor(string dataFolder, string role) => Path.Combine(dataFolder, role + ".sock");

    /// <param name="dataFolder">Must exist (<see cref="DataFolder.Create"/>).</param>
    /// <param name="map">Maps the operator's routes.</param>
    /// <param name="health">If given, served here too.</param>
    /// <exception cref="AddressInUseException">The role already runs on this data folder.</exception>
    public static Task<WebServer> StartAsync(
        string dataFolder, string role, Action<IEndpointRouteBuilder> map, Health? health, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken) =>
        WebServer.StartAsync(
            new WebServerOptions
            {
                Role = role,
                Listen = ListenAddress.UnixSocket(PathFor(dataFolder, role)),
                ListenSetting = "--data",
                MaxRequestBodyBytes = 1024 * 1024,
                DrainTimeout = TimeSpan.FromSeconds(5),
                WriteError = WriteErrorAsync,
            },
            routes =>
            {
                health?.Map(routes);
                map(routes);
            },
            time,
            loggers,
            cancellationToken);

    /// <summary>Answers with an error that the operator's command shows as it is: one sentence, which says what to do.</summary>
    public static Task RefuseAsync(HttpContext context, int status, string message)
    {
        ArgumentNullException.ThrowIfNull(context);
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync(message, context.RequestAborted);
    }

    private static Task WriteErrorAsync(HttpContext context, int status) => RefuseAsync(context, status, status switch
    {
        StatusCodes.Status404NotFound => "This role does not know that command; it may be of another version.",
        StatusCodes.Status500InternalServerError => "The role failed to do this; its log names the cause.",
        _ => $"The command was refused with status {status}.",
    });
}
