using System.Collections.Concurrent;
using System.Diagnostics;
using Tacit.Storage;

namespace Tacit.Gateway.Pseudonyms;

/// <summary>What came of counting a request.</summary>
/// <param name="Wait">How long until there is room again; null if it was counted.</param>
/// <param name="At">When it was counted.</param>
internal readonly record struct QuotaTaken(TimeSpan? Wait, DateTimeOffset At);

/// <summary>
/// Counts the requests of each pseudonym in windows of the clock, over restarts and instances. An instance sets requests aside in the database, a sixteenth of the limit
/// at a time and 32 at most, and gives them out from memory: no limit is ever overshot, however many instances there are, and the database is asked once for many
/// requests. What a process that died had set aside is lost to its pseudonym for that window: less than a sixteenth of the limit for each.
/// </summary>
internal sealed class PseudonymQuota
{
    private const int MaxChunk = 32;
    private const int ChunksPerLimit = 16;

    private readonly ConcurrentDictionary<string, Counter> _counters = new();
    private readonly Database _database;
    private readonly TimeProvider _time;
    private readonly (long Span, int Limit)[] _limits;

    public PseudonymQuota(Database database, PseudonymLimits limits, TimeProvider time)
    {
        _database = database;
        _time = time;
        _limits = [.. new[] { (60L, limits.PerMinute), (3600L, limits.PerHour), (86400L, limits.PerDay) }
            .Where(entry => entry.Item2 is not null).Select(entry => (entry.Item1, entry.Item2!.Value))];
    }

    /// <summary>The windows, in seconds.</summary>
    public static IReadOnlyList<long> Spans { get; } = [60, 3600, 86400];

    /// <summary>Counts a request, or says how long until there is room again: then nothing was counted.</summary>
    /// <exception cref="StorageException">Nothing was counted.</exception>
    public async ValueTask<QuotaTaken> TakeAsync(string id)
    {
        if (_limits.Length == 0)
        {
            return new QuotaTaken(null, default);
        }

        while (true)
        {
            Counter counter = _counters.GetOrAdd(id, static (_, count) => new Counter(count), _limits.Length);
            TaskCompletionSource? reserving = null;
            Task? already;
            DateTimeOffset now = _time.GetUtcNow();
            lock (counter)
            {
                if (counter.IsDropped)
                {
                    continue;
                }

                Roll(counter, now);
                if (Array.TrueForAll(counter.Windows, window => window.Available > 0))
                {
                    foreach (Window window in counter.Windows)
                    {
                        window.Available--;
                    }

                    return new QuotaTaken(null, now);
                }

                if (LongestWait(counter, now) is TimeSpan wait)
                {
                    return new QuotaTaken(wait, now);
                }

                already = counter.Reserving;
                if (already is null)
                {
                    reserving = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                    counter.Reserving = reserving.Task;
                }
            }

            if (reserving is null)
            {
                await already!;
                continue;
            }

            try
            {
                await ReserveAsync(id, counter);
            }
            finally
            {
                lock (counter)
                {
                    counter.Reserving = null;
                }

                reserving.SetResult();
            }
        }
    }

    /// <summary>A request that was counted did not come to be.</summary>
    public void GiveBack(string id, QuotaTaken taken)
    {
        if (_limits.Length > 0 && _counters.TryGetValue(id, out Counter? counter))
        {
            lock (counter)
            {
                for (int i = 0; i < _limits.Length; i++)
                {
                    // In a window that began since it would be one that nobody set aside.
                    if (counter.Windows[i].Slot == taken.At.ToUnixTimeSeconds() / _limits[i].Span)
                    {
                        counter.Windows[i].Available++;
                    }
                }
            }
        }
    }

    /// <summary>Forgets pseudonyms of which nothing is set aside in a window that still counts.</summary>
    public void Trim()
    {
        DateTimeOffset now = _time.GetUtcNow();
        foreach ((string id, Counter counter) in _counters)
        {
            lock (counter)
            {
                Roll(counter, now);
                if (counter.Reserving is null && Array.TrueForAll(counter.Windows, window => window.Available == 0 && !window.IsExhausted))
                {
                    counter.IsDropped = true;
                    _counters.TryRemove(id, out _);
                }
            }
        }
    }

