using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>Pseudonyms: one row a key, which fixes its request for ever, since the issuer signs one element an account.</summary>
internal sealed partial class WalletJournal
{
    /// <summary>How long after its epoch a pseudonym is kept, for clocks that are set wrongly.</summary>
    private static readonly TimeSpan PseudonymGrace = TimeSpan.FromDays(1);

    public Task<IReadOnlyList<PseudonymRow>> PseudonymsAsync(string issuer, CancellationToken cancellationToken) =>
        _database.ReadAsync(
            session => session.Query($"SELECT {PseudonymRow.Columns} FROM pseudonym WHERE issuer = $1", PseudonymRow.Read, issuer), cancellationToken);

    /// <summary>Every issuer's, to be shown.</summary>
    public Task<IReadOnlyList<PseudonymHoldings>> PseudonymHoldingsAsync(CancellationToken cancellationToken) =>
        _database.ReadAsync<IReadOnlyList<PseudonymHoldings>>(
            session =>
            [
                .. session.Query(
                    $"SELECT {PseudonymRow.Columns} FROM pseudonym WHERE deadline IS NULL OR deadline > $1 ORDER BY gateway, kind, deadline", PseudonymRow.Read, Now)
                    .Select(row => new PseudonymHoldings(
                        row.Gateway, row.Kind.ToName(), row.Deadline, row.State != PseudonymState.Requested, row.State == PseudonymState.InPlace)),
            ],
            cancellationToken);

    /// <summary>Fixes the secrets of a key's pseudonym before anything is sent. Those of an earlier call stay.</summary>
    /// <returns>The secrets that count.</returns>
    public async Task<byte[]> ReservePseudonymAsync(string issuer, PseudonymKey key, byte[] secrets, CancellationToken cancellationToken)
    {
        byte[] box = _keys.Seal(secrets, PseudonymPlace("secrets"u8, key.TokenKeyId));
        byte[] kept = await _database.WriteAsync(
            session =>
            {
                session.Execute(
                    """
                    INSERT INTO pseudonym (issuer, key_id, gateway, kind, deadline, state, sealed_secrets) VALUES ($1, $2, $3, $4, $5, 1, $6)
                    ON CONFLICT (issuer, key_id) DO NOTHING
                    """,
                    issuer, key.TokenKeyId, key.Gateway, (int)key.Kind, key.Deadline?.ToUnixTimeSeconds(), box);
                return session.QuerySingle("SELECT sealed_secrets FROM pseudonym WHERE issuer = $1 AND key_id = $2", row => row.Blob(0), issuer, key.TokenKeyId)!;
            },
            cancellationToken);
        return _keys.Open(kept, PseudonymPlace("secrets"u8, key.TokenKeyId));
    }

    /// <summary>requested → held.</summary>
    /// <returns>False if it was held before.</returns>
    public Task<bool> HoldPseudonymAsync(string issuer, byte[] keyId, byte[] token, CancellationToken cancellationToken)
    {
        byte[] box = _keys.Seal(token, PseudonymPlace("token"u8, keyId));
        return _database.WriteAsync(
            session => session.Execute("UPDATE pseudonym SET state = 2, sealed_token = $3 WHERE issuer = $1 AND key_id = $2 AND state = 1", issuer, keyId, box) == 1,
            cancellationToken);
    }

    /// <summary>held → rotating, before the gateway is asked; rotating → in place; rotating → held, if the gateway refused.</summary>
    public Task RotateAsync(string issuer, byte[] keyId, PseudonymState from, PseudonymState to, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            session => session.Execute("UPDATE pseudonym SET state = $4 WHERE issuer = $1 AND key_id = $2 AND state = $3", issuer, keyId, (int)from, (int)to),
            cancellationToken);

    /// <summary>Whether the user has yet to be told of this one; true once.</summary>
    public Task<bool> NoteShownAsync(string issuer, byte[] keyId, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            session => session.Execute("UPDATE pseudonym SET shown = 1 WHERE issuer = $1 AND key_id = $2 AND shown = 0", issuer, keyId) == 1, cancellationToken);

    /// <summary>Forgets those whose epoch is over, by the clock and by the directory: the secrets of a key that is listed are never made again.</summary>
    /// <param name="directory">As for <see cref="ExpireAsync"/>.</param>
    /// <param name="cancellationToken">Before anything is written.</param>
    public Task ExpirePseudonymsAsync(IssuerDirectory directory, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            session =>
            {
                foreach ((string issuer, byte[] keyId) in session.Query(
                    "SELECT issuer, key_id FROM pseudonym WHERE deadline <= $1", row => (row.Text(0), row.Blob(1)), Now - (long)PseudonymGrace.TotalSeconds))
                {
                    if (issuer != directory.IssuerName || directory.FindTokenKey(keyId) is null)
                    {
                        session.Execute("DELETE FROM pseudonym WHERE issuer = $1 AND key_id = $2", issuer, keyId);
                    }
                }
            },
            cancellationToken);

    public byte[] OpenPseudonym(PseudonymRow row) =>
        _keys.Open(row.SealedToken ?? [], PseudonymPlace("token"u8, row.KeyId));

    public byte[] OpenPseudonymSecrets(PseudonymRow row) => _keys.Open(row.SealedSecrets, PseudonymPlace("secrets"u8, row.KeyId));

    private static byte[] PseudonymPlace(ReadOnlySpan<byte> what, byte[] keyId) => [.. "pseudonym "u8, .. what, .. keyId];
}
