using System.Diagnostics.CodeAnalysis;
using Tacit.Crypto.Hpke;

namespace Tacit.Crypto;

/// <summary>A public key of a suite's KEM (RFC 9180 §4). Suites that differ only in the AEAD share their keys.</summary>
/// <remarks>Safe for use by several threads at once.</remarks>
public sealed class HpkePublicKey : IDisposable
{
    private readonly byte[] _bytes;

    internal HpkePublicKey(HpkeKem kem, byte[] bytes)
    {
        Kem = kem;
        _bytes = bytes;
    }

    /// <summary>Of the KEM that it is for: a suite takes only keys of its own KEM.</summary>
    public ushort KemId => Kem.Id;

    internal HpkeKem Kem { get; }

    internal ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>
    /// False for another length, and for what can be no key: an X25519 key of small order, under which every shared secret would be zero (RFC 9180 §7.1.4), or an
    /// ML-KEM key with coefficients beyond the modulus (FIPS 203 §7.2). Takes a scalar multiplication.
    /// </summary>
    public static bool TryImport(HpkeSuite suite, ReadOnlySpan<byte> publicKey, [NotNullWhen(true)] out HpkePublicKey? key)
    {
        suite.ThrowIfNotSupported();
        key = publicKey.Length == suite.PublicKeySizeInBytes && suite.Kem.IsPublicKey(publicKey) ? new HpkePublicKey(suite.Kem, publicKey.ToArray()) : null;
        return key is not null;
    }

    public byte[] Export() => [.. _bytes];

    /// <summary>Nothing to do: a public key holds no secret, and libcrypto's objects live for one call.</summary>
    public void Dispose()
    {
    }
}
