using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Tacit.Hosting.Tests;

public sealed class TlsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly FakeTime _time = new(new DateTimeOffset(2026, 3, 1, 0, 0, 0, TimeSpan.Zero));

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private TlsOptions Files => new() { Certificate = _folder["tls.crt"], Key = SecretReference.FromFile(_folder["tls.key"]) };

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Renewed_certificate_is_taken_up_while_a_stream_on_the_old_one_goes_on()
    {
        Write("first");
        TaskCompletionSource go = new();
        using GreedyLog log = new();
        await using WebServer server = await StartAsync(
            c => c.Request.Path == "/stream" ? StreamAsync(c, go.Task) : c.Response.WriteAsync(c.Request.Protocol), log);
        using HttpMessageInvoker held = Client(out Func<string> heldSubject);
        using HttpResponseMessage stream = await held.SendAsync(Request(server, "/stream", HttpVersion.Version20), Ct);
        Assert.Equal("CN=first", heldSubject());

        // Half of the new pair: the old one stays, which is said once.
        (string certificate, string key) = Pair("second");
        await File.WriteAllTextAsync(_folder["tls.crt"], certificate, Ct);
        _time.Advance(CertificateFiles.Interval);
        _time.Advance(CertificateFiles.Interval);
        Assert.Equal("CN=first", await SubjectAsync(server));
        Assert.Equal(1, log.Text.Split("goes on with the certificate it has").Length - 1);

        await File.WriteAllTextAsync(_folder["tls.key"], key, Ct);
        _time.Advance(CertificateFiles.Interval);
        Assert.Equal("CN=second", await SubjectAsync(server));
        Assert.Contains("took up a renewed certificate", log.Text, StringComparison.Ordinal);

        go.SetResult();
        Assert.Equal("begun, and ended", await stream.Content.ReadAsStringAsync(Ct));
        Assert.DoesNotContain(_folder["tls.key"] + "\n-----", log.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Files_that_vanish_for_a_while_change_nothing()
    {
        Write("first");
        await using WebServer server = await StartAsync(c => c.Response.WriteAsync("here"));
        File.Delete(_folder["tls.crt"]);
        File.Delete(_folder["tls.key"]);
        _time.Advance(CertificateFiles.Interval);
        Assert.Equal("CN=first", await SubjectAsync(server));
        Write("second");
        _time.Advance(CertificateFiles.Interval);
        Assert.Equal("CN=second", await SubjectAsync(server));
    }

    [Fact]
    public async Task Link_that_is_turned_to_another_pair_is_followed()
    {
        foreach (string name in (string[])["one", "two"])
        {
            Directory.CreateDirectory(_folder[name]);
            (string certificate, string key) = Pair(name);
            await File.WriteAllTextAsync(Path.Combine(_folder[name], "tls.crt"), certificate, Ct);
            await File.WriteAllTextAsync(Path.Combine(_folder[name], "tls.key"), key, Ct);
            File.SetLastWriteTimeUtc(Path.Combine(_folder[name], "tls.crt"), new DateTime(2026, 1, name.Length + (name == "two" ? 1 : 0), 0, 0, 0, DateTimeKind.Utc));
        }
        Directory.CreateSymbolicLink(_folder["live"], _folder["one"]);
        TlsOptions live = new() { Certificate = Path.Combine(_folder["live"], "tls.crt"), Key = SecretReference.FromFile(Path.Combine(_folder["live"], "tls.key")) };
        await using WebServer server = await Servers.StartAsync(routes => routes.MapGet("/", (RequestDelegate)(c => Task.CompletedTask)), o => o with { Tls = live }, time: _time);
        Assert.Equal("CN=one", await SubjectAsync(server));
        Directory.Delete(_folder["live"]);
        Directory.CreateSymbolicLink(_folder["live"], _folder["two"]);
        _time.Advance(CertificateFiles.Interval);
        Assert.Equal("CN=two", await SubjectAsync(server));
    }

    [Fact]
    public async Task Server_speaks_http_1_and_2_over_tls_1_3_only()
    {
        Write("name");
        await using WebServer server = await StartAsync(c => c.Response.WriteAsync(c.Request.Protocol));
        foreach ((Version version, string expected) in ((Version, string)[])[(HttpVersion.Version11, "HTTP/1.1"), (HttpVersion.Version20, "HTTP/2")])
        {
            using HttpMessageInvoker client = Client(out _);
            using HttpResponseMessage response = await client.SendAsync(Request(server, "/", version), Ct);
            Assert.Equal(expected, await response.Content.ReadAsStringAsync(Ct));
        }
        Assert.Equal(SslProtocols.Tls13, await HandshakeAsync(server, SslProtocols.None));
        await Assert.ThrowsAnyAsync<Exception>(() => HandshakeAsync(server, SslProtocols.Tls12));
    }

    [Fact]
    public async Task Session_is_not_resumed()
    {
        Write("name");
        await using WebServer server = await StartAsync(c => c.Response.WriteAsync("the answer"));
        // What the first connection was given to resume with comes after its handshake, so it has to last until the answer.
        Assert.Contains("New, TLSv1.3", await OpenSslAsync(server, "-sess_out"), StringComparison.Ordinal);
        string second = File.Exists(_folder["session"]) ? await OpenSslAsync(server, "-sess_in") : "New, TLSv1.3";
        Assert.Contains("New, TLSv1.3", second, StringComparison.Ordinal);
        Assert.DoesNotContain("Reused, ", second, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Pair_that_does_not_fit_stops_the_start_and_is_named()
    {
        Write("first");
        await File.WriteAllTextAsync(_folder["tls.key"], Pair("other").Key, Ct);
        SettingsException e = await Assert.ThrowsAsync<SettingsException>(() => StartAsync(c => Task.CompletedTask));
        Assert.Equal("Tls:Key", Assert.Single(e.Problems).Key);
        Assert.Throws<SettingsException>(Files.Try);

        File.Delete(_folder["tls.crt"]);
        e = await Assert.ThrowsAsync<SettingsException>(() => StartAsync(c => Task.CompletedTask));
        Assert.Equal("Tls:Certificate", Assert.Single(e.Problems).Key);

        SettingsValidation validation = new();
        new TlsOptions { Certificate = "tls.crt" }.Validate(validation);
        Assert.Equal("Tls:Key", Assert.Single(validation.Problems).Key);
    }

    private async Task<string> OpenSslAsync(WebServer server, string session)
    {
        ProcessStartInfo start = new("openssl", ["s_client", "-connect", server.Address.Authority, "-ign_eof", "-noservername", session, _folder["session"]])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        Process? openssl = null;
        try
        {
            openssl = Process.Start(start);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip("openssl is not installed");
        }
        using (openssl)
        {
            await openssl!.StandardInput.WriteAsync("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            await openssl.StandardInput.FlushAsync(Ct);
            string said = await openssl.StandardOutput.ReadToEndAsync(Ct);
            await openssl.WaitForExitAsync(Ct);
            Assert.Contains("the answer", said, StringComparison.Ordinal);
            return said;
        }
    }

    private static async Task StreamAsync(HttpContext context, Task go)
    {
        await context.Response.WriteAsync("begun");
        await context.Response.Body.FlushAsync();
        await go;
        await context.Response.WriteAsync(", and ended");
    }

    private static HttpRequestMessage Request(WebServer server, string path, Version version) =>
        new(HttpMethod.Get, new Uri(server.Address, path)) { Version = version, VersionPolicy = HttpVersionPolicy.RequestVersionExact };

    private static HttpMessageInvoker Client(out Func<string> subject)
    {
        string seen = "";
        subject = () => seen;
        return new HttpMessageInvoker(new SocketsHttpHandler
        {
            SslOptions = { RemoteCertificateValidationCallback = (_, certificate, _, _) => (seen = certificate!.Subject).Length > 0 },
        });
    }

    private static async Task<string> SubjectAsync(WebServer server)
    {
        using HttpMessageInvoker client = Client(out Func<string> subject);
        (await client.SendAsync(Request(server, "/", HttpVersion.Version11), Ct)).Dispose();
        return subject();
    }

    private static async Task<SslProtocols> HandshakeAsync(WebServer server, SslProtocols protocols)
    {
        using TcpClient tcp = new();
        await tcp.ConnectAsync(server.Address.Host, server.Address.Port, Ct);
        await using SslStream tls = new(tcp.GetStream());
        await tls.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions { TargetHost = "name", EnabledSslProtocols = protocols, RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate is not null }, Ct);
        return tls.SslProtocol;
    }

    private static (string Certificate, string Key) Pair(string name)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using X509Certificate2 made = new CertificateRequest("CN=" + name, key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1));
        return (made.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
    }

    private void Write(string name)
    {
        (string certificate, string key) = Pair(name);
        File.WriteAllText(_folder["tls.crt"], certificate);
        File.WriteAllText(_folder["tls.key"], key);
    }

    private Task<WebServer> StartAsync(RequestDelegate handler, GreedyLog? log = null) =>
        Servers.StartAsync(routes => routes.Map("/{**path}", handler), o => o with { Tls = Files }, log, _time);
}
