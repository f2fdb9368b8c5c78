namespace Tacit.Client.Conversations;

/// <summary>Conversations that were used lately: their returned tokens wait for their next request before they are exchanged. Bounded; thread safe.</summary>
internal sealed class LiveConversations
{
    private const int MaxRemembered = 4096;
    private static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(30);

    private readonly Dictionary<ConversationId, long> _lastUsed = [];

    public void Touch(ConversationId id, TimeProvider time)
    {
        lock (_lastUsed)
        {
            if (_lastUsed.Count >= MaxRemembered)
            {
                foreach ((ConversationId other, long at) in _lastUsed)
                {
                    if (time.GetElapsedTime(at) >= Lifetime)
                    {
                        _lastUsed.Remove(other);
                    }
                }
            }
            if (_lastUsed.Count < MaxRemembered || _lastUsed.ContainsKey(id))
            {
                _lastUsed[id] = time.GetTimestamp();
            }
        }
    }

    public bool Contains(ConversationId id, TimeProvider time)
    {
        lock (_lastUsed)
        {
            return _lastUsed.TryGetValue(id, out long at) && time.GetElapsedTime(at) < Lifetime;
        }
    }
}
