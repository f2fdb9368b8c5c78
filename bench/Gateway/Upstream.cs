using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Tacit.Bench.Gateway;

/// <summary>
/// A provider that costs next to nothing: canned bytes over bare sockets. What it answers depends on a word in the prompt: <c>json</c> 1 KB at once,
/// <c>burst</c> 50 events, each sent as it would be made, without a pause between, <c>tick</c> 20 events a second for <c>tickN</c> seconds.
/// </summary>
internal sealed class Upstream : IAsyncDisposable
{
    internal const int BurstEvents = 50;
    internal const int TicksPerSecond = 20;

    private static readonly byte[] s_json = Json();
    private static readonly byte[] s_head = Encoding.ASCII.GetBytes("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    private static readonly byte[] s_event = Chunk(Event("word "));
    private static readonly byte[] s_end = [.. Chunk("data: [DONE]\n\n"), .. "0\r\n\r\n"u8];

    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

    internal static Upstream Start()
    {
        var upstream = new Upstream();
        upstream._listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        upstream._listener.Listen(4096);
        Console.WriteLine(((IPEndPoint)upstream._listener.LocalEndPoint!).Port.ToString(CultureInfo.InvariantCulture));
        _ = upstream.AcceptAsync();
        return upstream;
    }

    public ValueTask DisposeAsync()
    {
        _listener.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            Socket socket = await _listener.AcceptAsync();
            socket.NoDelay = true;
            _ = ServeAsync(socket);
        }
    }

    private static async Task ServeAsync(Socket socket)
    {
        using Socket owned = socket;
        byte[] buffer = new byte[32 * 1024];
        int filled = 0;
        try
        {
            while (true)
            {
                int whole;
                while ((whole = WholeRequest(buffer.AsSpan(0, filled))) == 0)
                {
                    int read = await socket.ReceiveAsync(buffer.AsMemory(filled));
                    if (read == 0)
                    {
                        return;
                    }

                    filled += read;
                }

                ReadOnlyMemory<byte> request = buffer.AsMemory(0, whole);
                int tick = request.Span.IndexOf("\"tick"u8);
                if (tick >= 0)
                {
                    await TickAsync(socket, request.Span[tick + 5] - '0');
                }
                else if (request.Span.IndexOf("\"burst\""u8) >= 0)
                {
                    await BurstAsync(socket);
                }
                else
                {
                    await SendAsync(socket, s_json);
                }

                buffer.AsSpan(whole, filled - whole).CopyTo(buffer);
                filled -= whole;
            }
        }
        catch (SocketException)
        {
            // Gone.
        }
    }

    private static async Task TickAsync(Socket socket, int seconds)
    {
        await SendAsync(socket, s_head);
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1.0 / TicksPerSecond));
        for (int i = 0; i < seconds * TicksPerSecond; i++)
        {
            await SendAsync(socket, s_event);
            await timer.WaitForNextTickAsync();
        }

        await SendAsync(socket, s_end);
    }

    private static async Task BurstAsync(Socket socket)
    {
        await SendAsync(socket, s_head);
        for (int i = 0; i < BurstEvents; i++)
        {
            await SendAsync(socket, s_event);
        }

        await SendAsync(socket, s_end);
    }

    private static async Task SendAsync(Socket socket, ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await socket.SendAsync(bytes)..];
        }
    }

    /// <summary>The length of the first whole request, 0 if it is not here yet. Takes Content-Length and chunked bodies.</summary>
    private static int WholeRequest(ReadOnlySpan<byte> bytes)
    {
        int end = bytes.IndexOf("\r\n\r\n"u8);
        if (end < 0)
        {
            return 0;
        }

        end += 4;
        int length = bytes[..end].IndexOf("ontent-Length: "u8);
        if (length < 0)
        {
            length = bytes[..end].IndexOf("ontent-length: "u8);
        }

        if (length >= 0)
        {
            _ = System.Buffers.Text.Utf8Parser.TryParse(bytes[(length + 15)..], out int body, out _);
            return bytes.Length >= end + body ? end + body : 0;
        }

        int last = bytes[end..].IndexOf("0\r\n\r\n"u8);
        return last < 0 ? 0 : end + last + 5;
    }

    private static byte[] Json()
    {
        const string start = """{"id":"chatcmpl-bench","object":"chat.completion","created":1700000000,"model":"bench","choices":[{"index":0,"message":{"role":"assistant","content":""";
        const string end = """},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":150,"total_tokens":159}}""";
        string body = start + "\"" + new string('x', 1024 - start.Length - end.Length - 2) + "\"" + end;
        return Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}");
    }

    private static string Event(string text) =>
        $$$"""data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"model":"bench","system_fingerprint":"fp_0","choices":[{"index":0,"delta":{"content":"{{{text}}}"},"logprobs":null,"finish_reason":null}]}""" + "\n\n";

    private static byte[] Chunk(string text) => Encoding.ASCII.GetBytes($"{text.Length:x}\r\n{text}\r\n");
}
