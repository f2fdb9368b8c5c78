using System.Security.Cryptography;
using System.Text;
using Tacit.Hosting.KeyProtection;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Signer;

/// <summary>A private key as it lies on the disk, and the periods it serves.</summary>
internal sealed record StoredKey(
    TokenType TokenType, byte[] KeyId, byte[] SubjectPublicKeyInfo, byte[] SealedKey, DateTimeOffset ServesFrom, DateTimeOffset ServesUntil);

/// <summary>That a plan uses a key in one period.</summary>
/// <param name="PlanId">The plan.</param>
/// <param name="TokenType">Of the key.</param>
/// <param name="Period">The plan's period.</param>
/// <param name="KeyId">The key.</param>
/// <param name="OverSince">When the use was first found to be past its grace, while it still is.</param>
internal sealed record KeyUse(string PlanId, TokenType TokenType, Period Period, byte[] KeyId, DateTimeOffset? OverSince = null);

/// <summary>What became of a new key.</summary>
internal enum KeyAddition
{
    Added,

    /// <summary>Another key that is kept has the same truncated id: make another.</summary>
    TruncatedIdTaken,

    /// <summary>Another signer on the same database has made a key for this purpose meanwhile: use that.</summary>
    NotNeeded,
}

/// <summary>
/// The signer's keys in its database, each encrypted with its id as associated data. Several signers may share a database: what one decides, each row settles by itself,
/// and whoever comes second finds out and takes over what is there.
/// </summary>
internal sealed partial class KeyStore : IAsyncDisposable
{
    private static readonly byte[] s_sealLabel = Encoding.ASCII.GetBytes("tacit signing key");

    private readonly Database _database;
    private readonly KeyProtector _protector;

    private KeyStore(Database database, KeyProtector protector)
    {
        _database = database;
        _protector = protector;
    }

    /// <param name="database">With <see cref="SignerSchema"/>; the store's from here on.</param>
    /// <param name="kind">Whether the secret is a passphrase.</param>
    /// <param name="secret">What the keys are encrypted under.</param>
    /// <param name="cancellationToken">Gives up before anything is written.</param>
    /// <exception cref="KeyProtectionException">The passphrase or key file is not the one the keys were encrypted under.</exception>
    public static async Task<KeyStore> OpenAsync(
        Database database, KeyProtectionKind kind, ReadOnlyMemory<byte> secret, CancellationToken cancellationToken)
    {
        try
        {
            byte[]? header = await database.ReadAsync(
                static session => session.QuerySingle("SELECT header FROM key_protection", static row => row.Blob(0)), cancellationToken);
            if (header is not null)
            {
                return new KeyStore(database, KeyProtector.Open(kind, secret.Span, header));
            }

            KeyProtector created = KeyProtector.Create(kind, secret.Span);
            byte[] fresh = created.ExportHeader();
            byte[] kept = await database.WriteAsync(
                session =>
                {
                    // Another signer may start on the same database for the first time, too: whoever is first decides.
                    session.Execute("INSERT INTO key_protection (id, header) VALUES (1, $1) ON CONFLICT (id) DO NOTHING", fresh);
                    return session.QuerySingle("SELECT header FROM key_protection", static row => row.Blob(0))!;
                },
                cancellationToken);
            if (kept.AsSpan().SequenceEqual(fresh))
            {
                return new KeyStore(database, created);
            }

            created.Dispose();
            return new KeyStore(database, KeyProtector.Open(kind, secret.Span, kept));
        }
        catch
        {
            await database.DisposeAsync();
            throw;
        }
    }

    /// <summary>Whether other signers may have it open, too.</summary>
    public bool IsShared => _database.IsShared;

    /// <summary>All keys and what they are used for, at one moment.</summary>
    public Task<(IReadOnlyList<StoredKey> Keys, IReadOnlyList<KeyUse> Uses, IReadOnlyList<PseudonymUse> Pseudonyms)> LoadAsync(CancellationToken cancellationToken) =>
        _database.ReadAsync(static session => (Keys(session), Uses(session), Pseudonyms(session)), cancellationToken);

    /// <summary>Encrypts a new private key for its row.</summary>
    public byte[] Seal(ReadOnlySpan<byte> pkcs8, ReadOnlySpan<byte> keyId) => _protector.Seal(pkcs8, [.. s_sealLabel, .. keyId]);

    /// <summary>Decrypts a private key (PKCS#8). The caller wipes it.</summary>
    /// <exception cref="KeyProtectionException">The row is damaged.</exception>
    public byte[] Unseal(StoredKey key) => _protector.Unseal(key.SealedKey, [.. s_sealLabel, .. key.KeyId]);

    /// <summary>
    /// Keeps a new key, and what it is used for if that is settled, in one transaction, unless another signer was faster; nothing of the key goes out before this
    /// completed.
    /// </summary>
    public Task<KeyAddition> AddKeyAsync(StoredKey key, KeyUse? use) =>
        _database.WriteAsync(
            session =>
            {
                if (use is not null ? IsInUse(session, use) : IsServed(session, key))
                {
                    return KeyAddition.NotNeeded;
                }

                if (IsTruncatedIdTaken(session, key))
                {
                    return KeyAddition.TruncatedIdTaken;
                }

                Insert(session, key);
                if (use is not null)
                {
                    Insert(session, use);
                }

                return KeyAddition.Added;
            });

    /// <summary>False if another signer has settled that use meanwhile.</summary>
    public Task<bool> AddUseAsync(KeyUse use) => _database.WriteAsync(session => Insert(session, use) == 1);

