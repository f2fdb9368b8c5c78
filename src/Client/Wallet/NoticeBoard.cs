namespace Tacit.Client;

public enum NoticeKind
{
    /// <summary>The wallet was empty at a prompt and was filled because of it: the two are linked by time (law 6).</summary>
    FilledAtPrompt,

    /// <summary>The account has not enough credits for the next fill.</summary>
    LowCredits,

    /// <summary>The issuer showed a directory that is not believed.</summary>
    DirectoryRefused,

    /// <summary>Few accounts share a plan's key: a token hides among few.</summary>
    SmallCrowd,

    /// <summary>Something of the wallet's upkeep did not work; it is tried again by itself.</summary>
    RefillFailed,

    /// <summary>Somebody else went on with a subscription's chain: it has ended in this wallet.</summary>
    ChainLost,

    /// <summary>The gateway refuses to renew a subscription's chain.</summary>
    RenewalRefused,

    /// <summary>A subscription could not be bought for the next period.</summary>
    SubscriptionFailed,

    /// <summary>A gateway can link requests to each other, by a pseudonym that it asks for and the user allows.</summary>
    RequestsLinkable,
}

/// <summary>Something the user should know.</summary>
public sealed record Notice(NoticeKind Kind, string Text, DateTimeOffset At);

/// <summary>The last notices, in memory. Thread safe.</summary>
public sealed class NoticeBoard(TimeProvider time)
{
    private const int MaxNotices = 50;

    private readonly Queue<Notice> _notices = new();

    /// <summary>Called for every notice, on the thread that posts it; must not wait.</summary>
    public event Action<Notice>? Posted;

    public IReadOnlyList<Notice> Latest
    {
        get
        {
            lock (_notices)
            {
                return [.. _notices];
            }
        }
    }

    internal void Post(NoticeKind kind, string text)
    {
        var notice = new Notice(kind, text, time.GetUtcNow());
        lock (_notices)
        {
            _notices.Enqueue(notice);
            if (_notices.Count > MaxNotices)
            {
                _notices.Dequeue();
            }
        }
        Posted?.Invoke(notice);
    }
}
