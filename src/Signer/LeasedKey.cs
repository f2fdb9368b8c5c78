using Tacit.Crypto;

namespace Tacit.Signer;

/// <summary>A private key that is wiped when it was retired and the last signature under way with it has ended.</summary>
internal sealed class LeasedKey
{
    private readonly BlindRsaPrivateKey _key;

    // One lease is the owner's own.
    private int _leases = 1;

    public LeasedKey(BlindRsaPrivateKey key)
    {
        _key = key;
    }

    /// <summary>Valid between a successful <see cref="TryLease"/> and its <see cref="Release"/>.</summary>
    public BlindRsaPrivateKey Key => _key;

    /// <summary>False once the key was retired.</summary>
    public bool TryLease()
    {
        int leases = Volatile.Read(ref _leases);
        while (leases > 0)
        {
            int seen = Interlocked.CompareExchange(ref _leases, leases + 1, leases);
            if (seen == leases)
            {
                return true;
            }

            leases = seen;
        }

        return false;
    }

    /// <summary>Ends a lease; the owner's own ends with the key.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref _leases) == 0)
        {
            _key.Dispose();
        }
    }
}
