using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Tacit.Client;
using Tacit.Storage;

namespace Tacit.App;

/// <summary>
/// One reply on its way into its message. It goes on whether or not a tab looks: tabs are told pieces as they come; what has come is saved now and then, and at the
/// end. Thread safe.
/// </summary>
internal sealed partial class Generation : IDisposable
{
    private static readonly TimeSpan SaveInterval = TimeSpan.FromSeconds(2);

    /// <summary>More than any plan's reply: a gateway that never ends fills no memory.</summary>
    private const int MaxTextLength = 16 << 20;

    private readonly ChatThread _thread;
    private readonly IChatStore _store;
    private readonly PageEvents _events;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _end = new();
    private readonly TaskCompletionSource _settled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly PromptTrace _trace;
    private readonly LiveText _text;

    /// <summary>Question and reply on their way to the disk. Where they do not get there, nothing that comes later of the reply may stand there without its question.</summary>
    private readonly Task _begun;
    private ChatMessage _message;
    private long _savedAt;
    private Task _saving = Task.CompletedTask;
    private volatile bool _isStopped;
    private bool _isRead;

    /// <param name="message">In state generating.</param>
    /// <param name="begun">Done when the message is saved for the first time.</param>
    public Generation(ChatThread thread, ChatMessage message, IChatStore store, AppParts parts, Task begun)
    {
        _begun = begun;
        // Where this is not its first request, what the one before showed is still to be told.
        _message = message with { Trace = null, EarlierTraces = [.. message.Traces] };
        (_thread, _store, _events, _time) = (thread, store, parts.Events, parts.Time);
        _log = parts.Loggers.CreateLogger<Generation>();
        _savedAt = _time.GetTimestamp();
        string conversation = thread.Header.Id;
        _trace = new PromptTrace(_time, stage =>
        {
            _events.Publish(ChatEvents.Stage, new StageEvent(conversation, message.Id, StageView.Of(stage)));
            if (stage.Name == PromptStageName.Sent)
            {
                // Whatever becomes of the app, that it was asked is to be told.
                Save();
            }
        });
        _text = new LiveText(
            message.Text, message.Reasoning,
            (offset, piece, isReasoning) => _events.Publish(ChatEvents.Delta, new DeltaEvent(conversation, message.Id, offset, piece, isReasoning ? true : null)), _time);
    }

    /// <summary>The message's.</summary>
    public string Id => _message.Id;

    /// <summary>Completes when the message has its final form and is saved.</summary>
    public Task Settled => _settled.Task;

    /// <summary>Completes when the wallet is through with it, too.</summary>
    public Task Ended { get; private set; } = Task.CompletedTask;

    /// <summary>Starts. The request's body is disposed at the end.</summary>
    public void Start(IPromptSender prompts, PromptBuffer body, PromptRequest request) => Ended = Task.Run(() => RunAsync(prompts, body, request with { Trace = _trace }));

    /// <summary>The user wants no more of it.</summary>
    public void Stop()
    {
        _isStopped = true;
        Leave();
    }

    /// <summary>The app ends: the message stays as it is, to be picked up.</summary>
    public void Leave()
    {
        try
        {
            // Not on this thread: the caller may hold a lock.
            _ = _end.CancelAsync();
        }
        catch (ObjectDisposedException)
        {
            // It has ended.
        }
    }

    /// <summary>The message with what has come up to now.</summary>
    public ChatMessage Snapshot(ChatMessage message)
    {
        (string text, string? reasoning) = _text.Current;
        return message with { Text = text, Reasoning = reasoning };
    }

    public void Dispose()
    {
        _text.Dispose();
        _end.Dispose();
    }

    private async Task RunAsync(IPromptSender prompts, PromptBuffer body, PromptRequest request)
    {
        using (body)
        {
            PromptReply? reply = null;
            try
            {
                (MessageState state, MessageError? error) = (MessageState.Done, null);
                try
                {
                    reply = await prompts.SendAsync(request, _end.Token);
                    Begin(reply);
                    error = reply.Status < 400 ? await ReadAsync(reply) : await ReadErrorAsync(reply);
                    state = error is null ? MessageState.Done : MessageState.Failed;
                }
                catch (OperationCanceledException) when (_end.IsCancellationRequested)
                {
                    state = _isStopped ? MessageState.Stopped : MessageState.Generating;
                }
                catch (Exception e) when (e is ClientException or StorageException)
                {
                    (state, error) = (MessageState.Failed, ReplyErrors.From(e));
                }
                bool isDelivered = state == MessageState.Done || (state == MessageState.Failed && _isRead);
                if (state == MessageState.Failed && !isDelivered && error != ReplyErrors.TooLarge)
                {
                    // Given free before anybody can ask again: a retry takes up this very request, with its token.
                    await LeaveReplyAsync();
                }
                await SettleAsync(state, error);
                // Only now has the reply been delivered: a crash before finds it in the journal again.
                await (reply is null ? Task.CompletedTask
                    : isDelivered ? reply.CompleteAsync(CancellationToken.None)
                    : state == MessageState.Generating ? Task.CompletedTask
                    : reply.CancelAsync());
            }
            catch (Exception e)
            {
                // Nobody awaits this but the end of the app. The kind only: messages of others may quote what they were given.
                LogFailed(e.GetType().Name);
                await SettleAsync(MessageState.Failed, ReplyErrors.From(e));
            }
            finally
            {
                await LeaveReplyAsync();
                _settled.TrySetResult();
                Dispose();
            }

            async ValueTask LeaveReplyAsync()
            {
                if (reply is not null)
                {
                    await reply.DisposeAsync();
                    reply = null;
                }
            }
        }
    }

