using System.Buffers;
using System.Buffers.Binary;
using Microsoft.AspNetCore.Http;
using Tacit.Protocol;

namespace Tacit.Gateway.Sealing;

/// <summary>
/// A reply as a binary HTTP response of indeterminate length in OHTTP chunks. Binary HTTP takes padding behind its end only (RFC 9292, section 3.8), so a chunk in the middle
/// of an event stream is padded inside its content, by a comment between two events, which every reader of event streams passes over. Other content is not padded in
/// the middle: it waits until it fills the largest chunk or ends, since nobody reads it piece by piece.
/// </summary>
internal sealed class ObliviousFraming(ObliviousResponseSealer sealer) : ReplyFraming
{
    /// <summary>A colon and an empty line.</summary>
    private const int SmallestComment = 3;

    private bool _isEventStream;

    /// <summary>The length of a chunk of content, always written in four bytes.</summary>
    public override int ContentOverhead => 4;

    public override bool CutsAnywhere => true;

    public override void WriteHead(int status, IHeaderDictionary headers, SensitiveBuffer plaintext)
    {
        _isEventStream = headers.ContentType.ToString().StartsWith(MediaTypes.EventStream, StringComparison.OrdinalIgnoreCase);
        BinaryHttpWriter.BeginResponse(plaintext, new BinaryHttpResponse { Status = status, Headers = InnerFields.Of(headers) });
    }

    /// <summary>Behind the last event that is whole, whichever line ends its provider writes.</summary>
    public override int FindCut(ReadOnlySpan<byte> waiting) =>
        !_isEventStream ? 0 : Math.Max(EndOfLast(waiting, "\n\n"u8), Math.Max(EndOfLast(waiting, "\n\r\n"u8), EndOfLast(waiting, "\r\r"u8)));

    public override void WriteContent(ReadOnlySpan<byte> content, SensitiveBuffer plaintext)
    {
        WriteLength(content.Length, ContentOverhead, plaintext);
        plaintext.Write(content);
    }

    public override void WritePaddedContent(ReadOnlySpan<byte> content, int size, SensitiveBuffer plaintext)
    {
        int padding = size - ContentOverhead - content.Length;
        // One or two bytes are no comment: they are taken from the length, which has a shorter form.
        int overhead = padding is > 0 and < SmallestComment ? sizeof(ushort) : ContentOverhead;
        padding += ContentOverhead - overhead;
        WriteLength(content.Length + padding, overhead, plaintext);
        plaintext.Write(content);
        if (padding > 0)
        {
            Span<byte> comment = plaintext.GetSpan(padding)[..padding];
            comment[0] = (byte)':';
            comment[1..^2].Fill((byte)' ');
            comment[^2..].Fill((byte)'\n');
            plaintext.Advance(padding);
        }
    }

    public override void WriteEnd(IHeaderDictionary trailers, SensitiveBuffer plaintext) => BinaryHttpWriter.WriteEnd(plaintext, InnerFields.Of(trailers));

    public override void Seal(ReadOnlySpan<byte> plaintext, bool isFinal, IBufferWriter<byte> output) => sealer.SealChunk(plaintext, isFinal, output);

    public override void Dispose() => sealer.Dispose();

    private static int EndOfLast(ReadOnlySpan<byte> waiting, ReadOnlySpan<byte> emptyLine)
    {
        int start = waiting.LastIndexOf(emptyLine);
        return start < 0 ? 0 : start + emptyLine.Length;
    }

    /// <summary>A variable-length integer (RFC 9000, section 16) in two or four bytes, whichever its value: length is content's, not padding's, to tell.</summary>
    private static void WriteLength(int length, int size, SensitiveBuffer plaintext)
    {
        Span<byte> bytes = plaintext.GetSpan(size);
        if (size == sizeof(ushort))
        {
            BinaryPrimitives.WriteUInt16BigEndian(bytes, (ushort)(0x4000 | length));
        }
        else
        {
            BinaryPrimitives.WriteUInt32BigEndian(bytes, 0x8000_0000 | (uint)length);
        }

        plaintext.Advance(size);
    }
}
