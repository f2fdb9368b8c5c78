namespace Tacit.Gateway.Work;

/// <summary>How busy an instance is, each part from 0 to 1 (more counts as 1).</summary>
/// <param name="Queue">Of the queue of signatures.</param>
/// <param name="Replies">Live replies, of what counts as full.</param>
/// <param name="Processor">Time of all processors, since the last look.</param>
internal readonly record struct WorkLoad(double Queue, double Replies, double Processor)
{
    /// <summary>The fullest decides: the others being empty helps nobody who waits for it.</summary>
    public double Most => Math.Max(Queue, Math.Max(Replies, Processor));
}

/// <summary>
/// How many bits are asked for. Rises by one a look while the load is above one mark, falls by one once it was below another for ten looks in a row, and stays
/// where it is between the two: so that what the work itself drives away does not bring it straight back. Not thread safe.
/// </summary>
internal sealed class WorkDifficulty(WorkOptions options)
{
    /// <summary>Where it begins once any is asked for: less than this costs nobody anything.</summary>
    public const int FirstBits = 10;

    public const int LooksBeforeLess = 10;

    private int _calm;

    public int Bits { get; private set; } = options.MinBits;

    public void Look(WorkLoad load)
    {
        double percent = load.Most * 100;
        if (percent >= options.RaiseAt)
        {
            _calm = 0;
            Bits = Math.Min(Math.Max(Bits + 1, Math.Min(FirstBits, options.MaxBits)), options.MaxBits);
        }
        else if (percent >= options.LowerAt)
        {
            _calm = 0;
        }
        else if (++_calm >= LooksBeforeLess)
        {
            _calm = 0;
            int less = Bits - 1;
            Bits = Math.Max(less < FirstBits ? 0 : less, options.MinBits);
        }
    }
}
