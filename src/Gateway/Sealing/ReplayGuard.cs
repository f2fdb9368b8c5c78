using System.Buffers.Binary;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Tacit.Storage;

namespace Tacit.Gateway.Sealing;

/// <summary>
/// Takes every encapsulated key once (RFC 9458, section 6.5): over restarts and over all instances on the database, for as long as the request could be taken again. Its
/// rows are hashes of random keys, and say of the time no more than the <see cref="SlotSeconds"/> in which they are emptied.
/// </summary>
internal sealed partial class ReplayGuard : IAsyncDisposable
{
    /// <summary>How long a sealed request may be on its way.</summary>
    public static readonly TimeSpan Window = TimeSpan.FromSeconds(60);

    /// <summary>How far the clocks of client and gateway may be apart, either way.</summary>
    public static readonly TimeSpan Skew = TimeSpan.FromSeconds(30);

    /// <summary>Rows that are forgotten together.</summary>
    public const int SlotSeconds = 30;

    /// <summary>
    /// Entries of the memory of the last ones, a power of two: half a MiB. They need no end: an encapsulated key is never used again, and a clock that is set back
    /// after its rows were emptied finds the latest here.
    /// </summary>
    private const int Remembered = 1 << 15;

    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(SlotSeconds);

    /// <summary>Another instance, whose clock is behind, may still take what is over here.</summary>
    private static readonly TimeSpan s_grace = Skew + Skew;

    private readonly Database _database;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly UInt128[] _recent = new UInt128[Remembered];
    private readonly Lock _gate = new();
    private readonly ITimer _timer;
    private Task _sweep = Task.CompletedTask;

    public ReplayGuard(Database database, TimeProvider time, ILogger log)
    {
        _database = database;
        _time = time;
        _log = log;
        _timer = time.CreateTimer(_ => OnTimer(), null, s_interval, s_interval);
    }

    public static Migration Migration(int version) => new(version, "sealed requests taken", """
        -- until: UNIX seconds, the end of the slot in which the row is of no more use. Kept in that order, so that a slot is emptied as one range.
        CREATE TABLE sealed_taken (
            until {int} NOT NULL,
            id {blob} NOT NULL,
            PRIMARY KEY (until, id)
        ) {without_rowid};

        -- There in a store that was put back from a copy: what ends at or before it is taken no more, since the copy may not know of it.
        CREATE TABLE sealed_restored (
            id {int} NOT NULL PRIMARY KEY CHECK (id = 1),
            until {int} NOT NULL
        ) {without_rowid};
        """);

    /// <summary>
    /// Marks a store that was put back from a copy: what was sent before that moment is taken no more, by whichever clock that one takes requests by. So for as long
    /// as a client's clock may be ahead nothing is taken, and one whose clock is behind waits longer.
    /// </summary>
    public static void Mark(Session session, DateTimeOffset now) => session.Execute(
        "INSERT INTO sealed_restored (id, until) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET until = excluded.until", SlotOf(EndOf(now + Skew)));

    /// <summary>How far the clock of the sender is ahead of this one (negative: behind, the way included) if that is too much; null if the request is of this moment.</summary>
    public TimeSpan? FindSkew(DateTimeOffset sent)
    {
        TimeSpan ahead = sent - _time.GetUtcNow();
        return ahead > Skew || ahead < -(Window + Skew) ? ahead : null;
    }

    /// <summary>The end of what has to be remembered of a request that says when it was sent. The same at every instance.</summary>
    public static DateTimeOffset EndOf(DateTimeOffset sent) => sent + Window + Skew;

    /// <summary>
    /// Whether this instance lately took a request with this encapsulated key: a cheap look before the dear checks. False proves nothing.
    /// </summary>
    public bool HasTaken(ReadOnlySpan<byte> encapsulatedKey)
    {
        UInt128 id = ShortId(Id(encapsulatedKey));
        lock (_gate)
        {
            return _recent[(int)(id & (Remembered - 1))] == id;
        }
    }

    /// <summary>
    /// Takes a request, durably, before anything is done for it. To be called once the request has been opened, so that junk reaches no disk.
    /// </summary>
    /// <param name="encapsulatedKey">Random, and authenticated by the opening.</param>
    /// <param name="until">When the request is refused for its age, from then on; made of nothing but what the opening authenticates.</param>
    /// <returns>False if it was taken before, or its time is over.</returns>
    /// <exception cref="StorageException">It may or may not have been taken. The client sends a fresh one.</exception>
    public async Task<bool> TryTakeAsync(ReadOnlyMemory<byte> encapsulatedKey, DateTimeOffset until)
    {
        byte[] id = Id(encapsulatedKey.Span);
        long slot = SlotOf(until);
        bool isTaken = await _database.WriteAsync(session => session.Execute(
            """
            INSERT INTO sealed_taken (until, id) SELECT $1, $2 WHERE NOT EXISTS (SELECT 1 FROM sealed_restored WHERE until >= $1)
            ON CONFLICT (until, id) DO NOTHING
            """,
            slot, id) == 1);
        Remember(ShortId(id));
        return isTaken;
    }

    public async ValueTask DisposeAsync()
    {
        await _timer.DisposeAsync();
        await _sweep;
    }

    private void OnTimer()
    {
        if (_sweep.IsCompleted)
        {
            _sweep = SweepAsync();
        }
    }

    private async Task SweepAsync()
    {
        // Up to and including the last slot that is over at every instance.
        long over = SlotOf(_time.GetUtcNow() - s_grace) - SlotSeconds;
        try
        {
            await _database.WriteAsync(session => session.Execute("DELETE FROM sealed_taken WHERE until <= $1", over));
        }
        catch (Exception e) when (e is StorageException or ObjectDisposedException)
        {
            LogNotSwept(_log, (e as StorageException)?.Kind ?? StorageErrorKind.Unavailable);
        }
    }

    private void Remember(UInt128 id)
    {
        lock (_gate)
        {
            _recent[(int)(id & (Remembered - 1))] = id;
        }
    }

    /// <summary>The end of the slot that a moment falls into: never before the moment itself.</summary>
    private static long SlotOf(DateTimeOffset moment)
    {
        long seconds = (moment.ToUnixTimeMilliseconds() + 999) / 1000;
        return (seconds + SlotSeconds - 1) / SlotSeconds * SlotSeconds;
    }

    private static byte[] Id(ReadOnlySpan<byte> encapsulatedKey) => SHA256.HashData(encapsulatedKey);

    /// <summary>Half of it says enough: whoever finds two alike has two requests of his own.</summary>
    private static UInt128 ShortId(byte[] id) => BinaryPrimitives.ReadUInt128BigEndian(id);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Old sealed requests could not be forgotten ({Kind}); tried again in a moment.")]
    private static partial void LogNotSwept(ILogger log, StorageErrorKind kind);
}
