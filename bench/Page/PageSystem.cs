using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Bench.Harness;
using Tacit.Client;
using Tacit.Gateway;
using Tacit.Hosting;
using Tacit.Inference;
using Tacit.Issuer;
using Tacit.Issuer.Gateways;
using Tacit.Protocol;
using Tacit.Signer;

namespace Tacit.Bench.Page;

/// <summary>A signer, an issuer and a gateway here, and the app as a process of its own, as a person runs it, with a filled wallet.</summary>
internal sealed class PageSystem : IAsyncDisposable
{
    internal const string Plan = "chat";
    internal const string IssuerName = "issuer.bench";
    internal const string GatewayName = "gateway.bench";

    private readonly Stack<IAsyncDisposable> _parts = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("tacit-bench-page-").FullName;
    private Process? _app;

    internal SignerService Signer { get; private set; } = null!;

    internal Uri Gateway { get; private set; } = null!;

    /// <summary>Where the app is.</summary>
    internal Uri App { get; private set; } = null!;

    /// <summary>The app's resident memory now, in bytes.</summary>
    internal long ResidentBytes
    {
        get
        {
            string line = File.ReadLines($"/proc/{_app!.Id}/status").First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal));
            return long.Parse(line.AsSpan(6).Trim()[..^3], CultureInfo.InvariantCulture) * 1024;
        }
    }

    internal static async Task<PageSystem> StartAsync(int tokens, CancellationToken cancellationToken)
    {
        var all = new PageSystem();
        try
        {
            await all.StartPartsAsync(tokens, cancellationToken);
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
        if (_app is { HasExited: false })
        {
            _app.Kill();
            await _app.WaitForExitAsync();
        }

        _app?.Dispose();
        while (_parts.TryPop(out IAsyncDisposable? part))
        {
            await part.DisposeAsync();
        }

        Directory.Delete(_folder, recursive: true);
    }

    private async Task StartPartsAsync(int tokens, CancellationToken cancellationToken)
    {
        string keyFile = Path.Combine(_folder, "key");
        await File.WriteAllTextAsync(keyFile, Convert.ToHexString(RandomNumberGenerator.GetBytes(32)), cancellationToken);
        SecretReference key = SecretReference.FromFile(keyFile);
        Plan[] plans = [new() { Id = Plan, Models = [PacedProvider.Model], MaxInputBytes = 4 << 20, MaxOutputTokens = 4096, Price = new Credits(1), Period = PeriodKind.Month }];
        PacedProvider provider = Keep(await PacedProvider.StartAsync(cancellationToken));
        Signer = Keep(await SignerService.OpenAsync(
            new SignerOptions { DataDirectory = Path.Combine(_folder, "signer"), Plans = plans, KeyFile = key }, TimeProvider.System, NullLoggerFactory.Instance, cancellationToken));
        await Signer.AllKeysReady.WaitAsync(cancellationToken);
        IssuerServer issuer = Keep(await IssuerServer.StartAsync(
            new IssuerOptions
            {
                DataDirectory = Path.Combine(_folder, "issuer"), Listen = ListenAddress.Loopback(0), IssuerName = IssuerName, Plans = plans, KeyFile = key,
                Gateways = [new IssuerGateway { Name = GatewayName, Urls = ["http://127.0.0.1:1"] }],
            },
            Signer, TimeProvider.System, NullLoggerFactory.Instance, cancellationToken));
        InferenceRouter router = Keep(new InferenceRouter(provider.Inference, TimeProvider.System, NullLoggerFactory.Instance));
        GatewayServer gateway = Keep(await GatewayServer.StartAsync(
            new GatewayOptions
            {
                Name = GatewayName, Listen = ListenAddress.Loopback(0), IssuerUrl = issuer.Address, DirectoryKey = Convert.ToHexString(issuer.DirectoryKey.Span),
                DataDirectory = Path.Combine(_folder, "gateway"), ReplyMemoryBytes = 512 << 20,
            },
            null, router, Signer, TimeProvider.System, NullLoggerFactory.Instance, cancellationToken));
        Gateway = gateway.Address;
        string wallet = Path.Combine(_folder, "wallet");
        await using (TacitClient client = await TacitClient.CreateAsync(
            new ClientOptions
            {
                Wallet = new WalletOptions { DataDirectory = wallet },
                Directory = new DirectoryOptions { Issuer = issuer.Address, DirectoryKey = issuer.DirectoryKey },
                Redemption = new RedemptionOptions { GatewayAddress = gateway.Address },
                Fill = new FillOptions { Automatic = false },
            },
            null, TimeProvider.System, NullLoggerFactory.Instance, cancellationToken))
        {
            await client.Account.CreateAsync(cancellationToken);
            await client.Account.DepositAsync((await issuer.CreateVouchersAsync(100_000, 1, new DateOnly(9000, 1, 1), cancellationToken)).Codes[0], cancellationToken);
            await client.Filler.FillAsync(Plan, FillOptions.StandardSizes.First(size => size >= tokens), cancellationToken: cancellationToken);
        }

        string config = Path.Combine(_folder, "app.json");
        await File.WriteAllTextAsync(
            config,
            $$"""{ "Listen": "127.0.0.1:0", "IssuerUrl": "{{issuer.Address}}", "DirectoryKey": "{{Convert.ToHexString(issuer.DirectoryKey.Span)}}", "GatewayUrl": "{{gateway.Address}}", "AutoFill": false }""",
            cancellationToken);
        App = await StartAppAsync(config, wallet, cancellationToken);
    }

    private async Task<Uri> StartAppAsync(string config, string wallet, CancellationToken cancellationToken)
    {
        string program = Path.Combine(Machine.BenchFolder(), "..", "src", "Cli", "bin", "Release", "net10.0", "tacit");
        if (!File.Exists(program))
        {
            throw new FileNotFoundException("src/Cli is not built in Release: make build CONFIGURATION=Release.", program);
        }

        _app = Process.Start(new ProcessStartInfo(program, ["app", "--config", config, "--data", wallet, "--json", "--log-level", "warning"]) { RedirectStandardOutput = true })!;
        string line = await _app.StandardOutput.ReadLineAsync(cancellationToken) ?? throw new InvalidOperationException("The app did not start.");
        _ = _app.StandardOutput.ReadToEndAsync(CancellationToken.None);
        using JsonDocument ready = JsonDocument.Parse(line);
        return new Uri(ready.RootElement.GetProperty("address").GetString()!);
    }

    private T Keep<T>(T part)
        where T : IAsyncDisposable
    {
        _parts.Push(part);
        return part;
    }
}
