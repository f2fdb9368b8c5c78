using System.Diagnostics.CodeAnalysis;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;
using Tacit.Protocol;

namespace Tacit.Gateway.Endpoints;

/// <summary>What the headers of an anonymous request may and may not carry (DESIGN "Gateway", law 5).</summary>
internal static class HeaderRules
{
    // Each of these is how some API knows its customers. Beside a token it would link an account to a prompt.
    private static readonly string[] s_credentials = [HeaderNames.Cookie, HeaderNames.ProxyAuthorization, "x-api-key", "api-key"];

    /// <summary>
    /// Reads the token from the headers. Null credentials and no error means that there is none. A request is refused for what it carries beside a token;
    /// without one, foreign credentials are merely no token.
    /// </summary>
    public static bool TryRead(IHeaderDictionary headers, out PrivateTokenCredentials? credentials, [NotNullWhen(false)] out ApiError? error)
    {
        credentials = null;
        error = null;
        StringValues authorization = headers.Authorization;
        int tokens = 0;
        foreach (string? value in authorization)
        {
            if (value is not null && value.AsSpan().TrimStart().StartsWith(PrivateTokenHeader.Scheme, StringComparison.OrdinalIgnoreCase))
            {
                tokens++;
            }
        }

        if (tokens == 0)
        {
            return true;
        }

        if (FindForeign(headers) is { } foreign)
        {
            error = foreign;
            return false;
        }

        if (authorization.Count > tokens)
        {
            error = Linked(HeaderNames.Authorization);
            return false;
        }

        if (tokens > 1 || !PrivateTokenHeader.TryParseAuthorization(authorization[0], out credentials))
        {
            error = MentionsAnotherScheme(authorization) ? Linked(HeaderNames.Authorization) : ApiError.Create(ErrorCodes.TokenMalformed, "The Authorization header is not one PrivateToken as RFC 9577 writes it.", "Authorization");
            return false;
        }

        return true;
    }

    /// <summary>For a request whose token is in its body: any credential in the headers is one too many.</summary>
    public static ApiError? FindCredential(IHeaderDictionary headers) => headers.Authorization.Count > 0 ? Linked(HeaderNames.Authorization) : FindForeign(headers);

    /// <summary>What is asked for by a header of Anthropic's could not be honoured: no header of a client's goes on. Said rather than dropped.</summary>
    public static ApiError? FindBeta(IHeaderDictionary headers) => headers.ContainsKey("anthropic-beta")
        ? ApiError.Create(ErrorCodes.UnknownMember, "This header is not one that an anonymous request may carry. Leave it out.", "anthropic-beta")
        : null;

    private static ApiError? FindForeign(IHeaderDictionary headers)
    {
        foreach (string name in s_credentials)
        {
            if (headers.ContainsKey(name))
            {
                return Linked(name);
            }
        }

        return null;
    }

    /// <summary>Proxies join repeated headers with commas, so a Bearer can also stand behind the token in one value.</summary>
    private static bool MentionsAnotherScheme(StringValues authorization)
    {
        foreach (string? value in authorization)
        {
            if (value is not null && (value.Contains("Bearer ", StringComparison.OrdinalIgnoreCase) || value.Contains("Basic ", StringComparison.OrdinalIgnoreCase)))
            {
                return true;
            }
        }

        return false;
    }

    private static ApiError Linked(string header) => ApiError.Create(
        ErrorCodes.LinkedCredentials,
        "The request carries a token and another credential, which would link an account to a prompt. Send the token alone.",
        header);
}
