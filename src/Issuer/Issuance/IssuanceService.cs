using System.Globalization;
using Tacit.Issuer.Ledger;
using Tacit.Protocol;

namespace Tacit.Issuer.Issuance;

/// <summary>What came of a request: signatures in its order, null where there is none to restore; or a problem.</summary>
internal sealed record IssuanceOutcome(IReadOnlyList<byte[]?> BlindSignatures, string? Problem = null, string? Detail = null)
{
    public static IssuanceOutcome Refused(string problem, string? detail = null) => new([], problem, detail);
}

/// <summary>
/// Issuance in its order: find the keys by lookup, debit durably what is new, sign all. A failure after the debit loses nothing: the same elements,
/// in whatever batch, are then signed without another debit.
/// </summary>
internal sealed class IssuanceService
{
    private readonly DirectoryPublisher _directory;
    private readonly IssuanceBook _book;
    private readonly ISigner _signer;
    private readonly RateLimiter _restores;
    private readonly TimeProvider _time;

    /// <param name="directory">Says which keys there are.</param>
    /// <param name="book">Debits, and knows what was paid for.</param>
    /// <param name="signer">Signs.</param>
    /// <param name="restores">Bounds by account how often what it paid for is signed again, which costs as much as the first time.</param>
    /// <param name="time">Tells which keys issue.</param>
    public IssuanceService(DirectoryPublisher directory, IssuanceBook book, ISigner signer, RateLimiter restores, TimeProvider time)
    {
        _directory = directory;
        _book = book;
        _signer = signer;
        _restores = restores;
        _time = time;
    }

    public async Task<IssuanceOutcome> IssueAsync(ReadOnlyMemory<byte> account, IReadOnlyList<TokenRequest> requests, CancellationToken cancellationToken)
    {
        if (await _directory.GetAsync(cancellationToken) is not { Catalog: IssuanceCatalog catalog })
        {
            return IssuanceOutcome.Refused(ProblemTypes.SignerUnavailable);
        }

        DateTimeOffset now = _time.GetUtcNow();
        (List<IssuanceItem> items, IssuanceOutcome? refusal) = Find(catalog, requests, now, open: false);
        if (refusal is not null)
        {
            return refusal;
        }

        long day = LedgerDay.Of(now);
        ChargeResult charge = await _book.ChargeAsync(account, items, now, day, cancellationToken);
        return charge.Status switch
        {
            ChargeStatus.InsufficientCredits => IssuanceOutcome.Refused(
                ProblemTypes.InsufficientCredit,
                string.Create(CultureInfo.InvariantCulture, $"These tokens cost {charge.Required} credits; the account has {charge.Available}.")),
            ChargeStatus.KeyNoLongerIssues => IssuanceOutcome.Refused(ProblemTypes.PlanNotLive, "A key asked for issues no new tokens now."),
            ChargeStatus.ChainsUsed => IssuanceOutcome.Refused(
                ProblemTypes.SubscriptionChainsUsed, "Nothing of this request was issued. The next period's chains can be started shortly before it begins."),
            ChargeStatus.FreeUsed => IssuanceOutcome.Refused(ProblemTypes.RateLimited, "The account has as many tokens of this period as are free."),
            _ when charge.IsRepeated && !_restores.TryTake(account.Span) =>
                IssuanceOutcome.Refused(ProblemTypes.RateLimited, "Nothing is lost: repeat the request later."),
            _ => await SignAsync(account, requests.Count, items, now, day, cancellationToken),
        };
    }

    /// <summary>Signs requests for keys of open plans. Nothing is debited or remembered: whoever repeats one gets the same signatures, within the same limits.</summary>
    /// <param name="requests">What is asked for.</param>
    /// <param name="take">Takes so many tokens from what may be given; false if there are not as many now.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<IssuanceOutcome> GiveAsync(IReadOnlyList<TokenRequest> requests, Func<int, bool> take, CancellationToken cancellationToken)
    {
        if (await _directory.GetAsync(cancellationToken) is not { Catalog: IssuanceCatalog catalog })
        {
            return IssuanceOutcome.Refused(ProblemTypes.SignerUnavailable);
        }

        DateTimeOffset now = _time.GetUtcNow();
        (List<IssuanceItem> items, IssuanceOutcome? refusal) = Find(catalog, requests, now, open: true);
        return refusal
            ?? (items.Find(item => !item.Key.IssuesAt(now)) is { } over ? IssuanceOutcome.Refused(ProblemTypes.PlanNotLive, At(over.Index))
            : take(items.Count) ? await SignAsync(null, requests.Count, items, now, LedgerDay.Of(now), cancellationToken)
            : IssuanceOutcome.Refused(ProblemTypes.RateLimited, "As many as are given away for now are gone. Nothing is lost: repeat the request later."));
    }

