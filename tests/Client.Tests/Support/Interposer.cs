using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Hosting;
using Tacit.Protocol;

namespace Tacit.Client.Tests.Support;

/// <summary>What happens to one request on its way.</summary>
public enum Mishap
{
    None,

    /// <summary>The connection breaks before the server sees the request.</summary>
    LoseRequest,

    /// <summary>The server does its work, and the connection breaks before the answer arrives.</summary>
    LoseReply,

    /// <summary>The answer begins and breaks off half way.</summary>
    CutReply,

    /// <summary>The whole body arrives, and the connection breaks before the trailer.</summary>
    CutTrailer,

    /// <summary>Something in between passes the body on and leaves the renewal out.</summary>
    StripTrailer,

    /// <summary>The server gets the request twice; the second answer arrives.</summary>
    Twice,

    /// <summary>Something in between answers 502 with a page of its own, the request having arrived.</summary>
    ForeignError,
}

/// <summary>One request as it passed by.</summary>
public sealed record Passing(string Method, string Path, IReadOnlyDictionary<string, string> Headers, byte[] Body, string Connection)
{
    private Answer? _answer;

    /// <summary>What the server answered, whether or not it arrived; null while it has not ended.</summary>
    public Answer? Answer
    {
        get => Volatile.Read(ref _answer);
        set => Volatile.Write(ref _answer, value);
    }
}

/// <summary>An answer as the server gave it.</summary>
public sealed record Answer(int Status, IReadOnlyDictionary<string, string> Headers, byte[] Body);

