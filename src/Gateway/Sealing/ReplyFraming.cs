using System.Buffers;
using Microsoft.AspNetCore.Http;
using Tacit.Protocol;

namespace Tacit.Gateway.Sealing;

/// <summary>How one sealed protocol writes a reply into the plaintext of its chunks, and seals these. Used by <see cref="ReplyPacer"/>, by one thread at a time.</summary>
internal abstract class ReplyFraming : IDisposable
{
    /// <summary>Bytes that a part of content takes beside itself.</summary>
    public abstract int ContentOverhead { get; }

    /// <summary>Whether the plaintext may be cut into chunks at any byte, also within the head.</summary>
    public abstract bool CutsAnywhere { get; }

    /// <summary>Status and headers, once, before all else.</summary>
    public abstract void WriteHead(int status, IHeaderDictionary headers, SensitiveBuffer plaintext);

    /// <summary>How many of the bytes that wait may go into a chunk that is padded; 0 if they have to wait for more, or for the end.</summary>
    public abstract int FindCut(ReadOnlySpan<byte> waiting);

    /// <summary>Content, unpadded: takes <see cref="ContentOverhead"/> more bytes than it has.</summary>
    public abstract void WriteContent(ReadOnlySpan<byte> content, SensitiveBuffer plaintext);

    /// <summary>Content that <see cref="FindCut"/> allowed, with padding, in exactly so many bytes.</summary>
    public abstract void WritePaddedContent(ReadOnlySpan<byte> content, int size, SensitiveBuffer plaintext);

    /// <summary>The end of the content and its trailers; zeros may follow.</summary>
    public abstract void WriteEnd(IHeaderDictionary trailers, SensitiveBuffer plaintext);

    /// <param name="isFinal">Nothing follows, which the client can tell.</param>
    public abstract void Seal(ReadOnlySpan<byte> plaintext, bool isFinal, IBufferWriter<byte> output);

    public abstract void Dispose();
}
