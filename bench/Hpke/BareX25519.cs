using System.Security.Cryptography;
using Tacit.Crypto.Hpke;
using Tacit.Crypto.Interop;

namespace Tacit.Bench.Hpke;

/// <summary>What libcrypto needs for one scalar multiplication alone, with every object prepared beforehand.</summary>
internal sealed unsafe class BareX25519 : IDisposable
{
    private readonly byte[] _scalar = RandomNumberGenerator.GetBytes(X25519.SizeInBytes);
    private readonly SafeEvpKeyHandle _key = X25519.Generate();
    private readonly SafeEvpKeyHandle _peer = X25519.Generate();
    private readonly nint _context;

    internal BareX25519()
    {
        _context = LibCrypto.EVP_PKEY_CTX_new_from_pkey(0, _key.DangerousGetHandle(), 0);
        LibCrypto.Check(_context == 0 ? 0 : LibCrypto.EVP_PKEY_derive_init(_context));
        LibCrypto.Check(LibCrypto.EVP_PKEY_derive_set_peer_ex(_context, _peer.DangerousGetHandle(), 0));
    }

    /// <summary>Of another's point: what a recipient needs, and half of what a sender does.</summary>
    internal void Multiply()
    {
        byte* secret = stackalloc byte[X25519.SizeInBytes];
        nuint length = X25519.SizeInBytes;
        LibCrypto.Check(LibCrypto.EVP_PKEY_derive(_context, secret, &length));
    }

    /// <summary>Of the base point. libcrypto has this only as part of making a key.</summary>
    internal void MultiplyBase() => X25519.Import(_scalar).Dispose();

    public void Dispose()
    {
        LibCrypto.EVP_PKEY_CTX_free(_context);
        _key.Dispose();
        _peer.Dispose();
    }
}
