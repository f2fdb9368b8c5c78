namespace Tacit.Protocol;

/// <summary>One stable <c>type</c> per failure of issuer and relay (RFC 9457, section 3.1.1), with the status and title that belong to it.</summary>
public static class ProblemTypes
{
    private const string Prefix = "urn:tacit:problem:";

    public const string AccountKeyRequired = Prefix + "account-key-required";
    public const string AccountKeyMalformed = Prefix + "account-key-malformed";
    public const string InsufficientCredit = Prefix + "insufficient-credit";
    public const string VoucherMalformed = Prefix + "voucher-malformed";
    public const string VoucherUnknown = Prefix + "voucher-unknown";
    public const string VoucherUsed = Prefix + "voucher-used";
    public const string VoucherExpired = Prefix + "voucher-expired";
    public const string PaymentsOff = Prefix + "payments-off";
    public const string OfferUnknown = Prefix + "offer-unknown";
    public const string PaymentProviderUnavailable = Prefix + "payment-provider-unavailable";
    public const string WebhookNotAuthentic = Prefix + "webhook-not-authentic";
    public const string RequestMalformed = Prefix + "request-malformed";
    public const string RequestTooLarge = Prefix + "request-too-large";
    public const string BatchTooLarge = Prefix + "batch-too-large";
    public const string BlindedMessageRepeated = Prefix + "blinded-message-repeated";
    public const string BlindedMessageInvalid = Prefix + "blinded-message-invalid";
    public const string TokenTypeUnsupported = Prefix + "token-type-unsupported";
    public const string TokenKeyUnknown = Prefix + "token-key-unknown";
    public const string PlanNotLive = Prefix + "plan-not-live";
    public const string SubscriptionChainsUsed = Prefix + "subscription-chains-used";
    public const string PlanOpen = Prefix + "plan-open";
    public const string PlanNotOpen = Prefix + "plan-not-open";
    public const string CredentialRefused = Prefix + "credential-refused";
    public const string PseudonymUnpaid = Prefix + "pseudonym-unpaid";
    public const string PseudonymIssued = Prefix + "pseudonym-issued";
    public const string NothingToRestore = Prefix + "nothing-to-restore";
    public const string UnsupportedMediaType = Prefix + "unsupported-media-type";
    public const string NotFound = Prefix + "not-found";
    public const string MethodNotAllowed = Prefix + "method-not-allowed";
    public const string RateLimited = Prefix + "rate-limited";
    public const string Busy = Prefix + "busy";
    public const string SignerUnavailable = Prefix + "signer-unavailable";
    public const string StorageUnavailable = Prefix + "storage-unavailable";
    public const string GatewayUnreachable = Prefix + "gateway-unreachable";
    public const string GatewayTimeout = Prefix + "gateway-timeout";
    public const string ShuttingDown = Prefix + "shutting-down";
    public const string InternalError = Prefix + "internal-error";

    /// <summary>The problem with the status and title that belong to <paramref name="type"/>.</summary>
    public static Problem Create(string type, string? detail = null)
    {
        (int status, string title) = type switch
        {
            AccountKeyRequired => (401, "This call needs an account key as Authorization: Bearer."),
            AccountKeyMalformed => (401, "The account key is mistyped: its check symbol does not fit."),
            InsufficientCredit => (402, "The account has not enough credit."),
            VoucherMalformed => (400, "The voucher code is mistyped: its check symbol does not fit."),
            VoucherUnknown => (404, "No such voucher."),
            VoucherUsed => (409, "The voucher was already used by another account."),
            VoucherExpired => (410, "The voucher has expired."),
            PaymentsOff => (404, "This issuer gives credits for vouchers only."),
            OfferUnknown => (422, "No such offer, or no such payment provider."),
            PaymentProviderUnavailable => (503, "The payment provider could not make a checkout; nothing was paid."),
            WebhookNotAuthentic => (400, "The webhook is not signed by the provider, or was signed too long ago."),
            RequestMalformed => (422, "The request cannot be read."),
            RequestTooLarge => (413, "The request is too large."),
            BatchTooLarge => (422, "The batch has more requests than one call may carry."),
            BlindedMessageRepeated => (422, "A blinded message appears twice in one batch."),
            BlindedMessageInvalid => (422, "A blinded message is outside the key's range."),
            TokenTypeUnsupported => (422, "The token type is not issued here."),
            TokenKeyUnknown => (422, "No live key has this truncated key id."),
            PlanNotLive => (422, "The extensions name no plan and deadline that is live now."),
            SubscriptionChainsUsed => (403, "All chains of this subscription's period have been started."),
            PlanOpen => (403, "Tokens of this plan are given to whoever asks, and to no account."),
            PlanNotOpen => (403, "Tokens of this plan are given to accounts only."),
            CredentialRefused => (400, "This call takes no credential: it is for nobody in particular."),
            PseudonymUnpaid => (403, "Pseudonyms are for accounts that paid a certain sum."),
            PseudonymIssued => (403, "The account has its pseudonym of this kind and epoch already."),
            NothingToRestore => (404, "This account was never issued any of these tokens."),
            UnsupportedMediaType => (415, "The content type is not one this call takes."),
            NotFound => (404, "No such resource."),
            MethodNotAllowed => (405, "The resource does not take this method."),
            RateLimited => (429, "Too many calls of this kind; try again later."),
            Busy => (503, "The server is busy."),
            SignerUnavailable => (503, "The signer does not answer."),
            StorageUnavailable => (503, "The issuer's store does not answer."),
            GatewayUnreachable => (502, "The gateway does not answer the relay."),
            GatewayTimeout => (504, "The gateway did not answer the relay in time."),
            ShuttingDown => (503, "The server is shutting down."),
            _ => (500, "The server failed."),
        };
        return new Problem(type, status, title, detail);
    }

    /// <summary>The type for what no route of a server answers, or what failed under one, by the status that says so.</summary>
    public static string OfStatus(int status) => status switch
    {
        404 => NotFound,
        405 => MethodNotAllowed,
        413 => RequestTooLarge,
        503 => ShuttingDown,
        >= 400 and < 500 => RequestMalformed,
        _ => InternalError,
    };
}
