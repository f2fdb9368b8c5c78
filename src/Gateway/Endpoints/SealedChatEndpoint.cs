using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Sealing;
using Tacit.Gateway.Work;
using Tacit.Hosting;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Gateway.Endpoints;

/// <summary>
/// <c>POST /api/chat</c>: a request that HPKE seals to this gateway, run as if it had come by itself, its reply sealed chunk by chunk. What goes wrong before it is open
/// is told in the clear, everything after that inside.
/// </summary>
internal sealed class SealedChatEndpoint(GatewayParts parts, SealingKeys keys, ReplayGuard replays)
{
    /// <summary>For path and headers inside.</summary>
    private const int MaxHeadBytes = 16 * 1024;

    private const int MaxUncounted = 8 * 1024;

    /// <summary>The request inside, through the same handlers as any other.</summary>
    public Task HandleAsync(HttpContext context) => HandleAsync(
        context,
        opened =>
        {
            InnerRequest request = opened.TakeInner();
            return (request, parts.Inner.InvokeAsync);
        });

    /// <summary>What was seen of it; nothing inside is run. For the development profile.</summary>
    public Task EchoAsync(HttpContext context) => HandleAsync(
        context,
        opened =>
        {
            byte[] told = Describe(opened);
            return (opened.TakeInner(), async inner =>
            {
                inner.Response.ContentType = MediaTypes.Json;
                inner.Response.ContentLength = told.Length;
                inner.Response.Headers[Routes.TokenStateHeader] = Routes.TokenUnspent;
                await inner.Response.BodyWriter.WriteAsync(told, inner.RequestAborted);
            }
            );
        });

    private async Task HandleAsync(HttpContext context, Func<OpenedSealedRequest, (InnerRequest Request, RequestDelegate Handler)> choose)
    {
        var hold = new BodyHold(new SensitiveBuffer(MaxUncounted), parts.RequestRoom);
        OpenedSealedRequest? opened = null;
        ApiError? refused;
        try
        {
            (opened, refused) = await OpenAsync(context, hold);
        }
        finally
        {
            // Also where the client left while it waited its turn.
            if (opened is null)
            {
                hold.Dispose();
            }
        }

        if (opened is null)
        {
            await ErrorReply.WriteAsync(context, refused!);
            return;
        }

        using OpenedSealedRequest owned = opened;
        context.Response.ContentType = MediaTypes.EventStream;
        context.Response.Headers.CacheControl = "no-store";
        // Whoever passes it on is not to gather what comes in pieces.
        context.Response.Headers["X-Accel-Buffering"] = "no";
        using var reply = new ReplyPacer(new SealedFraming(new SealedReplyWriter(opened.Reply)), context.Response.BodyWriter, parts.Pace);
        (InnerRequest request, RequestDelegate handler) = choose(opened);
        await request.RunAsync(handler, context, reply);
    }

    private async Task<(OpenedSealedRequest? Opened, ApiError? Refused)> OpenAsync(HttpContext context, BodyHold hold)
    {
        // 0. The form of the request around it. Credentials belong inside; a cookie would link an account to a prompt.
        if (!IsJson(context.Request.ContentType))
        {
            return (null, ApiError.Create(ErrorCodes.UnsupportedMediaType, $"This takes {MediaTypes.Json}."));
        }

        if (HeaderRules.FindCredential(context.Request.Headers) is { } credential)
        {
            return (null, credential);
        }

        if (parts.Drain.IsClosing)
        {
            return (null, ApiError.Create(ErrorCodes.ShuttingDown, "The gateway is going down; try again."));
        }

        // 1. The body, bounded by the largest plan.
        long most = SealedEnvelope.MaxSizeInBytes(SealedChatFormat.RequestBucket((int)Math.Min(parts.MaxInputBytes + MaxHeadBytes, 1 << 29)));
        ApiError? unread = await RequestBody.ReadAsync(context, hold.Body, most, hold.TryTake) switch
        {
            BodyReadResult.Complete => null,
            BodyReadResult.NoRoom => GatewayParts.Busy(),
            BodyReadResult.TooLarge => ApiError.Create(ErrorCodes.RequestTooLarge, $"No plan of this gateway pays for a request of more than {most} bytes, sealed."),
            _ => ApiError.Create(ErrorCodes.RequestIncomplete, "The request's body ended early or came too slowly; nothing was spent."),
        };
        if (unread is not null)
        {
            return (null, unread);
        }

        // 2. Its form.
        SealedRequestError malformed = SealedEnvelope.Parse(hold.Body.WrittenSpan, out SealedEnvelope? envelope);
        if (envelope is null)
        {
            return (null, ApiError.Create(
                ErrorCodes.SealedMalformed,
                malformed == SealedRequestError.AadMismatch
                    ? "The associated data are not those that timestamp and request id make."
                    : "The body is not a sealed request: encapsulated_key, ciphertext, aad, timestamp and request_id, each once, in base64url without padding.",
                malformed == SealedRequestError.AadMismatch ? "aad" : null));
        }

        OpenedSealedRequest? opened = null;
        try
        {
            ApiError? error;
            (opened, error) = await OpenAsync(context, envelope, hold);
            return (opened, error);
        }
        finally
        {
            if (opened is null)
            {
                envelope.Dispose();
            }
        }
    }

