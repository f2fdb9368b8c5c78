using System.Security.Cryptography;
using Tacit.Crypto.Interop;

namespace Tacit.Crypto.Hpke;

/// <summary>DHKEM(X25519, HKDF-SHA256), RFC 9180 §4.1.</summary>
internal sealed class X25519Kem : HpkeKem
{
    internal static readonly X25519Kem Instance = new();

    private const int Size = X25519.SizeInBytes;

    private X25519Kem()
        : base(0x0020)
    {
    }

    internal override bool IsSupported => true;

    internal override int PrivateKeySizeInBytes => Size;

    internal override int PublicKeySizeInBytes => Size;

    internal override int EncapsulatedKeySizeInBytes => Size;

    internal override bool HasAuthentication => true;

    internal override void DerivePrivateKey(ReadOnlySpan<byte> input, Span<byte> privateKey)
    {
        Span<byte> extracted = stackalloc byte[LabeledHkdf.HashSizeInBytes];
        LabeledHkdf.Extract(SuiteId.Span, default, "dkp_prk"u8, input, extracted);
        LabeledHkdf.Expand(SuiteId.Span, extracted, "sk"u8, default, privateKey);
        CryptographicOperations.ZeroMemory(extracted);
    }

    internal override void Expand(ReadOnlySpan<byte> privateKey, Span<byte> kept, Span<byte> publicKey)
    {
        // Clamped when read and written (RFC 9180 §7.1.2).
        privateKey.CopyTo(kept);
        kept[0] &= 0xf8;
        kept[Size - 1] &= 0x7f;
        kept[Size - 1] |= 0x40;
        using SafeEvpKeyHandle key = X25519.Import(kept[..Size]);
        X25519.ExportPublicKey(key, publicKey);
    }

    /// <summary>A key of small order gives zeros under every private key, so one that everybody knows tells (RFC 7748 §6.1).</summary>
    internal override bool IsPublicKey(ReadOnlySpan<byte> publicKey)
    {
        Span<byte> known = stackalloc byte[Size];
        Span<byte> result = stackalloc byte[Size];
        known.Fill(0x55);
        using SafeEvpKeyHandle key = X25519.Import(known);
        return X25519.TryAgree(key, publicKey, result);
    }

    internal override bool TryEncapsulate(
        HpkePublicKey recipient, HpkePrivateKey? sender, ReadOnlySpan<byte> randomness, Span<byte> encapsulatedKey, Span<byte> sharedSecret)
    {
        using SafeEvpKeyHandle ephemeral = randomness.IsEmpty ? X25519.Generate() : X25519.Import(randomness);
        X25519.ExportPublicKey(ephemeral, encapsulatedKey);
        Span<byte> agreed = stackalloc byte[2 * Size];
        bool succeeded = X25519.TryAgree(ephemeral, recipient.Bytes, agreed[..Size])
            && (sender is null || TryAgree(sender, recipient.Bytes, agreed[Size..]));
        if (succeeded)
        {
            ExtractAndExpand(agreed, encapsulatedKey, recipient.Bytes, sender?.PublicKey, sharedSecret);
        }

        CryptographicOperations.ZeroMemory(agreed);
        return succeeded;
    }

    internal override bool TryDecapsulate(HpkePrivateKey recipient, HpkePublicKey? sender, ReadOnlySpan<byte> encapsulatedKey, Span<byte> sharedSecret)
    {
        Span<byte> agreed = stackalloc byte[2 * Size];
        bool succeeded = TryAgree(recipient, encapsulatedKey, agreed[..Size]) && (sender is null || TryAgree(recipient, sender.Bytes, agreed[Size..]));
        if (succeeded)
        {
            ExtractAndExpand(agreed, encapsulatedKey, recipient.PublicKey.Bytes, sender, sharedSecret);
        }

        CryptographicOperations.ZeroMemory(agreed);
        return succeeded;
    }

    private static bool TryAgree(HpkePrivateKey own, ReadOnlySpan<byte> peer, Span<byte> agreed)
    {
        using LockedBytes.Lease lease = own.Use();
        using SafeEvpKeyHandle key = X25519.Import(lease.Bytes[..Size], own.PublicKey.Bytes);
        return X25519.TryAgree(key, peer, agreed);
    }

    /// <param name="agreed">Two results, of which the second counts where there is a sender key.</param>
    private void ExtractAndExpand(
        ReadOnlySpan<byte> agreed, ReadOnlySpan<byte> encapsulatedKey, ReadOnlySpan<byte> recipient, HpkePublicKey? sender, Span<byte> sharedSecret)
    {
        int parts = sender is null ? 2 : 3;
        Span<byte> context = stackalloc byte[3 * Size];
        encapsulatedKey.CopyTo(context);
        recipient.CopyTo(context[Size..]);
        sender?.Bytes.CopyTo(context[(2 * Size)..]);
        Span<byte> extracted = stackalloc byte[LabeledHkdf.HashSizeInBytes];
        LabeledHkdf.Extract(SuiteId.Span, default, "eae_prk"u8, agreed[..((parts - 1) * Size)], extracted);
        LabeledHkdf.Expand(SuiteId.Span, extracted, "shared_secret"u8, context[..(parts * Size)], sharedSecret);
        CryptographicOperations.ZeroMemory(extracted);
    }
}
