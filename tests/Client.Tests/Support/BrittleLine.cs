using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Tacit.Client.Tests.Support;

/// <summary>How a connection ends.</summary>
public enum Breakage
{
    None,

    /// <summary>What was passed on arrives, and then an end that nobody announced.</summary>
    Close,

    /// <summary>A reset, as of a machine that has forgotten the connection.</summary>
    Reset,

    /// <summary>Nothing: no byte, no end. What the ends send is swallowed.</summary>
    Silence,
}

/// <summary>Where one connection breaks.</summary>
/// <param name="How">The way.</param>
/// <param name="AfterBytes">So many bytes of the answer arrive, or of the request.</param>
/// <param name="OfRequest">The request is cut; else the answer is.</param>
public readonly record struct LineCut(Breakage How, long AfterBytes, bool OfRequest = false);

/// <summary>A TCP line between a client and a server, which knows nothing of what it carries and breaks where a test says.</summary>
public sealed class BrittleLine : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<Task, byte> _open = new();
    private readonly ConcurrentQueue<LineCut> _next = new();
    private readonly Task _accepting;
    private int _connections;
    private long _lastAnswer;

    private BrittleLine(Uri target)
    {
        Target = target;
        _listener.Start();
        Address = new Uri($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}");
        _accepting = AcceptAsync();
    }

    public Uri Address { get; }

    /// <summary>The server behind; may be changed, as after a restart.</summary>
    public Uri Target { get; set; }

    /// <summary>Connections so far.</summary>
    public int Connections => Volatile.Read(ref _connections);

    /// <summary>How long the answers of the connection that was last answered were, together.</summary>
    public long LastAnswer => Volatile.Read(ref _lastAnswer);

    /// <summary>Where a connection breaks, by its number from 0, once the queue of <see cref="Next"/> is empty.</summary>
    public Func<int, LineCut> Decide { get; set; } = _ => default;

    /// <summary>Awaited before a connection is passed on; until then its client hears nothing.</summary>
    public Func<Task> Before { get; set; } = () => Task.CompletedTask;

    public static BrittleLine To(Uri target) => new(target);

    /// <summary>Where the next connections break, one each.</summary>
    public void Next(params ReadOnlySpan<LineCut> cuts)
    {
        foreach (LineCut cut in cuts)
        {
            _next.Enqueue(cut);
        }
    }

    /// <summary>From now on nobody answers here.</summary>
    public void GoDown() => _listener.Stop();

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        await Task.WhenAll(_open.Keys);
        _stop.Dispose();
        _listener.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                Socket client = await _listener.AcceptSocketAsync(_stop.Token);
                LineCut cut = _next.TryDequeue(out LineCut queued) ? queued : Decide(_connections);
                Interlocked.Increment(ref _connections);
                Task serving = ServeAsync(client, cut);
                _open.TryAdd(serving, 0);
                _ = serving.ContinueWith(done => _open.TryRemove(done, out _), TaskScheduler.Default);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or InvalidOperationException)
        {
            // Stopped; between two connections, a listener says so as if it had never been started.
        }
    }

    private async Task ServeAsync(Socket client, LineCut cut)
    {
        using Socket near = client;
        using var far = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        near.NoDelay = true;
        using var over = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        try
        {
            await Before().WaitAsync(over.Token);
            await far.ConnectAsync(IPAddress.Loopback, Target.Port, over.Token);
            Task<bool> there = PassAsync(near, far, cut.How != Breakage.None && cut.OfRequest ? cut.AfterBytes : long.MaxValue, _ => { }, over.Token);
            Task<bool> back = PassAsync(
                far, near, cut.How != Breakage.None && !cut.OfRequest ? cut.AfterBytes : long.MaxValue, total => Volatile.Write(ref _lastAnswer, total), over.Token);
            bool isCut = await await Task.WhenAny(there, back);
            await over.CancelAsync();
            if (isCut && cut.How == Breakage.Silence)
            {
                // As long as the client believes in it.
                byte[] swallowed = new byte[4096];
                while (await near.ReceiveAsync(swallowed, _stop.Token) > 0)
                {
                }
            }
            else if (isCut && cut.How == Breakage.Reset)
            {
                near.LingerState = new LingerOption(true, 0);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // One of the two is gone, and so will be the other.
        }
    }

    /// <summary>True if the cut was reached, false at the sender's end.</summary>
    private static async Task<bool> PassAsync(Socket from, Socket to, long most, Action<long> count, CancellationToken cancellationToken)
    {
        byte[] block = new byte[16 * 1024];
        long total = 0;
        try
        {
            while (await from.ReceiveAsync(block, cancellationToken) is int read and > 0)
            {
                int part = (int)Math.Min(read, most - total);
                // Before it is sent: whoever has all of it may ask at once how much it was.
                total += part;
                count(total);
                for (int sent = 0; sent < part;)
                {
                    sent += await to.SendAsync(block.AsMemory(sent, part - sent), cancellationToken);
                }
                if (total == most)
                {
                    return true;
                }
            }
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The other end, or the other direction, ended it.
        }
        return false;
    }
}
