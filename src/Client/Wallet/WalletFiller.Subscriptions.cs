using Tacit.Client.Policy;
using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>What a purchase of a subscription brought.</summary>
/// <param name="Plan">The plan's id.</param>
/// <param name="Chains">Chains that can be used now and could not before.</param>
/// <param name="Pending">Chains that were asked for and not answered; they are asked for again by themselves.</param>
/// <param name="Until">The deadline of the period that is bought.</param>
/// <param name="Renews">Whether the next period will be bought by itself.</param>
public sealed record SubscribeResult(string Plan, int Chains, int Pending, DateTimeOffset Until, bool Renews);

/// <summary>
/// Subscriptions: the first tokens of a plan's chains, paid once a period, through the same journal as all purchases. Their randomness is fresh, so that
/// whoever has the seed, or a copy of it, cannot walk the chain.
/// </summary>
public sealed partial class WalletFiller
{
    /// <summary>Buys the newest period of a subscription that is sold now, as far as it was not bought before.</summary>
    /// <param name="plan">The plan's id.</param>
    /// <param name="renews">Whether the wallet buys the following periods by itself.</param>
    /// <param name="cancellationToken">Leaves what was sent to be resumed.</param>
    /// <exception cref="ClientException">
    /// <see cref="ClientError.PlanUnavailable"/>, <see cref="ClientError.InsufficientCredits"/>, <see cref="ClientError.SubscriptionUsed"/>.
    /// </exception>
    public async Task<SubscribeResult> SubscribeAsync(string plan, bool renews = true, CancellationToken cancellationToken = default)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            await ResumeLockedAsync(cancellationToken);
            return await SubscribeLockedAsync(plan, renews, cancellationToken);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>The following periods are not bought by themselves any more. What was bought stays.</summary>
    /// <returns>False if the plan was not subscribed to.</returns>
    public async Task<bool> UnsubscribeAsync(string plan, CancellationToken cancellationToken = default)
    {
        if (!(await _journal.SubscriptionsAsync(cancellationToken)).Any(subscription => subscription.Plan == plan))
        {
            return false;
        }
        IssuerDirectory directory = await _directory.CurrentAsync(cancellationToken);
        await _journal.SubscribeAsync(directory.IssuerName, plan, renews: false, cancellationToken);
        return true;
    }

    /// <summary>
    /// Starts a chain anew in place of one that was lost: once an account, plan and period. The issuer sees that this account restarts a chain. Only for a
    /// person who asks for it, or on the wallet's schedule: at the time of the loss it would tell whose chain was lost.
    /// </summary>
    /// <exception cref="ClientException"><see cref="ClientError.SubscriptionUsed"/>; <see cref="ClientError.PlanUnavailable"/>: no chain is lost.</exception>
    public async Task<SubscribeResult> RestartChainAsync(string plan, CancellationToken cancellationToken = default)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            await ResumeLockedAsync(cancellationToken);
            (IssuerDirectory directory, Plan bought) = await FindAsync(plan, cancellationToken);
            foreach (TokenSeries series in SeriesCatalog.Live(directory, SeriesCatalog.Gateway(directory, _gateway), plan, TokenNamespace.Chain, _time.GetUtcNow()))
            {
                (int chains, int lost) = await _journal.CountChainsAsync(series, cancellationToken);
                if (lost > 0)
                {
                    return chains > bought.Concurrency
                        ? throw Used(plan)
                        : await BuyAsync(directory, series, 1, await RenewsAsync(plan, cancellationToken), cancellationToken);
                }
            }
            throw new ClientException(ClientError.PlanUnavailable, $"No chain of the subscription {plan} is lost: there is nothing to start anew.");
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>What the schedule does for subscriptions: the next period's chains, at a time of their own within the lead.</summary>
    /// <returns>What was bought.</returns>
    internal async Task<IReadOnlyList<SubscribeResult>> RenewDueAsync(WalletPolicy policy, NoticeBoard notices, CancellationToken cancellationToken)
    {
        List<SubscribeResult> bought = [];
        await _gate.WaitAsync(cancellationToken);
        try
        {
            IssuerDirectory directory = await _directory.CurrentAsync(cancellationToken);
            foreach (Subscription subscription in (await _journal.SubscriptionsAsync(cancellationToken)).Where(entry => entry.Renews))
            {
                try
                {
                    if (await IsRenewalDueAsync(directory, subscription, policy, cancellationToken))
                    {
                        bought.Add(await SubscribeLockedAsync(subscription.Plan, renews: true, cancellationToken));
                    }
                }
                catch (ClientException e) when (e.Error is ClientError.SubscriptionUsed or ClientError.InsufficientCredits or ClientError.PlanUnavailable)
                {
                    notices.Post(
                        e.Error == ClientError.InsufficientCredits ? NoticeKind.LowCredits : NoticeKind.SubscriptionFailed,
                        $"The subscription {subscription.Plan} could not be bought for the next period. {e.Message}");
                }
            }
        }
        finally
        {
            _gate.Release();
        }
        return bought;
    }

