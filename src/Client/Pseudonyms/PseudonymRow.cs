using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Client;

/// <summary>What has become of a pseudonym. The numbers are in the journal.</summary>
internal enum PseudonymState
{
    /// <summary>Its request is fixed and may have been sent.</summary>
    Requested = 1,

    /// <summary>Signed.</summary>
    Held = 2,

    /// <summary>A rotated one that the gateway has put in the stolen one's place.</summary>
    InPlace = 3,

    /// <summary>A rotated one that the gateway is asked to put there; whether it has is not known.</summary>
    Rotating = 4,
}

/// <summary>A pseudonym in the journal, with its secrets as they are sealed there.</summary>
internal sealed record PseudonymRow
{
    public const string Columns = "key_id, gateway, kind, deadline, state, sealed_secrets, sealed_token, shown";

    public required byte[] KeyId { get; init; }

    public required string Gateway { get; init; }

    public required PseudonymKind Kind { get; init; }

    /// <summary>Null for a permanent one.</summary>
    public required DateTimeOffset? Deadline { get; init; }

    public required PseudonymState State { get; init; }

    public required byte[] SealedSecrets { get; init; }

    public required byte[]? SealedToken { get; init; }

    /// <summary>Whether the user was told that it is shown.</summary>
    public required bool IsTold { get; init; }

    public static PseudonymRow Read(Row row) => new()
    {
        KeyId = row.Blob(0),
        Gateway = row.Text(1),
        Kind = (PseudonymKind)row.Int32(2),
        Deadline = row.NullableInt64(3) is long deadline ? DateTimeOffset.FromUnixTimeSeconds(deadline) : null,
        State = (PseudonymState)row.Int32(4),
        SealedSecrets = row.Blob(5),
        SealedToken = row.NullableBlob(6),
        IsTold = row.Boolean(7),
    };
}

/// <summary>A pseudonym that the wallet has or has asked for.</summary>
/// <param name="Gateway">The gateway that can link requests to each other by it.</param>
/// <param name="Kind"><c>transient</c>, <c>permanent</c> or <c>transient-rotated</c>: the one that can take a stolen one's place.</param>
/// <param name="Until">The end of its epoch; null for a permanent one.</param>
/// <param name="IsHeld">Whether the issuer has signed it.</param>
/// <param name="IsInPlace">Whether it has taken the place of one that was stolen.</param>
public sealed record PseudonymHoldings(string Gateway, string Kind, DateTimeOffset? Until, bool IsHeld, bool IsInPlace);
