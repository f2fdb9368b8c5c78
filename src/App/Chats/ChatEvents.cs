namespace Tacit.App;

/// <summary>What tabs are told of conversations.</summary>
internal static class ChatEvents
{
    public static PageEvent<ConversationSummary> Conversation { get; } = new("conversation", PageJson.Default.ConversationSummary);

    public static PageEvent<ConversationDeletedEvent> ConversationDeleted { get; } = new("conversation-deleted", PageJson.Default.ConversationDeletedEvent);

    public static PageEvent<MessageEvent> Message { get; } = new("message", PageJson.Default.MessageEvent);

    public static PageEvent<MessageDeletedEvent> MessageDeleted { get; } = new("message-deleted", PageJson.Default.MessageDeletedEvent);

    public static PageEvent<DeltaEvent> Delta { get; } = new("delta", PageJson.Default.DeltaEvent);

    public static PageEvent<StageEvent> Stage { get; } = new("stage", PageJson.Default.StageEvent);

    public static PageEvent<IReadOnlyList<SavedPrompt>> Prompts { get; } = new("prompts", PageJson.Default.IReadOnlyListSavedPrompt);
}
