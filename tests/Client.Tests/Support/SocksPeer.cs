using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Tacit.Client.Tests.Support;

/// <summary>A connection that was asked for.</summary>
/// <param name="AddressType">As in RFC 1928: 1 and 4 are addresses, 3 is a name.</param>
public sealed record SocksRequest(string UserName, string Password, byte AddressType, string Host, int Port);

/// <summary>
/// Plays Tor's SOCKS port (RFC 1928 with RFC 1929): notes who asks for what, and connects the names that it knows to servers on loopback. It looks nothing up: what it does
/// not know cannot be reached.
/// </summary>
public sealed class SocksPeer : IAsyncDisposable
{
    private const byte NameType = 3;

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<string, Uri> _servers = new(StringComparer.OrdinalIgnoreCase);
    private readonly ConcurrentDictionary<Task, byte> _connections = new();
    private readonly Task _accepting;

    public SocksPeer()
    {
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public string Address => _listener.LocalEndpoint.ToString()!;

    public ConcurrentQueue<SocksRequest> Seen { get; } = new();

    /// <summary>The reply to every request; 0 connects.</summary>
    public byte Reply { get; set; }

    /// <summary>Waited for before a request is answered.</summary>
    public Func<SocksRequest, Task> Before { get; set; } = _ => Task.CompletedTask;

    /// <summary>Makes a server known under a name.</summary>
    /// <returns>The address by that name.</returns>
    public Uri Know(string name, Uri server)
    {
        _servers[name] = server;
        return new UriBuilder(server) { Host = name, Port = 80 }.Uri;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        await Task.WhenAll(_connections.Keys);
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                Task served = ServeAsync(await _listener.AcceptSocketAsync(_stop.Token));
                _connections.TryAdd(served, 0);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or InvalidOperationException)
        {
            // Stopped; between two connections, a listener says so as if it had never been started.
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        await Task.Yield();
        using Socket client = socket;
        try
        {
            await using var stream = new NetworkStream(client, ownsSocket: true);
            byte[] greeting = await ReadAsync(stream, 2);
            await ReadAsync(stream, greeting[1]);
            await stream.WriteAsync(new byte[] { 5, 2 }, _stop.Token);
            byte[] version = await ReadAsync(stream, 2);
            string user = Encoding.ASCII.GetString(await ReadAsync(stream, version[1]));
            string password = Encoding.ASCII.GetString(await ReadAsync(stream, (await ReadAsync(stream, 1))[0]));
            await stream.WriteAsync(new byte[] { 1, 0 }, _stop.Token);
            byte[] head = await ReadAsync(stream, 4);
            string host = head[3] switch
            {
                NameType => Encoding.ASCII.GetString(await ReadAsync(stream, (await ReadAsync(stream, 1))[0])),
                1 => new IPAddress(await ReadAsync(stream, 4)).ToString(),
                _ => new IPAddress(await ReadAsync(stream, 16)).ToString(),
            };
            byte[] port = await ReadAsync(stream, 2);
            var request = new SocksRequest(user, password, head[3], host, (port[0] << 8) | port[1]);
            Seen.Enqueue(request);
            await Before(request).WaitAsync(_stop.Token);
            byte reply = Reply != 0 ? Reply : _servers.ContainsKey(host) ? (byte)0 : (byte)4;
            await stream.WriteAsync(new byte[] { 5, reply, 0, 1, 0, 0, 0, 0, 0, 0 }, _stop.Token);
            if (reply == 0)
            {
                await PassOnAsync(stream, _servers[host]);
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The client has gone, or the test is over.
        }
    }

    private async Task PassOnAsync(NetworkStream client, Uri server)
    {
        using var target = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await target.ConnectAsync(server.Host, server.Port, _stop.Token);
        await using var stream = new NetworkStream(target, ownsSocket: true);
        Task there = client.CopyToAsync(stream, _stop.Token);
        Task back = stream.CopyToAsync(client, _stop.Token);
        await Task.WhenAny(there, back);
        // A half-closed connection is of no use to HTTP: both go.
        stream.Close();
        client.Close();
        await Task.WhenAll(Quietly(there), Quietly(back));

        static async Task Quietly(Task task)
        {
            try
            {
                await task;
            }
            catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException or SocketException)
            {
                // It ended.
            }
        }
    }

    private async Task<byte[]> ReadAsync(NetworkStream stream, int count)
    {
        byte[] bytes = new byte[count];
        await stream.ReadExactlyAsync(bytes, _stop.Token);
        return bytes;
    }
}
