using System.Security.Cryptography;
using Tacit.Crypto.Interop;

namespace Tacit.Crypto.Hpke;

/// <summary>X25519 (RFC 7748) on libcrypto's keys.</summary>
/// <remarks>
/// A private key becomes a libcrypto key for one call and is cleared after it. That takes 1 µs beside the 25 µs of a scalar multiplication if its public key is
/// handed over as well, which libcrypto would else compute; and so it rests nowhere but in locked memory.
/// </remarks>
internal static unsafe class X25519
{
    internal const int SizeInBytes = 32;

    private const int KeyPair = 0x87; // EVP_PKEY_KEYPAIR: parameters, public and private part

    [ThreadStatic]
    private static Scratch? s_scratch;

    private static Scratch ThreadScratch => s_scratch ??= new Scratch();

    /// <summary>A key pair, of which libcrypto holds the private half.</summary>
    internal static SafeEvpKeyHandle Generate()
    {
        nint key = 0;
        LibCrypto.Check(LibCrypto.EVP_PKEY_generate(ThreadScratch.Generation, &key));
        return new SafeEvpKeyHandle(key);
    }

    /// <summary>Computes the public key where it is not given.</summary>
    internal static SafeEvpKeyHandle Import(ReadOnlySpan<byte> privateKey, ReadOnlySpan<byte> publicKey = default)
    {
        nint key = 0;
        fixed (byte* privateName = "priv"u8, publicName = "pub"u8, privateBytes = privateKey, publicBytes = publicKey)
        {
            NativeParameter* parameters = stackalloc NativeParameter[3];
            parameters[0] = NativeParameter.OctetString(privateName, privateBytes, SizeInBytes);
            parameters[1] = publicKey.IsEmpty ? default : NativeParameter.OctetString(publicName, publicBytes, SizeInBytes);
            parameters[2] = default;
            LibCrypto.Check(LibCrypto.EVP_PKEY_fromdata(ThreadScratch.Import, &key, KeyPair, parameters));
        }

        return new SafeEvpKeyHandle(key);
    }

    internal static void ExportPublicKey(SafeEvpKeyHandle key, Span<byte> publicKey)
    {
        nuint length = SizeInBytes;
        fixed (byte* pointer = publicKey)
        {
            LibCrypto.Check(LibCrypto.EVP_PKEY_get_raw_public_key(key, pointer, &length));
        }
    }

    /// <summary>False where the shared secret is all zero: the peer's key has a small order (RFC 7748 §6.1, RFC 9180 §7.1.4).</summary>
    /// <param name="key">The private key; in use by this thread only.</param>
    /// <param name="publicKey">The peer's. The top bit is ignored, and numbers beyond the field's are reduced (RFC 7748 §5).</param>
    /// <param name="secret">32 bytes. Zeros where the result is false.</param>
    internal static bool TryAgree(SafeEvpKeyHandle key, ReadOnlySpan<byte> publicKey, Span<byte> secret)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(publicKey.Length, SizeInBytes);
        ArgumentOutOfRangeException.ThrowIfNotEqual(secret.Length, SizeInBytes);
        nint peer = ThreadScratch.Peer;
        nint context = LibCrypto.EVP_PKEY_CTX_new_from_pkey(0, key.DangerousGetHandle(), 0);
        try
        {
            nuint length = SizeInBytes;
            fixed (byte* publicBytes = publicKey, secretBytes = secret)
            {
                LibCrypto.Check(LibCrypto.EVP_PKEY_set1_encoded_public_key(peer, publicBytes, SizeInBytes));
                LibCrypto.Check(context == 0 ? 0 : LibCrypto.EVP_PKEY_derive_init(context));

                // No validation: any 32 bytes are a public key (RFC 7748 §5), and what matters shows in the result.
                LibCrypto.Check(LibCrypto.EVP_PKEY_derive_set_peer_ex(context, peer, 0));
                if (LibCrypto.EVP_PKEY_derive(context, secretBytes, &length) == 1 && !IsZero(secret))
                {
                    return true;
                }

                LibCrypto.ERR_clear_error();
                CryptographicOperations.ZeroMemory(secret);
                return false;
            }
        }
        finally
        {
            GC.KeepAlive(key);
            LibCrypto.EVP_PKEY_CTX_free(context);
        }
    }

    private static bool IsZero(ReadOnlySpan<byte> secret)
    {
        int any = 0;
        foreach (byte value in secret)
        {
            any |= value;
        }

        return any == 0;
    }

    /// <summary>A thread's libcrypto objects. Freed when the thread is gone.</summary>
    private sealed class Scratch : System.Runtime.ConstrainedExecution.CriticalFinalizerObject
    {
        internal Scratch()
        {
            Generation = LibCrypto.EVP_PKEY_CTX_new_from_name(0, "X25519", 0);
            Import = LibCrypto.EVP_PKEY_CTX_new_from_name(0, "X25519", 0);
            LibCrypto.Check(Generation == 0 || Import == 0 ? 0 : LibCrypto.EVP_PKEY_keygen_init(Generation) & LibCrypto.EVP_PKEY_fromdata_init(Import));
            byte* basePoint = stackalloc byte[SizeInBytes];
            new Span<byte>(basePoint, SizeInBytes).Clear();
            basePoint[0] = 9;
            Peer = LibCrypto.EVP_PKEY_new_raw_public_key(LibCrypto.EvpPkeyX25519, 0, basePoint, SizeInBytes);
            LibCrypto.Check(Peer == 0 ? 0 : 1);
        }

        ~Scratch()
        {
            LibCrypto.EVP_PKEY_free(Peer);
            LibCrypto.EVP_PKEY_CTX_free(Import);
            LibCrypto.EVP_PKEY_CTX_free(Generation);
        }

        internal nint Generation { get; }

        internal nint Import { get; }

        /// <summary>A public key that is given other bytes for each call.</summary>
        internal nint Peer { get; }
    }
}
