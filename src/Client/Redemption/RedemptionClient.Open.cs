using Microsoft.Extensions.Logging;
using Tacit.Client.Conversations;
using Tacit.Client.Transports;
using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>A request that has not ended: its caller vanished, or the program did.</summary>
/// <param name="Id">Names it to <see cref="RedemptionClient.ResumeAsync"/>; hexadecimal.</param>
/// <param name="Started">When it was first sent.</param>
public sealed record PendingPrompt(string Id, PromptOperation Operation, string Plan, DateTimeOffset Started);

/// <summary>How requests end that were not delivered.</summary>
public sealed partial class RedemptionClient
{
    private readonly LiveConversations _live = new();

    /// <summary>Requests whose reply was not delivered and that nobody waits for.</summary>
    public async Task<IReadOnlyList<PendingPrompt>> GetPendingAsync(CancellationToken cancellationToken = default) =>
    [
        .. (await _journal.OpenRequestsAsync(cancellationToken)).Where(open => !_attempts.IsClaimed(open.Id))
            .Select(open => new PendingPrompt(Convert.ToHexStringLower(open.Id), open.Operation, open.Series.Plan, open.Started)),
    ];

    public Task ForgetEndedAsync() => _journal.Database.FoldLogAsync();

    /// <summary>Takes up a pending request again, with its token and its body from the journal.</summary>
    /// <returns>Its reply; null if there is no such request, somebody else takes it up, or its token expired unspent.</returns>
    public async Task<PromptReply?> ResumeAsync(string id, CancellationToken cancellationToken = default)
    {
        OpenRequest? open = (await _journal.OpenRequestsAsync(cancellationToken)).FirstOrDefault(candidate => Convert.ToHexStringLower(candidate.Id) == id);
        if (open is null || !await TryTakeUpAsync(open, cancellationToken))
        {
            return null;
        }
        try
        {
            byte[] journaled = await _journal.BodyAsync(open.Id, cancellationToken)
                ?? throw new ClientException(ClientError.JournalCorrupt, "An open request has no body in the journal.");
            PromptBody body = PromptBody.Parse(journaled, _conversations.Key);
            IssuerDirectory directory = await _directory.CurrentAsync(cancellationToken);
            byte[] tag = _journal.Keys.RequestTag(open.Operation, [], body.Content.Span);
            Route route = RouteTo(SeriesCatalog.Gateway(directory, open.Series.Gateway));
            return await RepeatAsync(new Errand(open.Operation, body, tag, open.Conversation, null, route), open, directory, cancellationToken);
        }
        catch
        {
            Abandon(open, knownSpent: false);
            throw;
        }
    }

    /// <summary>
    /// Gives up open requests that are older than the gateway keeps replies: their tokens are unknown, stay with their conversation, and will be exchanged.
    /// </summary>
    /// <returns>How many.</returns>
    public async Task<int> GiveUpStaleAsync(CancellationToken cancellationToken = default)
    {
        int count = 0;
        foreach (OpenRequest open in await _journal.OpenRequestsAsync(cancellationToken))
        {
            if (open.Started + Options.ResumeWindow <= Time.GetUtcNow() && await TryTakeUpAsync(open, cancellationToken))
            {
                try
                {
                    await (open.Successor is null ? _journal.GiveUpAsync(open, cancellationToken) : _journal.CloseLinkAsync(open, spent: false, null, cancellationToken));
                    count++;
                }
                finally
                {
                    Ended(open);
                }
            }
        }
        return count;
    }

    /// <summary>Stops what is still to be cancelled, briefly, and leaves the rest to the journal.</summary>
    public async ValueTask DisposeAsync()
    {
        _attempts.Dispose();
        await Task.WhenAny(Task.WhenAll(_background.Keys), Task.Delay(TimeSpan.FromSeconds(2), Time));
        await _chains.DisposeAsync();
        _conversations.Dispose();
        _exchanger.Dispose();
    }

    /// <summary>Exchanges what was shown and not spent, and what is near its deadline; chains that wait for their next link first.</summary>
    /// <returns>How many fresh tokens came of it.</returns>
    internal async Task<int> ExchangeAsync(CancellationToken cancellationToken)
    {
        await _chains.ResumeAsync(cancellationToken);
        return await _exchanger.RunAsync(IsLive, cancellationToken);
    }

