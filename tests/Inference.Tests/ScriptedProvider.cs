using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Tacit.Inference.Tests;

/// <summary>
/// A provider that follows a script, on a real socket: it can answer, hang, reset, drip, lie about lengths and send garbage. It speaks just
/// enough HTTP/1.1 to read requests, and writes exactly the bytes the script says. Needs nothing but the framework, so any test project can link this file.
/// </summary>
public sealed class ScriptedProvider : IAsyncDisposable
{
    private static readonly ConcurrentBag<Socket> s_unused = [];

    private readonly Socket _listener;
    private readonly Func<ScriptedExchange, Task> _script;
    private readonly CancellationTokenSource _stopping = new();
    private readonly ConcurrentQueue<ScriptedRequest> _requests = new();
    private readonly ConcurrentBag<Task> _connections = [];
    private readonly Task _accepting;
    private int _connectionCount;
    private volatile bool _readsBodyLate;
    private volatile bool _isForgetful;

    private ScriptedProvider(Func<ScriptedExchange, Task> script, EndPoint? at = null)
    {
        _script = script;
        at ??= new IPEndPoint(IPAddress.Loopback, 0);
        _listener = new Socket(at.AddressFamily, SocketType.Stream, at is IPEndPoint ? ProtocolType.Tcp : ProtocolType.Unspecified);
        _listener.Bind(at);
        _listener.Listen();
        BaseUrl = new Uri(_listener.LocalEndPoint is IPEndPoint tcp ? $"http://127.0.0.1:{tcp.Port}/v1" : "unix:" + at);
        _accepting = AcceptAsync();
    }

    public Uri BaseUrl { get; }

    /// <summary>Every request read so far, whole, in order.</summary>
    public IReadOnlyList<ScriptedRequest> Requests => [.. _requests];

    public int Connections => Volatile.Read(ref _connectionCount);

    /// <summary>Follows the script for each request.</summary>
    public static ScriptedProvider Start(Func<ScriptedExchange, Task> script) => new(script);

    /// <summary>The same at a port, or on a Unix socket, of the test's choice.</summary>
    public static ScriptedProvider StartAt(EndPoint at, Func<ScriptedExchange, Task> script) => new(script, at);

    /// <summary>Follows one script after the other, the last one from then on.</summary>
    public static ScriptedProvider InTurn(params Func<ScriptedExchange, Task>[] scripts)
    {
        int next = -1;
        return new ScriptedProvider(exchange => scripts[Math.Min(Interlocked.Increment(ref next), scripts.Length - 1)](exchange));
    }

    /// <summary>An address on which nothing listens, nor will: it is taken until the process ends.</summary>
    public static Uri UnusedAddress()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        s_unused.Add(socket);
        return new Uri($"http://127.0.0.1:{((IPEndPoint)socket.LocalEndPoint!).Port}/v1");
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        _listener.Dispose();
        await _accepting;
        await Task.WhenAll(_connections);
        _stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                Socket socket = await _listener.AcceptAsync(_stopping.Token);
                Interlocked.Increment(ref _connectionCount);
                _connections.Add(ServeAsync(socket));
            }
        }
        catch (Exception stopped) when (stopped is OperationCanceledException or SocketException or ObjectDisposedException)
        {
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        await Task.Yield();
        using var stream = new NetworkStream(socket, ownsSocket: true);
        try
        {
            while (await ReadAsync(stream) is { } exchange)
            {
                await _script(exchange);
                if (!exchange.KeepsAlive)
                {
                    return;
                }
            }
        }
        catch (Exception gone) when (gone is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
        }
    }

    private async Task<ScriptedExchange?> ReadAsync(NetworkStream stream)
    {
        var head = new List<byte>();
        byte[] one = new byte[1];
        while (!EndsHead(head))
        {
            if (await stream.ReadAsync(one, _stopping.Token) == 0)
            {
                return null;
            }

            head.Add(one[0]);
        }

        string text = Encoding.Latin1.GetString([.. head]);
        string[] lines = text.Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        var headers = new List<KeyValuePair<string, string>>();
        foreach (string line in lines[1..])
        {
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            headers.Add(new(line[..colon], line[(colon + 1)..].Trim()));
        }

        var request = new ScriptedRequest(lines[0], headers);
        var exchange = new ScriptedExchange(this, stream, request, _stopping.Token);
        if (!_readsBodyLate)
        {
            await exchange.ReadBodyAsync();
        }

        return exchange;
    }

    /// <summary>Makes the scripts read the body themselves, by <see cref="ScriptedExchange.ReadBodyAsync"/>, or leave it unread.</summary>
    public ScriptedProvider LeavingBodies()
    {
        _readsBodyLate = true;
        return this;
    }

    /// <summary>Keeps no requests, for runs without end.</summary>
    public ScriptedProvider Forgetting()
    {
        _isForgetful = true;
        return this;
    }

    internal void Record(ScriptedRequest request)
    {
        if (!_isForgetful)
        {
            _requests.Enqueue(request);
        }
    }

    private static bool EndsHead(List<byte> head) =>
        head.Count >= 4 && head[^1] == '\n' && head[^2] == '\r' && head[^3] == '\n' && head[^4] == '\r';
}

