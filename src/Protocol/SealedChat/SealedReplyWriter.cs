using System.Buffers;
using System.Security.Cryptography;
using Tacit.Crypto;

namespace Tacit.Protocol;

/// <summary>Seals a reply at the gateway, chunk by chunk, as server-sent events. Not thread safe.</summary>
public sealed class SealedReplyWriter : IDisposable
{
    private readonly AeadKey _key;
    private readonly byte[] _requestId;
    private readonly byte[] _nonce = new byte[AeadKey.NonceSizeInBytes];
    private readonly byte[] _responseNonce;
    private readonly byte[] _chunk = new byte[SealedChatFormat.MaxChunkSizeInBytes + AeadKey.TagSizeInBytes];
    private ulong _next;
    private bool _isFinal;

    /// <param name="secret">Of the request; stays the caller's.</param>
    public SealedReplyWriter(SealedReplySecret secret)
    {
        ArgumentNullException.ThrowIfNull(secret);
        _responseNonce = RandomNumberGenerator.GetBytes(SealedChatFormat.ResponseNonceSizeInBytes);
        _requestId = secret.RequestId.ToArray();
        _key = secret.DeriveKey(_responseNonce, _nonce);
    }

    /// <summary>The first event: which request it answers, and the nonce that makes its key.</summary>
    public void WriteHead(IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        output.Write("event: head\ndata: {\"request_id\":\""u8);
        SealedEnvelope.WriteBase64(output, _requestId);
        output.Write("\",\"response_nonce\":\""u8);
        SealedEnvelope.WriteBase64(output, _responseNonce);
        output.Write("\"}\n\n"u8);
    }

    /// <summary>Seals whole frames as the next event.</summary>
    /// <param name="output">Gets the event.</param>
    /// <param name="frames">May be empty.</param>
    /// <param name="size">What the plaintext is padded to: one of <see cref="PaddingBuckets"/>, not smaller than <paramref name="frames"/>.</param>
    /// <param name="isFinal">Whether nothing comes after it.</param>
    public void WriteChunk(IBufferWriter<byte> output, ReadOnlySpan<byte> frames, int size, bool isFinal)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentOutOfRangeException.ThrowIfLessThan(size, frames.Length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, SealedChatFormat.MaxChunkSizeInBytes);
        ObjectDisposedException.ThrowIf(_isFinal, this);
        _isFinal = isFinal;
        ReadOnlySpan<byte> word = isFinal ? SealedChatFormat.FinalWord : SealedChatFormat.ChunkWord;
        Span<byte> nonce = stackalloc byte[AeadKey.NonceSizeInBytes];
        SealedChatFormat.ChunkNonce(_nonce, _next, nonce);
        _next = checked(_next + 1);
        Span<byte> aad = stackalloc byte[SealedChatFormat.RequestIdSizeInBytes + 5];
        _requestId.CopyTo(aad);
        word.CopyTo(aad[SealedChatFormat.RequestIdSizeInBytes..]);

        // In place: what was plaintext a moment ago is ciphertext then.
        Span<byte> chunk = _chunk.AsSpan(0, size + AeadKey.TagSizeInBytes);
        frames.CopyTo(chunk);
        chunk[frames.Length..size].Clear();
        _key.Seal(nonce, aad, chunk[..size], chunk);
        output.Write("event: "u8);
        output.Write(word);
        output.Write("\ndata: "u8);
        SealedEnvelope.WriteBase64(output, chunk);
        output.Write("\n\n"u8);
    }

    public void Dispose() => _key.Dispose();
}
