using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

namespace Tacit.Tor.Control;

/// <summary>
/// A connection to tor's control socket: commands are answered in their order, events come in between (control-spec, section 2). It ends, for all who wait,
/// when tor closes it, says what is no reply, or leaves a command unanswered.
/// </summary>
internal sealed class ControlConnection : IAsyncDisposable
{
    /// <summary>How long a command may stay unanswered. Tor answers within milliseconds; a machine that swaps needs longer.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);

    private readonly Socket _socket;
    private readonly TimeProvider _time;
    private readonly Action<ControlReply> _onEvent;
    private readonly SemaphoreSlim _writing = new(1);
    private readonly Lock _lock = new();
    private readonly Queue<TaskCompletionSource<ControlReply>> _waiting = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _reading;
    private bool _isEnded;

    private ControlConnection(Socket socket, TimeProvider time, Action<ControlReply> onEvent)
    {
        _socket = socket;
        _time = time;
        _onEvent = onEvent;
        _reading = ReadAsync();
    }

    /// <summary>Completes when the connection is over, for whatever reason; never fails.</summary>
    public Task Ended => _ended.Task;

    /// <param name="path">The Unix socket.</param>
    /// <param name="onEvent">Called with each event, one after the other; must not wait.</param>
    /// <exception cref="SocketException">Nobody listens there.</exception>
    public static async Task<ControlConnection> ConnectAsync(string path, TimeProvider time, Action<ControlReply> onEvent, CancellationToken cancellationToken)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);
            return new ControlConnection(socket, time, onEvent);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Authenticates by SAFECOOKIE, and by nothing else: every other method would show a secret to whoever listens there.</summary>
    /// <param name="readCookie">Reads the cookie file that we told tor to write, not one that the other side names.</param>
    public async Task AuthenticateAsync(Func<byte[]> readCookie, CancellationToken cancellationToken)
    {
        ControlReply protocol = Positive(await SendAsync("PROTOCOLINFO 1", cancellationToken), "PROTOCOLINFO");
        ControlWords auth = protocol.Lines.Select(line => ControlWords.Parse(line.Text)).FirstOrDefault(words => words.At(0) == "AUTH") ?? ControlWords.Parse("");
        if (auth["METHODS"]?.Split(',').Contains("SAFECOOKIE") != true)
        {
            throw new TorException(TorError.NoControl, "What answers at the control socket does not offer authentication by SAFECOOKIE: it is not the tor that was started.");
        }
        byte[] cookie = readCookie();
        try
        {
            byte[] clientNonce = RandomNumberGenerator.GetBytes(SafeCookie.NonceSizeInBytes);
            ControlReply challenge = Positive(
                await SendAsync("AUTHCHALLENGE SAFECOOKIE " + Convert.ToHexString(clientNonce), cancellationToken), "AUTHCHALLENGE");
            ControlWords words = ControlWords.Parse(challenge.Lines[0].Text);
            if (!TryHex(words["SERVERHASH"], 32, out byte[] serverHash) || !TryHex(words["SERVERNONCE"], SafeCookie.NonceSizeInBytes, out byte[] serverNonce)
                || cookie.Length != SafeCookie.CookieSizeInBytes
                || !CryptographicOperations.FixedTimeEquals(serverHash, SafeCookie.ServerHash(cookie, clientNonce, serverNonce)))
            {
                throw new TorException(TorError.NoControl, "What answers at the control socket does not know the cookie: it is not the tor that was started.");
            }
            byte[] clientHash = SafeCookie.ClientHash(cookie, clientNonce, serverNonce);
            Positive(await SendAsync("AUTHENTICATE " + Convert.ToHexString(clientHash), cancellationToken), "AUTHENTICATE");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(cookie);
        }
    }

    /// <summary>Sends a command and returns its reply, whatever it says.</summary>
    /// <exception cref="TorException"><see cref="TorError.NoControl"/>: the connection is over.</exception>
    public Task<ControlReply> SendAsync(string command, CancellationToken cancellationToken) => SendAsync(Encoding.Latin1.GetBytes(command + "\r\n"), cancellationToken);

    /// <summary>The same for a command that holds a secret: the bytes, which end in CRLF, are overwritten when they have left.</summary>
    public async Task<ControlReply> SendAsync(byte[] command, CancellationToken cancellationToken)
    {
        if (command.Length < 3 || command.AsSpan(0, command.Length - 2).IndexOfAny((byte)'\r', (byte)'\n', (byte)0) >= 0)
        {
            throw new ArgumentException("A command is one line.", nameof(command));
        }
        var answer = new TaskCompletionSource<ControlReply>(TaskCreationOptions.RunContinuationsAsynchronously);
        try
        {
            await _writing.WaitAsync(cancellationToken);
            try
            {
                lock (_lock)
                {
                    if (_isEnded)
                    {
                        throw Over();
                    }
                    _waiting.Enqueue(answer);
                }
                // From here on the command goes out whole: a part of one would spoil the next.
                for (ReadOnlyMemory<byte> rest = command; !rest.IsEmpty;)
                {
                    rest = rest[await _socket.SendAsync(rest, CancellationToken.None)..];
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                End();
                throw Over();
            }
            finally
            {
                _writing.Release();
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(command);
        }
        try
        {
            return await answer.Task.WaitAsync(s_patience, _time, cancellationToken);
        }
        catch (TimeoutException)
        {
            End();
            throw new TorException(TorError.NoControl, "Tor does not answer on its control socket.");
        }
    }

    /// <summary>Sends a command that must be carried out.</summary>
    /// <exception cref="TorException">It was refused; the message holds tor's own words.</exception>
    public async Task<ControlReply> DoAsync(string command, CancellationToken cancellationToken) =>
        Positive(await SendAsync(command, cancellationToken), command.Split(' ')[0]);

    /// <summary>One value of GETINFO; null if tor does not know it.</summary>
    public async Task<string?> InfoAsync(string key, CancellationToken cancellationToken)
    {
        ControlReply reply = await SendAsync("GETINFO " + key, cancellationToken);
        return reply.IsPositive ? reply.Value(key) : null;
    }

    public async ValueTask DisposeAsync()
    {
        End();
        await _reading;
    }

    private static ControlReply Positive(ControlReply reply, string command) => reply.IsPositive
        ? reply
        : throw new TorException(TorError.NoControl, $"Tor refused the command {command}: {reply.Status} {OneLine(reply.Lines[^1].Text)}");

    /// <summary>Words of the other side in a message: no control characters, no novel.</summary>
    internal static string OneLine(string text) =>
        string.Concat((text.Length > 300 ? text[..300] + " …" : text).Select(c => char.IsControl(c) ? ' ' : c));

    private static bool TryHex(string? text, int bytes, out byte[] value)
    {
        value = [];
        if (text?.Length != bytes * 2 || !text.All(char.IsAsciiHexDigit))
        {
            return false;
        }
        value = Convert.FromHexString(text);
        return true;
    }

    private static TorException Over() => new(TorError.NoControl, "The connection to tor's control socket is over.");

    private async Task ReadAsync()
    {
        var parser = new ControlReplyParser();
        List<ControlReply> replies = [];
        byte[] buffer = new byte[16 << 10];
        try
        {
            while (await _socket.ReceiveAsync(buffer, SocketFlags.None) is var received and > 0)
            {
                bool isProtocol = parser.TryFeed(buffer.AsSpan(0, received), replies);
                if (!replies.TrueForAll(TryPass) || !isProtocol)
                {
                    break;
                }
                replies.Clear();
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The end, as told below.
        }
        End();
    }

    private bool TryPass(ControlReply reply)
    {
        if (reply.IsEvent)
        {
            _onEvent(reply);
            return true;
        }
        TaskCompletionSource<ControlReply>? answer;
        lock (_lock)
        {
            if (!_waiting.TryDequeue(out answer))
            {
                // An answer that nobody asked for: the next would go to the wrong one.
                return false;
            }
        }
        answer.TrySetResult(reply);
        return true;
    }

    private void End()
    {
        List<TaskCompletionSource<ControlReply>> waiting;
        lock (_lock)
        {
            if (_isEnded)
            {
                return;
            }
            _isEnded = true;
            waiting = [.. _waiting];
            _waiting.Clear();
        }
        _socket.Dispose();
        foreach (TaskCompletionSource<ControlReply> answer in waiting)
        {
            answer.TrySetException(Over());
            _ = answer.Task.Exception;
        }
        _ended.TrySetResult();
    }
}
