using System.Net;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Tacit.Protocol;

namespace Tacit.Inference.Tests;

/// <summary>A backend behind mutual TLS: who it is believed to be, and who the gateway is to it.</summary>
public sealed class BackendTlsTests : IDisposable
{
    private readonly TestAuthority _servers = new("servers");
    private readonly TestAuthority _clients = new("clients");
    private readonly TestAuthority _others = new("others");
    private readonly string _folder = Directory.CreateTempSubdirectory("tacit-tls-").FullName;

    private static CancellationToken Test => TestContext.Current.CancellationToken;

    private string CaFile => Path.Combine(_folder, "ca.pem");

    private string CertificateFile => Path.Combine(_folder, "client.pem");

    private string KeyFile => Path.Combine(_folder, "client.key");

    public void Dispose()
    {
        _servers.Dispose();
        _clients.Dispose();
        _others.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Both_sides_show_certificates_of_the_authorities_that_are_pinned()
    {
        await using WebApplication server = await StartAsync(_servers.Issue("backend"));
        WriteCa(_servers);
        WriteClient(_clients.Issue("gateway-1"));
        await using RouterHarness harness = Harness(server);
        Assert.Equal("{\"id\":\"gateway-1\"}", await harness.AskAsync());
    }

    [Fact]
    public async Task Renewed_certificate_is_shown_without_a_restart()
    {
        var time = new ManualTime();
        await using WebApplication server = await StartAsync(_servers.Issue("backend"));
        WriteCa(_servers);
        WriteClient(_clients.Issue("gateway-1"));
        await using RouterHarness harness = Harness(server, time);
        Assert.Equal("{\"id\":\"gateway-1\"}", await harness.AskAsync());

        // Half a renewal: the new certificate with the old key.
        X509Certificate2 renewed = _clients.Issue("gateway-renewed");
        await File.WriteAllTextAsync(CertificateFile, renewed.ExportCertificatePem(), Test);
        time.Advance(BackendHttp.CertificateInterval);
        Assert.Contains(harness.Logged, line => line.Contains("goes on with the certificates it has", StringComparison.Ordinal));
        Assert.Equal("{\"id\":\"gateway-1\"}", await harness.AskAsync());

        WriteClient(renewed);
        time.Advance(BackendHttp.CertificateInterval);
        Assert.Equal("{\"id\":\"gateway-renewed\"}", await harness.AskAsync());
    }

    [Theory]
    [InlineData("server of another authority", BackendFault.ServerCertificateUntrusted)]
    [InlineData("server expired", BackendFault.ServerCertificateExpired)]
    [InlineData("server of another name", BackendFault.ServerCertificateWrongName)]
    [InlineData("client of another authority", BackendFault.ClientCertificateRefused)]
    [InlineData("client expired", BackendFault.ClientCertificateExpired)]
    [InlineData("client without certificate", BackendFault.ClientCertificateRequired)]
    public async Task Certificate_that_is_not_believed_leaves_the_backend_unreachable(string fault, BackendFault expected)
    {
        X509Certificate2 certificate = fault switch
        {
            "server of another authority" => _others.Issue("backend"),
            "server expired" => _servers.Issue("backend", expired: true),
            "server of another name" => _servers.Issue("backend", address: IPAddress.Parse("192.0.2.1")),
            _ => _servers.Issue("backend"),
        };
        await using WebApplication server = await StartAsync(certificate);
        WriteCa(_servers);
        WriteClient(fault switch
        {
            "client of another authority" => _others.Issue("gateway-1"),
            "client expired" => _clients.Issue("gateway-1", expired: true),
            _ => _clients.Issue("gateway-1"),
        });
        await using RouterHarness harness = Harness(server, withClient: fault != "client without certificate");
        (ProviderException failure, _) = await harness.FailAsync();
        Assert.Equal((ErrorCodes.ProviderUnreachable, false), (failure.Error.Code, failure.ClientProvoked));
        BackendStatus status = Assert.Single(harness.Router.Backends);
        Assert.Equal((expected, 1), (status.Fault, status.Counts.Unreachable));
    }

    [Fact]
    public async Task Check_tells_of_a_certificate_what_a_request_would()
    {
        await using WebApplication server = await StartAsync(_servers.Issue("backend", expired: true));
        WriteCa(_servers);
        WriteClient(_clients.Issue("gateway-1"));
        await using RouterHarness harness = Harness(server, health: new HealthOptions());
        BackendStatus status = await harness.UntilAsync(backend => backend.Health == HealthState.Down);
        Assert.Equal(BackendFault.ServerCertificateExpired, status.Fault);
        (ProviderException failure, _) = await harness.FailAsync();
        Assert.Equal((ErrorCodes.BackendUnavailable, 503, false), (failure.Error.Code, failure.Error.Status, failure.ClientProvoked));
        Assert.Contains(harness.Logged, line => line.Contains("ServerCertificateExpired", StringComparison.Ordinal));
    }

    [Fact]
    public void Files_that_cannot_be_used_are_named_at_the_start()
    {
        WriteCa(_servers);
        WriteClient(_clients.Issue("gateway-1"));
        Wrong(new BackendTls { CaFile = Path.Combine(_folder, "none.pem") }, "Tls:CaFile");
        Wrong(new BackendTls { CaFile = KeyFile }, "Tls:CaFile");
        Wrong(new BackendTls { ClientCertificateFile = CertificateFile }, "Tls:ClientCertificate");
        Wrong(new BackendTls { ClientCertificateFile = CertificateFile, ClientKey = () => [1, 2, 3] }, "Tls:ClientKey");

        static void Wrong(BackendTls tls, string setting)
        {
            var options = new InferenceOptions { Backends = [RouterHarness.Backend(new Uri("https://127.0.0.1:1/v1")) with { Tls = tls }] };
            Assert.Contains(setting + " ", Assert.Throws<ArgumentException>(options.Validate).Message, StringComparison.Ordinal);
        }
    }

    private RouterHarness Harness(WebApplication server, TimeProvider? time = null, bool withClient = true, HealthOptions? health = null)
    {
        var tls = new BackendTls { CaFile = CaFile };
        if (withClient)
        {
            tls = tls with { ClientCertificateFile = CertificateFile, ClientKey = () => File.ReadAllBytes(KeyFile) };
        }

        Uri address = new(server.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First() + "/v1");
        return new RouterHarness(new InferenceOptions { Backends = [RouterHarness.Backend(address) with { Tls = tls, Health = health }] }, time);
    }

    private void WriteCa(TestAuthority authority) => File.WriteAllText(CaFile, authority.Root.ExportCertificatePem());

    private void WriteClient(X509Certificate2 certificate)
    {
        File.WriteAllText(KeyFile, certificate.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        // A comment in front, so that the length tells one state from another whatever the file system's clock.
        File.WriteAllText(CertificateFile, certificate.SubjectName.Name + "\n" + certificate.ExportCertificatePem());
    }

    private async Task<WebApplication> StartAsync(X509Certificate2 certificate)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(new HttpsConnectionAdapterOptions
            {
                ServerCertificate = certificate,
                SslProtocols = SslProtocols.Tls13,
                ClientCertificateMode = ClientCertificateMode.RequireCertificate,
                ClientCertificateValidation = (client, _, _) => IsOfClients(client),
            })));
        WebApplication server = builder.Build();
        server.Run(async context =>
        {
            string name = context.Connection.ClientCertificate!.GetNameInfo(X509NameType.SimpleName, false);
            context.Response.ContentType = "application/json";
            await context.Response.Body.WriteAsync(Encoding.ASCII.GetBytes($$"""{"id":"{{name}}"}"""));
        });
        await server.StartAsync(Test);
        return server;
    }

    private bool IsOfClients(X509Certificate2 client)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(_clients.Root);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        return chain.Build(client);
    }
}
