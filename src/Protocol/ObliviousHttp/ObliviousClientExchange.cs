using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Tacit.Crypto;

namespace Tacit.Protocol;

/// <summary>
/// The client's side of one encapsulated request and its response (RFC 9458, section 4; in chunks: draft-ietf-ohai-chunked-ohttp). For one request alone: a repeated
/// request is a new exchange. Not thread safe.
/// </summary>
public sealed class ObliviousClientExchange : IDisposable
{
    private readonly HpkeSuite _suite;
    private readonly ObliviousRequestHeader _header;
    private readonly HpkeSender _sender;
    private readonly byte[] _encapsulatedKey;
    private bool _isBegun;
    private bool _isSealed;

    internal ObliviousClientExchange(HpkeSuite suite, ObliviousRequestHeader header, HpkeSender sender, byte[] encapsulatedKey, bool isChunked)
    {
        _suite = suite;
        _header = header;
        _sender = sender;
        _encapsulatedKey = encapsulatedKey;
        IsChunked = isChunked;
    }

    /// <summary>Whether both messages are of the chunked media types.</summary>
    public bool IsChunked { get; }

    /// <summary>Null if this machine has none of the configuration's suites, or its key is none.</summary>
    public static ObliviousClientExchange? TryCreate(ObliviousKeyConfiguration configuration, bool isChunked)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        if (configuration.FindSuite() is not { } suite || !HpkePublicKey.TryImport(suite, configuration.PublicKey.Span, out HpkePublicKey? key))
        {
            return null;
        }

        using HpkePublicKey recipient = key;
        var header = new ObliviousRequestHeader(configuration.KeyId, suite.KemId, suite.KdfId, suite.AeadId);
        byte[] encapsulatedKey = new byte[suite.EncapsulatedKeySizeInBytes];
        HpkeSender sender = suite.SetupSender(recipient, ObliviousSecrets.Info(header, isChunked), encapsulatedKey);
        return new ObliviousClientExchange(suite, header, sender, encapsulatedKey, isChunked);
    }

    /// <summary>Seals a whole request, padding included, for <see cref="MediaTypes.ObliviousRequest"/>.</summary>
    /// <param name="request">A binary HTTP request.</param>
    public void SealRequest(ReadOnlySpan<byte> request, IBufferWriter<byte> encapsulated)
    {
        ArgumentNullException.ThrowIfNull(encapsulated);
        Begin(encapsulated, isChunked: false);
        _isSealed = true;
        Seal(default, request, encapsulated);
    }

    /// <summary>Seals the next part of a request for <see cref="MediaTypes.ObliviousChunkedRequest"/>.</summary>
    /// <param name="part">Bytes of a binary HTTP request, at most <see cref="ObliviousChunkReader.MaxChunkSize"/>; none only in the last one.</param>
    public void SealChunk(ReadOnlySpan<byte> part, bool isFinal, IBufferWriter<byte> encapsulated)
    {
        ArgumentNullException.ThrowIfNull(encapsulated);
        ObliviousResponseSealer.CheckChunk(part, isFinal);
        Begin(encapsulated, isChunked: true);
        _isSealed = isFinal;
        ObliviousResponseSealer.WriteVarint(encapsulated, isFinal ? 0 : part.Length + _suite.TagSizeInBytes);
        Seal(isFinal ? ObliviousSecrets.Final : default, part, encapsulated);
    }

    /// <summary>Opens a whole response of <see cref="MediaTypes.ObliviousResponse"/>. False if it is not the one to this request, or was changed.</summary>
    public bool TryOpenResponse(ReadOnlySpan<byte> encapsulated, IBufferWriter<byte> response)
    {
        ArgumentNullException.ThrowIfNull(response);
        int entropy = ObliviousSecrets.EntropySize(_suite);
        if (IsChunked || encapsulated.Length < entropy + _suite.TagSizeInBytes)
        {
            return false;
        }

        Span<byte> nonce = stackalloc byte[AeadKey.NonceSizeInBytes];
        using AeadKey key = DeriveResponseKey(encapsulated[..entropy], nonce);
        int size = encapsulated.Length - entropy - _suite.TagSizeInBytes;
        if (!key.TryOpen(nonce, default, encapsulated[entropy..], response.GetSpan(Math.Max(size, 1))[..size]))
        {
            return false;
        }

        response.Advance(size);
        return true;
    }

    /// <summary>Opens a response of <see cref="MediaTypes.ObliviousChunkedResponse"/> as it comes.</summary>
    public ObliviousResponseReader ReadResponse() =>
        IsChunked ? new ObliviousResponseReader(this) : throw new InvalidOperationException("The request was not chunked, so its response is not.");

    public void Dispose() => _sender.Dispose();

    internal int ResponseNonceSize => ObliviousSecrets.EntropySize(_suite);

    internal AeadKey DeriveResponseKey(ReadOnlySpan<byte> responseNonce, Span<byte> baseNonce)
    {
        Span<byte> secret = stackalloc byte[ResponseNonceSize];
        _sender.Export(ObliviousSecrets.ResponseLabel(IsChunked), secret);
        return ObliviousSecrets.DeriveResponseKey(_suite, secret, _encapsulatedKey, responseNonce, baseNonce);
    }

    private void Begin(IBufferWriter<byte> encapsulated, bool isChunked)
    {
        if (IsChunked != isChunked || _isSealed)
        {
            throw new InvalidOperationException(_isSealed ? "The request has been sealed whole." : "The exchange is of the other media type.");
        }

        if (_isBegun)
        {
            return;
        }

        _isBegun = true;
        int size = ObliviousRequestHeader.SizeInBytes + _encapsulatedKey.Length;
        Span<byte> start = encapsulated.GetSpan(size);
        _header.Write(start);
        _encapsulatedKey.CopyTo(start[ObliviousRequestHeader.SizeInBytes..]);
        encapsulated.Advance(size);
    }

    private void Seal(ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> plaintext, IBufferWriter<byte> encapsulated)
    {
        int size = plaintext.Length + _suite.TagSizeInBytes;
        _sender.Seal(associatedData, plaintext, encapsulated.GetSpan(size)[..size]);
        encapsulated.Advance(size);
    }
}

