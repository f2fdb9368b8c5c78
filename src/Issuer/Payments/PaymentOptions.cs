using Tacit.Hosting;

namespace Tacit.Issuer.Payments;

/// <summary>How money becomes credits. Without a provider only vouchers do.</summary>
public sealed record PaymentOptions
{
    public const int MaxPacks = 32;

    /// <summary>What can be bought: amounts that are the same for everybody, so that a payment singles nobody out.</summary>
    public IReadOnlyList<CreditPack> Packs { get; init; } = [];

    /// <summary>Stripe, if its keys are set.</summary>
    public StripeOptions Stripe { get; init; } = new();

    /// <summary>Paddle Billing, if its keys are set.</summary>
    public PaddleOptions Paddle { get; init; } = new();

    /// <summary>Where the provider sends the customer's browser after a payment. An absolute URL; nothing is added to it.</summary>
    public Uri? SuccessUrl { get; init; }

    /// <summary>Where it sends one who gives up. An absolute URL.</summary>
    public Uri? CancelUrl { get; init; }

    /// <summary>Age up to which a webhook's signature is accepted, either way. Default: five minutes, as both providers advise.</summary>
    public TimeSpan WebhookTolerance { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How long the answer of a provider is waited for when a checkout is made. Default: 15 seconds.</summary>
    public TimeSpan ProviderTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Checkouts that one account, or one client address, may make in a burst; one more a minute. Default: 10.</summary>
    public int CheckoutBurst { get; init; } = 10;

    internal bool IsOn => Stripe.IsOn || Paddle.IsOn;

    internal void Validate(SettingsValidation validation, string path)
    {
        validation
            .Require(!IsOn || Packs.Count > 0, path + ":Packs", "there is nothing to buy", "List at least one pack.")
            .Require(Packs.Count <= MaxPacks, path + ":Packs", "there are too many packs", $"List at most {MaxPacks}.")
            .Require(
                Packs.Select(pack => pack.Id).Distinct(StringComparer.Ordinal).Count() == Packs.Count,
                path + ":Packs", "two packs have the same id", "Give each pack an id of its own.")
            .RequireRange(WebhookTolerance, TimeSpan.FromSeconds(5), TimeSpan.FromHours(1), path + ":WebhookTolerance")
            .RequireRange(ProviderTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(2), path + ":ProviderTimeout")
            .RequireRange(CheckoutBurst, 1, 1_000_000, path + ":CheckoutBurst");
        for (int i = 0; i < Packs.Count; i++)
        {
            if (Packs[i].FindFault(Paddle.IsOn) is string fault)
            {
                validation.Add($"{path}:Packs:{i}", fault, "Put the pack right.");
            }
        }

        Stripe.Validate(validation, path + ":Stripe");
        Paddle.Validate(validation, path + ":Paddle");
        if (Stripe.IsOn)
        {
            validation.Require(SuccessUrl is { IsAbsoluteUri: true }, path + ":SuccessUrl", "Stripe needs a page to go to after a payment", "Set it to an absolute URL.");
        }
    }
}

/// <summary>A number of credits at a price.</summary>
public sealed record CreditPack
{
    private const long MaxAmount = 99_999_999;

    /// <summary>1 to 64 of <c>a-z 0-9 - .</c>.</summary>
    public string Id { get; init; } = "";

    public long Credits { get; init; }

    /// <summary>In the currency's smallest unit, as both providers count (cents of a dollar, whole yen). At most 99,999,999.</summary>
    public long Amount { get; init; }

    /// <summary>ISO 4217, three letters.</summary>
    public string Currency { get; init; } = "USD";

    /// <summary>Paddle's id of the price, <c>pri_…</c>; its amount is set at Paddle.</summary>
    public string? PaddlePrice { get; init; }

    internal string? FindFault(bool withPaddle) => this switch
    {
        _ when Id.Length is 0 or > 64 || !Id.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '.') => "its Id is not 1 to 64 of a-z 0-9 - .",
        { Credits: < 1 or > 1_000_000_000 } => $"pack {Id}: Credits is 1 to 1,000,000,000",
        { Amount: < 1 or > MaxAmount } => $"pack {Id}: Amount is 1 to {MaxAmount} of the currency's smallest unit",
        _ when Currency.Length != 3 || !Currency.All(char.IsAsciiLetter) => $"pack {Id}: Currency is three letters (ISO 4217)",
        _ when withPaddle && PaddlePrice?.StartsWith("pri_", StringComparison.Ordinal) != true => $"pack {Id}: PaddlePrice is Paddle's id of the price, pri_…",
        _ => null,
    };
}

/// <summary>Stripe: Checkout sessions and signed webhooks.</summary>
public sealed record StripeOptions
{
    /// <summary>The secret or restricted API key that may create Checkout sessions.</summary>
    public SecretReference? ApiKey { get; init; }

    /// <summary>The signing secret of the webhook endpoint (<c>whsec_…</c>).</summary>
    public SecretReference? WebhookSecret { get; init; }

    /// <summary>The API's address. Default: <c>https://api.stripe.com/</c>.</summary>
    public Uri ApiUrl { get; init; } = new("https://api.stripe.com/");

    internal bool IsOn => ApiKey is not null || WebhookSecret is not null;

    internal void Validate(SettingsValidation validation, string path) => ProviderSettings.Validate(validation, path, ApiKey, WebhookSecret, ApiUrl);
}

/// <summary>Paddle Billing: transactions with a hosted checkout, and signed notifications.</summary>
public sealed record PaddleOptions
{
    /// <summary>An API key that may create transactions.</summary>
    public SecretReference? ApiKey { get; init; }

    /// <summary>The secret of the notification destination (<c>pdl_ntfset_…</c>).</summary>
    public SecretReference? WebhookSecret { get; init; }

    /// <summary>The API's address. Default: <c>https://api.paddle.com/</c>.</summary>
    public Uri ApiUrl { get; init; } = new("https://api.paddle.com/");

    internal bool IsOn => ApiKey is not null || WebhookSecret is not null;

    internal void Validate(SettingsValidation validation, string path) => ProviderSettings.Validate(validation, path, ApiKey, WebhookSecret, ApiUrl);
}

internal static class ProviderSettings
{
    public static void Validate(SettingsValidation validation, string path, SecretReference? apiKey, SecretReference? webhookSecret, Uri address) =>
        validation
            .Require(
                apiKey is null == webhookSecret is null, path, "only one of ApiKey and WebhookSecret is set",
                "Set both: without the webhook a payment is never credited.")
            .Require(
                address.IsAbsoluteUri && (address.Scheme == Uri.UriSchemeHttps || address.IsLoopback), path + ":ApiUrl", "the address is not https",
                "Payment providers are asked over https only.");
}
