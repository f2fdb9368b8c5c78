using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.Logging;
using Tacit.Hosting;
using Tacit.Issuer.Accounts;
using Tacit.Issuer.Ledger;
using Tacit.Issuer.Payments.Providers;
using Tacit.Protocol;

namespace Tacit.Issuer.Payments;

/// <summary><c>GET /account/offers</c>, <c>POST /account/checkouts</c> and the providers' <c>POST /webhooks/…</c>.</summary>
internal sealed partial class CheckoutEndpoints : IDisposable
{
    private const int MaxRequestBytes = 4096;

    /// <summary>Events repeat the whole object that they are about; a few tens of KiB are usual.</summary>
    private const int MaxWebhookBytes = 512 * 1024;

    private const double CheckoutsPerSecond = 1 / 60.0;

    /// <summary>Bytes of webhooks that are held at once, not webhooks: strangers that send nothing must keep no provider out. Beyond it all are told to come again.</summary>
    private const long MaxWebhookRoom = 32 << 20;

    /// <summary>How fast a webhook has to arrive, in bytes a second: its room is not to be had for long.</summary>
    private const double WebhookRate = 16 * 1024;

    /// <summary>Anybody can send a false webhook, so they are told of no more often than this.</summary>
    private static readonly TimeSpan s_warning = TimeSpan.FromMinutes(1);

    private readonly PaymentOptions _options;
    private readonly IPaymentProvider[] _providers;
    private readonly PaymentBook _book;
    private readonly SourceLimiter _sources;
    private readonly RateLimiter _accounts;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private long _webhookRoom;
    private long _warned;

