namespace Tacit.App;

/// <summary>
/// A conversation in memory: a tree of messages, of which one branch is shown. Its lock orders changes with their saving. Thread safe where it says so.
/// </summary>
internal sealed class ChatThread
{
    private readonly OrderedDictionary<string, ChatMessage> _messages = [];

    public ChatThread(ChatHeader header, IEnumerable<ChatMessage> messages)
    {
        Header = header;
        foreach (ChatMessage message in messages)
        {
            _messages[message.Id] = message;
        }
    }

    /// <summary>Held while the conversation is read or changed, and while a change is handed to the store.</summary>
    public Lock Gate { get; } = new();

    public ChatHeader Header { get; set; }

    /// <summary>What is being generated, if anything is.</summary>
    public Generation? Running { get; set; }

    public ICollection<ChatMessage> Messages => _messages.Values;

    public ChatMessage? Find(string? id) => id is not null && _messages.TryGetValue(id, out ChatMessage? message) ? message : null;

    public void Put(ChatMessage message) => _messages[message.Id] = message;

    public void Remove(string id) => _messages.Remove(id);

    /// <summary>The branch that ends with a message, first message first.</summary>
    public List<ChatMessage> PathTo(string? id)
    {
        List<ChatMessage> path = [];
        // Bounded by the number of messages, should a file ever hold a circle.
        for (ChatMessage? message = Find(id); message is not null && path.Count <= _messages.Count; message = Find(message.Parent))
        {
            path.Add(message);
        }
        path.Reverse();
        return path;
    }

    public ConversationSummary Summarize() => Summarize(Header, Running is not null);

    public static ConversationSummary Summarize(ChatHeader header, bool isGenerating) =>
        new(header.Id, header.Title, header.Created, header.Updated, header.Model, header.Plan, isGenerating);

    /// <summary>All messages with what was generated up to now. Thread safe.</summary>
    public List<ChatMessage> Current()
    {
        lock (Gate)
        {
            return [.. _messages.Values.Select(message => message.Id == Running?.Id ? Running.Snapshot(message) : message)];
        }
    }

    /// <summary>The whole conversation with what was generated up to now. Thread safe.</summary>
    public ConversationView View()
    {
        lock (Gate)
        {
            return new ConversationView(
                Header.Id, Header.Title, Header.Created, Header.Updated, Header.Model, Header.Plan, Running is not null, Header.System, Header.Leaf,
                [.. Current().Select(message => message.ToView())]);
        }
    }
}
