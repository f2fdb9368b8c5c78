using Microsoft.AspNetCore.Http;
using Tacit.Hosting.Onion;

namespace Tacit.Hosting;

/// <summary>What a server of ours needs to know to listen. Every limit has a default that suits a public address.</summary>
public sealed record WebServerOptions
{
    /// <summary>Names the role in errors and logs: <c>issuer</c>, <c>gateway</c> …</summary>
    public required string Role { get; init; }

    public required ListenAddress Listen { get; init; }

    /// <summary>The setting that holds <see cref="Listen"/>, as the user writes it; named when the port is taken.</summary>
    public string ListenSetting { get; init; } = "Listen";

    /// <summary>Mode of a Unix socket to listen on. Wider than 0600 only where another user's role has to reach it.</summary>
    public UnixFileMode SocketMode { get; init; } = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>HTTPS, by files that are taken up again when they change; off unless set. TLS 1.3 only, HTTP/1.1 and HTTP/2 by ALPN. Not for Unix sockets.</summary>
    public TlsOptions Tls { get; init; } = new();

    /// <summary>The role's onion service: where it is on, the server listens on its socket as well, in plain HTTP, with the same limits.</summary>
    public OnionDoor? Onion { get; init; }

    /// <summary>Most bytes of a request body. Null leaves it to the handlers, which read with a bound of their own (<see cref="RequestBody"/>).</summary>
    public long? MaxRequestBodyBytes { get; init; }

    public int MaxRequestHeaderBytes { get; init; } = 32 * 1024;

    public int MaxRequestHeaderCount { get; init; } = 100;

    public int MaxConnections { get; init; } = 20_000;

    /// <summary>How long a connection may take over the headers of a request. Stops a slow-loris.</summary>
    public TimeSpan RequestHeadersTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Least rate of a request body in bytes a second, after <see cref="RequestBodyGracePeriod"/>.</summary>
    public double MinRequestBodyBytesPerSecond { get; init; } = 240;

    public TimeSpan RequestBodyGracePeriod { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Least rate in bytes a second at which a response is read that is more than the buffers between hold, after <see cref="ResponseGracePeriod"/>: low enough for
    /// the slowest circuit of Tor, and who reads nothing does not hold a connection, and what is kept for it, for ever.
    /// </summary>
    public double MinResponseBytesPerSecond { get; init; } = 240;

    public TimeSpan ResponseGracePeriod { get; init; } = TimeSpan.FromSeconds(30);

    public TimeSpan KeepAliveTimeout { get; init; } = TimeSpan.FromSeconds(90);

    /// <summary>How long requests under way may take to end once the server is closed to new ones; then they are cut off.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long to go on taking requests after readiness turned false, so that a load balancer notices first.</summary>
    public TimeSpan DrainDelay { get; init; } = TimeSpan.Zero;

    /// <summary>Shared with the role's other servers and loops; the server makes its own if null.</summary>
    public DrainSignal? Drain { get; init; }

    /// <summary>
    /// Writes the role's form of an error: called with 404 or 405 for what no route takes, 500 for an exception that nothing caught, and whatever status
    /// a malformed request earned. Without it such replies have no body.
    /// </summary>
    public Func<HttpContext, int, Task>? WriteError { get; init; }
}
