using System.Net.Http.Headers;

namespace Tacit.Client.Transports;

/// <summary>A whole answer, read to its end and bounded.</summary>
internal sealed record ServiceReply(int Status, string? MediaType, byte[] Body, HttpResponseHeaders Headers)
{
    public bool IsSuccess => Status is >= 200 and < 300;
}

/// <summary>A call failed before it had a whole answer.</summary>
/// <param name="nothingSent">No connection was made, so the other side saw nothing of the request.</param>
internal sealed class TransportException(bool nothingSent, string message, Exception? inner) : Exception(message, inner)
{
    public bool NothingSent { get; } = nothingSent;

    /// <summary>Nothing broke; nothing came, for as long as was to be waited.</summary>
    public bool WasSilent { get; init; }
}

/// <summary>Background calls to a server, each on a connection of its own.</summary>
internal sealed class ServiceCaller(TransportPool pool, TimeProvider time)
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);

    public async Task<ServiceReply> SendAsync(Route route, HttpRequestMessage request, int maxReplyBytes, CancellationToken cancellationToken)
    {
        using TransportLease lease = pool.Lease(route, IsolationKey.ForOneRequest(), keep: false);
        using var deadline = new CancellationTokenSource(Timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            using HttpResponseMessage response = await lease.Invoker.SendAsync(request, either.Token);
            byte[] body = await ReadAsync(response.Content, maxReplyBytes, either.Token);
            return new ServiceReply((int)response.StatusCode, response.Content.Headers.ContentType?.MediaType, body, response.Headers);
        }
        catch (Exception e) when (IsTransportFailure(e, cancellationToken))
        {
            throw new TransportException(NothingWasSent(e), Describe(e, route), e);
        }
    }

    /// <summary>Whether <paramref name="e"/> is the network's doing, and not the caller's who gave up.</summary>
    public static bool IsTransportFailure(Exception e, CancellationToken callers) =>
        e is HttpRequestException or IOException || (e is OperationCanceledException && !callers.IsCancellationRequested);

    /// <summary>Whether the failure came before the connection could carry a byte of the request.</summary>
    public static bool NothingWasSent(Exception e) =>
        e is HttpRequestException
        {
            HttpRequestError: HttpRequestError.NameResolutionError or HttpRequestError.ConnectionError or HttpRequestError.SecureConnectionError
                or HttpRequestError.ProxyTunnelError,
        };

    /// <summary>What a person can act on; names the server, never the request.</summary>
    public static string Describe(Exception e, Route route)
    {
        string server = route.Server;
        return e switch
        {
            HttpRequestException { HttpRequestError: HttpRequestError.NameResolutionError } => $"The name of {server} could not be resolved.",
            HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError } => $"No secure connection to {server}: its certificate is not valid here, or TLS is older than 1.2.",
            HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError } => $"Nothing answers at {server}.",
            OperationCanceledException => $"{server} did not answer in time.",
            _ => $"The connection to {server} broke off.",
        };
    }

    public static async Task<byte[]> ReadAsync(HttpContent content, int maxBytes, CancellationToken cancellationToken)
    {
        await using Stream stream = await content.ReadAsStreamAsync(cancellationToken);
        using var body = new MemoryStream();
        byte[] block = new byte[16 * 1024];
        int read;
        while ((read = await stream.ReadAsync(block, cancellationToken)) > 0)
        {
            if (body.Length + read > maxBytes)
            {
                throw new IOException("The answer is longer than it may be.");
            }
            body.Write(block, 0, read);
        }
        return body.ToArray();
    }
}
