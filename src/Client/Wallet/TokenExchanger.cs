using Microsoft.Extensions.Logging;
using Tacit.Client.Policy;
using Tacit.Client.Transports;
using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>
/// Exchanges tokens that were shown, or whose deadline is near, for fresh ones that nobody has seen (law 9). Each exchange is alone on its connection and
/// after a wait of its own, so that one wallet's tokens do not arrive together.
/// </summary>
internal sealed partial class TokenExchanger : IDisposable
{
    private readonly Wallet _wallet;
    private readonly WalletJournal _journal;
    private readonly DirectoryClient _directory;
    private readonly WalletPolicy _policy;
    private readonly ExchangeCall _call;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly TimeProvider _time;
    private readonly ILogger _log;

    public TokenExchanger(Wallet wallet, DirectoryClient directory, WalletPolicy policy, ExchangeCall call, TimeProvider time, ILoggerFactory loggers)
    {
        _wallet = wallet;
        _journal = wallet.Journal;
        _directory = directory;
        _policy = policy;
        _call = call;
        _time = time;
        _log = loggers.CreateLogger<TokenExchanger>();
    }

    /// <summary>Finishes exchanges that were begun, then begins those that are due.</summary>
    /// <param name="isLive">Which conversations still go on and keep their returned tokens.</param>
    /// <returns>How many fresh tokens came of it.</returns>
    public Task<int> RunAsync(Func<byte[], bool> isLive, CancellationToken cancellationToken) => RunAsync(isLive, null, int.MaxValue, cancellationToken);

    /// <summary>One fresh token of one of these plans, now, because a prompt finds none. False if none came.</summary>
    public async Task<bool> RunForPromptAsync(Func<byte[], bool> isLive, IReadOnlyList<string> plans, CancellationToken cancellationToken) =>
        await RunAsync(isLive, plans, 1, cancellationToken) > 0;

    public void Dispose() => _gate.Dispose();

    /// <param name="plans">Those that a prompt waits for; null on the schedule, which pauses before each exchange.</param>
    private async Task<int> RunAsync(Func<byte[], bool> isLive, IReadOnlyList<string>? plans, int wanted, CancellationToken cancellationToken)
    {
        int exchanged = 0;
        foreach (TokenExchange open in _policy.Shuffled(await _journal.OpenExchangesAsync(cancellationToken)))
        {
            if (exchanged < wanted && IsWanted(open.Series))
            {
                await PauseAsync(plans is null, cancellationToken);
                exchanged += await RunOneAsync(open, cancellationToken) ? 1 : 0;
            }
        }
        IssuerDirectory directory = await _directory.CurrentAsync(known => SeriesCatalog.Sells(known, null, _time.GetUtcNow()), cancellationToken);
        foreach ((TokenSeries series, long index, bool isShown) in _policy.Shuffled(await DueAsync(isLive, plans is not null, cancellationToken)))
        {
            if (exchanged < wanted && IsWanted(series) && FindSuccessor(directory, series, isShown) is TokenSeries successor)
            {
                await PauseAsync(plans is null, cancellationToken);
                TokenExchange? exchange = await _journal.ReserveSuccessorAsync(
                    series, index, successor, _wallet.IsRecoverable ? null : TokenBlinder.FreshRandomness, cancellationToken);
                exchanged += exchange is not null && await RunOneAsync(exchange, cancellationToken) ? 1 : 0;
            }
        }
        return exchanged;

        bool IsWanted(TokenSeries series) => plans is null || plans.Contains(series.Plan, StringComparer.Ordinal);
    }

    /// <summary>The newest key of the same plan at the same gateway; null while there is none that outlives the token's.</summary>
    private TokenSeries? FindSuccessor(IssuerDirectory directory, TokenSeries series, bool isShown)
    {
        try
        {
            TokenSeries newest = SeriesCatalog.Newest(
                directory, SeriesCatalog.Gateway(directory, series.Gateway), series.Plan, TokenNamespace.Exchange, _time.GetUtcNow());
            return WalletPolicy.IsWorthExchanging(series.Ends, isShown, newest.Deadline) ? newest : null;
        }
        catch (ClientException)
        {
            // The plan or the gateway is gone. The token keeps until its grace is over, in case they come back.
            return null;
        }
    }

