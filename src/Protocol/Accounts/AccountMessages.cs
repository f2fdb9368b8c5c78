using System.Text.Json.Serialization;

namespace Tacit.Protocol;

/// <summary>Answer to <c>POST /account</c> (201). The issuer has stored nothing yet: the account begins with its first credit.</summary>
/// <param name="AccountKey">The only copy of the key there is. Secret.</param>
public sealed record AccountCreated(string AccountKey)
{
    public override string ToString() => "[scrubbed]";
}

/// <summary>Answer to <c>GET /account</c>. An account that was never credited looks the same as one that does not exist: no credits, no history.</summary>
/// <param name="Credits">What the account can spend.</param>
/// <param name="History">The newest day first; at most 1,000 lines.</param>
/// <param name="Subscriptions">Those whose chains can still be used, or started, the earliest period first; an issuer of an earlier version sends none.</param>
public sealed record AccountStatement(long Credits, IReadOnlyList<AccountEntry> History, IReadOnlyList<AccountSubscription>? Subscriptions = null);

/// <summary>A subscription that the account paid for. The issuer knows how many chains it started, and nothing of what they do.</summary>
/// <param name="Plan">The plan's id.</param>
/// <param name="Start">First day of the period, UTC.</param>
/// <param name="Deadline">First moment after the period.</param>
/// <param name="Chains">Chains started, the restarted one not counted again.</param>
/// <param name="Concurrency">Chains that the subscription has.</param>
/// <param name="RestartUsed">Whether the one chain that may be started anew has been.</param>
public sealed record AccountSubscription(string Plan, DateTimeOffset Start, DateTimeOffset Deadline, int Chains, int Concurrency, bool RestartUsed);

/// <summary>Everything of one kind and plan on one day; nothing finer is kept.</summary>
/// <param name="Day">UTC.</param>
/// <param name="Kind"><c>voucher</c>, <c>tokens</c>, <c>subscription</c> or <c>refund</c>; more may come.</param>
/// <param name="Count">How many vouchers, tokens or subscriptions.</param>
/// <param name="Credits">Added if positive, taken if negative.</param>
/// <param name="Plan">The plan that tokens were of.</param>
public sealed record AccountEntry(DateOnly Day, string Kind, long Count, long Credits, string? Plan = null);

/// <summary>Body of <c>POST /account/vouchers</c>.</summary>
/// <param name="Code">A voucher code. Secret.</param>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record VoucherRedemptionRequest(string Code)
{
    public override string ToString() => "[scrubbed]";
}

/// <summary>Answer to <c>POST /account/vouchers</c>, the same for a repetition but for <paramref name="AlreadyRedeemed"/>.</summary>
/// <param name="VoucherCredits">What the voucher is worth.</param>
/// <param name="Credits">What the account has now.</param>
/// <param name="AlreadyRedeemed">True if this account had redeemed it before, and nothing was added now.</param>
public sealed record VoucherRedemption(long VoucherCredits, long Credits, bool AlreadyRedeemed);

/// <summary>
/// The JSON form of the account calls. A missing or repeated member is an error, and in a request an unknown one; answers may grow.
/// </summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    AllowDuplicateProperties = false)]
[JsonSerializable(typeof(AccountCreated))]
[JsonSerializable(typeof(AccountStatement))]
[JsonSerializable(typeof(VoucherRedemptionRequest))]
[JsonSerializable(typeof(VoucherRedemption))]
public sealed partial class AccountJson : JsonSerializerContext;
