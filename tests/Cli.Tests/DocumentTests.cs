using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using System.Text.RegularExpressions;
using Tacit.Cli.Settings;

namespace Tacit.Cli.Tests;

/// <summary>The operator's page says what the code says: every setting with its default, and no command that is not there.</summary>
public sealed partial class DocumentTests
{
    /// <summary>Defaults that depend on the machine, as the page words them.</summary>
    private static readonly Dictionary<string, string> s_ofTheMachine = new()
    {
        ["SigningThreads"] = "processors",
        ["SignatureThreads"] = "processors",
        ["ReplyMemoryBytes"] = "half the memory",
        ["RequestMemoryBytes"] = "an eighth of the memory",
    };

    public static TheoryData<string, Type> Groups => new()
    {
        { "signer", typeof(Signer.SignerOptions) },
        { "issuer", typeof(Issuer.IssuerOptions) },
        { "issuer: each of `Gateways`", typeof(Issuer.Gateways.IssuerGateway) },
        { "issuer: `OpenIssuance`", typeof(Issuer.Issuance.OpenIssuanceOptions) },
        { "issuer: `Payments`", typeof(Issuer.Payments.PaymentOptions) },
        { "issuer: each of `Payments:Packs`", typeof(Issuer.Payments.CreditPack) },
        { "issuer: `Payments:Stripe`", typeof(Issuer.Payments.StripeOptions) },
        { "issuer: `Payments:Paddle`", typeof(Issuer.Payments.PaddleOptions) },
        { "gateway", typeof(Gateway.GatewayOptions) },
        { "gateway: `Demo`", typeof(Gateway.Demonstration.DemonstrationOptions) },
        { "gateway: `Sealing`", typeof(Gateway.Sealing.SealingOptions) },
        { "gateway: `Sealing:Evidence`", typeof(Gateway.Sealing.KeyEvidenceOptions) },
        { "app: `Evidence`", typeof(Client.Evidence.EvidenceOptions) },
        { "app: `Tor`", typeof(Client.Transports.TorSettings) },
        { "gateway: `Limits`", typeof(Gateway.GatewayLimits) },
        { "gateway: `Inference`", typeof(InferenceSettings) },
        { "gateway: `Inference:Moderation`", typeof(ModerationSettings) },
        { "gateway: each of `Inference:Moderation:Policies`", typeof(ModerationPolicySettings) },
        { "gateway: `Service` of a policy", typeof(ModerationServiceSettings) },
        { "gateway: each of `Inference:Backends`", typeof(BackendSettings) },
        { "gateway: `Tls` of a backend", typeof(BackendTlsSettings) },
        { "gateway: `Health` of a backend", typeof(Inference.HealthOptions) },
        { "gateway: `Breaker`, of `Inference` and of a backend", typeof(Inference.BreakerOptions) },
        { "gateway: `KeyBudget` of a backend", typeof(Inference.KeyBudget) },
        { "gateway: each of `Prices` of a backend", typeof(Inference.TokenPrice) },
        { "gateway: `Budgets`, of `Inference` and of a backend", typeof(Inference.ProviderBudgets) },
        { "relay", typeof(Relay.RelayOptions) },
        { "relay: each of `Targets`", typeof(Relay.RelayTarget) },
        { "app", typeof(App.AppOptions) },
        { "gateway: `Devices`", typeof(Gateway.Devices.DeviceOptions) },
        { "gateway: `Addresses`", typeof(Gateway.Devices.AddressOptions) },
        { "gateway: `Sampling`", typeof(Inference.SamplingRules) },
        { "gateway: each of `Sampling`", typeof(Inference.NumberRule) },
        { "gateway: `Work`", typeof(Gateway.Work.WorkOptions) },
        { "gateway: `Pseudonyms`", typeof(Gateway.Pseudonyms.PseudonymLimits) },
        { "signer and issuer: each of `Pseudonyms`", typeof(Protocol.PseudonymOffer) },
        { "signer, issuer and gateway: `Database`", typeof(Hosting.DatabaseOptions) },
        { "signer, issuer and gateway: `Tls`", typeof(Hosting.TlsOptions) },
        { "issuer and gateway: `Signer`", typeof(SignerLink) },
        { "issuer, gateway and relay: `Onion`", typeof(Hosting.Onion.OnionOptions) },
        { "issuer, gateway and relay: `Tor`", typeof(Tor.TorOptions) },
    };

