using System.Runtime.InteropServices;

namespace Tacit.Crypto.Interop;

/// <summary>
/// One safe handle over native numbers that live and die together: a key, a blinding pair, a thread's scratch. Everything is cleared
/// when it is freed, secret or not.
/// </summary>
/// <remarks>
/// A handle per number would be the obvious shape, but an operation uses ten of them and a product check thousands of times four; one
/// reference count per operation protects them all at once.
/// </remarks>
internal abstract class NativeGroup : SafeHandle
{
    private readonly List<BigNum> _numbers = [];
    private readonly List<Montgomery> _moduli = [];
    private BigNumContext _context;
    private volatile bool _disposed;

    protected NativeGroup()
        : base(0, ownsHandle: true) => SetHandle(1);

    public sealed override bool IsInvalid => handle == 0;

    /// <summary>Keeps the group from being freed until the lease is disposed.</summary>
    /// <exception cref="ObjectDisposedException">The group was disposed.</exception>
    internal Lease Use() => new(this);

    internal BigNum NewNumber()
    {
        BigNum number = LibCrypto.BN_new();
        if (number.IsNull)
        {
            throw new InsufficientMemoryException();
        }

        _numbers.Add(number);
        return number;
    }

    /// <summary>A number on which libcrypto must take its constant-time paths.</summary>
    internal BigNum NewSecret()
    {
        BigNum number = NewNumber();
        LibCrypto.BN_set_flags(number, LibCrypto.FlagConstantTime);
        return number;
    }

    /// <summary>Prepares a modulus. The modulus's own flags must be set before.</summary>
    internal Montgomery NewMontgomery(BigNum modulus, BigNumContext context)
    {
        Montgomery montgomery = LibCrypto.BN_MONT_CTX_new();
        if (montgomery.Pointer == 0)
        {
            throw new InsufficientMemoryException();
        }

        _moduli.Add(montgomery);
        LibCrypto.Check(LibCrypto.BN_MONT_CTX_set(montgomery, modulus, context));
        return montgomery;
    }

    protected BigNumContext NewContext()
    {
        _context = LibCrypto.BN_CTX_new();
        return _context.Pointer == 0 ? throw new InsufficientMemoryException() : _context;
    }

    /// <summary>
    /// A SafeHandle counts as closed only when the last reference goes, which under steady use by several threads may be never. From here
    /// on no new use begins, so that it does go.
    /// </summary>
    protected override void Dispose(bool disposing)
    {
        _disposed = true;
        base.Dispose(disposing);
    }

    protected override bool ReleaseHandle()
    {
        foreach (BigNum number in _numbers)
        {
            LibCrypto.BN_clear_free(number);
        }

        foreach (Montgomery montgomery in _moduli)
        {
            LibCrypto.BN_MONT_CTX_free(montgomery); // clears: it holds the modulus
        }

        LibCrypto.BN_CTX_free(_context);
        return true;
    }

    internal readonly ref struct Lease
    {
        private readonly NativeGroup _group;

        internal Lease(NativeGroup group)
        {
            ObjectDisposedException.ThrowIf(group._disposed, group);
            bool added = false;
            group.DangerousAddRef(ref added);
            _group = group;
        }

        public void Dispose() => _group.DangerousRelease();
    }
}

/// <summary>A libcrypto <c>EVP_PKEY</c>.</summary>
internal sealed class SafeEvpKeyHandle : SafeHandle
{
    internal SafeEvpKeyHandle(nint key)
        : base(0, ownsHandle: true) => SetHandle(key);

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        LibCrypto.EVP_PKEY_free(handle); // clears a private key
        return true;
    }
}

/// <summary>A libcrypto <c>EVP_CIPHER_CTX</c>, of one thread.</summary>
internal sealed class SafeCipherContext : SafeHandle
{
    internal SafeCipherContext(nint context)
        : base(0, ownsHandle: true) => SetHandle(context);

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        LibCrypto.EVP_CIPHER_CTX_free(handle); // clears
        return true;
    }
}