    private async Task<bool> IsRenewalDueAsync(IssuerDirectory directory, Subscription subscription, WalletPolicy policy, CancellationToken cancellationToken)
    {
        DateTimeOffset now = _time.GetUtcNow();
        if (directory.FindPlan(subscription.Plan) is not { Plan.Kind: PlanKind.Subscription } entry || entry.LiveKeysAt(now) is not [.., PlanKey newest]
            || newest.Deadline <= subscription.BoughtUntil)
        {
            return false;
        }
        if (subscription.BoughtUntil <= now)
        {
            // The period before has ended, or there was none: nobody waits for a boundary any more.
            return true;
        }
        if (subscription.RenewAt is DateTimeOffset at)
        {
            return now >= at;
        }
        await _journal.RenewAtAsync(subscription.Plan, policy.RenewalTime(now, subscription.BoughtUntil), cancellationToken);
        return false;
    }

    private async Task<SubscribeResult> SubscribeLockedAsync(string planId, bool renews, CancellationToken cancellationToken)
    {
        (IssuerDirectory directory, Plan plan) = await FindAsync(planId, cancellationToken);
        TokenSeries series = SeriesCatalog.Newest(directory, SeriesCatalog.Gateway(directory, _gateway), planId, TokenNamespace.Chain, _time.GetUtcNow());
        (int chains, _) = await _journal.CountChainsAsync(series, cancellationToken);
        int missing = plan.Concurrency - chains;
        if (chains == 0)
        {
            long credits = (await _account.GetAsync(cancellationToken)).Credits;
            if (credits < plan.Price.Value)
            {
                throw new ClientException(
                    ClientError.InsufficientCredits,
                    $"The account has {credits} credits; the subscription {planId} costs {plan.Price} for a {plan.Period.ToName()}. Deposit a voucher: tacit account deposit CODE.");
            }
        }
        await _journal.SubscribeAsync(directory.IssuerName, planId, renews, cancellationToken);
        if (missing <= 0)
        {
            await _journal.BoughtUntilAsync(planId, series.Deadline, cancellationToken);
            return new SubscribeResult(planId, 0, 0, series.Deadline, renews);
        }
        try
        {
            return await BuyAsync(directory, series, missing, renews, cancellationToken);
        }
        catch (ClientException e) when (e.Error == ClientError.SubscriptionUsed && chains == 0 && missing > 1)
        {
            // Another wallet of this account has started them. What is left is the one that may be started anew.
            return await BuyAsync(directory, series, 1, renews, cancellationToken);
        }
        catch (ClientException e) when (e.Error == ClientError.SubscriptionUsed)
        {
            // Not asked for again at every look.
            await _journal.BoughtUntilAsync(planId, series.Deadline, cancellationToken);
            throw;
        }
    }

    private async Task<SubscribeResult> BuyAsync(IssuerDirectory directory, TokenSeries series, int count, bool renews, CancellationToken cancellationToken)
    {
        TokenBatch batch = await _journal.ReserveAsync(series, count, TokenBlinder.FreshRandomness, cancellationToken);
        int received = await SendAsync(batch, directory, firstTime: true, cancellationToken);
        await _journal.BoughtUntilAsync(series.Plan, series.Deadline, cancellationToken);
        return new SubscribeResult(series.Plan, received, count - received, series.Deadline, renews);
    }

    private async Task<(IssuerDirectory Directory, Plan Plan)> FindAsync(string planId, CancellationToken cancellationToken)
    {
        IssuerDirectory directory = await _directory.CurrentAsync(known => SeriesCatalog.Sells(known, planId, _time.GetUtcNow()), cancellationToken);
        return directory.FindPlan(planId)?.Plan switch
        {
            { Kind: PlanKind.Subscription } plan => (directory, plan),
            null => throw new ClientException(ClientError.PlanUnavailable, $"The issuer offers no plan {planId}."),
            _ => throw new ClientException(ClientError.PlanUnavailable, $"The plan {planId} is no subscription: its tokens are bought with tacit wallet fill --plan {planId}."),
        };
    }

    private async Task<bool> RenewsAsync(string plan, CancellationToken cancellationToken) =>
        (await _journal.SubscriptionsAsync(cancellationToken)).Any(subscription => subscription.Plan == plan && subscription.Renews);

    private static ClientException Used(string plan) => new(
        ClientError.SubscriptionUsed, $"A chain of the subscription {plan} was already started anew in this period; it can be once. The next period starts with new ones.");
}
