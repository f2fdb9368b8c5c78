namespace Tacit.Client;

/// <summary>What answers prompts: the wallet, which pays each with a token, or a device that a gateway knows.</summary>
public interface IPromptSender
{
    /// <summary>Sends a prompt and returns when its reply begins.</summary>
    /// <exception cref="ClientException">No reply: see <see cref="ClientException.Error"/>.</exception>
    Task<PromptReply> SendAsync(PromptRequest prompt, CancellationToken cancellationToken = default);

    /// <summary>The gateway's <c>/v1/models</c>, as JSON.</summary>
    /// <exception cref="ClientException"><see cref="ClientError.GatewayUnreachable"/>.</exception>
    Task<ReadOnlyMemory<byte>> GetModelsAsync(CancellationToken cancellationToken = default);

    /// <summary>Sees to it that nothing is left on disk of requests that have ended: their bodies were erased, but may still stand in a log of the database's.</summary>
    /// <exception cref="Storage.StorageException">The log is in use.</exception>
    Task ForgetEndedAsync();
}

/// <summary>Whose request a live reply answers, and what its end means there.</summary>
internal interface IReplyOwner
{
    RedemptionOptions Options { get; }

    TimeProvider Time { get; }

    /// <summary>The reply was read to its end. What follows from that is not waited for: the reader has all there is.</summary>
    void EndOfReply(GatewayAnswer answer);

    /// <summary>The reply broke off, and this answer is what the gateway has instead of it: the request ends by it.</summary>
    Task<TokenOutcome> SettleAsync(GatewayAnswer answer);

    /// <summary>The reply was delivered.</summary>
    Task CompleteAsync(CancellationToken cancellationToken);

    /// <summary>Nobody wants the rest.</summary>
    Task CancelAsync();

    /// <summary>The caller is gone.</summary>
    void Abandon();
}

/// <summary>A reply that a token pays for.</summary>
internal sealed class PaidReply(RedemptionClient client, OpenRequest open, PromptTrace? trace) : IReplyOwner
{
    /// <summary>What the renewal behind the reply comes to; null before the end. A millisecond of arithmetic, which only the chain's next request has to wait for.</summary>
    private Task<LinkRenewal?>? _renewal;

    public RedemptionOptions Options => client.Options;

    public TimeProvider Time => client.Time;

    public void EndOfReply(GatewayAnswer answer)
    {
        string? trailer = answer.Renewal;
        _renewal ??= Task.Run(() => FinishAsync(trailer));
    }

    public async Task<TokenOutcome> SettleAsync(GatewayAnswer answer)
    {
        TokenOutcome outcome = await client.SettleAsync(open, answer, knownSpent: true);
        trace?.Settled(outcome);
        return outcome;
    }

    public async Task CompleteAsync(CancellationToken cancellationToken)
    {
        await client.CompleteAsync(open, await Renewal, cancellationToken);
        trace?.Settled(TokenOutcome.Spent);
    }

    public Task CancelAsync() => client.CancelAsync(open, knownSpent: true);

    public void Abandon() => client.Abandon(open, knownSpent: true, Renewal);

    private Task<LinkRenewal?> Renewal => _renewal ?? Task.FromResult<LinkRenewal?>(null);

    private async Task<LinkRenewal?> FinishAsync(string? trailer)
    {
        LinkRenewal? renewal = await client.RenewAsync(open, trailer);
        if (renewal is not null)
        {
            trace?.Renewed();
        }
        return renewal;
    }
}