    /// <summary>Gives back to the database what was set aside and not used, before a stop.</summary>
    public async Task ReturnAsync()
    {
        DateTimeOffset now = _time.GetUtcNow();
        var unused = new List<(string Id, long Span, long Slot, int Count)>();
        foreach ((string id, Counter counter) in _counters)
        {
            lock (counter)
            {
                Roll(counter, now);
                for (int i = 0; i < _limits.Length; i++)
                {
                    if (counter.Windows[i].Available > 0)
                    {
                        unused.Add((id, _limits[i].Span, counter.Windows[i].Slot, counter.Windows[i].Available));
                        counter.Windows[i].Available = 0;
                    }
                }
            }
        }

        if (unused.Count > 0)
        {
            await _database.WriteAsync(session =>
            {
                foreach ((string id, long span, long slot, int count) in unused)
                {
                    session.Execute(
                        "UPDATE pseudonym_count SET used = used - $4 WHERE span = $1 AND slot = $2 AND pseudonym = $3 AND used >= $4", span, slot, id, count);
                }
            });
        }
    }

    private async Task ReserveAsync(string id, Counter counter)
    {
        var wanted = new List<(int Index, long Span, long Slot, int Limit)>();
        lock (counter)
        {
            for (int i = 0; i < _limits.Length; i++)
            {
                if (counter.Windows[i].Available == 0)
                {
                    wanted.Add((i, _limits[i].Span, counter.Windows[i].Slot, _limits[i].Limit));
                }
            }
        }

        int[] granted = await _database.WriteAsync(session => wanted.Select(window => Reserve(session, id, window.Span, window.Slot, window.Limit)).ToArray());
        lock (counter)
        {
            for (int i = 0; i < wanted.Count; i++)
            {
                // A window that ended meanwhile takes what was set aside in it along.
                Window window = counter.Windows[wanted[i].Index];
                if (window.Slot == wanted[i].Slot)
                {
                    window.Available += granted[i];
                    window.IsExhausted = granted[i] == 0;
                }
            }
        }
    }

    /// <summary>The condition of the update keeps the limit, whatever other instances do at the same time.</summary>
    private static int Reserve(Session session, string id, long span, long slot, int limit)
    {
        session.Execute(
            "INSERT INTO pseudonym_count (pseudonym, span, slot, used) VALUES ($1, $2, $3, 0) ON CONFLICT (span, slot, pseudonym) DO NOTHING", id, span, slot);
        for (int chunk = Math.Clamp(limit / ChunksPerLimit, 1, MaxChunk); chunk > 0; chunk /= 2)
        {
            if (session.Execute(
                "UPDATE pseudonym_count SET used = used + $4 WHERE span = $1 AND slot = $2 AND pseudonym = $3 AND used <= $5", span, slot, id, chunk, limit - chunk) > 0)
            {
                return chunk;
            }
        }

        return 0;
    }

    private void Roll(Counter counter, DateTimeOffset now)
    {
        for (int i = 0; i < _limits.Length; i++)
        {
            long slot = now.ToUnixTimeSeconds() / _limits[i].Span;
            if (counter.Windows[i].Slot != slot)
            {
                counter.Windows[i] = new Window { Slot = slot };
            }
        }
    }

    private TimeSpan? LongestWait(Counter counter, DateTimeOffset now)
    {
        TimeSpan? longest = null;
        for (int i = 0; i < _limits.Length; i++)
        {
            Window window = counter.Windows[i];
            if (window.IsExhausted && window.Available == 0)
            {
                TimeSpan wait = DateTimeOffset.FromUnixTimeSeconds((window.Slot + 1) * _limits[i].Span) - now;
                longest = longest > wait ? longest : wait;
            }
        }

        return longest;
    }

    private sealed class Counter(int windows)
    {
        public Window[] Windows { get; } = [.. Enumerable.Range(0, windows).Select(_ => new Window { Slot = -1 })];

        public Task? Reserving { get; set; }

        public bool IsDropped { get; set; }
    }

    [DebuggerDisplay("{Slot}: {Available}")]
    private sealed class Window
    {
        public long Slot { get; init; }

        /// <summary>Set aside for this instance and not used yet.</summary>
        public int Available { get; set; }

        /// <summary>Nothing more can be set aside.</summary>
        public bool IsExhausted { get; set; }
    }
}
