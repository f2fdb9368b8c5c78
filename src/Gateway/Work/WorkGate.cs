using System.Buffers.Binary;
using System.Security.Cryptography;
using Tacit.Protocol;

namespace Tacit.Gateway.Work;

/// <summary>What came of looking at a stamp.</summary>
internal enum WorkVerdict
{
    /// <summary>Enough, or none is asked for.</summary>
    Enough,

    /// <summary>There is none, or it cannot be read.</summary>
    Missing,

    /// <summary>For no challenge that is taken now.</summary>
    Expired,

    /// <summary>Fewer bits than are asked for, under this digest: so also one that was made for another request.</summary>
    TooEasy,

    /// <summary>Taken before.</summary>
    Reused,

    /// <summary>More stamps than are remembered came under this challenge.</summary>
    Full,
}

/// <summary>
/// Asks for proof of work, the more the busier this instance is, and looks at what comes: one hash, and one look into a table. Challenges are the same at all
/// instances on one database, which share the secret they are made from; the load and the memory of stamps are each instance's own. Thread safe.
/// </summary>
internal sealed class WorkGate : IAsyncDisposable
{
    public const int SecretSizeInBytes = 32;

    /// <summary>Stamps remembered under one challenge: about 40 MB, and more than an instance can serve within it.</summary>
    private const int MaxRemembered = 1 << 20;

    /// <summary>For how long fewer bits are still enough after more are asked for: whoever began to work was told so then.</summary>
    private const int LooksOfGrace = 30;

    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(1);

    private readonly WorkOptions _options;
    private readonly byte[] _secret;
    private readonly Func<WorkLoad> _load;
    private readonly TimeProvider _time;
    private readonly int _maxRemembered;
    private readonly WorkDifficulty _difficulty;
    private readonly int[] _recent = new int[LooksOfGrace];
    private readonly Lock _gate = new();
    private readonly ITimer? _timer;
    private Epoch[] _epochs = [];
    private int _looks;
    private int _bits;
    private int _enough;

