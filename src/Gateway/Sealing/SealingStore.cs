using System.Security.Cryptography;
using System.Text;
using Tacit.Crypto;
using Tacit.Hosting;
using Tacit.Hosting.KeyProtection;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Gateway.Sealing;

/// <summary>A sealing key as it lies on the disk.</summary>
/// <param name="Key">What is said of it.</param>
/// <param name="SealedPrivateKey">The private half, encrypted; empty once it is erased.</param>
internal sealed record StoredSealingKey(SealingKey Key, byte[] SealedPrivateKey);

/// <summary>
/// A gateway's own Ed25519 key and its sealing keys in the gateway's database, encrypted. Several instances may share a database: each row settles by itself which of
/// them was first, and the others take over what is there.
/// </summary>
internal sealed class SealingStore : IDisposable
{
    private static readonly byte[] s_identityLabel = Encoding.ASCII.GetBytes("tacit gateway key");
    private static readonly byte[] s_keyLabel = Encoding.ASCII.GetBytes("tacit sealing key");

    private readonly Database _database;
    private readonly KeyProtector _protector;
    private readonly Ed25519PrivateKey _identity;

    private SealingStore(Database database, KeyProtector protector, Ed25519PrivateKey identity)
    {
        _database = database;
        _protector = protector;
        _identity = identity;
        PublicKey = identity.PublicKey.Export();
    }

    public static Migration Migration(int version) => new(version, "sealing keys", """
        CREATE TABLE sealing_identity (
            id {int} NOT NULL PRIMARY KEY CHECK (id = 1),
            protection {blob} NOT NULL,
            public_key {blob} NOT NULL,
            sealed_seed {blob} NOT NULL
        ) {without_rowid};

        -- Times in seconds of UNIX time. sealed_key comes before evidence, so that it lies in the row's own page, where a deletion overwrites it.
        CREATE TABLE sealing_key (
            not_before {int} NOT NULL,
            kem {int} NOT NULL,
            not_after {int} NOT NULL,
            sealed_key {blob} NOT NULL,
            config {blob} NOT NULL,
            evidence_format {text},
            evidence {blob},
            PRIMARY KEY (not_before, kem)
        ) {without_rowid};
        """);

    /// <summary>The gateway's Ed25519 key: its issuer pins it, or its clients do where it has none. 32 bytes.</summary>
    public byte[] PublicKey { get; }

    public bool IsShared => _database.IsShared;

    /// <exception cref="KeyProtectionException">The passphrase or key file is not the one the keys were encrypted under.</exception>
    /// <exception cref="SettingsException">It cannot be read.</exception>
    public static async Task<SealingStore> OpenAsync(Database database, SealingOptions options, CancellationToken cancellationToken)
    {
        (KeyProtectionKind kind, SecretReference reference, string setting) = options.KeySecret;
        using SecretBytes secret = reference.Load(setting);
        Identity? stored = await LoadIdentityAsync(database, cancellationToken);
        if (stored is null)
        {
            await CreateIdentityAsync(database, kind, secret.Memory, cancellationToken);

            // Another instance may have been first: what is there counts.
            stored = (await LoadIdentityAsync(database, cancellationToken))!;
        }

        KeyProtector protector = KeyProtector.Open(kind, secret.Span, stored.Protection);
        try
        {
            byte[] seed = protector.Unseal(stored.SealedSeed, [.. s_identityLabel, .. stored.PublicKey]);
            try
            {
                return new SealingStore(database, protector, Ed25519PrivateKey.Import(seed));
            }
            finally
            {
                CryptographicOperations.ZeroMemory(seed);
            }
        }
        catch
        {
            protector.Dispose();
            throw;
        }
    }

    /// <summary>A signature of 64 bytes with the gateway's own key.</summary>
    public byte[] Sign(ReadOnlyMemory<byte> message) => _identity.Sign(message.Span);

    public Task<IReadOnlyList<StoredSealingKey>> LoadAsync(string gateway, CancellationToken cancellationToken) => _database.ReadAsync(
        session => session.Query(
            "SELECT not_before, not_after, config, sealed_key, evidence_format, evidence FROM sealing_key ORDER BY not_before, kem",
            row => new StoredSealingKey(
                new SealingKey
                {
                    Gateway = gateway,
                    NotBefore = DateTimeOffset.FromUnixTimeSeconds(row.Int64(0)),
                    NotAfter = DateTimeOffset.FromUnixTimeSeconds(row.Int64(1)),
                    Config = row.Blob(2),
                    Evidence = row.NullableText(4) is string format ? new KeyEvidence(format, row.Blob(5)) : null,
                },
                row.Blob(3))),
        cancellationToken);

