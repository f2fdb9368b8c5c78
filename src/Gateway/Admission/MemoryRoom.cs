using Tacit.Protocol;

namespace Tacit.Gateway.Admission;

/// <summary>
/// Memory that strangers may make this process take: for replies it is handed out before a token is spent, so that no spent token finds no room for its
/// answer (law 2); for requests as they arrive. Counted, not allocated: a reply takes memory as it grows, and gives back what it did not need when it ends.
/// </summary>
internal sealed class MemoryRoom
{
    private readonly long _capacity;
    private long _taken;

    /// <param name="capacity">In bytes.</param>
    public MemoryRoom(long capacity) => _capacity = capacity;

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

/// <summary>One request's body and what it takes of a room, until it is disposed; the body is wiped with that.</summary>
internal sealed class BodyHold(SensitiveBuffer body, MemoryRoom room) : IDisposable
{
    /// <summary>Once as it came and once filtered.</summary>
    private const int Copies = 2;

    private long _taken;

    public SensitiveBuffer Body => body;

    public bool TryTake(long bytes)
    {
        if (!room.TryReserve(bytes * Copies))
        {
            return false;
        }

        _taken += bytes * Copies;
        return true;
    }

    public void Dispose()
    {
        body.Dispose();
        room.Release(_taken);
        _taken = 0;
    }
}
