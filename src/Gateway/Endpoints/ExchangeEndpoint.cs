using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Catalog;
using Tacit.Gateway.Chains;
using Tacit.Gateway.Replies;
using Tacit.Hosting;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Gateway.Endpoints;

/// <summary>
/// <c>POST /v1/exchange</c>: spends a token that bought nothing and signs its blinded successor under a live key of the same plan. For a token that is
/// unspent or returned, until the grace after its deadline is over. The spend row binds the token to this successor: the same pair is signed again
/// for ever, which also completes an exchange that died between spend and signature. A chain token is renewed here where its reply could not bring the renewal.
/// </summary>
internal sealed class ExchangeEndpoint(GatewayParts parts)
{
    private const int MaxBodyBytes = 8 * 1024;

    public async Task HandleAsync(HttpContext context)
    {
        // 0. Header rules: the token is in the body, but what may not stand beside it is the same.
        if (HeaderRules.FindCredential(context.Request.Headers) is ApiError linked)
        {
            await ErrorReply.WriteAsync(context, linked, Routes.TokenUnspent);
            return;
        }

        if (parts.Drain.IsClosing)
        {
            await ErrorReply.WriteAsync(context, ApiError.Create(ErrorCodes.ShuttingDown, "The gateway is going down; try again."), Routes.TokenUnspent);
            return;
        }

        // 1. The body.
        using var body = new SensitiveBuffer(2048);
        switch (await RequestBody.ReadAsync(context, body, MaxBodyBytes))
        {
            case BodyReadResult.TooLarge:
                await ErrorReply.WriteAsync(context, ApiError.Create(ErrorCodes.RequestTooLarge, $"An exchange has at most {MaxBodyBytes} bytes."), Routes.TokenUnspent);
                return;
            case BodyReadResult.Aborted:
                await ErrorReply.WriteIncompleteAsync(context);
                return;
            default:
                break;
        }

        // 2. Token and successor, by lookup.
        PlanCatalog catalog = parts.Catalog;
        if (!TryRead(body.WrittenSpan, out byte[] encodedToken, out byte[] extensions, out byte[] encodedSuccessor))
        {
            await ErrorReply.WriteAsync(
                context, ApiError.Create(ErrorCodes.InvalidJson, "The body is not {\"token\",\"successor\"[,\"extensions\"]} with base64url values."), Routes.TokenUnspent);
            return;
        }

        using PresentedToken? token = PresentedToken.Check(encodedToken, extensions, null, catalog, out ApiError? error);
        System.Security.Cryptography.CryptographicOperations.ZeroMemory(encodedToken);
        if (token is null || !TokenRequest.TryParse(encodedSuccessor, out TokenRequest? successor))
        {
            error ??= ApiError.Create(ErrorCodes.SuccessorInvalid, "The successor is no TokenRequest.", "successor");
            await ErrorReply.WriteAsync(context, error, Routes.TokenUnspent);
            return;
        }

        DateTimeOffset now = parts.Time.GetUtcNow();
        if (token.Key.Plan.Kind == PlanKind.Subscription)
        {
            await RenewAsync(context, token, successor);
            return;
        }

        RedemptionKey? target = catalog.FindSuccessorKey(token.Key.Plan.Id, successor, now);
        error = CheckPeriod(token.Key, now)
            ?? (target is null ? SuccessorNotLive() : null);
        if (error is not null)
        {
            await ErrorReply.WriteAsync(context, error, Routes.TokenUnspent);
            return;
        }

        // 3. The signature.
        if (!await AcceptAsync(context, token))
        {
            return;
        }

        // 4. The spend, then the signature.
        await SpendAndSignAsync(context, token, successor, encodedSuccessor, target!, isNew: target!.IsLiveAt(now));
    }

