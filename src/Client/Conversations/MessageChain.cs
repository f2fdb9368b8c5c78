using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.Json;

namespace Tacit.Client.Conversations;

/// <summary>
/// Keyed hashes of a request's messages, each over all before it, so that a later request that repeats the beginning can be told to continue it. Only hashes
/// are kept, under a key of this process. Spelling does not count: equal JSON values hash equally, however they are spaced or escaped.
/// </summary>
internal sealed class MessageChain
{
    /// <summary>Longer lists are recognised by their last messages no more; nobody types that many turns.</summary>
    private const int MaxMessages = 4096;

    private readonly List<Link> _links;

    private MessageChain(List<Link> links)
    {
        _links = links;
    }

    public static MessageChain Empty { get; } = new([]);

    public int Count => _links.Count;

    /// <summary>The hash over the first <paramref name="count"/> messages.</summary>
    public byte[] Prefix(int count) => _links[count - 1].Hash;

    /// <summary>Whether the message at <paramref name="index"/> is an answer, which only somebody who got that answer can repeat.</summary>
    public bool IsAnswer(int index) => _links[index].IsAnswer;

    /// <summary>Reads the value the reader stands on, to its end. Anything but a list (of objects) or a string has no messages.</summary>
    public static MessageChain Read(ref Utf8JsonReader reader, ReadOnlySpan<byte> key)
    {
        var links = new List<Link>();
        byte[] previous = new byte[SHA256.HashSizeInBytes];
        if (reader.TokenType == JsonTokenType.String)
        {
            Append(ref reader, key, links, previous);
        }
        else if (reader.TokenType == JsonTokenType.StartArray)
        {
            while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            {
                if (links.Count == MaxMessages)
                {
                    reader.Skip();
                    continue;
                }
                previous = Append(ref reader, key, links, previous);
            }
        }
        return new MessageChain(links);
    }

    private static byte[] Append(ref Utf8JsonReader reader, ReadOnlySpan<byte> key, List<Link> links, byte[] previous)
    {
        using IncrementalHash mac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key);
        mac.AppendData(previous);
        bool isAnswer = AppendValue(ref reader, mac);
        byte[] hash = mac.GetHashAndReset();
        links.Add(new Link(hash, isAnswer));
        return hash;
    }

    private static bool AppendValue(ref Utf8JsonReader reader, IncrementalHash mac)
    {
        bool isAnswer = false;
        int depth = reader.CurrentDepth;
        bool roleNext = false;
        bool typeNext = false;
        while (true)
        {
            AppendToken(ref reader, mac);
            bool top = reader.CurrentDepth == depth + 1;
            if (top && reader.TokenType == JsonTokenType.PropertyName)
            {
                roleNext = reader.ValueTextEquals("role"u8);
                typeNext = reader.ValueTextEquals("type"u8);
            }
            else if (top && reader.TokenType == JsonTokenType.String)
            {
                isAnswer |= roleNext && reader.ValueTextEquals("assistant"u8);
                isAnswer |= typeNext && (reader.ValueTextEquals("function_call"u8) || reader.ValueTextEquals("reasoning"u8));
                (roleNext, typeNext) = (false, false);
            }
            bool open = reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray;
            if ((!open && reader.CurrentDepth <= depth) || !reader.Read())
            {
                return isAnswer;
            }
        }
    }

    /// <summary>Kind, length and unescaped bytes, so that no two different values run together into the same input.</summary>
    private static void AppendToken(ref Utf8JsonReader reader, IncrementalHash mac)
    {
        Span<byte> head = stackalloc byte[5];
        head[0] = (byte)reader.TokenType;
        if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName && reader.ValueIsEscaped)
        {
            byte[] text = ArrayPool<byte>.Shared.Rent(reader.ValueSpan.Length);
            int length = 0;
            try
            {
                length = reader.CopyString(text);
                BinaryPrimitives.WriteInt32BigEndian(head[1..], length);
                mac.AppendData(head);
                mac.AppendData(text.AsSpan(0, length));
            }
            finally
            {
                CryptographicOperations.ZeroMemory(text.AsSpan(0, length));
                ArrayPool<byte>.Shared.Return(text);
            }
            return;
        }
        BinaryPrimitives.WriteInt32BigEndian(head[1..], reader.ValueSpan.Length);
        mac.AppendData(head);
        mac.AppendData(reader.ValueSpan);
    }

    private readonly record struct Link(byte[] Hash, bool IsAnswer);
}
