using System.Security.Cryptography;
using Tacit.Crypto.Hpke;
using Tacit.Crypto.Interop;

namespace Tacit.Crypto;

/// <summary>A private key of a suite's KEM (RFC 9180 §4), in locked memory (<see cref="LockedMemory"/>) and wiped when it is disposed.</summary>
/// <remarks>Safe for use by several threads at once. Suites that differ only in the AEAD share their keys.</remarks>
public sealed class HpkePrivateKey : IDisposable
{
    private readonly HpkeKem _kem;
    private readonly LockedBytes _kept = new();

    private HpkePrivateKey(HpkeKem kem, ReadOnlySpan<byte> privateKey)
    {
        _kem = kem;
        byte[] publicKey = new byte[kem.PublicKeySizeInBytes];
        using LockedBytes.Lease lease = _kept.Use();
        kem.Expand(privateKey, lease.Bytes, publicKey);
        PublicKey = new HpkePublicKey(kem, publicKey);
    }

    /// <summary>Of the KEM that it is for: a suite takes only keys of its own KEM.</summary>
    public ushort KemId => _kem.Id;

    /// <summary>Not disposed with this key.</summary>
    public HpkePublicKey PublicKey { get; }

    public static HpkePrivateKey Generate(HpkeSuite suite)
    {
        suite.ThrowIfNotSupported();
        Span<byte> privateKey = stackalloc byte[suite.PrivateKeySizeInBytes];
        RandomNumberGenerator.Fill(privateKey);
        try
        {
            return new HpkePrivateKey(suite.Kem, privateKey);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(privateKey);
        }
    }

    /// <param name="privateKey">32 bytes, serialised as RFC 9180 §7.1.2 says (the hybrid KEM's: its seed).</param>
    /// <exception cref="CryptographicException">Another length.</exception>
    public static HpkePrivateKey Import(HpkeSuite suite, ReadOnlySpan<byte> privateKey)
    {
        suite.ThrowIfNotSupported();
        return privateKey.Length == suite.PrivateKeySizeInBytes
            ? new HpkePrivateKey(suite.Kem, privateKey)
            : throw new CryptographicException($"A private key of this KEM has {suite.PrivateKeySizeInBytes} bytes.");
    }

    /// <summary>Writes the 32 bytes; an X25519 key's are clamped. The caller wipes them.</summary>
    public void Export(Span<byte> privateKey)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(privateKey.Length, _kem.PrivateKeySizeInBytes);
        using LockedBytes.Lease lease = _kept.Use();
        lease.Bytes[..privateKey.Length].CopyTo(privateKey);
    }

    public void Dispose() => _kept.Dispose();

    /// <summary>Derives the key from at least 32 bytes of key material (RFC 9180 §7.1.3).</summary>
    internal static HpkePrivateKey Derive(HpkeSuite suite, ReadOnlySpan<byte> input)
    {
        Span<byte> privateKey = stackalloc byte[suite.PrivateKeySizeInBytes];
        suite.Kem.DerivePrivateKey(input, privateKey);
        HpkePrivateKey key = new(suite.Kem, privateKey);
        CryptographicOperations.ZeroMemory(privateKey);
        return key;
    }

    internal LockedBytes.Lease Use() => _kept.Use();
}
