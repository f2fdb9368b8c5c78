using System.Text.Json.Serialization;

namespace Tacit.App;

/// <summary>Whether conversations are written to disk, encrypted, or live in memory until the app ends.</summary>
[JsonConverter(typeof(PageEnum<ChatKeeping>))]
internal enum ChatKeeping
{
    Kept,
    NotKept,
}

[JsonConverter(typeof(PageEnum<MessageRole>))]
internal enum MessageRole
{
    User,
    Assistant,
}

[JsonConverter(typeof(PageEnum<MessageState>))]
internal enum MessageState
{
    Done,
    Generating,

    /// <summary>By the user; the text is what had come.</summary>
    Stopped,

    /// <summary>See <see cref="MessageView.Error"/>; the text is what had come.</summary>
    Failed,
}

/// <summary>A conversation in the list.</summary>
/// <param name="Id">32 hexadecimal digits.</param>
/// <param name="Plan">The plan that is to pay; null takes the cheapest.</param>
/// <param name="Generating">Whether a reply is being generated.</param>
/// <param name="Snippet">Where a search found its text; only in an answer to a search.</param>
internal sealed record ConversationSummary(
    string Id, string Title, DateTimeOffset Created, DateTimeOffset Updated, string? Model, string? Plan, bool Generating, string? Snippet = null);

internal sealed record ConversationList(IReadOnlyList<ConversationSummary> Conversations);

/// <summary>A conversation with all its branches.</summary>
/// <param name="Leaf">The last message of the branch that is shown.</param>
/// <param name="Messages">Parents before children, siblings in the order they came.</param>
internal sealed record ConversationView(
    string Id, string Title, DateTimeOffset Created, DateTimeOffset Updated, string? Model, string? Plan, bool Generating, string? System, string? Leaf,
    IReadOnlyList<MessageView> Messages);

/// <param name="Parent">Null for a conversation's first message.</param>
/// <param name="Text">What the user wrote, or the model; Markdown.</param>
/// <param name="Reasoning">What a model says it thought.</param>
/// <param name="Plan">An assistant's message: the plan that paid.</param>
/// <param name="Notices">What a person should know of how the request was paid.</param>
internal sealed record MessageView(
    string Id, string? Parent, MessageRole Role, string Text, string? Reasoning, IReadOnlyList<AttachmentView> Attachments, string? Model, string? Plan,
    DateTimeOffset Created, MessageState State, MessageError? Error, IReadOnlyList<string> Notices, MessageUsage? Usage = null);

/// <param name="Code">As in <c>/v1</c>'s errors.</param>
/// <param name="Message">What happened and what to do.</param>
/// <param name="CanRetry">Whether the same request may succeed without a change of wallet or settings.</param>
internal sealed record MessageError(string Code, string Message, bool CanRetry);

/// <summary>Tokens, as the provider counted them.</summary>
internal sealed record MessageUsage(long Input, long Output);

/// <param name="Size">In bytes; of a text, as UTF-8.</param>
internal sealed record AttachmentView(string Id, string Name, string MediaType, long Size);

/// <summary>What is null is taken from the settings; an empty string is none.</summary>
internal sealed record NewConversation(string? Model = null, string? Plan = null, string? System = null);

/// <summary>What is to change; null leaves as it is, an empty string takes away.</summary>
internal sealed record ConversationChange(string? Title = null, string? Model = null, string? Plan = null, string? System = null, string? Leaf = null);

/// <param name="Parent">The message it answers; null begins the conversation, or another beginning of it.</param>
/// <param name="Plan">The plan that is to pay; null takes the conversation's, an empty string leaves it to the wallet.</param>
internal sealed record NewMessage(string Text, string? Parent = null, IReadOnlyList<NewAttachment>? Attachments = null, string? Model = null, string? Plan = null);

/// <summary>A file that goes with a message: an image as <paramref name="Data"/>, a text or the text of a PDF as <paramref name="Text"/>, or one that is there already.</summary>
/// <param name="Data">Base64.</param>
/// <param name="Id">An attachment of an earlier message of the same conversation, for one that is edited and sent again; then nothing else counts.</param>
internal sealed record NewAttachment(string? Name = null, string? MediaType = null, byte[]? Data = null, string? Text = null, string? Id = null);

internal sealed record NewMessageResult(MessageView User, MessageView Assistant);

internal sealed record RetryMessage(string? Model = null, string? Plan = null);

internal sealed record RetryResult(MessageView Assistant);

internal sealed record MessageEvent(string Conversation, MessageView Message);

internal sealed record MessageDeletedEvent(string Conversation, string Message);

internal sealed record ConversationDeletedEvent(string Id);

/// <summary>A piece of a message that is being generated.</summary>
/// <param name="Offset">How much came before it, of text or of reasoning, in UTF-16 units.</param>
/// <param name="Reasoning">True: of the reasoning.</param>
internal sealed record DeltaEvent(string Conversation, string Message, int Offset, string Text, bool? Reasoning = null);

internal sealed record ImportResult(int Conversations);

/// <summary>A system prompt or text that the user keeps for later.</summary>
internal sealed record SavedPrompt(string Id, string Name, string Text);