    /// <summary>
    /// The renewal of a chain apart from a reply: for a token that is unspent, whose trailer was lost, or whose owner died. The row binds one successor, and only that
    /// one is ever signed.
    /// </summary>
    private async Task RenewAsync(HttpContext context, PresentedToken token, TokenRequest successor)
    {
        ApiError? error = parts.CheckLive(token.Key);
        ChainLink? link = ChainLink.TryCreate(token.Key, successor);
        if (error is not null || link is null)
        {
            await ErrorReply.WriteAsync(context, error ?? ChainLink.Invalid("successor"), Routes.TokenUnspent);
            return;
        }

        if (!await AcceptAsync(context, token))
        {
            return;
        }

        // A reply that is kept has it already.
        if (parts.Replies.TryGet(token.Id, out Reply? reply) && reply.Renewal is { Outcome: { IsCompletedSuccessfully: true, Result: { } kept } } renewal
            && ChainLink.IsSame(renewal.SuccessorHash, link.Hash))
        {
            await WriteAsync(context, ExchangeResponse.Create(kept));
            return;
        }

        byte[] tag = new byte[TokenKeys.RequestTagSizeInBytes];
        TokenKeys.RequestTag(token.PseudorandomKey, "POST"u8, "/v1/exchange"u8, link.Hash, tag);
        RenewalVerdict verdict;
        try
        {
            verdict = reply is { Renewal: { IsRefused: true } refused } && ChainLink.IsSame(refused.SuccessorHash, link.Hash)
                ? RenewalVerdict.Refused
                : await parts.Ledger.BindForRenewalAsync(token.Id, tag, link, parts.Replies.IsLive);
        }
        catch (Exception e) when (e is StorageException or ObjectDisposedException)
        {
            (ApiError failure, string state) = parts.StorageFailed(e);
            await ErrorReply.WriteAsync(context, failure, state);
            return;
        }

        if (verdict != RenewalVerdict.Granted)
        {
            (error, string state) = Explain(verdict);
            await ErrorReply.WriteAsync(context, error, state);
            return;
        }

        Renewal signed = await parts.Renewer.RenewAsync(link);
        if (signed.BlindSignature is not null)
        {
            await WriteAsync(context, ExchangeResponse.Create(signed.BlindSignature));
            return;
        }

        await ErrorReply.WriteAsync(
            context,
            signed.Status switch
            {
                RenewalStatus.Impossible => ApiError.Create(ErrorCodes.SuccessorInvalid, "The successor's blinded message cannot be signed.", "successor"),
                RenewalStatus.Over => parts.CheckLive(token.Key) ?? PresentedToken.ExplainRefusal(SpendVerdict.PeriodOver),
                _ => ApiError.Create(ErrorCodes.Unavailable, "The signer cannot sign right now. Repeat the same exchange later: the token is bound to this successor."),
            },
            Routes.TokenSpent);
    }

    private static (ApiError Error, string TokenState) Explain(RenewalVerdict verdict) => verdict switch
    {
        RenewalVerdict.InFlight =>
            (ApiError.Create(ErrorCodes.RequestInFlight, "The token's request has not ended yet; its renewal follows it."), Routes.TokenInFlight),
        RenewalVerdict.Refused =>
            (ApiError.Create(ErrorCodes.RenewalRefused, "The operator of this gateway does not renew this chain; it ends here."), Routes.TokenSpent),
        RenewalVerdict.PeriodOver => (PresentedToken.ExplainRefusal(SpendVerdict.PeriodOver), Routes.TokenUnspent),
        _ => (ApiError.Create(ErrorCodes.SuccessorMismatch, "The token is bound to another successor: somebody else uses this chain.", "successor"), Routes.TokenSpent),
    };

    /// <summary>Checks the signature, behind the bounded queue; false if an error was written.</summary>
    private async Task<bool> AcceptAsync(HttpContext context, PresentedToken token)
    {
        switch (await parts.Signatures.VerifyAsync(token.Key, token.Token, token.Salt, ProvenConnection.Presenter(context)))
        {
            case SignatureVerdict.Invalid:
                await parts.Brake.HoldAsync(context.RequestAborted);
                await ErrorReply.WriteAsync(context, ApiError.Create(ErrorCodes.TokenInvalid, "The token's signature is not the issuer's.", "token"), Routes.TokenUnspent);
                return false;
            case SignatureVerdict.Busy:
                await ErrorReply.WriteAsync(context, GatewayParts.Busy(), Routes.TokenUnspent);
                return false;
            default:
                token.Accept();
                ProvenConnection.Remember(context);
                return true;
        }
    }

