using System.Runtime.InteropServices;

namespace Tacit.Crypto;

/// <summary>How much of the memory that holds long-lived secrets is locked.</summary>
/// <param name="LockedSizeInBytes">Memory that is never swapped nor written to a core dump.</param>
/// <param name="UnlockedSizeInBytes">Memory that the system would not lock. Used all the same.</param>
/// <param name="Problem">Why not; null where everything is locked.</param>
public readonly record struct LockedMemoryStatus(long LockedSizeInBytes, long UnlockedSizeInBytes, string? Problem)
{
    /// <summary>What an operator does about it.</summary>
    public const string Remedy = "Raise RLIMIT_MEMLOCK (LimitMEMLOCK= in the unit, ulimit -l in a shell), or turn swap off.";

    public bool IsLocked => Problem is null;
}

/// <summary>
/// The memory in which HPKE's private keys, contexts and exporter secrets lie (<c>mlock</c>, <c>MADV_DONTDUMP</c>, a page that faults on either side). While a
/// computation runs, parts of a secret are also in registers and on its thread's stack, which is wiped after it but not locked.
/// </summary>
public static unsafe partial class LockedMemory
{
    /// <summary>A context's key, nonce and exporter secret together need 76 bytes, the hybrid private key's expansion 96.</summary>
    internal const int SlotSize = 128;

    private const int ChunkSize = 64 * 1024;
    private const int DontDump = 16; // MADV_DONTDUMP
    private const int PrivateAnonymous = 0x22; // MAP_PRIVATE | MAP_ANONYMOUS
    private const int ReadWrite = 3; // PROT_READ | PROT_WRITE

    private static readonly Lock s_lock = new();
    private static readonly Stack<nint> s_free = new();
    private static long s_locked;
    private static long s_unlocked;
    private static string? s_problem;

    /// <summary>The first look reserves and locks 64 KiB, so that it is true before the first key is made.</summary>
    public static LockedMemoryStatus Status
    {
        get
        {
            lock (s_lock)
            {
                if (s_locked + s_unlocked == 0)
                {
                    Grow();
                }

                return new LockedMemoryStatus(s_locked, s_unlocked, s_problem);
            }
        }
    }

    internal static nint Rent()
    {
        lock (s_lock)
        {
            if (s_free.Count == 0)
            {
                Grow();
            }

            return s_free.Pop();
        }
    }

    internal static void Return(nint slot)
    {
        lock (s_lock)
        {
            s_free.Push(slot);
        }
    }

    private static void Grow()
    {
        int page = Environment.SystemPageSize;
        nint region = mmap(0, (nuint)(ChunkSize + (2 * page)), 0, PrivateAnonymous, -1, 0);
        nint start = region + page;
        if (region == -1 || mprotect(start, ChunkSize, ReadWrite) != 0)
        {
            throw new InsufficientMemoryException();
        }

        if (mlock(start, ChunkSize) != 0)
        {
            int error = Marshal.GetLastPInvokeError();
            s_problem ??= $"the system did not lock {ChunkSize / 1024} KiB of memory for keys: {Marshal.GetPInvokeErrorMessage(error)}";
            s_unlocked += ChunkSize;
        }
        else
        {
            s_locked += ChunkSize;
        }

        _ = madvise(start, ChunkSize, DontDump); // fails only on kernels older than this runtime supports
        for (nint slot = start + ChunkSize - SlotSize; slot >= start; slot -= SlotSize)
        {
            s_free.Push(slot);
        }
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint mmap(nint address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc")]
    private static partial int mprotect(nint address, nuint length, int protection);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int mlock(nint address, nuint length);

    [LibraryImport("libc")]
    private static partial int madvise(nint address, nuint length, int advice);
}
