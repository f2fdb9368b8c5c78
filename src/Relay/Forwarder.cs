using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Authentication;
using Microsoft.AspNetCore.Http;
using Tacit.Hosting;
using Tacit.Hosting.Onion;
using Tacit.Protocol;

namespace Tacit.Relay;

/// <summary>
/// The oblivious relay resource (RFC 9458, section 5.1): passes a sealed request on to a gateway it was told of, and the sealed answer back, each as it comes. Of a
/// request the gateway sees the media type and the bytes, over connections that all clients share; of an answer the client sees as much.
/// </summary>
internal sealed class Forwarder : IDisposable
{
    /// <summary>As much as is passed on at once.</summary>
    private const int BlockBytes = 16 * 1024;

    /// <summary>Of an answer that is not sealed: a problem in the clear, such as that of an unknown key.</summary>
    private const int MaxProblemBytes = 16 * 1024;

    private readonly RelayOptions _options;
    private readonly TimeProvider _time;
    private readonly RelayRoom _room;
    private readonly HttpMessageInvoker _http;

    public Forwarder(RelayOptions options, TimeProvider time)
    {
        _options = options;
        _time = time;
        // Not all of the room, however many addresses they stand for: whoever comes over Tor for nothing but to fill it leaves half to the others.
        _room = new RelayRoom(
            options.MaxRequests, options.MaxRequestsPerAddress,
            (int)Math.Max(options.MaxRequestsPerAddress, Math.Min((long)options.MaxRequestsPerAddress * options.Onion.Addresses, options.MaxRequests / 2)));
        _http = new HttpMessageInvoker(new SocketsHttpHandler
        {
            UseCookies = false,
            UseProxy = false,
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ActivityHeadersPropagator = null,
            ConnectTimeout = TimeSpan.FromSeconds(10),
            PooledConnectionLifetime = TimeSpan.FromMinutes(10),
            EnableMultipleHttp2Connections = true,
            MaxResponseHeadersLength = 16,
            SslOptions = new SslClientAuthenticationOptions { EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13 },
        });
    }

    /// <summary>Requests under way.</summary>
    public int UnderWay => _room.Count;

    public void Dispose() => _http.Dispose();

    public async Task HandleAsync(HttpContext context, RelayTarget target)
    {
        // 1. What it is: sealed or not at all.
        string? type = context.Request.ContentType;
        if (type is not (MediaTypes.ObliviousRequest or MediaTypes.ObliviousChunkedRequest))
        {
            await Problems.WriteAsync(context, ProblemTypes.UnsupportedMediaType, $"This relay takes {MediaTypes.ObliviousRequest} and {MediaTypes.ObliviousChunkedRequest}.");
            return;
        }

        if (context.Request.ContentLength > _options.MaxRequestBytes)
        {
            await Problems.WriteAsync(context, ProblemTypes.RequestTooLarge, $"This relay takes sealed requests of at most {_options.MaxRequestBytes} bytes.");
            return;
        }

        // 2. Room for it.
        IPAddress? address = context.IsOnion() ? RelayRoom.Onion : context.Connection.RemoteIpAddress;
        if (!_room.TryEnter(address))
        {
            await Problems.WriteAsync(context, ProblemTypes.Busy, "Too many requests are under way; try again in a moment.");
            return;
        }

        try
        {
            await ForwardAsync(context, target, type);
        }
        finally
        {
            _room.Leave(address);
        }
    }

    private async Task ForwardAsync(HttpContext context, RelayTarget target, string type)
    {
        using var total = new CancellationTokenSource(_options.TotalTimeout, _time);
        using var patience = new CancellationTokenSource(_options.ResponseTimeout, _time);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, total.Token);
        using var begun = CancellationTokenSource.CreateLinkedTokenSource(ended.Token, patience.Token);

        // 3. To the gateway: the bytes and their media type.
        using var content = new PassedOn(context.Request, _options.MaxRequestBytes, ended.Token);
        content.Headers.ContentType = new MediaTypeHeaderValue(type);
        using var request = new HttpRequestMessage(HttpMethod.Post, target.Resource)
        {
            Content = content,
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionOrLower,
        };
        // A stamp of work says nothing of who did it; whatever else may stand there goes no further.
        string stamp = context.Request.Headers[Routes.WorkHeader].ToString();
        if (WorkStamp.TryParse(stamp, out _))
        {
            request.Headers.TryAddWithoutValidation(Routes.WorkHeader, stamp);
        }

