using System.Security.Cryptography;
using System.Text;

namespace Tacit.Client.Conversations;

/// <summary>
/// Tells which conversation a request belongs to: the one the caller names, or the one whose earlier request, with an answer after it, is the beginning of
/// this one. Memory only, bounded, forgotten when unused. Thread safe.
/// </summary>
internal sealed class ConversationTracker : IDisposable
{
    private const int MaxRemembered = 2048;
    private static readonly TimeSpan Lifetime = TimeSpan.FromHours(2);

    private readonly byte[] _key = RandomNumberGenerator.GetBytes(32);
    private readonly TimeProvider _time;
    private readonly Dictionary<Fingerprint, Remembered> _byPrefix = [];
    private readonly LinkedList<Fingerprint> _oldestFirst = new();

    public ConversationTracker(TimeProvider time)
    {
        _time = time;
    }

    /// <summary>The key that messages are hashed under; it lives as long as this process.</summary>
    public ReadOnlySpan<byte> Key => _key;

    /// <summary>The conversation of that name.</summary>
    /// <param name="nameKey">A key of the wallet, so that a name stands for the same conversation after a restart.</param>
    public static ConversationId Named(string name, ReadOnlySpan<byte> nameKey) => new(HMACSHA256.HashData(nameKey, Encoding.UTF8.GetBytes(name)));

    /// <summary>The conversation that these messages continue, if it is remembered.</summary>
    public bool TryRecognise(MessageChain messages, out ConversationId id)
    {
        lock (_byPrefix)
        {
            Expire();
            for (int count = messages.Count - 1; count > 0; count--)
            {
                // A list that only grew by questions could be anybody's: what continues a conversation repeats its answer.
                if (messages.IsAnswer(count) && _byPrefix.TryGetValue(new Fingerprint(messages.Prefix(count)), out Remembered? found))
                {
                    id = found.Id;
                    return true;
                }
            }
        }
        id = default;
        return false;
    }

    /// <summary>Notes that these messages, as a whole, were asked in a conversation.</summary>
    public void Remember(MessageChain messages, ConversationId id)
    {
        if (messages.Count == 0)
        {
            return;
        }
        var whole = new Fingerprint(messages.Prefix(messages.Count));
        lock (_byPrefix)
        {
            Expire();
            if (_byPrefix.Remove(whole, out Remembered? before))
            {
                _oldestFirst.Remove(before.Place);
            }
            else if (_byPrefix.Count == MaxRemembered)
            {
                DropOldest();
            }
            _byPrefix.Add(whole, new Remembered(id, _time.GetTimestamp(), _oldestFirst.AddLast(whole)));
        }
    }

    public void Dispose() => CryptographicOperations.ZeroMemory(_key);

    private void Expire()
    {
        while (_oldestFirst.First is { } first && _time.GetElapsedTime(_byPrefix[first.Value].At) > Lifetime)
        {
            DropOldest();
        }
    }

    private void DropOldest()
    {
        _byPrefix.Remove(_oldestFirst.First!.Value);
        _oldestFirst.RemoveFirst();
    }

    private sealed record Remembered(ConversationId Id, long At, LinkedListNode<Fingerprint> Place);

    /// <summary>A keyed hash as a dictionary key.</summary>
    private readonly struct Fingerprint(byte[] hash) : IEquatable<Fingerprint>
    {
        private readonly UInt128 _value = System.Buffers.Binary.BinaryPrimitives.ReadUInt128LittleEndian(hash);

        public bool Equals(Fingerprint other) => _value == other._value;

        public override bool Equals(object? obj) => obj is Fingerprint other && Equals(other);

        public override int GetHashCode() => _value.GetHashCode();
    }
}
