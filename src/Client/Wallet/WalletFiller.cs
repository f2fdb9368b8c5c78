using Tacit.Client.Policy;
using Tacit.Client.Transports;
using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>
/// Turns credits into tokens, and gets back what a lost answer or a lost wallet left at the issuer. Each batch is journaled before it is sent, and sent again
/// unchanged until it is answered, so that a crash at any point costs nothing. One batch at a time; thread safe.
/// </summary>
public sealed partial class WalletFiller : IDisposable
{
    private const int RestoreChunk = 250;

    /// <summary>
    /// How many indexes in a row must be unknown to the issuer before a restore stops: a whole batch may have been reserved and refused in between.
    /// </summary>
    private const int RestoreGap = 1000;

    private readonly Wallet _wallet;
    private readonly WalletJournal _journal;
    private readonly DirectoryClient _directory;
    private readonly AccountClient _account;
    private readonly WalletPolicy _policy;
    private readonly string? _gateway;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private long _fills;

    /// <param name="policy">How many tokens to buy when nobody says.</param>
    /// <param name="gateway">The gateway whose tokens to buy, by its name in the directory; null takes the directory's first.</param>
    internal WalletFiller(Wallet wallet, DirectoryClient directory, AccountClient account, WalletPolicy policy, string? gateway, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(wallet);
        ArgumentNullException.ThrowIfNull(directory);
        ArgumentNullException.ThrowIfNull(account);
        _wallet = wallet;
        _journal = wallet.Journal;
        _directory = directory;
        _account = account;
        _policy = policy;
        _gateway = gateway;
        _time = time;
    }

