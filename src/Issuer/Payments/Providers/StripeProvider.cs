using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Tacit.Hosting;

namespace Tacit.Issuer.Payments.Providers;

/// <summary>
/// Stripe: a hosted Checkout session a purchase (<c>POST /v1/checkout/sessions</c>), and the events <c>checkout.session.*</c>, <c>charge.refunded</c>,
/// <c>refund.*</c> and <c>charge.dispute.*</c> (docs.stripe.com/api). A payment is known by its PaymentIntent, which refunds and disputes name.
/// </summary>
internal sealed class StripeProvider : IPaymentProvider
{
    private const string ReferenceName = "tacit_reference";

    private readonly ProviderApi _api;
    private readonly WebhookSignature _signature;
    private readonly PaymentOptions _options;

    /// <exception cref="SettingsException">A secret can't be had.</exception>
    public StripeProvider(PaymentOptions options)
    {
        _options = options;
        using SecretBytes key = options.Stripe.ApiKey!.Load("Payments:Stripe:ApiKey");
        _api = new ProviderApi("Stripe", options.Stripe.ApiUrl, key, options.ProviderTimeout, ("Stripe-Version", "2024-06-20"));
        _signature = WebhookSignature.Stripe(options.Stripe.WebhookSecret!.Load("Payments:Stripe:WebhookSecret"), options.WebhookTolerance);
    }

    public string Name => "stripe";

    public SoldItem Offer(CreditPack pack) => new(pack.Amount, pack.Currency, PriceId: null);

    public async Task<Uri> CreateCheckoutAsync(CreditPack pack, string reference, CancellationToken cancellationToken)
    {
        // Minimal on purpose: no customer, no e-mail address, and a name that is the same for all who buy the pack.
        using var form = new FormUrlEncodedContent(
        [
            new("mode", "payment"),
            new("client_reference_id", reference),
            new($"metadata[{ReferenceName}]", reference),
            new($"payment_intent_data[metadata][{ReferenceName}]", reference),
            new("line_items[0][quantity]", "1"),
            new("line_items[0][price_data][currency]", pack.Currency.ToLowerInvariant()),
            new("line_items[0][price_data][unit_amount]", pack.Amount.ToString(CultureInfo.InvariantCulture)),
            new("line_items[0][price_data][product_data][name]", pack.Credits.ToString("N0", CultureInfo.InvariantCulture) + " credits"),
            new("success_url", _options.SuccessUrl!.AbsoluteUri),
            new("cancel_url", (_options.CancelUrl ?? _options.SuccessUrl).AbsoluteUri),
        ]);
        using JsonDocument answer = await _api.PostAsync("v1/checkout/sessions", form, reference, cancellationToken);
        return _api.ReadUrl(answer.RootElement, "url");
    }

    public bool IsAuthentic(IHeaderDictionary headers, ReadOnlySpan<byte> body, DateTimeOffset now) =>
        _signature.Verify(headers["Stripe-Signature"], body, now);

    public bool TryRead(ReadOnlySpan<byte> body, [NotNullWhen(true)] out PaymentNotice? notice) =>
        NoticeReader.TryRead(body, Read, out notice);

    public void Dispose()
    {
        _api.Dispose();
        _signature.Dispose();
    }

    private static PaymentNotice Read(JsonElement root)
    {
        string id = NoticeReader.Text(root, "id");
        long created = root.GetProperty("created").GetInt64();
        JsonElement item = root.GetProperty("data").GetProperty("object");
        switch (NoticeReader.Text(root, "type"))
        {
            case "checkout.session.completed" or "checkout.session.async_payment_succeeded":
                // A delayed method (a bank debit) completes the session unpaid; its money is told of later.
                return NoticeReader.Text(item, "payment_status") == "paid" && NoticeReader.OptionalText(item, "payment_intent") is string payment
                    ? new PaymentReceived(
                        id, Reference(item), payment, item.GetProperty("amount_total").GetInt64(),
                        new SoldItem(item.GetProperty("amount_subtotal").GetInt64(), NoticeReader.Text(item, "currency"), PriceId: null))
                    : new NothingToDo(id);

            case "checkout.session.expired" or "checkout.session.async_payment_failed":
                return new CheckoutEnded(id, Reference(item));

            case "charge.refunded":
                // The sum of all refunds of the charge so far, of which the largest counts; what of them failed is told of each by itself.
                return NoticeReader.OptionalText(item, "payment_intent") is string refunded
                    ? new PaymentReversed(id, refunded, PaymentReversed.AllRefunds, item.GetProperty("amount_refunded").GetInt64(), Finality: 0, Occurred: 0)
                    : new NothingToDo(id);

            // "charge.refund.updated" is all that an endpoint of an API version before 2024-10-28 is sent of a refund that fails.
            case "refund.created" or "refund.updated" or "refund.failed" or "charge.refund.updated":
                return Refund(id, item, created);

            case "charge.dispute.created" or "charge.dispute.updated" or "charge.dispute.closed"
                or "charge.dispute.funds_withdrawn" or "charge.dispute.funds_reinstated":
                return Dispute(id, item, created);

            default:
                return new NothingToDo(id);
        }
    }

    private static PaymentNotice Refund(string id, JsonElement refund, long created)
    {
        if (NoticeReader.OptionalText(refund, "payment_intent") is not string payment)
        {
            return new NothingToDo(id);
        }

        // A failed refund is final and comes back to the seller (docs.stripe.com/refunds); a refund that succeeded may still fail.
        bool hasFailed = NoticeReader.OptionalText(refund, "status") is "failed" or "canceled";
        long amount = refund.GetProperty("amount").GetInt64();
        return new PaymentReversed(
            id, payment, PaymentReversed.OneRefund + NoticeReader.Text(refund, "id"), hasFailed ? checked(-amount) : amount, hasFailed ? 1 : 0, created);
    }

    private static PaymentNotice Dispute(string id, JsonElement dispute, long created)
    {
        if (NoticeReader.OptionalText(dispute, "payment_intent") is not string payment)
        {
            return new NothingToDo(id);
        }

        string status = NoticeReader.Text(dispute, "status");
        // An inquiry ("warning_…") moves no money.
        bool isTaken = status is "needs_response" or "under_review" or "lost";
        bool isFinal = status is "won" or "lost" or "warning_closed" or "prevented";
        return new PaymentReversed(
            id, payment, NoticeReader.Text(dispute, "id"), isTaken ? dispute.GetProperty("amount").GetInt64() : 0, isFinal ? 1 : 0, created);
    }

    private static string? Reference(JsonElement session) =>
        session.TryGetProperty("metadata", out JsonElement metadata) && metadata.ValueKind == JsonValueKind.Object
            ? NoticeReader.OptionalText(metadata, ReferenceName)
            : null;
}
