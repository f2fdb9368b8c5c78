using Microsoft.Extensions.Logging;
using Tacit.Client;
using Tacit.Storage;

namespace Tacit.App;

/// <summary>
/// The conversations that there are now: those on disk, or, where none are to be kept, some in memory. What was kept before stays on disk then, unseen and untouched,
/// until conversations are kept again or all are deleted.
/// </summary>
internal sealed partial class ChatShelf : IAsyncDisposable
{
    private readonly AppParts _parts;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _switching = new(1, 1);
    private ChatBook _book;
    private Task _resuming = Task.CompletedTask;

    public ChatShelf(AppParts parts)
    {
        _parts = parts;
        _log = parts.Loggers.CreateLogger<ChatShelf>();
        Keeping = parts.Options.KeepChats ? ChatKeeping.Kept : ChatKeeping.NotKept;
        _book = Open(Keeping);
    }

    public ChatKeeping Keeping { get; private set; }

    /// <summary>Whether there can be conversations: a wallet or a device, under whose key they are kept.</summary>
    public bool IsReady => Keeping == ChatKeeping.NotKept || _parts.Database.IsUnlocked;

    public ChatBook Book => Volatile.Read(ref _book);

    /// <summary>Picks up what was being generated when the app ended. Does not wait for it.</summary>
    public void Resume()
    {
        if (IsReady)
        {
            _resuming = Task.Run(() => ResumeAsync(Book));
        }
    }

    /// <summary>Takes up a changed setting. Replies under way are stopped; conversations in memory are gone.</summary>
    public async Task KeepAsync(bool keep, CancellationToken cancellationToken)
    {
        await _switching.WaitAsync(cancellationToken);
        try
        {
            ChatKeeping keeping = keep ? ChatKeeping.Kept : ChatKeeping.NotKept;
            if (keeping == Keeping)
            {
                return;
            }
            await Book.DisposeAsync();
            (Keeping, _book) = (keeping, Open(keeping));
            Resume();
            await _parts.Events.PublishStateAsync(cancellationToken);
        }
        finally
        {
            _switching.Release();
        }
    }

    /// <summary>Deletes all conversations, also those on disk that are not shown now.</summary>
    public async Task DeleteAllAsync(CancellationToken cancellationToken)
    {
        await Book.DeleteAsync(null, cancellationToken);
        if (Keeping == ChatKeeping.NotKept && _parts.Database is { IsUnlocked: true, Exists: true })
        {
            await new StoredChats(_parts.Database).DeleteAsync(null);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _resuming;
        await Book.DisposeAsync();
        _stop.Dispose();
    }

    private ChatBook Open(ChatKeeping keeping) => new(keeping == ChatKeeping.Kept ? new StoredChats(_parts.Database) : new MemoryChats(), _parts);

    private async Task ResumeAsync(ChatBook book)
    {
        try
        {
            await book.ResumeAsync(_stop.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or PageException or StorageException or ClientException or ObjectDisposedException)
        {
            LogNotResumed(e is StorageException storage ? storage.Kind.ToString() : e.GetType().Name);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Replies that were under way when the app ended could not be picked up ({Kind}).")]
    private partial void LogNotResumed(string kind);
}
