namespace Tacit.Protocol;

/// <summary>Whose HTTP API a client speaks, and so in which form it is told of errors.</summary>
public enum ApiDialect
{
    /// <summary>OpenAI's: every path but those of Messages.</summary>
    OpenAI,

    /// <summary>Anthropic's: <c>/v1/messages</c> and what lies under it.</summary>
    Anthropic,
}

/// <summary>Which path has which dialect, and what an error of a status is called in Anthropic's.</summary>
public static class ApiDialects
{
    /// <summary>The dialect of a request's path.</summary>
    public static ApiDialect Of(string? path) =>
        path is not null && path.StartsWith(Routes.Messages, StringComparison.Ordinal) && (path.Length == Routes.Messages.Length || path[Routes.Messages.Length] == '/')
            ? ApiDialect.Anthropic
            : ApiDialect.OpenAI;

    /// <summary>The <c>type</c> of an error in Anthropic's API, by its status.</summary>
    public static string AnthropicType(int status) => status switch
    {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        409 => "conflict_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 or 529 => "overloaded_error",
        504 => "timeout_error",
        >= 500 => "api_error",
        _ => "invalid_request_error",
    };
}
