using System.Security.Cryptography;
using System.Text;
using Tacit.Crypto;
using Tacit.Hosting.KeyProtection;
using Tacit.Storage;

namespace Tacit.Issuer.Issuance;

/// <summary>The Ed25519 key that clients pin, made at the first start and encrypted on the disk.</summary>
internal sealed class DirectoryKey : IDisposable
{
    private static readonly byte[] s_sealLabel = Encoding.ASCII.GetBytes("tacit directory key");

    private readonly Ed25519PrivateKey _key;
    private readonly Lock _gate = new();

    private DirectoryKey(Ed25519PrivateKey key)
    {
        _key = key;
        PublicKey = key.PublicKey.Export();
    }

    /// <summary>32 bytes.</summary>
    public byte[] PublicKey { get; }

    /// <exception cref="KeyProtectionException">The passphrase or key file is not the one the key was encrypted under.</exception>
    public static async Task<DirectoryKey> OpenAsync(
        Database database, KeyProtectionKind kind, ReadOnlyMemory<byte> secret, CancellationToken cancellationToken)
    {
        (byte[] Header, byte[] PublicKey, byte[] Sealed)? stored = await database.ReadAsync(
            static session => session.TryQuerySingle(
                "SELECT p.header, k.public_key, k.sealed_seed FROM key_protection p CROSS JOIN directory_key k",
                static row => (row.Blob(0), row.Blob(1), row.Blob(2)),
                out (byte[], byte[], byte[]) found) ? found : ((byte[], byte[], byte[])?)null,
            cancellationToken);
        return stored is null
            ? await CreateAsync(database, kind, secret, cancellationToken)
            : Load(stored.Value.Header, stored.Value.PublicKey, stored.Value.Sealed, kind, secret.Span);
    }

    /// <summary>A signature of 64 bytes.</summary>
    public byte[] Sign(ReadOnlyMemory<byte> message)
    {
        var signature = new byte[Ed25519PrivateKey.SignatureSizeInBytes];
        lock (_gate)
        {
            _key.Sign(message.Span, signature);
        }

        return signature;
    }

    public void Dispose() => _key.Dispose();

    private static async Task<DirectoryKey> CreateAsync(
        Database database, KeyProtectionKind kind, ReadOnlyMemory<byte> secret, CancellationToken cancellationToken)
    {
        using KeyProtector protector = KeyProtector.Create(kind, secret.Span);
        var key = new DirectoryKey(Ed25519PrivateKey.Generate());
        byte[] seed = key._key.Export();
        byte[] sealedSeed = protector.Seal(seed, [.. s_sealLabel, .. key.PublicKey]);
        CryptographicOperations.ZeroMemory(seed);
        byte[] header = protector.ExportHeader();
        bool isFirst = await database.WriteAsync(
            session => session.Execute("INSERT INTO key_protection (id, header) VALUES (1, $1) ON CONFLICT (id) DO NOTHING", header) == 1
                && session.Execute("INSERT INTO directory_key (public_key, sealed_seed) VALUES ($1, $2)", key.PublicKey, sealedSeed) == 1,
            cancellationToken);
        if (isFirst)
        {
            return key;
        }

        // Another issuer started on the same database for the first time, and its key is the one that clients pin.
        key.Dispose();
        return await OpenAsync(database, kind, secret, cancellationToken);
    }

    private static DirectoryKey Load(byte[] header, byte[] publicKey, byte[] sealedSeed, KeyProtectionKind kind, ReadOnlySpan<byte> secret)
    {
        using KeyProtector protector = KeyProtector.Open(kind, secret, header);
        byte[] seed = protector.Unseal(sealedSeed, [.. s_sealLabel, .. publicKey]);
        try
        {
            return new DirectoryKey(Ed25519PrivateKey.Import(seed));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(seed);
        }
    }
}
