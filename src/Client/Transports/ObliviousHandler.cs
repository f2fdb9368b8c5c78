using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Tacit.Protocol;

namespace Tacit.Client.Transports;

/// <summary>What seals a request to a gateway now.</summary>
/// <exception cref="ClientException">There is no key that can be believed.</exception>
internal delegate Task<ObliviousKeyConfiguration> SealingKeyFinder(string gateway, CancellationToken cancellationToken);

/// <summary>
/// Seals each request to a gateway (RFC 9458, in chunks: draft-ietf-ohai-chunked-ohttp), posts it to the gateway's oblivious resource or to a relay, and opens the answer as
/// it comes. Whoever is in between can delay or cut, which is a broken connection to the caller; what it says in the clear is believed in nothing, and an answer
/// that was changed or ends too early is an <see cref="IOException"/>.
/// </summary>
/// <param name="findKey">Not needed if the route has a key.</param>
/// <param name="work">Does the work that a busy gateway asks for before it opens anything; null does none.</param>
internal sealed class ObliviousHandler(HttpMessageInvoker outer, Route route, SealingKeyFinder? findKey, WorkSolver? work) : HttpMessageHandler
{
    /// <summary>How often one request is worked for anew: the gateway may ask for more meanwhile.</summary>
    private const int MaxSolutions = 3;

    /// <summary>Of what a relay or gateway says in the clear.</summary>
    private const int MaxProblemBytes = 16 * 1024;

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        using SensitiveBuffer message = await WriteAsync(request, cancellationToken);
        PromptTrace? trace = request.Options.TryGetValue(PromptTrace.Option, out PromptTrace? observer) ? observer : null;
        for (bool isFirst = true; ; isFirst = false)
        {
            ObliviousKeyConfiguration key = route.Key ?? await findKey!(route.Gateway!, cancellationToken);
            ObliviousClientExchange exchange = ObliviousClientExchange.TryCreate(key, isChunked: true)
                ?? throw new ClientException(
                    ClientError.SealingKeyUnavailable, $"The sealing key of {route.Gateway} is of a kind that this machine's libcrypto does not have; OpenSSL 3.5 has all of them.");
            HttpResponseMessage? answer = null;
            try
            {
                using SensitiveBuffer encapsulated = Seal(exchange, message);
                trace?.Sealed(encapsulated.WrittenCount);
                answer = await PostAsync(encapsulated, null, trace, cancellationToken);
                for (int solved = 0; answer.StatusCode == HttpStatusCode.PreconditionRequired && work is not null && solved < MaxSolutions; solved++)
                {
                    if (!WorkAnnouncement.TryReadError(await ReadProblemAsync(answer, cancellationToken), out WorkAnnouncement? asked))
                    {
                        break;
                    }

                    byte[] digest = new byte[WorkStamp.DigestSizeInBytes];
                    WorkStamp.DigestOfSealed(encapsulated.WrittenSpan[ObliviousRequestHeader.SizeInBytes..], default, digest);
                    string stamp = await work.SolveAsync(asked, digest, cancellationToken);
                    answer.Dispose();
                    answer = await PostAsync(encapsulated, stamp, trace, cancellationToken);
                }

                if (answer.StatusCode == HttpStatusCode.OK && answer.Content.Headers.ContentType?.MediaType == MediaTypes.ObliviousChunkedResponse)
                {
                    var opened = new OpenedReply(exchange, answer, await answer.Content.ReadAsStreamAsync(cancellationToken), trace);
                    (exchange, answer) = (null!, null);
                    return await opened.ReadHeadAsync(request, cancellationToken);
                }

                // The gateway had its keys changed in the very moment, perhaps: once more with what is the key then. Nothing was opened, so nothing was done.
                byte[] said = await ReadProblemAsync(answer, cancellationToken);
                if (!isFirst || said.AsSpan().IndexOf(Encoding.ASCII.GetBytes(ObliviousProblems.Key.Type)) < 0)
                {
                    throw new IOException($"{route.Server} did not take the sealed request ({(int)answer.StatusCode}).");
                }
            }
            finally
            {
                answer?.Dispose();
                exchange?.Dispose();
            }
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            outer.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>The request as binary HTTP, padded, so that its length tells no more than a bucket.</summary>
    private async Task<SensitiveBuffer> WriteAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        using var content = new SensitiveBuffer(4096);
        if (request.Content is not null)
        {
            await using Stream body = await request.Content.ReadAsStreamAsync(cancellationToken);
            int read;
            while ((read = await body.ReadAsync(content.GetMemory(4096), cancellationToken)) > 0)
            {
                content.Advance(read);
            }
        }

        IEnumerable<KeyValuePair<string, IEnumerable<string>>> headers = request.Headers;
        var message = new SensitiveBuffer(content.WrittenCount + 2048);
        try
        {
            BinaryHttpWriter.WriteRequest(
                message,
                new BinaryHttpRequest
                {
                    Method = request.Method.Method,
                    Scheme = Uri.UriSchemeHttps,
                    Authority = route.Gateway!,
                    Path = request.RequestUri!.PathAndQuery,
                    Headers =
                    [
                        .. headers.Concat(request.Content?.Headers.Where(header => header.Key != "Content-Length") ?? [])
                            .Select(header => new BinaryHttpField(header.Key.ToLowerInvariant(), string.Join(", ", header.Value))),
                    ],
                },
                content.WrittenSpan);
            BinaryHttpWriter.WritePadding(message, PaddingBuckets.Round(message.WrittenCount) - message.WrittenCount);
            return message;
        }
        catch
        {
            message.Dispose();
            throw;
        }
    }

    private static SensitiveBuffer Seal(ObliviousClientExchange exchange, SensitiveBuffer message)
    {
        var encapsulated = new SensitiveBuffer(message.WrittenCount + 1024);
        ReadOnlySpan<byte> rest = message.WrittenSpan;
        for (; rest.Length > ObliviousChunkReader.MaxChunkSize; rest = rest[ObliviousChunkReader.MaxChunkSize..])
        {
            exchange.SealChunk(rest[..ObliviousChunkReader.MaxChunkSize], isFinal: false, encapsulated);
        }

        exchange.SealChunk(rest, isFinal: true, encapsulated);
        return encapsulated;
    }

    private async Task<HttpResponseMessage> PostAsync(SensitiveBuffer encapsulated, string? stamp, PromptTrace? trace, CancellationToken cancellationToken)
    {
        using var post = new HttpRequestMessage(HttpMethod.Post, route.Resource) { Content = ObservedContent.Of(encapsulated.WrittenMemory, trace) };
        if (trace is not null)
        {
            post.Options.Set(PromptTrace.Option, trace);
        }
        post.Content.Headers.ContentType = new MediaTypeHeaderValue(MediaTypes.ObliviousChunkedRequest);
        if (stamp is not null)
        {
            post.Headers.TryAddWithoutValidation(Routes.WorkHeader, stamp);
        }

        return await outer.SendAsync(post, cancellationToken);
    }

    private static Task<byte[]> ReadProblemAsync(HttpResponseMessage answer, CancellationToken cancellationToken) =>
        ServiceCaller.ReadAsync(answer.Content, MaxProblemBytes, cancellationToken);
}