/// <summary>Stands between a client and a server on real sockets, notes everything and lets go wrong what a test asks for.</summary>
public sealed class Interposer : IAsyncDisposable
{
    private readonly HttpMessageInvoker _http = new(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false, ActivityHeadersPropagator = null });
    private readonly ConcurrentQueue<Mishap> _mishaps = new();
    private WebServer? _server;

    public Uri Address => _server!.Address;

    /// <summary>The server behind; may be changed, as after a restart.</summary>
    public required Uri Target { get; set; }

    public ConcurrentQueue<Passing> Seen { get; } = new();

    /// <summary>A path whose requests pass without a note.</summary>
    public string? Unnoted { get; set; }

    /// <summary>Asked for each request once the queue of mishaps is empty.</summary>
    public Func<Passing, Mishap> Decide { get; set; } = _ => Mishap.None;

    /// <summary>Called before a request is passed on; may wait.</summary>
    public Func<Passing, Task> Before { get; set; } = _ => Task.CompletedTask;

    /// <summary>Bytes of an answer that still arrive when it is cut.</summary>
    public int CutAfterBytes { get; set; } = 300;

    /// <summary>Replaces the whole answer when set.</summary>
    public Func<HttpContext, Passing, Task<bool>>? Impersonate { get; set; }

    public static async Task<Interposer> StartAsync(Uri target)
    {
        var interposer = new Interposer { Target = target };
        interposer._server = await WebServer.StartAsync(
            new WebServerOptions { Role = "interposer", Listen = ListenAddress.Loopback(0), DrainTimeout = TimeSpan.Zero, MaxRequestBodyBytes = null },
            routes => routes.MapFallback("{**path}", (RequestDelegate)interposer.HandleAsync),
            TimeProvider.System,
            NullLoggerFactory.Instance,
            CancellationToken.None);
        return interposer;
    }

    /// <summary>What will happen to the next requests, one each.</summary>
    public void Next(params Mishap[] mishaps)
    {
        foreach (Mishap mishap in mishaps)
        {
            _mishaps.Enqueue(mishap);
        }
    }

    public IReadOnlyList<Passing> SeenAt(string path) => [.. Seen.Where(passing => passing.Path == path)];

    /// <summary>The same once all of them have ended: a client that has a head, or does not read on, is ahead of the note.</summary>
    public async Task<IReadOnlyList<Passing>> AnsweredAtAsync(string path)
    {
        while (SeenAt(path).Any(passing => passing.Answer is null))
        {
            await Task.Delay(10);
        }
        return SeenAt(path);
    }

    public async ValueTask DisposeAsync()
    {
        await _server!.DisposeAsync();
        _http.Dispose();
    }

    private async Task HandleAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        var passing = new Passing(
            context.Request.Method, context.Request.Path, context.Request.Headers.ToDictionary(header => header.Key, header => header.Value.ToString()), body.ToArray(),
            context.Connection.Id);
        if (passing.Path != Unnoted)
        {
            Seen.Enqueue(passing);
        }
        Mishap mishap = _mishaps.TryDequeue(out Mishap queued) ? queued : Decide(passing);
        if (mishap == Mishap.LoseRequest)
        {
            context.Abort();
            return;
        }
        if (Impersonate is not null && await Impersonate(context, passing))
        {
            return;
        }
        await Before(passing);
        if (mishap == Mishap.Twice)
        {
            using HttpResponseMessage first = await ForwardAsync(passing);
            await first.Content.ReadAsByteArrayAsync();
        }
        using HttpResponseMessage response = await ForwardAsync(passing);
        if (mishap == Mishap.LoseReply)
        {
            passing.Answer = AnswerOf(response, await response.Content.ReadAsByteArrayAsync());
            context.Abort();
            return;
        }
        if (mishap == Mishap.ForeignError)
        {
            passing.Answer = AnswerOf(response, await response.Content.ReadAsByteArrayAsync());
            context.Response.StatusCode = 502;
            await context.Response.WriteAsync("<html>Bad Gateway</html>");
            return;
        }
        using var answered = new MemoryStream();
        try
        {
            await ReturnAsync(context, response, mishap, mishap == Mishap.CutReply ? CutAfterBytes : int.MaxValue, answered);
        }
        finally
        {
            passing.Answer = AnswerOf(response, answered.ToArray());
        }
    }

    private static Answer AnswerOf(HttpResponseMessage response, byte[] body) => new(
        (int)response.StatusCode, response.Headers.Concat(response.Content.Headers).ToDictionary(header => header.Key, header => string.Join(", ", header.Value)), body);

    private async Task<HttpResponseMessage> ForwardAsync(Passing passing)
    {
        // Not tied to the caller: what a client sent, the server has, whether or not the client waits.
        var request = new HttpRequestMessage(new HttpMethod(passing.Method), new Uri(Target, passing.Path));
        if (passing.Body.Length > 0 || passing.Method == "POST")
        {
            request.Content = new ByteArrayContent(passing.Body);
        }
        foreach ((string name, string value) in passing.Headers)
        {
            if (name is not ("Host" or "Content-Length" or "Transfer-Encoding" or "Connection"))
            {
                if (!request.Headers.TryAddWithoutValidation(name, value))
                {
                    request.Content?.Headers.TryAddWithoutValidation(name, value);
                }
            }
        }
        return await _http.SendAsync(request, CancellationToken.None);
    }

    private static async Task ReturnAsync(HttpContext context, HttpResponseMessage response, Mishap mishap, int bytes, MemoryStream answered)
    {
        context.Response.StatusCode = (int)response.StatusCode;
        foreach ((string name, IEnumerable<string> values) in response.Headers.Concat(response.Content.Headers))
        {
            if (name is not ("Transfer-Encoding" or "Content-Length" or "Connection") && (name != Routes.RenewalTrailer || mishap != Mishap.StripTrailer))
            {
                context.Response.Headers[name] = values.ToArray();
            }
        }
        // Kestrel writes no trailers over HTTP/1.1 by itself; who names the encoding writes the chunks (RFC 9112, section 7.1). And leaves out the last one where
        // the answer is cut: what was sent arrives before the connection's end, which it need not before a reset.
        bool isCut = mishap is Mishap.CutReply or Mishap.CutTrailer;
        bool chunks = isCut || response.Headers.Trailer.Count > 0;
        if (isCut)
        {
            context.Response.Headers.Connection = "close";
        }
        if (chunks)
        {
            context.Response.Headers.TransferEncoding = "chunked";
        }
        await using Stream stream = await response.Content.ReadAsStreamAsync();
        byte[] block = new byte[4096];
        int read;
        while ((read = await stream.ReadAsync(block.AsMemory(0, Math.Min(block.Length, Math.Max(bytes, 1))), context.RequestAborted)) > 0)
        {
            int part = Math.Min(read, bytes);
            answered.Write(block, 0, part);
            await WriteAsync(context, block.AsMemory(0, part), chunks);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            bytes -= part;
            if (bytes == 0)
            {
                return;
            }
        }
        if (mishap == Mishap.CutTrailer)
        {
            return;
        }
        if (chunks)
        {
            string trailers = mishap == Mishap.StripTrailer
                ? ""
                : string.Concat(response.TrailingHeaders.SelectMany(trailer => trailer.Value.Select(value => $"{trailer.Key}: {value}\r\n")));
            await context.Response.WriteAsync($"0\r\n{trailers}\r\n", context.RequestAborted);
        }
    }

    private static async Task WriteAsync(HttpContext context, ReadOnlyMemory<byte> part, bool asChunk)
    {
        if (asChunk)
        {
            await context.Response.WriteAsync($"{part.Length:X}\r\n", context.RequestAborted);
        }
        await context.Response.Body.WriteAsync(part, context.RequestAborted);
        if (asChunk)
        {
            await context.Response.WriteAsync("\r\n", context.RequestAborted);
        }
    }
}
