namespace Tacit.Gateway.Replies;

/// <summary>
/// The memory that replies may take, handed out before a token is spent, so that no spent token finds no room for its answer (law 2).
/// Counted, not allocated: a reply takes memory as it grows, and gives back what it did not need when it ends.
/// </summary>
internal sealed class ReplyRoom
{
    private readonly long _capacity;
    private long _taken;

    /// <param name="capacity">In bytes.</param>
    public ReplyRoom(long capacity) => _capacity = capacity;

    public long Taken => Volatile.Read(ref _taken);

    public bool TryReserve(long bytes)
    {
        if (Interlocked.Add(ref _taken, bytes) <= _capacity)
        {
            return true;
        }

        Interlocked.Add(ref _taken, -bytes);
        return false;
    }

    public void Release(long bytes) => Interlocked.Add(ref _taken, -bytes);
}