    /// <param name="isNew">False if the successor's key no longer issues: an exchange that was begun in time is completed, none begins.</param>
    private async Task SpendAndSignAsync(
        HttpContext context, PresentedToken token, TokenRequest successor, byte[] encodedSuccessor, RedemptionKey target, bool isNew)
    {
        // Over the successor alone, not the JSON around it: the same exchange may be written in another way.
        byte[] tag = new byte[TokenKeys.RequestTagSizeInBytes];
        TokenKeys.RequestTag(token.PseudorandomKey, "POST"u8, "/v1/exchange"u8, encodedSuccessor, tag);
        SpendVerdict verdict;
        try
        {
            if (!isNew && !await parts.Ledger.IsExchangedAsync(token.Key.Deadline, token.Id, tag, context.RequestAborted))
            {
                await ErrorReply.WriteAsync(context, SuccessorNotLive(), Routes.TokenUnspent);
                return;
            }

            verdict = await parts.Ledger.SpendForExchangeAsync(token.Key.Deadline, token.Id, tag, CancellationToken.None);
        }
        catch (Exception e) when (e is StorageException or ObjectDisposedException)
        {
            (ApiError failure, string state) = parts.StorageFailed(e);
            await ErrorReply.WriteAsync(context, failure, state);
            return;
        }

        if (verdict != SpendVerdict.Granted)
        {
            ApiError refusal = verdict == SpendVerdict.PeriodOver
                ? PresentedToken.ExplainRefusal(verdict)
                : ApiError.Create(ErrorCodes.SuccessorMismatch, "The token was used for a request or exchanged for another successor.", "successor");
            await ErrorReply.WriteAsync(context, refusal, verdict == SpendVerdict.PeriodOver ? Routes.TokenUnspent : Routes.TokenSpent);
            return;
        }

        ApiError? error;
        try
        {
            SignResponse answer = await parts.Signer.SignAsync(
                new SignRequest
                {
                    TokenKeyId = target.TokenKeyId.ToArray(),
                    Extensions = target.Extensions.IsEmpty ? null : target.Extensions.ToArray(),
                    BlindedMessages = [successor.BlindedMessage],
                    Purpose = SigningPurpose.Exchange,
                },
                CancellationToken.None);
            if (answer is { Status: SignStatus.Success, BlindSignatures: [{ } signature] })
            {
                await WriteAsync(context, ExchangeResponse.Create(signature));
                return;
            }

            error = answer.Status is SignStatus.InvalidBlindedMessage or SignStatus.Malformed
                ? ApiError.Create(ErrorCodes.SuccessorInvalid, "The successor's blinded message cannot be signed.", "successor")
                : ApiError.Create(ErrorCodes.Unavailable, "The signer cannot sign right now. Repeat the same exchange later: the token is bound to this successor.");
        }
        catch (SignerUnavailableException)
        {
            error = ApiError.Create(ErrorCodes.Unavailable, "The signer does not answer. Repeat the same exchange later: the token is bound to this successor.");
        }

        await ErrorReply.WriteAsync(context, error, Routes.TokenSpent);
    }

    private static ApiError SuccessorNotLive() =>
        ApiError.Create(ErrorCodes.SuccessorInvalid, "The successor is not for a live key of the token's plan.", "successor");

    private static ApiError? CheckPeriod(RedemptionKey key, DateTimeOffset now)
    {
        return key.IsExchangeableAt(now)
            ? null
            : ApiError.Create(ErrorCodes.TokenExpired, "The token's period and the grace after it are over.", "token");
    }

    private static bool TryRead(ReadOnlySpan<byte> body, out byte[] token, out byte[] extensions, out byte[] successor)
    {
        (token, extensions, successor) = ([], [], []);
        ExchangeRequest? request;
        try
        {
            request = JsonSerializer.Deserialize(body, GatewayJson.Default.ExchangeRequest);
        }
        catch (JsonException)
        {
            return false;
        }

        if (request is null || !request.TryDecode(out byte[]? decodedToken, out extensions, out byte[]? decodedSuccessor))
        {
            return false;
        }

        (token, successor) = (decodedToken, decodedSuccessor);
        return true;
    }

    private static async Task WriteAsync(HttpContext context, ExchangeResponse answer)
    {
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(answer, GatewayJson.Default.ExchangeResponse);
        context.Response.ContentType = MediaTypes.Json;
        context.Response.ContentLength = body.Length;
        context.Response.Headers[Routes.TokenStateHeader] = Routes.TokenSpent;
        context.Response.Headers.CacheControl = "no-store";
        await context.Response.BodyWriter.WriteAsync(body, context.RequestAborted);
    }
}
