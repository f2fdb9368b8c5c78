namespace Tacit.App;

/// <summary>Search through decrypted text: no index, since an index is the text once more.</summary>
internal static class ChatSearch
{
    public const int MaxLength = 200;
    private const int Around = 60;

    /// <summary>Where a text stands; null if nowhere. Case does not count.</summary>
    public static string? Find(string title, IReadOnlyList<ChatMessage> messages, string text)
    {
        string? found = null;
        foreach (ChatMessage message in messages)
        {
            found ??= Excerpt(message.Text, text) ?? message.Attachments.Select(file => Excerpt(file.Name, text)).FirstOrDefault(name => name is not null);
        }
        return found ?? Excerpt(title, text);
    }

    /// <summary>Where a text stands in an attachment, with its name; null if nowhere.</summary>
    public static string? FindInFile(string name, string content, string text) => Excerpt(content, text) is string excerpt ? $"{name}: {excerpt}" : null;

    private static string? Excerpt(string content, string text)
    {
        int at = content.IndexOf(text, StringComparison.OrdinalIgnoreCase);
        if (at < 0)
        {
            return null;
        }
        int start = Math.Max(0, at - Around);
        int end = Math.Min(content.Length, at + text.Length + Around);
        // Not through the middle of a character.
        start += start > 0 && char.IsLowSurrogate(content[start]) ? 1 : 0;
        end -= end < content.Length && char.IsLowSurrogate(content[end]) ? 1 : 0;
        string excerpt = string.Join(' ', content[start..end].Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return (start > 0 ? "…" : "") + excerpt + (end < content.Length ? "…" : "");
    }
}
