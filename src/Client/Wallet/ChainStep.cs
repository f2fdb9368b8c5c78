namespace Tacit.Client;

/// <summary>
/// Every step in the life of a chain, in order: what the journal writes and what passes between the parts. Whatever is lost at one of them, and wherever the
/// program is killed, the chain has exactly one head afterwards; the tests go through this list, so a new step belongs here first.
/// </summary>
internal enum ChainStep
{
    /// <summary>Journal: a head's index and fresh randomness.</summary>
    HeadReserved,

    /// <summary>Journal: the hash of the head's request. The request may be sent from here on.</summary>
    HeadRequested,

    /// <summary>Message: blinded heads, to the issuer.</summary>
    PurchaseSent,

    /// <summary>Message: their blind signatures.</summary>
    PurchaseAnswered,

    /// <summary>Journal: the finished heads.</summary>
    HeadHeld,

    /// <summary>Journal: a request with the head that pays for it, and the successor's randomness and request.</summary>
    LinkPresented,

    /// <summary>Message: the request with token and successor, to the gateway.</summary>
    PromptSent,

    /// <summary>Message: the renewal, from the gateway to the signer.</summary>
    RenewalRequested,

    /// <summary>Message: the signer's answer to it.</summary>
    RenewalSigned,

    /// <summary>Message: the reply, with the successor's blind signature in its trailer.</summary>
    PromptAnswered,

    /// <summary>Journal: the successor is the head.</summary>
    LinkRenewed,

    /// <summary>Journal: the request has ended, and what it was paid with is gone.</summary>
    RequestClosed,

    /// <summary>Message: nobody wants the reply, to the gateway.</summary>
    CancelSent,

    /// <summary>Message: the answer to that.</summary>
    CancelAnswered,

    /// <summary>Message: token and successor, to the gateway, where the trailer did not come.</summary>
    ExchangeSent,

    /// <summary>Message: the blind signature, as often as it is asked for.</summary>
    ExchangeAnswered,

    /// <summary>Journal: the chain has ended in this wallet, refused or lost.</summary>
    ChainEnded,
}
