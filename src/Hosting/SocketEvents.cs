using System.Globalization;
using System.Runtime.InteropServices;

namespace Tacit.Hosting;

/// <summary>
/// The runtime's threads that wait for sockets and hand on what happens there. Linux lets a thread that wakes push aside the one that runs, and so on a busy processor they
/// interrupt a worker for every packet, who would have come to it a few microseconds later anyway. Under SCHED_BATCH (sched(7)) they wait for their turn
/// and find many events at once; where a processor is free nothing changes (docs/adr/0033).
/// </summary>
public sealed partial class SocketEvents : IDisposable
{
    private const int OrdinaryPolicy = 0;
    private const int BatchPolicy = 3;

    /// <summary>How the runtime calls these threads; the kernel's own list has the same names.</summary>
    internal const string ThreadName = ".NET Sockets";

    internal const string ThreadList = "/proc/self/task";

    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(0.5);

    private readonly Func<bool>? _isUrgent;
    private readonly ITimer? _timer;

    /// <summary>Those that took the policy; they live as long as the process. Looked for once: a change needs no file, which a crowd of connections could leave none for.</summary>
    private readonly int[] _threads;
    private bool _isInTurn = true;

    private SocketEvents(Func<bool>? isUrgent, TimeProvider time)
    {
        _isUrgent = isUrgent;
        _threads = [.. Threads().Where(thread => sched_getscheduler(thread) == OrdinaryPolicy && TrySet(thread, BatchPolicy))];
        _timer = _threads.Length > 0 && isUrgent is not null ? time.CreateTimer(static turns => ((SocketEvents)turns!).Look(), this, s_look, s_look) : null;
    }

    /// <summary>
    /// Puts these threads under SCHED_BATCH, once sockets are in use: before, there are none. Does nothing where the system is not Linux or forbids the call, nor to threads
    /// that the operator gave another policy than the usual one.
    /// </summary>
    /// <param name="isUrgent">
    /// Asked twice a second: while it says so, these threads are as they were. With more work than a processor can ever do, whoever waits for a turn waits long.
    /// </param>
    /// <param name="time">For that.</param>
    /// <returns>Ends the looking when it is disposed of; the policy stays.</returns>
    public static SocketEvents TakeInTurn(Func<bool>? isUrgent, TimeProvider time) => new(isUrgent, time);

    public void Dispose() => _timer?.Dispose();

    private void Look()
    {
        bool inTurn = !_isUrgent!();
        if (inTurn != _isInTurn)
        {
            _isInTurn = inTurn;
            foreach (int thread in _threads)
            {
                TrySet(thread, inTurn ? BatchPolicy : OrdinaryPolicy);
            }
        }
    }

    private static bool TrySet(int thread, int policy)
    {
        int noPriority = 0;
        return sched_setscheduler(thread, policy, in noPriority) == 0;
    }

    private static int[] Threads()
    {
        try
        {
            return OperatingSystem.IsLinux() && Directory.Exists(ThreadList)
                ? [.. Directory.EnumerateDirectories(ThreadList).Where(IsForSockets).Select(thread => int.Parse(Path.GetFileName(thread), CultureInfo.InvariantCulture))]
                : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>Whether the thread with this folder is one of them; a thread that has ended meanwhile is not.</summary>
    internal static bool IsForSockets(string thread)
    {
        try
        {
            return File.ReadAllText(Path.Combine(thread, "comm")).TrimEnd() == ThreadName;
        }
        catch (IOException)
        {
            return false;
        }
    }

    [LibraryImport("libc")]
    private static partial int sched_getscheduler(int thread);

    [LibraryImport("libc")]
    private static partial int sched_setscheduler(int thread, int policy, in int priority);
}
