using System.Buffers;
using System.Security.Cryptography;
using System.Text.Json;
using Tacit.Client.Conversations;

namespace Tacit.Client;

/// <summary>
/// What the wallet has to know of a request's body: the model and sizes that choose the plan, and the messages that recognise the conversation. Members that
/// could name the user are taken out here, before anything leaves the machine (law 5); every other byte stays as the caller wrote it.
/// </summary>
internal sealed class PromptBody : IDisposable
{
    private const int MaxDepth = 128;

    private byte[]? _rented;

    private PromptBody(ReadOnlyMemory<byte> content, byte[]? rented, string model, long outputCap, MessageChain messages)
    {
        Content = content;
        _rented = rented;
        Model = model;
        OutputCap = outputCap;
        Messages = messages;
    }

    /// <summary>The body to send.</summary>
    public ReadOnlyMemory<byte> Content { get; private set; }

    /// <summary>How many of the oldest messages were left out.</summary>
    public int TrimmedMessages { get; private set; }

    public string Model { get; }

    /// <summary>Most tokens of output that the body asks for, all choices together; 0 if it names no limit.</summary>
    public long OutputCap { get; }

    public MessageChain Messages { get; }

    /// <exception cref="ClientException"><see cref="ClientError.InvalidRequest"/>: no JSON object, or without a model.</exception>
    public static PromptBody Parse(ReadOnlyMemory<byte> body, ReadOnlySpan<byte> conversationKey)
    {
        try
        {
            return ParseMembers(body, conversationKey);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The latter for a lone surrogate, which is valid JSON and no text.
            throw new ClientException(ClientError.InvalidRequest, "The request body is not valid JSON.", "invalid_json");
        }
    }

    /// <summary>Leaves out what <paramref name="kept"/> does not cover, <paramref name="messages"/> messages.</summary>
    public void Trim(List<Range> kept, int messages)
    {
        int length = kept.Sum(range => range.End.Value - range.Start.Value);
        byte[] rented = ArrayPool<byte>.Shared.Rent(length);
        int at = 0;
        foreach (Range range in kept)
        {
            ReadOnlySpan<byte> part = Content.Span[range];
            part.CopyTo(rented.AsSpan(at));
            at += part.Length;
        }
        Dispose();
        _rented = rented;
        Content = rented.AsMemory(0, length);
        TrimmedMessages += messages;
    }

    /// <summary>Sends these bytes instead.</summary>
    public void Replace(byte[] content)
    {
        Dispose();
        Content = content;
    }

    public void Dispose()
    {
        // Once, whoever calls how often: an array that is returned twice is lent to two.
        if (Interlocked.Exchange(ref _rented, null) is byte[] rented)
        {
            CryptographicOperations.ZeroMemory(rented);
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    private static PromptBody ParseMembers(ReadOnlyMemory<byte> body, ReadOnlySpan<byte> conversationKey)
    {
        var reader = new Utf8JsonReader(body.Span, new JsonReaderOptions { MaxDepth = MaxDepth });
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
        {
            throw new ClientException(ClientError.InvalidRequest, "The request body must be a JSON object.", "invalid_json");
        }
        string? model = null;
        long cap = 0;
        long choices = 1;
        MessageChain messages = MessageChain.Empty;
        List<Range> kept = [];
        bool removed = false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            int start = checked((int)reader.TokenStartIndex);
            Member member = Recognise(ref reader);
            reader.Read();
            switch (member)
            {
                case Member.Model when model is null && reader.TokenType == JsonTokenType.String:
                    model = reader.GetString();
                    break;
                case Member.Model:
                    throw new ClientException(ClientError.InvalidRequest, "The member \"model\" must be one string.", "invalid_json", "model");
                case Member.OutputCap when reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out long value):
                    cap = Math.Max(cap, value);
                    break;
                case Member.Choices when reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out long value):
                    choices = Math.Clamp(value, 1, 1024);
                    break;
                case Member.Messages:
                    messages = MessageChain.Read(ref reader, conversationKey);
                    break;
            }
            // Nothing is left to skip where the member was read to its end.
            reader.Skip();
            if (member == Member.Identifying)
            {
                removed = true;
            }
            else
            {
                kept.Add(start..checked((int)reader.BytesConsumed));
            }
        }
        while (reader.Read())
        {
        }
        if (model is null)
        {
            throw new ClientException(ClientError.InvalidRequest, "The request names no model.", "invalid_json", "model");
        }
        cap = cap > long.MaxValue / choices ? long.MaxValue : Math.Max(cap, 0) * choices;
        if (!removed)
        {
            return new PromptBody(body, null, model, cap, messages);
        }
        byte[] rented = ArrayPool<byte>.Shared.Rent(body.Length + 2);
        return new PromptBody(rented.AsMemory(0, Rebuild(body.Span, kept, rented)), rented, model, cap, messages);
    }

    private static int Rebuild(ReadOnlySpan<byte> body, List<Range> kept, Span<byte> destination)
    {
        int length = 0;
        destination[length++] = (byte)'{';
        for (int i = 0; i < kept.Count; i++)
        {
            if (i > 0)
            {
                destination[length++] = (byte)',';
            }
            ReadOnlySpan<byte> member = body[kept[i]];
            member.CopyTo(destination[length..]);
            length += member.Length;
        }
        destination[length++] = (byte)'}';
        return length;
    }

    private static Member Recognise(ref Utf8JsonReader reader) =>
        reader.ValueTextEquals("model"u8) ? Member.Model
        : reader.ValueTextEquals("messages"u8) || reader.ValueTextEquals("input"u8) ? Member.Messages
        : reader.ValueTextEquals("max_tokens"u8) || reader.ValueTextEquals("max_completion_tokens"u8) || reader.ValueTextEquals("max_output_tokens"u8)
            ? Member.OutputCap
        : reader.ValueTextEquals("n"u8) ? Member.Choices
        : reader.ValueTextEquals("user"u8) || reader.ValueTextEquals("metadata"u8)
            || reader.ValueTextEquals("safety_identifier"u8) || reader.ValueTextEquals("prompt_cache_key"u8)
            ? Member.Identifying
        : Member.Other;

    private enum Member
    {
        Other,
        Model,
        Messages,
        OutputCap,
        Choices,

        /// <summary>Names a user, a customer's record or a cache of one: none of it reaches the gateway.</summary>
        Identifying,
    }
}
