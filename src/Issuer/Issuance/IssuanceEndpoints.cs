using System.Buffers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Tacit.Hosting;
using Tacit.Issuer.Accounts;
using Tacit.Protocol;

namespace Tacit.Issuer.Issuance;

/// <summary>
/// <c>POST /token-request</c> and <c>POST /token-restore</c> (RFC 9578 §5 and §6, draft-ietf-privacypass-batched-tokens): one request or a batch of up to 1,000,
/// of either token type. Checks come in order of their price; nothing is debited before all of them passed.
/// </summary>
internal sealed class IssuanceEndpoints
{
    private readonly IssuanceService _issuance;
    private readonly RateLimiter _restores;

    public IssuanceEndpoints(IssuanceService issuance, RateLimiter restores)
    {
        _issuance = issuance;
        _restores = restores;
    }

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost(Routes.TokenRequest, StorageGuard.Around(IssueAsync));
        routes.MapPost(Routes.TokenRestore, StorageGuard.Around(RestoreAsync));
    }

    private async Task IssueAsync(HttpContext context)
    {
        if (await BearerAccount.RequireAsync(context) is not byte[] account
            || await ReadAsync(context) is not (IReadOnlyList<TokenRequest> requests, bool isBatch))
        {
            return;
        }

        // The work is the account's once it is paid for: that the client is gone does not stop it, but nobody waits for the signatures.
        await AnswerAsync(context, requests, isBatch, await _issuance.IssueAsync(account, requests, context.RequestAborted));
    }

    private async Task RestoreAsync(HttpContext context)
    {
        if (await BearerAccount.RequireAsync(context) is not byte[] account)
        {
            return;
        }

        if (!_restores.TryTake(account))
        {
            await Problems.WriteAsync(context, ProblemTypes.RateLimited);
            return;
        }

        if (await ReadAsync(context) is not (IReadOnlyList<TokenRequest> requests, bool isBatch))
        {
            return;
        }

        await AnswerAsync(context, requests, isBatch, await _issuance.RestoreAsync(account, requests, context.RequestAborted));
    }

    /// <summary>The requests in the body; or null, and the problem was written.</summary>
    private static async ValueTask<(IReadOnlyList<TokenRequest> Requests, bool IsBatch)?> ReadAsync(HttpContext context)
    {
        bool isBatch = MediaTypeMatch.Is(context.Request, MediaTypes.GenericBatchRequest);
        if (!isBatch && !MediaTypeMatch.Is(context.Request, MediaTypes.TokenRequest))
        {
            await Problems.WriteAsync(context, ProblemTypes.UnsupportedMediaType, $"Send {MediaTypes.TokenRequest} or {MediaTypes.GenericBatchRequest}.");
            return null;
        }

        var body = new ArrayBufferWriter<byte>();
        switch (await RequestBody.ReadAsync(context, body, isBatch ? GenericBatchRequest.MaxSizeInBytes : TokenRequest.MaxSizeInBytes))
        {
            case BodyReadResult.TooLarge:
                await Problems.WriteAsync(context, ProblemTypes.RequestTooLarge);
                return null;
            case BodyReadResult.Aborted:
                return null;
            default:
                break;
        }

        if (isBatch)
        {
            if (GenericBatchRequest.TryParse(body.WrittenSpan, out GenericBatchRequest? batch, out BatchFault fault))
            {
                return (batch.Requests, true);
            }

            await Problems.WriteAsync(context, ProblemOf(fault));
            return null;
        }

        if (TokenRequest.TryParse(body.WrittenSpan, out TokenRequest? request))
        {
            return ([request], false);
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

    private static Task AnswerAsync(HttpContext context, IReadOnlyList<TokenRequest> requests, bool isBatch, IssuanceOutcome outcome)
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