    public Task SetOverSinceAsync(KeyUse use) =>
        _database.WriteAsync(
            session =>
            {
                session.Execute(
                    "UPDATE key_use SET over_since = $1 WHERE plan = $2 AND token_type = $3 AND period_kind = $4 AND period_start = $5",
                    use.OverSince?.ToUnixTimeSeconds(), use.PlanId, (int)use.TokenType, use.Period.Kind.ToName(), use.Period.Start.ToUnixTimeSeconds());
            });

    public Task RemoveUseAsync(KeyUse use) =>
        _database.WriteAsync(
            session =>
            {
                session.Execute(
                    "DELETE FROM key_use WHERE plan = $1 AND token_type = $2 AND period_kind = $3 AND period_start = $4",
                    use.PlanId, (int)use.TokenType, use.Period.Kind.ToName(), use.Period.Start.ToUnixTimeSeconds());
            });

    /// <summary>Removes a key that nothing uses.</summary>
    public Task RemoveKeyAsync(byte[] keyId) =>
        _database.WriteAsync(
            session =>
            {
                session.Execute(
                    """
                    DELETE FROM signing_key WHERE key_id = $1 AND NOT EXISTS (SELECT 1 FROM key_use WHERE key_use.key_id = $1)
                      AND NOT EXISTS (SELECT 1 FROM pseudonym_key WHERE pseudonym_key.key_id = $1)
                    """,
                    keyId);
            });

    public Task<IReadOnlyList<SigningTotal>> LoadTotalsAsync(CancellationToken cancellationToken) =>
        _database.ReadAsync(
            static session => session.Query(
                "SELECT plan, period_kind, period_start, purpose, signed FROM signed_total ORDER BY period_start, plan, purpose",
                static row => new SigningTotal(
                    row.Text(0), row.Text(1), DateTimeOffset.FromUnixTimeSeconds(row.Int64(2)), (SigningPurpose)row.Int64(3), row.Int64(4))),
            cancellationToken);

    /// <summary>Adds to the totals, all or none.</summary>
    public Task AddToTotalsAsync(IReadOnlyCollection<SigningTotal> signed) =>
        _database.WriteAsync(
            session =>
            {
                foreach (SigningTotal total in signed)
                {
                    session.Execute(
                        """
                        INSERT INTO signed_total (plan, period_kind, period_start, purpose, signed) VALUES ($1, $2, $3, $4, $5)
                        ON CONFLICT (plan, period_kind, period_start, purpose) DO UPDATE SET signed = signed_total.signed + excluded.signed
                        """,
                        total.PlanId, total.PeriodKind, total.PeriodStart.ToUnixTimeSeconds(), (int)total.Purpose, total.Signed);
                }
            });

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        _protector.Dispose();
    }

    private static IReadOnlyList<StoredKey> Keys(Session session) => session.Query(
        "SELECT token_type, key_id, spki, sealed_key, serves_from, serves_until FROM signing_key",
        static row => new StoredKey(
            (TokenType)row.Int64(0), row.Blob(1), row.Blob(2), row.Blob(3),
            DateTimeOffset.FromUnixTimeSeconds(row.Int64(4)), DateTimeOffset.FromUnixTimeSeconds(row.Int64(5))));

    private static IReadOnlyList<KeyUse> Uses(Session session) => session.Query(
        "SELECT plan, token_type, period_kind, period_start, key_id, over_since FROM key_use",
        static row => PeriodKinds.TryParse(row.Text(2), out PeriodKind kind)
            && Period.TryStartingAt(kind, DateTimeOffset.FromUnixTimeSeconds(row.Int64(3)), out Period period)
                ? new KeyUse(
                    row.Text(0), (TokenType)row.Int64(1), period, row.Blob(4),
                    row.NullableInt64(5) is long seconds ? DateTimeOffset.FromUnixTimeSeconds(seconds) : null)
                : throw new InvalidDataException("The signer's database names a period that there is not. Restore it from a backup."));

    private static bool IsInUse(Session session, KeyUse use) => session.QueryInt64(
        "SELECT COUNT(*) FROM key_use WHERE plan = $1 AND token_type = $2 AND period_kind = $3 AND period_start = $4",
        use.PlanId, (int)use.TokenType, use.Period.Kind.ToName(), use.Period.Start.ToUnixTimeSeconds()) > 0;

    private static bool IsTruncatedIdTaken(Session session, StoredKey key) =>
        session.Query("SELECT key_id FROM signing_key", static row => row.BlobSpan(0)[^1]).Contains(key.KeyId[^1]);

    private static void Insert(Session session, StoredKey key) => session.Execute(
        "INSERT INTO signing_key (key_id, token_type, spki, sealed_key, serves_from, serves_until) VALUES ($1, $2, $3, $4, $5, $6)",
        key.KeyId, (int)key.TokenType, key.SubjectPublicKeyInfo, key.SealedKey, key.ServesFrom.ToUnixTimeSeconds(), key.ServesUntil.ToUnixTimeSeconds());

    private static bool IsServed(Session session, StoredKey key) => session.QueryInt64(
        "SELECT COUNT(*) FROM signing_key WHERE token_type = $1 AND serves_from <= $2 AND serves_until > $2",
        (int)key.TokenType, key.ServesFrom.ToUnixTimeSeconds()) > 0;

    private static int Insert(Session session, KeyUse use) =>
        session.Execute(
            "INSERT INTO key_use (plan, token_type, period_kind, period_start, key_id) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            use.PlanId, (int)use.TokenType, use.Period.Kind.ToName(), use.Period.Start.ToUnixTimeSeconds(), use.KeyId);
}