    [Theory]
    [MemberData(nameof(Groups))]
    public void Settings_table_has_every_key_with_its_default(string heading, Type type)
    {
        JsonTypeInfo form = SettingsJson.Default.GetTypeInfo(type)!;
        object defaults = Activator.CreateInstance(type)!;
        SortedDictionary<string, string> expected = new(StringComparer.Ordinal);
        foreach (JsonPropertyInfo property in form.Properties.Where(p => p.Set is not null))
        {
            object? value = property.Get!(defaults);
            expected[property.Name] = s_ofTheMachine.GetValueOrDefault(property.Name) ?? (property.IsRequired ? "required" : Word(value, property.PropertyType));
        }
        // A group within is told by its own table, plans and gateways by their examples.
        SortedDictionary<string, string> told = new(Rows(heading), StringComparer.Ordinal);
        Assert.Equal(expected.Keys, told.Keys);
        Assert.All(expected, row => Assert.True(told[row.Key] == row.Value, $"{heading}, {row.Key}: the page says {told[row.Key]}, the code {row.Value}"));
    }

    [Fact]
    public async Task Every_command_that_the_pages_name_can_be_parsed()
    {
        string root = Root();
        using Terminal terminal = new(TextWriter.Null, TextWriter.Null, TextReader.Null);
        RootCommand commands = CommandLine.Build(terminal);
        int seen = 0;
        foreach (string page in (string[])["README.md", "docs/operating.md"])
        {
            foreach (Match match in CommandPattern().Matches(await File.ReadAllTextAsync(Path.Combine(root, page), TestContext.Current.CancellationToken)))
            {
                string[] words = match.Groups[1].Value.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                Command at = commands;
                foreach (string word in words.TakeWhile(word => !word.StartsWith('-')))
                {
                    Command? sub = at.Subcommands.FirstOrDefault(c => c.Name == word);
                    if (sub is null)
                    {
                        Assert.True(at != commands && at.Subcommands.Count == 0, $"{page} names `tacit {match.Groups[1].Value}`, which is no command");
                        break;
                    }
                    at = sub;
                }
                foreach (string flag in words.Where(word => word.StartsWith("--", StringComparison.Ordinal)))
                {
                    Assert.True(
                        at.Options.Concat(commands.Options).Any(option => option.Name == flag), $"{page} gives {flag} to `tacit {match.Groups[1].Value}`");
                }
                seen++;
            }
        }
        Assert.True(seen > 10);
    }

    [GeneratedRegex(@"(?<=^|`|\s|\$ )tacit ((?:[a-z]+)(?: [A-Za-z0-9:/._""\-]+)*)", RegexOptions.Multiline)]
    private static partial Regex CommandPattern();

    private static Dictionary<string, string> Rows(string heading)
    {
        string text = File.ReadAllText(Path.Combine(Root(), "docs", "operating.md"));
        int at = text.IndexOf($"\n#### {heading}\n", StringComparison.Ordinal);
        Assert.True(at >= 0, $"docs/operating.md has no table under '#### {heading}'");
        string section = text[(at + 1)..];
        int end = section.IndexOf("\n#", StringComparison.Ordinal);
        section = end < 0 ? section : section[..end];
        return section.Split('\n').Select(line => line.Split('|', StringSplitOptions.TrimEntries)).Where(cells => cells.Length >= 5 && cells[1].StartsWith('`'))
            .ToDictionary(cells => cells[1].Trim('`'), cells => cells[2].Trim('`'));
    }

    private static string Word(object? value, Type type)
    {
        JsonNode? node = value is null ? null : JsonSerializer.SerializeToNode(value, SettingsJson.Default.GetTypeInfo(type)!);
        return node switch
        {
            null => "–",
            JsonArray { Count: 0 } => "none",
            JsonObject => "see below",
            JsonValue text when text.GetValueKind() == JsonValueKind.String => text.GetValue<string>() is { Length: > 0 } s ? s : "–",
            _ => node.ToJsonString(),
        };
    }

    private static string Root()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Tacit.slnx")))
        {
            folder = Path.GetDirectoryName(folder);
        }
        return folder ?? throw new InvalidOperationException("No Tacit.slnx above the test.");
    }
}
