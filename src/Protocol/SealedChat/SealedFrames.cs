using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Tacit.Protocol;

/// <summary>What the frames of a sealed reply's chunks are.</summary>
internal enum SealedFrameType : byte
{
    Padding = 0,
    Head = 1,
    Body = 2,
    Trailers = 3,
}

/// <summary>Writes the frames of a sealed reply: <c>u8 type ‖ u32 length ‖ payload</c>.</summary>
public static class SealedFrames
{
    /// <summary>What a frame needs besides its payload, in bytes.</summary>
    public const int HeadSizeInBytes = 5;

    /// <summary>The largest payload, in bytes: a frame does not cross into another chunk.</summary>
    public const int MaxPayloadSizeInBytes = SealedChatFormat.MaxChunkSizeInBytes - HeadSizeInBytes;

    /// <param name="output">Gets the frame.</param>
    /// <param name="status">The HTTP status.</param>
    /// <param name="headers">Names in lower case, each once.</param>
    public static void WriteHead(IBufferWriter<byte> output, int status, IEnumerable<KeyValuePair<string, string>> headers)
    {
        ArgumentNullException.ThrowIfNull(headers);
        var payload = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(payload))
        {
            json.WriteStartObject();
            json.WriteNumber("status"u8, status);
            json.WriteStartObject("headers"u8);
            WriteMembers(json, headers);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        Write(output, SealedFrameType.Head, payload.WrittenSpan);
    }

    /// <param name="body">At most <see cref="MaxPayloadSizeInBytes"/>.</param>
    public static void WriteBody(IBufferWriter<byte> output, ReadOnlySpan<byte> body) => Write(output, SealedFrameType.Body, body);

    public static void WriteTrailers(IBufferWriter<byte> output, IEnumerable<KeyValuePair<string, string>> trailers)
    {
        ArgumentNullException.ThrowIfNull(trailers);
        var payload = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(payload))
        {
            json.WriteStartObject();
            WriteMembers(json, trailers);
            json.WriteEndObject();
        }

        Write(output, SealedFrameType.Trailers, payload.WrittenSpan);
    }

    private static void Write(IBufferWriter<byte> output, SealedFrameType type, ReadOnlySpan<byte> payload)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(payload.Length, MaxPayloadSizeInBytes);
        Span<byte> head = output.GetSpan(HeadSizeInBytes);
        head[0] = (byte)type;
        BinaryPrimitives.WriteUInt32BigEndian(head[1..], (uint)payload.Length);
        output.Advance(HeadSizeInBytes);
        output.Write(payload);
    }

    private static void WriteMembers(Utf8JsonWriter json, IEnumerable<KeyValuePair<string, string>> members)
    {
        foreach ((string name, string value) in members)
        {
            json.WriteString(name, value);
        }
    }
}
