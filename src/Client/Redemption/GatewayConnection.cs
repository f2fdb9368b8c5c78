using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json;
using Tacit.Client.Transports;
using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>What the gateway says became of a token, in the header of every reply to a request that carried one.</summary>
internal enum TokenVerdict
{
    /// <summary>Nothing was said: the answer came from something before the gateway.</summary>
    None,
    Unspent,
    Spent,
    Returned,

    /// <summary>Bound to this request, whose end is still open: it may be repeated as it was.</summary>
    InFlight,
}

/// <summary>The beginning of the gateway's answer. Owns its connection.</summary>
internal sealed class GatewayAnswer(HttpResponseMessage response, TransportLease lease, Stream stream) : IDisposable
{
    public int Status { get; } = (int)response.StatusCode;

    public bool IsSuccess => Status is >= 200 and < 300;

    /// <summary>The body of an answer that is no success, once it was read.</summary>
    public byte[] Error { get; set; } = [];

    public bool IsEventStream { get; } = response.Content.Headers.ContentType?.MediaType == MediaTypes.EventStream;

    public string? RetryAfter { get; } = response.Headers.TryGetValues("Retry-After", out IEnumerable<string>? values) ? values.First() : null;

    public Stream Stream { get; private set; } = stream;

    /// <summary>Puts a body that was read back, for whoever reads it next.</summary>
    public void PutBack(byte[] body)
    {
        Stream.Dispose();
        Stream = new MemoryStream(body, writable: false);
    }

    /// <summary>What renews a chain, in the head or, there once the body was read to its end, in the trailer; null if it did not come.</summary>
    public string? Renewal => response.TrailingHeaders.TryGetValues(Routes.RenewalTrailer, out IEnumerable<string>? values)
        || response.Headers.TryGetValues(Routes.RenewalTrailer, out values)
        ? values.First()
        : null;

    public TokenVerdict Verdict { get; } = response.Headers.TryGetValues(Routes.TokenStateHeader, out IEnumerable<string>? states)
        ? states.First() switch
        {
            Routes.TokenUnspent => TokenVerdict.Unspent,
            Routes.TokenSpent => TokenVerdict.Spent,
            Routes.TokenReturned => TokenVerdict.Returned,
            Routes.TokenInFlight => TokenVerdict.InFlight,
            _ => TokenVerdict.None,
        }
        : TokenVerdict.None;

    /// <summary>Whether the gateway asks for another challenge than <paramref name="digest"/> and for that one not at all.</summary>
    public bool AsksForAnotherChallenge(byte[] digest)
    {
        if (Status != 401 || !response.Headers.TryGetValues("WWW-Authenticate", out IEnumerable<string>? values))
        {
            return false;
        }
        IReadOnlyList<PrivateTokenChallenge> challenges = PrivateTokenHeader.ParseChallenges(values);
        return challenges.Count > 0 && !challenges.Any(challenge => SHA256.HashData(challenge.ChallengeBytes).AsSpan().SequenceEqual(digest));
    }

    /// <summary>The connection broke, or is believed to have: what comes next in its unit does not use it, nor the way that it took.</summary>
    public void Discard()
    {
        lease.Discard();
        Dispose();
    }

    public void Dispose()
    {
        Stream.Dispose();
        response.Dispose();
        lease.Dispose();
    }
}

/// <summary>Requests to the gateway: the allow-list of headers is what this class writes, and nothing else (law 5).</summary>
internal sealed class GatewayConnection(TransportPool transports, PseudonymKeeper? pseudonyms, RedemptionOptions options, TimeProvider time)
{
    private const int WorkRequired = 428;

    /// <summary>How often one request is worked for anew: the gateway may ask for more meanwhile.</summary>
    private const int MaxSolutions = 3;

    private readonly WorkSolver _work = new(options.MaxWorkBits, options.WorkProgress);

    /// <summary>Sends a request with its token and waits for the beginning of the answer.</summary>
    /// <param name="isolation">The unit; null for one of its own.</param>
    /// <param name="patience">How long to wait.</param>
    /// <exception cref="TransportException">No answer began.</exception>
    /// <exception cref="ClientException"><see cref="ClientError.WorkRefused"/>.</exception>
    public async Task<GatewayAnswer> SendAsync(
        Route route, string path, OpenRequest open, ReadOnlyMemory<byte> body, AnonymousUnit? isolation, TimeSpan patience, CancellationToken cancellationToken,
        PromptTrace? trace = null)
    {
        string? pseudonym = pseudonyms is null ? null : await pseudonyms.HeaderAsync(open.Series.Gateway, open.Started, cancellationToken);
        return await SendAsync(
            route, path,
            headers =>
            {
                headers.TryAddWithoutValidation("Authorization", PrivateTokenHeader.FormatAuthorization(open.Token, open.Series.Extensions, open.Salt));
                if (open.Successor is byte[] successor && TokenRequest.TryParse(successor, out TokenRequest? next))
                {
                    headers.TryAddWithoutValidation(Routes.SuccessorHeader, ChainHeaders.FormatSuccessor(next));
                }
                if (pseudonym is not null)
                {
                    headers.TryAddWithoutValidation(Routes.PseudonymHeader, pseudonym);
                }
            },
            body, isolation, patience, cancellationToken, trace);
    }

