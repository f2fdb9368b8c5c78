using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Tacit.Crypto.Hpke;

namespace Tacit.Crypto;

/// <summary>
/// Hybrid public key encryption (RFC 9180): a KEM, HKDF-SHA256 and an AEAD. A pre-shared key chooses the PSK mode, a sender key the Auth mode, both AuthPSK.
/// </summary>
/// <remarks>Safe for use by several threads at once.</remarks>
public sealed class HpkeSuite
{
    /// <summary>What one export can give (RFC 9180 §5.3).</summary>
    public const int MaxExportSizeInBytes = LabeledHkdf.MaxLength;

    private const ushort HkdfSha256 = 0x0001;

    private readonly byte[] _id;

    private HpkeSuite(HpkeKem kem, AeadCipher aead)
    {
        Kem = kem;
        Aead = aead;
        _id = [.. "HPKE"u8, 0, 0, 0, 0, 0, 0];
        BinaryPrimitives.WriteUInt16BigEndian(_id.AsSpan(4), kem.Id);
        BinaryPrimitives.WriteUInt16BigEndian(_id.AsSpan(6), HkdfSha256);
        BinaryPrimitives.WriteUInt16BigEndian(_id.AsSpan(8), aead.Id);
    }

    public static HpkeSuite X25519Aes128Gcm { get; } = new(X25519Kem.Instance, AeadCipher.Aes128Gcm);

    public static HpkeSuite X25519Aes256Gcm { get; } = new(X25519Kem.Instance, AeadCipher.Aes256Gcm);

    public static HpkeSuite X25519ChaCha20Poly1305 { get; } = new(X25519Kem.Instance, AeadCipher.ChaCha20Poly1305);

    /// <summary>Hybrid with ML-KEM-768 (draft-ietf-hpke-pq), where <see cref="IsSupported"/>.</summary>
    public static HpkeSuite MLKem768X25519Aes128Gcm { get; } = new(MLKem768X25519Kem.Instance, AeadCipher.Aes128Gcm);

    /// <summary>Hybrid with ML-KEM-768 (draft-ietf-hpke-pq), where <see cref="IsSupported"/>.</summary>
    public static HpkeSuite MLKem768X25519Aes256Gcm { get; } = new(MLKem768X25519Kem.Instance, AeadCipher.Aes256Gcm);

    /// <summary>Hybrid with ML-KEM-768 (draft-ietf-hpke-pq), where <see cref="IsSupported"/>.</summary>
    public static HpkeSuite MLKem768X25519ChaCha20Poly1305 { get; } = new(MLKem768X25519Kem.Instance, AeadCipher.ChaCha20Poly1305);

    private static readonly HpkeSuite[] s_all =
    [
        X25519Aes128Gcm, X25519Aes256Gcm, X25519ChaCha20Poly1305, MLKem768X25519Aes128Gcm, MLKem768X25519Aes256Gcm, MLKem768X25519ChaCha20Poly1305,
    ];

    public ushort KemId => Kem.Id;

    public ushort KdfId { get; } = HkdfSha256;

    public ushort AeadId => Aead.Id;

    /// <summary>Whether this machine's libcrypto has what the suite is made of: for the hybrid ones OpenSSL 3.5, for the others any.</summary>
    public bool IsSupported => Kem.IsSupported;

    /// <summary>Whether it has the Auth and AuthPSK modes. The hybrid ones do not.</summary>
    public bool HasAuthentication => Kem.HasAuthentication;

    /// <summary>X25519: 32; hybrid: 1120.</summary>
    public int EncapsulatedKeySizeInBytes => Kem.EncapsulatedKeySizeInBytes;

    /// <summary>X25519: 32; hybrid: 1216.</summary>
    public int PublicKeySizeInBytes => Kem.PublicKeySizeInBytes;

    /// <summary>32.</summary>
    public int PrivateKeySizeInBytes => Kem.PrivateKeySizeInBytes;

    /// <summary>16.</summary>
    public int TagSizeInBytes { get; } = AeadCipher.TagSizeInBytes;

    /// <summary>16 for AES-128-GCM, else 32.</summary>
    public int AeadKeySizeInBytes => Aead.KeySizeInBytes;

    /// <summary>12.</summary>
    public int AeadNonceSizeInBytes { get; } = AeadCipher.NonceSizeInBytes;

    internal HpkeKem Kem { get; }

    internal AeadCipher Aead { get; }

    /// <summary>The suite's name in the key schedule (RFC 9180 §5.1).</summary>
    internal ReadOnlySpan<byte> Id => _id;

    /// <summary>False for ids that are unknown, and for suites that this machine does not support.</summary>
    public static bool TryFind(ushort kem, ushort kdf, ushort aead, [NotNullWhen(true)] out HpkeSuite? suite)
    {
        suite = null;
        foreach (HpkeSuite candidate in s_all)
        {
            if (candidate.KemId == kem && candidate.KdfId == kdf && candidate.AeadId == aead && candidate.IsSupported)
            {
                suite = candidate;
            }
        }

        return suite is not null;
    }

    /// <param name="recipient">A key of this suite's KEM.</param>
    /// <param name="info">Any length; both sides must give the same.</param>
    /// <param name="encapsulatedKey">Exactly <see cref="EncapsulatedKeySizeInBytes"/>.</param>
    public HpkeSender SetupSender(HpkePublicKey recipient, ReadOnlySpan<byte> info, Span<byte> encapsulatedKey) =>
        SetupSender(recipient, info, null, null, encapsulatedKey);

