using System.Buffers;
using System.Text.Json;

namespace Tacit.Protocol;

/// <summary>
/// An error as OpenAI's API writes it: <c>{"error":{"message","type","param","code"}}</c>; or, to clients that speak Anthropic's, as that writes it, with our
/// <c>param</c> and <c>code</c> at the same place. Nothing in it may come from a prompt, a reply,
/// a token or an address (law 4); <see cref="Param"/> is the name of a member or null.
/// </summary>
public sealed record ApiError
{
    /// <param name="code">One of <see cref="ErrorCodes"/>.</param>
    /// <param name="status">HTTP status.</param>
    /// <param name="type">OpenAI's coarse class of the error.</param>
    /// <param name="message">For people: what happened and what to do.</param>
    /// <param name="param">The member or header that is at fault.</param>
    public ApiError(string code, int status, string type, string message, string? param = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(code);
        ArgumentException.ThrowIfNullOrEmpty(type);
        ArgumentNullException.ThrowIfNull(message);
        Code = code;
        Status = status;
        Type = type;
        Message = message;
        Param = param;
    }

    public string Code { get; init; }

    public int Status { get; init; }

    public string Type { get; init; }

    public string Message { get; init; }

    public string? Param { get; init; }

    /// <summary>Whole seconds for a <c>Retry-After</c> header; not part of the body.</summary>
    public int? RetryAfter { get; init; }

    /// <summary>With <see cref="ErrorCodes.WorkRequired"/>: the work that is asked for, a member beside the code.</summary>
    public WorkAnnouncement? Work { get; init; }

    /// <summary>The server's UNIX time in milliseconds, for <see cref="ErrorCodes.TimestampOutOfWindow"/>; <c>server_time</c> of the body.</summary>
    public long? ServerTime { get; init; }

    /// <summary>The error with the status and type that belong to its code.</summary>
    public static ApiError Create(string code, string message, string? param = null)
    {
        int status = ErrorCodes.StatusOf(code);
        return new ApiError(code, status, TypeOf(status), message, param);
    }

    /// <summary>A provider's own 4xx, passed on under its status.</summary>
    public static ApiError ProviderRejected(int status, string message) =>
        new(ErrorCodes.ProviderRejected, status, "invalid_request_error", message);

    /// <summary>The body, UTF-8.</summary>
    public byte[] Encode(ApiDialect dialect = ApiDialect.OpenAI)
    {
        ArrayBufferWriter<byte> buffer = new(256);
        WriteTo(buffer, dialect);
        return buffer.WrittenSpan.ToArray();
    }

    public void WriteTo(IBufferWriter<byte> destination, ApiDialect dialect = ApiDialect.OpenAI)
    {
        using Utf8JsonWriter json = new(destination);
        json.WriteStartObject();
        if (dialect == ApiDialect.Anthropic)
        {
            json.WriteString("type"u8, "error"u8);
        }

        json.WriteStartObject("error"u8);
        json.WriteString("message"u8, Message);
        json.WriteString("type"u8, dialect == ApiDialect.Anthropic ? ApiDialects.AnthropicType(Status) : Type);
        json.WriteString("param"u8, Param);
        json.WriteString("code"u8, Code);
        if (Work is not null)
        {
            json.WritePropertyName(WorkAnnouncement.MemberName);
            Work.WriteTo(json);
        }

        if (dialect == ApiDialect.Anthropic)
        {
            // Where Anthropic's own SDKs look for a code that does not change.
            json.WriteStartObject("details"u8);
            json.WriteString("error_code"u8, Code);
            json.WriteEndObject();
        }

        if (ServerTime is long time)
        {
            json.WriteNumber("server_time"u8, time);
        }

        json.WriteEndObject();
        if (dialect == ApiDialect.Anthropic)
        {
            json.WriteNull("request_id"u8);
        }

        json.WriteEndObject();
    }

    /// <summary>The error as the last server-sent event of a stream that cannot be finished.</summary>
    public void WriteEventTo(IBufferWriter<byte> destination, ApiDialect dialect = ApiDialect.OpenAI)
    {
        ArgumentNullException.ThrowIfNull(destination);
        destination.Write("event: error\ndata: "u8);
        WriteTo(destination, dialect);
        destination.Write("\n\n"u8);
    }

    private static string TypeOf(int status) => status switch
    {
        401 => "authentication_error",
        >= 500 => "server_error",
        _ => "invalid_request_error",
    };
}
