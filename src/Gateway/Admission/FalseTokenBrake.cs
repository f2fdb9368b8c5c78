namespace Tacit.Gateway.Admission;

/// <summary>
/// Slows down whoever presents false tokens. A connection gets no further until its answer came, so holding answers back holds floods back: however many
/// connections they use, false tokens are answered at a fixed pace, and checking them takes a fixed share of the processor at most.
/// The first few in a while are answered at once: one can be an honest mistake.
/// </summary>
internal sealed class FalseTokenBrake
{
    private const int Burst = 32;
    private const int AnswersPerSecond = 100;
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(10);

    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private readonly long _ticksPerAnswer;
    private long _next;

    public FalseTokenBrake(TimeProvider time)
    {
        _time = time;
        _ticksPerAnswer = time.TimestampFrequency / AnswersPerSecond;
        _next = time.GetTimestamp() - (Burst * _ticksPerAnswer);
    }

    /// <summary>Whether more false tokens come than are answered at once.</summary>
    public bool IsOn => Volatile.Read(ref _next) > _time.GetTimestamp();

    /// <summary>How long to hold back the answer that is due now.</summary>
    public TimeSpan Next()
    {
        long now = _time.GetTimestamp();
        long due;
        lock (_gate)
        {
            // What was not used up to a burst is saved; what is taken in advance is bounded by the longest wait.
            _next = Math.Max(_next, now - (Burst * _ticksPerAnswer)) + _ticksPerAnswer;
            _next = Math.Min(_next, now + (long)(s_longest.TotalSeconds * _time.TimestampFrequency));
            due = _next;
        }

        return due <= now ? TimeSpan.Zero : _time.GetElapsedTime(now, due);
    }

    /// <summary>Waits as long as <see cref="Next"/> says, or until the other side is gone.</summary>
    public async ValueTask HoldAsync(CancellationToken gone)
    {
        TimeSpan wait = Next();
        if (wait > TimeSpan.Zero)
        {
            await Task.Delay(wait, _time, gone);
        }
    }
}
