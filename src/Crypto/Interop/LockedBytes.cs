using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Tacit.Crypto.Interop;

/// <summary>
/// Up to 128 bytes of a secret that outlives a call, in memory that is neither swapped nor dumped where the system allows it (<see cref="LockedMemory"/>).
/// Wiped when it is freed.
/// </summary>
/// <remarks>
/// The collector moves and copies what lies on its heap, and libcrypto's own secure heap is the whole process's: when it is full, whoever asks next fails, a TLS
/// handshake among others.
/// </remarks>
internal sealed unsafe class LockedBytes : SafeHandle
{
    internal const int Capacity = LockedMemory.SlotSize;

    private volatile bool _disposed;

    internal LockedBytes()
        : base(0, ownsHandle: true) => SetHandle(LockedMemory.Rent());

    public override bool IsInvalid => handle == 0;

    /// <summary>Keeps the bytes from being freed, and given to another, until the lease is disposed.</summary>
    /// <exception cref="ObjectDisposedException">They were disposed.</exception>
    internal Lease Use() => new(this);

    /// <summary>As in <see cref="NativeGroup"/>: from here on no new use begins.</summary>
    protected override void Dispose(bool disposing)
    {
        _disposed = true;
        base.Dispose(disposing);
    }

    protected override bool ReleaseHandle()
    {
        CryptographicOperations.ZeroMemory(new Span<byte>((void*)handle, Capacity));
        LockedMemory.Return(handle);
        return true;
    }

    internal readonly ref struct Lease
    {
        private readonly LockedBytes _owner;

        internal Lease(LockedBytes owner)
        {
            ObjectDisposedException.ThrowIf(owner._disposed, owner);
            bool added = false;
            owner.DangerousAddRef(ref added);
            _owner = owner;
        }

        internal Span<byte> Bytes => new((void*)_owner.handle, Capacity);

        public void Dispose() => _owner.DangerousRelease();
    }
}
