using System.Buffers;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Tacit.Client;
using Tacit.Storage;

namespace Tacit.App;

/// <summary>An error as the client's API writes it, and whether an SDK should repeat the request by itself.</summary>
/// <param name="Retry">True: a repetition is free and may help. False: it would cost a token or cannot help.</param>
internal sealed record ApiFault(int Status, string Type, string Code, string Message, string? Param = null, bool Retry = false);

/// <summary>
/// The app's errors. OpenAI's and Anthropic's SDKs repeat failed requests blindly; most of them honour <c>x-should-retry</c>, and for the one that does not (.NET) a
/// repetition within a minute gets the same answer again (see the client's memory of errors), so that none costs a token unasked.
/// </summary>
internal static class ApiErrors
{
    public const string ShouldRetry = "x-should-retry";

    public static ApiFault From(Exception e) => e switch
    {
        ClientException client => From(client),
        StorageException storage => new ApiFault(500, "server_error", "wallet_unavailable", storage.Message),
        _ => new ApiFault(500, "server_error", "internal_error", "The app failed; its log names the cause."),
    };

    public static async Task WriteAsync(HttpContext context, ApiFault fault)
    {
        if (context.Response.HasStarted)
        {
            context.Abort();
            return;
        }
        var body = new ArrayBufferWriter<byte>(256);
        WriteTo(body, fault, IsAnthropic(context));
        context.Response.StatusCode = fault.Status;
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = body.WrittenCount;
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers.XContentTypeOptions = "nosniff";
        context.Response.Headers[ShouldRetry] = fault.Retry ? "true" : "false";
        await context.Response.BodyWriter.WriteAsync(body.WrittenMemory, context.RequestAborted);
    }

    /// <summary>The last event of a stream that cannot be finished. Begins with an empty line: the event before may be half there.</summary>
    public static void WriteEventTo(HttpContext context, IBufferWriter<byte> destination, ApiFault fault)
    {
        destination.Write("\n\nevent: error\ndata: "u8);
        WriteTo(destination, fault, IsAnthropic(context));
        destination.Write("\n\n"u8);
    }

    public static Task WriteFrameworkErrorAsync(HttpContext context, int status)
    {
        ApiFault fault = OfFramework(status);
        return PageApi.IsOf(context.Request) ? PageProblem.From(fault).WriteAsync(context) : WriteAsync(context, fault);
    }

    private static ApiFault OfFramework(int status) => status switch
    {
        StatusCodes.Status404NotFound => new ApiFault(404, "invalid_request_error", "not_found", "There is no such path here."),
        StatusCodes.Status405MethodNotAllowed => new ApiFault(405, "invalid_request_error", "method_not_allowed", "This path does not take that method."),
        StatusCodes.Status413PayloadTooLarge => new ApiFault(413, "invalid_request_error", "request_too_large", "The request is too large."),
        >= 500 => new ApiFault(status, "server_error", "internal_error", "The app failed; its log names the cause."),
        _ => new ApiFault(status, "invalid_request_error", "bad_request", "The request is malformed."),
    };

