namespace Tacit.App;

/// <summary>All conversations as a file, in the clear: for another installation, or another program.</summary>
internal sealed record ChatFile(string Format, IReadOnlyList<FiledConversation> Conversations, IReadOnlyList<SavedPrompt>? Prompts = null)
{
    public const string CurrentFormat = "tacit chats 1";
}

internal sealed record FiledConversation(
    string Title, DateTimeOffset Created, DateTimeOffset Updated, IReadOnlyList<FiledMessage> Messages, string? Model = null, string? Plan = null, string? System = null,
    string? Leaf = null);

/// <param name="Id">Any word; parents name it.</param>
/// <param name="Parent">A message further up in the list.</param>
internal sealed record FiledMessage(
    string Id, MessageRole Role, string Text, DateTimeOffset Created, string? Parent = null, string? Reasoning = null, IReadOnlyList<NewAttachment>? Attachments = null,
    string? Model = null, string? Plan = null, MessageState State = MessageState.Done, MessageError? Error = null, IReadOnlyList<string>? Notices = null,
    MessageUsage? Usage = null);
