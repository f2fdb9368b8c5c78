using System.Text;
using Microsoft.Extensions.Logging;
using Tacit.Storage;

namespace Tacit.App;

/// <summary>
/// All conversations of one store: their changes in the order they come, each told to all tabs. Conversations that were used lately are in memory, so that a question
/// waits for no disk. Thread safe.
/// </summary>
internal sealed partial class ChatBook : IAsyncDisposable
{
    public const int MaxTextLength = 1 << 20;
    public const int MaxAttachments = 16;
    private const int MaxNameLength = 256;
    private const int MaxLoaded = 32;
    private static readonly TimeSpan CancelPatience = TimeSpan.FromSeconds(5);

    private readonly IChatStore _store;
    private readonly AppParts _parts;
    private readonly ILogger _log;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly OrderedDictionary<string, ChatThread> _loaded = [];
    private Dictionary<string, ChatHeader>? _headers;
    private bool _ended;

    public ChatBook(IChatStore store, AppParts parts)
    {
        (_store, _parts) = (store, parts);
        _log = parts.Loggers.CreateLogger<ChatBook>();
    }

    /// <summary>All conversations, the one that was used last first.</summary>
    public Task<IReadOnlyList<ConversationSummary>> ListAsync(CancellationToken cancellationToken) => InTurnAsync<IReadOnlyList<ConversationSummary>>(
        async () => [.. (await HeadersAsync(cancellationToken)).Values.Select(Summarize).OrderByDescending(summary => summary.Updated)], cancellationToken);

    /// <summary>The conversations that have a text in their title, messages or attachments, with where it stands.</summary>
    public async Task<IReadOnlyList<ConversationSummary>> SearchAsync(string text, CancellationToken cancellationToken)
    {
        List<ConversationSummary> found = [];
        foreach (ConversationSummary conversation in await ListAsync(cancellationToken))
        {
            // Each in its own turn: a search through years of chats holds up no question.
            IReadOnlyList<ChatMessage> messages = await InTurnAsync(() => PeekAsync(conversation.Id, cancellationToken), cancellationToken);
            if ((ChatSearch.Find(conversation.Title, messages, text) ?? await FindInFilesAsync(messages, text, cancellationToken)) is string snippet)
            {
                found.Add(conversation with { Snippet = snippet });
            }
        }
        return found;
    }

    /// <summary>One file after the other, and only where nothing else was found: they are kept apart, and may be large.</summary>
    private async Task<string?> FindInFilesAsync(IReadOnlyList<ChatMessage> messages, string text, CancellationToken cancellationToken)
    {
        foreach (ChatAttachment file in messages.SelectMany(message => message.Attachments).Where(file => !file.IsImage))
        {
            if (await _store.AttachmentAsync(file.Id, cancellationToken) is byte[] content && ChatSearch.FindInFile(file.Name, Encoding.UTF8.GetString(content), text) is string snippet)
            {
                return snippet;
            }
        }
        return null;
    }

    public Task<ConversationView> GetAsync(string id, CancellationToken cancellationToken) =>
        InTurnAsync(async () => (await LoadAsync(id, cancellationToken)).View(), cancellationToken);

    public Task<ConversationView> CreateAsync(NewConversation conversation, CancellationToken cancellationToken) => InTurnAsync(
        async () =>
        {
            DateTimeOffset now = _parts.Time.GetUtcNow();
            ChatDefaults defaults = _parts.ChatDefaults();
            string? model = Word(conversation.Model) ?? defaults.Model;
            var header = new ChatHeader(
                ChatId.Create(), ChatTitle.Empty, false, now, now, model, conversation.Plan is null ? defaults.PlanFor(model) : Word(conversation.Plan),
                conversation.System is null ? defaults.System : Bounded(conversation.System, "system"));
            await HeadersAsync(cancellationToken);
            await _store.SaveAsync(ChatChange.Of(header), cancellationToken);
            var thread = new ChatThread(header, []);
            Remember(thread);
            Tell(thread);
            return thread.View();
        },
        cancellationToken);