    /// <summary>Encrypts a new private key for its row.</summary>
    public byte[] Seal(ReadOnlySpan<byte> privateKey, SealingKey key) => _protector.Seal(privateKey, [.. s_keyLabel, .. key.Config]);

    /// <summary>Decrypts a private key. The caller wipes it.</summary>
    /// <exception cref="KeyProtectionException">The row is damaged.</exception>
    public byte[] Unseal(StoredSealingKey stored) => _protector.Unseal(stored.SealedPrivateKey, [.. s_keyLabel, .. stored.Key.Config]);

    /// <summary>Keeps a new key; false if another instance made one for a time that overlaps, or with that id. Nothing of a key goes out before.</summary>
    public Task<bool> TryAddAsync(StoredSealingKey stored) => _database.WriteAsync(session =>
    {
        SealingKey key = stored.Key;
        long from = key.NotBefore.ToUnixTimeSeconds();
        long until = key.NotAfter.ToUnixTimeSeconds();
        if (session.QueryInt64("SELECT COUNT(*) FROM sealing_key WHERE kem = $1 AND not_before < $3 AND not_after > $2", key.KemId, from, until) > 0
            || session.Query("SELECT config FROM sealing_key", static row => row.BlobSpan(0)[0]).Contains(key.KeyId))
        {
            return false;
        }

        return session.Execute(
            """
            INSERT INTO sealing_key (not_before, kem, not_after, sealed_key, config, evidence_format, evidence) VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT (not_before, kem) DO NOTHING
            """,
            from, key.KemId, until, stored.SealedPrivateKey, key.Config, key.Evidence?.Format, key.Evidence?.Bytes.ToArray()) == 1;
    });

    /// <summary>
    /// Erases what ended before <paramref name="time"/>: first the private halves, then the rows, each in a commit of its own. A page that a deletion frees is not
    /// written again, so that what was in it would stay in the file. The log still has it until <see cref="FoldLogAsync"/>.
    /// </summary>
    public async Task EraseAsync(DateTimeOffset time)
    {
        long seconds = time.ToUnixTimeSeconds();
        await _database.WriteAsync(session => session.Execute("UPDATE sealing_key SET sealed_key = $2 WHERE not_after <= $1", seconds, Array.Empty<byte>()));
        await _database.WriteAsync(session => session.Execute("DELETE FROM sealing_key WHERE not_after <= $1", seconds));
    }

    /// <inheritdoc cref="Database.FoldLogAsync"/>
    public Task FoldLogAsync() => _database.FoldLogAsync();

    public void Dispose()
    {
        _identity.Dispose();
        _protector.Dispose();
    }

    private static async Task CreateIdentityAsync(
        Database database, KeyProtectionKind kind, ReadOnlyMemory<byte> secret, CancellationToken cancellationToken)
    {
        using KeyProtector protector = KeyProtector.Create(kind, secret.Span);
        using Ed25519PrivateKey identity = Ed25519PrivateKey.Generate();
        byte[] publicKey = identity.PublicKey.Export();
        byte[] seed = identity.Export();
        byte[] sealedSeed = protector.Seal(seed, [.. s_identityLabel, .. publicKey]);
        CryptographicOperations.ZeroMemory(seed);
        await database.WriteAsync(
            session => session.Execute(
                "INSERT INTO sealing_identity (id, protection, public_key, sealed_seed) VALUES (1, $1, $2, $3) ON CONFLICT (id) DO NOTHING",
                protector.ExportHeader(), publicKey, sealedSeed),
            cancellationToken);
    }

    private static Task<Identity?> LoadIdentityAsync(Database database, CancellationToken cancellationToken) => database.ReadAsync(
        static session => session.QuerySingle(
            "SELECT protection, public_key, sealed_seed FROM sealing_identity", static row => new Identity(row.Blob(0), row.Blob(1), row.Blob(2))),
        cancellationToken);

    private sealed record Identity(byte[] Protection, byte[] PublicKey, byte[] SealedSeed);
}
