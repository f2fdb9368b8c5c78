using System.Security.Cryptography;
using Tacit.Client;
using Tacit.Client.Transports;
using Tacit.Hosting;

namespace Tacit.App.Wallets;

/// <summary>
/// The first run: looks at an issuer, makes or brings back a wallet, or makes a key that a gateway knows. What fails leaves nothing behind, so that the next try begins like
/// the first; a wallet or a key that is there is never overwritten.
/// </summary>
internal sealed class SetupApi(AppParts parts)
{
    /// <summary>A backup of a wallet of many thousand tokens, in base64.</summary>
    private const int MaxBackupBytes = 96 << 20;

    private ClientHost Host => parts.Host;

    public void Map(PageApi page)
    {
        page.Map("POST", "/setup/try", PageJson.Default.SetupTry, PageJson.Default.SetupTrial, async (context, body) =>
        {
            IssuerTrial trial = await LookAsync(WithIssuer(body.Issuer, body.DirectoryKey), context.RequestAborted);
            return new SetupTrial(trial.Name, [.. trial.Plans.Select(plan => new TrialPlan(plan.Id, plan.Kind, plan.Models, plan.Price, plan.Period))], trial.Gateways);
        });
        page.Map(
            "POST", "/setup", PageJson.Default.SetupRequest, PageJson.Default.SetupResult,
            (context, body) => Host.SetUpAloneAsync(() => SetUpAsync(body, context.RequestAborted), context.RequestAborted), MaxBackupBytes);
    }

    private Task<SetupResult> SetUpAsync(SetupRequest body, CancellationToken cancellationToken) => body switch
    {
        { Gateway: not null, Issuer: null, Seed: null, Backup: null } => SetUpDeviceAsync(body, cancellationToken),
        { Gateway: null, Seed: null, Backup: not null, Passphrase: not null } => BringBackAsync(body, cancellationToken),
        { Gateway: null, Issuer: not null, Backup: null } => MakeAsync(body, cancellationToken),
        _ => throw new PageException(PageProblem.Malformed("Name an issuer, a backup file with its passphrase, or a gateway.")),
    };

    /// <summary>A new wallet, or one from its seed, with its account.</summary>
    private async Task<SetupResult> MakeAsync(SetupRequest body, CancellationToken cancellationToken)
    {
        AppOptions options = WithIssuer(body.Issuer!, body.DirectoryKey);
        // Before anything is made: an address or a key that was mistyped is found here.
        await LookAsync(options, cancellationToken);
        SettingsApi.Keep(Host, Kept(options));
        TacitClient client = await TacitClient.CreateAsync(options.ToClientOptions(), body.Seed, parts.Time, parts.Loggers, cancellationToken);
        string? accountKey = null;
        try
        {
            if (body.AccountKey is { Length: > 0 } given)
            {
                await client.Account.ImportAsync(given, cancellationToken);
            }
            else
            {
                accountKey = await client.Account.CreateAsync(cancellationToken);
            }
            // What can be bought is to be on the next screen, which asks nobody.
            await client.Directory.GetAsync(cancellationToken);
        }
        catch
        {
            await client.DiscardAsync();
            throw;
        }
        string? seed = body.Seed is null ? client.Wallet.RevealSeed() : null;
        await Host.InstallAsync(Host.Reload(options), client, null, CancellationToken.None);
        return new SetupResult(seed, accountKey);
    }

    /// <summary>A wallet from a backup, which calls nobody.</summary>
    private async Task<SetupResult> BringBackAsync(SetupRequest body, CancellationToken cancellationToken)
    {
        byte[] content = await Task.Run(() => WalletBackupFile.Open(body.Backup!, body.Passphrase!), cancellationToken);
        TacitClient client;
        AppOptions options;
        try
        {
            Uri? issuer = body.Issuer is null ? Wallet.FindIssuer(content) : null;
            options = WithIssuer(body.Issuer ?? (issuer ?? Host.Options.IssuerUrl).ToString(), body.DirectoryKey);
            SettingsApi.Keep(Host, Kept(options));
            client = await TacitClient.RestoreAsync(options.ToClientOptions(), content, parts.Time, parts.Loggers, cancellationToken);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(content);
        }
        await Host.InstallAsync(Host.Reload(options), client, null, CancellationToken.None);
        return new SetupResult();
    }

    private async Task<SetupResult> SetUpDeviceAsync(SetupRequest body, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Uri gateway = Address("gateway", body.Gateway!);
        AppOptions options = Checked(Host.Options with
        {
            Device = true,
            GatewayUrl = gateway,
            GatewayKey = Given(body.GatewayKey),
            GatewayPin = Given(body.GatewayPin),
            Transport = Given(body.GatewayKey) is null ? Host.Options.Transport : Host.Options.Transport.SealedTo(gateway),
        });
        string folder = options.DataDirectory;
        using (DeviceKey key = DeviceKey.Exists(folder) ? DeviceKey.Load(folder) : DeviceKey.Create(folder))
        {
            SettingsApi.Keep(
                Host,
                [
                    new(nameof(AppOptions.Device), true),
                    new(nameof(AppOptions.GatewayUrl), gateway.ToString()),
                    new(nameof(AppOptions.GatewayKey), options.GatewayKey),
                    new(nameof(AppOptions.GatewayPin), options.GatewayPin),
                    new(nameof(AppOptions.Transport), options.Transport?.Word()),
                ]);
        }
        options = Host.Reload(options);
        DeviceClient device = options.OpenDevice(parts.Time, loggers: parts.Loggers);
        await Host.InstallAsync(options, null, device, CancellationToken.None);
        return new SetupResult(Device: device.KeyId);
    }

    private Task<IssuerTrial> LookAsync(AppOptions options, CancellationToken cancellationToken) =>
        DirectoryOptions.TryParseKey(options.DirectoryKey, out ReadOnlyMemory<byte> key)
            ? IssuerProbe.LookAsync(options.IssuerUrl, key, options.ToTransportOptions(), parts.Time, parts.Loggers, cancellationToken)
            : throw SettingMembers.Invalid("directoryKey", "The issuer's directory key is needed: 32 bytes in base64url or hexadecimal, from its operator.");

    private AppOptions WithIssuer(string issuer, string? directoryKey) => Checked(Host.Options with
    {
        Device = false,
        IssuerUrl = Address("issuer", issuer),
        DirectoryKey = Given(directoryKey),
    });

    private static SettingsChange[] Kept(AppOptions options) =>
        [new(nameof(AppOptions.IssuerUrl), options.IssuerUrl.ToString()), new(nameof(AppOptions.DirectoryKey), options.DirectoryKey), new(nameof(AppOptions.Device), null)];

    private static AppOptions Checked(AppOptions options)
    {
        var validation = new SettingsValidation();
        options.Validate(validation);
        return validation.Problems is [SettingsProblem problem, ..]
            ? throw SettingMembers.Invalid(char.ToLowerInvariant(problem.Key[0]) + problem.Key[1..], $"{char.ToUpperInvariant(problem.Problem[0])}{problem.Problem[1..]}. {problem.Fix}")
            : options;
    }

    private static Uri Address(string member, string text) =>
        Uri.TryCreate(text.Trim(), UriKind.Absolute, out Uri? address) ? address : throw SettingMembers.Invalid(member, "This is no web address.");

    private static string? Given(string? text) => text?.Trim() is { Length: > 0 } given ? given : null;
}
