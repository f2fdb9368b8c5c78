namespace Tacit.Protocol;

/// <summary>
/// The stable <c>code</c> of every error on <c>/v1</c>, in OpenAI's error shape. A code is never renamed and never changes its status;
/// the message beside it may.
/// </summary>
public static class ErrorCodes
{
    /// <summary>401: the request carries no token.</summary>
    public const string TokenRequired = "token_required";

    /// <summary>401: the Authorization header or the token inside it cannot be read.</summary>
    public const string TokenMalformed = "token_malformed";

    /// <summary>401: the token's signature does not verify.</summary>
    public const string TokenInvalid = "token_invalid";

    /// <summary>401: the token's period is over; within the grace period it can still be exchanged.</summary>
    public const string TokenExpired = "token_expired";

    /// <summary>401: no live key has the token's key id.</summary>
    public const string TokenUnknownKey = "token_unknown_key";

    /// <summary>401: the token was issued for another challenge, so for another gateway.</summary>
    public const string WrongChallenge = "wrong_challenge";

    /// <summary>401: the token's plan does not buy this model or this operation.</summary>
    public const string PlanMismatch = "plan_mismatch";

    /// <summary>409: the token was spent for another request.</summary>
    public const string TokenSpent = "token_spent";

    /// <summary>400: a Bearer credential or a cookie beside a token would link an account to a prompt.</summary>
    public const string LinkedCredentials = "linked_credentials";

    /// <summary>400: the body has a member that is not on the allow-list; <c>param</c> names it.</summary>
    public const string UnknownMember = "unknown_member";

    /// <summary>400: a member has a value or type that cannot be taken; <c>param</c> names it.</summary>
    public const string InvalidValue = "invalid_value";

    /// <summary>400: the body is no JSON object, or repeats a member.</summary>
    public const string InvalidJson = "invalid_json";

    /// <summary>413: the body is larger than the plan or the gateway takes.</summary>
    public const string RequestTooLarge = "request_too_large";

    /// <summary>400: the request asks for more output than its plan allows.</summary>
    public const string OutputCapExceeded = "output_cap_exceeded";

    /// <summary>400: the member would make a provider keep or fetch state; <c>param</c> names it.</summary>
    public const string StatefulMemberRefused = "stateful_member_refused";

    /// <summary>404: no such model here.</summary>
    public const string ModelNotFound = "model_not_found";

    /// <summary>404: no such path.</summary>
    public const string NotFound = "not_found";

    /// <summary>405: the path exists, the method does not.</summary>
    public const string MethodNotAllowed = "method_not_allowed";

    /// <summary>400, or the status that the server gives it: what came is not well-formed HTTP.</summary>
    public const string BadRequest = "bad_request";

    /// <summary>408: the body ended early or came too slowly.</summary>
    public const string RequestIncomplete = "request_incomplete";

    /// <summary>415: the body's media type is not the one this path takes.</summary>
    public const string UnsupportedMediaType = "unsupported_media_type";

    /// <summary>400: the token is of a subscription and no <c>Tacit-Successor</c> came with it.</summary>
    public const string SuccessorRequired = "successor_required";

    /// <summary>400: the successor is not a blinded message of the same plan (a chain's: and deadline), or a token of a request plan carried one.</summary>
    public const string SuccessorInvalid = "successor_invalid";

    /// <summary>409: <c>/v1/exchange</c>: the token is already bound to another successor.</summary>
    public const string SuccessorMismatch = "successor_mismatch";

    /// <summary>409: <c>/v1/exchange</c>: the chain token's request has not ended yet; ask again.</summary>
    public const string RequestInFlight = "request_in_flight";

    /// <summary>403: <c>/v1/exchange</c>: the operator refused to renew this chain, for ever. The chain ends here.</summary>
    public const string RenewalRefused = "renewal_refused";

    /// <summary>400: the operator's moderation refuses the prompt; no provider has seen it.</summary>
    public const string ContentRefused = "content_refused";

