using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using System.Text.Json;

namespace Tacit.Protocol;

/// <summary>
/// What a sealed request holds: <c>{"path", "headers", "body"[, "method"]}</c> behind its length, padded with zeros to a bucket. The body is the bytes of its JSON value
/// as they stand, so that a retry's is the same to the byte.
/// </summary>
/// <param name="Method"><c>POST</c> or <c>GET</c>.</param>
/// <param name="Path">Begins with a slash, printable ASCII.</param>
/// <param name="Headers">Names in lower case, each once. Values may hold a token.</param>
/// <param name="Body">An object, from brace to brace; empty where there is none. Belongs to whoever holds the plaintext.</param>
public sealed record SealedInnerRequest(string Method, string Path, IReadOnlyList<KeyValuePair<string, string>> Headers, ReadOnlyMemory<byte> Body)
{
    public const int MaxHeaders = 16;

    private const int LengthSizeInBytes = 4;
    private const int MaxPathLength = 1024;
    private const int MaxHeaderValueLength = 8 * 1024;
    private const string Get = "GET";
    private const string Post = "POST";

    private static readonly SearchValues<char> s_nameCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789-_");

    private static readonly JsonReaderOptions s_options = new() { MaxDepth = 128 };

    /// <summary>Writes the padded plaintext. What is in it is wiped with the buffer.</summary>
    public void WritePlaintext(SensitiveBuffer output)
    {
        ArgumentNullException.ThrowIfNull(output);
        int start = output.WrittenCount;
        output.Write([0, 0, 0, 0]);
        output.Write("{"u8);
        if (Method != Post)
        {
            output.Write("\"method\":"u8);
            WriteText(output, Method);
            output.Write(","u8);
        }

        output.Write("\"path\":"u8);
        WriteText(output, Path);
        output.Write(",\"headers\":{"u8);
        for (int i = 0; i < Headers.Count; i++)
        {
            output.Write(i == 0 ? [] : ","u8);
            WriteText(output, Headers[i].Key);
            output.Write(":"u8);
            WriteText(output, Headers[i].Value);
        }

        output.Write("}"u8);
        if (!Body.IsEmpty)
        {
            output.Write(",\"body\":"u8);
            output.Write(Body.Span);
        }

        output.Write("}"u8);
        int size = output.WrittenCount - start;
        int padding = SealedChatFormat.RequestBucket(size) - size;
        Span<byte> zeros = output.GetSpan(padding)[..padding];
        zeros.Clear();
        output.Advance(padding);
        BinaryPrimitives.WriteUInt32BigEndian(output.WrittenInPlace(start), (uint)(size - LengthSizeInBytes));
    }

    /// <param name="plaintext">All of it. The body that comes out is a part of it.</param>
    public static bool TryParse(ReadOnlyMemory<byte> plaintext, out SealedInnerRequest? request)
    {
        request = null;
        ReadOnlySpan<byte> bytes = plaintext.Span;
        if (!SealedChatFormat.IsRequestBucket(bytes.Length) || BinaryPrimitives.ReadUInt32BigEndian(bytes) is var length && length > bytes.Length - LengthSizeInBytes
            || bytes[(LengthSizeInBytes + (int)length)..].ContainsAnyExcept((byte)0))
        {
            return false;
        }

        try
        {
            return TryParseJson(plaintext.Slice(LengthSizeInBytes, (int)length), out request);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return false;
        }
    }

    /// <summary>Says nothing of what it holds.</summary>
    public override string ToString() => "[scrubbed]";

    private static bool TryParseJson(ReadOnlyMemory<byte> json, out SealedInnerRequest? request)
    {
        request = null;
        string? method = null;
        string? path = null;
        List<KeyValuePair<string, string>>? headers = null;
        ReadOnlyMemory<byte>? body = null;
        var reader = new Utf8JsonReader(json.Span, s_options);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
        {
            return false;
        }

        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            bool isTaken = false;
            if (Is(reader, "path"u8) && path is null)
            {
                isTaken = TryReadText(ref reader, MaxPathLength, out path) && path.StartsWith('/') && !path.Contains(' ', StringComparison.Ordinal);
            }
            else if (Is(reader, "method"u8) && method is null)
            {
                isTaken = TryReadText(ref reader, Post.Length, out method) && method is Post or Get;
            }
            else if (Is(reader, "headers"u8) && headers is null)
            {
                isTaken = TryReadHeaders(ref reader, headers = []);
            }
            else if (Is(reader, "body"u8) && body is null)
            {
                if (isTaken = reader.Read() && reader.TokenType == JsonTokenType.StartObject)
                {
                    int start = (int)reader.TokenStartIndex;
                    reader.Skip();
                    body = json[start..(int)reader.BytesConsumed];
                }
            }

            if (!isTaken)
            {
                return false;
            }
        }

        if (reader.TokenType != JsonTokenType.EndObject || reader.Read() || path is null)
        {
            return false;
        }

        request = new SealedInnerRequest(method ?? Post, path, headers ?? [], body ?? default);
        return true;
    }

    private static bool TryReadHeaders(ref Utf8JsonReader reader, List<KeyValuePair<string, string>> headers)
    {
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
        {
            return false;
        }

        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!;
            if (headers.Count == MaxHeaders || name.Length is 0 or > 64 || name.AsSpan().ContainsAnyExcept(s_nameCharacters)
                || headers.Exists(header => header.Key == name) || !TryReadText(ref reader, MaxHeaderValueLength, out string? value))
            {
                return false;
            }

            headers.Add(new(name, value));
        }

        return reader.TokenType == JsonTokenType.EndObject;
    }

    private static bool Is(in Utf8JsonReader reader, ReadOnlySpan<byte> name) => !reader.ValueIsEscaped && reader.ValueSpan.SequenceEqual(name);

    /// <summary>Visible ASCII and spaces.</summary>
    private static bool TryReadText(ref Utf8JsonReader reader, int most, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out string? text)
    {
        text = null;
        if (!reader.Read() || reader.TokenType != JsonTokenType.String || reader.ValueSpan.Length > most * 6)
        {
            return false;
        }

        text = reader.GetString()!;
        return text.Length <= most && !text.AsSpan().ContainsAnyExceptInRange(' ', '~');
    }

    private static void WriteText(SensitiveBuffer output, string text)
    {
        output.Write("\""u8);
        output.Write(JsonEncodedText.Encode(text, System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping).EncodedUtf8Bytes);
        output.Write("\""u8);
    }
}
