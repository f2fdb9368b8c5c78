using System.Security.Cryptography;
using Tacit.Crypto.Interop;

namespace Tacit.Crypto;

/// <summary>Ed25519 private key (RFC 8032), handled as its 32-byte seed.</summary>
/// <remarks>Safe for use by several threads at once.</remarks>
public sealed unsafe class Ed25519PrivateKey : IDisposable
{
    public const int SizeInBytes = 32;
    public const int SignatureSizeInBytes = Ed25519PublicKey.SignatureSizeInBytes;

    private readonly SafeEvpKeyHandle _key;

    private Ed25519PrivateKey(SafeEvpKeyHandle key)
    {
        _key = key;
        Span<byte> publicKey = stackalloc byte[Ed25519PublicKey.SizeInBytes];
        nuint length = Ed25519PublicKey.SizeInBytes;
        fixed (byte* pointer = publicKey)
        {
            LibCrypto.Check(LibCrypto.EVP_PKEY_get_raw_public_key(key, pointer, &length));
        }

        PublicKey = Ed25519PublicKey.Import(publicKey);
    }

    /// <summary>Not disposed with this key.</summary>
    public Ed25519PublicKey PublicKey { get; }

    public static Ed25519PrivateKey Generate()
    {
        Span<byte> seed = stackalloc byte[SizeInBytes];
        RandomNumberGenerator.Fill(seed);
        try
        {
            return Import(seed);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(seed);
        }
    }

    /// <exception cref="CryptographicException">Not 32 bytes.</exception>
    public static Ed25519PrivateKey Import(ReadOnlySpan<byte> seed)
    {
        if (seed.Length != SizeInBytes)
        {
            throw new CryptographicException("An Ed25519 private key has 32 bytes.");
        }

        fixed (byte* pointer = seed)
        {
            nint key = LibCrypto.EVP_PKEY_new_raw_private_key(LibCrypto.EvpPkeyEd25519, 0, pointer, SizeInBytes);
            if (key == 0)
            {
                LibCrypto.ThrowLastError();
            }

            return new Ed25519PrivateKey(new SafeEvpKeyHandle(key));
        }
    }

    /// <summary>Writes the 32-byte seed. The caller wipes it.</summary>
    public void Export(Span<byte> seed)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(seed.Length, SizeInBytes);
        nuint length = SizeInBytes;
        fixed (byte* pointer = seed)
        {
            LibCrypto.Check(LibCrypto.EVP_PKEY_get_raw_private_key(_key, pointer, &length));
        }
    }

    /// <summary>The 32-byte seed. The caller wipes it.</summary>
    public byte[] Export()
    {
        byte[] seed = new byte[SizeInBytes];
        Export(seed);
        return seed;
    }

    /// <param name="message">Any length.</param>
    /// <param name="signature">Exactly 64 bytes.</param>
    public void Sign(ReadOnlySpan<byte> message, Span<byte> signature)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(signature.Length, SignatureSizeInBytes);
        nint context = LibCrypto.EVP_MD_CTX_new();
        try
        {
            LibCrypto.Check(LibCrypto.EVP_DigestSignInit(context, 0, 0, 0, _key));
            nuint length = SignatureSizeInBytes;
            fixed (byte* messagePointer = message, signaturePointer = signature)
            {
                LibCrypto.Check(LibCrypto.EVP_DigestSign(context, signaturePointer, &length, messagePointer, (nuint)message.Length));
            }
        }
        finally
        {
            LibCrypto.EVP_MD_CTX_free(context);
        }
    }

    public byte[] Sign(ReadOnlySpan<byte> message)
    {
        byte[] signature = new byte[SignatureSizeInBytes];
        Sign(message, signature);
        return signature;
    }

    public void Dispose() => _key.Dispose();
}
