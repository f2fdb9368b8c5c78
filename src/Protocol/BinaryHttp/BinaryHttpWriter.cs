using System.Buffers;
using System.Text;

namespace Tacit.Protocol;

/// <summary>
/// Writes binary HTTP (RFC 9292): whole messages in known-length form, and streamed ones in indeterminate-length form, piece by piece. Field names are written in
/// lower case. What HTTP does not allow in a message is the caller's mistake and throws.
/// </summary>
public static class BinaryHttpWriter
{
    /// <summary>A whole request (RFC 9292, section 3.1).</summary>
    /// <exception cref="ArgumentException">Method, path or a field has characters that HTTP does not allow there.</exception>
    public static void WriteRequest(
        IBufferWriter<byte> destination, BinaryHttpRequest request, ReadOnlySpan<byte> content, IReadOnlyList<BinaryHttpField>? trailers = null)
    {
        ArgumentNullException.ThrowIfNull(destination);
        ArgumentNullException.ThrowIfNull(request);
        WriteVarint(destination, (int)Framing.KnownLengthRequest);
        WriteControl(destination, request);
        WriteSection(destination, request.Headers);
        WriteKnownLengthContent(destination, content, trailers);
    }

    /// <summary>A whole response, with the informational ones before it (RFC 9292, sections 3.1 and 3.5.1).</summary>
    /// <exception cref="ArgumentException">A status is out of range, or a field has characters that HTTP does not allow there.</exception>
    public static void WriteResponse(
        IBufferWriter<byte> destination, BinaryHttpResponse response, ReadOnlySpan<byte> content, IReadOnlyList<BinaryHttpField>? trailers = null,
        IReadOnlyList<BinaryHttpResponse>? informational = null)
    {
        ArgumentNullException.ThrowIfNull(destination);
        ArgumentNullException.ThrowIfNull(response);
        WriteVarint(destination, (int)Framing.KnownLengthResponse);
        foreach (BinaryHttpResponse interim in informational ?? [])
        {
            WriteStatus(destination, interim.Status, 100, 199);
            WriteSection(destination, interim.Headers);
        }

        WriteStatus(destination, response.Status, 200, 599);
        WriteSection(destination, response.Headers);
        WriteKnownLengthContent(destination, content, trailers);
    }

    /// <summary>The beginning of a request of indeterminate length (RFC 9292, section 3.2); <see cref="WriteChunk"/> and <see cref="WriteEnd"/> follow.</summary>
    /// <exception cref="ArgumentException">Method, path or a field has characters that HTTP does not allow there.</exception>
    public static void BeginRequest(IBufferWriter<byte> destination, BinaryHttpRequest request)
    {
        ArgumentNullException.ThrowIfNull(destination);
        ArgumentNullException.ThrowIfNull(request);
        WriteVarint(destination, (int)Framing.IndeterminateLengthRequest);
        WriteControl(destination, request);
        WriteLines(destination, request.Headers, isTrailer: false);
        WriteVarint(destination, 0);
    }

    /// <summary>The beginning of a response of indeterminate length: any informational responses, then the final one. <see cref="WriteChunk"/> and <see cref="WriteEnd"/> follow.</summary>
    /// <exception cref="ArgumentException">A status is out of range, or a field has characters that HTTP does not allow there.</exception>
    public static void BeginResponse(IBufferWriter<byte> destination, BinaryHttpResponse response, IReadOnlyList<BinaryHttpResponse>? informational = null)
    {
        ArgumentNullException.ThrowIfNull(destination);
        ArgumentNullException.ThrowIfNull(response);
        WriteVarint(destination, (int)Framing.IndeterminateLengthResponse);
        foreach (BinaryHttpResponse interim in informational ?? [])
        {
            WriteStatus(destination, interim.Status, 100, 199);
            WriteLines(destination, interim.Headers, isTrailer: false);
            WriteVarint(destination, 0);
        }

        WriteStatus(destination, response.Status, 200, 599);
        WriteLines(destination, response.Headers, isTrailer: false);
        WriteVarint(destination, 0);
    }

    /// <summary>Content of a message of indeterminate length; nothing, if there is none: a chunk of no length would end it.</summary>
    public static void WriteChunk(IBufferWriter<byte> destination, ReadOnlySpan<byte> content)
    {
        ArgumentNullException.ThrowIfNull(destination);
        if (!content.IsEmpty)
        {
            WriteVector(destination, content);
        }
    }

