using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Tacit.Tor.Control;

namespace Tacit.Tor.Tests;

/// <summary>The control connection against a peer that is not, or is no longer, the tor that was started.</summary>
public sealed class ControlConnectionTests : IDisposable
{
    private const string Protocol = "250-PROTOCOLINFO 1\r\n250-AUTH METHODS=COOKIE,SAFECOOKIE COOKIEFILE=\"/etc/passwd\"\r\n250-VERSION Tor=\"0.4.9.11\"\r\n250 OK\r\n";
    private readonly TestTor _test = new();
    private readonly byte[] _cookie = [.. Enumerable.Range(1, 32).Select(i => (byte)i)];
    private readonly List<string> _heard = [];

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task Peer_that_knows_the_cookie_is_authenticated_and_so_are_we()
    {
        await using ScriptedPeer peer = Peer(line => line.StartsWith("AUTHENTICATE", StringComparison.Ordinal) ? "250 OK\r\n" : Honest(line));
        await using ControlConnection control = await ConnectAsync();
        await control.AuthenticateAsync(() => [.. _cookie], _test.Token);
        string hash = _heard[^1].Split(' ')[1];
        byte[] clientNonce = Convert.FromHexString(_heard.First(line => line.StartsWith("AUTHCHALLENGE", StringComparison.Ordinal)).Split(' ')[2]);
        Assert.Equal(Convert.ToHexString(SafeCookie.ClientHash(_cookie, clientNonce, new byte[32])), hash);
        Assert.DoesNotContain(_heard, line => line.Contains(Convert.ToHexString(_cookie), StringComparison.OrdinalIgnoreCase));
    }

