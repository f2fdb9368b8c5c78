using Microsoft.AspNetCore.Http;

namespace Tacit.Issuer;

/// <summary>Compares a request's content type, whatever its parameters.</summary>
internal static class MediaTypeMatch
{
    public static bool Is(HttpRequest request, string mediaType)
    {
        ReadOnlySpan<char> given = request.ContentType;
        int parameters = given.IndexOf(';');
        given = parameters < 0 ? given : given[..parameters];
        return given.Trim().Equals(mediaType, StringComparison.OrdinalIgnoreCase);
    }
}
