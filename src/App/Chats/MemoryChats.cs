namespace Tacit.App;

/// <summary>Conversations that are not to be kept: nothing of them is ever written.</summary>
internal sealed class MemoryChats : IChatStore
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, ChatHeader> _headers = [];
    private readonly Dictionary<string, OrderedDictionary<string, ChatMessage>> _messages = [];
    private readonly Dictionary<string, AttachmentContent> _attachments = [];
    private IReadOnlyList<SavedPrompt> _prompts = [];

    public Task<IReadOnlyList<ChatHeader>> HeadersAsync(CancellationToken cancellationToken) => Locked<IReadOnlyList<ChatHeader>>(() => [.. _headers.Values]);

    public Task<IReadOnlyList<ChatMessage>> MessagesAsync(string conversation, CancellationToken cancellationToken) =>
        Locked<IReadOnlyList<ChatMessage>>(() => _messages.TryGetValue(conversation, out OrderedDictionary<string, ChatMessage>? messages) ? [.. messages.Values] : []);

    /// <summary>What was being generated ended with the app before.</summary>
    public Task<IReadOnlyList<string>> OpenConversationsAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<string>>([]);

    public Task SaveAsync(ChatChange change, CancellationToken cancellationToken) => SaveAllAsync([change], cancellationToken);

    public Task SaveAllAsync(IReadOnlyList<ChatChange> changes, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            foreach (ChatChange change in changes)
            {
                Save(change);
            }
        }
        return Task.CompletedTask;
    }

    public Task<byte[]?> AttachmentAsync(string id, CancellationToken cancellationToken) => Locked(() => _attachments.GetValueOrDefault(id)?.Content);

    public Task DeleteAsync(string? conversation)
    {
        lock (_lock)
        {
            foreach (string id in conversation is null ? [.. _headers.Keys] : new List<string> { conversation })
            {
                _headers.Remove(id);
                if (_messages.Remove(id, out OrderedDictionary<string, ChatMessage>? messages))
                {
                    foreach (string attachment in _attachments.Values.Where(file => messages.ContainsKey(file.Message)).Select(file => file.Id).ToList())
                    {
                        _attachments.Remove(attachment);
                    }
                }
            }
        }
        return Task.CompletedTask;
    }

    public Task<IReadOnlyList<SavedPrompt>> PromptsAsync(CancellationToken cancellationToken) => Locked(() => _prompts);

    public Task SavePromptsAsync(IReadOnlyList<SavedPrompt> prompts, CancellationToken cancellationToken) => Locked(() => _prompts = prompts);

    private void Save(ChatChange change)
    {
        if (change.Header is not null)
        {
            _headers[change.Conversation] = change.Header;
        }
        if (!_messages.TryGetValue(change.Conversation, out OrderedDictionary<string, ChatMessage>? messages))
        {
            _messages[change.Conversation] = messages = [];
        }
        foreach (ChatMessage message in change.Messages)
        {
            messages[message.Id] = message;
        }
        foreach (AttachmentContent attachment in change.Attachments)
        {
            _attachments[attachment.Id] = attachment;
        }
    }

    private Task<T> Locked<T>(Func<T> read)
    {
        lock (_lock)
        {
            return Task.FromResult(read());
        }
    }
}
