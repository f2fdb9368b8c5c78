using System.Buffers;
using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;
using Tacit.App.Keys;
using Tacit.Client;
using Tacit.Hosting;
using Tacit.Storage;

namespace Tacit.App;

/// <summary>
/// One operation of OpenAI's or Anthropic's API: takes a local program's request, drops everything of it but the body, and streams the reply back. A key that the
/// program sends stays here (<see cref="LocalKeys"/>); a token pays.
/// </summary>
internal sealed class PromptEndpoint(PromptOperation operation, LocalKeys keys, AppOptions options)
{
    private const string ConversationHeader = "Tacit-Conversation";
    private const string PlanHeader = "Tacit-Plan";
    private const string PlanLeftHeader = "Tacit-Plan-Left";
    private const string PlanUntilHeader = "Tacit-Plan-Until";
    private const string NoticeHeader = "Tacit-Notice";

    public async Task HandleAsync(HttpContext context)
    {
        if (!MediaTypeHeaderValue.TryParse(context.Request.ContentType, out MediaTypeHeaderValue? type)
            || !type.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase))
        {
            await ApiErrors.WriteAsync(context, new ApiFault(415, "invalid_request_error", "unsupported_media_type", "Send the request as Content-Type: application/json."));
            return;
        }
        using var body = new PromptBuffer();
        switch (await RequestBody.ReadAsync(context, body, options.MaxRequestBytes))
        {
            case BodyReadResult.TooLarge:
                await ApiErrors.WriteAsync(context, new ApiFault(413, "invalid_request_error", "request_too_large", $"The app takes requests of at most {options.MaxRequestBytes} bytes."));
                return;
            case BodyReadResult.Aborted:
                context.Abort();
                return;
            default:
                break;
        }
        try
        {
            IHeaderDictionary headers = context.Request.Headers;
            await AnswerAsync(
                context,
                new PromptRequest(operation, body.Written, headers[ConversationHeader], headers[PlanHeader].ToString() is { Length: > 0 } plan ? plan : null));
        }
        catch (Exception e) when (e is ClientException or StorageException)
        {
            await ApiErrors.WriteAsync(context, ApiErrors.From(e));
        }
        catch (LocalKeyException e)
        {
            await ApiErrors.WriteAsync(context, e.Fault);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // The program is gone; what it asked waits a moment for its repetition.
            context.Abort();
        }
    }

    private async Task AnswerAsync(HttpContext context, PromptRequest prompt)
    {
        await using PromptReply reply = await keys.SendAsync(context.Features.Get<LocalApp>()!, prompt, context.RequestAborted);
        HttpResponse response = context.Response;
        // The token is the wallet's business: a program that is told 401 would ask its user for another API key.
        response.StatusCode = reply.Status == StatusCodes.Status401Unauthorized ? StatusCodes.Status502BadGateway : reply.Status;
        // Not what the gateway says: no answer of it may pass for a page of this origin.
        response.ContentType = reply.IsEventStream ? "text/event-stream; charset=utf-8" : "application/json";
        response.Headers.XContentTypeOptions = "nosniff";
        response.Headers.CacheControl = "no-store";
        Describe(reply, response.Headers);
        if (reply.Status >= 400)
        {
            // A kept token is used again for the same body, so a repetition is free; it helps where the trouble was the provider's or passing.
            response.Headers[ApiErrors.ShouldRetry] = reply.Token == TokenOutcome.Kept && reply.Status is 429 or >= 500 ? "true" : "false";
            if (reply.RetryAfter is string after)
            {
                response.Headers.RetryAfter = after;
            }
        }
        if (reply.IsEventStream)
        {
            await response.StartAsync(context.RequestAborted);
            await response.BodyWriter.FlushAsync(context.RequestAborted);
        }
        if (await CopyAsync(context, reply))
        {
            await response.CompleteAsync();
            await reply.CompleteAsync();
        }
    }

    /// <summary>Which plan paid, what is left of it and until when, and what a person should know of how the request was paid.</summary>
    private static void Describe(PromptReply reply, IHeaderDictionary headers)
    {
        headers[PlanHeader] = reply.Plan;
        if (reply.PlanUntil is DateTimeOffset until)
        {
            headers[PlanUntilHeader] = until.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        }
        if (reply.PlanLeft is long left)
        {
            headers[PlanLeftHeader] = left.ToString(CultureInfo.InvariantCulture);
        }
        if (PromptNotices.Of(reply) is { Length: > 0 } notices)
        {
            headers[NoticeHeader] = notices;
        }
    }

    /// <summary>False if it broke off.</summary>
    private static async Task<bool> CopyAsync(HttpContext context, PromptReply reply)
    {
        System.IO.Pipelines.PipeWriter writer = context.Response.BodyWriter;
        while (true)
        {
            int read;
            try
            {
                read = await reply.ReadAsync(writer.GetMemory(4096), context.RequestAborted);
            }
            catch (ClientException e) when (context.Response.HasStarted)
            {
                if (reply.IsEventStream)
                {
                    ApiErrors.WriteEventTo(context, writer, ApiErrors.From(e));
                    await writer.FlushAsync(context.RequestAborted);
                }
                else
                {
                    // Half a reply must not look like a whole one.
                    context.Abort();
                }
                return false;
            }
            if (read == 0)
            {
                return true;
            }
            writer.Advance(read);
            if ((await writer.FlushAsync(context.RequestAborted)).IsCompleted)
            {
                context.RequestAborted.ThrowIfCancellationRequested();
            }
        }
    }
}
