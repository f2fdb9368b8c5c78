using System.Text;

namespace Tacit.App;

/// <summary>What may be attached, and as what it is served again.</summary>
internal static class AttachmentRules
{
    private const int MaxNameLength = 256;
    private const int MaxMediaTypeLength = 100;

    /// <summary>Images that models take and that cannot hold a script; an SVG can.</summary>
    private static readonly string[] ImageTypes = ["image/png", "image/jpeg", "image/gif", "image/webp"];

    /// <exception cref="PageException">It is none that can be attached.</exception>
    public static (ChatAttachment File, byte[] Content) Read(NewAttachment attachment)
    {
        string mediaType = attachment.MediaType ?? "text/plain";
        if (attachment is not { Name: { Length: > 0 and <= MaxNameLength } name } || mediaType.Length > MaxMediaTypeLength || mediaType.Any(c => c is < '!' or > '~'))
        {
            throw new PageException(PageProblem.Malformed($"An attachment has a name of at most {MaxNameLength} characters, and a media type."));
        }
        // A name stands in the text that the model reads.
        name = string.Concat(name.Select(c => char.IsControl(c) || c == '"' ? ' ' : c));
        if (attachment.Data is { Length: > 0 } image && attachment.Text is null)
        {
            return IsImage(mediaType)
                ? (new ChatAttachment("", name, mediaType, image.Length, true), image)
                : throw new PageException(PageProblem.Of(
                    415, "attachment-unsupported", "This cannot be attached.", $"Images are {string.Join(", ", ImageTypes)}; of other files their text can be attached."));
        }
        if (attachment.Text is { Length: > 0 and <= ChatBook.MaxTextLength * 4 } text && attachment.Data is null)
        {
            byte[] content = Encoding.UTF8.GetBytes(text);
            // The page draws what is called an image, and an image that is a text can be made to take for ever.
            return (new ChatAttachment("", name, mediaType.StartsWith("image/", StringComparison.OrdinalIgnoreCase) ? "text/plain" : mediaType, content.Length, false), content);
        }
        throw new PageException(PageProblem.Malformed("An attachment has either data or text."));
    }

    /// <summary>As what the content is served: an image as itself, everything else as plain text, so that nothing of it runs on the app's own origin.</summary>
    public static string ServedAs(ChatAttachment file) => file.IsImage && IsImage(file.MediaType) ? file.MediaType : "text/plain; charset=utf-8";

    private static bool IsImage(string mediaType) => ImageTypes.Contains(mediaType, StringComparer.Ordinal);
}