        try
        {
            using HttpResponseMessage? answer = await SendAsync(
                context, request, content, () => patience.IsCancellationRequested || total.IsCancellationRequested, begun.Token);

            // 4. And back.
            if (answer is not null)
            {
                await ReturnAsync(context, answer, ended);
            }
        }
        finally
        {
            // Over HTTP/2 a gateway may have answered before it has the whole request. Whoever still reads that would read on in what is the server's again.
            await ended.CancelAsync();
            await content.Stopped;
        }
    }

    /// <summary>Null if there is no answer, and the client was told.</summary>
    private async Task<HttpResponseMessage?> SendAsync(HttpContext context, HttpRequestMessage request, PassedOn content, Func<bool> isLate, CancellationToken begun)
    {
        try
        {
            return await _http.SendAsync(request, begun);
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or IOException)
        {
            await ExplainAsync(context, content, isLate());
            return null;
        }
    }

    private async Task ExplainAsync(HttpContext context, PassedOn content, bool isLate)
    {
        if (context.RequestAborted.IsCancellationRequested)
        {
            return;
        }

        // What is left of the request is not read.
        context.Response.Headers.Connection = HttpProtocol.IsHttp11(context.Request.Protocol) ? "close" : default;
        await (content.IsTooLarge ? Problems.WriteAsync(context, ProblemTypes.RequestTooLarge, $"This relay takes sealed requests of at most {_options.MaxRequestBytes} bytes.")
            : content.IsBroken ? Problems.WriteAsync(context, ProblemTypes.RequestMalformed, "The request's body ended early or came too slowly.")
            : isLate ? Problems.WriteAsync(context, ProblemTypes.GatewayTimeout)
            : Problems.WriteAsync(context, ProblemTypes.GatewayUnreachable));
    }

    private async Task ReturnAsync(HttpContext context, HttpResponseMessage answer, CancellationTokenSource ended)
    {
        HttpResponse response = context.Response;
        string? type = answer.Content.Headers.ContentType?.MediaType;
        bool isSealed = type is MediaTypes.ObliviousResponse or MediaTypes.ObliviousChunkedResponse && answer.StatusCode == HttpStatusCode.OK;
        if (!isSealed && (type is not (MediaTypes.ProblemJson or MediaTypes.Json) || (int)answer.StatusCode < 400))
        {
            // Whatever answers there is no oblivious gateway, or broke before it could say why.
            await Problems.WriteAsync(context, ProblemTypes.GatewayUnreachable);
            return;
        }

        response.StatusCode = (int)answer.StatusCode;
        response.ContentType = type;
        response.ContentLength = answer.Content.Headers.ContentLength;
        response.Headers.CacheControl = "no-store";
        if (type == MediaTypes.ObliviousChunkedResponse)
        {
            // Whoever passes it on is not to gather what comes in pieces (draft-ietf-httpbis-incremental).
            response.Headers["Incremental"] = "?1";
        }

        long left = isSealed ? _options.MaxReplyBytes : MaxProblemBytes;
        using var idle = new CancellationTokenSource(Timeout.InfiniteTimeSpan, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ended.Token, idle.Token);
        byte[] block = ArrayPool<byte>.Shared.Rent(BlockBytes);
        try
        {
            await response.StartAsync(either.Token);
            await using Stream source = await answer.Content.ReadAsStreamAsync(either.Token);
            while (true)
            {
                idle.CancelAfter(_options.IdleTimeout);
                int read = await source.ReadAsync(block, either.Token);
                if (read == 0)
                {
                    return;
                }

                left -= read;
                if (left < 0)
                {
                    break;
                }

                await response.Body.WriteAsync(block.AsMemory(0, read), either.Token);
                await response.Body.FlushAsync(either.Token);
            }
        }
        catch (Exception e) when (e is IOException or HttpRequestException or OperationCanceledException)
        {
            // The gateway broke off, was too slow, or the client has gone.
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block);
        }

        // Half an answer must not look like a whole one; a sealed one would be found out by the client in any case.
        context.Abort();
    }

    /// <summary>A request's body, passed on as it comes, and bounded.</summary>
    private sealed class PassedOn(HttpRequest request, long most, CancellationToken stop) : HttpContent
    {
        private Task _passing = Task.CompletedTask;
        private bool _isConsumed;

        /// <summary>Completes when nothing reads the request any more; how that ended, its reader's own exception has told.</summary>
        public Task Stopped => _passing.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);

        public bool IsTooLarge { get; private set; }

        /// <summary>It ended early or came too slowly.</summary>
        public bool IsBroken { get; private set; }

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken) =>
            _passing = PassAsync(stream, Stopped, cancellationToken);

        /// <param name="before">Over HTTP/2, a connection that is going away may leave the request to another.</param>
        private async Task PassAsync(Stream stream, Task before, CancellationToken connections)
        {
            await before;
            if (_isConsumed)
            {
                throw new IOException("What was passed on is here no more.");
            }

            using var either = CancellationTokenSource.CreateLinkedTokenSource(connections, stop);
            CancellationToken cancellationToken = either.Token;
            PipeReader reader = request.BodyReader;
            long passed = 0;
            while (true)
            {
                ReadResult part = await ReadAsync(reader, cancellationToken);
                passed += part.Buffer.Length;
                _isConsumed = true;
                IsTooLarge = passed > most;
                if (IsTooLarge)
                {
                    throw new IOException("The request is larger than the relay takes.");
                }

                foreach (ReadOnlyMemory<byte> segment in part.Buffer)
                {
                    await stream.WriteAsync(segment, cancellationToken);
                }

                reader.AdvanceTo(part.Buffer.End);
                await stream.FlushAsync(cancellationToken);
                if (part.IsCompleted)
                {
                    return;
                }
            }
        }

        protected override bool TryComputeLength(out long length)
        {
            length = request.ContentLength ?? 0;
            return request.ContentLength is not null;
        }

        private async ValueTask<ReadResult> ReadAsync(PipeReader reader, CancellationToken cancellationToken)
        {
            try
            {
                return await reader.ReadAsync(cancellationToken);
            }
            catch (Exception e) when (e is Microsoft.AspNetCore.Http.BadHttpRequestException or IOException)
            {
                IsTooLarge = e is Microsoft.AspNetCore.Http.BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge };
                IsBroken = !IsTooLarge;
                throw new IOException("The request's body did not come whole.", e);
            }
        }
    }
}
