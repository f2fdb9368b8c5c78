using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Tacit.Crypto.Interop;

namespace Tacit.Crypto;

/// <summary>Ed25519 public key (RFC 8032).</summary>
/// <remarks>Safe for use by several threads at once.</remarks>
public sealed unsafe class Ed25519PublicKey : IDisposable
{
    public const int SizeInBytes = 32;
    public const int SignatureSizeInBytes = 64;

    private readonly SafeEvpKeyHandle _key;

    private Ed25519PublicKey(SafeEvpKeyHandle key) => _key = key;

    /// <exception cref="CryptographicException">Not 32 bytes.</exception>
    public static Ed25519PublicKey Import(ReadOnlySpan<byte> publicKey) =>
        TryImport(publicKey, out Ed25519PublicKey? key)
            ? key
            : throw new CryptographicException("An Ed25519 public key has 32 bytes.");

    public static bool TryImport(ReadOnlySpan<byte> publicKey, [NotNullWhen(true)] out Ed25519PublicKey? key)
    {
        key = null;
        if (publicKey.Length != SizeInBytes)
        {
            return false;
        }

        fixed (byte* pointer = publicKey)
        {
            nint native = LibCrypto.EVP_PKEY_new_raw_public_key(LibCrypto.EvpPkeyEd25519, 0, pointer, SizeInBytes);
            if (native == 0)
            {
                LibCrypto.ERR_clear_error();
                return false;
            }

            key = new Ed25519PublicKey(new SafeEvpKeyHandle(native));
            return true;
        }
    }

    public byte[] Export()
    {
        byte[] bytes = new byte[SizeInBytes];
        nuint length = SizeInBytes;
        fixed (byte* pointer = bytes)
        {
            LibCrypto.Check(LibCrypto.EVP_PKEY_get_raw_public_key(_key, pointer, &length));
        }

        return bytes;
    }

    /// <summary>Whether these bytes are a point of the curve in its one encoding (RFC 8032, section 5.1.3); an import takes any 32.</summary>
    public static bool IsPoint(ReadOnlySpan<byte> publicKey) => publicKey.Length == SizeInBytes && Ed25519Curve.Has(publicKey);

    /// <summary>False for any signature that is wrong, of whatever length.</summary>
    public bool Verify(ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        if (signature.Length != SignatureSizeInBytes)
        {
            return false;
        }

        nint context = LibCrypto.EVP_MD_CTX_new();
        try
        {
            LibCrypto.Check(LibCrypto.EVP_DigestVerifyInit(context, 0, 0, 0, _key));
            fixed (byte* messagePointer = message, signaturePointer = signature)
            {
                int result = LibCrypto.EVP_DigestVerify(
                    context, signaturePointer, SignatureSizeInBytes, messagePointer, (nuint)message.Length);
                if (result != 1)
                {
                    LibCrypto.ERR_clear_error();
                }

                return result == 1;
            }
        }
        finally
        {
            LibCrypto.EVP_MD_CTX_free(context);
        }
    }

    public void Dispose() => _key.Dispose();
}