    private static ApiFault From(ClientException e)
    {
        (int status, string type, string code, bool retry) = e.Error switch
        {
            ClientError.InvalidRequest => (400, "invalid_request_error", "invalid_request", false),
            ClientError.RequestTooLarge => (413, "invalid_request_error", "request_too_large", false),
            ClientError.ModelNotFound => (404, "invalid_request_error", "model_not_found", false),
            ClientError.WalletEmpty => (402, "insufficient_quota", "wallet_empty", false),
            ClientError.InvalidSetting => (400, "invalid_request_error", "invalid_setting", false),
            ClientError.SeedUnusable => (400, "invalid_request_error", "seed_unusable", false),
            ClientError.BackupUnusable => (400, "invalid_request_error", "backup_unusable", false),
            ClientError.VoucherRefused => (400, "invalid_request_error", "voucher_refused", false),
            ClientError.WalletExists => (409, "invalid_request_error", "wallet_exists", false),
            ClientError.AccountExists => (409, "invalid_request_error", "account_exists", false),
            ClientError.DeviceExists => (409, "invalid_request_error", "device_exists", false),
            ClientError.DeviceMissing or ClientError.DeviceUnusable => (500, "server_error", "device_unusable", false),
            ClientError.IssuerRefused => (409, "invalid_request_error", "issuer_refused", false),
            ClientError.IssuerMisbehaved => (502, "server_error", "issuer_misbehaved", false),
            ClientError.WalletMissing => (402, "insufficient_quota", "no_wallet", false),
            ClientError.AccountMissing => (402, "insufficient_quota", "account_missing", false),
            ClientError.InsufficientCredits => (402, "insufficient_quota", "insufficient_credits", false),
            ClientError.PlanUnavailable => (404, "invalid_request_error", "plan_unavailable", false),
            ClientError.SubscriptionBusy => (429, "rate_limit_error", "subscription_busy", true),
            ClientError.SubscriptionUsed => (402, "insufficient_quota", "subscription_used", false),
            ClientError.PlanOutgrown => (413, "invalid_request_error", "plan_outgrown", false),
            ClientError.PseudonymRefused => (403, "permission_error", "pseudonym_refused", false),
            ClientError.PseudonymMissing => (503, "server_error", "pseudonym_missing", false),
            ClientError.PseudonymBanned => (403, "permission_error", "pseudonym_banned", false),
            ClientError.WorkRefused => (503, "server_error", "work_refused", true),
            ClientError.DeviceRefused => (403, "permission_error", "device_refused", false),
            ClientError.TokenSpent => (409, "invalid_request_error", "reply_lost", false),
            ClientError.GatewayUnreachable => (503, "server_error", "gateway_unreachable", true),
            ClientError.IssuerUnreachable => (503, "server_error", "issuer_unreachable", true),
            ClientError.DirectoryUnavailable => (503, "server_error", "directory_unavailable", true),
            ClientError.TorUnavailable => (503, "server_error", "tor_unavailable", true),
            ClientError.TorUnusable => (503, "server_error", "tor_unavailable", false),
            ClientError.AddressRefused => (503, "server_error", "address_refused", false),
            ClientError.ShuttingDown => (503, "server_error", "shutting_down", true),
            ClientError.NothingPending => (409, "invalid_request_error", "nothing_pending", false),
            ClientError.ReplyInterrupted => (502, "server_error", "reply_interrupted", true),
            ClientError.ChallengeRefused => (502, "server_error", "wrong_challenge", false),
            ClientError.DirectoryRefused => (502, "server_error", "directory_refused", false),
            ClientError.SealingKeyUnavailable => (502, "server_error", "sealing_key_unavailable", false),
            ClientError.DirectoryNotPinned => (500, "server_error", "directory_not_pinned", false),
            _ => (500, "server_error", "wallet_error", false),
        };
        return new ApiFault(status, type, e.Code ?? code, e.Message, e.Param, retry);
    }

    /// <summary>The paths of Anthropic's API, whose clients read another form. Our code stands at the same place in both.</summary>
    private static bool IsAnthropic(HttpContext context) => context.Request.Path.StartsWithSegments("/v1/messages", StringComparison.Ordinal);

    private static void WriteTo(IBufferWriter<byte> destination, ApiFault fault, bool isAnthropic)
    {
        using var json = new Utf8JsonWriter(destination);
        json.WriteStartObject();
        if (isAnthropic)
        {
            json.WriteString("type"u8, "error"u8);
        }
        json.WriteStartObject("error"u8);
        json.WriteString("message"u8, fault.Message);
        json.WriteString("type"u8, isAnthropic ? AnthropicType(fault.Status) : fault.Type);
        json.WriteString("param"u8, fault.Param);
        json.WriteString("code"u8, fault.Code);
        if (isAnthropic)
        {
            json.WriteStartObject("details"u8);
            json.WriteString("error_code"u8, fault.Code);
            json.WriteEndObject();
        }
        json.WriteEndObject();
        if (isAnthropic)
        {
            json.WriteNull("request_id"u8);
        }
        json.WriteEndObject();
    }

    private static string AnthropicType(int status) => status switch
    {
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        409 => "conflict_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 => "overloaded_error",
        504 => "timeout_error",
        >= 500 => "api_error",
        _ => "invalid_request_error",
    };
}
