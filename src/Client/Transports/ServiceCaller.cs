using System.Net.Http.Headers;
using Tacit.Tor;

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

    /// <summary>Whether it is Tor itself that is not there, and not the server behind.</summary>
    public bool IsOfTor { get; } = inner is HttpRequestException { InnerException: TorException { Error: TorError.SocksUnreachable or TorError.Died } };

    /// <summary>The same for callers of this project.</summary>
    /// <param name="server">What it is where the server is not there.</param>
    public ClientException ToClientException(ClientError server, string message) =>
        IsOfTor ? new ClientException(ClientError.TorUnavailable, message, TorCarrier.Unavailable, inner: this) : new ClientException(server, message, inner: this);

    /// <summary>Nothing broke; nothing came, for as long as was to be waited.</summary>
    public bool WasSilent { get; init; }
}

/// <summary>Calls of the identity side: account, issuance and the issuer's own directory. Each on a connection and a circuit of its own.</summary>
internal sealed class IdentityCaller(TransportPool pool, TimeProvider time) : ServiceCaller(pool, time)
{
    private protected override IsolationKey CreateUnit() => IdentityUnit.ForOneCall();
}

/// <summary>Background calls of the anonymous side: exchanges, copies of the directory, sealing keys, models. Each on a connection and a circuit of its own.</summary>
internal sealed class AnonymousCaller(TransportPool pool, TimeProvider time) : ServiceCaller(pool, time)
{
    private protected override IsolationKey CreateUnit() => AnonymousUnit.ForOneRequest();
}

/// <summary>Background calls to a server. Which side they are of is the subtype, which makes the unit, so that no caller can take one of the other side.</summary>
internal abstract class ServiceCaller(TransportPool pool, TimeProvider time)
{
    /// <summary>How long a whole call may take, once connections can be made.</summary>
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);

    /// <summary>Now and then Tor cannot make a circuit and can make the next; the next call of the same kind may be hours away.</summary>
    private const int CircuitAttempts = 3;

    private protected abstract IsolationKey CreateUnit();

    /// <param name="timeout">Null takes <see cref="Timeout"/>. Waiting for Tor does not count, and making a circuit comes on top.</param>
    /// <exception cref="TransportException">No whole answer came.</exception>
    /// <exception cref="ClientException"><see cref="ClientError.TorUnavailable"/>, <see cref="ClientError.TorUnusable"/>, <see cref="ClientError.AddressRefused"/>: nothing
    /// was sent.</exception>
    public async Task<ServiceReply> SendAsync(
        Route route, HttpRequestMessage request, int maxReplyBytes, CancellationToken cancellationToken, TimeSpan? timeout = null)
    {
        await pool.ReadyAsync(route, cancellationToken);
        using var deadline = new CancellationTokenSource(pool.Patience(route, timeout ?? Timeout), time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        for (int attempt = 1; ; attempt++)
        {
            using TransportLease lease = pool.Lease(route, CreateUnit(), keep: false);
            try
            {
                using HttpResponseMessage response = await lease.Invoker.SendAsync(request, either.Token);
                byte[] body = await ReadAsync(response.Content, maxReplyBytes, either.Token);
                pool.Sightings.Answered(route);
                return new ServiceReply((int)response.StatusCode, response.Content.Headers.ContentType?.MediaType, body, response.Headers);
            }
            catch (HttpRequestException e) when (attempt < CircuitAttempts && e.InnerException is TorException { IsOfCircuit: true })
            {
                // On another circuit, as everything here.
            }
            catch (Exception e) when (IsTransportFailure(e, cancellationToken))
            {
                string problem = Describe(e, route);
                pool.Sightings.Failed(route, problem);
                throw new TransportException(NothingWasSent(e), problem, e);
            }
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
            HttpRequestException { InnerException: TorException tor } => $"{server} cannot be reached over Tor. {tor.Message}",
            HttpRequestException { InnerException: TimeoutException late } => $"{server} cannot be reached. {late.Message}",
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
