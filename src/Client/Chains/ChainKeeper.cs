using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;
using Tacit.Client.Policy;
using Tacit.Client.Transports;
using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>What came of looking for a chain.</summary>
/// <param name="Open">The request that a chain pays for; null if none can.</param>
/// <param name="Ended">Chains of these plans that have ended, refused or lost.</param>
/// <param name="Busy">Chains that are in use, where the caller would rather use another plan.</param>
internal readonly record struct ChainTake(OpenRequest? Open, int Ended, int Busy);

/// <summary>A reply's renewal, unblinded and verified.</summary>
/// <param name="Link">What it renews; null if the journal has it already.</param>
/// <param name="Token">The next token.</param>
internal sealed record LinkRenewal(TokenExchange? Link, byte[] Token)
{
    public static LinkRenewal Known { get; } = new(null, []);
}

/// <summary>
/// Keeps the chains going. A prompt takes a free head, with a successor of fresh randomness that is in the journal before anything leaves; the reply's trailer
/// makes the successor the head. Where the trailer does not come, token and successor are exchanged until that is answered. Thread safe.
/// </summary>
internal sealed partial class ChainKeeper : IAsyncDisposable
{
    /// <summary>By then a request has left, and no longer needs the processor; few replies have ended.</summary>
    private static readonly TimeSpan PreparationDelay = TimeSpan.FromMilliseconds(50);

    private readonly WalletJournal _journal;
    private readonly WalletKeys _keys;
    private readonly ExchangeCall _exchange;
    private readonly RedemptionOptions _options;
    private readonly WalletPolicy _policy;
    private readonly NoticeBoard _notices;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly ChainQueue _queue;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<long, TokenBlinder> _blinders = new();
    private readonly ConcurrentDictionary<TokenPlace, BlindedToken> _inHand = new();

    /// <summary>Heads that are on their way to the disk. Whoever presents one writes behind that, and the two are made durable as one.</summary>
    private readonly ConcurrentDictionary<TokenPlace, TokenSeries> _arriving = new();
    private readonly Dictionary<long, Preparation> _prepared = [];
    private readonly Dictionary<TokenPlace, Task> _renewals = [];

    /// <summary>Prompts whose turn it is to get a chain.</summary>
    private int _waiting;

    /// <summary>Ends when one of them finds no chain free: exchanges that were put off are not put off any longer.</summary>
    private TaskCompletionSource _wanted = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ChainKeeper(Wallet wallet, ExchangeCall exchange, RedemptionOptions options, WalletPolicy policy, NoticeBoard notices, TimeProvider time, ILoggerFactory loggers)
    {
        _journal = wallet.Journal;
        _keys = wallet.Keys;
        _exchange = exchange;
        _options = options;
        _policy = policy;
        _notices = notices;
        _time = time;
        _log = loggers.CreateLogger<ChainKeeper>();
        _queue = new ChainQueue(options.MaxWaitingForChain);
    }

    /// <summary>Asks for chains that are held by requests nobody waits for. Must not wait for them.</summary>
    public required Func<IReadOnlyList<string>, CancellationToken, Task> FreeAbandoned { get; init; }

