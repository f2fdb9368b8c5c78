using System.Net;
using System.Net.Sockets;

namespace Tacit.Tor.Tests;

/// <summary>A peer on a real socket that follows a script, once for each connection.</summary>
internal sealed class ScriptedPeer : IAsyncDisposable
{
    private readonly Socket _listener;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _serving;

    private ScriptedPeer(Socket listener, Func<NetworkStream, CancellationToken, Task> script)
    {
        _listener = listener;
        _serving = ServeAsync(script);
    }

    public int Port => ((IPEndPoint)_listener.LocalEndPoint!).Port;

    public static ScriptedPeer OnTcp(Func<NetworkStream, CancellationToken, Task> script)
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        return new ScriptedPeer(listener, script);
    }

    public static ScriptedPeer OnUnix(string path, Func<NetworkStream, CancellationToken, Task> script)
    {
        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        return new ScriptedPeer(listener, script);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        await _serving;
    }

    private async Task ServeAsync(Func<NetworkStream, CancellationToken, Task> script)
    {
        List<Task> served = [];
        try
        {
            while (true)
            {
                Socket socket = await _listener.AcceptAsync(_stop.Token);
                served.Add(ServeAsync(socket, script));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // Stopped.
        }
        await Task.WhenAll(served);
    }

    private async Task ServeAsync(Socket socket, Func<NetworkStream, CancellationToken, Task> script)
    {
        await using var stream = new NetworkStream(socket, ownsSocket: true);
        try
        {
            await script(stream, _stop.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // The other side has what it wanted.
        }
    }
}
