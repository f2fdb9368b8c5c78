using System.Buffers;
using Microsoft.AspNetCore.Http;
using Tacit.Hosting;
using Tacit.Protocol;

namespace Tacit.Issuer.Issuance;

/// <summary>Token requests as they come, one by itself or a batch, and the answers to them (RFC 9578 §5 and §6, draft-ietf-privacypass-batched-tokens).</summary>
internal static class IssuanceBody
{
    /// <summary>The requests in the body; or null, and the problem was written.</summary>
    public static async ValueTask<IReadOnlyList<TokenRequest>?> ReadAsync(HttpContext context, bool isBatch, int most)
    {
        var body = new ArrayBufferWriter<byte>((int)(context.Request.ContentLength ?? 4096) + 1);
        switch (await RequestBody.ReadAsync(context, body, most))
        {
            case BodyReadResult.TooLarge:
                await Problems.WriteAsync(context, ProblemTypes.RequestTooLarge);
                return null;
            case BodyReadResult.Aborted:
                // An answer after half a request could be taken for one to a whole.
                context.Abort();
                return null;
            default:
                break;
        }

        if (isBatch)
        {
            if (GenericBatchRequest.TryParse(body.WrittenSpan, out GenericBatchRequest? batch, out BatchFault fault))
            {
                return batch.Requests;
            }

            await Problems.WriteAsync(context, ProblemOf(fault));
            return null;
        }

        if (TokenRequest.TryParse(body.WrittenSpan, out TokenRequest? request))
        {
            return [request];
        }

        bool isUnknownType = body.WrittenCount >= 2 && !TokenTypes.IsKnown((TokenType)((body.WrittenSpan[0] << 8) | body.WrittenSpan[1]));
        await Problems.WriteAsync(context, isUnknownType ? ProblemTypes.TokenTypeUnsupported : ProblemTypes.RequestMalformed);
        return null;
    }

    private static string ProblemOf(BatchFault fault) => fault switch
    {
        BatchFault.TooLarge => ProblemTypes.BatchTooLarge,
        BatchFault.UnsupportedType => ProblemTypes.TokenTypeUnsupported,
        BatchFault.RepeatedMessage => ProblemTypes.BlindedMessageRepeated,
        _ => ProblemTypes.RequestMalformed,
    };

    /// <summary>Signatures in the form that the requests came in; or the problem.</summary>
    public static Task WriteAsync(HttpContext context, IReadOnlyList<TokenRequest> requests, bool isBatch, IssuanceOutcome outcome)
    {
        if (outcome.Problem is not null)
        {
            return Problems.WriteAsync(context, outcome.Problem, outcome.Detail);
        }

        byte[] body;
        if (isBatch)
        {
            body = GenericBatchResponse.Create(
            [
                .. outcome.BlindSignatures.Select((signature, i) => signature is null ? null : new BatchTokenResponse(requests[i].Type, signature)),
            ]).Encode();
            context.Response.ContentType = MediaTypes.GenericBatchResponse;
        }
        else if (outcome.BlindSignatures[0] is byte[] signature)
        {
            body = TokenResponse.Encode(signature);
            context.Response.ContentType = MediaTypes.TokenResponse;
        }
        else
        {
            return Problems.WriteAsync(context, ProblemTypes.NothingToRestore);
        }

        context.Response.ContentLength = body.Length;
        context.Response.Headers.CacheControl = "no-store";
        return context.Response.Body.WriteAsync(body, context.RequestAborted).AsTask();
    }
}
