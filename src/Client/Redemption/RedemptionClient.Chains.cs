using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>What is different for requests that a subscription's chain pays for, and for those that outgrow a plan.</summary>
public sealed partial class RedemptionClient
{
    /// <summary>The reply was read to its end: the trailer's signature makes the next link.</summary>
    /// <returns>Null where it did not come, or no chain pays.</returns>
    internal Task<LinkRenewal?> RenewAsync(OpenRequest open, string? trailer) =>
        open.Successor is null ? Task.FromResult<LinkRenewal?>(null) : _chains.FinishAsync(open, trailer, CancellationToken.None);

    /// <summary>Whether no prompt is on its way, nor was one within this time.</summary>
    internal bool IsQuietFor(TimeSpan period) => _attempts.IsQuietFor(period);

    /// <summary>The plans that buy the request, its oldest turns left out if the settings say so.</summary>
    private async Task<PlanOffer> OfferAsync(IssuerDirectory directory, PromptRequest prompt, PromptBody body, CancellationToken cancellationToken)
    {
        IReadOnlyList<(string Plan, bool IsLive)> subscribed =
            await _journal.SubscribedPlansAsync(directory.IssuerName, Time.GetUtcNow() + DeadlineMargin, cancellationToken);
        PlanOffer offer = PlanChoice.Choose(directory, body, subscribed, prompt.Plan, Options.OutgrownPlan);
        if (offer.TrimTo is not int room)
        {
            return offer;
        }
        // Where trimming does not help, since the newest turn alone is too large, a larger plan pays.
        PromptTrimmer.TryTrim(body, prompt.Operation, room);
        return PlanChoice.Choose(directory, body, subscribed, prompt.Plan, OutgrownPlan.Larger);
    }

    private async Task<PromptReply> DescribeAsync(PromptReply reply, OpenRequest open, PlanOffer offer, PromptBody body, CancellationToken cancellationToken)
    {
        reply.Outgrown = offer.Outgrown;
        reply.TrimmedMessages = body.TrimmedMessages;
        reply.PlanUntil = open.Series.Deadline;
        reply.PlanLeft = open.Successor is null ? await _journal.CountHeldAsync(open.Series.Plan, cancellationToken) : null;
        return reply;
    }

    /// <summary>The gateway asks for a pseudonym of which the stored directory says nothing: a newer one may, and only that counts.</summary>
    private async Task LookForPolicyAsync(DirectoryGateway gateway, CancellationToken cancellationToken)
    {
        IssuerDirectory directory = await _directory.CurrentAsync(known => known.FindPseudonyms(gateway.Name) is not null, cancellationToken);
        await _pseudonyms.RequireAsync(directory, gateway, cancellationToken);
    }

    /// <summary>Nothing left this machine: the token, or the chain's head, is what it was.</summary>
    private async Task TakeBackAsync(OpenRequest open)
    {
        if (open.Successor is null)
        {
            await _journal.TakeBackAsync(open, CancellationToken.None);
        }
        else
        {
            await _journal.TakeBackLinkAsync(open, CancellationToken.None);
            _chains.DropInHand(open.Place);
            _chains.Pulse();
        }
        _attempts.Forget(open.Id);
    }

    /// <summary>The request has no caller any more. A chain that it held goes on: at once if its next link came, else by an exchange.</summary>
    private void Ended(OpenRequest open, bool renewed = false)
    {
        _attempts.Forget(open.Id);
        if (open.Successor is null)
        {
            return;
        }
        if (renewed)
        {
            _chains.Pulse();
        }
        else
        {
            _chains.Renew(open.Place);
        }
    }

    /// <summary>
    /// A prompt waits for a chain: requests on it that nobody waits for are cancelled now. Their callers vanished, or the program did; what they asked may be
    /// asked again, and costs no more.
    /// </summary>
    private async Task FreeAbandonedAsync(IReadOnlyList<string> plans, CancellationToken cancellationToken)
    {
        foreach (OpenRequest open in await _journal.OpenRequestsAsync(cancellationToken))
        {
            if (open.Successor is not null && plans.Contains(open.Series.Plan, StringComparer.Ordinal)
                && await _journal.FindLinkAsync(open.Place, cancellationToken) is not null && await TryTakeUpAsync(open, cancellationToken))
            {
                InBackground(CancelAsync(open, knownSpent: false));
            }
        }
    }
}
