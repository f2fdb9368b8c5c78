namespace Tacit.Client;

/// <summary>
/// Which open requests have a caller at the moment. One whose caller vanished waits for a repetition, and is cancelled when none comes. Only in memory: after
/// a restart no open request has a caller. Thread safe.
/// </summary>
internal sealed class AttemptTable(TimeProvider time) : IDisposable
{
    private readonly Dictionary<UInt128, Attempt> _attempts = [];
    private long? _lastBegunOrEnded;
    private bool _disposed;

    /// <summary>Takes an open request for this caller; false if another has it, or if it is just being cancelled.</summary>
    public bool TryClaim(byte[] requestId)
    {
        lock (_attempts)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_attempts.TryGetValue(Key(requestId), out Attempt? attempt))
            {
                if (attempt.Expiry is null)
                {
                    return false;
                }
                attempt.Expiry.Dispose();
                attempt.Expiry = null;
                return true;
            }
            _attempts.Add(Key(requestId), new Attempt());
            _lastBegunOrEnded = time.GetTimestamp();
            return true;
        }
    }

    /// <summary>The request has ended in the journal.</summary>
    public void Forget(byte[] requestId)
    {
        lock (_attempts)
        {
            if (_attempts.Remove(Key(requestId), out Attempt? attempt))
            {
                attempt.Expiry?.Dispose();
                _lastBegunOrEnded = time.GetTimestamp();
            }
        }
    }

    /// <summary>The caller vanished: unless somebody claims the request within <paramref name="grace"/>, it is given to <paramref name="expired"/>.</summary>
    public void Abandon(byte[] requestId, TimeSpan grace, Action expired)
    {
        lock (_attempts)
        {
            if (_disposed || !_attempts.TryGetValue(Key(requestId), out Attempt? attempt) || attempt.Expiry is not null)
            {
                return;
            }
            attempt.Expiry = time.CreateTimer(
                _ =>
                {
                    if (TryExpire(attempt))
                    {
                        expired();
                    }
                },
                null,
                grace,
                Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Whether the request waits for a repetition.</summary>
    public bool IsClaimed(byte[] requestId)
    {
        lock (_attempts)
        {
            return _attempts.TryGetValue(Key(requestId), out Attempt? attempt) && attempt.Expiry is null;
        }
    }

    /// <summary>Whether nothing has been on its way, begun or ended for so long.</summary>
    public bool IsQuietFor(TimeSpan period)
    {
        lock (_attempts)
        {
            return _attempts.Count == 0 && (_lastBegunOrEnded is not long last || time.GetElapsedTime(last) >= period);
        }
    }

    public void Dispose()
    {
        lock (_attempts)
        {
            _disposed = true;
            foreach (Attempt attempt in _attempts.Values)
            {
                attempt.Expiry?.Dispose();
            }
            _attempts.Clear();
        }
    }

    private bool TryExpire(Attempt attempt)
    {
        lock (_attempts)
        {
            // A claim that came first has taken the timer away.
            if (_disposed || attempt.Expiry is null)
            {
                return false;
            }
            attempt.Expiry.Dispose();
            attempt.Expiry = null;
            return true;
        }
    }

    private static UInt128 Key(byte[] requestId) => System.Buffers.Binary.BinaryPrimitives.ReadUInt128LittleEndian(requestId);

    private sealed class Attempt
    {
        /// <summary>Null while somebody has the request.</summary>
        public ITimer? Expiry { get; set; }
    }
}
