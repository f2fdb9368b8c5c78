using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Tacit.Client.Transports;
using Tacit.Gateway.Tests.Support;

namespace Tacit.Client.Tests;

/// <summary>Connections by unit: shared within one, never between two, gone when unused.</summary>
public sealed class TransportPoolTests
{
    private static readonly Route There = Route.Direct(new Uri("http://127.0.0.1:1"));

    private readonly FakeTime _time = new(new DateTimeOffset(2026, 3, 10, 12, 0, 0, TimeSpan.Zero));

    [Fact]
    public void Same_unit_shares_a_handler_and_another_does_not()
    {
        using var pool = new TransportPool(new TransportOptions(), _time);
        IsolationKey one = AnonymousUnit.ForConversation([1]);

        using TransportLease first = pool.Lease(There, one, keep: true);
        using TransportLease same = pool.Lease(There, AnonymousUnit.ForConversation([1]), keep: true);
        using TransportLease other = pool.Lease(There, AnonymousUnit.ForConversation([2]), keep: true);
        using TransportLease elsewhere = pool.Lease(Route.Direct(new Uri("http://127.0.0.1:2")), one, keep: true);

        Assert.Same(first.Invoker, same.Invoker);
        Assert.NotSame(first.Invoker, other.Invoker);
        Assert.NotSame(first.Invoker, elsewhere.Invoker);
    }

    [Fact]
    public void Discarded_handler_serves_those_that_use_it_and_nobody_else()
    {
        using var pool = new TransportPool(new TransportOptions(), _time);
        IsolationKey one = AnonymousUnit.ForConversation([1]);
        TransportLease broken = pool.Lease(There, one, keep: true);
        TransportLease beside = pool.Lease(There, one, keep: true);

        broken.Discard();
        using TransportLease next = pool.Lease(There, one, keep: true);
        broken.Dispose();
        beside.Discard();
        beside.Dispose();
        using TransportLease another = pool.Lease(There, one, keep: true);

        Assert.Same(broken.Invoker, beside.Invoker);
        Assert.NotSame(broken.Invoker, next.Invoker);
        Assert.Same(next.Invoker, another.Invoker);
        Assert.Equal(1, pool.Count);
        Assert.Throws<ObjectDisposedException>(() => { _ = broken.Invoker.SendAsync(new HttpRequestMessage(), CancellationToken.None); });
    }

    [Fact]
    public void Handler_of_one_request_goes_with_it()
    {
        using var pool = new TransportPool(new TransportOptions(), _time);

        pool.Lease(There, AnonymousUnit.ForOneRequest(), keep: false).Dispose();

        Assert.Equal(0, pool.Count);
    }

    [Fact]
    public void Idle_handler_expires_and_one_in_use_does_not()
    {
        using var pool = new TransportPool(new TransportOptions { IdleTimeout = TimeSpan.FromSeconds(90) }, _time);
        pool.Lease(There, AnonymousUnit.ForConversation([1]), keep: true).Dispose();
        using TransportLease used = pool.Lease(There, AnonymousUnit.ForConversation([2]), keep: true);
        Assert.Equal(2, pool.Count);

        _time.Advance(TimeSpan.FromSeconds(200));

        Assert.Equal(1, pool.Count);
    }

    [Fact]
    public void Idle_handlers_are_bounded_and_the_longest_unused_goes_first()
    {
        using var pool = new TransportPool(new TransportOptions { MaxIdle = 3 }, _time);
        for (byte i = 0; i < 10; i++)
        {
            pool.Lease(There, AnonymousUnit.ForConversation([i]), keep: true).Dispose();
            _time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Equal(3, pool.Count);
    }

    [Fact]
    public async Task Redirect_is_not_followed_and_no_cookie_is_kept()
    {
        await using Support.Interposer front = await Support.Interposer.StartAsync(new Uri("http://127.0.0.1:1"));
        front.Impersonate = (context, _) =>
        {
            context.Response.StatusCode = 302;
            context.Response.Headers.Location = "/elsewhere";
            context.Response.Headers.SetCookie = "id=alice";
            return Task.FromResult(true);
        };
        using var pool = new TransportPool(new TransportOptions(), _time);
        for (int i = 0; i < 2; i++)
        {
            using TransportLease lease = pool.Lease(Route.Direct(front.Address), AnonymousUnit.ForConversation([1]), keep: true);
            using var request = new HttpRequestMessage(HttpMethod.Get, front.Address);
            using HttpResponseMessage response = await lease.Invoker.SendAsync(request, TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.Found, response.StatusCode);
        }

        Assert.Equal(2, front.Seen.Count);
        Assert.All(front.Seen, seen => Assert.Equal(["Host"], seen.Headers.Keys));
    }

    [Fact]
    public async Task Pinned_server_is_taken_whoever_signed_its_certificate_and_no_other_is_asked_anything()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using X509Certificate2 certificate = SelfSigned(key);
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        byte[] pin = SHA256.HashData(key.ExportSubjectPublicKeyInfo());

        Assert.Equal((HttpStatusCode.OK, true), await AskAsync(new TransportOptions { PinnedKey = pin }));
        pin[31] ^= 1;
        Assert.Equal((null, false), await AskAsync(new TransportOptions { PinnedKey = pin }));
        Assert.Equal((null, false), await AskAsync(new TransportOptions()));

        // What the client got, and whether the server saw a byte of a request.
        async Task<(HttpStatusCode?, bool)> AskAsync(TransportOptions options)
        {
            Task<bool> served = ServeAsync();
            using var pool = new TransportPool(options, _time);
            using TransportLease lease = pool.Lease(Route.Direct(new Uri($"https://127.0.0.1:{port}")), AnonymousUnit.ForOneRequest(), keep: false);
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri($"https://127.0.0.1:{port}/"));
            HttpStatusCode? status = null;
            try
            {
                using HttpResponseMessage response = await lease.Invoker.SendAsync(request, TestContext.Current.CancellationToken);
                status = response.StatusCode;
            }
            catch (HttpRequestException e)
            {
                Assert.Equal(HttpRequestError.SecureConnectionError, e.HttpRequestError);
            }

            return (status, await served);
        }

