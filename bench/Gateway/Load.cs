using System.Net.Sockets;
using System.Text;

namespace Tacit.Bench.Gateway;

/// <summary>Requests over bare sockets, so that the side that measures costs little beside the side that is measured.</summary>
internal static class Load
{
    /// <summary>A whole request, as bytes.</summary>
    internal static byte[] Request(Uri target, string prompt, string? authorization = null, bool stream = false, string? more = null)
    {
        string body = $$"""{"model":"bench","messages":[{"role":"user","content":"{{prompt}}"}]{{(stream ? ",\"stream\":true" : "")}}}""";
        return Encoding.ASCII.GetBytes(
            $"POST /v1/chat/completions HTTP/1.1\r\nHost: {target.Authority}\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n"
            + (authorization is null ? "" : $"Authorization: {authorization}\r\n") + more + "\r\n" + body);
    }

    /// <summary>Sends all requests over so many connections, each waiting for its answer. Latencies in seconds, in no order.</summary>
    internal static async Task<Outcome> RunAsync(Uri target, int connections, Func<byte[]?> next, int expectedStatus, TimeProvider time, CancellationToken stop)
    {
        long started = time.GetTimestamp();
        List<double>[] latencies = await Task.WhenAll(Enumerable.Range(0, connections).Select(_ => Task.Run(() => ConnectAndSendAsync(target, next, expectedStatus, time, stop), CancellationToken.None)));
        double seconds = time.GetElapsedTime(started).TotalSeconds;
        double[] all = [.. latencies.SelectMany(list => list)];
        Array.Sort(all);
        return new Outcome(all.Length / seconds, all);
    }

    /// <summary>Sends all requests over one connection, one after the other. Latencies in seconds, in the order of the requests.</summary>
    internal static async Task<IReadOnlyList<double>> InOrderAsync(Uri target, Func<byte[]?> next, int expectedStatus, TimeProvider time, CancellationToken stop) =>
        await ConnectAndSendAsync(target, next, expectedStatus, time, stop);

    private static async Task<List<double>> ConnectAndSendAsync(Uri target, Func<byte[]?> next, int expectedStatus, TimeProvider time, CancellationToken stop)
    {
        using var connection = new Connection(await ConnectAsync(target));
        var latencies = new List<double>();
        while (!stop.IsCancellationRequested && next() is { } request)
        {
            long sent = time.GetTimestamp();
            int status = await connection.ExchangeAsync(request, null);
            latencies.Add(time.GetElapsedTime(sent).TotalSeconds);
            if (status != expectedStatus)
            {
                throw new InvalidOperationException($"{target} answered {status}: {connection.Text}");
            }
        }

        return latencies;
    }

    internal static async Task<Socket> ConnectAsync(Uri target)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(target.Host, target.Port);
        return socket;
    }
}

/// <param name="PerSecond">Requests a second.</param>
/// <param name="Latencies">Seconds, ascending.</param>
internal sealed record Outcome(double PerSecond, double[] Latencies)
{
    internal double Percentile(double p) => Latencies.Length == 0 ? double.NaN : Latencies[Math.Min(Latencies.Length - 1, (int)(Latencies.Length * p))];
}

/// <summary>One connection that reads a response far enough to know where it ends.</summary>
internal sealed class Connection(Socket socket) : IDisposable
{
    private byte[] _buffer = new byte[32 * 1024];
    private int _filled;

    internal string Text => Encoding.ASCII.GetString(_buffer, 0, Math.Min(_filled, 600));

    /// <summary>Sends and reads one response to its end; tells of each arrival. Returns the status.</summary>
    internal async Task<int> ExchangeAsync(ReadOnlyMemory<byte> request, Action<int>? arrived)
    {
        _filled = 0;
        while (!request.IsEmpty)
        {
            request = request[await socket.SendAsync(request)..];
        }

        int kept = 0;
        int status = 0;
        int end = -1;
        int length = -1;
        while (true)
        {
            int read = await socket.ReceiveAsync(_buffer.AsMemory(_filled));
            if (read == 0)
            {
                throw new IOException("The connection ended in the middle of a response.");
            }

            _filled += read;
            if (end < 0)
            {
                end = _buffer.AsSpan(0, _filled).IndexOf("\r\n\r\n"u8);
                if (end < 0)
                {
                    continue;
                }

                end += 4;
                ReadOnlySpan<byte> head = _buffer.AsSpan(0, end);
                _ = System.Buffers.Text.Utf8Parser.TryParse(head[9..], out status, out _);
                int at = head.IndexOf("ontent-Length: "u8);
                at = at < 0 ? head.IndexOf("ontent-length: "u8) : at;
                if (at >= 0)
                {
                    _ = System.Buffers.Text.Utf8Parser.TryParse(head[(at + 15)..], out length, out _);
                }
            }

            arrived?.Invoke(_filled - kept);
            if (length >= 0 ? _filled >= end + length : _buffer.AsSpan(0, _filled).EndsWith("\r\n0\r\n\r\n"u8))
            {
                return status;
            }

            // A long stream: what was read is of no more interest, but for a few bytes that may begin its end.
            if (length < 0 && _filled > _buffer.Length / 2)
            {
                _buffer.AsSpan(_filled - 8, 8).CopyTo(_buffer);
                _filled = 8;
            }

            kept = _filled;
        }
    }

    public void Dispose() => socket.Dispose();
}
