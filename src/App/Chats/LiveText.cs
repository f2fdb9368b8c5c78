using System.Text;

namespace Tacit.App;

/// <summary>
/// The text of a reply as it comes: whoever shows it is told the first piece at once, and further ones together where they follow within a frame's time, which is all
/// that a screen shows. Thread safe; the teller is called in order.
/// </summary>
internal sealed class LiveText : IDisposable
{
    /// <summary>No two pieces are told nearer to each other.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(16);

    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private readonly Action<int, string, bool> _tell;
    private readonly ITimer _flush;
    private readonly Strand _text;
    private readonly Strand _reasoning;
    private bool _isArmed;
    private long? _toldAt;

    /// <param name="text">What is there and known already.</param>
    /// <param name="tell">Gets each piece with how much came before it and whether it is reasoning; must not wait, nor call back.</param>
    public LiveText(string text, string? reasoning, Action<int, string, bool> tell, TimeProvider time)
    {
        (_text, _reasoning, _tell, _time) = (new Strand(text), new Strand(reasoning ?? ""), tell, time);
        _flush = time.CreateTimer(_ => Flush(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Of text and reasoning, in UTF-16 units.</summary>
    public int Length
    {
        get
        {
            lock (_lock)
            {
                return _text.All.Length + _reasoning.All.Length;
            }
        }
    }

    /// <summary>All that has come; no reasoning is null.</summary>
    public (string Text, string? Reasoning) Current
    {
        get
        {
            lock (_lock)
            {
                return (_text.All.ToString(), _reasoning.All.Length == 0 ? null : _reasoning.All.ToString());
            }
        }
    }

    public void Append(string piece, bool isReasoning)
    {
        lock (_lock)
        {
            (isReasoning ? _reasoning : _text).All.Append(piece);
            TimeSpan since = _toldAt is long told ? _time.GetElapsedTime(told) : Interval;
            if (since >= Interval)
            {
                Tell();
            }
            else if (!_isArmed)
            {
                _isArmed = _flush.Change(Interval - since, Timeout.InfiniteTimeSpan);
            }
        }
    }

    /// <summary>Begins again with nothing.</summary>
    /// <returns>Whether there was anything.</returns>
    public bool Restart()
    {
        lock (_lock)
        {
            // Both, whatever the first had.
            return _text.Clear() | _reasoning.Clear();
        }
    }

    /// <summary>Tells now what was not told yet.</summary>
    public void Flush()
    {
        lock (_lock)
        {
            _isArmed = false;
            Tell();
        }
    }

    public void Dispose() => _flush.Dispose();

    private void Tell()
    {
        if (TellOf(_reasoning, isReasoning: true) | TellOf(_text, isReasoning: false))
        {
            _toldAt = _time.GetTimestamp();
        }
    }

    private bool TellOf(Strand strand, bool isReasoning)
    {
        int told = strand.Told;
        if (strand.All.Length == told)
        {
            return false;
        }
        strand.Told = strand.All.Length;
        _tell(told, strand.All.ToString(told, strand.All.Length - told), isReasoning);
        return true;
    }

    private sealed class Strand(string text)
    {
        public StringBuilder All { get; } = new(text);

        public int Told { get; set; } = text.Length;

        public bool Clear()
        {
            bool had = All.Length > 0;
            All.Clear();
            Told = 0;
            return had;
        }
    }
}