    /// <summary>Buys tokens of a plan.</summary>
    /// <param name="plan">The plan's id; null takes the cheapest.</param>
    /// <param name="size">One of <see cref="FillOptions.StandardSizes"/>.</param>
    /// <param name="shrink">Whether to take the next smaller standard size that the account can pay.</param>
    /// <param name="cancellationToken">Leaves what was sent to be resumed.</param>
    public async Task<FillResult> FillAsync(string? plan, int size, bool shrink = true, CancellationToken cancellationToken = default)
    {
        if (!FillOptions.StandardSizes.Contains(size))
        {
            throw new ClientException(ClientError.InvalidSetting, $"Tokens are bought in batches of {string.Join(", ", FillOptions.StandardSizes)}: other sizes would single you out.");
        }
        await _gate.WaitAsync(cancellationToken);
        try
        {
            (int resumed, _) = await ResumeLockedAsync(cancellationToken);
            FillResult result = await FillLockedAsync(plan, size, shrink, cancellationToken);
            _fills++;
            return result with { Received = result.Received + resumed };
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Sends again what was requested and not answered.</summary>
    /// <returns>How many tokens came of it.</returns>
    public async Task<int> ResumeAsync(CancellationToken cancellationToken = default)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            (int received, ClientException? failure) = await ResumeLockedAsync(cancellationToken);
            return failure is null || received > 0 ? received : throw failure;
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>
    /// Asks the issuer for everything that was ever bought from this seed and may still be worth something. What comes back may have been spent: each such
    /// token pays for one real prompt or turns out spent then, and none is tried before.
    /// </summary>
    /// <returns>How many tokens are new to the wallet.</returns>
    public async Task<int> RestoreAsync(CancellationToken cancellationToken = default)
    {
        if (!_wallet.IsRecoverable)
        {
            throw new ClientException(ClientError.SeedUnusable, "This wallet uses fresh randomness; there is nothing to restore from its seed.");
        }
        await _gate.WaitAsync(cancellationToken);
        try
        {
            return await RestoreLockedAsync(await _directory.CurrentAsync(cancellationToken), cancellationToken);
        }
        finally
        {
            _gate.Release();
        }
    }

    public void Dispose() => _gate.Dispose();

    /// <summary>
    /// A prompt found the wallet empty. What was already asked for comes first: it may be all that is needed. Several prompts that wait cause one fill.
    /// </summary>
    internal async Task FillForPromptAsync(string plan, CancellationToken cancellationToken)
    {
        long before = _fills;
        await _gate.WaitAsync(cancellationToken);
        try
        {
            if (_fills != before)
            {
                return;
            }
            (int resumed, _) = await ResumeLockedAsync(cancellationToken);
            if (resumed == 0)
            {
                await FillLockedAsync(plan, _policy.PurchaseAtPrompt(await _wallet.GetStockAsync(plan, cancellationToken)), shrink: true, cancellationToken);
            }
            _fills++;
        }
        finally
        {
            _gate.Release();
        }
    }

    private async Task<FillResult> FillLockedAsync(string? plan, int size, bool shrink, CancellationToken cancellationToken)
    {
        IssuerDirectory directory = await _directory.CurrentAsync(known => SeriesCatalog.Sells(known, plan, _time.GetUtcNow()), cancellationToken);
        Plan bought = Choose(directory, plan);
        long credits = (await _account.GetAsync(cancellationToken)).Credits;
        int affordable = Affordable(credits, bought, size, shrink);
        TokenSeries series = SeriesCatalog.Newest(
            directory, SeriesCatalog.Gateway(directory, _gateway), bought.Id, TokenNamespace.AccountIssued, _time.GetUtcNow());
        TokenBatch batch = await _journal.ReserveAsync(series, affordable, _wallet.IsRecoverable ? null : TokenBlinder.FreshRandomness, cancellationToken);
        int received = await SendAsync(batch, directory, firstTime: true, cancellationToken);
        await _account.NoteCreditsAsync(credits - (bought.Price * received).Value, cancellationToken);
        return new FillResult(bought.Id, received, batch.Tokens.Count - received, credits);
    }

    private async Task<(int Received, ClientException? Failure)> ResumeLockedAsync(CancellationToken cancellationToken)
    {
        IssuerDirectory directory = await _directory.CurrentAsync(cancellationToken);
        if (await _journal.IsRestoreDueAsync(cancellationToken))
        {
            // Restored from a backup: what was bought after it was made must not be taken for new.
            await RestoreLockedAsync(directory, cancellationToken);
        }
        int received = 0;
        ClientException? failure = null;
        foreach (TokenBatch batch in await _journal.RequestedBatchesAsync(cancellationToken))
        {
            try
            {
                received += await SendAsync(batch, directory, firstTime: false, cancellationToken);
            }
            catch (ClientException e) when (e.Error is not ClientError.JournalCorrupt)
            {
                // The batches do not depend on each other.
                failure = e;
            }
        }
        return (received, failure);
    }

    private async Task<int> SendAsync(TokenBatch batch, IssuerDirectory directory, bool firstTime, CancellationToken cancellationToken)
    {
        string bearer = await _account.KeyAsync(cancellationToken);
        using BlindedBatch blinded = await BlindedBatch.CreateAsync(batch, _wallet.Keys, cancellationToken);
        await _journal.RequestAsync(batch, blinded.Hashes, cancellationToken);

        ServiceReply reply = await PostAsync(RequestUri(directory), bearer, blinded, cancellationToken);
        if (!reply.IsSuccess && !firstTime && IssuerConnection.ReadProblem(reply).Type is ProblemTypes.TokenKeyUnknown or ProblemTypes.PlanNotLive)
        {
            // Its period ended before the answer arrived. What was signed before can still be had, without a debit.
            reply = await PostAsync(_account.Issuer.Route.Resolve(Routes.TokenRestore), bearer, blinded, cancellationToken);
        }
        if (!reply.IsSuccess)
        {
            if (SaysNotSigned(reply, firstTime))
            {
                await _journal.RefuseAsync(batch, cancellationToken);
            }
            throw IssuerConnection.Refuse(reply);
        }
        List<(long Index, byte[] Token)> finished = blinded.Finish(reply.Body, out bool misbehaved);
        await _journal.HoldAsync(batch.Series, finished, cancellationToken);
        return misbehaved
            ? throw new ClientException(ClientError.IssuerMisbehaved, "The issuer sent signatures that are not valid. They are asked for again; if this repeats, ask the operator.")
            : finished.Count;
    }

    /// <summary>
    /// Only the issuer's own word counts as "not signed": a proxy's error page says nothing of what happened behind it. And only a word about these tokens: one
    /// turned away for too many calls, or on a repetition for the account key, may have been paid for before.
    /// </summary>
    private static bool SaysNotSigned(ServiceReply reply, bool firstTime) =>
        reply.Status < 500 && reply.Status != 429 && (firstTime || reply.Status != 401)
        && IssuerConnection.ReadProblem(reply).Type.StartsWith("urn:tacit:", StringComparison.Ordinal);

    private async Task<int> RestoreLockedAsync(IssuerDirectory directory, CancellationToken cancellationToken)
    {
        int restored = 0;
        if (_wallet.IsRecoverable)
        {
            foreach (TokenSeries series in SeriesCatalog.Restorable(directory, _time.GetUtcNow()))
            {
                restored += await RestoreSeriesAsync(series, cancellationToken);
            }
        }
        await _journal.RestoredAsync(cancellationToken);
        return restored;
    }

    private async Task<int> RestoreSeriesAsync(TokenSeries series, CancellationToken cancellationToken)
    {
        string bearer = await _account.KeyAsync(cancellationToken);
        int restored = 0;
        int missing = 0;
        for (long start = 0; missing < RestoreGap; start += RestoreChunk)
        {
            var chunk = new TokenBatch(0, series, [.. Enumerable.Range(0, RestoreChunk).Select(i => new ReservedToken(start + i, null, null))]);
            using BlindedBatch blinded = await BlindedBatch.CreateAsync(chunk, _wallet.Keys, cancellationToken);
            ServiceReply reply = await PostAsync(_account.Issuer.Route.Resolve(Routes.TokenRestore), bearer, blinded, cancellationToken);
            List<(long Index, byte[] Token)> finished = [];
            if (reply.IsSuccess)
            {
                finished = blinded.Finish(reply.Body, out bool misbehaved);
                if (misbehaved)
                {
                    throw new ClientException(ClientError.IssuerMisbehaved, "The issuer sent signatures that are not valid.");
                }
                restored += await _journal.RestoreAsync(series, finished, cancellationToken);
            }
            else if (IssuerConnection.ReadProblem(reply).Type is not (ProblemTypes.NothingToRestore or ProblemTypes.TokenKeyUnknown or ProblemTypes.PlanNotLive))
            {
                throw IssuerConnection.Refuse(reply);
            }
            missing = finished.Count == 0 ? missing + RestoreChunk : (int)(start + RestoreChunk - 1 - finished[^1].Index);
        }
        return restored;
    }

    private Task<ServiceReply> PostAsync(Uri uri, string bearer, BlindedBatch blinded, CancellationToken cancellationToken) =>
        _account.Issuer.SendAsync(
            HttpMethod.Post, uri, bearer, blinded.Request.Encode(), MediaTypes.GenericBatchRequest, MediaTypes.GenericBatchResponse,
            GenericBatchResponse.MaxSizeInBytes, cancellationToken);

    private Uri RequestUri(IssuerDirectory directory)
    {
        var uri = new Uri(_account.Issuer.Route.Address, directory.IssuerRequestUri);
        // An onion service's name is its key: Tor encrypts the way to it.
        return uri.Scheme == Uri.UriSchemeHttps || CarrierRules.IsOnion(uri) || (_directory.Issuer.Scheme == Uri.UriSchemeHttp && !CarrierRules.IsOnion(_directory.Issuer))
            ? uri
            : throw new ClientException(ClientError.DirectoryRefused, "The issuer's directory sends token requests, and the account key with them, over a connection that is not encrypted.");
    }

    private static Plan Choose(IssuerDirectory directory, string? id) =>
        directory.SoldPlans.Select(entry => entry.Plan)
            .Where(plan => plan.Kind == PlanKind.Request && (id is null || plan.Id == id))
            .OrderBy(plan => plan.Price).ThenBy(plan => plan.Id, StringComparer.Ordinal).FirstOrDefault()
        ?? throw new ClientException(
            ClientError.PlanUnavailable,
            id is null ? "The issuer offers no plan."
            : directory.FindPlan(id) is not null ? $"The plan {id} is a subscription, bought with: tacit wallet subscribe {id}."
            : $"The issuer offers no plan {id}.");

    private static int Affordable(long credits, Plan plan, int size, bool shrink)
    {
        int fitting = WalletPolicy.Affordable(credits, plan.Price, size, shrink);
        return fitting > 0
            ? fitting
            : throw new ClientException(
                ClientError.InsufficientCredits,
                $"The account has {credits} credits; {size} tokens of plan {plan.Id} cost {plan.Price * size}. Deposit a voucher: tacit account deposit CODE.");
    }
}
