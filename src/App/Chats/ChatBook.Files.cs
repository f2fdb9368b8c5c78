using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;

namespace Tacit.App;

/// <summary>Conversations as a file, and back.</summary>
internal sealed partial class ChatBook
{
    private const int MaxFiledIdLength = 100;

    /// <summary>A reply may be longer than a question.</summary>
    private const int MaxFiledTextLength = 16 << 20;

    /// <summary>Writes all conversations, one after the other: they may be more than fits in memory.</summary>
    public async Task ExportAsync(PipeWriter destination, CancellationToken cancellationToken)
    {
        IReadOnlyList<ConversationSummary> conversations = await ListAsync(cancellationToken);
        destination.Write("{\"format\":\""u8);
        destination.Write(Encoding.UTF8.GetBytes(ChatFile.CurrentFormat));
        destination.Write("\",\"conversations\":["u8);
        bool isFirst = true;
        foreach (ConversationSummary conversation in conversations)
        {
            if (await InTurnAsync(() => FileAsync(conversation.Id, cancellationToken), cancellationToken) is not FiledConversation filed)
            {
                // Deleted while those before it were written.
                continue;
            }
            destination.Write(isFirst ? "\n"u8 : ",\n"u8);
            isFirst = false;
            destination.Write(JsonSerializer.SerializeToUtf8Bytes(filed, PageJson.Default.FiledConversation));
            await destination.FlushAsync(cancellationToken);
        }
        destination.Write("\n],\"prompts\":"u8);
        destination.Write(JsonSerializer.SerializeToUtf8Bytes(await PromptsAsync(cancellationToken), PageJson.Default.IReadOnlyListSavedPrompt));
        destination.Write("}\n"u8);
        await destination.FlushAsync(cancellationToken);
    }

    /// <summary>Adds the conversations of a file, all or none, under ids of their own: whoever wrote it replaces nothing that is here.</summary>
    /// <returns>How many.</returns>
    /// <exception cref="PageException">It is no such file, or contradicts itself.</exception>
    public async Task<int> ImportAsync(ChatFile file, CancellationToken cancellationToken)
    {
        if (file.Format != ChatFile.CurrentFormat)
        {
            throw new PageException(PageProblem.Malformed("This is no file of conversations, or one of another version."));
        }
        List<(ChatChange Change, ChatThread Thread)> read = [.. PageApi.Whole(file.Conversations).Select(Read)];
        IReadOnlyList<SavedPrompt> prompts = await PromptsAsync(cancellationToken);
        if (PageApi.Whole(file.Prompts) is { Count: > 0 } more)
        {
            // Checked before anything is kept; the same text twice is one.
            await SavePromptsAsync([.. prompts, .. more.Where(one => !prompts.Any(known => known.Name == one.Name && known.Text == one.Text)).Select(one => one with { Id = "" })], cancellationToken);
        }
        await InTurnAsync(
            async () =>
            {
                await HeadersAsync(cancellationToken);
                await _store.SaveAllAsync([.. read.Select(one => one.Change)], cancellationToken);
                foreach ((ChatChange change, ChatThread thread) in read)
                {
                    _headers![change.Conversation] = change.Header!;
                    Tell(thread);
                }
                return true;
            },
            cancellationToken);
        return read.Count;
    }

    /// <summary>Null if there is no such conversation any more.</summary>
    private async Task<FiledConversation?> FileAsync(string id, CancellationToken cancellationToken)
    {
        if (!(await HeadersAsync(cancellationToken)).TryGetValue(id, out ChatHeader? header))
        {
            return null;
        }
        List<FiledMessage> messages = [];
        foreach (ChatMessage message in await PeekAsync(id, cancellationToken))
        {
            List<NewAttachment> files = [];
            foreach (ChatAttachment file in message.Attachments)
            {
                if (await _store.AttachmentAsync(file.Id, cancellationToken) is byte[] content)
                {
                    files.Add(new NewAttachment(file.Name, file.MediaType, file.IsImage ? content : null, file.IsImage ? null : Encoding.UTF8.GetString(content)));
                }
            }
            messages.Add(new FiledMessage(
                message.Id, message.Role, message.Text, message.Created, message.Parent, message.Reasoning, files, message.Model, message.Plan,
                message.State == MessageState.Generating ? MessageState.Stopped : message.State, message.Error, message.Notices, message.Usage));
        }
        return new FiledConversation(header.Title, header.Created, header.Updated, messages, header.Model, header.Plan, header.System, header.Leaf);
    }

    private static (ChatChange Change, ChatThread Thread) Read(FiledConversation filed)
    {
        Dictionary<string, string> ids = new(StringComparer.Ordinal);
        List<ChatMessage> messages = [];
        List<AttachmentContent> contents = [];
        foreach (FiledMessage message in PageApi.Whole(filed.Messages))
        {
            // A parent stands before its children: so there is no circle, whatever the file says.
            if (message.Parent is not null && !ids.ContainsKey(message.Parent))
            {
                throw new PageException(PageProblem.Malformed("A message follows one that does not stand before it."));
            }
            string id = ChatId.Create();
            if (message.Id.Length > MaxFiledIdLength || !ids.TryAdd(message.Id, id))
            {
                throw new PageException(PageProblem.Malformed("Two messages have the same id."));
            }
            messages.Add(Read(message, id, message.Parent is null ? null : ids[message.Parent], contents));
        }
        string title = filed.Title.Length > ChatTitle.MaxLength ? ChatTitle.From(filed.Title) : filed.Title;
        var header = new ChatHeader(
            ChatId.Create(), string.IsNullOrWhiteSpace(title) ? ChatTitle.Empty : title, true, filed.Created, filed.Updated, Word(filed.Model), Word(filed.Plan),
            Bounded(filed.System, "system"), filed.Leaf is not null ? ids.GetValueOrDefault(filed.Leaf) : messages.LastOrDefault()?.Id);
        return (ChatChange.Of(header, messages) with { Attachments = contents }, new ChatThread(header, messages));
    }

    private static ChatMessage Read(FiledMessage message, string id, string? parent, List<AttachmentContent> contents)
    {
        if (message.Text.Length > MaxFiledTextLength || message.Reasoning?.Length > MaxFiledTextLength || message.Attachments?.Count > MaxAttachments)
        {
            throw new PageException(PageProblem.Malformed("A message is larger than any that is made here."));
        }
        List<ChatAttachment> files = [];
        foreach (NewAttachment attachment in PageApi.Whole(message.Attachments))
        {
            (ChatAttachment file, byte[] content) = AttachmentRules.Read(attachment);
            string fileId = ChatId.Create();
            files.Add(file with { Id = fileId });
            contents.Add(new AttachmentContent(fileId, id, content));
        }
        return new ChatMessage(
            id, parent, message.Role, message.Text, message.Created, message.State == MessageState.Generating ? MessageState.Stopped : message.State)
        {
            Reasoning = message.Reasoning,
            Attachments = files,
            Model = Word(message.Model),
            Plan = Word(message.Plan),
            Error = message.Error,
            Notices = PageApi.Whole(message.Notices),
            Usage = message.Usage,
        };
    }
}
