using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Signer;

/// <summary>What a key signs pseudonyms of, and since when its epoch was found to be over.</summary>
internal sealed record PseudonymUse(PseudonymKey Key, DateTimeOffset? OverSince = null);

internal sealed partial class KeyStore
{
    /// <summary>Keeps a new key and its use, in one transaction, unless another signer was faster; nothing of it goes out before.</summary>
    public Task<KeyAddition> AddPseudonymKeyAsync(StoredKey stored, PseudonymKey key) =>
        _database.WriteAsync(
            session =>
            {
                string periodKind = key.Epoch?.Kind.ToName() ?? "";
                long periodStart = key.Epoch?.Start.ToUnixTimeSeconds() ?? 0;
                if (session.QueryInt64(
                    "SELECT COUNT(*) FROM pseudonym_key WHERE gateway = $1 AND kind = $2 AND period_kind = $3 AND period_start = $4",
                    key.Gateway, (int)key.Kind, periodKind, periodStart) > 0)
                {
                    return KeyAddition.NotNeeded;
                }

                if (IsTruncatedIdTaken(session, stored))
                {
                    return KeyAddition.TruncatedIdTaken;
                }

                Insert(session, stored);
                session.Execute(
                    "INSERT INTO pseudonym_key (gateway, kind, period_kind, period_start, key_id, not_before) VALUES ($1, $2, $3, $4, $5, $6)",
                    key.Gateway, (int)key.Kind, periodKind, periodStart, key.TokenKeyId, key.NotBefore.ToUnixTimeSeconds());
                return KeyAddition.Added;
            });

    public Task SetOverSinceAsync(PseudonymUse use) =>
        _database.WriteAsync(
            session =>
            {
                session.Execute("UPDATE pseudonym_key SET over_since = $1 WHERE key_id = $2", use.OverSince?.ToUnixTimeSeconds(), use.Key.TokenKeyId);
            });

    public Task RemovePseudonymAsync(PseudonymUse use) =>
        _database.WriteAsync(session => { session.Execute("DELETE FROM pseudonym_key WHERE key_id = $1", use.Key.TokenKeyId); });

    private static IReadOnlyList<PseudonymUse> Pseudonyms(Session session) => session.Query(
        "SELECT gateway, kind, period_kind, period_start, key_id, not_before, over_since FROM pseudonym_key",
        static row => new PseudonymUse(
            new PseudonymKey
            {
                Gateway = row.Text(0),
                Kind = (PseudonymKind)row.Int64(1),
                Epoch = EpochOf(row.Text(2), row.Int64(3)),
                TokenKeyId = row.Blob(4),
                NotBefore = DateTimeOffset.FromUnixTimeSeconds(row.Int64(5)),
            },
            row.NullableInt64(6) is long seconds ? DateTimeOffset.FromUnixTimeSeconds(seconds) : null));

    private static Period? EpochOf(string kind, long start) =>
        kind.Length == 0 ? null
        : PeriodKinds.TryParse(kind, out PeriodKind parsed) && Period.TryStartingAt(parsed, DateTimeOffset.FromUnixTimeSeconds(start), out Period period) ? period
        : throw new InvalidDataException("The signer's database names a period that there is not. Restore it from a backup.");
}
