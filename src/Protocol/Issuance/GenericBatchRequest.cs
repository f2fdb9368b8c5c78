using System.Diagnostics.CodeAnalysis;

namespace Tacit.Protocol;

/// <summary>Why a batch cannot be taken.</summary>
public enum BatchFault
{
    None,

    /// <summary>Not the framing, or a request in it that cannot be read.</summary>
    Malformed,

    Empty,

    /// <summary>More than <see cref="GenericBatchRequest.MaxRequests"/>.</summary>
    TooLarge,

    /// <summary>A token type that is not issued here.</summary>
    UnsupportedType,

    /// <summary>One blinded message appears twice.</summary>
    RepeatedMessage,
}

/// <summary>
/// Several token requests in one (draft-ietf-privacypass-batched-tokens, generic batch): the length of what follows as a variable-length
/// integer, then the requests one after the other, each beginning with its token type. 0xDA7A uses the same framing around
/// ExtendedTokenRequests; that is Tacit's own.
/// </summary>
public sealed class GenericBatchRequest
{
    public const int MaxRequests = 1000;

    public const int MaxSizeInBytes = 4 + (MaxRequests * TokenRequest.MaxSizeInBytes);

    private GenericBatchRequest(IReadOnlyList<TokenRequest> requests) => Requests = requests;

    /// <summary>1 to 1,000, of either type, no two with the same blinded message.</summary>
    public IReadOnlyList<TokenRequest> Requests { get; }

    public static GenericBatchRequest Create(IReadOnlyList<TokenRequest> requests)
    {
        BatchFault fault = Check(requests);
        return fault is BatchFault.None
            ? new GenericBatchRequest([.. requests])
            : throw new ArgumentException($"These requests make no batch: {fault}.", nameof(requests));
    }

    public static bool TryParse(ReadOnlySpan<byte> encoded, [NotNullWhen(true)] out GenericBatchRequest? batch) =>
        TryParse(encoded, out batch, out _);

    public static bool TryParse(ReadOnlySpan<byte> encoded, [NotNullWhen(true)] out GenericBatchRequest? batch, out BatchFault fault)
    {
        batch = null;
        fault = BatchFault.Malformed;
        if (!TryReadFrame(encoded, out ReadOnlySpan<byte> content))
        {
            return false;
        }

        List<TokenRequest> requests = new(Math.Min(MaxRequests, content.Length / TokenRequest.SizeInBytes));
        WireReader reader = new(content);
        while (!reader.AtEnd)
        {
            if (requests.Count == MaxRequests)
            {
                fault = BatchFault.TooLarge;
                return false;
            }

            WireReader peek = reader;
            if (peek.TryReadUInt16(out ushort type) && !TokenTypes.IsKnown((TokenType)type))
            {
                // Its length is unknown too, so nothing behind it can be read.
                fault = BatchFault.UnsupportedType;
                return false;
            }

            if (!TokenRequest.TryRead(ref reader, out TokenRequest? request))
            {
                return false;
            }

            requests.Add(request);
        }

        fault = Check(requests);
        batch = fault is BatchFault.None ? new GenericBatchRequest(requests) : null;
        return batch is not null;
    }

    public byte[] Encode()
    {
        int content = Requests.Sum(request => request.EncodedSize);
        byte[] encoded = new byte[WireReader.VarintSize(content) + content];
        WireWriter writer = new(encoded);
        writer.WriteVarint(content);
        foreach (TokenRequest request in Requests)
        {
            writer.WriteBytes(request.Encoded);
        }

        return encoded;
    }

    /// <summary>The content of a vector with a variable-length size that fills <paramref name="encoded"/> to its end.</summary>
    internal static bool TryReadFrame(ReadOnlySpan<byte> encoded, out ReadOnlySpan<byte> content)
    {
        WireReader reader = new(encoded);
        content = default;
        return reader.TryReadVarint(out int size) && reader.TryReadBytes(size, out content) && reader.AtEnd;
    }

    private static BatchFault Check(IReadOnlyList<TokenRequest> requests)
    {
        if (requests.Count == 0)
        {
            return BatchFault.Empty;
        }

        if (requests.Count > MaxRequests)
        {
            return BatchFault.TooLarge;
        }

        HashSet<ReadOnlyMemory<byte>> seen = new(requests.Count, MemoryComparer.Instance);
        foreach (TokenRequest request in requests)
        {
            if (!seen.Add(request.BlindedMessage))
            {
                return BatchFault.RepeatedMessage;
            }
        }

        return BatchFault.None;
    }
}
