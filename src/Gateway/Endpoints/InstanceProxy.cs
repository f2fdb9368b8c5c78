using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Tacit.Gateway.Admission;
using Tacit.Protocol;

namespace Tacit.Gateway.Endpoints;

/// <summary>
/// Passes a repeated request on to the instance that has its reply (law 2), and that instance's answer back as it comes; neither is kept here.
/// </summary>
/// <remarks>
/// There is no secret between instances, because there is nothing to gain: what is passed on carries its own proof, the token, and is checked there as it would be if it
/// had come from anywhere. <see cref="Routes.HopHeader"/> only says that it is not to be passed on once more; whoever else sends it does without this.
/// </remarks>
internal sealed partial class InstanceProxy : IAsyncDisposable
{
    /// <summary>The owner is on the same network: one that takes longer is no help to who waits.</summary>
    private static readonly TimeSpan s_connectTimeout = TimeSpan.FromSeconds(2);

    /// <summary>How long an owner that answers before it has read the request may take over the rest.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan s_warning = TimeSpan.FromMinutes(1);

    private const int PartSize = 4096;

    // What the owner needs to see the same request; everything else a client sends ends here (law 5).
    private static readonly string[] s_headers =
    [
        "Authorization", Routes.SuccessorHeader, Routes.PseudonymHeader,
        DeviceSignature.InputHeader, DeviceSignature.SignatureHeader, DeviceSignature.DigestHeader, Routes.WorkHeader,
    ];

    private readonly HttpMessageInvoker _http;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private long _warned;

    public InstanceProxy(TimeProvider time, ILogger log)
    {
        (_time, _log) = (time, log);
        _http = new HttpMessageInvoker(new SocketsHttpHandler
        {
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ActivityHeadersPropagator = null,
            ConnectTimeout = s_connectTimeout,
            ConnectCallback = ConnectAsync,
            PooledConnectionIdleTimeout = TimeSpan.FromMinutes(1),
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        });
    }

    /// <summary>Whether another instance passed this request on.</summary>
    public static bool IsPassedOn(HttpRequest request) => request.Headers.ContainsKey(Routes.HopHeader);

    /// <summary>
    /// Passes the request on and the answer back. False, with nothing sent to the client, if the owner has nothing to say of the token's fate: it cannot be reached,
    /// goes down, has no room, or what is at its address is no instance of this gateway. Ends early, without a whole answer, with whichever of the two goes away.
    /// </summary>
    /// <param name="context">Of a request that has not been answered.</param>
    /// <param name="owner">As the owner's lease says.</param>
    /// <param name="body">The request's own bytes; let go of as soon as they have been sent. Null: it has none.</param>
    public async Task<bool> TryPassOnAsync(HttpContext context, string? owner, BodyHold? body)
    {
        using HttpResponseMessage? answer = await SendAsync(context, owner, body);
        if (answer is null)
        {
            return false;
        }

        // Of a token that has a row nobody can truly say that it is unspent: whoever does has not come as far as looking.
        string? state = TokenStateOf(answer);
        if (state is not (Routes.TokenSpent or Routes.TokenReturned or Routes.TokenInFlight))
        {
            return false;
        }

        HttpResponse response = context.Response;
        response.StatusCode = (int)answer.StatusCode;
        response.ContentType = answer.Content.Headers.ContentType?.ToString();
        TokenStateHeader.Write(context, state);
        Copy(answer, response, "Retry-After");
        Copy(answer, response, "Cache-Control");
        Copy(answer, response, Routes.RenewalTrailer);
        try
        {
            await using Stream source = await answer.Content.ReadAsStreamAsync(context.RequestAborted);
            if (answer.Headers.Trailer.Contains(Routes.RenewalTrailer))
            {
                await TrailedReply.WriteAsync(
                    context,
                    output => CopyAsync(source, output, context.RequestAborted),
                    () => ValueTask.FromResult(answer.TrailingHeaders.TryGetValues(Routes.RenewalTrailer, out IEnumerable<string>? values) ? values.First() : null));
                return true;
            }

            response.ContentLength = answer.Content.Headers.ContentLength;
            if (!await CopyAsync(source, response.BodyWriter, context.RequestAborted))
            {
                context.Abort();
            }
        }
        catch (Exception e) when (e is IOException or HttpRequestException or OperationCanceledException)
        {
            // Half a reply must not look like a whole one.
            context.Abort();
        }

        return true;
    }

