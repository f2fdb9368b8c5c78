using System.Net.Sockets;

namespace Tacit.Bench.Gateway;

/// <summary>
/// False tokens, as many as the gateway's sockets take: on connections that send without waiting for answers, and on ones that come new for each.
/// </summary>
internal sealed class Flood : IDisposable
{
    private const int Persistent = 256;
    private const int Reconnecting = 32;

    private readonly CancellationTokenSource _stop = new();
    private readonly byte[][] _requests;
    private readonly Uri _target;
    private readonly List<Task> _tasks = [];
    private long _sent;
    private long _connections;

    internal Flood(Uri target, byte[][] requests)
    {
        _target = target;
        _requests = requests;
        for (int i = 0; i < Persistent; i++)
        {
            int from = i;
            _tasks.Add(Task.Run(() => PourAsync(from)));
        }

        for (int i = 0; i < Reconnecting; i++)
        {
            int from = i;
            _tasks.Add(Task.Run(() => KnockAsync(from)));
        }
    }

    internal long Sent => Volatile.Read(ref _sent);

    internal long Connections => Volatile.Read(ref _connections);

    public void Dispose()
    {
        _stop.Cancel();
        Task.WhenAll(_tasks).Wait(TimeSpan.FromSeconds(5));
        _stop.Dispose();
    }

    private async Task PourAsync(int from)
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                using Socket socket = await Load.ConnectAsync(_target);
                Interlocked.Increment(ref _connections);
                _ = DrainAsync(socket);
                for (int i = from; ; i++)
                {
                    await socket.SendAsync(_requests[i % _requests.Length], SocketFlags.None, _stop.Token);
                    Interlocked.Increment(ref _sent);
                }
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
            {
                // Thrown out, or told to stop.
            }
        }
    }

    private async Task KnockAsync(int from)
    {
        byte[] answer = new byte[4096];
        for (int i = from; !_stop.IsCancellationRequested; i++)
        {
            try
            {
                using Socket socket = await Load.ConnectAsync(_target);
                Interlocked.Increment(ref _connections);
                await socket.SendAsync(_requests[i % _requests.Length], SocketFlags.None, _stop.Token);
                Interlocked.Increment(ref _sent);

                // An attacker does not wait for the answer it knows.
                using var impatience = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
                impatience.CancelAfter(TimeSpan.FromMilliseconds(20));
                await socket.ReceiveAsync(answer, SocketFlags.None, impatience.Token);
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException)
            {
                // The next one.
            }
        }
    }

    private static async Task DrainAsync(Socket socket)
    {
        byte[] buffer = new byte[4096];
        try
        {
            while (await socket.ReceiveAsync(buffer) > 0)
            {
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Gone.
        }
    }
}
