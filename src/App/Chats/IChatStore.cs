namespace Tacit.App;

/// <summary>Where conversations are: on disk (<see cref="StoredChats"/>), or in memory until the app ends (<see cref="MemoryChats"/>). Thread safe.</summary>
internal interface IChatStore
{
    /// <summary>All conversations, without their messages.</summary>
    Task<IReadOnlyList<ChatHeader>> HeadersAsync(CancellationToken cancellationToken);

    /// <summary>A conversation's messages in the order they came.</summary>
    Task<IReadOnlyList<ChatMessage>> MessagesAsync(string conversation, CancellationToken cancellationToken);

    /// <summary>The conversations in which a message was being generated when it was last saved.</summary>
    Task<IReadOnlyList<string>> OpenConversationsAsync(CancellationToken cancellationToken);

    /// <summary>Saves conversation and messages, new or changed, and new attachments. Changes take effect in the order in which this was called.</summary>
    Task SaveAsync(ChatChange change, CancellationToken cancellationToken);

    /// <summary>Saves several changes, all or none.</summary>
    Task SaveAllAsync(IReadOnlyList<ChatChange> changes, CancellationToken cancellationToken);

    /// <summary>Null if there is none.</summary>
    Task<byte[]?> AttachmentAsync(string id, CancellationToken cancellationToken);

    /// <summary>Deletes conversations with all that is in them, so that it is gone when this returns; null deletes all.</summary>
    Task DeleteAsync(string? conversation);

    Task<IReadOnlyList<SavedPrompt>> PromptsAsync(CancellationToken cancellationToken);

    Task SavePromptsAsync(IReadOnlyList<SavedPrompt> prompts, CancellationToken cancellationToken);
}
