using System.Buffers;
using System.Buffers.Text;
using System.Text.Json;

namespace Tacit.Protocol;

/// <summary>Why a sealed request cannot be read.</summary>
public enum SealedRequestError
{
    None,

    /// <summary>Not the JSON object that it should be, or a member is missing, repeated, unknown or not in its one form.</summary>
    Malformed,

    /// <summary>The associated data are not what timestamp and request id make them.</summary>
    AadMismatch,

    /// <summary>The encapsulated key is no key, or the ciphertext does not open under it.</summary>
    Undecryptable,

    /// <summary>It opened, and what is inside is not of the form.</summary>
    MalformedInside,
}

/// <summary>
/// The body of <c>POST /api/chat</c>: <c>{"encapsulated_key", "ciphertext", "aad", "timestamp", "request_id"[, "work"]}</c>, all but the timestamp base64url
/// without padding. Its associated data are right, nothing else of it is proven.
/// </summary>
public sealed class SealedEnvelope : IDisposable
{
    /// <summary>Room for the encapsulated key of any suite there is, in bytes.</summary>
    public const int MaxEncapsulatedKeySizeInBytes = 2048;

    private const int MaxWorkLength = 256;

    /// <summary>The year 9000, as for every other time on the wire: what comes later is no date to compute with.</summary>
    private const long LastMillisecond = 221845392000000;

    private SealedEnvelope()
    {
    }

    public required byte[] EncapsulatedKey { get; init; }

    /// <summary>With the tag.</summary>
    public required ReadOnlyMemory<byte> Ciphertext { get; init; }

    public required byte[] Aad { get; init; }

    /// <summary>UNIX time in milliseconds, not negative and before the year 9000.</summary>
    public required long Timestamp { get; init; }

    /// <summary>16 bytes.</summary>
    public required byte[] RequestId { get; init; }

    /// <summary>Proof of work where the gateway asks for one; its form is not checked here.</summary>
    public string? Work { get; init; }

    /// <summary>The sealing key's, from the associated data.</summary>
    public byte KeyId => SealedChatFormat.KeyIdIn(Aad);

    private SensitiveBuffer? Buffer { get; init; }

    /// <summary>When it says it was sent.</summary>
    public DateTimeOffset Sent => DateTimeOffset.FromUnixTimeMilliseconds(Timestamp);

    /// <summary>How many bytes of JSON a request with so large a plaintext can have.</summary>
    public static long MaxSizeInBytes(long plaintext) => ((plaintext + MaxEncapsulatedKeySizeInBytes) * 4 / 3) + 1024;

    /// <param name="json">UTF-8, all of it.</param>
    /// <param name="envelope">To be disposed of.</param>
    public static SealedRequestError Parse(ReadOnlySpan<byte> json, out SealedEnvelope? envelope)
    {
        envelope = null;
        byte[]? encapsulatedKey = null;
        byte[]? aad = null;
        byte[]? requestId = null;
        string? work = null;
        long timestamp = -1;
        SensitiveBuffer? ciphertext = null;
        bool isWhole = false;
        try
        {
            var reader = new Utf8JsonReader(json);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            {
                return SealedRequestError.Malformed;
            }

            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                bool isTaken;
                if (Is(reader, "encapsulated_key"u8))
                {
                    isTaken = encapsulatedKey is null && TryReadBytes(ref reader, 1, MaxEncapsulatedKeySizeInBytes, out encapsulatedKey);
                }
                else if (Is(reader, "ciphertext"u8))
                {
                    isTaken = ciphertext is null && TryReadCiphertext(ref reader, out ciphertext);
                }
                else if (Is(reader, "aad"u8))
                {
                    isTaken = aad is null && TryReadBytes(ref reader, SealedChatFormat.AadSizeInBytes, SealedChatFormat.AadSizeInBytes, out aad);
                }
                else if (Is(reader, "request_id"u8))
                {
                    isTaken = requestId is null
                        && TryReadBytes(ref reader, SealedChatFormat.RequestIdSizeInBytes, SealedChatFormat.RequestIdSizeInBytes, out requestId);
                }
                else if (Is(reader, "timestamp"u8))
                {
                    isTaken = timestamp < 0 && reader.Read() && reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out timestamp)
                        && timestamp is >= 0 and <= LastMillisecond;
                }
                else if (Is(reader, "work"u8))
                {
                    isTaken = work is null && reader.Read() && reader is { TokenType: JsonTokenType.String, ValueIsEscaped: false }
                        && reader.ValueSpan.Length is > 0 and <= MaxWorkLength && (work = reader.GetString()) is not null;
                }
                else
                {
                    isTaken = false;
                }

                if (!isTaken)
                {
                    return SealedRequestError.Malformed;
                }
            }

