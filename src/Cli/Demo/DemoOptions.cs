using Tacit.Hosting;
using Tacit.Inference;
using Tacit.Protocol;

namespace Tacit.Cli.Demo;

/// <summary>What <c>tacit demo</c> was asked for.</summary>
internal sealed record DemoOptions
{
    public const int DefaultPortBase = 8224;

    public required string DataDirectory { get; init; }

    /// <summary>App, issuer and gateway at this port and the two that follow.</summary>
    public int PortBase { get; init; } = DefaultPortBase;

    /// <summary>An OpenAI-compatible base URL; null uses the built-in demo model.</summary>
    public Uri? Provider { get; init; }

    /// <summary>What <see cref="Provider"/> is, where it was found on this machine and not named by anybody.</summary>
    public LocalServer? LocalServer { get; init; }

    public SecretReference? ProviderKey { get; init; }

    public string Model { get; init; } = InferenceRouter.DemoModelName;

    /// <summary>The same with the first real model that was found; as it is where there is none.</summary>
    public DemoOptions With(IReadOnlyList<LocalServer> found) => found.FirstOrDefault(server => server.ChatModel is not null) is { } server
        ? this with { LocalServer = server, Provider = server.BaseUrl, Model = server.ChatModel! }
        : this;

    public Uri AppUrl => Loopback(PortBase);

    public Uri IssuerUrl => Loopback(PortBase + 1);

    public Uri GatewayUrl => Loopback(PortBase + 2);

    /// <summary>The canonical names that a real deployment would take from its host names.</summary>
    public const string IssuerName = "issuer.tacit-demo";

    public const string GatewayName = "gateway.tacit-demo";

    /// <summary>The plan that visitors of the gateway's <c>/demo</c> use.</summary>
    public const string OpenPlan = "demo";

    /// <summary>What browsers call the gateway's page, by both names of this machine.</summary>
    public IEnumerable<string> GatewayOrigins =>
        [GatewayUrl.GetLeftPart(UriPartial.Authority), new UriBuilder(GatewayUrl) { Host = "localhost" }.Uri.GetLeftPart(UriPartial.Authority)];

    /// <summary>What this demo sells.</summary>
    public IReadOnlyList<Plan> Plans =>
    [
        new Plan
        {
            Id = "chat", Models = [Model], MaxInputBytes = 256 * 1024, MaxOutputTokens = 4096, Price = new Credits(1), Period = PeriodKind.Month, TokenType = TokenType.BlindRsa,
        },
        new Plan
        {
            Id = "chat-large", Models = [Model], MaxInputBytes = 1024 * 1024, MaxOutputTokens = 32768, Price = new Credits(4), Period = PeriodKind.Month,
            TokenType = TokenType.PartiallyBlindRsa,
        },
        new Plan
        {
            Id = "monthly", Kind = PlanKind.Subscription, Models = [Model], MaxInputBytes = 256 * 1024, MaxOutputTokens = 4096, Price = new Credits(100),
            Period = PeriodKind.Month, TokenType = TokenType.PartiallyBlindRsa, Concurrency = 1,
        },
        new Plan
        {
            Id = OpenPlan, Models = [InferenceRouter.DemoModelName], MaxInputBytes = 4096, MaxOutputTokens = 512, Price = Credits.Zero, Period = PeriodKind.Day, Open = true,
        },
    ];

    private static Uri Loopback(int port) => new($"http://127.0.0.1:{port.ToString(System.Globalization.CultureInfo.InvariantCulture)}");
}
