using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;
using Tacit.Client.Conversations;
using Tacit.Client.Policy;
using Tacit.Client.Transports;
using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>
/// Asks prompts and pays them with tokens. The token and the body are in the journal before the first byte leaves; whatever breaks, the same request with the
/// same token gets the same answer, and a token is used for no other. Thread safe.
/// </summary>
public sealed partial class RedemptionClient : IPromptSender, IAsyncDisposable
{
    /// <summary>A token whose deadline is nearer than this is left for an exchange.</summary>
    private static readonly TimeSpan DeadlineMargin = TimeSpan.FromSeconds(60);

    private readonly WalletJournal _journal;
    private readonly DirectoryClient _directory;
    private readonly WalletFiller _filler;
    private readonly PseudonymKeeper _pseudonyms;
    private readonly WalletPolicy _policy;
    private readonly NoticeBoard _notices;
    private readonly TransportPool _transports;
    private readonly GatewayConnection _gateway;
    private readonly AnonymousCaller _caller;
    private readonly ConversationTracker _conversations;
    private readonly AttemptTable _attempts;
    private readonly ErrorMemory _errors;
    private readonly ConcurrentDictionary<Task, byte> _background = new();
    private readonly ILogger _log;
    private readonly ModelList _models;
    private readonly TokenExchanger _exchanger;
    private readonly ChainKeeper _chains;

    internal RedemptionClient(
        Wallet wallet, DirectoryClient directory, WalletFiller filler, PseudonymKeeper pseudonyms, WalletPolicy policy, TransportPool transports, NoticeBoard notices, RedemptionOptions options, TimeProvider time, ILoggerFactory loggers)
    {
        ArgumentNullException.ThrowIfNull(wallet);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(loggers);
        options.Validate();
        Options = options;
        Time = time;
        _journal = wallet.Journal;
        _directory = directory;
        _filler = filler;
        _pseudonyms = pseudonyms;
        _policy = policy;
        _notices = notices;
        _transports = transports;
        _gateway = new GatewayConnection(transports, pseudonyms, options, time);
        _caller = new AnonymousCaller(transports, time);
        _conversations = new ConversationTracker(time);
        _attempts = new AttemptTable(time);
        _errors = new ErrorMemory(options.ErrorReplay, time);
        _models = new ModelList(time);
        var exchange = new ExchangeCall(directory, RouteTo, _caller);
        _exchanger = new TokenExchanger(wallet, directory, policy, exchange, time, loggers);
        _chains = new ChainKeeper(wallet, exchange, options, policy, notices, time, loggers) { FreeAbandoned = FreeAbandonedAsync };
        _log = loggers.CreateLogger<RedemptionClient>();
    }

    internal RedemptionOptions Options { get; }

    internal TimeProvider Time { get; }

    /// <summary>Sends a prompt and returns when its reply begins.</summary>
    /// <exception cref="ClientException">No reply: see <see cref="ClientException.Error"/>.</exception>
    public async Task<PromptReply> SendAsync(PromptRequest prompt, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        if (prompt.Conversation?.Length > PromptRequest.MaxConversationLength)
        {
            throw new ClientException(ClientError.InvalidRequest, $"A conversation's name has at most {PromptRequest.MaxConversationLength} characters.");
        }
        PromptBody body = PromptBody.Parse(prompt.Body, _conversations.Key);
        try
        {
            return await SendAsync(prompt, body, cancellationToken);
        }
        catch (Exception e)
        {
            prompt.Trace?.Failed(e);
            body.Dispose();
            throw;
        }
    }

