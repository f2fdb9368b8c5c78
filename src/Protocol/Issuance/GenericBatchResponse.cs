using System.Diagnostics.CodeAnalysis;

namespace Tacit.Protocol;

/// <summary>One answer in a batch.</summary>
/// <param name="Type">The token type of the request it answers.</param>
/// <param name="BlindSignature">256 bytes.</param>
public sealed record BatchTokenResponse(TokenType Type, ReadOnlyMemory<byte> BlindSignature);

/// <summary>
/// The answers to a batch, in its order (draft-ietf-privacypass-batched-tokens, generic batch): the length of what follows as a variable-length
/// integer, then for each request 0x00 if it was refused, or 0x01, the token type and the response.
/// </summary>
public sealed class GenericBatchResponse
{
    private const byte Absent = 0;
    private const byte Present = 1;

    private const int PresentSize = 1 + 2 + TokenResponse.SizeInBytes;

    private GenericBatchResponse(IReadOnlyList<BatchTokenResponse?> responses) => Responses = responses;

    /// <summary>The largest encoding.</summary>
    public const int MaxSizeInBytes = 4 + (GenericBatchRequest.MaxRequests * PresentSize);

    /// <summary>In the order of the requests; null where the issuer refused.</summary>
    public IReadOnlyList<BatchTokenResponse?> Responses { get; }

    public static GenericBatchResponse Create(IReadOnlyList<BatchTokenResponse?> responses)
    {
        if (responses.Count is 0 or > GenericBatchRequest.MaxRequests)
        {
            throw new ArgumentException("A batch has 1 to 1,000 responses.", nameof(responses));
        }

        foreach (BatchTokenResponse? response in responses)
        {
            if (response is not null && (!TokenTypes.IsKnown(response.Type) || response.BlindSignature.Length != TokenResponse.SizeInBytes))
            {
                throw new ArgumentException("A response has a known type and 256 bytes.", nameof(responses));
            }
        }

        return new GenericBatchResponse([.. responses]);
    }

    public static bool TryParse(ReadOnlySpan<byte> encoded, [NotNullWhen(true)] out GenericBatchResponse? batch)
    {
        batch = null;
        if (!GenericBatchRequest.TryReadFrame(encoded, out ReadOnlySpan<byte> content) || content.IsEmpty)
        {
            return false;
        }

        List<BatchTokenResponse?> responses = [];
        WireReader reader = new(content);
        while (!reader.AtEnd)
        {
            if (responses.Count == GenericBatchRequest.MaxRequests || !reader.TryReadByte(out byte presence))
            {
                return false;
            }

            switch (presence)
            {
                case Absent:
                    responses.Add(null);
                    break;
                case Present when reader.TryReadUInt16(out ushort type) && TokenTypes.IsKnown((TokenType)type)
                                  && reader.TryReadBytes(TokenResponse.SizeInBytes, out ReadOnlySpan<byte> signature):
                    responses.Add(new BatchTokenResponse((TokenType)type, signature.ToArray()));
                    break;
                default:
                    return false;
            }
        }

        batch = new GenericBatchResponse(responses);
        return true;
    }

    /// <summary>Whether there is one answer for each of the requests, each of its type.</summary>
    public bool Answers(GenericBatchRequest request)
    {
        if (request.Requests.Count != Responses.Count)
        {
            return false;
        }

        for (int i = 0; i < Responses.Count; i++)
        {
            if (Responses[i] is BatchTokenResponse response && response.Type != request.Requests[i].Type)
            {
                return false;
            }
        }

        return true;
    }

    public byte[] Encode()
    {
        int content = Responses.Sum(response => response is null ? 1 : PresentSize);
        byte[] encoded = new byte[WireReader.VarintSize(content) + content];
        WireWriter writer = new(encoded);
        writer.WriteVarint(content);
        foreach (BatchTokenResponse? response in Responses)
        {
            if (response is null)
            {
                writer.WriteByte(Absent);
                continue;
            }

            writer.WriteByte(Present);
            writer.WriteUInt16((ushort)response.Type);
            writer.WriteBytes(response.BlindSignature.Span);
        }

        return encoded;
    }
}
