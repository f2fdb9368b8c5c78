using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Tacit.App;
using Tacit.Cli.Settings;
using Tacit.Client;
using Tacit.Client.Transports;
using Tacit.Hosting;

namespace Tacit.Cli.Wallets;

/// <summary>
/// The flags of every command that uses a wallet, and the settings that come of them: <c>app.json</c> in the data folder, <c>TACIT__App__…</c>, flags.
/// </summary>
internal sealed class ClientFlags(Flags flags)
{
    /// <summary>What <c>account create</c> was told stays here, so that it need not be told again.</summary>
    public const string RememberedFile = AppOptions.SettingsFileName;

    private readonly Option<string?> _config = new("--config") { Description = $"JSON file with the app's settings. Default: {RememberedFile} in the data folder.", HelpName = "FILE" };
    private readonly Option<Uri?> _issuer = Flags.Url("--issuer", "The issuer's address.");
    private readonly Option<string?> _directoryKey = DirectoryKeyOption();

    private readonly Option<string?> _transport = new("--transport")
    {
        Description = "How requests are carried: tor, direct (without Tor), sealed (direct, and sealed to the gateway itself), ohttp (sealed, through a relay), tor+sealed or tor+ohttp. "
            + "Default: tor, but directly to addresses on this machine. Where the app runs, its own setting counts.",
        HelpName = "HOW",
    };

    private readonly Option<Uri?> _relay = Flags.Url("--relay", "The relay's address, with --transport ohttp or tor+ohttp.");
    private readonly Option<string?> _torSocks = new("--tor-socks") { Description = "Use the Tor whose SOCKS port this is, HOST:PORT or unix:PATH, in place of one of our own.", HelpName = "ADDRESS" };
    private readonly Option<bool> _torExits = new("--tor-exits") { Description = "Let Tor reach addresses that are no onion services: whoever runs the exit sees which server is asked." };

    public void AddTo(Command command)
    {
        AddTransportTo(command);
        command.Add(_issuer);
        command.Add(_directoryKey);
        command.Add(_config);
    }

    /// <summary>Those that say how requests are carried.</summary>
    public void AddTransportTo(Command command)
    {
        command.Add(_transport);
        command.Add(_relay);
        command.Add(_torSocks);
        command.Add(_torExits);
    }

    /// <summary>Takes those that were given.</summary>
    public SettingsLoader AddTransport(SettingsLoader settings, ParseResult parsed) => settings
        .AddFlag(nameof(AppOptions.Transport), parsed.GetValue(_transport), "--transport")
        .AddFlag(nameof(AppOptions.Relay), parsed.GetValue(_relay)?.ToString(), "--relay")
        .AddFlag($"{nameof(AppOptions.Tor)}:{nameof(TorSettings.Socks)}", parsed.GetValue(_torSocks), "--tor-socks")
        .AddFlag($"{nameof(AppOptions.Tor)}:{nameof(TorSettings.Exits)}", parsed.GetValue(_torExits) ? "true" : null, "--tor-exits");

    public AppOptions Load(ParseResult parsed) => Load(parsed, new SettingsLoader());

    /// <param name="settings">May hold defaults of the caller's.</param>
    public AppOptions Load(ParseResult parsed, SettingsLoader settings)
    {
        string data = flags.DataFolderOf(parsed);
        string remembered = Path.Combine(data, RememberedFile);
        return AddTransport(settings
            .AddFlag(nameof(AppOptions.DataDirectory), data, "--data")
            .AddFile(parsed.GetValue(_config) ?? (File.Exists(remembered) ? remembered : null))
            .AddEnvironment("App")
            .AddFlag(nameof(AppOptions.DataDirectory), parsed.GetValue(flags.Data) is null ? null : data, "--data")
            .AddFlag(nameof(AppOptions.IssuerUrl), parsed.GetValue(_issuer)?.ToString(), "--issuer")
            .AddFlag(nameof(AppOptions.DirectoryKey), parsed.GetValue(_directoryKey), "--directory-key"), parsed)
            .Load(SettingsJson.Default.AppOptions);
    }

    /// <summary>Writes down which issuer the wallet belongs to, and how it is reached. Members of the file that are none of these stay as they are.</summary>
    public static void Remember(AppOptions options)
    {
        JsonObject tor = JsonSerializer.SerializeToNode(options.Tor, SettingsJson.Default.TorSettings)!.AsObject();
        JsonObject none = JsonSerializer.SerializeToNode(new TorSettings(), SettingsJson.Default.TorSettings)!.AsObject();
        SettingsFile.Change(
            Path.Combine(options.DataDirectory, RememberedFile),
            [
                new(nameof(AppOptions.IssuerUrl), options.IssuerUrl.ToString()),
                new(nameof(AppOptions.DirectoryKey), options.DirectoryKey),
                new(nameof(AppOptions.GatewayUrl), options.GatewayUrl?.ToString()),
                new(nameof(AppOptions.Transport), options.Transport?.Word()),
                .. tor.Select(member => new SettingsChange($"{nameof(AppOptions.Tor)}:{member.Key}", JsonNode.DeepEquals(member.Value, none[member.Key]) ? null : member.Value)),
                new(nameof(AppOptions.Relay), options.Relay?.ToString()),
                new(nameof(AppOptions.Device), options.Device ? true : null),
                new(nameof(AppOptions.GatewayKey), options.GatewayKey),
                new(nameof(AppOptions.GatewayPin), options.GatewayPin),
                new(nameof(AppOptions.Listen), options.Listen != ListenAddress.Loopback(AppOptions.DefaultPort) ? options.Listen.ToString() : null),
            ]);
    }

    private static Option<string?> DirectoryKeyOption()
    {
        Option<string?> option = new("--directory-key")
        {
            Description = "The issuer's directory key (base64url or hex), from its operator. Needed at the first use; kept from then on.", HelpName = "KEY",
        };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && !DirectoryOptions.TryParseKey(result.Tokens[0].Value, out _))
            {
                result.AddError("--directory-key takes 32 bytes in base64url or hexadecimal.");
            }
        });
        return option;
    }
}