    private ApiError? CheckWork(SealedEnvelope envelope)
    {
        if (!parts.Work.IsFor(WorkKinds.Sealed))
        {
            return null;
        }

        Span<byte> digest = stackalloc byte[WorkStamp.DigestSizeInBytes];
        WorkStamp.DigestOfSealed(envelope.EncapsulatedKey, envelope.Ciphertext.Span, digest);
        return parts.Work.Check(digest, envelope.Work);
    }

    private async Task<(OpenedSealedRequest? Opened, ApiError? Refused)> OpenAsync(HttpContext context, SealedEnvelope envelope, BodyHold hold)
    {
        // 3. Its age.
        DateTimeOffset now = parts.Time.GetUtcNow();
        if (replays.FindSkew(envelope.Sent) is { } ahead)
        {
            return (null, ExplainSkew(ahead, now));
        }

        // 4. Work, where it is asked for; then the key.
        if (CheckWork(envelope) is { } work)
        {
            return (null, work);
        }

        if (!keys.TryFind(envelope.KeyId, now, out SealingKeyPair? pair))
        {
            return (null, ApiError.Create(ErrorCodes.SealingKeyUnknown, $"This gateway has no live sealing key with this id; GET {Routes.SealingKeys} lists those it has.", "aad"));
        }

        // 5. Whether it came before, as far as this instance remembers.
        if (replays.HasTaken(envelope.EncapsulatedKey))
        {
            return (null, Replayed());
        }

        // 6. The opening, behind its bound.
        if (!await parts.Openings.TryEnterAsync(context.RequestAborted))
        {
            return (null, GatewayParts.Busy());
        }

        SealedRequestError unopened;
        OpenedSealedRequest? opened;
        try
        {
            unopened = OpenedSealedRequest.TryOpen(pair, envelope, hold, out opened);
        }
        finally
        {
            parts.Openings.Leave();
        }

        if (opened is null)
        {
            if (unopened == SealedRequestError.Undecryptable)
            {
                // Held back without what it sent, as false tokens are.
                envelope.Dispose();
                hold.Dispose();
                await parts.Brake.HoldAsync(context.RequestAborted);
                return (null, ApiError.Create(ErrorCodes.SealedUndecryptable, $"The request does not open under the key that it names. GET {Routes.SealingKeys} has the keys."));
            }

            return (null, ApiError.Create(ErrorCodes.SealedMalformed, "What was sealed is not length, request and zeros up to a bucket, or its request is not path, headers and body."));
        }

        // 7. Once, durably, before anything is done for it; after the opening, so that junk reaches no disk.
        ApiError? notTaken = null;
        try
        {
            if (!await replays.TryTakeAsync(envelope.EncapsulatedKey, ReplayGuard.EndOf(envelope.Sent)))
            {
                notTaken = Replayed();
            }
        }
        catch (Exception e) when (e is StorageException or ObjectDisposedException)
        {
            notTaken = parts.StorageFailed(e).Error;
        }

        if (notTaken is not null)
        {
            opened.Dispose();
            return (null, notTaken);
        }

        return (opened, null);
    }

    private static ApiError Replayed() =>
        ApiError.Create(ErrorCodes.RequestReplayed, "A request with this encapsulated key was taken before. To repeat it, seal the same request anew.", "encapsulated_key");

    private static ApiError ExplainSkew(TimeSpan ahead, DateTimeOffset now) => ApiError.Create(
        ErrorCodes.TimestampOutOfWindow,
        string.Create(
            CultureInfo.InvariantCulture,
            $"The timestamp is {Math.Abs(ahead.TotalSeconds):F0} s {(ahead > TimeSpan.Zero ? "ahead of" : "behind")} the gateway's time, {now.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}. {(ahead > TimeSpan.Zero
                ? "Set the clock, or seal with the gateway's time."
                : "A request may be on its way for 60 s: seal it again; if it was sealed just now, set the clock, or seal with the gateway's time.")}"),
        "timestamp") with
    { ServerTime = now.ToUnixTimeMilliseconds() };

    private byte[] Describe(OpenedSealedRequest opened)
    {
        using var text = new MemoryStream();
        using (var json = new Utf8JsonWriter(text))
        {
            json.WriteStartObject();
            json.WriteNumber("key_id"u8, opened.Envelope.KeyId);
            json.WriteNumber("timestamp"u8, opened.Envelope.Timestamp);
            json.WriteNumber("skew_ms"u8, (long)(opened.Envelope.Sent - parts.Time.GetUtcNow()).TotalMilliseconds);
            json.WriteString("request_id"u8, System.Buffers.Text.Base64Url.EncodeToString(opened.Envelope.RequestId));
            json.WriteNumber("plaintext_bytes"u8, opened.PlaintextSize);
            json.WriteString("method"u8, opened.Inner.Method);
            json.WriteString("path"u8, opened.Inner.Path);
            json.WriteStartArray("header_names"u8);
            foreach ((string name, _) in opened.Inner.Headers)
            {
                json.WriteStringValue(name);
            }

            json.WriteEndArray();
            json.WriteNumber("body_bytes"u8, opened.Inner.Body.Length);
            json.WriteEndObject();
        }

        return text.ToArray();
    }

    private static bool IsJson(string? mediaType) =>
        mediaType is not null && mediaType.AsSpan(0, mediaType.IndexOf(';') is int at and >= 0 ? at : mediaType.Length).Trim().Equals(MediaTypes.Json, StringComparison.OrdinalIgnoreCase);
}
