namespace Tacit.Client;

/// <summary>
/// The reply to a prompt. Read it to its end and say so with <see cref="CompleteAsync"/>: only then has the request ended. Disposed before, it waits a moment
/// for a repetition of the same request and is then cancelled. A connection that breaks meanwhile is made again and the reply goes on where it was. Not
/// thread safe.
/// </summary>
public sealed class PromptReply : IAsyncDisposable
{
    private readonly LiveReply? _live;
    private readonly MemoryStream? _settled;
    private bool _ended;

    internal PromptReply(DeliveredError error, string plan, TokenOutcome token)
    {
        Status = error.Status;
        Plan = plan;
        Token = token;
        _settled = new MemoryStream(error.Body, writable: false);
    }

    internal PromptReply(LiveReply live, string plan)
    {
        Status = live.Answer.Status;
        IsEventStream = live.Answer.IsEventStream;
        Plan = plan;
        Token = TokenOutcome.Spent;
        _live = live;
    }

    /// <summary>The gateway's HTTP status.</summary>
    public int Status { get; }

    /// <summary>Whether it is a stream of server-sent events; it is JSON otherwise.</summary>
    public bool IsEventStream { get; }

    /// <summary>The plan that paid.</summary>
    public string Plan { get; }

    /// <summary>What became of the token.</summary>
    public TokenOutcome Token { get; }

    /// <summary>Whether the wallet had to be filled for this prompt, which links the two by time (law 6).</summary>
    public bool FilledAtPrompt { get; internal init; }

    /// <summary>Whether this is an earlier request's reply, which cost no further token.</summary>
    public bool IsRepetition { get; internal init; }

    /// <summary>The plan that would have paid had the request been smaller; null where the request fits it.</summary>
    public string? Outgrown { get; internal set; }

    /// <summary>How many of the oldest messages were left out for the request to fit its plan.</summary>
    public int TrimmedMessages { get; internal set; }

    /// <summary>
    /// By what the gateway can link requests to each other: a pseudonym (<c>transient</c>, <c>permanent</c> or <c>both</c>), or this <c>device</c>'s key; null for nothing.
    /// </summary>
    public string? Linkable { get; internal set; }

    /// <summary>How many further requests the plan's tokens pay for; null if it is a subscription, which does not count them.</summary>
    public long? PlanLeft { get; internal set; }

    /// <summary>The deadline of what paid: the end of its period. Null for a repetition.</summary>
    public DateTimeOffset? PlanUntil { get; internal set; }

    /// <summary>When to try again, as the gateway said it; or null.</summary>
    public string? RetryAfter { get; internal init; }

    /// <summary>Raised once, when the reply has been disposed of.</summary>
    public event Action? Disposed;

    /// <summary>Reads some of the reply; 0 at its end.</summary>
    /// <exception cref="ClientException">
    /// <see cref="ClientError.ReplyInterrupted"/>: it broke off and could not be taken up; <see cref="ClientError.TokenSpent"/>: nor can it ever be.
    /// </exception>
    public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        _live is null ? _settled!.ReadAsync(buffer, cancellationToken) : _live.ReadAsync(buffer, cancellationToken);

    /// <summary>The reply has been delivered: the request ends and its body leaves the journal.</summary>
    public async Task CompleteAsync(CancellationToken cancellationToken = default)
    {
        if (!_ended && _live is { IsSettled: false })
        {
            await _live.CompleteAsync(cancellationToken);
        }
        _ended = true;
    }

    /// <summary>Nobody wants the rest: the gateway is told to stop. The token stays spent.</summary>
    public async Task CancelAsync()
    {
        if (!_ended && _live is { IsSettled: false })
        {
            _ended = true;
            await _live.CancelAsync();
        }
    }

    public ValueTask DisposeAsync()
    {
        if (_live is not null)
        {
            if (!_ended && !_live.IsSettled)
            {
                _ended = true;
                _live.Abandon();
            }
            _live.Dispose();
        }
        _settled?.Dispose();
        Disposed?.Invoke();
        Disposed = null;
        return ValueTask.CompletedTask;
    }
}