    /// <summary>Takes a chain of the plans in the wish, and waits for one that is in use: in order, and no longer than the options say.</summary>
    /// <param name="present">Writes request and link to the journal; null if the head was taken meanwhile.</param>
    /// <exception cref="ClientException"><see cref="ClientError.SubscriptionBusy"/>.</exception>
    public async Task<ChainTake> TakeAsync(
        TokenWish wish, Func<TokenPlace, NextLink, Task<OpenRequest?>> present, CancellationToken cancellationToken)
    {
        if (wish.Subscriptions.Count == 0)
        {
            return default;
        }
        using ChainTurn turn = _queue.TryEnter(string.Join(' ', wish.Subscriptions)) ?? throw Busy(wish, "too many requests wait for it");
        using var patience = new CancellationTokenSource(_options.ChainWait, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
        try
        {
            if (_options.WaitForChain || turn.Come.IsCompleted)
            {
                await turn.Come.WaitAsync(either.Token);
                Interlocked.Increment(ref _waiting);
                try
                {
                    return await TakeInTurnAsync(wish, present, cancellationToken, either.Token);
                }
                finally
                {
                    Interlocked.Decrement(ref _waiting);
                }
            }
            return new ChainTake(null, 0, 1);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw Busy(wish, "the requests before took too long");
        }
    }

    /// <summary>The reply has ended: what its trailer, if it is there and right, makes of the successor. The journal learns of it where the request is closed.</summary>
    public async Task<LinkRenewal?> FinishAsync(OpenRequest open, string? trailer, CancellationToken cancellationToken)
    {
        if (!ChainHeaders.TryParseRenewal(trailer, out byte[]? signature))
        {
            return null;
        }
        _inHand.TryRemove(open.Place, out BlindedToken? blinded);
        try
        {
            if (await _journal.FindLinkAsync(open.Place, cancellationToken) is not TokenExchange link)
            {
                // Renewed before, by the same reply read again.
                return LinkRenewal.Known;
            }
            blinded ??= Blinder(link.SuccessorSeries).Blind(link.Successor);
            if (!blinded.TryFinish(signature, out byte[] token))
            {
                LogMisbehaved(open.Series.Plan);
                return null;
            }
            return new LinkRenewal(link, token);
        }
        finally
        {
            blinded?.Dispose();
        }
    }

    /// <summary>
    /// The reply was delivered: its request ends, and the successor is the head. Durable when this returns; the chain's next request may be on its way before.
    /// </summary>
    public async Task CloseAsync(OpenRequest open, LinkRenewal? renewal, CancellationToken cancellationToken)
    {
        Task closing = _journal.CloseLinkAsync(open, spent: true, renewal, cancellationToken);
        if (renewal?.Link is not TokenExchange link)
        {
            await closing;
            return;
        }
        var head = new TokenPlace(link.SuccessorSeries.Id, link.Successor.Index);
        _arriving[head] = link.SuccessorSeries;
        Pulse();
        try
        {
            await closing;
        }
        finally
        {
            _arriving.TryRemove(head, out _);
        }
    }

    /// <summary>The successor is the head, though its request has not been closed. Durable when this returns.</summary>
    public async Task RenewAsync(LinkRenewal renewal, CancellationToken cancellationToken)
    {
        if (renewal.Link is TokenExchange link)
        {
            await _journal.RenewLinkAsync(link, renewal.Token, cancellationToken);
            Pulse();
        }
    }

    /// <summary>A link whose request has ended, and whose successor did not come with the reply.</summary>
    public void Renew(TokenPlace head)
    {
        DropInHand(head);
        lock (_renewals)
        {
            if (!_stop.IsCancellationRequested && !_renewals.ContainsKey(head))
            {
                _renewals.Add(head, Task.Run(() => RenewUntilAnsweredAsync(head)));
            }
        }
    }

    /// <summary>Begins what a crash or a lost message left to be done, and ends what its period has outlived. Calls the gateway only.</summary>
    public async Task ResumeAsync(CancellationToken cancellationToken)
    {
        foreach ((TokenSeries series, long index) in await _journal.UnprovenHeadsAsync(cancellationToken))
        {
            var head = new TokenPlace(series.Id, index);
            (NextLink next, BlindedToken blinded) = CreateNext(series);
            blinded.Dispose();
            await _journal.PresentForRenewalAsync(head, next, cancellationToken);
        }
        foreach (TokenExchange due in await _journal.DueLinksAsync(cancellationToken))
        {
            Renew(new TokenPlace(due.Series.Id, due.Index));
        }
    }

    /// <summary>A chain may have become free.</summary>
    public void Pulse() => _queue.Pulse();

    /// <summary>What was made for a link that will not be finished with it.</summary>
    public void DropInHand(TokenPlace head)
    {
        if (_inHand.TryRemove(head, out BlindedToken? blinded))
        {
            blinded.Dispose();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        Task[] running;
        Preparation[] unused;
        lock (_renewals)
        {
            running = [.. _renewals.Values];
            unused = [.. _prepared.Values];
            _prepared.Clear();
        }
        await Task.WhenAll(running);
        foreach (Preparation preparation in unused)
        {
            if (await preparation.EndAsync() is PreparedLink prepared)
            {
                prepared.Blinded.Dispose();
            }
        }
        foreach (TokenPlace head in _inHand.Keys)
        {
            DropInHand(head);
        }
        foreach (TokenBlinder blinder in _blinders.Values)
        {
            blinder.Dispose();
        }
        _stop.Dispose();
    }

    private async Task<ChainTake> TakeInTurnAsync(
        TokenWish wish, Func<TokenPlace, NextLink, Task<OpenRequest?>> present, CancellationToken cancellationToken, CancellationToken patience)
    {
        while (true)
        {
            Task changed = _queue.Changed;
            ChainView view = await _journal.ViewChainsAsync(wish, cancellationToken);
            if (view.Ready is null && TryTakeArriving(wish, out ChainView? arriving))
            {
                view = arriving;
            }
            if (view.Ready is TokenPlace head)
            {
                (NextLink next, BlindedToken blinded) = await TakeNextAsync(view.Series!);
                if (await present(head, next) is OpenRequest open)
                {
                    _inHand[head] = blinded;
                    Prepare(view.Series!);
                    return new ChainTake(open, 0, 0);
                }
                blinded.Dispose();
                continue;
            }
            if (view.Busy == 0)
            {
                return new ChainTake(null, view.Ended, 0);
            }
            Interlocked.Exchange(ref _wanted, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult();
            await ResumeAsync(cancellationToken);
            await FreeAbandoned(wish.Subscriptions, cancellationToken);
            if (!_options.WaitForChain)
            {
                return new ChainTake(null, view.Ended, view.Busy);
            }
            await changed.WaitAsync(patience);
        }
    }

    /// <summary>Once only: should it not come to the disk, the journal refuses to present it, and the next look is at what is there.</summary>
    private bool TryTakeArriving(TokenWish wish, [NotNullWhen(true)] out ChainView? view)
    {
        foreach ((TokenPlace head, TokenSeries series) in _arriving)
        {
            if (series.Issuer == wish.Issuer && series.Gateway == wish.Gateway && series.Deadline > wish.UsableUntil
                && wish.Subscriptions.Contains(series.Plan, StringComparer.Ordinal) && _arriving.TryRemove(head, out _))
            {
                view = new ChainView(head, series, 0, 0);
                return true;
            }
        }
        view = null;
        return false;
    }

    private async Task RenewUntilAnsweredAsync(TokenPlace head)
    {
        try
        {
            int failures = 0;
            while (true)
            {
                Task wanted = Volatile.Read(ref _wanted).Task;
                if (await _journal.FindDueLinkAsync(head, _stop.Token) is not TokenExchange link || await TryExchangeAsync(link))
                {
                    return;
                }
                try
                {
                    await wanted.WaitAsync(_policy.RenewalPause(++failures, _options.ReconnectDelay, Volatile.Read(ref _waiting) > 0), _time, _stop.Token);
                    failures = 0;
                }
                catch (TimeoutException)
                {
                    // Nobody asked for it meanwhile.
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped: it is taken up again when the wallet is next open.
        }
        catch (Exception e)
        {
            LogFailed(e.GetType().Name);
        }
        finally
        {
            lock (_renewals)
            {
                _renewals.Remove(head);
            }
            Pulse();
        }
    }

    /// <summary>True if there is nothing more to do for the link.</summary>
    private async Task<bool> TryExchangeAsync(TokenExchange link)
    {
        using BlindedToken blinded = Blinder(link.SuccessorSeries).Blind(link.Successor);
        ServiceReply reply;
        try
        {
            reply = await _exchange.PostAsync(link, blinded.Request, _stop.Token);
        }
        catch (Exception e) when (e is TransportException or ClientException { Error: not ClientError.JournalCorrupt })
        {
            return false;
        }
        if (reply.IsSuccess)
        {
            if (!ExchangeCall.TryFinish(reply.Body, blinded, out byte[] token))
            {
                LogMisbehaved(link.Series.Plan);
                return false;
            }
            await _journal.RenewLinkAsync(link, token, _stop.Token);
            return true;
        }
        return GatewayConnection.ErrorCode(reply.Body) switch
        {
            ErrorCodes.SuccessorMismatch or ErrorCodes.TokenSpent => await EndAsync(link, TokenState.Lost, NoticeKind.ChainLost, LostText),
            ErrorCodes.RenewalRefused => await EndAsync(link, TokenState.Refused, NoticeKind.RenewalRefused, RefusedText),
            ErrorCodes.TokenInvalid => await EndAsync(link, TokenState.Lost, NoticeKind.ChainLost, InvalidText),
            // In flight, busy, or not the gateway's own answer: the same again. So too where it says that the period is over: what is over by the directory
            // and our own clock, the journal ends by itself.
            _ => false,
        };
    }

    private async Task<bool> EndAsync(TokenExchange link, TokenState end, NoticeKind kind, Func<string, string> text)
    {
        if (await _journal.EndChainAsync(link, end, _stop.Token))
        {
            _notices.Post(kind, text(link.Series.Plan));
            LogEnded(link.Series.Plan, end.ToString());
        }
        return true;
    }

    internal static string LostText(string plan) =>
        $"A chain of the subscription {plan} is lost: somebody else went on with it. Either another copy of this wallet is in use, or it was restored from an old backup. "
        + $"No credit is spent for it. It can be started anew once a period: tacit wallet subscribe {plan} --restart.";

    internal static string RefusedText(string plan) =>
        $"The gateway's operator refuses to renew a chain of the subscription {plan}: it has ended for this period. Nothing is asked of your account because of it.";

    private static string InvalidText(string plan) =>
        $"The gateway does not take the token of a chain of the subscription {plan} as valid: the chain has ended here. "
        + $"It can be started anew once a period: tacit wallet subscribe {plan} --restart.";

    private static ClientException Busy(TokenWish wish, string why) => new(
        ClientError.SubscriptionBusy,
        $"The subscription {wish.Subscriptions[0]} is in use, and {why}: one chain is one request at a time. Ask again, or set WaitForSubscription to false to use another plan meanwhile.",
        "subscription_busy");

    private TokenBlinder Blinder(TokenSeries series) => _blinders.GetOrAdd(series.Id, _ => new TokenBlinder(series, _keys));

    /// <summary>One that was made while the request before was answered, or one made now.</summary>
    private async ValueTask<PreparedLink> TakeNextAsync(TokenSeries series)
    {
        Preparation? preparation;
        lock (_renewals)
        {
            _prepared.Remove(series.Id, out preparation);
        }
        return (preparation is null ? null : await preparation.EndAsync()) ?? CreateNext(series);
    }

    /// <summary>
    /// Blinds a successor for the chain's next request while this one is answered: it is the same arithmetic for any head of the series. Fresh randomness in
    /// memory, which is nothing until a request takes it into the journal.
    /// </summary>
    private void Prepare(TokenSeries series)
    {
        lock (_renewals)
        {
            if (!_stop.IsCancellationRequested && !_prepared.ContainsKey(series.Id))
            {
                _prepared.Add(series.Id, new Preparation(() => CreateNext(series), _time));
            }
        }
    }

    private PreparedLink CreateNext(TokenSeries series)
    {
        byte[] randomness = TokenBlinder.FreshRandomness();
        BlindedToken blinded = Blinder(series).Blind(new ReservedToken(0, null, randomness));
        return new PreparedLink(new NextLink(randomness, blinded.RequestHash, blinded.Request.Encode()), blinded);
    }

    /// <param name="Next">As the journal takes it.</param>
    /// <param name="Blinded">What finishes its token.</param>
    private readonly record struct PreparedLink(NextLink Next, BlindedToken Blinded);

    /// <summary>A link that is made in a moment, unless somebody wants one before.</summary>
    private sealed class Preparation
    {
        private readonly Lock _gate = new();
        private readonly Func<PreparedLink> _create;
        private readonly ITimer _timer;
        private Task<PreparedLink>? _making;
        private bool _ended;

        public Preparation(Func<PreparedLink> create, TimeProvider time)
        {
            _create = create;
            _timer = time.CreateTimer(static self => ((Preparation)self!).Begin(), this, PreparationDelay, Timeout.InfiniteTimeSpan);
        }

        /// <summary>The link, or null if it was not begun and never will be.</summary>
        public async Task<PreparedLink?> EndAsync()
        {
            await _timer.DisposeAsync();
            lock (_gate)
            {
                _ended = true;
            }
            return _making is null ? null : await _making;
        }

        private void Begin()
        {
            lock (_gate)
            {
                _making = _ended ? null : Task.Run(_create);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The gateway renewed a chain of plan {Plan} with something that is no signature.")]
    private partial void LogMisbehaved(string plan);

    [LoggerMessage(Level = LogLevel.Warning, Message = "A chain of plan {Plan} has ended ({State}).")]
    private partial void LogEnded(string plan, string state);

    [LoggerMessage(Level = LogLevel.Error, Message = "A chain could not be renewed ({Kind}); it is taken up again later.")]
    private partial void LogFailed(string kind);
}