    /// <summary>A reply begins: who pays, and from the beginning, also where an earlier start had got some of it.</summary>
    private void Begin(PromptReply reply)
    {
        bool again = _text.Restart();
        lock (_thread.Gate)
        {
            _message = _message with { Plan = reply.Plan, Notices = [.. PromptNotices.Explain(PromptNotices.Of(reply), reply.Plan)], Text = "", Reasoning = null };
            _thread.Put(_message);
            if (again || _message.Notices.Count > 0)
            {
                _events.Publish(ChatEvents.Message, new MessageEvent(_thread.Header.Id, _message.ToView()));
            }
        }
    }

    private async Task<MessageError?> ReadAsync(PromptReply reply)
    {
        using var stream = new ChatStream(_text.Append);
        using var document = new PromptBuffer();
        byte[] block = new byte[16 * 1024];
        try
        {
            int read;
            while ((read = await reply.ReadAsync(block, _end.Token)) > 0)
            {
                if (!(reply.IsEventStream ? stream.Feed(block.AsSpan(0, read)) : Collect(document, block.AsSpan(0, read))) || _text.Length > MaxTextLength)
                {
                    return ReplyErrors.TooLarge;
                }
                SaveIfDue();
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(block);
        }
        _isRead = true;
        if (!reply.IsEventStream)
        {
            stream.TakeDocument(document.Written.Span);
        }
        stream.End();
        lock (_thread.Gate)
        {
            _message = _message with
            {
                Usage = stream.Usage,
                Notices = [.. _message.Notices, .. ReplyErrors.NoticesOf(stream.FinishReason)],
            };
        }
        return stream.Error is (string code, string text) ? ReplyErrors.OfStream(code, text)
            : stream.IsWhole || stream.FinishReason is not null ? null
            : ReplyErrors.Incomplete;
    }

    private async Task<MessageError> ReadErrorAsync(PromptReply reply)
    {
        using var document = new PromptBuffer();
        byte[] block = new byte[4096];
        int read;
        while ((read = await reply.ReadAsync(block, _end.Token)) > 0 && Collect(document, block.AsSpan(0, read)))
        {
        }
        using var stream = new ChatStream((_, _) => { });
        stream.TakeDocument(document.Written.Span);
        return ReplyErrors.OfGateway(reply, stream.Error);
    }

    private static bool Collect(PromptBuffer document, ReadOnlySpan<byte> bytes)
    {
        if (document.Written.Length + bytes.Length > EventReader.MaxEventBytes)
        {
            return false;
        }
        bytes.CopyTo(document.GetSpan(bytes.Length));
        document.Advance(bytes.Length);
        return true;
    }

    private void SaveIfDue()
    {
        if (_time.GetElapsedTime(_savedAt) < SaveInterval || !_saving.IsCompleted)
        {
            return;
        }
        Save();
    }

    /// <summary>What there is up to now.</summary>
    private void Save()
    {
        _savedAt = _time.GetTimestamp();
        lock (_thread.Gate)
        {
            ChatMessage now = Snapshot(_message) with { Trace = RequestTrace.Of(Id, _trace.Facts) };
            _saving = Task.WhenAll(_saving, SaveOnceBegunAsync(new ChatChange(null, [now]) { Conversation = _thread.Header.Id }));
        }
    }

    private async Task SettleAsync(MessageState state, MessageError? error)
    {
        if (_settled.Task.IsCompleted)
        {
            return;
        }
        _text.Flush();
        await _saving;
        PromptFacts facts = await _trace.FinishAsync();
        bool hasBegun = await HasBegunAsync();
        ChatChange change;
        lock (_thread.Gate)
        {
            _message = Snapshot(_message) with
            {
                State = state,
                Error = error,
                Trace = RequestTrace.Of(Id, facts),
                System = state == MessageState.Generating ? _message.System : null,
            };
            _thread.Put(_message);
            _thread.Header = _thread.Header with { Updated = _time.GetUtcNow() };
            if (state != MessageState.Generating)
            {
                _thread.Running = null;
            }
            change = ChatChange.Of(_thread.Header, _message);
            _saving = hasBegun ? SaveQuietlyAsync(change) : Task.CompletedTask;
        }
        await _saving;
        if (state != MessageState.Generating)
        {
            _events.Publish(ChatEvents.Message, new MessageEvent(change.Conversation, _message.ToView()));
            _events.Publish(ChatEvents.Conversation, ChatThread.Summarize(change.Header!, false));
        }
        _settled.TrySetResult();
    }

    private async Task SaveOnceBegunAsync(ChatChange change)
    {
        if (await HasBegunAsync())
        {
            await SaveQuietlyAsync(change);
        }
    }

    private async Task<bool> HasBegunAsync()
    {
        await _begun.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return _begun.IsCompletedSuccessfully;
    }

    /// <summary>A full disk must not end a reply that can still be read on the screen.</summary>
    private async Task SaveQuietlyAsync(ChatChange change)
    {
        try
        {
            await _store.SaveAsync(change, CancellationToken.None);
        }
        catch (Exception e) when (e is StorageException or PageException or ObjectDisposedException)
        {
            LogNotSaved(e is StorageException storage ? storage.Kind.ToString() : e.GetType().Name);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "What came of a reply could not be saved ({Kind}).")]
    private partial void LogNotSaved(string kind);

    [LoggerMessage(Level = LogLevel.Error, Message = "A reply failed unexpectedly ({Kind}).")]
    private partial void LogFailed(string kind);
}