    /// <param name="options">Which requests, how much.</param>
    /// <param name="secret">32 bytes that all instances share.</param>
    /// <param name="load">How busy this instance is; asked once a second.</param>
    /// <param name="time">The clock.</param>
    /// <param name="maxRemembered">Stamps remembered under one challenge.</param>
    public WorkGate(WorkOptions options, ReadOnlySpan<byte> secret, Func<WorkLoad> load, TimeProvider time, int maxRemembered = MaxRemembered)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(secret.Length, SecretSizeInBytes);
        (_options, _secret, _load, _time, _maxRemembered) = (options, secret.ToArray(), load, time, maxRemembered);
        _difficulty = new WorkDifficulty(options);
        _bits = _enough = _difficulty.Bits;
        Array.Fill(_recent, _bits);
        _timer = options.For.Count > 0 ? time.CreateTimer(_ => Look(), null, s_look, s_look) : null;
    }

    /// <summary>Whether work can be asked for anything here.</summary>
    public bool IsOn => _options.For.Count > 0;

    /// <summary>Whether work can be asked for this kind of request.</summary>
    public bool IsFor(string kind) => _options.For.Contains(kind);

    /// <summary>Bits that are asked for now.</summary>
    public int Bits => Volatile.Read(ref _bits);

    /// <summary>What is asked for now, for <c>GET /api/pubkey</c> and errors.</summary>
    public WorkAnnouncement Announce(int atLeast = 0)
    {
        Epoch current = EpochAt(EpochNumber());
        return new WorkAnnouncement(current.Challenge, Math.Max(Bits, atLeast), (current.Number + 2) * (long)_options.Epoch.TotalSeconds);
    }

    /// <summary>A sealed request, before anything of it is opened.</summary>
    /// <param name="digest">SHA-256(encapsulated key ‖ ciphertext).</param>
    /// <param name="stamp">As it came beside the ciphertext; null for none.</param>
    /// <returns>Null if the request may go on.</returns>
    public ApiError? Check(ReadOnlySpan<byte> digest, string? stamp) => Check(WorkKinds.Sealed, digest, stamp);

    /// <summary>A request of a kind; null if it may go on.</summary>
    public ApiError? Check(string kind, ReadOnlySpan<byte> digest, string? stamp)
    {
        int atLeast = kind == WorkKinds.Registration ? _options.RegistrationBits : 0;
        return _options.For.Contains(kind) ? Explain(Judge(digest, stamp, atLeast), atLeast) : null;
    }

    /// <summary>A plain request: see <see cref="WorkStamp.DigestOf"/>.</summary>
    public ApiError? Check(string kind, ReadOnlySpan<byte> path, ReadOnlySpan<byte> body, string? stamp)
    {
        if (!_options.For.Contains(kind))
        {
            return null;
        }

        Span<byte> digest = stackalloc byte[WorkStamp.DigestSizeInBytes];
        WorkStamp.DigestOf(path, body, digest);
        return Check(kind, digest, stamp);
    }

    internal WorkVerdict Judge(ReadOnlySpan<byte> digest, string? text, int atLeast = 0)
    {
        int bits = Math.Max(Volatile.Read(ref _enough), atLeast);
        if (bits == 0)
        {
            return WorkVerdict.Enough;
        }

        if (!WorkStamp.TryParse(text, out WorkStamp stamp))
        {
            return WorkVerdict.Missing;
        }

        // The one before is still taken, and the next may already be given out by an instance whose clock is ahead.
        long now = EpochNumber();
        Epoch? epoch = stamp.IsFor(EpochAt(now).Challenge) ? EpochAt(now)
            : stamp.IsFor(EpochAt(now - 1).Challenge) ? EpochAt(now - 1)
            : stamp.IsFor(EpochAt(now + 1).Challenge) ? EpochAt(now + 1)
            : null;
        if (epoch is null)
        {
            return WorkVerdict.Expired;
        }

        if (stamp.CountBits(digest, out UInt128 name) < bits)
        {
            return WorkVerdict.TooEasy;
        }

        return epoch.Used.TryAdd(name, out bool isFull) ? WorkVerdict.Enough : isFull ? WorkVerdict.Full : WorkVerdict.Reused;
    }

    /// <summary>A look at the load; the timer's, and the tests'.</summary>
    internal void Look()
    {
        lock (_gate)
        {
            _difficulty.Look(_load());
            _recent[_looks++ % LooksOfGrace] = _difficulty.Bits;
            Volatile.Write(ref _bits, _difficulty.Bits);
            Volatile.Write(ref _enough, _recent.Min());
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_timer is not null)
        {
            await _timer.DisposeAsync();
        }

        CryptographicOperations.ZeroMemory(_secret);
    }

    private ApiError? Explain(WorkVerdict verdict, int atLeast) => verdict switch
    {
        WorkVerdict.Enough => null,
        WorkVerdict.Full => ApiError.Create(ErrorCodes.GatewayBusy, "More work came in than this gateway remembers; try again in a moment."),
        _ => ApiError.Create(
            ErrorCodes.WorkRequired,
            verdict switch
            {
                WorkVerdict.Missing => "The gateway asks for a proof of work: find a counter for error.work and repeat the request with it in Tacit-Work.",
                WorkVerdict.Expired => "The proof of work is for a challenge that is over; find one for error.work.",
                WorkVerdict.Reused => "The proof of work was used before; find another for error.work, from a random counter on.",
                _ => "The proof of work has too few bits for this request; find one for error.work.",
            },
            Routes.WorkHeader) with
        { Work = Announce(atLeast) },
    };

    private long EpochNumber() => _time.GetUtcNow().ToUnixTimeSeconds() / (long)_options.Epoch.TotalSeconds;

    private Epoch EpochAt(long number)
    {
        foreach (Epoch epoch in Volatile.Read(ref _epochs))
        {
            if (epoch.Number == number)
            {
                return epoch;
            }
        }

        lock (_gate)
        {
            Epoch? known = Array.Find(_epochs, epoch => epoch.Number == number);
            if (known is null)
            {
                // By now's number and not by the one asked for: what is taken no more is forgotten, the next one is not.
                long now = EpochNumber();
                known = new Epoch(number, Challenge(number), new UsedStamps(_maxRemembered));
                Volatile.Write(ref _epochs, [.. _epochs.Where(epoch => Math.Abs(epoch.Number - now) <= 1), known]);
            }

            return known;
        }
    }

    private byte[] Challenge(long number)
    {
        Span<byte> message = stackalloc byte[16 + sizeof(long)];
        "tacit work epoch"u8.CopyTo(message);
        BinaryPrimitives.WriteInt64BigEndian(message[16..], number);
        return HMACSHA256.HashData(_secret, message)[..WorkStamp.ChallengeSizeInBytes];
    }

    private sealed record Epoch(long Number, byte[] Challenge, UsedStamps Used);
}
