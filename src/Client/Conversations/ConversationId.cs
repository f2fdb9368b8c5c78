using System.Security.Cryptography;

namespace Tacit.Client.Conversations;

/// <summary>
/// A conversation as the wallet knows it: 32 unguessable bytes, a keyed hash of its name or random. Never sent anywhere. Tokens that were shown stay with
/// the conversation they were shown in (law 9).
/// </summary>
internal readonly struct ConversationId : IEquatable<ConversationId>
{
    public const int SizeInBytes = 32;

    private readonly byte[] _bytes;

    public ConversationId(byte[] bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(bytes.Length, SizeInBytes);
        _bytes = bytes;
    }

    public byte[] Bytes => _bytes;

    public bool Equals(ConversationId other) => CryptographicOperations.FixedTimeEquals(_bytes, other._bytes);

    public override bool Equals(object? obj) => obj is ConversationId other && Equals(other);

    public override int GetHashCode() => BitConverter.ToInt32(_bytes, 0);
}