/// <summary>Opens a chunked response: its nonce, then its chunks. As <see cref="ObliviousChunkReader"/>, which it is made of.</summary>
public sealed class ObliviousResponseReader : IDisposable
{
    private readonly ObliviousClientExchange _exchange;
    private readonly byte[] _nonce;
    private readonly byte[] _baseNonce = new byte[AeadKey.NonceSizeInBytes];
    private int _nonceCount;
    private ulong _number;
    private AeadKey? _key;
    private ObliviousChunkReader? _chunks;

    internal ObliviousResponseReader(ObliviousClientExchange exchange)
    {
        _exchange = exchange;
        _nonce = new byte[exchange.ResponseNonceSize];
    }

    /// <inheritdoc cref="ObliviousChunkReader.TryRead"/>
    public bool TryRead(ReadOnlySpan<byte> input, IBufferWriter<byte> plaintext)
    {
        if (_chunks is null)
        {
            int count = Math.Min(_nonce.Length - _nonceCount, input.Length);
            input[..count].CopyTo(_nonce.AsSpan(_nonceCount));
            input = input[count..];
            _nonceCount += count;
            if (_nonceCount < _nonce.Length)
            {
                return true;
            }

            _key = _exchange.DeriveResponseKey(_nonce, _baseNonce);
            _chunks = new ObliviousChunkReader(TryOpen, _key);
        }

        return _chunks.TryRead(input, plaintext);
    }

    /// <inheritdoc cref="ObliviousChunkReader.TryEnd"/>
    public bool TryEnd(IBufferWriter<byte> plaintext) => _chunks is not null && _chunks.TryEnd(plaintext);

    public void Dispose()
    {
        _chunks?.Dispose();
        CryptographicOperations.ZeroMemory(_baseNonce);
    }

    private bool TryOpen(ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> ciphertext, Span<byte> plaintext)
    {
        Span<byte> nonce = stackalloc byte[AeadKey.NonceSizeInBytes];
        ObliviousSecrets.ChunkNonce(_baseNonce, _number++, nonce);
        return _key!.TryOpen(nonce, associatedData, ciphertext, plaintext);
    }
}
