using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text.Json;
using Tacit.Crypto;

namespace Tacit.Protocol;

/// <summary>Why a sealed reply is not to be believed, or not whole. What was given out before stays the reply's beginning.</summary>
public enum SealedReplyError
{
    None,

    /// <summary>The events are not those of a sealed reply, or not in their order.</summary>
    Malformed,

    /// <summary>The head names another request.</summary>
    OtherRequest,

    /// <summary>A chunk does not open: changed, moved, left out before, repeated, of another reply, or not marked as it was sealed.</summary>
    Undecryptable,

    /// <summary>A chunk opened, and what is in it is not frames in their order.</summary>
    FramesMalformed,

    /// <summary>Something came behind the final chunk.</summary>
    AfterFinal,

    /// <summary>It ended before the final chunk.</summary>
    Truncated,
}

/// <summary>
/// Opens a sealed reply at the client as its bytes come. An error is for ever: of the chunk that made it, and of all behind it, nothing is given out. Not thread safe.
/// </summary>
public sealed class SealedReplyReader : IDisposable
{
    private readonly SealedReplySecret _secret;
    private readonly SealedEventParser _events = new();
    private readonly byte[] _nonce = new byte[AeadKey.NonceSizeInBytes];
    private readonly SensitiveBuffer _chunk = new(1024);
    private AeadKey? _key;
    private ulong _next;
    private SealedReplyError _error;

    /// <param name="secret">Of the request; the caller's to dispose, and not to be used for another reply.</param>
    public SealedReplyReader(SealedReplySecret secret)
    {
        ArgumentNullException.ThrowIfNull(secret);
        _secret = secret;
    }

    /// <summary>The HTTP status of what was asked; null until the head has come.</summary>
    public int? Status { get; private set; }

    /// <summary>Names in lower case.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; private set; } = new Dictionary<string, string>();

    /// <summary>Null unless there are any; they come with the end.</summary>
    public IReadOnlyDictionary<string, string>? Trailers { get; private set; }

    /// <summary>The body as far as it came. The caller takes from its front.</summary>
    public SensitiveBuffer Body { get; } = new(1024);

    /// <summary>Whether the final chunk came, so that the reply is whole.</summary>
    public bool IsWhole { get; private set; }

    /// <summary>Finds the request that a reply's first event answers, where the client has to look up its secret first.</summary>
    public static bool TryReadRequestId(ReadOnlySpan<byte> headData, [NotNullWhen(true)] out byte[]? requestId) => TryParseHead(headData, out requestId, out _);

    /// <summary>Takes the next bytes of the response body.</summary>
    public SealedReplyError Push(ReadOnlySpan<byte> bytes)
    {
        while (_error == SealedReplyError.None && _events.TryRead(ref bytes, out SealedEventKind kind, out ReadOnlySpan<byte> data))
        {
            Take(kind, data);
        }

        if (_error == SealedReplyError.None && _events.IsMalformed)
        {
            _error = IsWhole ? SealedReplyError.AfterFinal : SealedReplyError.Malformed;
        }

        return _error;
    }

    /// <summary>Takes one event that another reader of server-sent events has split off.</summary>
    public SealedReplyError Take(SealedEventKind kind, ReadOnlySpan<byte> data)
    {
        if (_error == SealedReplyError.None)
        {
            _error = IsWhole ? SealedReplyError.AfterFinal : kind == SealedEventKind.Head ? TakeHead(data) : TakeChunk(data, kind == SealedEventKind.Final);
        }

        return _error;
    }

    /// <summary>The response has ended: whether it is a whole reply.</summary>
    public SealedReplyError Complete()
    {
        if (_error == SealedReplyError.None && !IsWhole)
        {
            _error = SealedReplyError.Truncated;
        }

        return _error;
    }

    public void Dispose()
    {
        _key?.Dispose();
        _events.Dispose();
        _chunk.Dispose();
        Body.Dispose();
    }

    private SealedReplyError TakeHead(ReadOnlySpan<byte> data)
    {
        if (_key is not null || !TryParseHead(data, out byte[]? requestId, out byte[]? responseNonce))
        {
            return SealedReplyError.Malformed;
        }

        if (!CryptographicOperations.FixedTimeEquals(requestId, _secret.RequestId.Span))
        {
            return SealedReplyError.OtherRequest;
        }

        _key = _secret.DeriveKey(responseNonce, _nonce);
        return SealedReplyError.None;
    }

    private SealedReplyError TakeChunk(ReadOnlySpan<byte> data, bool isFinal)
    {
        int size = Base64UrlText.DecodedSize(data.Length);
        if (_key is null || size is <= AeadKey.TagSizeInBytes or > SealedChatFormat.MaxChunkSizeInBytes + AeadKey.TagSizeInBytes)
        {
            return SealedReplyError.Malformed;
        }

        _chunk.Truncate(0);
        Span<byte> chunk = _chunk.GetSpan(size)[..size];
        _chunk.Advance(size);
        if (!Base64UrlText.TryDecodeUnpadded(data, chunk))
        {
            return SealedReplyError.Malformed;
        }

        Span<byte> nonce = stackalloc byte[AeadKey.NonceSizeInBytes];
        SealedChatFormat.ChunkNonce(_nonce, _next, nonce);
        Span<byte> aad = stackalloc byte[SealedChatFormat.RequestIdSizeInBytes + 5];
        _secret.RequestId.Span.CopyTo(aad);
        (isFinal ? SealedChatFormat.FinalWord : SealedChatFormat.ChunkWord).CopyTo(aad[SealedChatFormat.RequestIdSizeInBytes..]);
        Span<byte> frames = chunk[..^AeadKey.TagSizeInBytes];
        if (!_key.TryOpen(nonce, aad, chunk, frames))
        {
            return SealedReplyError.Undecryptable;
        }

        _next = checked(_next + 1);
        if (!TryTakeFrames(frames) || (isFinal && Status is null))
        {
            return SealedReplyError.FramesMalformed;
        }

        IsWhole = isFinal;
        return SealedReplyError.None;
    }

