using System.Net;
using System.Net.Sockets;

namespace Tacit.Storage;

/// <summary>What the proxy does with the next message of a client.</summary>
internal enum Cut
{
    None,

    /// <summary>The message gets to the server, and the connection breaks before the answer.</summary>
    AfterDelivery,

    /// <summary>The connection breaks with the message.</summary>
    BeforeDelivery,

    /// <summary>As <see cref="AfterDelivery"/>, but the message waits, on a connection of which the server learns nothing, until a second after the client's end was cut.</summary>
    LateDelivery,
}

/// <summary>Passes bytes between a client and a server, until told to break the connection at a certain message.</summary>
internal sealed class CuttingProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly int _target;
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _connections = [];
    private readonly Task _accepting;
    private int _cut;

    public CuttingProxy(int target)
    {
        _target = target;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public int Cuts { get; private set; }

    /// <summary>Set from within a work, this meets the message that follows its last statement: the commit.</summary>
    public void Arm(Cut cut) => Volatile.Write(ref _cut, (int)cut);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        await Task.WhenAll(_connections);
        _stop.Dispose();
        _listener.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                _connections.Add(ServeAsync(await _listener.AcceptSocketAsync(_stop.Token)));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or InvalidOperationException)
        {
            // Stopped; between two connections, a listener says so as if it had never been started.
        }
    }

    private async Task ServeAsync(Socket client)
    {
        using Socket server = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        client.NoDelay = true;
        try
        {
            await server.ConnectAsync(IPAddress.Loopback, _target, _stop.Token);
            var kept = new KeptAnswer();
            await Task.WhenAny(ForwardAsync(client, server, kept), AnswerAsync(server, client, kept));
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // One of the two is gone, and so will be the other.
        }

        client.Dispose();
    }

    private async Task ForwardAsync(Socket client, Socket server, KeptAnswer kept)
    {
        byte[] buffer = new byte[65536];
        while (await client.ReceiveAsync(buffer, _stop.Token) is int count and > 0)
        {
            var cut = (Cut)Interlocked.Exchange(ref _cut, (int)Cut.None);
            if (cut == Cut.None)
            {
                await server.SendAsync(buffer.AsMemory(0, count), _stop.Token);
                continue;
            }

            Cuts++;
            if (cut == Cut.AfterDelivery)
            {
                // What was sent has had its effect when the client learns that its connection is gone, however busy the machine.
                kept.IsKept = true;
                await server.SendAsync(buffer.AsMemory(0, count), _stop.Token);
                await kept.Came.Task.WaitAsync(TimeSpan.FromMinutes(1), _stop.Token);
            }

            client.Dispose();
            if (cut == Cut.LateDelivery)
            {
                await Task.Delay(TimeSpan.FromSeconds(1), _stop.Token);
                await server.SendAsync(buffer.AsMemory(0, count), _stop.Token);

                // Not closed at once: what was sent shall have its effect, and the server not see the end before.
                await Task.Delay(TimeSpan.FromMilliseconds(200), _stop.Token);
            }

            return;
        }
    }

    private async Task AnswerAsync(Socket server, Socket client, KeptAnswer kept)
    {
        byte[] buffer = new byte[65536];
        while (await server.ReceiveAsync(buffer, _stop.Token) is int count and > 0)
        {
            if (kept.IsKept)
            {
                kept.Came.TrySetResult();
                continue;
            }

            await client.SendAsync(buffer.AsMemory(0, count), _stop.Token);
        }
    }

    /// <summary>The answer to the message that was cut, which the client does not get.</summary>
    private sealed class KeptAnswer
    {
        private volatile bool _isKept;

        public bool IsKept
        {
            get => _isKept;
            set => _isKept = value;
        }

        public TaskCompletionSource Came { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
