using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Tacit.Tor.Socks;

namespace Tacit.Tor.Tests;

/// <summary>Connections through a SOCKS port, against a peer that keeps what it was sent; how the real tor answers is tested on a private network.</summary>
public sealed class TorConnectorTests : IDisposable
{
    private readonly TestTor _test = new();
    private readonly TorIsolation _isolation = TorIsolation.Create();
    private byte[] _greeting = [];
    private (string User, string Password) _credentials;
    private byte[] _request = [];

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task Connection_carries_isolation_and_name_and_then_the_callers_bytes()
    {
        await using ScriptedPeer peer = ScriptedPeer.OnTcp((stream, token) => AnswerAsync(stream, [5, 0, 0, 1, 0, 0, 0, 0, 0, 0], token));
        await using TorService tor = await StartAsync(peer);
        Assert.Equal(TorState.External, tor.Status.State);
        await tor.WaitUntilReadyAsync(_test.Token);
        await using Stream connection = await tor.Connector.ConnectAsync("example.onion", 80, _isolation, _test.Token);
        await connection.WriteAsync("ping"u8.ToArray(), _test.Token);
        byte[] echo = new byte[4];
        await connection.ReadExactlyAsync(echo, _test.Token);
        Assert.Equal("ping", Encoding.ASCII.GetString(echo));
        Assert.Equal([5, 1, 2], _greeting);
        Assert.Equal(_isolation.UserName, _credentials.User);
        Assert.Equal(SocksHandshake.Connect("example.onion", 80), _request);
    }

    [Theory]
    [InlineData(new byte[] { 5, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 })]
    [InlineData(new byte[] { 5, 0, 0, 3, 3, 65, 65, 65, 0, 80 })]
    public async Task Bound_address_of_every_kind_is_passed_over(byte[] reply)
    {
        await using ScriptedPeer peer = ScriptedPeer.OnTcp((stream, token) => AnswerAsync(stream, reply, token));
        await using TorService tor = await StartAsync(peer);
        await using Stream connection = await tor.Connector.ConnectAsync("a.example", 80, _isolation, _test.Token);
        await connection.WriteAsync("x"u8.ToArray(), _test.Token);
        Assert.Equal('x', connection.ReadByte());
    }

    [Fact]
    public async Task Unix_socket_is_taken_as_well()
    {
        string path = Path.Combine(_test.Root, "socks");
        await using ScriptedPeer peer = ScriptedPeer.OnUnix(path, (stream, token) => AnswerAsync(stream, [5, 0, 0, 1, 0, 0, 0, 0, 0, 0], token));
        await using TorService tor = await _test.StartAsync(new TorOptions { Socks = "unix:" + path });
        await using Stream connection = await tor.Connector.ConnectAsync("a.example", 80, _isolation, _test.Token);
        Assert.Equal("unix:" + path, tor.Connector.SocksAddress);
    }

