using System.Text;
using Microsoft.Extensions.Logging;
using Tacit.Client;
using Tacit.Storage;

namespace Tacit.App;

/// <summary>Questions and their replies.</summary>
internal sealed partial class ChatBook
{
    /// <summary>Asks: adds a question behind a message, or beside its siblings, and starts its reply.</summary>
    public Task<NewMessageResult> SendAsync(string id, NewMessage message, CancellationToken cancellationToken) => InTurnAsync(
        async () =>
        {
            ChatThread thread = await LoadAsync(id, cancellationToken);
            string text = Bounded(message.Text, "text") ?? "";
            if (message.Parent is { Length: > 0 } && thread.Find(message.Parent) is null)
            {
                throw new PageException(PageProblem.Missing("message"));
            }
            string question = ChatId.Create();
            (List<ChatAttachment> files, List<AttachmentContent> contents) = await AttachAsync(thread, question, PageApi.Whole(message.Attachments), cancellationToken);
            if (text.Length == 0 && files.Count == 0)
            {
                throw new PageException(PageProblem.Malformed("There is neither a text nor an attachment."));
            }
            var user = new ChatMessage(question, message.Parent is { Length: > 0 } parent ? parent : null, MessageRole.User, text, _parts.Time.GetUtcNow(), MessageState.Done) { Attachments = files };
            ChatMessage assistant = await AnswerAsync(thread, user, contents, Word(message.Model), message.Plan, cancellationToken);
            return new NewMessageResult(user.ToView(), assistant.ToView());
        },
        cancellationToken);

    /// <summary>Asks a question again: another reply beside those that are there.</summary>
    /// <param name="message">A reply, or a question.</param>
    public Task<RetryResult> RetryAsync(string id, string message, RetryMessage retry, CancellationToken cancellationToken) => InTurnAsync(
        async () =>
        {
            ChatThread thread = await LoadAsync(id, cancellationToken);
            ChatMessage chosen = thread.Find(message) ?? throw new PageException(PageProblem.Missing("message"));
            ChatMessage question = chosen.Role == MessageRole.User ? chosen : thread.Find(chosen.Parent) ?? throw new PageException(PageProblem.Missing("message"));
            return new RetryResult((await AnswerAsync(thread, question, null, Word(retry.Model) ?? chosen.Model, retry.Plan, cancellationToken)).ToView());
        },
        cancellationToken);

    /// <summary>Stops the reply under way; returns when what had come is saved.</summary>
    public async Task StopAsync(string id, CancellationToken cancellationToken)
    {
        Generation? running = await InTurnAsync(async () => (await LoadAsync(id, cancellationToken)).Running, cancellationToken);
        running?.Stop();
        await (running?.Settled ?? Task.CompletedTask).WaitAsync(cancellationToken);
    }

    /// <summary>Picks up the replies that were under way when the app ended. Costs no token: what the wallet does not know any more has failed.</summary>
    public async Task ResumeAsync(CancellationToken cancellationToken)
    {
        foreach (string id in await _store.OpenConversationsAsync(cancellationToken))
        {
            try
            {
                await InTurnAsync(
                    async () =>
                    {
                        ChatThread thread = await LoadAsync(id, cancellationToken);
                        foreach (ChatMessage message in thread.Messages.Where(message => message.State == MessageState.Generating).ToList())
                        {
                            await ResumeAsync(thread, message, cancellationToken);
                        }
                        return true;
                    },
                    cancellationToken);
            }
            catch (PageException)
            {
                // It cannot be read, or the app stops: the others are not to wait for it.
                LogNotTakenUp();
            }
        }
    }

    private async Task ResumeAsync(ChatThread thread, ChatMessage message, CancellationToken cancellationToken)
    {
        if (thread.Running is not null || message.Model is null)
        {
            await SaveAsync(thread, header => header, [Lost(message)]);
            return;
        }
        PromptBuffer body;
        try
        {
            body = await WriteBodyAsync(thread, message, [], cancellationToken);
        }
        catch (PageException)
        {
            // What was asked is not all there any more. Left as it is, it would be generated for ever, with nothing to stop.
            await SaveAsync(thread, header => header, [Lost(message)]);
            return;
        }
        Start(thread, message, body, onlyPending: true, Task.CompletedTask);
        Tell(thread);
    }

    private static ChatMessage Lost(ChatMessage message) => message with { State = MessageState.Failed, Error = ReplyErrors.Lost, System = null };