    private async Task<PromptReply> SendAsync(PromptRequest prompt, PromptBody body, CancellationToken cancellationToken)
    {
        // 1. What buys it, and where.
        PromptTrace? trace = prompt.Trace;
        trace?.Begin(body);
        IssuerDirectory directory = await _directory.CurrentAsync(known => PlanChoice.Knows(known, body.Model), cancellationToken);
        DirectoryGateway gateway = SeriesCatalog.Gateway(directory, Options.Gateway);
        Route route = RouteTo(gateway);
        trace?.Routed(gateway.Name, route, Options.Transport, _transports);
        await _transports.PrepareAsync(route, cancellationToken);
        string? linkable = await _pseudonyms.RequireAsync(directory, gateway, cancellationToken);

        // 2. Which conversation it belongs to; one that belongs to none is a unit of its own.
        byte[] tag = _journal.Keys.RequestTag(prompt.Operation, Encoding.UTF8.GetBytes(prompt.Conversation ?? ""), body.Content.Span);
        (ConversationId conversation, AnonymousUnit? isolation) = Place(prompt, body, tag);
        PlanOffer offer = await OfferAsync(directory, prompt, body, cancellationToken);
        trace?.Paying(offer.First, linkable, body);

        // 3. A repetition gets the earlier request's error, or its token.
        if (_errors.TryRepeat(tag, out DeliveredError again))
        {
            body.Dispose();
            trace?.Refused(again.Status, "");
            return new PromptReply(again, offer.First, TokenOutcome.Kept) { IsRepetition = true, Linkable = linkable };
        }
        var errand = new Errand(prompt.Operation, body, tag, conversation, isolation, route, trace);
        // On its way while the journal is written, and bare: neither has to wait for the other, and nothing of the request leaves before it is durable.
        using TransportLease? approach = prompt.OnlyPending ? null : _transports.Approach(route, errand.FirstUnit, keep: isolation is not null);
        if (await JoinAsync(tag, body, cancellationToken) is OpenRequest joined && await RepeatAsync(errand, joined, directory, cancellationToken) is PromptReply repeated)
        {
            repeated.Linkable = linkable;
            return repeated;
        }
        if (prompt.OnlyPending)
        {
            throw NothingPending();
        }

        // 4. A token, in the journal before anything leaves; another one if it turns out spent or expired.
        var wish = new TokenWish(directory.IssuerName, gateway.Name, offer.Plans, Time.GetUtcNow() + DeadlineMargin, AllowUnknown: true, _policy)
        {
            Subscriptions = offer.Subscriptions,
        };
        bool filled = false;
        for (int tried = 1; ; tried++)
        {
            (OpenRequest open, bool filledNow, TokenSource source) = await PresentAsync(wish, errand, offer, mayFill: !filled, cancellationToken);
            filled |= filledNow;
            prompt.TokenTaken?.Invoke(open.Series.Plan);
            trace?.Took(open, directory, forThis: filledNow || source == TokenSource.Exchange);
            Sent sent = await SendOnceAsync(errand, open, repeated: false, cancellationToken);
            if (sent.Reply is LiveReply live)
            {
                return await DescribeAsync(new PromptReply(live, open.Series.Plan) { FilledAtPrompt = filled, Linkable = linkable }, open, offer, body, cancellationToken);
            }
            if (sent.Code is ErrorCodes.TokenSpent or ErrorCodes.TokenExpired && tried < Options.MaxTokensPerPrompt)
            {
                wish = sent.Code == ErrorCodes.TokenExpired
                    ? wish with { UsableUntil = open.Series.Deadline }
                    : wish with { AllowUnknown = wish.AllowUnknown && open.CameFrom != TokenState.Unknown };
                continue;
            }
            if (linkable is null && sent.Code == ErrorCodes.PseudonymRequired)
            {
                await LookForPolicyAsync(gateway, cancellationToken);
            }
            return await DescribeAsync(Fail(errand, open, sent, filled), open, offer, body, cancellationToken);
        }
    }

    /// <summary>An open request again, with its own token and body. Null if that token was not spent and has expired: another may be used.</summary>
    private async Task<PromptReply?> RepeatAsync(Errand errand, OpenRequest open, IssuerDirectory directory, CancellationToken cancellationToken)
    {
        errand.Trace?.Took(open, directory, forThis: false);
        Sent sent = await SendOnceAsync(errand, open, repeated: true, cancellationToken);
        if (sent.Reply is LiveReply live)
        {
            return new PromptReply(live, open.Series.Plan) { IsRepetition = true };
        }
        return sent.Code switch
        {
            ErrorCodes.TokenSpent => throw new ClientException(
                ClientError.TokenSpent, "The reply to this request is no longer kept, and its token is spent. Asking again costs another token.", "reply_lost"),
            ErrorCodes.TokenExpired => null,
            _ => Fail(errand, open, sent, filled: false),
        };
    }

    private PromptReply Fail(Errand errand, OpenRequest open, Sent sent, bool filled)
    {
        if (sent.Code == ErrorCodes.PseudonymBanned)
        {
            throw new ClientException(ClientError.PseudonymBanned, GatewayConnection.ErrorText(sent.Error!.Body), ErrorCodes.PseudonymBanned);
        }
        if (sent.Outcome == TokenOutcome.Spent)
        {
            _errors.Remember(errand.Tag, sent.Error!);
        }
        errand.Trace?.Refused(sent.Error!.Status, sent.Code ?? "");
        errand.Trace?.Settled(sent.Outcome);
        errand.Body.Dispose();
        return new PromptReply(sent.Error!, open.Series.Plan, sent.Outcome) { FilledAtPrompt = filled, RetryAfter = sent.RetryAfter };
    }

