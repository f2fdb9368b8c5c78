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
/// <param name="Owed">Credits of a refunded or disputed payment that had been turned into tokens; they come off the next deposit. Null if there are none.</param>
public sealed record AccountStatement(long Credits, IReadOnlyList<AccountEntry> History, IReadOnlyList<AccountSubscription>? Subscriptions = null, long? Owed = null);

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
/// <param name="Kind"><c>voucher</c>, <c>tokens</c>, <c>subscription</c>, <c>refund</c>, <c>payment</c>, <c>reversal</c>, <c>reversal-undone</c> or <c>owed</c>; more may come.</param>
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

/// <summary>A number of credits at a price, the same for everybody.</summary>
/// <param name="Id">Its name in a <see cref="CheckoutRequest"/>.</param>
/// <param name="Credits">What it brings.</param>
/// <param name="Amount">In the currency's smallest unit; what a provider adds as tax comes on top.</param>
/// <param name="Currency">ISO 4217.</param>
public sealed record CreditOffer(string Id, long Credits, long Amount, string Currency);

/// <summary>Answer to <c>GET /account/offers</c>; both lists are empty where only vouchers bring credits.</summary>
/// <param name="Offers">What can be bought.</param>
/// <param name="Providers">Who takes the money: <c>stripe</c>, <c>paddle</c>.</param>
public sealed record CreditOffers(IReadOnlyList<CreditOffer> Offers, IReadOnlyList<string> Providers);

/// <summary>Body of <c>POST /account/checkouts</c>.</summary>
/// <param name="Offer">The id of a <see cref="CreditOffer"/>.</param>
/// <param name="Provider">One of <see cref="CreditOffers.Providers"/>; the first if absent.</param>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record CheckoutRequest(string Offer, string? Provider = null);

/// <summary>Answer to <c>POST /account/checkouts</c> (201): where to pay. The credits come once the provider says that the money has.</summary>
/// <param name="Url">The provider's page. It knows a random reference, not the account.</param>
/// <param name="Credits">What the account will get.</param>
public sealed record CheckoutCreated(Uri Url, long Credits);

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
[JsonSerializable(typeof(CreditOffers))]
[JsonSerializable(typeof(CheckoutRequest))]
[JsonSerializable(typeof(CheckoutCreated))]
public sealed partial class AccountJson : JsonSerializerContext;