        async Task<bool> ServeAsync()
        {
            using TcpClient connection = await listener.AcceptTcpClientAsync(TestContext.Current.CancellationToken);
            await using var tls = new SslStream(connection.GetStream());
            try
            {
                await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = certificate }, TestContext.Current.CancellationToken);
                if (await tls.ReadAsync(new byte[4096], TestContext.Current.CancellationToken) == 0)
                {
                    return false;
                }
            }
            catch (Exception e) when (e is IOException or AuthenticationException)
            {
                return false;
            }

            await tls.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"u8.ToArray(), TestContext.Current.CancellationToken);
            await tls.ShutdownAsync();
            return true;
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Server_whose_certificate_names_places_to_ask_has_nobody_asked(bool pins)
    {
        using var elsewhere = new TcpListener(IPAddress.Loopback, 0);
        elsewhere.Start();
        string place = $"http://127.0.0.1:{((IPEndPoint)elsewhere.LocalEndpoint).Port}/";
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        using var authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var asked = new CertificateRequest("CN=gateway.test", key, HashAlgorithmName.SHA256);
        asked.CertificateExtensions.Add(new X509AuthorityInformationAccessExtension([place], [place]));
        asked.CertificateExtensions.Add(CertificateRevocationListBuilder.BuildCrlDistributionPointExtension([place]));
        using X509Certificate2 bare = asked.Create(
            new X500DistinguishedName("CN=unknown authority"), X509SignatureGenerator.CreateForECDsa(authorityKey), now.AddDays(-1), now.AddDays(1), [1, 2, 3]);
        using X509Certificate2 certificate = bare.CopyWithPrivateKey(key);
        // Offline: a server of .NET would ask as well.
        SslStreamCertificateContext context = SslStreamCertificateContext.Create(certificate, null, offline: true);
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        Task served = ServeAsync();
        using var pool = new TransportPool(new TransportOptions { PinnedKey = pins ? new byte[32] : [] }, _time);
        var server = new Uri($"https://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/");
        using TransportLease lease = pool.Lease(Route.Direct(server), AnonymousUnit.ForOneRequest(), keep: false);
        using var request = new HttpRequestMessage(HttpMethod.Get, server);

        HttpRequestException failure = await Assert.ThrowsAsync<HttpRequestException>(() => lease.Invoker.SendAsync(request, TestContext.Current.CancellationToken));

        Assert.Equal(HttpRequestError.SecureConnectionError, failure.HttpRequestError);
        await served;
        // Chains are built before the certificate is judged.
        Assert.False(elsewhere.Pending());

        async Task ServeAsync()
        {
            using TcpClient connection = await listener.AcceptTcpClientAsync(TestContext.Current.CancellationToken);
            await using var tls = new SslStream(connection.GetStream());
            try
            {
                await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificateContext = context }, TestContext.Current.CancellationToken);
                _ = tls.ReadByte();
            }
            catch (Exception e) when (e is IOException or AuthenticationException)
            {
                // It was not believed.
            }
        }
    }

    internal static X509Certificate2 SelfSigned(ECDsa key) => new CertificateRequest("CN=elsewhere.test", key, HashAlgorithmName.SHA256)
        .CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1));

    [Theory]
    [InlineData("ftp://host/")]
    [InlineData("/relative")]
    public void Address_that_is_no_web_address_is_refused(string address) =>
        Assert.Throws<ArgumentException>(() => Route.Direct(new Uri(address, UriKind.RelativeOrAbsolute)));
}
