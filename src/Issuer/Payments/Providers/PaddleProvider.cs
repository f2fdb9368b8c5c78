using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Tacit.Hosting;

namespace Tacit.Issuer.Payments.Providers;

/// <summary>
/// Paddle Billing: a transaction a purchase (<c>POST /transactions</c>, which answers with the address of its checkout), and the notifications
/// <c>transaction.completed</c>, <c>transaction.canceled</c> and <c>adjustment.*</c> (developer.paddle.com/api-reference).
/// </summary>
internal sealed class PaddleProvider : IPaymentProvider
{
    private const string ReferenceName = "tacit_reference";

    private readonly ProviderApi _api;
    private readonly WebhookSignature _signature;

    /// <exception cref="SettingsException">A secret can't be had.</exception>
    public PaddleProvider(PaymentOptions options)
    {
        using SecretBytes key = options.Paddle.ApiKey!.Load("Payments:Paddle:ApiKey");
        _api = new ProviderApi("Paddle", options.Paddle.ApiUrl, key, options.ProviderTimeout, ("Paddle-Version", "1"));
        _signature = WebhookSignature.Paddle(options.Paddle.WebhookSecret!.Load("Payments:Paddle:WebhookSecret"), options.WebhookTolerance);
    }

    public string Name => "paddle";

    public SoldItem Offer(CreditPack pack) => new(pack.Amount, pack.Currency, pack.PaddlePrice);

    public async Task<Uri> CreateCheckoutAsync(CreditPack pack, string reference, CancellationToken cancellationToken)
    {
        using var body = new MemoryStream();
        using (var json = new Utf8JsonWriter(body))
        {
            json.WriteStartObject();
            json.WriteStartArray("items");
            json.WriteStartObject();
            json.WriteString("price_id", pack.PaddlePrice);
            json.WriteNumber("quantity", 1);
            json.WriteEndObject();
            json.WriteEndArray();
            json.WriteString("collection_mode", "automatic");
            json.WriteStartObject("custom_data");
            json.WriteString(ReferenceName, reference);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        using var content = new ByteArrayContent(body.ToArray());
        content.Headers.ContentType = new("application/json");
        using JsonDocument answer = await _api.PostAsync("transactions", content, idempotencyKey: null, cancellationToken);
        return answer.RootElement.TryGetProperty("data", out JsonElement data) && data.TryGetProperty("checkout", out JsonElement checkout)
            && checkout.ValueKind == JsonValueKind.Object
            ? _api.ReadUrl(checkout, "url")
            : throw _api.Unreadable();
    }

    public bool IsAuthentic(IHeaderDictionary headers, ReadOnlySpan<byte> body, DateTimeOffset now) =>
        _signature.Verify(headers["Paddle-Signature"], body, now);

    public bool TryRead(ReadOnlySpan<byte> body, [NotNullWhen(true)] out PaymentNotice? notice) =>
        NoticeReader.TryRead(body, Read, out notice);

    public void Dispose()
    {
        _api.Dispose();
        _signature.Dispose();
    }

    private static PaymentNotice Read(JsonElement root)
    {
        string id = NoticeReader.Text(root, "event_id");
        JsonElement data = root.GetProperty("data");
        switch (NoticeReader.Text(root, "event_type"))
        {
            case "transaction.completed":
                JsonElement totals = data.GetProperty("details").GetProperty("totals");
                return new PaymentReceived(id, Reference(data), NoticeReader.Text(data, "id"), Amount(totals), Sold(data));

            case "transaction.canceled":
                return new CheckoutEnded(id, Reference(data));

            case "adjustment.created" or "adjustment.updated":
                return Adjustment(id, data, NoticeReader.Text(root, "occurred_at"));

            default:
                return new NothingToDo(id);
        }
    }

    private static PaymentNotice Adjustment(string id, JsonElement data, string occurredAt)
    {
        string status = NoticeReader.Text(data, "status");
        long amount = Amount(data.GetProperty("totals"));
        long? moved = NoticeReader.Text(data, "action") switch
        {
            "refund" => status == "approved" ? amount : 0,
            // A lost chargeback that is won back keeps its own adjustment and gets a second one that undoes it.
            "chargeback" => status is "approved" or "reversed" ? amount : 0,
            "chargeback_reverse" => status is "approved" or "reversed" ? checked(-amount) : 0,
            // Credits concern invoices, warnings move no money.
            _ => null,
        };
        return moved is null
            ? new NothingToDo(id)
            : new PaymentReversed(
                id, NoticeReader.Text(data, "transaction_id"), NoticeReader.Text(data, "id"), moved.Value, status == "pending_approval" ? 0 : 1,
                DateTimeOffset.Parse(occurredAt, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal).ToUnixTimeSeconds());
    }

    private static SoldItem Sold(JsonElement transaction)
    {
        JsonElement items = transaction.GetProperty("items");
        string currency = NoticeReader.Text(transaction, "currency_code");
        // Anything but one piece of one price was not made by us.
        return items.GetArrayLength() == 1 && items[0].GetProperty("quantity").GetInt32() == 1
            ? new SoldItem(0, currency, NoticeReader.Text(items[0].GetProperty("price"), "id"))
            : new SoldItem(0, currency, PriceId: "");
    }

    /// <summary>Amounts are text, in the smallest unit.</summary>
    private static long Amount(JsonElement totals) =>
        long.Parse(NoticeReader.Text(totals, "total"), NumberStyles.None, CultureInfo.InvariantCulture);

    private static string? Reference(JsonElement data) =>
        data.TryGetProperty("custom_data", out JsonElement custom) && custom.ValueKind == JsonValueKind.Object
            ? NoticeReader.OptionalText(custom, ReferenceName)
            : null;
}