    /// <summary>The end of the content of a message of indeterminate length, and its trailers.</summary>
    /// <exception cref="ArgumentException">A field has characters that HTTP does not allow there.</exception>
    public static void WriteEnd(IBufferWriter<byte> destination, IReadOnlyList<BinaryHttpField>? trailers = null)
    {
        ArgumentNullException.ThrowIfNull(destination);
        WriteVarint(destination, 0);
        WriteLines(destination, trailers ?? [], isTrailer: true);
        WriteVarint(destination, 0);
    }

    /// <summary>Zeros behind a whole message, which mean nothing (RFC 9292, section 3.8).</summary>
    /// <param name="count">In bytes.</param>
    public static void WritePadding(IBufferWriter<byte> destination, int count)
    {
        ArgumentNullException.ThrowIfNull(destination);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        while (count > 0)
        {
            int part = Math.Min(count, 4096);
            destination.GetSpan(part)[..part].Clear();
            destination.Advance(part);
            count -= part;
        }
    }

    private static void WriteKnownLengthContent(IBufferWriter<byte> destination, ReadOnlySpan<byte> content, IReadOnlyList<BinaryHttpField>? trailers)
    {
        WriteVector(destination, content);
        WriteSection(destination, trailers ?? [], isTrailer: true);
    }

    private static void WriteControl(IBufferWriter<byte> destination, BinaryHttpRequest request)
    {
        WriteText(destination, request.Method, BinaryHttpRules.IsMethod, nameof(BinaryHttpRequest.Method));
        WriteText(destination, request.Scheme, BinaryHttpRules.IsScheme, nameof(BinaryHttpRequest.Scheme));
        WriteText(destination, request.Authority, BinaryHttpRules.IsAuthority, nameof(BinaryHttpRequest.Authority));
        WriteText(destination, request.Path, BinaryHttpRules.IsPath, nameof(BinaryHttpRequest.Path));
    }

    private static void WriteStatus(IBufferWriter<byte> destination, int status, int least, int most)
    {
        if (status < least || status > most)
        {
            throw new ArgumentException($"A status of {status} cannot stand here.", nameof(status));
        }

        WriteVarint(destination, status);
    }

    private static void WriteSection(IBufferWriter<byte> destination, IReadOnlyList<BinaryHttpField> fields, bool isTrailer = false)
    {
        if (fields.Count == 0)
        {
            WriteVarint(destination, 0);
            return;
        }

        // Its length stands before it; fields carry tokens, so what it is gathered in is wiped.
        using var section = new SensitiveBuffer(1024);
        WriteLines(section, fields, isTrailer);
        WriteVector(destination, section.WrittenSpan);
    }

    private static void WriteLines(IBufferWriter<byte> destination, IReadOnlyList<BinaryHttpField> fields, bool isTrailer)
    {
        bool isPseudoAllowed = !isTrailer;
        for (int i = 0; i < fields.Count; i++)
        {
            (string name, string value) = fields[i];
            if (name.StartsWith(':'))
            {
                WriteText(destination, name.ToLowerInvariant(), isPseudoAllowed ? BinaryHttpRules.IsPseudoName : static _ => false, nameof(fields));
            }
            else
            {
                isPseudoAllowed = false;
                WriteText(destination, name.ToLowerInvariant(), BinaryHttpRules.IsName, nameof(fields));
            }

            WriteText(destination, value, BinaryHttpRules.IsValue, nameof(fields));
        }
    }

    private static void WriteText(IBufferWriter<byte> destination, string text, Func<ReadOnlySpan<byte>, bool> isValid, string what)
    {
        WriteVarint(destination, text.Length);
        Span<byte> bytes = destination.GetSpan(text.Length)[..text.Length];
        if (Encoding.Latin1.GetBytes(text, bytes) != text.Length || text.AsSpan().ContainsAnyExceptInRange('\0', '\u00ff') || !isValid(bytes))
        {
            throw new ArgumentException("It has characters that HTTP does not allow there.", what);
        }

        destination.Advance(text.Length);
    }

    private static void WriteVector(IBufferWriter<byte> destination, ReadOnlySpan<byte> bytes)
    {
        WriteVarint(destination, bytes.Length);
        destination.Write(bytes);
    }

    private static void WriteVarint(IBufferWriter<byte> destination, int value)
    {
        WireWriter writer = new(destination.GetSpan(4));
        writer.WriteVarint(value);
        destination.Advance(writer.Written);
    }
}

/// <summary>RFC 9292, section 3.3.</summary>
internal enum Framing
{
    KnownLengthRequest = 0,
    KnownLengthResponse = 1,
    IndeterminateLengthRequest = 2,
    IndeterminateLengthResponse = 3,
}
