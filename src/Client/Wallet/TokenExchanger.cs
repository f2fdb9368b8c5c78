using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Tacit.Client.Transports;
using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>
/// Exchanges tokens that were shown, or whose deadline is near, for fresh ones that nobody has seen (law 9). Each exchange is alone on its connection and
/// after a wait of its own, so that one wallet's tokens do not arrive together.
/// </summary>
internal sealed partial class TokenExchanger
{
    private const int MaxReplyBytes = 64 * 1024;

    private readonly Wallet _wallet;
    private readonly WalletJournal _journal;
    private readonly DirectoryClient _directory;
    private readonly RedemptionClient _redemption;
    private readonly ServiceCaller _caller;
    private readonly TimeSpan _spacing;
    private readonly TimeProvider _time;
    private readonly ILogger _log;

    public TokenExchanger(
        Wallet wallet, DirectoryClient directory, RedemptionClient redemption, TransportPool transports, TimeSpan spacing, TimeProvider time, ILoggerFactory loggers)
    {
        _wallet = wallet;
        _journal = wallet.Journal;
        _directory = directory;
        _redemption = redemption;
        _caller = new ServiceCaller(transports, time);
        _spacing = spacing;
        _time = time;
        _log = loggers.CreateLogger<TokenExchanger>();
    }

    /// <summary>Finishes exchanges that were begun, then begins those that are due.</summary>
    /// <returns>How many fresh tokens came of it.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        int exchanged = 0;
        foreach (TokenExchange open in await _journal.OpenExchangesAsync(cancellationToken))
        {
            exchanged += await RunOneAsync(open, cancellationToken) ? 1 : 0;
        }
        IssuerDirectory directory = await _directory.CurrentAsync(cancellationToken);
        foreach ((TokenSeries series, long index) in await _journal.ExchangeableAsync(_redemption.IsLive, cancellationToken))
        {
            if (FindSuccessor(directory, series) is not TokenSeries successor)
            {
                continue;
            }
            TokenExchange? exchange = await _journal.ReserveSuccessorAsync(
                series, index, successor, _wallet.IsRecoverable ? null : TokenBlinder.FreshRandomness, cancellationToken);
            if (exchange is not null && await RunOneAsync(exchange, cancellationToken))
            {
                exchanged++;
            }
        }
        return exchanged;
    }

    /// <summary>The newest key of the same plan at the same gateway; null while there is none that outlives the token's.</summary>
    private TokenSeries? FindSuccessor(IssuerDirectory directory, TokenSeries series)
    {
        DateTimeOffset now = _time.GetUtcNow();
        try
        {
            TokenSeries newest = SeriesCatalog.Newest(
                directory, SeriesCatalog.Gateway(directory, series.Gateway), series.Plan, TokenNamespace.Exchange, now);
            // A token that is merely near its deadline gains nothing from a key that ends with it.
            return newest.Deadline > series.Deadline || now < series.Deadline - series.ExchangeAhead ? newest : null;
        }
        catch (ClientException)
        {
            // The plan or the gateway is gone. The token keeps until its grace is over, in case they come back.
            return null;
        }
    }

    private async Task<bool> RunOneAsync(TokenExchange exchange, CancellationToken cancellationToken)
    {
        if (_spacing > TimeSpan.Zero)
        {
            int milliseconds = RandomNumberGenerator.GetInt32((int)_spacing.TotalMilliseconds + 1);
            await Task.Delay(TimeSpan.FromMilliseconds(milliseconds), _time, cancellationToken);
        }
        using var blinder = new TokenBlinder(exchange.SuccessorSeries, _wallet.Keys);
        using BlindedToken blinded = blinder.Blind(exchange.Successor);
        if (!await _journal.RequestExchangeAsync(exchange, blinded.RequestHash, cancellationToken))
        {
            // A request took the token meanwhile. Its successor's index waits for the next time.
            return false;
        }
        ServiceReply reply;
        try
        {
            reply = await PostAsync(exchange, blinded.Request, cancellationToken);
        }
        catch (TransportException)
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
        try
        {
            if (JsonSerializer.Deserialize(body, GatewayJson.Default.ExchangeResponse) is ExchangeResponse response
                && response.TryDecode(out byte[]? signature) && blinded.TryFinish(signature, out byte[] token))
            {
                await _journal.CompleteExchangeAsync(exchange, token, cancellationToken);
                return true;
            }
        }
        catch (JsonException)
        {
            // As below.
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
            case ErrorCodes.TokenExpired or ErrorCodes.TokenInvalid or ErrorCodes.TokenUnknownKey or ErrorCodes.WrongChallenge or ErrorCodes.PlanMismatch:
                await _journal.AbandonExchangeAsync(exchange, TokenState.Void, cancellationToken);
                break;
            case ErrorCodes.SuccessorInvalid:
                // The successor's key ended before the exchange got through: another successor is tried at the next look.
                await _journal.AbandonExchangeAsync(exchange, TokenState.Unknown, cancellationToken);
                break;
            default:
                // Busy, or not the gateway's own answer: the same again at the next look.
                break;
        }
        LogRefused(exchange.Series.Plan, code);
    }

    private async Task<ServiceReply> PostAsync(TokenExchange exchange, TokenRequest successor, CancellationToken cancellationToken)
    {
        IssuerDirectory directory = await _directory.CurrentAsync(cancellationToken);
        Route route = _redemption.RouteTo(SeriesCatalog.Gateway(directory, exchange.Series.Gateway));
        if (!Token.TryParse(exchange.Token, out Token? token))
        {
            throw new ClientException(ClientError.JournalCorrupt, "A stored token cannot be read.");
        }
        using (token)
        {
            byte[] body = JsonSerializer.SerializeToUtf8Bytes(
                ExchangeRequest.Create(token, exchange.Series.Extensions, successor), GatewayJson.Default.ExchangeRequest);
            using var request = new HttpRequestMessage(HttpMethod.Post, route.Resolve(Routes.Exchange));
            request.Headers.TryAddWithoutValidation("Accept", MediaTypes.Json);
            request.Content = new ByteArrayContent(body);
            request.Content.Headers.ContentType = new MediaTypeHeaderValue(MediaTypes.Json);
            return await _caller.SendAsync(route, request, MaxReplyBytes, cancellationToken);
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "The gateway refused to exchange a token of plan {Plan}: {Code}.")]
    private partial void LogRefused(string plan, string code);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The gateway answered an exchange of plan {Plan} with something that is no signature.")]
    private partial void LogMisbehaved(string plan);
}
