using Tacit.Client.Policy;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Client;

/// <summary>
/// All tokens that differ in their index only: one issuer, key, metadata, challenge and namespace. Indexes count up within a series and are never used for
/// another request.
/// </summary>
internal sealed record TokenSeries
{
    public const string Columns =
        "s.id, s.issuer, s.token_type, s.key_id, s.extensions, s.challenge_digest, s.namespace, s.plan, s.gateway, s.public_key, s.deadline, s.exchange_until";

    /// <summary>The row in this database; 0 before it has one.</summary>
    public long Id { get; init; }

    /// <summary>The issuer's name, as in its directory and in challenges.</summary>
    public required string Issuer { get; init; }

    public required TokenType Type { get; init; }

    /// <summary>32 bytes.</summary>
    public required byte[] KeyId { get; init; }

    /// <summary>The encoded metadata of 0xDA7A; empty for 0x0002.</summary>
    public required byte[] Extensions { get; init; }

    /// <summary>32 bytes.</summary>
    public required byte[] ChallengeDigest { get; init; }

    public required TokenNamespace Namespace { get; init; }

    public required string Plan { get; init; }

    /// <summary>The gateway's name, as in the directory and in challenges.</summary>
    public required string Gateway { get; init; }

    /// <summary>The SubjectPublicKeyInfo that <see cref="KeyId"/> is the hash of; kept, so that what was requested can be finished after a key has left the directory.</summary>
    public required byte[] PublicKey { get; init; }

    public required DateTimeOffset Deadline { get; init; }

    public required DateTimeOffset ExchangeUntil { get; init; }

    public static TokenSeries Read(Row row, int first = 0) => new()
    {
        Id = row.Int64(first),
        Issuer = row.Text(first + 1),
        Type = (TokenType)checked((ushort)row.Int64(first + 2)),
        KeyId = row.Blob(first + 3),
        Extensions = row.Blob(first + 4),
        ChallengeDigest = row.Blob(first + 5),
        Namespace = (TokenNamespace)row.Int32(first + 6),
        Plan = row.Text(first + 7),
        Gateway = row.Text(first + 8),
        PublicKey = row.Blob(first + 9),
        Deadline = DateTimeOffset.FromUnixTimeSeconds(row.Int64(first + 10)),
        ExchangeUntil = DateTimeOffset.FromUnixTimeSeconds(row.Int64(first + 11)),
    };

    public KeyDeadline Ends => new(Deadline, ExchangeUntil);
}

/// <summary>One index of a series.</summary>
internal readonly record struct TokenPlace(long Series, long Index);
