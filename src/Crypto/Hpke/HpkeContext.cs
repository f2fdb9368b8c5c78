using System.Buffers.Binary;
using System.Security.Cryptography;
using Tacit.Crypto.Interop;

namespace Tacit.Crypto.Hpke;

/// <summary>What the key schedule gives both sides (RFC 9180 §5.1): key, base nonce and exporter secret in locked memory, and the sequence number.</summary>
internal sealed class HpkeContext : IDisposable
{
    private const int NonceOffset = AeadCipher.MaxKeySizeInBytes;
    private const int ExporterOffset = NonceOffset + AeadCipher.NonceSizeInBytes;
    private const int ExporterSize = LabeledHkdf.HashSizeInBytes;

    private readonly HpkeSuite _suite;
    private readonly LockedBytes _secrets = new();
    private readonly Lock _lock = new();

    internal HpkeContext(HpkeSuite suite, HpkeMode mode, ReadOnlySpan<byte> sharedSecret, ReadOnlySpan<byte> info, HpkePsk? psk)
    {
        _suite = suite;
        ReadOnlySpan<byte> suiteId = suite.Id;
        const int hash = LabeledHkdf.HashSizeInBytes;
        Span<byte> context = stackalloc byte[1 + (2 * hash)];
        Span<byte> secret = stackalloc byte[hash];
        context[0] = (byte)mode;
        LabeledHkdf.Extract(suiteId, default, "psk_id_hash"u8, psk is null ? default : psk.Id, context.Slice(1, hash));
        LabeledHkdf.Extract(suiteId, default, "info_hash"u8, info, context[(1 + hash)..]);
        if (psk is null)
        {
            LabeledHkdf.Extract(suiteId, sharedSecret, "secret"u8, default, secret);
        }
        else
        {
            using LockedBytes.Lease shared = psk.Use();
            LabeledHkdf.Extract(suiteId, sharedSecret, "secret"u8, shared.Bytes[..psk.SizeInBytes], secret);
        }

        using LockedBytes.Lease lease = _secrets.Use();
        LabeledHkdf.Expand(suiteId, secret, "key"u8, context, Key(lease));
        LabeledHkdf.Expand(suiteId, secret, "base_nonce"u8, context, lease.Bytes.Slice(NonceOffset, AeadCipher.NonceSizeInBytes));
        LabeledHkdf.Expand(suiteId, secret, "exp"u8, context, lease.Bytes.Slice(ExporterOffset, ExporterSize));
        CryptographicOperations.ZeroMemory(secret);
    }

    /// <summary>
    /// How many messages went through. The nonce would have room for 2^96 (RFC 9180 §5.2); ours ends at 2^64 - 1, which nothing reaches either.
    /// </summary>
    internal ulong Sequence { get; set; }

    internal void Seal(ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> plaintext, Span<byte> ciphertext)
    {
        Span<byte> nonce = stackalloc byte[AeadCipher.NonceSizeInBytes];
        using LockedBytes.Lease lease = _secrets.Use();
        lock (_lock)
        {
            NextNonce(lease, nonce);
            AeadKey.Seal(_suite.Aead, Key(lease), nonce, associatedData, plaintext, ciphertext);
            Sequence++;
        }
    }

    /// <summary>A message that does not open does not count (RFC 9180 §5.2).</summary>
    internal bool TryOpen(ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> ciphertext, Span<byte> plaintext)
    {
        Span<byte> nonce = stackalloc byte[AeadCipher.NonceSizeInBytes];
        using LockedBytes.Lease lease = _secrets.Use();
        lock (_lock)
        {
            NextNonce(lease, nonce);
            bool isAuthentic = AeadKey.TryOpen(_suite.Aead, Key(lease), nonce, associatedData, ciphertext, plaintext);
            Sequence += isAuthentic ? 1u : 0u;
            return isAuthentic;
        }
    }

    internal void Export(ReadOnlySpan<byte> exporterContext, Span<byte> secret)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(secret.Length, HpkeSuite.MaxExportSizeInBytes);
        using LockedBytes.Lease lease = _secrets.Use();
        LabeledHkdf.Expand(_suite.Id, lease.Bytes.Slice(ExporterOffset, ExporterSize), "sec"u8, exporterContext, secret);
    }

    public void Dispose() => _secrets.Dispose();

    private Span<byte> Key(LockedBytes.Lease lease) => lease.Bytes[.._suite.AeadKeySizeInBytes];

    private void NextNonce(LockedBytes.Lease lease, Span<byte> nonce)
    {
        if (Sequence == ulong.MaxValue)
        {
            throw new CryptographicException("The context has sealed as many messages as it may.");
        }

        lease.Bytes.Slice(NonceOffset, AeadCipher.NonceSizeInBytes).CopyTo(nonce);
        Span<byte> counted = nonce[(AeadCipher.NonceSizeInBytes - sizeof(ulong))..];
        BinaryPrimitives.WriteUInt64BigEndian(counted, BinaryPrimitives.ReadUInt64BigEndian(counted) ^ Sequence);
    }
}

/// <summary>RFC 9180 §5, table 1.</summary>
internal enum HpkeMode : byte
{
    Base = 0,
    Psk = 1,
    Auth = 2,
    AuthPsk = 3,
}
