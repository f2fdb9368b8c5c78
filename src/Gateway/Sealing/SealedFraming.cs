using System.Buffers;
using Microsoft.AspNetCore.Http;
using Tacit.Protocol;

namespace Tacit.Gateway.Sealing;

/// <summary>A reply as the frames of sealed chat. A frame of zeros pads anywhere, so any content may be cut anywhere.</summary>
internal sealed class SealedFraming(SealedReplyWriter writer) : ReplyFraming
{
    private bool _hasBegun;

    public override int ContentOverhead => SealedFrames.HeadSizeInBytes;

    public override bool CutsAnywhere => false;

    public override void WriteHead(int status, IHeaderDictionary headers, SensitiveBuffer plaintext) => SealedFrames.WriteHead(plaintext, status, Members(headers));

    public override int FindCut(ReadOnlySpan<byte> waiting) => waiting.Length;

    public override void WriteContent(ReadOnlySpan<byte> content, SensitiveBuffer plaintext) => SealedFrames.WriteBody(plaintext, content);

    public override void WritePaddedContent(ReadOnlySpan<byte> content, int size, SensitiveBuffer plaintext)
    {
        SealedFrames.WriteBody(plaintext, content);
        int padding = size - ContentOverhead - content.Length;
        plaintext.GetSpan(padding)[..padding].Clear();
        plaintext.Advance(padding);
    }

    public override void WriteEnd(IHeaderDictionary trailers, SensitiveBuffer plaintext)
    {
        if (trailers.Count > 0)
        {
            SealedFrames.WriteTrailers(plaintext, Members(trailers));
        }
    }

    public override void Seal(ReadOnlySpan<byte> plaintext, bool isFinal, IBufferWriter<byte> output)
    {
        if (!_hasBegun)
        {
            _hasBegun = true;
            writer.WriteHead(output);
        }

        writer.WriteChunk(output, plaintext, plaintext.Length, isFinal);
    }

    public override void Dispose() => writer.Dispose();

    private static IEnumerable<KeyValuePair<string, string>> Members(IHeaderDictionary headers) =>
        headers.Where(header => !InnerRequest.IsOfConnection(header.Key)).Select(header => KeyValuePair.Create(header.Key.ToLowerInvariant(), header.Value.ToString()));
}