    /// <summary>One token at the gateway: a reply that begins, or an error and the token settled by what it says.</summary>
    private async Task<Sent> SendOnceAsync(Errand errand, OpenRequest open, bool repeated, CancellationToken cancellationToken)
    {
        var request = new RepeatedRequest(
            (patience, token) => _gateway.SendAsync(errand.Route, errand.Operation.Path(), open, errand.Body.Content, errand.NextUnit(), patience, token, errand.Trace),
            errand.Body.Content.Length, answer => answer.Verdict is not (TokenVerdict.None or TokenVerdict.InFlight), _gateway, Options, Time)
        {
            MayHaveLeft = repeated,
        };
        bool isTakenBack = false;
        try
        {
            // 5. The gateway, again with the same token and body where the connection breaks.
            if (await request.SendAsync(cancellationToken) is not GatewayAnswer answer)
            {
                if (!request.MayHaveLeft)
                {
                    await TakeBackAsync(open);
                    isTakenBack = true;
                }
                string message = $"The gateway cannot be reached. {request.Failure} A repetition of this request costs no further token.";
                throw (request.Cause as TransportException)?.ToClientException(ClientError.GatewayUnreachable, message)
                    ?? new ClientException(ClientError.GatewayUnreachable, message, inner: request.Cause);
            }

            // 6. A reply: the token is settled when it has been delivered.
            if (answer.IsSuccess)
            {
                _conversations.Remember(errand.Body.Messages, open.Conversation);
                errand.Trace?.Accepted(answer.Status);
                return new Sent { Reply = new LiveReply(new PaidReply(this, open, errand.Trace), errand.Body, request, answer, errand.Trace) };
            }

            // 7. An error: what it says of the token is settled now.
            using (answer)
            {
                string code = GatewayConnection.ErrorCode(answer.Error);
                TokenOutcome outcome = await SettleAsync(open, answer, knownSpent: false);
                if (code is ErrorCodes.PseudonymExpired or ErrorCodes.PseudonymRequired && await _pseudonyms.IsEpochOverAsync(open.Series.Gateway, open.Started, CancellationToken.None))
                {
                    throw new ClientException(
                        ClientError.TokenSpent,
                        "The reply to this request cannot be had any more: the pseudonym that it was asked with is of an epoch that is over, and another beside the same token would tie the two "
                        + "together. Asking again costs another token.", "reply_lost");
                }
                return new Sent
                {
                    Outcome = outcome,
                    Error = new DeliveredError(answer.Status, answer.Error.Length > 0 ? answer.Error : NoBody(answer.Status, open.Operation)),
                    Code = code,
                    RetryAfter = answer.RetryAfter,
                };
            }
        }
        catch (ClientException e) when (e.IsOfCarrier && !request.MayHaveLeft && !isTakenBack)
        {
            // Tor went away after the token was taken: neither left the machine.
            await TakeBackAsync(open);
            Abandon(open, knownSpent: false);
            throw;
        }
        catch
        {
            // Nothing happens here to a request that has been settled.
            Abandon(open, knownSpent: false);
            throw;
        }
    }

    internal static ClientException NothingPending() => new(ClientError.NothingPending, "There is no such request to take up: it has ended, or was never sent.", "nothing_pending");

    private static byte[] NoBody(int status, PromptOperation operation) =>
        new ApiError("gateway_error", status, status >= 500 ? "server_error" : "invalid_request_error", $"The gateway answered {status} without a word.")
            .Encode(ApiDialects.Of(operation.Path()));

    private (ConversationId Conversation, AnonymousUnit? Isolation) Place(PromptRequest prompt, PromptBody body, byte[] tag)
    {
        ConversationId conversation;
        if (prompt.Conversation is { Length: > 0 } name)
        {
            conversation = ConversationTracker.Named(name, _journal.Keys.ConversationKey);
        }
        else if (!_conversations.TryRecognise(body.Messages, out conversation))
        {
            // The request's own tag: its repetition, and nothing else, is the same unit.
            return (new ConversationId(tag), null);
        }
        _live.Touch(conversation, Time);
        return (conversation, AnonymousUnit.ForConversation(conversation.Bytes));
    }

