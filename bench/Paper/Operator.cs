using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Client;
using Tacit.Gateway;
using Tacit.Hosting;
using Tacit.Inference;
using Tacit.Issuer;
using Tacit.Issuer.Gateways;
using Tacit.Protocol;
using Tacit.Signer;

namespace Tacit.Bench.Paper;

/// <summary>A real signer, issuer and gateway in front of the provider, TLS on every way between machines; and a wallet that has bought what it needs.</summary>
internal sealed class Operator : IAsyncDisposable
{
    internal const string IssuerName = "issuer.bench";
    internal const string GatewayName = "gateway.bench";

    private readonly Stack<IAsyncDisposable> _parts = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("tacit-bench-paper-").FullName;
    private X509Certificate2? _certificate;

    internal static Plan Request { get; } = new()
    {
        Id = "chat", Models = [Provider.Model], MaxInputBytes = 64 * 1024, MaxOutputTokens = 4096, Price = new Credits(1), Period = PeriodKind.Month,
    };

    internal static Plan RequestWithMetadata { get; } = Request with
    {
        Id = "chat-large",
        Price = new Credits(4),
        TokenType = TokenType.PartiallyBlindRsa,
    };

    internal static Plan Subscription { get; } = Request with
    {
        Id = "monthly",
        Kind = PlanKind.Subscription,
        Price = new Credits(100),
        TokenType = TokenType.PartiallyBlindRsa,
    };

    internal Provider Provider { get; private set; } = null!;

    internal Tunnel ToProvider { get; private set; } = null!;

    internal Tunnel ToIssuer { get; private set; } = null!;

    internal Tunnel ToGateway { get; private set; } = null!;

    internal SignerService Signer { get; private set; } = null!;

    internal TacitClient Client { get; private set; } = null!;

    internal string AccountKey { get; private set; } = "";

    internal static async Task<Operator> StartAsync(int tickets, CancellationToken cancellationToken)
    {
        var all = new Operator();
        try
        {
            await all.StartPartsAsync(tickets, cancellationToken);
            return all;
        }
        catch
        {
            await all.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        while (_parts.TryPop(out IAsyncDisposable? part))
        {
            await part.DisposeAsync();
        }

        _certificate?.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task StartPartsAsync(int tickets, CancellationToken cancellationToken)
    {
        TlsOptions tls = await MakeCertificateAsync(cancellationToken);
        string keyFile = Path.Combine(_folder, "key");
        await File.WriteAllTextAsync(keyFile, Convert.ToHexString(RandomNumberGenerator.GetBytes(32)), cancellationToken);
        SecretReference key = SecretReference.FromFile(keyFile);
        Plan[] plans = [Request, RequestWithMetadata, Subscription];

        Provider = Keep(await Provider.StartAsync(tls, cancellationToken));
        ToProvider = Keep(Tunnel.Start(Provider.Address, _certificate!));
        Signer = Keep(await SignerService.OpenAsync(
            new SignerOptions { DataDirectory = Path.Combine(_folder, "signer"), Plans = plans, KeyFile = key }, TimeProvider.System, NullLoggerFactory.Instance, cancellationToken));
        await Signer.AllKeysReady.WaitAsync(cancellationToken);
        IssuerServer issuer = Keep(await IssuerServer.StartAsync(
            new IssuerOptions
            {
                DataDirectory = Path.Combine(_folder, "issuer"), Listen = ListenAddress.Loopback(0), Tls = tls, IssuerName = IssuerName, Plans = plans, KeyFile = key,
                Gateways = [new IssuerGateway { Name = GatewayName, Urls = ["http://127.0.0.1:1"] }],
            },
            Signer, TimeProvider.System, NullLoggerFactory.Instance, cancellationToken));
        ToIssuer = Keep(Tunnel.Start(issuer.Address, _certificate!));
        InferenceRouter router = Keep(new InferenceRouter(
            new InferenceOptions
            {
                Backends =
                [
                    new BackendOptions
                    {
                        Name = "provider", BaseUrl = new Uri(Provider.Address, "/v1"), Models = new Dictionary<string, string> { [Provider.Model] = Provider.Model },
                        TrustedRoot = _certificate,
                    },
                ],
            },
            TimeProvider.System, NullLoggerFactory.Instance));
        GatewayServer gateway = Keep(await GatewayServer.StartAsync(
            new GatewayOptions
            {
                Name = GatewayName, Listen = ListenAddress.Loopback(0), Tls = tls, IssuerUrl = ToIssuer.Address, DirectoryKey = Convert.ToHexString(issuer.DirectoryKey.Span),
                DataDirectory = Path.Combine(_folder, "gateway"), ReplyMemoryBytes = 512 << 20,
            },
            null, router, Signer, TimeProvider.System, NullLoggerFactory.Instance, cancellationToken));
        ToGateway = Keep(Tunnel.Start(gateway.Address, _certificate!));
        Client = Keep(await TacitClient.CreateAsync(
            new ClientOptions
            {
                Wallet = new WalletOptions { DataDirectory = Path.Combine(_folder, "wallet") },
                Directory = new DirectoryOptions { Issuer = ToIssuer.Address, DirectoryKey = issuer.DirectoryKey },
                Redemption = new RedemptionOptions { GatewayAddress = ToGateway.Address, FillAtPrompt = false },
                Fill = new FillOptions { Automatic = false },
            },
            null, TimeProvider.System, NullLoggerFactory.Instance, cancellationToken));
        await Client.Account.CreateAsync(cancellationToken);
        VoucherBatch vouchers = await issuer.CreateVouchersAsync(1_000_000, 1, new DateOnly(9000, 1, 1), cancellationToken);
        await Client.Account.DepositAsync(vouchers.Codes[0], cancellationToken);
        AccountKey = await Client.Account.RevealKeyAsync(cancellationToken);
        await Client.Filler.FillAsync(Request.Id, FillOptions.StandardSizes.First(size => size >= tickets), cancellationToken: cancellationToken);
        await Client.Filler.SubscribeAsync(Subscription.Id, cancellationToken: cancellationToken);
    }

    private async Task<TlsOptions> MakeCertificateAsync(CancellationToken cancellationToken)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=tacit bench", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        _certificate = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(30));
        string certificateFile = Path.Combine(_folder, "certificate.pem");
        string certificateKeyFile = Path.Combine(_folder, "certificate.key");
        await File.WriteAllTextAsync(certificateFile, _certificate.ExportCertificatePem(), cancellationToken);
        await File.WriteAllTextAsync(certificateKeyFile, key.ExportPkcs8PrivateKeyPem(), cancellationToken);
        return new TlsOptions { Certificate = certificateFile, Key = SecretReference.FromFile(certificateKeyFile) };
    }

    private T Keep<T>(T part)
        where T : IAsyncDisposable
    {
        _parts.Push(part);
        return part;
    }
}