    /// <summary>Sends a request and waits for the beginning of the answer; with a proof of work if the gateway asks for one, which it does before anything is spent.</summary>
    /// <param name="credentials">Writes what admits the request, each time it is sent.</param>
    /// <param name="patience">How long to wait for it, each time.</param>
    /// <exception cref="TransportException">No answer began.</exception>
    /// <exception cref="ClientException"><see cref="ClientError.WorkRefused"/>.</exception>
    public async Task<GatewayAnswer> SendAsync(
        Route route, string path, Action<HttpRequestHeaders> credentials, ReadOnlyMemory<byte> body, AnonymousUnit? isolation, TimeSpan patience, CancellationToken cancellationToken,
        PromptTrace? trace = null)
    {
        string? stamp = null;
        AnonymousUnit unit = isolation ?? AnonymousUnit.ForOneRequest();
        for (int solved = 0; ; solved++)
        {
            GatewayAnswer answer = await SendOnceAsync(route, path, credentials, stamp, body, unit, patience, trace, cancellationToken);
            if (answer.Status != WorkRequired || solved == MaxSolutions)
            {
                return answer;
            }
            try
            {
                byte[] error = await ReadErrorAsync(answer, cancellationToken);
                if (!WorkAnnouncement.TryReadError(error, out WorkAnnouncement? work))
                {
                    answer.PutBack(error);
                    return answer;
                }
                answer.Dispose();
                unit = unit.IsForOneRequest ? AnonymousUnit.ForOneRequest() : unit;
                stamp = await _work.SolveAsync(work, path, body, cancellationToken);
            }
            catch
            {
                answer.Dispose();
                throw;
            }
        }
    }

    private async Task<GatewayAnswer> SendOnceAsync(
        Route route, string path, Action<HttpRequestHeaders> credentials, string? stamp, ReadOnlyMemory<byte> body, AnonymousUnit unit, TimeSpan patience,
        PromptTrace? trace, CancellationToken cancellationToken)
    {
        await transports.ReadyAsync(route, cancellationToken);
        TransportLease lease = transports.Lease(route, unit, keep: !unit.IsForOneRequest);
        HttpResponseMessage? response = null;
        using var deadline = new CancellationTokenSource(transports.Patience(route, patience), time);
        try
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
            using var request = new HttpRequestMessage(HttpMethod.Post, route.Resolve(path)) { Version = System.Net.HttpVersion.Version11 };
            credentials(request.Headers);
            if (stamp is not null)
            {
                request.Headers.TryAddWithoutValidation(Routes.WorkHeader, stamp);
            }
            request.Headers.TryAddWithoutValidation("Accept", "application/json, text/event-stream");
            // What is sealed is sent when the handler below hands it over.
            request.Content = ObservedContent.Of(body, route.Kind == RouteKind.Direct ? trace : null);
            if (trace is not null)
            {
                request.Options.Set(PromptTrace.Option, trace);
            }
            request.Content.Headers.ContentType = new MediaTypeHeaderValue(MediaTypes.Json);
            response = await lease.Invoker.SendAsync(request, either.Token);
            transports.Sightings.Answered(route);
            trace?.Answered((int)response.StatusCode, lease.Way, transports);
            return new GatewayAnswer(response, lease, await response.Content.ReadAsStreamAsync(either.Token));
        }
        catch (Exception e)
        {
            trace?.Unanswered(lease.Way, transports);
            bool isTransports = ServiceCaller.IsTransportFailure(e, cancellationToken);
            if (isTransports)
            {
                lease.Discard();
            }
            response?.Dispose();
            lease.Dispose();
            if (isTransports)
            {
                string problem = ServiceCaller.Describe(e, route);
                transports.Sightings.Failed(route, problem);
                throw new TransportException(ServiceCaller.NothingWasSent(e), problem, e) { WasSilent = deadline.IsCancellationRequested };
            }
            throw;
        }
    }

    /// <summary>The whole body of an error, bounded.</summary>
    /// <exception cref="TransportException">It broke off.</exception>
    public async Task<byte[]> ReadErrorAsync(GatewayAnswer answer, CancellationToken cancellationToken)
    {
        const int MaxErrorBytes = 64 * 1024;
        using var deadline = new CancellationTokenSource(options.IdleTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        using var body = new MemoryStream();
        byte[] block = new byte[4096];
        try
        {
            int read;
            while ((read = await answer.Stream.ReadAsync(block, either.Token)) > 0 && body.Length + read <= MaxErrorBytes)
            {
                body.Write(block, 0, read);
            }
            return body.ToArray();
        }
        catch (Exception e) when (ServiceCaller.IsTransportFailure(e, cancellationToken))
        {
            throw new TransportException(nothingSent: false, $"It answered {answer.Status} and broke off.", e);
        }
    }

    /// <summary>The <c>code</c> of an OpenAI-shaped error; empty if there is none.</summary>
    public static string ErrorCode(byte[] body) => ErrorMember(body, "code");

    /// <summary>Its <c>message</c>, made fit for a terminal.</summary>
    public static string ErrorText(ReadOnlyMemory<byte> body) => string.Concat(ErrorMember(body, "message").Take(500).Select(c => char.IsControl(c) ? ' ' : c));

    private static string ErrorMember(ReadOnlyMemory<byte> body, string name)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(body);
            return json.RootElement.ValueKind == JsonValueKind.Object
                && json.RootElement.TryGetProperty("error", out JsonElement error) && error.ValueKind == JsonValueKind.Object
                && error.TryGetProperty(name, out JsonElement member) && member.ValueKind == JsonValueKind.String
                ? member.GetString()!
                : "";
        }
        catch (JsonException)
        {
            return "";
        }
    }
}