    /// <param name="contents">The new question's attachments; null if the question is not new.</param>
    /// <param name="plan">Null takes the chat's, empty leaves it to the wallet.</param>
    private async Task<ChatMessage> AnswerAsync(
        ChatThread thread, ChatMessage question, List<AttachmentContent>? contents, string? model, string? plan, CancellationToken cancellationToken)
    {
        if (thread.Running is not null)
        {
            throw new PageException(PageProblem.Of(409, "reply-in-progress", "A reply is being generated.", "Stop it, or wait for its end."));
        }
        ChatHeader before = thread.Header;
        ChatDefaults defaults = _parts.ChatDefaults();
        model ??= before.Model ?? defaults.Model
            ?? throw new PageException(PageProblem.Of(400, "model-missing", "No model is chosen.", "Choose a model for this chat, or one for all in the settings."));
        // Empty leaves it to the wallet, and so does a chat that was begun without one. A plan was chosen for its model.
        plan = plan is not null ? Word(plan) : model == before.Model ? before.Plan : before.Model is null && before.Plan is not null ? before.Plan : defaults.PlanFor(model);
        var answer = new ChatMessage(ChatId.Create(), question.Id, MessageRole.Assistant, "", _parts.Time.GetUtcNow(), MessageState.Generating)
        {
            Model = model,
            Plan = plan,
            System = before.System ?? "",
        };
        bool isNew = contents is not null;
        lock (thread.Gate)
        {
            if (isNew)
            {
                thread.Put(question);
            }
            thread.Put(answer);
        }
        PromptBuffer body;
        try
        {
            body = await WriteBodyAsync(thread, answer, contents ?? [], cancellationToken);
        }
        catch
        {
            TakeBack(thread, question, answer, isNew);
            throw;
        }
        if (isNew)
        {
            _parts.Events.Publish(ChatEvents.Message, new MessageEvent(before.Id, question.ToView()));
        }
        _parts.Events.Publish(ChatEvents.Message, new MessageEvent(before.Id, answer.ToView()));
        // Handed to the store first, so that what comes of the reply is written after it; but the request leaves while the disk writes: what costs something is in the
        // wallet's journal before, and a chat can be told without being saved.
        Task saving = SaveAsync(
            thread,
            header => header with
            {
                Updated = answer.Created,
                Leaf = answer.Id,
                Model = model,
                Plan = plan,
                Title = header.IsNamed || header.Title != ChatTitle.Empty ? header.Title : GivenTitle(thread),
            },
            isNew ? [question, answer] : [answer], contents);
        Generation generation = Start(thread, answer, body, onlyPending: false, saving);
        try
        {
            await saving;
        }
        catch (Exception e) when (e is StorageException or PageException)
        {
            generation.Stop();
            await generation.Settled;
            TakeBack(thread, question, answer, isNew);
            lock (thread.Gate)
            {
                thread.Header = _headers![before.Id] = before;
            }
            Tell(thread);
            throw;
        }
        Tell(thread);
        return answer;
    }

    private Generation Start(ChatThread thread, ChatMessage message, PromptBuffer body, bool onlyPending, Task saving)
    {
        var generation = new Generation(thread, message, _store, _parts, saving);
        lock (thread.Gate)
        {
            thread.Running = generation;
        }
        // Its own id is the conversation's name to the wallet: requests of one chat share a circuit and returned tokens, and no two chats do.
        generation.Start(
            _parts.Prompts, body,
            new PromptRequest(PromptOperation.ChatCompletions, body.Written, thread.Header.Id, message.Plan) { OnlyPending = onlyPending });
        return generation;
    }

    /// <summary>What could not be saved is not shown, either.</summary>
    private void TakeBack(ChatThread thread, ChatMessage question, ChatMessage answer, bool isNew)
    {
        lock (thread.Gate)
        {
            foreach (ChatMessage message in isNew ? [answer, question] : (ChatMessage[])[answer])
            {
                thread.Remove(message.Id);
                _parts.Events.Publish(ChatEvents.MessageDeleted, new MessageDeletedEvent(thread.Header.Id, message.Id));
            }
        }
    }

    private async Task<PromptBuffer> WriteBodyAsync(ChatThread thread, ChatMessage answer, List<AttachmentContent> fresh, CancellationToken cancellationToken)
    {
        List<ChatMessage> path = thread.PathTo(answer.Parent);
        Dictionary<string, byte[]> contents = fresh.ToDictionary(file => file.Id, file => file.Content);
        foreach (ChatAttachment file in path.SelectMany(message => message.Attachments))
        {
            if (!contents.ContainsKey(file.Id) && await _store.AttachmentAsync(file.Id, cancellationToken) is byte[] content)
            {
                contents[file.Id] = content;
            }
        }
        var body = new PromptBuffer();
        ChatBody.Write(body, answer.Model!, answer.System ?? thread.Header.System, path, contents);
        return body;
    }

    private async Task<(List<ChatAttachment> Files, List<AttachmentContent> Contents)> AttachAsync(
        ChatThread thread, string message, IReadOnlyList<NewAttachment> attachments, CancellationToken cancellationToken)
    {
        if (attachments.Count > MaxAttachments)
        {
            throw new PageException(PageProblem.Malformed($"A message has at most {MaxAttachments} attachments."));
        }
        List<ChatAttachment> files = [];
        List<AttachmentContent> contents = [];
        foreach (NewAttachment attachment in attachments)
        {
            (ChatAttachment file, byte[] content) = attachment.Id is string earlier
                ? (FindAttachment(thread, earlier) ?? throw new PageException(PageProblem.Missing("attachment")),
                    await _store.AttachmentAsync(earlier, cancellationToken) ?? throw new PageException(PageProblem.Missing("attachment")))
                : AttachmentRules.Read(attachment);
            string id = ChatId.Create();
            files.Add(file with { Id = id });
            contents.Add(new AttachmentContent(id, message, content));
        }
        return (files, contents);
    }

    /// <summary>Stops replies for good and waits until the wallet is through with them, but not for a gateway that does not answer.</summary>
    private async Task EndRepliesAsync(IReadOnlyList<Generation> running)
    {
        foreach (Generation generation in running)
        {
            generation.Stop();
        }
        foreach (Generation generation in running)
        {
            await generation.Settled;
            try
            {
                await generation.Ended.WaitAsync(CancelPatience, _parts.Time);
            }
            catch (TimeoutException)
            {
                LogNotCancelled();
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "A reply that was under way when the app ended could not be picked up.")]
    private partial void LogNotTakenUp();

    [LoggerMessage(Level = LogLevel.Warning, Message = "The gateway did not answer in time when a reply was cancelled.")]
    private partial void LogNotCancelled();
}
