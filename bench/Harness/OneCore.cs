using System.Runtime.InteropServices;

namespace Tacit.Bench.Harness;

/// <summary>Runs a loop on one core and counts its CPU time, as <c>openssl speed</c> counts its own.</summary>
/// <remarks>Where other programs share the core, elapsed time would measure them.</remarks>
internal static unsafe partial class OneCore
{
    private const int ThreadCpuTime = 3; // CLOCK_THREAD_CPUTIME_ID

    /// <summary>The core used, the last one: the first serves most interrupts.</summary>
    internal static int Index => Environment.ProcessorCount - 1;

    /// <summary>Operations per CPU second.</summary>
    internal static Task<double> RateAsync(Action operation, int operationsPerCall, TimeSpan time) => Task.Factory.StartNew(
        () =>
        {
            Pin();
            for (long until = CpuNanoseconds() + (long)(time.TotalNanoseconds / 10); CpuNanoseconds() < until;)
            {
                operation(); // warms caches, blinding pairs and the JIT
            }

            long started = CpuNanoseconds();
            long deadline = started + (long)time.TotalNanoseconds;
            long calls = 0;
            long now;
            do
            {
                operation();
                calls++;
                now = CpuNanoseconds();
            }
            while (now < deadline);
            return calls * operationsPerCall * 1e9 / (now - started);
        },
        CancellationToken.None,
        TaskCreationOptions.LongRunning,
        TaskScheduler.Default);

    private static void Pin()
    {
        nuint* set = stackalloc nuint[16]; // 1024 processors, as glibc's cpu_set_t
        set[Index / (8 * sizeof(nuint))] = (nuint)1 << (Index % (8 * sizeof(nuint)));
        _ = sched_setaffinity(0, (nuint)(16 * sizeof(nuint)), set); // this thread only
    }

    private static long CpuNanoseconds()
    {
        long* time = stackalloc long[2];
        _ = clock_gettime(ThreadCpuTime, time);
        return (time[0] * 1_000_000_000) + time[1];
    }

    [LibraryImport("libc")]
    private static partial int sched_setaffinity(int process, nuint size, nuint* set);

    [LibraryImport("libc")]
    private static partial int clock_gettime(int clock, long* time);
}