    /// <summary>Signs again what this account paid for, and nothing else.</summary>
    public async Task<IssuanceOutcome> RestoreAsync(ReadOnlyMemory<byte> account, IReadOnlyList<TokenRequest> requests, CancellationToken cancellationToken)
    {
        if (await _directory.GetAsync(cancellationToken) is not { Catalog: IssuanceCatalog catalog })
        {
            return IssuanceOutcome.Refused(ProblemTypes.SignerUnavailable);
        }

        // A wallet asks for whole ranges of what it may once have requested: unknown keys and elements are nothing unusual here.
        DateTimeOffset now = _time.GetUtcNow();
        var candidates = new List<IssuanceItem>(requests.Count);
        for (int i = 0; i < requests.Count; i++)
        {
            if (catalog.Find(requests[i], now, out _) is IssuanceKey key)
            {
                candidates.Add(new IssuanceItem(i, key, requests[i].BlindedMessage, key.HashElement(requests[i].BlindedMessage.Span)));
            }
        }

        bool[] paid = await _book.FindPaidAsync(account, candidates, cancellationToken);
        List<IssuanceItem> items = candidates.Where((_, i) => paid[i]).ToList();
        return await SignAsync(account, requests.Count, items, now, LedgerDay.Of(now), cancellationToken);
    }

    /// <summary>The key of each request, or why there is none.</summary>
    /// <param name="open">Whether they are to be of open plans; if not, of others.</param>
    private static (List<IssuanceItem> Items, IssuanceOutcome? Refusal) Find(
        IssuanceCatalog catalog, IReadOnlyList<TokenRequest> requests, DateTimeOffset now, bool open)
    {
        var items = new List<IssuanceItem>(requests.Count);
        for (int i = 0; i < requests.Count; i++)
        {
            TokenRequest request = requests[i];
            IssuanceKey? key = catalog.Find(request, now, out bool truncatedIdIsKnown);
            if (key is null)
            {
                return (items, IssuanceOutcome.Refused(truncatedIdIsKnown ? ProblemTypes.PlanNotLive : ProblemTypes.TokenKeyUnknown, At(i)));
            }

            if (key.IsOpen != open)
            {
                return (items, IssuanceOutcome.Refused(key.IsOpen ? ProblemTypes.PlanOpen : ProblemTypes.PlanNotOpen, At(i)));
            }

            if (!key.IsInRange(request.BlindedMessage.Span))
            {
                return (items, IssuanceOutcome.Refused(ProblemTypes.BlindedMessageInvalid, At(i)));
            }

            items.Add(new IssuanceItem(i, key, request.BlindedMessage, key.HashElement(request.BlindedMessage.Span)));
        }

        return (items, null);
    }

    private async Task<IssuanceOutcome> SignAsync(
        ReadOnlyMemory<byte>? account, int count, List<IssuanceItem> items, DateTimeOffset now, long day, CancellationToken cancellationToken)
    {
        var signatures = new byte[]?[count];
        foreach (IGrouping<IssuanceKey, IssuanceItem> group in items.GroupBy(item => item.Key))
        {
            List<IssuanceItem> ofKey = group.ToList();
            SignResponse response;
            try
            {
                response = await SignPaidAsync(group.Key, ofKey, now, cancellationToken);
            }
            catch (SignerUnavailableException)
            {
                return IssuanceOutcome.Refused(ProblemTypes.SignerUnavailable, "Nothing is lost: repeat the request.");
            }

            switch (response.Status)
            {
                case SignStatus.Success:
                    for (int i = 0; i < ofKey.Count; i++)
                    {
                        signatures[ofKey[i].Index] = response.BlindSignatures[i];
                    }

                    break;
                case SignStatus.InvalidBlindedMessage when response.FailedIndex >= 0:
                    // Nobody can sign it, ever; whoever paid for it gets that back.
                    IssuanceItem invalid = ofKey[response.FailedIndex];
                    if (account is { } payer)
                    {
                        await _book.RefundAsync(payer, invalid, day);
                    }

                    return IssuanceOutcome.Refused(ProblemTypes.BlindedMessageInvalid, At(invalid.Index));
                case SignStatus.Busy:
                    return IssuanceOutcome.Refused(ProblemTypes.Busy, "Nothing is lost: repeat the request.");
                case SignStatus.UnknownKey or SignStatus.PlanNotLive:
                    // Signer and issuer disagree about the clock, or the signer is being replaced.
                    return IssuanceOutcome.Refused(ProblemTypes.SignerUnavailable, "Nothing is lost: repeat the request.");
                default:
                    return IssuanceOutcome.Refused(ProblemTypes.InternalError, "Nothing was signed and nothing is lost: repeat the request.");
            }
        }

        return new IssuanceOutcome(signatures);
    }

    /// <summary>
    /// What was paid for in time is signed also past the deadline, or when the signer sells the plan no more, as long as it can be exchanged.
    /// </summary>
    private async ValueTask<SignResponse> SignPaidAsync(IssuanceKey key, List<IssuanceItem> items, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var request = new SignRequest
        {
            TokenKeyId = key.TokenKeyId,
            Extensions = key.Extensions,
            BlindedMessages = [.. items.Select(item => item.BlindedMessage)],
            Purpose = key.IssuesAt(now) ? SigningPurpose.Issuance : SigningPurpose.Exchange,
        };
        SignResponse response = await _signer.SignAsync(request, cancellationToken);
        return response.Status is SignStatus.PlanNotLive && request.Purpose is SigningPurpose.Issuance
            ? await _signer.SignAsync(request with { Purpose = SigningPurpose.Exchange }, cancellationToken)
            : response;
    }

    private static string At(int index) => string.Create(CultureInfo.InvariantCulture, $"Request {index} of the batch, counted from 0.");
}
