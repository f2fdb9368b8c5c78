using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Tacit.EndToEnd.TorNetwork;

/// <summary>
/// What a tor itself says of its circuits and streams, by its control port: read here by other code than the product's, so that the one judges the other.
/// </summary>
internal sealed class ControlPort : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(120);

    private readonly Socket _socket;
    private readonly NetworkStream _stream;
    private readonly StreamReader _reader;
    private readonly Queue<TaskCompletionSource<IReadOnlyList<string>>> _questions = [];
    private readonly SemaphoreSlim _changed = new(0);
    private readonly Lock _gate = new();
    private ImmutableList<TorStreamEvent> _streams = [];
    private ImmutableList<TorCircuitEvent> _circuits = [];
    private Task _reading = Task.CompletedTask;
    private bool _ended;

    private ControlPort(Socket socket)
    {
        _socket = socket;
        _stream = new NetworkStream(socket, ownsSocket: true);
        _reader = new StreamReader(_stream, Encoding.Latin1);
    }

    /// <summary>What became of streams since the connection was made, in tor's order.</summary>
    public ImmutableList<TorStreamEvent> Streams => Volatile.Read(ref _streams);

    /// <summary>What became of circuits, likewise.</summary>
    public ImmutableList<TorCircuitEvent> Circuits => Volatile.Read(ref _circuits);

    /// <summary>Connects to the tor that one of our processes, or this one, runs in a folder: the file <c>sockets</c> there says where.</summary>
    public static async Task<ControlPort> OfAsync(string torFolder)
    {
        string sockets = (await File.ReadAllTextAsync(Path.Combine(torFolder, "sockets"))).Trim();
        return await ConnectAsync(new UnixDomainSocketEndPoint(Path.Combine(sockets, "control")), Path.Combine(sockets, "cookie"));
    }

    /// <summary>Connects and listens to what happens to circuits and streams.</summary>
    public static async Task<ControlPort> ConnectAsync(EndPoint address, string cookieFile)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, address is UnixDomainSocketEndPoint ? ProtocolType.Unspecified : ProtocolType.Tcp);
        await socket.ConnectAsync(address);
        var control = new ControlPort(socket);
        control._reading = control.ReadAsync();
        await control.AskAsync("AUTHENTICATE " + Convert.ToHexString(await File.ReadAllBytesAsync(cookieFile)));
        await control.AskAsync("SETEVENTS CIRC STREAM");
        return control;
    }

    /// <summary>The lines of the answer, without their codes; fails unless the code is 250.</summary>
    public async Task<IReadOnlyList<string>> AskAsync(string command)
    {
        var answered = new TaskCompletionSource<IReadOnlyList<string>>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            _questions.Enqueue(answered);
            _stream.Write(Encoding.ASCII.GetBytes(command + "\r\n"));
        }

        return await answered.Task.WaitAsync(s_patience);
    }

    /// <summary>Returns when everything that happened up to now is in <see cref="Streams"/> and <see cref="Circuits"/>: tor tells in order.</summary>
    public Task CatchUpAsync() => AskAsync("GETINFO version");

    /// <summary>Kills the tor at the other end, as a machine out of memory does.</summary>
    public async Task KillTorAsync()
    {
        const string said = "process/pid=";
        string line = (await AskAsync("GETINFO process/pid")).Single(line => line.StartsWith(said, StringComparison.Ordinal));
        using var tor = System.Diagnostics.Process.GetProcessById(TorStreamEvent.Number(line[said.Length..]));
        tor.Kill();
    }

    /// <summary>The relays of a circuit at this moment, the guard first; none if it is gone. Events do not tell of circuits that were made before one listened.</summary>
    public async Task<IReadOnlyList<string>> PathOfAsync(int circuit) =>
        (await AskAsync("GETINFO circuit-status")).Select(line => TorCircuitEvent.TryParse("CIRC " + line.Replace("circuit-status=", "", StringComparison.Ordinal)))
            .FirstOrDefault(found => found?.Id == circuit)?.Path ?? [];

    /// <summary>Waits until what was said so far gives something.</summary>
    public async Task<T> WaitForAsync<T>(Func<ControlPort, T?> look, string what)
        where T : class
    {
        using var patience = new CancellationTokenSource(s_patience);
        while (true)
        {
            bool ended = Volatile.Read(ref _ended);
            if (look(this) is { } found)
            {
                return found;
            }

            if (ended)
            {
                throw new InvalidOperationException($"tor ended before there was a {what}.");
            }

            try
            {
                await _changed.WaitAsync(patience.Token);
            }
            catch (OperationCanceledException)
            {
                throw new TimeoutException($"There was no {what}. Streams:\n{string.Join('\n', Streams)}\nCircuits:\n{string.Join('\n', Circuits)}");
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        _socket.Close();
        await _reading;
        _reader.Dispose();
        _changed.Dispose();
    }

    private async Task ReadAsync()
    {
        try
        {
            List<string> lines = [];
            while (await _reader.ReadLineAsync() is { } line)
            {
                if (line.StartsWith("650", StringComparison.Ordinal))
                {
                    Note(line[4..]);
                    continue;
                }

                lines.Add(line[4..]);
                if (line[3] == '+')
                {
                    while (await _reader.ReadLineAsync() is { } data && data != ".")
                    {
                        lines.Add(data);
                    }
                }
                else if (line[3] == ' ')
                {
                    TaskCompletionSource<IReadOnlyList<string>> question;
                    lock (_gate)
                    {
                        question = _questions.Dequeue();
                    }

                    _ = line.StartsWith("250", StringComparison.Ordinal) ? question.TrySetResult(lines) : question.TrySetException(new InvalidOperationException(line));
                    lines = [];
                }
            }
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
        {
            // Closed, by us or by the end of tor.
        }

        Volatile.Write(ref _ended, true);
        lock (_gate)
        {
            foreach (TaskCompletionSource<IReadOnlyList<string>> question in _questions)
            {
                question.TrySetException(new IOException("tor has ended."));
            }
        }

        _changed.Release();
    }

    private void Note(string line)
    {
        if (TorStreamEvent.TryParse(line) is { } stream)
        {
            Volatile.Write(ref _streams, _streams.Add(stream));
        }
        else if (TorCircuitEvent.TryParse(line) is { } circuit)
        {
            Volatile.Write(ref _circuits, _circuits.Add(circuit));
        }

        _changed.Release();
    }
}