            if (reader.TokenType != JsonTokenType.EndObject || reader.Read())
            {
                return SealedRequestError.Malformed;
            }

            if (encapsulatedKey is null || ciphertext is null || aad is null || requestId is null || timestamp < 0)
            {
                return SealedRequestError.Malformed;
            }

            if (!aad.AsSpan().SequenceEqual(SealedChatFormat.Aad(SealedChatFormat.KeyIdIn(aad), timestamp, requestId)))
            {
                return SealedRequestError.AadMismatch;
            }

            envelope = new SealedEnvelope
            {
                EncapsulatedKey = encapsulatedKey, Ciphertext = ciphertext.WrittenMemory, Aad = aad, Timestamp = timestamp, RequestId = requestId, Work = work, Buffer = ciphertext,
            };
            isWhole = true;
            return SealedRequestError.None;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // A name or value that is no UTF-8 comes out as the latter.
            return SealedRequestError.Malformed;
        }
        finally
        {
            if (!isWhole)
            {
                ciphertext?.Dispose();
            }
        }
    }

    /// <summary>Writes a request as JSON.</summary>
    public static void Write(
        IBufferWriter<byte> output, ReadOnlySpan<byte> encapsulatedKey, ReadOnlySpan<byte> ciphertext, ReadOnlySpan<byte> aad, long timestamp, ReadOnlySpan<byte> requestId,
        string? work = null)
    {
        output.Write("{\"encapsulated_key\":\""u8);
        WriteBase64(output, encapsulatedKey);
        output.Write("\",\"ciphertext\":\""u8);
        WriteBase64(output, ciphertext);
        output.Write("\",\"aad\":\""u8);
        WriteBase64(output, aad);
        output.Write("\",\"timestamp\":"u8);
        Span<byte> digits = stackalloc byte[20];
        System.Buffers.Text.Utf8Formatter.TryFormat(timestamp, digits, out int count);
        output.Write(digits[..count]);
        output.Write(",\"request_id\":\""u8);
        WriteBase64(output, requestId);
        if (work is not null)
        {
            output.Write("\",\"work\":\""u8);
            output.Write(System.Text.Encoding.ASCII.GetBytes(work));
        }

        output.Write("\"}"u8);
    }

    public void Dispose() => Buffer?.Dispose();

    /// <summary>Says nothing of what it holds.</summary>
    public override string ToString() => "[sealed]";

    internal static void WriteBase64(IBufferWriter<byte> output, ReadOnlySpan<byte> bytes)
    {
        Span<byte> text = output.GetSpan(Base64Url.GetEncodedLength(bytes.Length));
        output.Advance(Base64Url.EncodeToUtf8(bytes, text));
    }

    private static bool Is(in Utf8JsonReader reader, ReadOnlySpan<byte> name) => !reader.ValueIsEscaped && reader.ValueSpan.SequenceEqual(name);

    private static bool TryReadBytes(ref Utf8JsonReader reader, int least, int most, out byte[]? bytes)
    {
        bytes = null;
        if (!TryReadText(ref reader, out ReadOnlySpan<byte> text) || Base64UrlText.DecodedSize(text.Length) is var size && (size < least || size > most))
        {
            return false;
        }

        bytes = new byte[Base64UrlText.DecodedSize(text.Length)];
        return Base64UrlText.TryDecodeUnpadded(text, bytes);
    }

    private static bool TryReadCiphertext(ref Utf8JsonReader reader, out SensitiveBuffer? ciphertext)
    {
        ciphertext = null;
        if (!TryReadText(ref reader, out ReadOnlySpan<byte> text) || Base64UrlText.DecodedSize(text.Length) is var size && size <= SealedChatFormat.TagSizeInBytes)
        {
            return false;
        }

        int length = Base64UrlText.DecodedSize(text.Length);
        ciphertext = new SensitiveBuffer(length);
        if (!Base64UrlText.TryDecodeUnpadded(text, ciphertext.GetSpan(length)[..length]))
        {
            return false;
        }

        ciphertext.Advance(length);
        return true;
    }

    private static bool TryReadText(ref Utf8JsonReader reader, out ReadOnlySpan<byte> text)
    {
        text = default;
        if (!reader.Read() || reader.TokenType != JsonTokenType.String || reader.ValueIsEscaped)
        {
            return false;
        }

        text = reader.ValueSpan;
        return true;
    }
}