    /// <exception cref="SettingsException">A provider's secret can't be had.</exception>
    public CheckoutEndpoints(PaymentOptions options, PaymentBook book, RequestSources sources, TimeProvider time, ILogger log)
    {
        _options = options;
        _book = book;
        _time = time;
        _log = log;
        _sources = new SourceLimiter(options.CheckoutBurst, CheckoutsPerSecond, sources, time);
        _accounts = new RateLimiter(options.CheckoutBurst, CheckoutsPerSecond, time);
        var providers = new List<IPaymentProvider>();
        if (options.Stripe.IsOn)
        {
            providers.Add(new StripeProvider(options));
        }

        if (options.Paddle.IsOn)
        {
            providers.Add(new PaddleProvider(options));
        }

        _providers = [.. providers];
    }

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet(Routes.AccountOffers, ShowOffersAsync);
        routes.MapPost(Routes.AccountCheckouts, StorageGuard.Around(CreateAsync));
        foreach (IPaymentProvider provider in _providers)
        {
            routes.MapPost(Routes.Webhooks + provider.Name, StorageGuard.Around(context => TakeNoticeAsync(context, provider)));
        }
    }

    public void Dispose()
    {
        foreach (IPaymentProvider provider in _providers)
        {
            provider.Dispose();
        }
    }

    private Task ShowOffersAsync(HttpContext context) => AccountEndpoints.WriteAsync(
        context, StatusCodes.Status200OK,
        _providers.Length == 0
            ? new CreditOffers([], [])
            : new CreditOffers(
                [.. _options.Packs.Select(pack => new CreditOffer(pack.Id, pack.Credits, pack.Amount, pack.Currency.ToUpperInvariant()))],
                [.. _providers.Select(provider => provider.Name)]),
        AccountJson.Default.CreditOffers);

    private async Task CreateAsync(HttpContext context)
    {
        if (await BearerAccount.RequireAsync(context) is not byte[] account)
        {
            return;
        }

        if (_providers.Length == 0)
        {
            await Problems.WriteAsync(context, ProblemTypes.PaymentsOff);
            return;
        }

        if (!MediaTypeMatch.Is(context.Request, MediaTypes.Json))
        {
            await Problems.WriteAsync(context, ProblemTypes.UnsupportedMediaType, $"Send {MediaTypes.Json}.");
            return;
        }

        // By address too, since account keys are free.
        if (!_sources.TryTake(context) || !_accounts.TryTake(account))
        {
            await Problems.WriteAsync(context, ProblemTypes.RateLimited);
            return;
        }

        using var body = new SensitiveBuffer();
        if (!await ReadAsync(context, body, MaxRequestBytes))
        {
            return;
        }

        if (!TryFindOffer(body.WrittenSpan, out CreditPack? pack, out IPaymentProvider? provider, out string? problem))
        {
            await Problems.WriteAsync(context, problem);
            return;
        }

        // Written before it is asked for, so that no payment can come for a checkout that is not known.
        byte[] reference = PaymentReference.Create();
        await _book.OpenCheckoutAsync(
            reference, provider.Name, account, pack, provider.Offer(pack), LedgerDay.Of(_time.GetUtcNow()), context.RequestAborted);
        try
        {
            Uri url = await provider.CreateCheckoutAsync(pack, PaymentReference.Format(reference), context.RequestAborted);
            await AccountEndpoints.WriteAsync(
                context, StatusCodes.Status201Created, new CheckoutCreated(url, pack.Credits), AccountJson.Default.CheckoutCreated);
        }
        catch (PaymentProviderException e)
        {
            LogProviderFailed(e.Message);
            await Problems.WriteAsync(context, ProblemTypes.PaymentProviderUnavailable);
        }
    }

    private bool TryFindOffer(
        ReadOnlySpan<byte> body,
        [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out CreditPack? pack,
        [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out IPaymentProvider? provider,
        [System.Diagnostics.CodeAnalysis.NotNullWhen(false)] out string? problem)
    {
        (pack, provider, problem) = (null, null, ProblemTypes.RequestMalformed);
        CheckoutRequest? request;
        try
        {
            request = JsonSerializer.Deserialize(body, AccountJson.Default.CheckoutRequest);
        }
        catch (JsonException)
        {
            request = null;
        }

        if (request is null)
        {
            return false;
        }

        problem = ProblemTypes.OfferUnknown;
        pack = _options.Packs.FirstOrDefault(candidate => candidate.Id == request.Offer);
        provider = request.Provider is null ? _providers[0] : _providers.FirstOrDefault(candidate => candidate.Name == request.Provider);
        return pack is not null && provider is not null;
    }

    private async Task TakeNoticeAsync(HttpContext context, IPaymentProvider provider)
    {
        if (HttpProtocol.IsHttp11(context.Request.Protocol) && context.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } rate)
        {
            rate.MinDataRate = new MinDataRate(WebhookRate, TimeSpan.FromSeconds(10));
        }

        long taken = 0;
        try
        {
            using var body = new SensitiveBuffer();
            if (await ReadAsync(context, body, MaxWebhookBytes, Take))
            {
                await ReadNoticeAsync(context, provider, body);
            }
        }
        finally
        {
            Interlocked.Add(ref _webhookRoom, -taken);
        }

        bool Take(long bytes)
        {
            taken += bytes;
            return Interlocked.Add(ref _webhookRoom, bytes) <= MaxWebhookRoom;
        }
    }

    private async Task ReadNoticeAsync(HttpContext context, IPaymentProvider provider, SensitiveBuffer body)
    {
        // The signature covers the bytes as they came; nothing is parsed before it holds.
        if (!provider.IsAuthentic(context.Request.Headers, body.WrittenSpan, _time.GetUtcNow()))
        {
            WarnOfFalse(provider);
            await Problems.WriteAsync(context, ProblemTypes.WebhookNotAuthentic);
            return;
        }

        if (!provider.TryRead(body.WrittenSpan, out PaymentNotice? notice))
        {
            LogUnreadable(provider.Name);
            await Problems.WriteAsync(context, ProblemTypes.RequestMalformed);
            return;
        }

        // Answered once it is durable: a provider sends again what was not answered, and that changes nothing.
        NoticeOutcome outcome = await _book.ApplyAsync(provider.Name, notice, LedgerDay.Of(_time.GetUtcNow()));
        if (outcome == NoticeOutcome.Stray)
        {
            LogStray(provider.Name, notice.EventId);
        }

        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private void WarnOfFalse(IPaymentProvider provider)
    {
        long now = _time.GetTimestamp();
        long last = Volatile.Read(ref _warned);
        if ((last == 0 || _time.GetElapsedTime(last, now) >= s_warning) && Interlocked.CompareExchange(ref _warned, now, last) == last)
        {
            LogNotAuthentic(provider.Name);
        }
    }

    /// <summary>False if the problem was written.</summary>
    private static async Task<bool> ReadAsync(HttpContext context, SensitiveBuffer body, int limit, Func<long, bool>? take = null)
    {
        switch (await RequestBody.ReadAsync(context, body, limit, take))
        {
            case BodyReadResult.NoRoom:
                await Problems.WriteAsync(context, ProblemTypes.Busy);
                return false;
            case BodyReadResult.TooLarge:
                await Problems.WriteAsync(context, ProblemTypes.RequestTooLarge);
                return false;
            case BodyReadResult.Aborted:
                context.Abort();
                return false;
            default:
                return true;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "A webhook for {Provider} was refused: its signature or its time does not hold. Compare the webhook secret and the clock.")]
    private partial void LogNotAuthentic(string provider);

    [LoggerMessage(Level = LogLevel.Error, Message = "A signed webhook of {Provider} cannot be read. It is sent again; look at its deliveries there.")]
    private partial void LogUnreadable(string provider);

    [LoggerMessage(Level = LogLevel.Error, Message = "Money came through {Provider} (event {EventId}) that no checkout asked for; nothing was credited. See: tacit issuer payments")]
    private partial void LogStray(string provider, string eventId);

    [LoggerMessage(Level = LogLevel.Error, Message = "A checkout could not be made. {Reason}")]
    private partial void LogProviderFailed(string reason);
}
