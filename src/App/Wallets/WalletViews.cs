using System.Text.Json.Serialization;
using Tacit.Client;
using Tacit.Client.Transports;

namespace Tacit.App.Wallets;

/// <summary>The wallet as the page shows it, from its own records: asking for it calls nobody.</summary>
/// <param name="Credits">Of the account when the issuer last told; null if it never did.</param>
/// <param name="LowBalance">The credits do not pay for the next fill, and few tokens are left.</param>
/// <param name="Problem">What keeps the wallet from being used; null if nothing does.</param>
internal sealed record WalletView(
    bool HasAccount, long? Credits, bool LowBalance, bool Recoverable, IReadOnlyList<WalletPlanView> Plans, IReadOnlyList<SubscriptionHoldings> Subscriptions,
    DateTimeOffset? NextRefill, string Issuer, string? Problem);

/// <summary>A plan that the issuer offers or the wallet has tokens of.</summary>
/// <param name="Deadline">The earliest among the tokens that are held.</param>
/// <param name="Crowd">How many accounts share its key, as the issuer says, rounded down; null for none yet.</param>
internal sealed record WalletPlanView(
    string Id, string Kind, IReadOnlyList<string> Models, long Price, string Period, long Held, long Spent, long Pending, long Returned, long Unknown, DateTimeOffset? Deadline,
    long? Crowd);

/// <summary>How connections are made, whether they can be, and to whom.</summary>
internal sealed record CarrierView(
    [property: JsonConverter(typeof(PageEnum<Carrier>))] Carrier Carrier, [property: JsonConverter(typeof(PageEnum<CarrierState>))] CarrierState State, int Percent, string? Phase,
    string? Summary, string? Version, string? Problem, string? Source, IReadOnlyList<ServerStatus> Servers)
{
    public static CarrierView Of(CarrierStatus status, IReadOnlyList<ServerStatus> servers) =>
        new(status.Carrier, status.State, status.Percent, status.Phase, status.Summary, status.Version, status.Problem, status.Source, servers);
}

/// <summary>A circuit of our tor that carries connections of this app, or is being built for one.</summary>
/// <param name="Hops">Names of its relays, first the guard; a fingerprint where a relay has no name.</param>
/// <param name="Onion">The onion service that it leads to; null if it ends at an exit.</param>
internal sealed record OpenCircuitView(bool Built, IReadOnlyList<string> Hops, string? Onion);

/// <summary>The circuits as they are now; none where tor is not ours to ask.</summary>
internal sealed record CircuitsView(IReadOnlyList<OpenCircuitView> Circuits)
{
    public static CircuitsView Of(IReadOnlyList<CircuitStatus> circuits) => new(
    [
        .. circuits.Select(status => new OpenCircuitView(
            status.IsBuilt, [.. status.Circuit.Hops.Select(hop => hop.Nickname.Length > 0 ? hop.Nickname : hop.Fingerprint)], status.Circuit.Onion)),
    ]);
}

/// <summary>How much a notice matters.</summary>
[JsonConverter(typeof(PageEnum<NoticeLevel>))]
internal enum NoticeLevel
{
    Info,
    Warning,
    Error,
}

/// <param name="Id">The same as long as the app runs.</param>
internal sealed record NoticeView(string Id, string Text, NoticeLevel Level)
{
    public static NoticeView Of(Notice notice) => new(
        $"{notice.At.UtcTicks:x}-{(int)notice.Kind}", notice.Text,
        notice.Kind switch
        {
            NoticeKind.DirectoryRefused => NoticeLevel.Error,
            NoticeKind.FilledAtPrompt or NoticeKind.RequestsLinkable => NoticeLevel.Info,
            _ => NoticeLevel.Warning,
        });
}

/// <param name="Entries">By the day, never finer.</param>
internal sealed record HistoryView(IReadOnlyList<HistoryLine> Entries);

/// <param name="Plan">Null where none is concerned.</param>
internal sealed record HistoryLine(DateOnly Day, [property: JsonConverter(typeof(PageEnum<HistoryKind>))] HistoryKind Kind, string? Plan, long Amount);

/// <param name="Size">One of the standard sizes.</param>
/// <param name="Plan">Null takes the cheapest.</param>
/// <param name="Shrink">Whether to take the next smaller standard size that the account can pay.</param>
internal sealed record RefillRequest(int Size, string? Plan = null, bool Shrink = false);

internal sealed record RevealRequest(RevealedSecret What);

[JsonConverter(typeof(PageEnum<RevealedSecret>))]
internal enum RevealedSecret
{
    Seed,
    Account,
}

internal sealed record SecretView(string Secret);

/// <param name="Owed">Credits of a payment that went back after they had become tokens.</param>
internal sealed record BalanceView(long Credits, long Owed);

internal sealed record AuditRequest(bool Resume = false);

internal sealed record SubscribeRequest(string Plan, bool Renews = true);

/// <summary>The way to an issuer, before there is a wallet.</summary>
/// <param name="DirectoryKey">32 bytes in base64url or hexadecimal.</param>
internal sealed record SetupTry(string Issuer, string DirectoryKey);

/// <summary>
/// What to set the app up with: an issuer (a new wallet, or one from its seed), a backup file, or a gateway that knows this device's key.
/// </summary>
/// <param name="Backup">A backup file, in base64.</param>
/// <param name="AccountKey">With a seed: the account that bought its tokens.</param>
internal sealed record SetupRequest(
    string? Issuer = null, string? DirectoryKey = null, string? Seed = null, byte[]? Backup = null, string? Passphrase = null, string? AccountKey = null, string? Gateway = null,
    string? GatewayKey = null, string? GatewayPin = null)
{
    public override string ToString() => "[scrubbed]";
}

/// <summary>What the set-up made.</summary>
/// <param name="Seed">The seed of a new wallet, to be written down.</param>
/// <param name="AccountKey">The key of a new account, to be written down.</param>
/// <param name="Device">This device's public key, for the gateway's operator.</param>
internal sealed record SetupResult(string? Seed = null, string? AccountKey = null, string? Device = null)
{
    public override string ToString() => "[scrubbed]";
}

/// <param name="Gateways">Their names.</param>
internal sealed record SetupTrial(string Name, IReadOnlyList<TrialPlan> Plans, IReadOnlyList<string> Gateways);

internal sealed record TrialPlan(string Id, string Kind, IReadOnlyList<string> Models, long Price, string Period);