    /// <param name="psk">For the PSK modes, else null.</param>
    /// <param name="senderKey">For the Auth modes, else null.</param>
    public HpkeSender SetupSender(HpkePublicKey recipient, ReadOnlySpan<byte> info, HpkePsk? psk, HpkePrivateKey? senderKey, Span<byte> encapsulatedKey) =>
        SetupSender(recipient, info, psk, senderKey, default, encapsulatedKey);

    /// <summary>Null where the encapsulated key is no key: another length, or all zero in the shared secret (RFC 9180 §7.1.4).</summary>
    /// <param name="key">A key of this suite's KEM.</param>
    /// <param name="info">Any length; both sides must give the same.</param>
    public HpkeRecipient? SetupRecipient(HpkePrivateKey key, ReadOnlySpan<byte> encapsulatedKey, ReadOnlySpan<byte> info) =>
        SetupRecipient(key, encapsulatedKey, info, null, null);

    /// <param name="psk">For the PSK modes, else null.</param>
    /// <param name="senderKey">For the Auth modes, else null.</param>
    public HpkeRecipient? SetupRecipient(
        HpkePrivateKey key, ReadOnlySpan<byte> encapsulatedKey, ReadOnlySpan<byte> info, HpkePsk? psk, HpkePublicKey? senderKey)
    {
        ThrowIfUnfit(key.PublicKey, senderKey);
        if (encapsulatedKey.Length != EncapsulatedKeySizeInBytes)
        {
            return null;
        }

        Span<byte> sharedSecret = stackalloc byte[HpkeKem.SharedSecretSizeInBytes];
        try
        {
            return Kem.TryDecapsulate(key, senderKey, encapsulatedKey, sharedSecret)
                ? new HpkeRecipient(new HpkeContext(this, Mode(psk, senderKey), sharedSecret, info, psk))
                : null;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(sharedSecret);
        }
    }

    /// <summary>Seals one message under a context of its own (RFC 9180 §6.1).</summary>
    /// <param name="encapsulatedKey">Exactly <see cref="EncapsulatedKeySizeInBytes"/>.</param>
    /// <param name="ciphertext">16 bytes longer than <paramref name="plaintext"/>.</param>
    public void Seal(
        HpkePublicKey recipient, ReadOnlySpan<byte> info, ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> plaintext,
        Span<byte> encapsulatedKey, Span<byte> ciphertext, HpkePsk? psk = null, HpkePrivateKey? senderKey = null)
    {
        using HpkeSender sender = SetupSender(recipient, info, psk, senderKey, encapsulatedKey);
        sender.Seal(associatedData, plaintext, ciphertext);
    }

    /// <summary>Opens one message that <see cref="Seal"/> sealed.</summary>
    /// <param name="plaintext">16 bytes shorter than <paramref name="ciphertext"/>. Zeros where the result is false.</param>
    public bool TryOpen(
        HpkePrivateKey key, ReadOnlySpan<byte> encapsulatedKey, ReadOnlySpan<byte> info, ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> ciphertext,
        Span<byte> plaintext, HpkePsk? psk = null, HpkePublicKey? senderKey = null)
    {
        using HpkeRecipient? recipient = SetupRecipient(key, encapsulatedKey, info, psk, senderKey);
        if (recipient is null)
        {
            plaintext.Clear();
            return false;
        }

        return recipient.TryOpen(associatedData, ciphertext, plaintext);
    }

    /// <param name="randomness">Empty, but in tests that replay published values.</param>
    internal HpkeSender SetupSender(
        HpkePublicKey recipient, ReadOnlySpan<byte> info, HpkePsk? psk, HpkePrivateKey? senderKey, ReadOnlySpan<byte> randomness, Span<byte> encapsulatedKey)
    {
        ThrowIfUnfit(recipient, senderKey?.PublicKey);
        ArgumentOutOfRangeException.ThrowIfNotEqual(encapsulatedKey.Length, EncapsulatedKeySizeInBytes);
        Span<byte> sharedSecret = stackalloc byte[HpkeKem.SharedSecretSizeInBytes];
        try
        {
            return Kem.TryEncapsulate(recipient, senderKey, randomness, encapsulatedKey, sharedSecret)
                ? new HpkeSender(new HpkeContext(this, Mode(psk, senderKey?.PublicKey), sharedSecret, info, psk))
                : throw new CryptographicException("The recipient's key gives no shared secret."); // import refuses such keys
        }
        finally
        {
            CryptographicOperations.ZeroMemory(sharedSecret);
        }
    }

    internal void ThrowIfNotSupported()
    {
        if (!IsSupported)
        {
            throw new PlatformNotSupportedException("This machine's libcrypto lacks the suite's KEM; it needs OpenSSL 3.5.");
        }
    }

    private static HpkeMode Mode(HpkePsk? psk, HpkePublicKey? sender) =>
        sender is null ? psk is null ? HpkeMode.Base : HpkeMode.Psk : psk is null ? HpkeMode.Auth : HpkeMode.AuthPsk;

    private void ThrowIfUnfit(HpkePublicKey recipient, HpkePublicKey? sender)
    {
        ThrowIfNotSupported();
        if (recipient.Kem != Kem || (sender is not null && sender.Kem != Kem))
        {
            throw new ArgumentException("The key belongs to another KEM than the suite's.");
        }

        if (sender is not null && !HasAuthentication)
        {
            throw new ArgumentException("This KEM does not authenticate senders.", nameof(sender));
        }
    }
}
