using System.Buffers.Binary;

namespace Tacit.Crypto.Hpke;

/// <summary>A key encapsulation mechanism (RFC 9180 §4). Callers have checked the lengths.</summary>
internal abstract class HpkeKem
{
    internal const int SharedSecretSizeInBytes = 32;

    protected HpkeKem(ushort id)
    {
        Id = id;
        byte[] suiteId = [.. "KEM"u8, 0, 0];
        BinaryPrimitives.WriteUInt16BigEndian(suiteId.AsSpan(3), id);
        SuiteId = suiteId;
    }

    internal ushort Id { get; }

    /// <summary>Whether this machine's libcrypto has what it takes.</summary>
    internal abstract bool IsSupported { get; }

    internal abstract int PrivateKeySizeInBytes { get; }

    internal abstract int PublicKeySizeInBytes { get; }

    internal abstract int EncapsulatedKeySizeInBytes { get; }

    /// <summary>Whether a sender can prove its own key (AuthEncap).</summary>
    internal abstract bool HasAuthentication { get; }

    protected ReadOnlyMemory<byte> SuiteId { get; }

    /// <summary>RFC 9180 §7.1.3, from input of at least <see cref="PrivateKeySizeInBytes"/>.</summary>
    internal abstract void DerivePrivateKey(ReadOnlySpan<byte> input, Span<byte> privateKey);

    /// <summary>Writes what is kept of a private key, which begins with what is exported of it, and the public key.</summary>
    internal abstract void Expand(ReadOnlySpan<byte> privateKey, Span<byte> kept, Span<byte> publicKey);

    /// <summary>Whether an encapsulation to this key can succeed at all.</summary>
    internal abstract bool IsPublicKey(ReadOnlySpan<byte> publicKey);

    /// <param name="randomness">Empty for fresh randomness; tests give a published one.</param>
    internal abstract bool TryEncapsulate(
        HpkePublicKey recipient, HpkePrivateKey? sender, ReadOnlySpan<byte> randomness, Span<byte> encapsulatedKey, Span<byte> sharedSecret);

    internal abstract bool TryDecapsulate(HpkePrivateKey recipient, HpkePublicKey? sender, ReadOnlySpan<byte> encapsulatedKey, Span<byte> sharedSecret);
}