    /// <summary>The open request of an earlier caller with the same body, if that caller is gone and the gateway still keeps the reply.</summary>
    private async Task<OpenRequest?> JoinAsync(byte[] tag, PromptBody body, CancellationToken cancellationToken)
    {
        foreach (OpenRequest open in await _journal.FindOpenAsync(tag, Time.GetUtcNow() - Options.ResumeWindow, cancellationToken))
        {
            if (await TryTakeUpAsync(open, cancellationToken))
            {
                if (body.TrimmedMessages > 0 && await _journal.BodyAsync(open.Id, cancellationToken) is byte[] sent)
                {
                    // As it was sent then: another plan may have left out other turns.
                    body.Replace(sent);
                }
                return open;
            }
        }
        return null;
    }

    /// <summary>Takes an open request that was found in the journal for this caller; false if somebody else has it, or has ended it since it was found.</summary>
    private async Task<bool> TryTakeUpAsync(OpenRequest open, CancellationToken cancellationToken)
    {
        if (!_attempts.TryClaim(open.Id))
        {
            return false;
        }
        bool isOpen = false;
        try
        {
            // Looked up again under the claim: the caller before may have ended the request after it was found, and its token may pay for another by now.
            isOpen = await _journal.IsOpenAsync(open.Id, cancellationToken);
        }
        finally
        {
            if (!isOpen)
            {
                _attempts.Forget(open.Id);
            }
        }
        return isOpen;
    }

    private async Task<(OpenRequest Open, bool Filled, TokenSource Source)> PresentAsync(
        TokenWish wish, Errand errand, PlanOffer offer, bool mayFill, CancellationToken cancellationToken)
    {
        byte[] id = RandomNumberGenerator.GetBytes(OpenRequest.IdSizeInBytes);
        Task<OpenRequest?> TryAsync(TokenWish what) =>
            _journal.PresentAsync(id, what, errand.Conversation, errand.Operation, errand.Tag, errand.Body.Content, cancellationToken);
        _attempts.TryClaim(id);
        try
        {
            ChainTake chain = await _chains.TakeAsync(
                wish,
                (head, next) => _journal.PresentLinkAsync(
                    id, head, next, errand.Conversation, errand.Operation, errand.Tag, errand.Body.Content, cancellationToken),
                cancellationToken);
            if (chain.Open is not null)
            {
                return (chain.Open, false, TokenSource.Wallet);
            }
            OpenRequest? open = null;
            bool filled = false;
            TokenSource from = TokenSource.Wallet;
            string reason = "";
            if ((chain.Ended > 0 ? wish.Subscriptions[0] : offer.Ended) is string ended)
            {
                // An account that bought just after the gateway had ended a chain would say whose chain it was.
                mayFill = false;
                reason = $"The subscription {ended} has ended for this period (`tacit wallet show`), and nothing is bought because of that by itself. ";
            }
            foreach (TokenSource source in wish.Plans.Count > 0 ? _policy.SourcesAtPrompt(mayFill) : [])
            {
                switch (source)
                {
                    case TokenSource.Exchange when !await ExchangeAtPromptAsync(wish.Plans, cancellationToken):
                        continue;
                    case TokenSource.Purchase:
                        (filled, reason) = await FillAtPromptAsync(wish.Plans, cancellationToken);
                        if (!filled)
                        {
                            continue;
                        }
                        break;
                }
                from = source;
                open = await TryAsync(source == TokenSource.Restored ? wish with { AllowUnknown = true } : wish);
                if (open is not null)
                {
                    break;
                }
            }
            return open is not null
                ? (open, filled, from)
                : throw new ClientException(
                    ClientError.WalletEmpty,
                    $"The wallet holds no token that buys this request (plan {offer.First}). {reason}Deposit a voucher with tacit account deposit CODE, then run tacit wallet fill.",
                    "wallet_empty");
        }
        catch
        {
            // Not presented, or not known to be: an entry in the journal then has no caller, and is given up with the others.
            _attempts.Forget(id);
            throw;
        }
    }

    /// <summary>Comes before a fill: it links two of the wallet's requests by time at worst, where a fill would link the account.</summary>
    private async Task<bool> ExchangeAtPromptAsync(IReadOnlyList<string> plans, CancellationToken cancellationToken)
    {
        try
        {
            return await _exchanger.RunForPromptAsync(IsLive, plans, cancellationToken);
        }
        catch (ClientException e) when (e.Error is not ClientError.JournalCorrupt)
        {
            return false;
        }
    }