    /// <summary>503: the prompt could not be judged, and goes no further unjudged.</summary>
    public const string ModerationUnavailable = "moderation_unavailable";

    /// <summary>401: this gateway takes tokens with a pseudonym beside them only; the directory says of which kind.</summary>
    public const string PseudonymRequired = "pseudonym_required";

    /// <summary>401: a pseudonym cannot be read, is of the wrong kind or gateway, was replaced, or its signature does not verify.</summary>
    public const string PseudonymInvalid = "pseudonym_invalid";

    /// <summary>401: the pseudonym is of another epoch.</summary>
    public const string PseudonymExpired = "pseudonym_expired";

    /// <summary>403: the operator banned the pseudonym; the message says why and until when.</summary>
    public const string PseudonymBanned = "pseudonym_banned";

    /// <summary>429: the pseudonym's requests of a minute, hour or day are used up; <c>Retry-After</c> says for how long.</summary>
    public const string PseudonymRateLimited = "pseudonym_rate_limited";

    /// <summary>409: <c>/v1/pseudonym/rotate</c>: the old pseudonym was replaced by another, or the new one is in use already.</summary>
    public const string PseudonymReplaced = "pseudonym_replaced";

    /// <summary>401: this gateway takes requests that a device key signs (RFC 9421).</summary>
    public const string DeviceRequired = "device_required";

    /// <summary>401: the signature's headers do not have the one shape that is taken.</summary>
    public const string SignatureMalformed = "signature_malformed";

    /// <summary>401: the signature is not the key's over this method, path and digest.</summary>
    public const string SignatureInvalid = "signature_invalid";

    /// <summary>401: the signature was made too long ago, or in the future; the message names the server's time.</summary>
    public const string SignatureExpired = "signature_expired";

    /// <summary>401: no such device is on the gateway's list.</summary>
    public const string DeviceUnknown = "device_unknown";

    /// <summary>403: the operator took the device off.</summary>
    public const string DeviceRevoked = "device_revoked";

    /// <summary>400: the body is not the one whose digest was signed.</summary>
    public const string DigestMismatch = "digest_mismatch";

    /// <summary>409: the device signed another request with this nonce, or the reply to this one is no longer kept.</summary>
    public const string NonceUsed = "nonce_used";

    /// <summary>429: the device's requests of a window are used up; <c>Retry-After</c> says for how long.</summary>
    public const string DeviceRateLimited = "device_rate_limited";

    /// <summary>429: as many requests of the device as it may have at a time are being answered.</summary>
    public const string DeviceBusy = "device_busy";

    /// <summary>429: what is left of the device's output tokens of the day is less than the request may take.</summary>
    public const string DeviceTokensExhausted = "device_tokens_exhausted";

    /// <summary>429: too many requests from this network address; <c>Retry-After</c> says for how long.</summary>
    public const string AddressRateLimited = "address_rate_limited";

    /// <summary>428: the request needs a proof of work; the error's <c>work</c> says which.</summary>
    public const string WorkRequired = "work_required";

    /// <summary>400: a sampling parameter is outside of what the operator allows; <c>param</c> names it.</summary>
    public const string SamplingRefused = "sampling_refused";

    /// <summary>403: this gateway registers no devices.</summary>
    public const string RegistrationClosed = "registration_closed";

    /// <summary>403: registering a device needs an invitation code, and this is none.</summary>
    public const string InvitationRequired = "invitation_required";

    /// <summary>403: as many devices as the operator allows are registered.</summary>
    public const string RegistrationFull = "registration_full";

    /// <summary>400: no live sealing key has this id; the gateway's keys are to be fetched anew.</summary>
    public const string SealingKeyUnknown = "sealing_key_unknown";

    /// <summary>400: a sealed request is too old, or from the future: the clocks are apart. The message and <see cref="ApiError.ServerTime"/> say by how much.</summary>
    public const string TimestampOutOfWindow = "timestamp_out_of_window";