    [Theory]
    [InlineData("250-PROTOCOLINFO 1\r\n250-AUTH METHODS=NULL\r\n250 OK\r\n")]
    [InlineData("250-PROTOCOLINFO 1\r\n250-AUTH METHODS=COOKIE,HASHEDPASSWORD\r\n250 OK\r\n")]
    [InlineData("250 OK\r\n")]
    [InlineData("510 Unrecognized command\r\n")]
    [InlineData("HTTP/1.1 400 Bad Request\r\n\r\n")]
    public async Task Peer_that_offers_no_safe_cookie_is_no_tor_of_ours(string protocol)
    {
        await using ScriptedPeer peer = Peer(_ => protocol);
        await using ControlConnection control = await ConnectAsync();
        Assert.Equal(TorError.NoControl, (await Assert.ThrowsAsync<TorException>(() => control.AuthenticateAsync(() => [.. _cookie], _test.Token))).Error);
        Assert.DoesNotContain(_heard, line => line.StartsWith("AUTHENTICATE", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("250 AUTHCHALLENGE SERVERHASH=0000000000000000000000000000000000000000000000000000000000000000 SERVERNONCE=0000000000000000000000000000000000000000000000000000000000000000\r\n")]
    [InlineData("250 AUTHCHALLENGE\r\n")]
    [InlineData("250 AUTHCHALLENGE SERVERHASH=00 SERVERNONCE=zz\r\n")]
    [InlineData("513 Invalid nonce\r\n")]
    public async Task Peer_that_does_not_know_the_cookie_is_told_nothing_of_it(string challenge)
    {
        await using ScriptedPeer peer = Peer(line => line.StartsWith("PROTOCOLINFO", StringComparison.Ordinal) ? Protocol : challenge);
        await using ControlConnection control = await ConnectAsync();
        Assert.Equal(TorError.NoControl, (await Assert.ThrowsAsync<TorException>(() => control.AuthenticateAsync(() => [.. _cookie], _test.Token))).Error);
        Assert.DoesNotContain(_heard, line => line.StartsWith("AUTHENTICATE", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Events_between_replies_reach_the_listener_and_nobody_else()
    {
        List<ControlReply> events = [];
        await using ScriptedPeer peer = Peer(line => $"650 CIRC 1 BUILT\r\n250-{line.Split(' ')[1]}=1\r\n250 OK\r\n650 CIRC 1 CLOSED\r\n");
        await using ControlConnection control = await ConnectAsync(events.Add);
        string?[] values = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => control.InfoAsync(string.Create(CultureInfo.InvariantCulture, $"key{i}"), _test.Token)));
        Assert.All(values, value => Assert.Equal("1", value));
        Assert.InRange(events.Count, 99, 100);
    }

    [Theory]
    [InlineData("250 OK\r\n250 OK\r\n")]
    [InlineData("garbage\r\n")]
    public async Task Answer_that_nobody_asked_for_ends_the_connection(string answer)
    {
        await using ScriptedPeer peer = Peer(_ => answer);
        await using ControlConnection control = await ConnectAsync();
        try
        {
            await control.SendAsync("GETINFO version", _test.Token);
        }
        catch (TorException e)
        {
            Assert.Equal(TorError.NoControl, e.Error);
        }
        await control.Ended.WaitAsync(_test.Token);
        Assert.Equal(TorError.NoControl, (await Assert.ThrowsAsync<TorException>(() => control.SendAsync("GETINFO version", _test.Token))).Error);
    }

    [Fact]
    public async Task Peer_that_goes_ends_all_who_wait()
    {
        await using ScriptedPeer peer = Peer(_ => null);
        await using ControlConnection control = await ConnectAsync();
        Task<ControlReply>[] waiting = [.. Enumerable.Range(0, 5).Select(_ => control.SendAsync("GETINFO version", _test.Token))];
        foreach (Task<ControlReply> wait in waiting)
        {
            Assert.Equal(TorError.NoControl, (await Assert.ThrowsAsync<TorException>(() => wait)).Error);
        }
        await control.Ended.WaitAsync(_test.Token);
    }

    [Fact]
    public async Task Endless_reply_ends_the_connection()
    {
        await using ScriptedPeer peer = ScriptedPeer.OnUnix(SocketPath, async (stream, token) =>
        {
            byte[] junk = Encoding.ASCII.GetBytes("250-" + new string('x', 60_000));
            while (true)
            {
                await stream.WriteAsync(junk, token);
            }
        });
        await using ControlConnection control = await ConnectAsync();
        await control.Ended.WaitAsync(_test.Token);
    }

    [Theory]
    [InlineData("GETINFO version\r\nSIGNAL HALT")]
    [InlineData("A\nB")]
    [InlineData("A\0B")]
    public async Task Command_is_one_line(string command)
    {
        await using ScriptedPeer peer = Peer(_ => "250 OK\r\n");
        await using ControlConnection control = await ConnectAsync();
        await Assert.ThrowsAsync<ArgumentException>(() => control.SendAsync(command, _test.Token));
        Assert.Empty(_heard);
    }

    [Fact]
    public async Task Command_with_a_secret_is_overwritten()
    {
        await using ScriptedPeer peer = Peer(_ => "250 OK\r\n");
        await using ControlConnection control = await ConnectAsync();
        byte[] command = "ADD_ONION ED25519-V3:secret\r\n"u8.ToArray();
        await control.SendAsync(command, _test.Token);
        Assert.Equal(new byte[command.Length], command);
        Assert.Equal("ADD_ONION ED25519-V3:secret", Assert.Single(_heard));
    }

    private string SocketPath => Path.Combine(_test.Root, "control");

    private Task<ControlConnection> ConnectAsync(Action<ControlReply>? onEvent = null) => ControlConnection.ConnectAsync(SocketPath, TimeProvider.System, onEvent ?? (_ => { }), _test.Token);

    private string Honest(string line)
    {
        if (line.StartsWith("PROTOCOLINFO", StringComparison.Ordinal))
        {
            return Protocol;
        }
        byte[] hash = SafeCookie.ServerHash(_cookie, Convert.FromHexString(line.Split(' ')[2]), new byte[32]);
        return $"250 AUTHCHALLENGE SERVERHASH={Convert.ToHexString(hash)} SERVERNONCE={new string('0', 64)}\r\n";
    }

    /// <summary>Answers each line; null hangs up.</summary>
    private ScriptedPeer Peer(Func<string, string?> answer) => ScriptedPeer.OnUnix(SocketPath, async (stream, token) =>
    {
        using var reader = new StreamReader(stream, Encoding.Latin1, leaveOpen: true);
        while (await reader.ReadLineAsync(token) is { } line)
        {
            _heard.Add(line);
            if (answer(line) is not { } text)
            {
                return;
            }
            await stream.WriteAsync(Encoding.Latin1.GetBytes(text), token);
        }
    });
}
