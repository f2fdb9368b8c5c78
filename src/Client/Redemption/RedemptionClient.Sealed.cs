using System.Globalization;
using Tacit.Client.Conversations;
using Tacit.Client.Policy;
using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>A prompt whose token is in the journal as presented, for whoever seals and sends it: another program, perhaps by another machine.</summary>
/// <param name="Id">Names the open request to <see cref="RedemptionClient.SettleSealedAsync"/>; hexadecimal.</param>
/// <param name="Gateway">The gateway's name.</param>
/// <param name="Address">Where it is reached.</param>
/// <param name="KeyConfiguration">Its sealing key of this moment, as the issuer's directory has it.</param>
/// <param name="Path">The path that is asked for inside.</param>
/// <param name="Headers">What stands beside the body inside; names in lower case. Secret: a token is among them.</param>
/// <param name="Body">As it has to be sent.</param>
/// <param name="Plan">The plan that pays.</param>
/// <param name="IsRepetition">Whether an earlier request is repeated, with its token.</param>
public sealed record SealedPrompt(
    string Id, string Gateway, Uri Address, byte[] KeyConfiguration, string Path, IReadOnlyDictionary<string, string> Headers, byte[] Body, string Plan, bool IsRepetition)
{
    public override string ToString() => "[scrubbed]";
}

/// <summary>How the reply to a <see cref="SealedPrompt"/> ended.</summary>
/// <param name="Status">The HTTP status inside.</param>
/// <param name="TokenState">What the gateway says of the token; null if nothing, which of a success means that it is spent.</param>
/// <param name="Renewal">What renews a chain; null if it did not come.</param>
public sealed record SealedOutcome(int Status, string? TokenState = null, string? Renewal = null);

/// <summary>Prompts that are sealed and carried by somebody else: the wallet gives the token, and hears what became of it.</summary>
public sealed partial class RedemptionClient
{
    /// <summary>
    /// Takes a token for a prompt and writes both to the journal, or finds the open request that had the same body. Chains are left alone: nobody here sees the end of
    /// the reply that would renew them.
    /// </summary>
    /// <exception cref="ClientException">Nothing can pay for it, or the directory has no sealing key of the gateway.</exception>
    public async Task<SealedPrompt> PresentSealedAsync(PromptRequest prompt, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        using PromptBody body = PromptBody.Parse(prompt.Body, _conversations.Key);
        IssuerDirectory directory = await _directory.CurrentAsync(known => PlanChoice.Knows(known, body.Model), cancellationToken);
        if (!HasSealingKey(directory))
        {
            // Sealing keys are of a day: a stored directory that was good for all else yesterday has none for today.
            await _directory.RefreshAsync(cancellationToken);
            directory = await _directory.CurrentAsync(cancellationToken);
        }
        DirectoryGateway gateway = SeriesCatalog.Gateway(directory, Options.Gateway);
        SealingKeyChoice choice = await ((ISealingKeySource)_directory).FindSealingKeyAsync(gateway.Name, cancellationToken);
        byte[] key = choice.Problem is not (SealingKeyProblem.NoKeys or SealingKeyProblem.NotCurrent)
            ? choice.KeyOrThrow().Config
            : throw new ClientException(
                ClientError.GatewayUnreachable,
                $"The issuer's directory has no sealing key of the gateway {gateway.Name} for now: it takes nothing sealed, or has just begun to (try again in a moment), or only under a key of its own (--gateway and --key).",
                "sealing_key_unknown");
        await _pseudonyms.RequireAsync(directory, gateway, cancellationToken);
        byte[] tag = _journal.Keys.RequestTag(prompt.Operation, [], body.Content.Span);
        PlanOffer offer = await OfferAsync(directory, prompt, body, cancellationToken);
        var errand = new Errand(prompt.Operation, body, tag, new ConversationId(tag), null, RouteTo(gateway));

        OpenRequest? open = await JoinAsync(tag, body, cancellationToken);
        bool isRepetition = open is not null;
        if (open is null)
        {
            var wish = new TokenWish(directory.IssuerName, gateway.Name, offer.Plans, Time.GetUtcNow() + DeadlineMargin, AllowUnknown: true, _policy);
            (open, _, _) = await PresentAsync(wish, errand, offer, mayFill: true, cancellationToken);
        }

        // Its caller is another program from here on: the same question asked again finds the request, and its token is exchanged if nobody ever says how it ended.
        _attempts.Forget(open.Id);
        var headers = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["authorization"] = PrivateTokenHeader.FormatAuthorization(open.Token, open.Series.Extensions, open.Salt),
        };
        if (open.Successor is byte[] successor && TokenRequest.TryParse(successor, out TokenRequest? next))
        {
            headers[Lower(Routes.SuccessorHeader)] = ChainHeaders.FormatSuccessor(next);
        }
        if (await _pseudonyms.HeaderAsync(open.Series.Gateway, open.Started, cancellationToken) is string pseudonym)
        {
            headers[Lower(Routes.PseudonymHeader)] = pseudonym;
        }
        return new SealedPrompt(
            Convert.ToHexStringLower(open.Id), gateway.Name, errand.Route.Address, key, open.Operation.Path(), headers, body.Content.ToArray(), open.Series.Plan, isRepetition);

        bool HasSealingKey(IssuerDirectory known) =>
            SealingKeyList.FindCurrent(known.FindSealingKeys(SeriesCatalog.Gateway(known, Options.Gateway).Name), Time.GetUtcNow()) is not null;
    }

    /// <summary>The reply came, whole: the token is settled by what it says. Nothing happens to a request that has ended already.</summary>
    public async Task SettleSealedAsync(string id, SealedOutcome outcome, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(outcome);
        OpenRequest? open = (await _journal.OpenRequestsAsync(cancellationToken)).FirstOrDefault(candidate => Convert.ToHexStringLower(candidate.Id) == id);
        if (open is null || !await TryTakeUpAsync(open, cancellationToken))
        {
            return;
        }
        bool isSettled = false;
        try
        {
            bool isReply = outcome.Status is >= 200 and < 300;
            LinkRenewal? renewal = open.Successor is null ? null : await _chains.FinishAsync(open, outcome.Renewal, CancellationToken.None);
            switch (outcome.TokenState ?? (isReply ? Routes.TokenSpent : null))
            {
                case Routes.TokenSpent:
                    await CompleteAsync(open, renewal, CancellationToken.None);
                    isSettled = true;
                    break;
                case Routes.TokenUnspent or Routes.TokenReturned:
                    await (open.Successor is null ? ReturnAsync(open) : _journal.CloseLinkAsync(open, spent: false, renewal, CancellationToken.None));
                    Ended(open, renewal is not null);
                    isSettled = true;
                    break;
                default:
                    // Undecided: the same request may be repeated, and is given up like any other that nobody repeats.
                    if (renewal is not null)
                    {
                        await _chains.RenewAsync(renewal, CancellationToken.None);
                    }
                    break;
            }
        }
        finally
        {
            if (!isSettled)
            {
                _attempts.Forget(open.Id);
            }
        }
    }

    private static string Lower(string header) => header.ToLower(CultureInfo.InvariantCulture);
}
