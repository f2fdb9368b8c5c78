namespace Tacit.Client;

/// <summary>An error as it was delivered.</summary>
internal sealed record DeliveredError(int Status, byte[] Body);

/// <summary>
/// Errors that cost a token, kept for a moment: an SDK that repeats the request by itself gets the same error again instead of paying for another. Bounded in
/// time and in repetitions, so that a person who asks again is not held up. Memory only; thread safe.
/// </summary>
internal sealed class ErrorMemory(TimeSpan lifetime, TimeProvider time)
{
    private const int MaxRemembered = 256;

    /// <summary>As often as the most eager of OpenAI's SDKs repeats a request.</summary>
    private const int MaxRepetitions = 3;

    private readonly Dictionary<UInt128, Entry> _entries = [];

    public void Remember(byte[] tag, DeliveredError error)
    {
        lock (_entries)
        {
            Expire();
            if (_entries.Count < MaxRemembered)
            {
                _entries[Key(tag)] = new Entry(error, time.GetTimestamp());
            }
        }
    }

    public bool TryRepeat(byte[] tag, out DeliveredError error)
    {
        lock (_entries)
        {
            Expire();
            if (_entries.TryGetValue(Key(tag), out Entry? entry))
            {
                error = entry.Error;
                if (++entry.Repetitions == MaxRepetitions)
                {
                    _entries.Remove(Key(tag));
                }
                return true;
            }
        }
        error = null!;
        return false;
    }

    private void Expire()
    {
        foreach ((UInt128 key, Entry entry) in _entries)
        {
            if (time.GetElapsedTime(entry.At) >= lifetime)
            {
                _entries.Remove(key);
            }
        }
    }

    private static UInt128 Key(byte[] tag) => System.Buffers.Binary.BinaryPrimitives.ReadUInt128LittleEndian(tag);

    private sealed class Entry(DeliveredError error, long at)
    {
        public DeliveredError Error { get; } = error;

        public long At { get; } = at;

        public int Repetitions { get; set; }
    }
}