    /// <summary>All frames of a chunk, or none.</summary>
    private bool TryTakeFrames(ReadOnlySpan<byte> frames)
    {
        int before = Body.WrittenCount;
        int? status = Status;
        IReadOnlyDictionary<string, string> headers = Headers;
        IReadOnlyDictionary<string, string>? trailers = Trailers;
        while (!frames.IsEmpty && frames[0] != (byte)SealedFrameType.Padding)
        {
            if (!TryCutFrame(ref frames, out SealedFrameType type, out ReadOnlySpan<byte> payload)
                || !TryTakeFrame(type, payload, ref status, ref headers, ref trailers))
            {
                Body.Truncate(before);
                return false;
            }
        }

        if (frames.ContainsAnyExcept((byte)0))
        {
            Body.Truncate(before);
            return false;
        }

        (Status, Headers, Trailers) = (status, headers, trailers);
        return true;
    }

    private bool TryTakeFrame(
        SealedFrameType type, ReadOnlySpan<byte> payload, ref int? status, ref IReadOnlyDictionary<string, string> headers, ref IReadOnlyDictionary<string, string>? trailers)
    {
        if (type == SealedFrameType.Head)
        {
            return status is null && TryParseHeadFrame(payload, out status, out headers);
        }

        if (status is null || trailers is not null)
        {
            return false;
        }

        switch (type)
        {
            case SealedFrameType.Body:
                Body.Write(payload);
                return true;
            case SealedFrameType.Trailers:
                var reader = new Utf8JsonReader(payload);
                try
                {
                    bool isTaken = TryReadStrings(ref reader, out Dictionary<string, string> read) && !reader.Read();
                    trailers = read;
                    return isTaken;
                }
                catch (Exception e) when (e is JsonException or InvalidOperationException)
                {
                    return false;
                }

            default:
                return false;
        }
    }

    private static bool TryCutFrame(ref ReadOnlySpan<byte> frames, out SealedFrameType type, out ReadOnlySpan<byte> payload)
    {
        type = (SealedFrameType)frames[0];
        payload = default;
        if (frames.Length < SealedFrames.HeadSizeInBytes || BinaryPrimitives.ReadUInt32BigEndian(frames[1..]) is var length && length > frames.Length - SealedFrames.HeadSizeInBytes)
        {
            return false;
        }

        payload = frames.Slice(SealedFrames.HeadSizeInBytes, (int)length);
        frames = frames[(SealedFrames.HeadSizeInBytes + (int)length)..];
        return true;
    }

    private static bool TryParseHeadFrame(ReadOnlySpan<byte> json, out int? status, out IReadOnlyDictionary<string, string> headers)
    {
        status = null;
        headers = new Dictionary<string, string>();
        bool hasHeaders = false;
        try
        {
            var reader = new Utf8JsonReader(json);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            {
                return false;
            }

            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                if (reader.ValueTextEquals("status"u8) && status is null && reader.Read() && reader.TokenType == JsonTokenType.Number
                    && reader.TryGetInt32(out int number) && number is >= 200 and <= 599)
                {
                    status = number;
                }
                else if (!hasHeaders && reader.TokenType == JsonTokenType.PropertyName && reader.ValueTextEquals("headers"u8)
                    && TryReadStrings(ref reader, out Dictionary<string, string> read))
                {
                    hasHeaders = true;
                    headers = read;
                }
                else
                {
                    return false;
                }
            }

            return status is not null && hasHeaders && reader.TokenType == JsonTokenType.EndObject && !reader.Read();
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return false;
        }
    }

    /// <summary>An object of strings, each name once.</summary>
    private static bool TryReadStrings(ref Utf8JsonReader reader, out Dictionary<string, string> members)
    {
        members = new Dictionary<string, string>(StringComparer.Ordinal);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
        {
            return false;
        }

        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!;
            if (!reader.Read() || reader.TokenType != JsonTokenType.String || !members.TryAdd(name, reader.GetString()!))
            {
                return false;
            }
        }

        return reader.TokenType == JsonTokenType.EndObject;
    }

    private static bool TryParseHead(ReadOnlySpan<byte> json, [NotNullWhen(true)] out byte[]? requestId, [NotNullWhen(true)] out byte[]? responseNonce)
    {
        requestId = null;
        responseNonce = null;
        try
        {
            var reader = new Utf8JsonReader(json);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            {
                return false;
            }

            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                bool isTaken = reader.ValueTextEquals("request_id"u8)
                    ? requestId is null && TryRead16(ref reader, out requestId)
                    : reader.ValueTextEquals("response_nonce"u8) && responseNonce is null && TryRead16(ref reader, out responseNonce);
                if (!isTaken)
                {
                    return false;
                }
            }

            return reader.TokenType == JsonTokenType.EndObject && !reader.Read() && requestId is not null && responseNonce is not null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return false;
        }
    }

    private static bool TryRead16(ref Utf8JsonReader reader, out byte[]? bytes)
    {
        bytes = new byte[16];
        return reader.Read() && reader.TokenType == JsonTokenType.String && !reader.ValueIsEscaped && Base64UrlText.TryDecodeUnpadded(reader.ValueSpan, bytes);
    }
}