    /// <summary>Whether a conversation is recent enough to keep its returned tokens.</summary>
    private bool IsLive(byte[] conversation) => _live.Contains(new ConversationId(conversation), Time);

    /// <summary>The token was shown and not spent: it is its conversation's. Where it was shown beside a pseudonym whose epoch is over, it is exchanged before it is shown again.</summary>
    private async Task ReturnAsync(OpenRequest open) => await (await _pseudonyms.IsEpochOverAsync(open.Series.Gateway, open.Started, CancellationToken.None)
        ? _journal.GiveUpAsync(open, CancellationToken.None)
        : _journal.ReturnAsync(open, CancellationToken.None));

    /// <param name="renewal">The next link of a chain that paid; null if it did not come.</param>
    internal async Task CompleteAsync(OpenRequest open, LinkRenewal? renewal, CancellationToken cancellationToken)
    {
        await (open.Successor is null ? _journal.SpendAsync(open, cancellationToken) : _chains.CloseAsync(open, renewal, cancellationToken));
        Ended(open, renewal is not null);
    }

    /// <summary>The caller is gone. A repetition within the grace takes the request over; else it is cancelled.</summary>
    /// <param name="renewal">The next link, where the reply was read to its end: other requests need not wait for it.</param>
    internal void Abandon(OpenRequest open, bool knownSpent, Task<LinkRenewal?>? renewal = null)
    {
        if (renewal is null or { IsCompletedSuccessfully: true, Result: null })
        {
            _attempts.Abandon(open.Id, Options.CancelGrace, () => InBackground(CancelAsync(open, knownSpent)));
        }
        else
        {
            InBackground(RenewAndAbandonAsync(open, knownSpent, renewal));
        }
    }

    /// <summary>In this order: a prompt that waits for the chain would have an abandoned request cancelled, and the link exchanged.</summary>
    private async Task RenewAndAbandonAsync(OpenRequest open, bool knownSpent, Task<LinkRenewal?> renewing)
    {
        try
        {
            if (await renewing is LinkRenewal renewal)
            {
                await _chains.RenewAsync(renewal, CancellationToken.None);
            }
        }
        finally
        {
            Abandon(open, knownSpent);
        }
    }

    internal async Task CancelAsync(OpenRequest open, bool knownSpent)
    {
        TokenVerdict verdict = TokenVerdict.None;
        bool reached = false;
        try
        {
            IssuerDirectory directory = await _directory.CurrentAsync(CancellationToken.None);
            Route route = RouteTo(SeriesCatalog.Gateway(directory, open.Series.Gateway));
            using GatewayAnswer answer = await _gateway.SendAsync(route, Routes.Cancel, open, ReadOnlyMemory<byte>.Empty, null, Options.FirstPatience, CancellationToken.None);
            verdict = answer.Verdict;
            reached = true;
        }
        catch (Exception e) when (e is TransportException or ClientException)
        {
            LogNotCancelled();
        }
        try
        {
            if (open.Successor is not null)
            {
                // Whatever became of it, the exchange gives the next link: also of a request that never arrived, and after one that is still answered.
                await _journal.CloseLinkAsync(open, knownSpent || verdict == TokenVerdict.Spent, null, CancellationToken.None);
            }
            else if (knownSpent || verdict == TokenVerdict.Spent)
            {
                await _journal.SpendAsync(open, CancellationToken.None);
            }
            else if (reached)
            {
                // The gateway has no such reply: it never got the request, or it has ended. The exchange will tell.
                await _journal.GiveUpAsync(open, CancellationToken.None);
            }
        }
        finally
        {
            // Not reached, or not written: the request stays open, for a repetition or until it is stale.
            Ended(open);
        }
    }

    private void InBackground(Task task)
    {
        _background.TryAdd(task, 0);
        _ = task.ContinueWith(
            done =>
            {
                _background.TryRemove(done, out _);
                if (done.IsFaulted)
                {
                    LogBackgroundFailed(done.Exception.InnerException?.GetType().Name ?? "");
                }
            },
            CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "A request could not be cancelled at the gateway.")]
    private partial void LogNotCancelled();

    [LoggerMessage(Level = LogLevel.Error, Message = "A cancellation failed ({Kind}); the request stays in the journal.")]
    private partial void LogBackgroundFailed(string kind);
}