    public Task<ConversationView> ChangeAsync(string id, ConversationChange change, CancellationToken cancellationToken) => InTurnAsync(
        async () =>
        {
            ChatThread thread = await LoadAsync(id, cancellationToken);
            if (change.Leaf is { Length: > 0 } leaf && thread.Find(leaf) is null)
            {
                throw new PageException(PageProblem.Missing("message"));
            }
            if (change.Title?.Length > ChatTitle.MaxLength)
            {
                throw new PageException(PageProblem.Malformed($"A title has at most {ChatTitle.MaxLength} characters."));
            }
            await SaveAsync(
                thread,
                header => header with
                {
                    Title = change.Title is { } title ? (string.IsNullOrWhiteSpace(title) ? GivenTitle(thread) : title.Trim()) : header.Title,
                    IsNamed = change.Title is { } named ? !string.IsNullOrWhiteSpace(named) : header.IsNamed,
                    Model = change.Model is null ? header.Model : Word(change.Model),
                    Plan = change.Plan is null ? header.Plan : Word(change.Plan),
                    System = change.System is null ? header.System : Bounded(change.System, "system"),
                    Leaf = change.Leaf is { Length: > 0 } ? change.Leaf : header.Leaf,
                },
                []);
            Tell(thread);
            return thread.View();
        },
        cancellationToken);

    /// <summary>Deletes one conversation, or all of them; when it returns, nothing of them is on disk.</summary>
    public Task DeleteAsync(string? id, CancellationToken cancellationToken) => InTurnAsync(
        async () =>
        {
            Dictionary<string, ChatHeader> headers = await HeadersAsync(cancellationToken);
            string[] ids = id is null ? [.. headers.Keys] : headers.ContainsKey(id) ? [id] : throw new PageException(PageProblem.Missing("conversation"));
            await EndRepliesAsync([.. ids.Select(one => _loaded.GetValueOrDefault(one)?.Running).OfType<Generation>()]);
            await _store.DeleteAsync(id);
            foreach (string one in ids)
            {
                headers.Remove(one);
                _loaded.Remove(one);
                _parts.Events.Publish(ChatEvents.ConversationDeleted, new ConversationDeletedEvent(one));
            }
            await _parts.Prompts.ForgetEndedAsync();
            return true;
        },
        cancellationToken);

    /// <summary>An attachment of a conversation with its content.</summary>
    public Task<(ChatAttachment File, byte[] Content)> AttachmentAsync(string conversation, string id, CancellationToken cancellationToken) => InTurnAsync(
        async () =>
        {
            ChatThread thread = await LoadAsync(conversation, cancellationToken);
            ChatAttachment file = FindAttachment(thread, id) ?? throw new PageException(PageProblem.Missing("attachment"));
            return (file, await _store.AttachmentAsync(id, cancellationToken) ?? throw new PageException(PageProblem.Missing("attachment")));
        },
        cancellationToken);

    /// <summary>What became of a conversation's requests, as far as they have ended; in the order they began.</summary>
    public Task<IReadOnlyList<RequestTrace>> TracesAsync(string id, CancellationToken cancellationToken) => InTurnAsync<IReadOnlyList<RequestTrace>>(
        async () =>
        {
            await LoadAsync(id, cancellationToken);
            return [.. (await PeekAsync(id, cancellationToken)).SelectMany(message => message.Traces)];
        },
        cancellationToken);

    public Task<IReadOnlyList<SavedPrompt>> PromptsAsync(CancellationToken cancellationToken) => _store.PromptsAsync(cancellationToken);

    public async Task<IReadOnlyList<SavedPrompt>> SavePromptsAsync(IReadOnlyList<SavedPrompt> prompts, CancellationToken cancellationToken)
    {
        const int MaxPrompts = 1000;
        // All of it goes to every tab that opens, and comes back whole where one text of it is changed (ChatsApi's bound): more, as from a file, could not be got rid of again.
        const int MaxLibraryLength = 4 << 20;
        if (prompts.Count > MaxPrompts || PageApi.Whole(prompts).Any(prompt => prompt.Name.Length > MaxNameLength || prompt.Text.Length > MaxTextLength)
            || prompts.Sum(prompt => (long)prompt.Text.Length) > MaxLibraryLength)
        {
            throw new PageException(PageProblem.Malformed($"The library holds at most {MaxPrompts} texts of {MaxLibraryLength} characters together, with names of at most {MaxNameLength}."));
        }
        IReadOnlyList<SavedPrompt> saved = [.. prompts.Select(prompt => ChatId.IsValid(prompt.Id) ? prompt : prompt with { Id = ChatId.Create() })];
        await _store.SavePromptsAsync(saved, cancellationToken);
        _parts.Events.Publish(ChatEvents.Prompts, saved);
        return saved;
    }

