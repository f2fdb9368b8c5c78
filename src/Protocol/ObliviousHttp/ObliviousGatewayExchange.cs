using System.Buffers;
using System.Security.Cryptography;
using Tacit.Crypto;

namespace Tacit.Protocol;

/// <summary>The gateway's side of one encapsulated request and its response (RFC 9458, section 4; in chunks: draft-ietf-ohai-chunked-ohttp). Not thread safe.</summary>
public sealed class ObliviousGatewayExchange : IDisposable
{
    private readonly HpkeSuite _suite;
    private readonly HpkeRecipient _recipient;
    private readonly byte[] _encapsulatedKey;

    private ObliviousGatewayExchange(HpkeSuite suite, HpkeRecipient recipient, byte[] encapsulatedKey, bool isChunked)
    {
        _suite = suite;
        _recipient = recipient;
        _encapsulatedKey = encapsulatedKey;
        IsChunked = isChunked;
    }

    public bool IsChunked { get; }

    /// <summary>
    /// Begins with the start of a request: its header and its encapsulated key. Takes a scalar multiplication. Null if the bytes are too few, name another suite than
    /// <paramref name="key"/> is for, or hold no key.
    /// </summary>
    /// <param name="key">The one that the header names.</param>
    /// <param name="request">From its first byte.</param>
    /// <param name="isChunked">Whether it is of <see cref="MediaTypes.ObliviousChunkedRequest"/>.</param>
    /// <param name="size">How many bytes of it were taken; ciphertext follows.</param>
    public static ObliviousGatewayExchange? TryBegin(HpkePrivateKey key, ReadOnlySpan<byte> request, bool isChunked, out int size)
    {
        ArgumentNullException.ThrowIfNull(key);
        size = 0;
        if (!ObliviousRequestHeader.TryRead(request, out ObliviousRequestHeader header) || header.KemId != key.KemId
            || !HpkeSuite.TryFind(header.KemId, header.KdfId, header.AeadId, out HpkeSuite? suite)
            || request.Length < ObliviousRequestHeader.SizeInBytes + suite.EncapsulatedKeySizeInBytes)
        {
            return null;
        }

        byte[] encapsulatedKey = request.Slice(ObliviousRequestHeader.SizeInBytes, suite.EncapsulatedKeySizeInBytes).ToArray();
        size = ObliviousRequestHeader.SizeInBytes + encapsulatedKey.Length;
        HpkeRecipient? recipient = suite.SetupRecipient(key, encapsulatedKey, ObliviousSecrets.Info(header, isChunked));
        return recipient is null ? null : new ObliviousGatewayExchange(suite, recipient, encapsulatedKey, isChunked);
    }

    /// <summary>Opens what follows the encapsulated key in a request that is not chunked. False if it was changed, or sealed to another key.</summary>
    /// <param name="request">Gets a binary HTTP request, if it was made well.</param>
    public bool TryOpenRequest(ReadOnlySpan<byte> ciphertext, IBufferWriter<byte> request)
    {
        ArgumentNullException.ThrowIfNull(request);
        int size = ciphertext.Length - _suite.TagSizeInBytes;
        if (IsChunked || size < 0 || !_recipient.TryOpen(default, ciphertext, request.GetSpan(Math.Max(size, 1))[..size]))
        {
            return false;
        }

        request.Advance(size);
        return true;
    }

    /// <summary>Opens what follows the encapsulated key in a chunked request, as it comes.</summary>
    public ObliviousChunkReader ReadRequest() =>
        IsChunked ? new ObliviousChunkReader(_recipient.TryOpen) : throw new InvalidOperationException("The request is not chunked.");

    /// <summary>Seals a whole response, padding included, for <see cref="MediaTypes.ObliviousResponse"/>.</summary>
    /// <param name="response">A binary HTTP response.</param>
    public void SealResponse(ReadOnlySpan<byte> response, IBufferWriter<byte> encapsulated) => SealResponse(response, encapsulated, default);

    /// <summary>The sealer of a chunked response, with a nonce of its own; outlives this exchange.</summary>
    public ObliviousResponseSealer CreateResponse() => CreateResponse(default);

    public void Dispose() => _recipient.Dispose();