    /// <summary>409: a sealed request with this encapsulated key was taken before. A retry is sealed anew.</summary>
    public const string RequestReplayed = "request_replayed";

    /// <summary>400: a sealed request, or what is inside it, is not of the form.</summary>
    public const string SealedMalformed = "sealed_malformed";

    /// <summary>400: a sealed request does not open under the key that it names.</summary>
    public const string SealedUndecryptable = "sealed_undecryptable";

    /// <summary>503: a queue is full or memory is reserved up; try again later.</summary>
    public const string GatewayBusy = "gateway_busy";

    /// <summary>503: all backends of the model are at work, and no place came free in time or as many wait as may; try again in a moment.</summary>
    public const string BackendBusy = "backend_busy";

    /// <summary>503: no backend of the model is well; try again in a while.</summary>
    public const string BackendUnavailable = "backend_unavailable";

    /// <summary>502: the provider's reply passed the gateway's limit.</summary>
    public const string ReplyTooLarge = "reply_too_large";

    /// <summary>502: no connection to any backend of this model.</summary>
    public const string ProviderUnreachable = "provider_unreachable";

    /// <summary>504: the provider took longer than its budget.</summary>
    public const string ProviderTimeout = "provider_timeout";

    /// <summary>502: the provider failed, or said something that is no reply.</summary>
    public const string ProviderError = "provider_error";

    /// <summary>The provider's own 4xx status: it refuses this request.</summary>
    public const string ProviderRejected = "provider_rejected";

    /// <summary>In a stream that has begun: it ends here and is not whole.</summary>
    public const string ReplyInterrupted = "reply_interrupted";

    /// <summary>499: the caller cancelled the request; the token stays spent.</summary>
    public const string RequestCancelled = "request_cancelled";

    /// <summary>503: this instance is going down; try again.</summary>
    public const string ShuttingDown = "shutting_down";

    /// <summary>503: the signer or the store behind this server does not answer.</summary>
    public const string Unavailable = "unavailable";

    /// <summary>500: a fault of the server.</summary>
    public const string InternalError = "internal_error";

    /// <summary>The status that belongs to <paramref name="code"/>; 500 for one that is not listed here, 502 where the provider's status is passed on.</summary>
    public static int StatusOf(string code) => code switch
    {
        TokenRequired or TokenMalformed or TokenInvalid or TokenExpired or TokenUnknownKey or WrongChallenge or PlanMismatch
            or PseudonymRequired or PseudonymInvalid or PseudonymExpired
            or DeviceRequired or SignatureMalformed or SignatureInvalid or SignatureExpired or DeviceUnknown => 401,
        TokenSpent or SuccessorMismatch or RequestInFlight or PseudonymReplaced or NonceUsed or RequestReplayed => 409,
        LinkedCredentials or UnknownMember or InvalidValue or InvalidJson or OutputCapExceeded or StatefulMemberRefused
            or SuccessorRequired or SuccessorInvalid or ContentRefused or BadRequest or DigestMismatch or SamplingRefused
            or SealingKeyUnknown or TimestampOutOfWindow or SealedMalformed or SealedUndecryptable => 400,
        RenewalRefused or PseudonymBanned or DeviceRevoked or RegistrationClosed or InvitationRequired or RegistrationFull => 403,
        WorkRequired => 428,
        PseudonymRateLimited or DeviceRateLimited or DeviceBusy or DeviceTokensExhausted or AddressRateLimited => 429,
        RequestIncomplete => 408,
        RequestTooLarge => 413,
        ModelNotFound or NotFound => 404,
        MethodNotAllowed => 405,
        UnsupportedMediaType => 415,
        RequestCancelled => 499,
        GatewayBusy or BackendBusy or BackendUnavailable or ModerationUnavailable or ShuttingDown or Unavailable => 503,
        ReplyTooLarge or ProviderUnreachable or ProviderError or ProviderRejected or ReplyInterrupted => 502,
        ProviderTimeout => 504,
        _ => 500,
    };
}
