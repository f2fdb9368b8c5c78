using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Tacit.Hosting;
using Tacit.Issuer.Payments;
using Tacit.Issuer.Tests.Support;
using Tacit.Protocol;
using Tacit.Tests;

namespace Tacit.Issuer.Tests;

/// <summary>What a provider was asked.</summary>
internal sealed record ProviderCall(string Path, string Authorization, string? IdempotencyKey, string Body);

/// <summary>Stripe's and Paddle's API on a real socket, as far as a checkout needs it, and their webhooks, signed as they sign.</summary>
internal sealed class ScriptedProvider : IAsyncDisposable
{
    private const string StripeSecret = "whsec_test_5b8f0a";
    private const string PaddleSecret = "pdl_ntfset_test_91c2";

    private readonly WebApplication _app;
    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false });
    private int _events;

    private ScriptedProvider(WebApplication app) => _app = app;

    public ConcurrentQueue<ProviderCall> Calls { get; } = new();

    /// <summary>What the API answers instead of a checkout.</summary>
    public int? FailWith { get; set; }

    public Uri Address => new(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());

    public static async Task<ScriptedProvider> StartAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        WebApplication app = builder.Build();
        var provider = new ScriptedProvider(app);
        app.MapPost("/v1/checkout/sessions", context => provider.AnswerAsync(context, """{"id":"cs_1","url":"https://pay.stripe.test/cs_1"}"""));
        app.MapPost("/transactions", context => provider.AnswerAsync(context, """{"data":{"id":"txn_1","checkout":{"url":"https://pay.paddle.test/txn_1"}}}"""));
        await app.StartAsync(TestIssuer.Token);
        return provider;
    }

    public PaymentOptions Options(TestFolder folder)
    {
        SecretReference Secret(string name, string value)
        {
            string path = Path.Combine(folder.Data, name);
            File.WriteAllText(path, value + "\n");
            return SecretReference.FromFile(path);
        }

        Directory.CreateDirectory(folder.Data);
        return new PaymentOptions
        {
            Packs =
            [
                new CreditPack { Id = "small", Credits = 100, Amount = 500, Currency = "USD", PaddlePrice = "pri_small" },
                new CreditPack { Id = "large", Credits = 1000, Amount = 4500, Currency = "USD", PaddlePrice = "pri_large" },
            ],
            Stripe = new StripeOptions { ApiUrl = Address, ApiKey = Secret("stripe.key", "sk_test_1"), WebhookSecret = Secret("stripe.hook", StripeSecret) },
            Paddle = new PaddleOptions { ApiUrl = Address, ApiKey = Secret("paddle.key", "pdl_sdbx_1"), WebhookSecret = Secret("paddle.hook", PaddleSecret) },
            SuccessUrl = new Uri("https://issuer.test/thanks"),
        };
    }

    /// <summary>The reference in the last checkout that was asked for.</summary>
    public string LastReference()
    {
        ProviderCall call = Calls.Last();
        return call.Path == "/transactions"
            ? JsonDocument.Parse(call.Body).RootElement.GetProperty("custom_data").GetProperty("tacit_reference").GetString()!
            : Microsoft.AspNetCore.WebUtilities.QueryHelpers.ParseQuery(call.Body)["client_reference_id"].ToString();
    }

    public string StripeEvent(string type, string @object, long created = 1_795_000_000) => string.Create(
        CultureInfo.InvariantCulture,
        $$$"""{"id":"evt_{{{Interlocked.Increment(ref _events)}}}","object":"event","type":"{{{type}}}","created":{{{created}}},"data":{"object":{{{@object}}}}}""");

    public string Completed(string reference, string payment, long amount = 500, string status = "paid", string currency = "usd") => StripeEvent(
        "checkout.session.completed",
        $$$"""{"id":"cs_1","payment_intent":"{{{payment}}}","payment_status":"{{{status}}}","amount_total":{{{amount}}},"amount_subtotal":{{{amount}}},"currency":"{{{currency}}}","metadata":{"tacit_reference":"{{{reference}}}"}}""");

    public string Refunded(string payment, long amount) =>
        StripeEvent("charge.refunded", $$"""{"id":"ch_1","payment_intent":"{{payment}}","amount":500,"amount_refunded":{{amount}},"currency":"usd"}""");

    /// <summary>An event about one refund: <c>refund.*</c> or <c>charge.refund.updated</c>.</summary>
    public string Refund(string payment, string refund, string type, string status, long amount, long created = 1_795_000_000) => StripeEvent(
        type, $$"""{"id":"{{refund}}","object":"refund","charge":"ch_1","payment_intent":"{{payment}}","amount":{{amount}},"status":"{{status}}","currency":"usd"}""", created);

    public string Dispute(string payment, string type, string status, long created = 1_795_000_000) => StripeEvent(
        "charge.dispute." + type, $$"""{"id":"dp_1","payment_intent":"{{payment}}","amount":500,"status":"{{status}}","currency":"usd"}""", created);

    public string PaddleEvent(string type, string data, string occurred = "2026-11-20T12:00:00.000000Z") => string.Create(
        CultureInfo.InvariantCulture,
        $$$"""{"event_id":"evt_{{{Interlocked.Increment(ref _events)}}}","event_type":"{{{type}}}","occurred_at":"{{{occurred}}}","notification_id":"ntf_1","data":{{{data}}}}""");

    public string PaddleCompleted(string reference, string payment, string price = "pri_small", long total = 595) => PaddleEvent(
        "transaction.completed",
        $$$"""{"id":"{{{payment}}}","status":"completed","currency_code":"USD","custom_data":{"tacit_reference":"{{{reference}}}"},"items":[{"price":{"id":"{{{price}}}"},"quantity":1}],"details":{"totals":{"subtotal":"500","tax":"95","total":"{{{total}}}"} } }""");

    public string PaddleAdjustment(string payment, string id, string action, string status, long total, string type = "adjustment.updated") => PaddleEvent(
        type,
        $$$"""{"id":"{{{id}}}","action":"{{{action}}}","transaction_id":"{{{payment}}}","status":"{{{status}}}","currency_code":"USD","totals":{"total":"{{{total}}}"} }""");

    /// <summary>Delivers as Stripe does.</summary>
    public Task<int> StripeAsync(TestIssuer issuer, string body, TimeSpan age = default)
    {
        string time = (issuer.Time.GetUtcNow() - age).ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        return DeliverAsync(issuer, "stripe", "Stripe-Signature", $"t={time},v1={Sign(StripeSecret, $"{time}.{body}")},v0=00", body);
    }

    /// <summary>Delivers as Paddle does.</summary>
    public Task<int> PaddleAsync(TestIssuer issuer, string body)
    {
        string time = issuer.Time.GetUtcNow().ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        return DeliverAsync(issuer, "paddle", "Paddle-Signature", $"ts={time};h1={Sign(PaddleSecret, $"{time}:{body}")}", body);
    }

    public async Task<int> DeliverAsync(TestIssuer issuer, string provider, string headerName, string? header, string body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(issuer.Server.Address, Routes.Webhooks + provider))
        {
            Content = new StringContent(body, Encoding.UTF8, "application/json"),
        };
        if (header is not null)
        {
            request.Headers.TryAddWithoutValidation(headerName, header);
        }

        using HttpResponseMessage response = await _http.SendAsync(request, TestIssuer.Token);
        return (int)response.StatusCode;
    }

    public static string Sign(string secret, string payload) =>
        Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.UTF8.GetBytes(payload)));

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _app.DisposeAsync();
    }

    private async Task AnswerAsync(HttpContext context, string answer)
    {
        using var reader = new StreamReader(context.Request.Body);
        Calls.Enqueue(new ProviderCall(
            context.Request.Path, context.Request.Headers.Authorization.ToString(), context.Request.Headers["Idempotency-Key"].ToString(),
            await reader.ReadToEndAsync(context.RequestAborted)));
        context.Response.StatusCode = FailWith ?? 200;
        context.Response.ContentType = new MediaTypeHeaderValue("application/json").ToString();
        await context.Response.WriteAsync(FailWith is null ? answer : """{"error":{"message":"no"}}""");
    }
}