    /// <summary>Ends replies under way so that they can be picked up again, and takes nothing more.</summary>
    public async ValueTask DisposeAsync()
    {
        List<Generation> running = [];
        await _gate.WaitAsync();
        try
        {
            _ended = true;
            running.AddRange(_loaded.Values.Select(thread => thread.Running).OfType<Generation>());
        }
        finally
        {
            _gate.Release();
        }
        running.ForEach(generation => generation.Leave());
        await Task.WhenAll(running.Select(generation => generation.Ended));
    }

    private async Task<T> InTurnAsync<T>(Func<Task<T>> work, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            return _ended ? throw new PageException(PageProblem.Of(503, "shutting-down", "The app is stopping.")) : await work();
        }
        finally
        {
            _gate.Release();
        }
    }

    private async ValueTask<Dictionary<string, ChatHeader>> HeadersAsync(CancellationToken cancellationToken) =>
        _headers ??= (await _store.HeadersAsync(cancellationToken)).ToDictionary(header => header.Id);

    private async ValueTask<ChatThread> LoadAsync(string id, CancellationToken cancellationToken)
    {
        if (!(await HeadersAsync(cancellationToken)).TryGetValue(id, out ChatHeader? header))
        {
            throw new PageException(PageProblem.Missing("conversation"));
        }
        if (_loaded.Remove(id, out ChatThread? thread))
        {
            // To the end: it was used last.
            _loaded[id] = thread;
            return thread;
        }
        thread = new ChatThread(header, await _store.MessagesAsync(id, cancellationToken));
        Remember(thread);
        return thread;
    }

    /// <summary>A conversation's messages without taking it into memory.</summary>
    private async Task<IReadOnlyList<ChatMessage>> PeekAsync(string id, CancellationToken cancellationToken) =>
        _loaded.TryGetValue(id, out ChatThread? thread) ? thread.Current() : await _store.MessagesAsync(id, cancellationToken);

    private void Remember(ChatThread thread)
    {
        _loaded[thread.Header.Id] = thread;
        _headers![thread.Header.Id] = thread.Header;
        for (int i = 0; i < _loaded.Count - 1 && _loaded.Count > MaxLoaded;)
        {
            (string id, ChatThread oldest) = _loaded.GetAt(i);
            if (oldest.Running is null)
            {
                _headers[id] = oldest.Header;
                _loaded.RemoveAt(i);
            }
            else
            {
                i++;
            }
        }
    }

    /// <summary>Changes a conversation in memory and then on disk, in the same order.</summary>
    private async Task SaveAsync(ChatThread thread, Func<ChatHeader, ChatHeader> change, IReadOnlyList<ChatMessage> messages, IReadOnlyList<AttachmentContent>? attachments = null)
    {
        Task saved;
        lock (thread.Gate)
        {
            thread.Header = change(thread.Header);
            foreach (ChatMessage message in messages)
            {
                thread.Put(message);
            }
            _headers![thread.Header.Id] = thread.Header;
            saved = _store.SaveAsync(ChatChange.Of(thread.Header, messages) with { Attachments = attachments ?? [] }, CancellationToken.None);
        }
        await saved;
    }

    private ConversationSummary Summarize(ChatHeader header) => _loaded.TryGetValue(header.Id, out ChatThread? thread) ? thread.Summarize() : ChatThread.Summarize(header, false);

    private void Tell(ChatThread thread) => _parts.Events.Publish(ChatEvents.Conversation, thread.Summarize());

    private static string GivenTitle(ChatThread thread) => thread.Messages.FirstOrDefault(message => message.Role == MessageRole.User) is not ChatMessage first ? ChatTitle.Empty
        : ChatTitle.From(string.IsNullOrWhiteSpace(first.Text) && first.Attachments is [ChatAttachment file, ..] ? file.Name : first.Text);

    private static ChatAttachment? FindAttachment(ChatThread thread, string id) =>
        thread.Messages.SelectMany(message => message.Attachments).FirstOrDefault(file => file.Id == id);

    private static string? Word(string? name) => string.IsNullOrWhiteSpace(name) ? null
        : name.Length <= MaxNameLength ? name.Trim()
        : throw new PageException(PageProblem.Malformed($"A model's or plan's name has at most {MaxNameLength} characters."));

    private static string? Bounded(string? text, string member) => string.IsNullOrWhiteSpace(text) ? null
        : text.Length <= MaxTextLength ? text
        : throw new PageException(PageProblem.Of(413, "request-too-large", "The request is too large.", $"The member {member} has at most {MaxTextLength} characters."));
}