    [Theory]
    [InlineData(0x01, TorError.ConnectionFailed)]
    [InlineData(0x05, TorError.ConnectionRefused)]
    [InlineData(0x06, TorError.TimedOut)]
    [InlineData(0xF0, TorError.OnionNotFound)]
    [InlineData(0xF4, TorError.OnionAuthRequired)]
    [InlineData(0xF7, TorError.OnionTimedOut)]
    [InlineData(0xFF, TorError.ConnectionFailed)]
    public async Task Refusal_is_a_typed_error_that_does_not_name_the_host(byte code, TorError error)
    {
        await using ScriptedPeer peer = ScriptedPeer.OnTcp((stream, token) => AnswerAsync(stream, [5, code, 0, 1, 0, 0, 0, 0, 0, 0], token));
        await using TorService tor = await StartAsync(peer);
        TorException e = await FailAsync(tor, "secret-host.example");
        Assert.Equal(error, e.Error);
        Assert.DoesNotContain("secret-host", e.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(_isolation.UserName, e.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(new byte[] { 5, 0 })]
    [InlineData(new byte[] { 5, 0xFF })]
    [InlineData(new byte[] { 4, 2 })]
    [InlineData(new byte[] { 72, 84 })]
    [InlineData(new byte[] { 5 })]
    public async Task Proxy_that_does_not_take_the_isolation_gets_to_see_no_host(byte[] method)
    {
        byte[] rest = [1];
        await using ScriptedPeer peer = ScriptedPeer.OnTcp(async (stream, token) =>
        {
            await stream.ReadExactlyAsync(new byte[3], token);
            await stream.WriteAsync(method, token);
            stream.Socket.Shutdown(SocketShutdown.Send);
            using var received = new MemoryStream();
            await stream.CopyToAsync(received, token);
            rest = received.ToArray();
        });
        await using (TorService tor = await StartAsync(peer))
        {
            Assert.Equal(TorError.SocksUnreachable, (await FailAsync(tor, "secret-host.example")).Error);
        }
        await peer.DisposeAsync();
        Assert.DoesNotContain("secret-host", Encoding.Latin1.GetString(rest), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(new byte[] { 5, 0, 0, 9, 0 })]
    [InlineData(new byte[] { 5, 0, 0, 1, 0, 0 })]
    [InlineData(new byte[] { })]
    public async Task Reply_that_is_none_is_a_typed_error(byte[] reply)
    {
        await using ScriptedPeer peer = ScriptedPeer.OnTcp(async (stream, token) =>
        {
            await TakeAsync(stream, token);
            await stream.WriteAsync(reply, token);
        });
        await using TorService tor = await StartAsync(peer);
        Assert.Equal(TorError.SocksUnreachable, (await FailAsync(tor, "a.example")).Error);
    }

    [Fact]
    public async Task Nobody_at_the_address_is_said_with_the_setting()
    {
        // Taken, so that nobody else gets it, and not listened at.
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        await using TorService tor = await _test.StartAsync(new TorOptions { Socks = taken.LocalEndPoint!.ToString() });
        TorException e = await FailAsync(tor, "a.example");
        Assert.Equal(TorError.SocksUnreachable, e.Error);
        Assert.Contains("Tor:Socks", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tor_of_somebody_else_cannot_be_controlled()
    {
        await using TorService tor = await _test.StartAsync(new TorOptions { Socks = "127.0.0.1:9050" });
        Assert.Equal(TorError.NoControl, (await Assert.ThrowsAsync<TorException>(() => tor.NewIdentityAsync())).Error);
        Assert.Equal(TorError.NoControl, (await Assert.ThrowsAsync<TorException>(() => tor.ObserveAsync())).Error);
        Assert.Equal(TorError.NoControl, (await Assert.ThrowsAsync<TorException>(() => tor.PublishAsync(new OnionServiceOptions { Target = "127.0.0.1:80" }))).Error);
        Assert.Single(await ToListAsync(tor.WatchAsync()));
    }

    [Fact]
    public async Task Cancelled_attempt_ends()
    {
        await using ScriptedPeer peer = ScriptedPeer.OnTcp(async (stream, token) =>
        {
            await TakeAsync(stream, token);
            await Task.Delay(Timeout.Infinite, token);
        });
        await using TorService tor = await StartAsync(peer);
        using var cancel = new CancellationTokenSource();
        Task attempt = tor.Connector.ConnectAsync("a.example", 80, _isolation, cancel.Token).AsTask();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => attempt);
    }

    [Fact]
    public void Isolations_are_different_and_print_nothing()
    {
        TorIsolation other = TorIsolation.Create();
        Assert.NotEqual(_isolation, other);
        Assert.Equal("[scrubbed]", $"{_isolation}");
        Assert.Equal(1000, Enumerable.Range(0, 1000).Select(_ => TorIsolation.Create()).Distinct().Count());
    }

    private static async Task<List<T>> ToListAsync<T>(IAsyncEnumerable<T> items)
    {
        List<T> list = [];
        await foreach (T item in items)
        {
            list.Add(item);
        }
        return list;
    }

    private Task<TorService> StartAsync(ScriptedPeer peer) => _test.StartAsync(new TorOptions { Socks = string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{peer.Port}") });

    private Task<TorException> FailAsync(TorService tor, string host) =>
        Assert.ThrowsAsync<TorException>(async () => await tor.Connector.ConnectAsync(host, 80, _isolation, _test.Token));

    private async Task AnswerAsync(NetworkStream stream, byte[] reply, CancellationToken token)
    {
        await TakeAsync(stream, token);
        await stream.WriteAsync(reply, token);
        await stream.CopyToAsync(stream, token);
    }

    /// <summary>Everything up to the reply, of a proxy that takes user name and password.</summary>
    private async Task TakeAsync(NetworkStream stream, CancellationToken token)
    {
        _greeting = await ReadAsync(stream, 3, token);
        await stream.WriteAsync(new byte[] { 5, 2 }, token);
        byte[] head = await ReadAsync(stream, 2, token);
        string user = Encoding.ASCII.GetString(await ReadAsync(stream, head[1], token));
        byte[] length = await ReadAsync(stream, 1, token);
        _credentials = (user, Encoding.ASCII.GetString(await ReadAsync(stream, length[0], token)));
        await stream.WriteAsync(new byte[] { 1, 0 }, token);
        byte[] request = await ReadAsync(stream, 5, token);
        _request = [.. request, .. await ReadAsync(stream, request[4] + 2, token)];
    }

    private static async Task<byte[]> ReadAsync(NetworkStream stream, int count, CancellationToken token)
    {
        byte[] bytes = new byte[count];
        await stream.ReadExactlyAsync(bytes, token);
        return bytes;
    }
}
