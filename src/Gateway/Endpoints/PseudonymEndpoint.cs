using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Catalog;
using Tacit.Gateway.Pseudonyms;
using Tacit.Hosting;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Gateway.Endpoints;

/// <summary>
/// <c>POST /v1/pseudonym/rotate</c>: the rotated pseudonym takes the place of the stolen one for ever. Who may say so was settled when the stolen one was made: its
/// nonce commits to its successor's. So neither a thief nor somebody with another account can do it, and no limit is multiplied, since both have one name here.
/// </summary>
internal sealed class PseudonymEndpoint(GatewayParts parts)
{
    private const int MaxBodyBytes = 4 * 1024;

    public async Task HandleAsync(HttpContext context)
    {
        // 0. Header rules, as for an exchange.
        ApiError? error = HeaderRules.FindCredential(context.Request.Headers);
        if (error is null && parts.Drain.IsClosing)
        {
            error = ApiError.Create(ErrorCodes.ShuttingDown, "The gateway is going down; try again.");
        }

        if (error is not null)
        {
            await ErrorReply.WriteAsync(context, error);
            return;
        }

        // 1. The body.
        using var body = new SensitiveBuffer(2048);
        switch (await RequestBody.ReadAsync(context, body, MaxBodyBytes))
        {
            case BodyReadResult.TooLarge:
                await ErrorReply.WriteAsync(context, ApiError.Create(ErrorCodes.RequestTooLarge, $"A rotation has at most {MaxBodyBytes} bytes."));
                return;
            case BodyReadResult.Aborted:
                await ErrorReply.WriteIncompleteAsync(context);
                return;
            default:
                break;
        }

        if (!TryRead(body.WrittenSpan, out byte[] encodedOld, out byte[] encodedNew, out byte[] opening))
        {
            await ErrorReply.WriteAsync(context, ApiError.Create(ErrorCodes.InvalidJson, "The body is not {\"old\",\"new\",\"opening\"} with base64url values."));
            return;
        }

        // 2. Both by lookup, then whether the one was made for the other: a hash.
        PlanCatalog catalog = parts.Catalog;
        ShownPseudonym? old = parts.Pseudonyms.Check(encodedOld, catalog, out error);
        ShownPseudonym? rotated = old is null ? null : parts.Pseudonyms.Check(encodedNew, catalog, out error);
        if (old is null || rotated is null)
        {
            await ErrorReply.WriteAsync(context, error!);
            return;
        }

        if (old.Key.Kind != PseudonymKind.Transient || rotated.Key.Kind != PseudonymKind.TransientRotated || old.Key.Epoch != rotated.Key.Epoch
            || !PseudonymNonce.Opens(old.Token, rotated.Token, opening))
        {
            await ErrorReply.WriteAsync(context, ApiError.Create(ErrorCodes.PseudonymInvalid, "The new pseudonym is not the one that the old one was made to be replaced by.", "new"));
            return;
        }

        // 3. Both signatures.
        error = await parts.Pseudonyms.VerifyAsync(old, ProvenConnection.Presenter(context))
            ?? await parts.Pseudonyms.VerifyAsync(rotated, ProvenConnection.Presenter(context));
        if (error is not null)
        {
            if (error.Code == ErrorCodes.PseudonymInvalid)
            {
                await parts.Brake.HoldAsync(context.RequestAborted);
            }

            await ErrorReply.WriteAsync(context, error);
            return;
        }

        // 4. One durable row.
        try
        {
            if (!await parts.Pseudonyms.ReplaceAsync(old, rotated, CancellationToken.None))
            {
                await ErrorReply.WriteAsync(context, ApiError.Create(ErrorCodes.PseudonymReplaced, "One of the two has another partner already."));
                return;
            }
        }
        catch (Exception e) when (e is StorageException or ObjectDisposedException)
        {
            await ErrorReply.WriteAsync(context, parts.StorageFailed(e).Error);
            return;
        }

        byte[] answer = JsonSerializer.SerializeToUtf8Bytes(new PseudonymRotated(true), GatewayJson.Default.PseudonymRotated);
        context.Response.ContentType = MediaTypes.Json;
        context.Response.ContentLength = answer.Length;
        context.Response.Headers.CacheControl = "no-store";
        await context.Response.BodyWriter.WriteAsync(answer, context.RequestAborted);
    }

    private static bool TryRead(ReadOnlySpan<byte> body, out byte[] old, out byte[] rotated, out byte[] opening)
    {
        (old, rotated, opening) = ([], [], []);
        try
        {
            if (JsonSerializer.Deserialize(body, GatewayJson.Default.PseudonymRotation) is { } request
                && request.TryDecode(out byte[]? decodedOld, out byte[]? decodedNew, out byte[]? decodedOpening))
            {
                (old, rotated, opening) = (decodedOld, decodedNew, decodedOpening);
                return true;
            }
        }
        catch (JsonException)
        {
            // As below.
        }

        return false;
    }
}