    private async Task<(bool Filled, string Reason)> FillAtPromptAsync(IReadOnlyList<string> plans, CancellationToken cancellationToken)
    {
        try
        {
            await _filler.FillForPromptAsync(plans[0], cancellationToken);
            await _journal.NoteFilledAtPromptAsync(plans[0], cancellationToken);
            _notices.Post(NoticeKind.FilledAtPrompt, $"The wallet was empty at a prompt and was filled because of it (plan {plans[0]}): who sees both can link them by time. Keep more tokens in it.");
            LogFilledAtPrompt(plans[0]);
            return (true, "");
        }
        catch (ClientException e) when (e.Error is not ClientError.JournalCorrupt)
        {
            return (false, "It could not be filled now: " + e.Message + " ");
        }
    }

    /// <summary>Ends a request by an answer that is no reply.</summary>
    /// <param name="knownSpent">A reply had begun: an answer that was given without a look at the token does not tell otherwise.</param>
    internal async Task<TokenOutcome> SettleAsync(OpenRequest open, GatewayAnswer answer, bool knownSpent)
    {
        // A chain's renewal comes behind the error as it does behind a reply.
        LinkRenewal? renewal = await RenewAsync(open, answer.Renewal);
        TokenOutcome outcome = answer.Verdict == TokenVerdict.Spent || (knownSpent && answer.Verdict == TokenVerdict.Unspent) ? TokenOutcome.Spent : TokenOutcome.Kept;
        await (open.Successor is not null ? _journal.CloseLinkAsync(open, outcome == TokenOutcome.Spent, renewal, CancellationToken.None)
            : outcome == TokenOutcome.Spent ? _journal.SpendAsync(open, CancellationToken.None)
            : ReturnAsync(open));
        Ended(open, renewal is not null);
        return !answer.AsksForAnotherChallenge(open.Series.ChallengeDigest)
            ? outcome
            : throw new ClientException(
                ClientError.ChallengeRefused,
                "The gateway asks for tokens of another challenge than the issuer's directory says. Either it is not the gateway that its address promises, or it is set up wrongly; nothing more is sent to it for this request.",
                ErrorCodes.WrongChallenge);
    }

    private Route RouteTo(DirectoryGateway gateway) => RouteTo(Options, _transports.Rules, gateway);

    internal static Route RouteTo(RedemptionOptions options, CarrierRules rules, DirectoryGateway gateway)
    {
        if (options is { Transport: GatewayTransport.Ohttp, Relay: Uri relay })
        {
            return Route.Oblivious(relay.AbsolutePath == "/" ? new Uri(relay, gateway.Name) : relay, gateway.Name);
        }

        Uri address = options.GatewayAddress
            ?? rules.Choose([.. gateway.Urls.Select(url => new Uri(url))])
            ?? throw new ClientException(
                ClientError.AddressRefused, $"The gateway {gateway.Name} has no address that can be reached directly, without Tor, as the setting Transport says.", "tor_needed");
        return options.Transport == GatewayTransport.Sealed ? Route.Oblivious(Route.Direct(address).Resolve(Routes.Oblivious), gateway.Name) : Route.Direct(address);
    }

    /// <summary>A prompt on its way: what to send, and as which unit.</summary>
    /// <param name="Isolation">The conversation's unit; null where each attempt is one of its own.</param>
    private sealed record Errand(PromptOperation Operation, PromptBody Body, byte[] Tag, ConversationId Conversation, AnonymousUnit? Isolation, Route Route, PromptTrace? Trace = null)
    {
        private bool _isFirstUsed;

        public AnonymousUnit FirstUnit { get; } = Isolation ?? AnonymousUnit.ForOneRequest();

        public AnonymousUnit NextUnit()
        {
            AnonymousUnit unit = _isFirstUsed ? Isolation ?? AnonymousUnit.ForOneRequest() : FirstUnit;
            _isFirstUsed = true;
            return unit;
        }
    }

    /// <summary>What came of one token: a reply, or an error.</summary>
    private readonly record struct Sent
    {
        public LiveReply? Reply { get; init; }

        public DeliveredError? Error { get; init; }

        public string? Code { get; init; }

        public TokenOutcome Outcome { get; init; }

        public string? RetryAfter { get; init; }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The wallet was empty at a prompt and was filled because of it, which links the two by time (plan {Plan}).")]
    private partial void LogFilledAtPrompt(string plan);
}