    public ValueTask DisposeAsync()
    {
        _http.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>Null if there is no answer.</summary>
    private async Task<HttpResponseMessage?> SendAsync(HttpContext context, string? owner, BodyHold? body)
    {
        if (!Uri.TryCreate(owner, UriKind.Absolute, out Uri? address) || (address.Scheme != Uri.UriSchemeHttp && address.Scheme != Uri.UriSchemeHttps))
        {
            body?.Dispose();
            return null;
        }

        HeldContent? content = body is null ? null : new HeldContent(body.Body.WrittenMemory);
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(address, context.Request.Path)) { Content = content };
        foreach (string name in s_headers)
        {
            if (context.Request.Headers[name] is { Count: > 0 } values)
            {
                request.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values);
            }
        }

        request.Headers.TryAddWithoutValidation(Routes.HopHeader, "1");
        HttpResponseMessage? response = null;
        try
        {
            response = await _http.SendAsync(request, context.RequestAborted);
            if (content is null || await content.IsSentAsync(s_patience))
            {
                return response;
            }
        }
        catch (HttpRequestException)
        {
            LogUnreachable(address);
        }
        catch (OperationCanceledException)
        {
            if (!context.RequestAborted.IsCancellationRequested)
            {
                // The time to connect was over.
                LogUnreachable(address);
            }
        }
        finally
        {
            if (content is not null && !content.IsSent)
            {
                // Closes the connection, and so ends the sending.
                response?.Dispose();
                response = null;
                await content.IsSentAsync(Timeout.InfiniteTimeSpan);
            }

            body?.Dispose();
        }

        return null;
    }

    private static string? TokenStateOf(HttpResponseMessage answer) =>
        answer.Headers.TryGetValues(Routes.TokenStateHeader, out IEnumerable<string>? values) ? values.First() : null;

    private static void Copy(HttpResponseMessage answer, HttpResponse response, string name)
    {
        if (answer.Headers.TryGetValues(name, out IEnumerable<string>? values))
        {
            response.Headers[name] = values.First();
        }
    }

    /// <summary>Each part as it comes, so each event when it is there. False if the client has gone.</summary>
    private static async ValueTask<bool> CopyAsync(Stream source, PipeWriter output, CancellationToken cancellationToken)
    {
        while (true)
        {
            int count = await source.ReadAsync(output.GetMemory(PartSize), cancellationToken);
            if (count == 0)
            {
                return true;
            }

            output.Advance(count);
            FlushResult flushed = await output.FlushAsync(cancellationToken);
            if (flushed.IsCompleted || flushed.IsCanceled)
            {
                return false;
            }
        }
    }

    /// <summary>An owner whose machine went away without a word is noticed before its readers have given up: a reply can be silent for long, a connection cannot.</summary>
    private static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 10);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 5);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 4);
            await socket.ConnectAsync(context.DnsEndPoint, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private void LogUnreachable(Uri address)
    {
        long now = _time.GetTimestamp();
        long last = Volatile.Read(ref _warned);
        if ((last == 0 || _time.GetElapsedTime(last, now) >= s_warning) && Interlocked.CompareExchange(ref _warned, now, last) == last)
        {
            LogUnreachable(_log, address);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The instance at {Address} does not answer, though its lease says that it lives: InstanceAddress has to be reachable from every instance.")]
    private static partial void LogUnreachable(ILogger log, Uri address);

    /// <summary>The request's bytes where they lie. Its owner wipes and reuses the memory, so it has to know when nothing reads it any more.</summary>
    private sealed class HeldContent(ReadOnlyMemory<byte> bytes) : HttpContent
    {
        private Task _sending = Task.CompletedTask;

        public bool IsSent => _sending.IsCompleted;

        /// <summary>Waits until nothing reads the bytes any more; false if that took too long.</summary>
        public async Task<bool> IsSentAsync(TimeSpan atMost)
        {
            Task ended = _sending.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            try
            {
                await ended.WaitAsync(atMost);
                return true;
            }
            catch (TimeoutException)
            {
                return false;
            }
        }

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken) =>
            _sending = stream.WriteAsync(bytes, cancellationToken).AsTask();

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override bool TryComputeLength(out long length)
        {
            length = bytes.Length;
            return true;
        }
    }
}