    private async Task<IReadOnlyList<(TokenSeries Series, long Index, bool IsShown)>> DueAsync(Func<byte[], bool> isLive, bool forPrompt, CancellationToken cancellationToken)
    {
        DateTimeOffset now = _time.GetUtcNow();
        return
        [
            .. (await _journal.ExchangeableAsync(cancellationToken))
                .Where(token => _policy.IsExchangeDue(
                    token.Series.Ends, token.ShownIn is not null, token.ShownIn is byte[] shownIn && isLive(shownIn), forPrompt, now))
                .Select(token => (token.Series, token.Index, token.ShownIn is not null)),
        ];
    }

    private async Task PauseAsync(bool scheduled, CancellationToken cancellationToken)
    {
        if (scheduled && _policy.ExchangePause() is { TotalMilliseconds: >= 1 } pause)
        {
            await Task.Delay(TimeSpan.FromMilliseconds((long)pause.TotalMilliseconds), _time, cancellationToken);
        }
    }

    private async Task<bool> RunOneAsync(TokenExchange exchange, CancellationToken cancellationToken)
    {
        // One at a time: the schedule and a prompt may both be at it, and the pauses of the one must not hold up the other.
        await _gate.WaitAsync(cancellationToken);
        try
        {
            return await ExchangeAsync(exchange, cancellationToken);
        }
        finally
        {
            _gate.Release();
        }
    }

    private async Task<bool> ExchangeAsync(TokenExchange exchange, CancellationToken cancellationToken)
    {
        using var blinder = new TokenBlinder(exchange.SuccessorSeries, _wallet.Keys);
        using BlindedToken blinded = blinder.Blind(exchange.Successor);
        if (!await _journal.RequestExchangeAsync(exchange, blinded.RequestHash, cancellationToken))
        {
            // A request took the token meanwhile, and its successor's index waits for the next time; or somebody else has finished this exchange.
            return false;
        }
        ServiceReply reply;
        try
        {
            reply = await _call.PostAsync(exchange, blinded.Request, cancellationToken);
        }
        catch (Exception e) when (e is TransportException or ClientException { IsOfCarrier: true })
        {
            return false;
        }
        if (reply.IsSuccess)
        {
            return await FinishAsync(exchange, blinded, reply.Body, cancellationToken);
        }
        await RefusedAsync(exchange, GatewayConnection.ErrorCode(reply.Body), cancellationToken);
        return false;
    }

    private async Task<bool> FinishAsync(TokenExchange exchange, BlindedToken blinded, byte[] body, CancellationToken cancellationToken)
    {
        if (ExchangeCall.TryFinish(body, blinded, out byte[] token))
        {
            await _journal.CompleteExchangeAsync(exchange, token, cancellationToken);
            return true;
        }
        // Asked again at the next look: the same pair gets the same answer for ever.
        LogMisbehaved(exchange.Series.Plan);
        return false;
    }

    private async Task RefusedAsync(TokenExchange exchange, string code, CancellationToken cancellationToken)
    {
        switch (code)
        {
            case ErrorCodes.TokenSpent or ErrorCodes.SuccessorMismatch:
                await _journal.AbandonExchangeAsync(exchange, TokenState.Spent, cancellationToken);
                break;
            case ErrorCodes.TokenInvalid:
                await _journal.AbandonExchangeAsync(exchange, TokenState.Void, cancellationToken);
                break;
            case ErrorCodes.SuccessorInvalid:
                // The successor's key ended before the exchange got through: another successor is tried at the next look.
                await _journal.AbandonExchangeAsync(exchange, TokenState.Unknown, cancellationToken);
                break;
            default:
                // Busy, or not the gateway's own answer: the same again at the next look. So too where it knows no such key or period: its directory may be
                // older than this wallet's, or its clock wrong. What is over by the directory and our own clock, the journal ends by itself.
                break;
        }
        LogRefused(exchange.Series.Plan, code);
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "The gateway refused to exchange a token of plan {Plan}: {Code}.")]
    private partial void LogRefused(string plan, string code);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The gateway answered an exchange of plan {Plan} with something that is no signature.")]
    private partial void LogMisbehaved(string plan);
}
