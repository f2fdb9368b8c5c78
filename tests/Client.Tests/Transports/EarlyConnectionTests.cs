using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Tacit.Client.Transports;
using Tacit.Gateway.Tests.Support;

namespace Tacit.Client.Tests;

/// <summary>A connection that is made before its request may leave: bare until then, used by that request alone, and no failure of its own.</summary>
public sealed class EarlyConnectionTests : IDisposable
{
    private static readonly byte[] s_answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"u8.ToArray();

    private readonly FakeTime _time = new(new DateTimeOffset(2026, 3, 10, 12, 0, 0, TimeSpan.Zero));
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly AnonymousUnit _unit = AnonymousUnit.ForOneRequest();

    public EarlyConnectionTests() => _listener.Start();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _listener.Dispose();

    [Fact]
    public async Task Request_takes_the_connection_that_was_begun_for_it_and_nothing_was_on_it_before()
    {
        using var pool = new TransportPool(new TransportOptions(), _time);
        using TransportLease approach = pool.Approach(There("http"), _unit, keep: false);
        using TcpClient connection = await _listener.AcceptTcpClientAsync(Token);
        Assert.False(connection.Client.Poll(TimeSpan.FromMilliseconds(100), SelectMode.SelectRead));

        Task<HttpStatusCode> answer = AskAsync(pool);
        await ReadRequestAsync(connection.GetStream());
        await connection.GetStream().WriteAsync(s_answer, Token);

        Assert.Equal(HttpStatusCode.OK, await answer);
        Assert.False(_listener.Pending());
    }

    [Fact]
    public async Task Connection_that_is_begun_has_its_handshake_behind_it_when_the_request_comes()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using X509Certificate2 certificate = TransportPoolTests.SelfSigned(key);
        using var pool = new TransportPool(new TransportOptions { PinnedKey = SHA256.HashData(key.ExportSubjectPublicKeyInfo()) }, _time);
        using TransportLease approach = pool.Approach(There("https"), _unit, keep: false);
        using TcpClient connection = await _listener.AcceptTcpClientAsync(Token);
        await using var tls = new SslStream(connection.GetStream());
        await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = certificate }, Token);

        Task<HttpStatusCode> answer = AskAsync(pool, "https");
        await ReadRequestAsync(tls);
        await tls.WriteAsync(s_answer, Token);

        Assert.Equal(HttpStatusCode.OK, await answer);
        Assert.False(_listener.Pending());
    }

    [Fact]
    public async Task Server_that_is_not_believed_is_no_more_so_for_having_been_approached()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using X509Certificate2 certificate = TransportPoolTests.SelfSigned(key);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        bool isAsked = false;
        Task serving = ServeAsync();
        using var pool = new TransportPool(new TransportOptions { PinnedKey = new byte[32] }, _time);
        using TransportLease approach = pool.Approach(There("https"), _unit, keep: false);

        HttpRequestException failure = await Assert.ThrowsAsync<HttpRequestException>(() => AskAsync(pool, "https"));

        Assert.Equal(HttpRequestError.SecureConnectionError, failure.HttpRequestError);
        Assert.False(isAsked);
        await stop.CancelAsync();
        await serving;

        async Task ServeAsync()
        {
            while (!stop.IsCancellationRequested)
            {
                try
                {
                    using TcpClient connection = await _listener.AcceptTcpClientAsync(stop.Token);
                    await using var tls = new SslStream(connection.GetStream());
                    await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = certificate }, stop.Token);
                    isAsked |= await tls.ReadAsync(new byte[16], stop.Token) > 0;
                }
                catch (Exception e) when (e is IOException or OperationCanceledException or System.Security.Authentication.AuthenticationException)
                {
                    // It hung up, or the test is over.
                }
            }
        }
    }

    [Fact]
    public async Task Connection_that_grew_old_is_made_again()
    {
        using var pool = new TransportPool(new TransportOptions(), _time);
        using TransportLease approach = pool.Approach(There("http"), _unit, keep: false);
        using (await _listener.AcceptTcpClientAsync(Token))
        {
            await approach.Way.Begun!.Making;
            _time.Advance(TimeSpan.FromSeconds(6));
        }

        Task<HttpStatusCode> answer = AskAsync(pool);
        using TcpClient connection = await _listener.AcceptTcpClientAsync(Token);
        await ReadRequestAsync(connection.GetStream());
        await connection.GetStream().WriteAsync(s_answer, Token);

        Assert.Equal(HttpStatusCode.OK, await answer);
    }

    [Fact]
    public async Task Connection_that_nobody_asks_for_ends_with_who_began_it()
    {
        using var pool = new TransportPool(new TransportOptions(), _time);
        TransportLease approach = pool.Approach(There("http"), _unit, keep: false);
        using TcpClient connection = await _listener.AcceptTcpClientAsync(Token);

        approach.Dispose();

        Assert.Equal(0, await connection.GetStream().ReadAsync(new byte[16], Token));
        Assert.Equal(0, pool.Count);
    }

    [Fact]
    public async Task Conversation_that_has_a_connection_gets_no_other()
    {
        using var pool = new TransportPool(new TransportOptions(), _time);
        AnonymousUnit conversation = AnonymousUnit.ForConversation([1]);
        using TransportLease first = pool.Approach(There("http"), conversation, keep: true);
        using TcpClient connection = await _listener.AcceptTcpClientAsync(Token);
        for (int i = 0; i < 2; i++)
        {
            using TransportLease approach = pool.Approach(There("http"), conversation, keep: true);
            Task<HttpStatusCode> answer = AskAsync(pool, unit: conversation);
            await ReadRequestAsync(connection.GetStream());
            await connection.GetStream().WriteAsync(s_answer, Token);
            Assert.Equal(HttpStatusCode.OK, await answer);
        }

        Assert.False(_listener.Pending());
    }

    private Route There(string scheme) => Route.Direct(new Uri($"{scheme}://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/"));

    private async Task<HttpStatusCode> AskAsync(TransportPool pool, string scheme = "http", AnonymousUnit? unit = null)
    {
        Route route = There(scheme);
        using TransportLease lease = pool.Lease(route, unit ?? _unit, keep: unit is not null);
        using var request = new HttpRequestMessage(HttpMethod.Get, route.Address);
        using HttpResponseMessage response = await lease.Invoker.SendAsync(request, Token);
        return response.StatusCode;
    }

    private static async Task ReadRequestAsync(Stream stream)
    {
        byte[] read = new byte[4096];
        int filled = 0;
        do
        {
            int got = await stream.ReadAsync(read.AsMemory(filled), Token);
            Assert.NotEqual(0, got);
            filled += got;
        }
        while (!read.AsSpan(0, filled).EndsWith("\r\n\r\n"u8));
        Assert.Equal("GET / HTTP/1.1"u8, read.AsSpan(0, 14));
    }
}