    /// <param name="responseNonce">Empty, but in tests that replay published values.</param>
    internal void SealResponse(ReadOnlySpan<byte> response, IBufferWriter<byte> encapsulated, ReadOnlySpan<byte> responseNonce)
    {
        ArgumentNullException.ThrowIfNull(encapsulated);
        if (IsChunked)
        {
            throw new InvalidOperationException("The request was chunked, and so is its response.");
        }

        Span<byte> nonce = stackalloc byte[AeadKey.NonceSizeInBytes];
        using AeadKey key = BeginResponse(responseNonce, nonce, out byte[] start);
        int size = response.Length + _suite.TagSizeInBytes;
        encapsulated.Write(start);
        key.Seal(nonce, default, response, encapsulated.GetSpan(size)[..size]);
        encapsulated.Advance(size);
    }

    /// <inheritdoc cref="SealResponse(ReadOnlySpan{byte}, IBufferWriter{byte}, ReadOnlySpan{byte})"/>
    internal ObliviousResponseSealer CreateResponse(ReadOnlySpan<byte> responseNonce)
    {
        if (!IsChunked)
        {
            throw new InvalidOperationException("The request was not chunked, so its response is not.");
        }

        byte[] nonce = new byte[AeadKey.NonceSizeInBytes];
        AeadKey key = BeginResponse(responseNonce, nonce, out byte[] start);
        return new ObliviousResponseSealer(key, nonce, start);
    }

    private AeadKey BeginResponse(ReadOnlySpan<byte> responseNonce, Span<byte> baseNonce, out byte[] nonce)
    {
        int entropy = ObliviousSecrets.EntropySize(_suite);
        nonce = responseNonce.IsEmpty ? RandomNumberGenerator.GetBytes(entropy) : responseNonce.ToArray();
        Span<byte> secret = stackalloc byte[entropy];
        _recipient.Export(ObliviousSecrets.ResponseLabel(IsChunked), secret);
        return ObliviousSecrets.DeriveResponseKey(_suite, secret, _encapsulatedKey, nonce, baseNonce);
    }
}

/// <summary>Seals a chunked response, chunk by chunk, in order (draft-ietf-ohai-chunked-ohttp). Not thread safe.</summary>
public sealed class ObliviousResponseSealer : IDisposable
{
    private readonly AeadKey _key;
    private readonly byte[] _baseNonce;
    private byte[]? _start;
    private ulong _number;
    private bool _isEnded;

    internal ObliviousResponseSealer(AeadKey key, byte[] baseNonce, byte[] start)
    {
        _key = key;
        _baseNonce = baseNonce;
        _start = start;
    }

    /// <summary>How many bytes a chunk takes beyond its plaintext, at most.</summary>
    public const int MaxOverhead = 4 + AeadKey.TagSizeInBytes;

    /// <summary>Writes the next chunk; before the first one, the response's nonce.</summary>
    /// <param name="part">Bytes of a binary HTTP response, at most <see cref="ObliviousChunkReader.MaxChunkSize"/>; none only in the last one.</param>
    /// <param name="isFinal">Nothing follows: whoever gets less knows it.</param>
    public void SealChunk(ReadOnlySpan<byte> part, bool isFinal, IBufferWriter<byte> encapsulated)
    {
        ArgumentNullException.ThrowIfNull(encapsulated);
        CheckChunk(part, isFinal);
        if (_isEnded)
        {
            throw new InvalidOperationException("The last chunk has been sealed.");
        }

        _isEnded = isFinal;
        if (_start is { } start)
        {
            _start = null;
            encapsulated.Write(start);
        }

        int size = part.Length + AeadKey.TagSizeInBytes;
        WriteVarint(encapsulated, isFinal ? 0 : size);
        Span<byte> nonce = stackalloc byte[AeadKey.NonceSizeInBytes];
        ObliviousSecrets.ChunkNonce(_baseNonce, _number++, nonce);
        _key.Seal(nonce, isFinal ? ObliviousSecrets.Final : default, part, encapsulated.GetSpan(size)[..size]);
        encapsulated.Advance(size);
    }

    public void Dispose()
    {
        _key.Dispose();
        CryptographicOperations.ZeroMemory(_baseNonce);
    }

    internal static void CheckChunk(ReadOnlySpan<byte> part, bool isFinal)
    {
        if (part.Length > ObliviousChunkReader.MaxChunkSize || (part.IsEmpty && !isFinal))
        {
            throw new ArgumentException($"A chunk has at most {ObliviousChunkReader.MaxChunkSize} bytes, and only the last one may be empty.", nameof(part));
        }
    }

    internal static void WriteVarint(IBufferWriter<byte> destination, int value)
    {
        WireWriter writer = new(destination.GetSpan(4));
        writer.WriteVarint(value);
        destination.Advance(writer.Written);
    }
}
