using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Devices;
using Tacit.Gateway.Replies;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Gateway.Endpoints;

/// <summary>
/// <c>POST /v1/cancel</c> with the token of a request: ends its live reply. The token stays spent. A connection that merely goes away ends nothing (law 2).
/// </summary>
internal sealed class CancelEndpoint(GatewayParts parts)
{
    private readonly RequestAdmission _admission = new(parts);

    public async Task HandleAsync(HttpContext context)
    {
        using PresentedCredential? credential = await ReadAsync(context);
        if (credential is null)
        {
            return;
        }

        // What another instance passed on is ended here or not at all.
        if (!parts.Replies.TryGet(credential.Id, out Reply? reply) && InstanceProxy.IsPassedOn(context.Request))
        {
            await WriteAsync(context, cancelled: false);
            return;
        }

        // Knowing a token's input is not having the token: only the signature proves that.
        if (await _admission.VerifyAsync(context, credential, Routes.Cancel, ReadOnlyMemory<byte>.Empty) is ApiError error)
        {
            if (RequestAdmission.IsFalse(error))
            {
                await parts.Brake.HoldAsync(context.RequestAborted);
            }

            await ErrorReply.WriteAsync(context, error, Routes.TokenUnspent);
            return;
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
            owner = await parts.Ledger.FindOwnerAsync(credential.Deadline, credential.Id, context.RequestAborted);
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

    /// <summary>The credential of the request, by lookup; null if this one was answered. A token's period may be over: its reply may still be on its way.</summary>
    private async ValueTask<PresentedCredential?> ReadAsync(HttpContext context)
    {
        if (parts.Devices is { } devices && DeviceGate.IsSigned(context.Request.Headers))
        {
            return await _admission.ReadDeviceAsync(context, devices);
        }

        if (!HeaderRules.TryRead(context.Request.Headers, out PrivateTokenCredentials? credentials, out ApiError? error))
        {
            await ErrorReply.WriteAsync(context, error, Routes.TokenUnspent);
            return null;
        }

        if (credentials is null)
        {
            await ErrorReply.WriteAsync(
                context,
                ApiError.Create(ErrorCodes.TokenRequired, "Send the token of the request that is to be cancelled, or its device's signature with its nonce.", "Authorization"),
                challenges: parts.Catalog.Challenges(parts.Time.GetUtcNow()));
            return null;
        }

        PresentedToken? token = PresentedToken.Check(credentials.Token, credentials.Extensions, credentials.Salt, parts.Catalog, out error);
        if (token is null)
        {
            await ErrorReply.WriteAsync(context, error!, Routes.TokenUnspent);
        }

        return token;
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
