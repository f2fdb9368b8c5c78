using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Replies;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Gateway.Endpoints;

/// <summary>
/// <c>POST /v1/cancel</c> with the token of a request: ends its live reply. The token stays spent. A connection that merely goes away ends nothing (law 2).
/// </summary>
internal sealed class CancelEndpoint(GatewayParts parts)
{
    public async Task HandleAsync(HttpContext context)
    {
        if (!HeaderRules.TryRead(context.Request.Headers, out PrivateTokenCredentials? credentials, out ApiError? error))
        {
            await ErrorReply.WriteAsync(context, error, Routes.TokenUnspent);
            return;
        }

        if (credentials is null)
        {
            await ErrorReply.WriteAsync(
                context,
                ApiError.Create(ErrorCodes.TokenRequired, "Send the token of the request that is to be cancelled.", "Authorization"),
                challenges: parts.Catalog.Challenges(parts.Time.GetUtcNow()));
            return;
        }

        using PresentedToken? token = PresentedToken.Check(credentials.Token, credentials.Extensions, credentials.Salt, parts.Catalog, out error);
        if (token is null)
        {
            await ErrorReply.WriteAsync(context, error!, Routes.TokenUnspent);
            return;
        }

        // What another instance passed on is ended here or not at all.
        if (!parts.Replies.TryGet(token.Id, out Reply? reply) && InstanceProxy.IsPassedOn(context.Request))
        {
            await WriteAsync(context, cancelled: false);
            return;
        }

        // Knowing a token's input is not having the token: only the signature proves that.
        switch (await parts.Signatures.VerifyAsync(token.Key, token.Token, token.Salt, ProvenConnection.Presenter(context)))
        {
            case SignatureVerdict.Invalid:
                await parts.Brake.HoldAsync(context.RequestAborted);
                await ErrorReply.WriteAsync(context, ApiError.Create(ErrorCodes.TokenInvalid, "The token's signature is not the issuer's.", "Authorization"), Routes.TokenUnspent);
                return;
            case SignatureVerdict.Busy:
                await ErrorReply.WriteAsync(context, GatewayParts.Busy(), Routes.TokenUnspent);
                return;
            default:
                break;
        }

        if (reply is not null)
        {
            await WriteAsync(context, reply.Stop(StopReason.Cancelled));
            return;
        }

        // The reply may be at another instance, which is then the one to end it.
        string? owner = null;
        try
        {
            owner = await parts.Ledger.FindOwnerAsync(token.Key.Deadline, token.Id, context.RequestAborted);
        }
        catch (Exception e) when (e is StorageException or ObjectDisposedException)
        {
            // Then nobody here can say.
        }

        if (owner is null || !await parts.Instances.TryPassOnAsync(context, owner, null))
        {
            await WriteAsync(context, cancelled: false);
        }
    }

    private static async Task WriteAsync(HttpContext context, bool cancelled)
    {
        context.Response.ContentType = MediaTypes.Json;
        if (cancelled)
        {
            context.Response.Headers[Routes.TokenStateHeader] = Routes.TokenSpent;
        }

        byte[] body = JsonSerializer.SerializeToUtf8Bytes(new CancelResponse(cancelled), GatewayJson.Default.CancelResponse);
        context.Response.ContentLength = body.Length;
        await context.Response.BodyWriter.WriteAsync(body, context.RequestAborted);
    }
}
