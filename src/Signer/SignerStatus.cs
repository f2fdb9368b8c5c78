using System.Text.Json.Serialization;
using Tacit.Protocol;

namespace Tacit.Signer;

/// <summary>One key in one use, for the operator.</summary>
public sealed record SignerKeyStatus
{
    public required string Plan { get; init; }

    /// <summary><c>0x0002</c> or <c>0xDA7A</c>.</summary>
    public required string TokenType { get; init; }

    /// <summary>The key id, 64 hex digits.</summary>
    public required string KeyId { get; init; }

    public required DateTimeOffset NotBefore { get; init; }

    public required DateTimeOffset Start { get; init; }

    public required DateTimeOffset Deadline { get; init; }

    public required DateTimeOffset ExchangeUntil { get; init; }

    /// <summary><c>ahead</c>, <c>live</c>, <c>exchange</c> (past its deadline, within the grace) or <c>over</c>.</summary>
    public required string State { get; init; }

    internal static SignerKeyStatus Of(SignerKey key, PlanKey plan, DateTimeOffset now) => new()
    {
        Plan = plan.PlanId,
        TokenType = $"0x{(ushort)key.Type:X4}",
        KeyId = Convert.ToHexStringLower(key.TokenKeyId),
        NotBefore = plan.NotBefore,
        Start = plan.Start,
        Deadline = plan.Deadline,
        ExchangeUntil = plan.ExchangeUntil,
        State = now < plan.NotBefore ? "ahead" : now < plan.Deadline ? "live" : now < plan.ExchangeUntil ? "exchange" : "over",
    };
}

/// <summary>How a signer is doing.</summary>
public sealed record SignerStatus
{
    public required IReadOnlyList<SignerKeyStatus> Keys { get; init; }

    /// <summary>Blinded elements that wait or are being signed.</summary>
    public required int QueuedElements { get; init; }

    /// <summary>Whether a 0xDA7A key is being searched for.</summary>
    public required bool SearchingKey { get; init; }

    public long? CandidatesTried { get; init; }

    /// <summary>Why keys could not be rotated, or null.</summary>
    public string? Fault { get; init; }
}

[JsonSerializable(typeof(SignerStatus))]
[JsonSerializable(typeof(IReadOnlyList<SignerKeyStatus>))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
public sealed partial class SignerJson : JsonSerializerContext;
