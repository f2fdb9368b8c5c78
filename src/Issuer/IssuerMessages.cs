using System.Text.Json.Serialization;
using Tacit.Issuer.Gateways;
using Tacit.Issuer.Ledger;
using Tacit.Issuer.Payments;

namespace Tacit.Issuer;

/// <summary>Body of the operator's <c>POST /vouchers</c>.</summary>
/// <param name="Credits">What each is worth, 1 to 10^12.</param>
/// <param name="Count">How many, 1 to 10,000.</param>
/// <param name="Expires">Last day (UTC) on which they can be redeemed; a year from now if absent.</param>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record VoucherOrder(long Credits, int Count = 1, DateOnly? Expires = null);

/// <summary>Answer to the operator's <c>POST /vouchers</c>: the only copy of the codes.</summary>
public sealed record VoucherBatch(IReadOnlyList<string> Codes, long Credits, DateOnly Expires)
{
    public override string ToString() => "[scrubbed]";
}

/// <summary>A key of a plan, for the operator.</summary>
/// <param name="Plan">The plan's id.</param>
/// <param name="TokenType"><c>0x0002</c> or <c>0xDA7A</c>.</param>
/// <param name="KeyId">64 hex digits.</param>
/// <param name="NotBefore">When it begins to issue and redeem.</param>
/// <param name="Start">Start of its period.</param>
/// <param name="Deadline">First moment at which it no longer issues or redeems.</param>
/// <param name="ExchangeUntil">First moment at which its tokens can no longer be exchanged.</param>
/// <param name="State"><c>ahead</c>, <c>live</c> or <c>exchange</c>.</param>
/// <param name="Price">Credits for a token.</param>
public sealed record IssuerKeyStatus(
    string Plan, string TokenType, string KeyId, DateTimeOffset NotBefore, DateTimeOffset Start, DateTimeOffset Deadline, DateTimeOffset ExchangeUntil,
    string State, long Price);

/// <summary>How an issuer is doing.</summary>
public sealed record IssuerStatus
{
    public required string IssuerName { get; init; }

    /// <summary>The Ed25519 key that clients pin, base64url.</summary>
    public required string DirectoryKey { get; init; }

    /// <summary>Number of the directory that is served; 0 before the first.</summary>
    public required long Sequence { get; init; }

    public required IReadOnlyList<IssuerKeyStatus> Keys { get; init; }

    /// <summary>Plans on sale that have no live key, such as a 0xDA7A plan whose key is still searched for.</summary>
    public required IReadOnlyList<string> PlansWithoutKey { get; init; }

    /// <summary>The gateways that are asked for sealing keys.</summary>
    public IReadOnlyList<GatewayKeyStatus> Gateways { get; init; } = [];

    /// <summary>Why keys can't be had or published, or null.</summary>
    public string? Fault { get; init; }
}

/// <summary>The JSON of the operator's calls.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    AllowDuplicateProperties = false)]
[JsonSerializable(typeof(VoucherOrder))]
[JsonSerializable(typeof(VoucherBatch))]
[JsonSerializable(typeof(IssuerStatus))]
[JsonSerializable(typeof(IReadOnlyList<IssuerKeyStatus>))]
[JsonSerializable(typeof(LedgerReport))]
[JsonSerializable(typeof(PaymentReport))]
[JsonSerializable(typeof(SalesReport))]
public sealed partial class IssuerJson : JsonSerializerContext;
