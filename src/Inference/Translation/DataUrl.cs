using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>A <c>data:</c> URL in base64 (RFC 2397): the form in which OpenAI's API takes content by value.</summary>
internal readonly ref struct DataUrl(ReadOnlySpan<byte> mediaType, ReadOnlySpan<byte> data)
{
    public ReadOnlySpan<byte> MediaType { get; } = mediaType;

    public ReadOnlySpan<byte> Data { get; } = data;

    /// <param name="url">The URL without JSON's escapes.</param>
    /// <param name="parsed">Its parts, which need no escapes in JSON either.</param>
    public static bool TryParse(ReadOnlySpan<byte> url, out DataUrl parsed)
    {
        parsed = default;
        int comma = url.IndexOf((byte)',');
        if (comma < 0 || !System.Text.Ascii.EqualsIgnoreCase(url[..Math.Min(5, url.Length)], "data:"u8))
        {
            return false;
        }

        ReadOnlySpan<byte> head = url[5..comma];
        int end = head.IndexOf((byte)';');
        if (end <= 0 || !head.EndsWith(";base64"u8) || head[..end].ContainsAnyExcept(s_mediaType) || url[(comma + 1)..].ContainsAnyExcept(s_base64))
        {
            return false;
        }

        parsed = new DataUrl(head[..end], url[(comma + 1)..]);
        return true;
    }

    private static readonly System.Buffers.SearchValues<byte> s_mediaType =
        System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/+.-"u8);

    private static readonly System.Buffers.SearchValues<byte> s_base64 =
        System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/="u8);
}