/// <summary>A request as the provider saw it.</summary>
public sealed class ScriptedRequest(string line, IReadOnlyList<KeyValuePair<string, string>> headers)
{
    /// <summary><c>POST /v1/chat/completions HTTP/1.1</c>.</summary>
    public string Line => line;

    public IReadOnlyList<KeyValuePair<string, string>> Headers => headers;

    public byte[] Body { get; internal set; } = [];

    public string Text => Encoding.UTF8.GetString(Body);

    public string? Header(string name) => headers.FirstOrDefault(header => header.Key.Equals(name, StringComparison.OrdinalIgnoreCase)).Value;
}

/// <summary>One request and the socket to answer it on.</summary>
public sealed class ScriptedExchange(ScriptedProvider provider, NetworkStream stream, ScriptedRequest request, CancellationToken stopping)
{
    public ScriptedRequest Request => request;

    /// <summary>Ends when the test does.</summary>
    public CancellationToken Stopping => stopping;

    /// <summary>How many bytes were sent, as far as the socket took them.</summary>
    public long Sent { get; private set; }

    /// <summary>Whether another request may follow on this connection.</summary>
    public bool KeepsAlive { get; private set; } = true;

    public async Task ReadBodyAsync()
    {
        request.Body = new byte[int.Parse(request.Header("Content-Length") ?? "0", CultureInfo.InvariantCulture)];
        await stream.ReadExactlyAsync(request.Body, stopping);
        provider.Record(request);
    }

    public async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        await stream.WriteAsync(bytes, stopping);
        Sent += bytes.Length;
    }

    public Task SendAsync(string text) => SendAsync(Encoding.UTF8.GetBytes(text));

    /// <summary>A whole JSON answer.</summary>
    public Task JsonAsync(string json, int status = 200, string headers = "") => SendAsync(
        $"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{headers}Content-Length: {Encoding.UTF8.GetByteCount(json)}\r\n\r\n{json}");

    /// <summary>The head of a chunked event stream; pieces follow by <see cref="ChunkAsync(string)"/>.</summary>
    public Task BeginEventsAsync(string headers = "") => SendAsync(
        $"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n{headers}Transfer-Encoding: chunked\r\n\r\n");

    public Task ChunkAsync(string text) => ChunkAsync(Encoding.UTF8.GetBytes(text));

    public Task ChunkAsync(ReadOnlySpan<byte> bytes) =>
        SendAsync((byte[])[.. Encoding.ASCII.GetBytes($"{bytes.Length:x}\r\n"), .. bytes, .. "\r\n"u8]);

    public Task EndChunksAsync() => SendAsync("0\r\n\r\n");

    /// <summary>A whole event stream in one chunk.</summary>
    public async Task EventsAsync(string events)
    {
        await BeginEventsAsync();
        // The last event and the end in one: who reads the one has the other, and its connection is free.
        byte[] bytes = Encoding.UTF8.GetBytes(events);
        await SendAsync((byte[])[.. Encoding.ASCII.GetBytes($"{bytes.Length:x}\r\n"), .. bytes, .. "\r\n0\r\n\r\n"u8]);
    }

    /// <summary>Says nothing more until the other side hangs up or the test ends.</summary>
    public async Task HangAsync()
    {
        KeepsAlive = false;
        byte[] rest = new byte[4096];
        while (await stream.ReadAsync(rest, stopping) > 0)
        {
        }
    }

    /// <summary>Closes in order: what was sent arrives.</summary>
    public void Close() => KeepsAlive = false;

    /// <summary>Resets the connection.</summary>
    public void Reset()
    {
        KeepsAlive = false;
        stream.Socket.LingerState = new LingerOption(true, 0);
        stream.Socket.Close();
    }
}
