namespace Tacit.Protocol;

/// <summary>The paths and header names that the roles agree on.</summary>
public static class Routes
{
    /// <summary>RFC 9578, section 4.</summary>
    public const string IssuerDirectory = "/.well-known/private-token-issuer-directory";

    public const string Account = "/account";
    public const string AccountVouchers = "/account/vouchers";
    public const string AccountOffers = "/account/offers";
    public const string AccountCheckouts = "/account/checkouts";

    /// <summary>Where a payment provider reports, by its name: <c>/webhooks/stripe</c>, <c>/webhooks/paddle</c>.</summary>
    public const string Webhooks = "/webhooks/";

    public const string TokenRequest = "/token-request";

    /// <summary>As <see cref="TokenRequest"/>, without an account, for open plans (<see cref="Plan.Open"/>) only.</summary>
    public const string OpenTokenRequest = "/open-token-request";

    public const string TokenRestore = "/token-restore";
    public const string PseudonymRequest = "/pseudonym-request";

    public const string Models = "/v1/models";
    public const string ChatCompletions = "/v1/chat/completions";
    public const string Responses = "/v1/responses";
    public const string Embeddings = "/v1/embeddings";
    public const string Messages = "/v1/messages";
    public const string Exchange = "/v1/exchange";
    public const string Cancel = "/v1/cancel";

    /// <summary>Where a device registers its key.</summary>
    public const string Devices = "/api/devices";

    public const string PseudonymRotate = "/v1/pseudonym/rotate";

    /// <summary>The oblivious gateway resource (RFC 9458, section 2).</summary>
    public const string Oblivious = "/ohttp";

    /// <summary>The sealing keys that a gateway offers to its issuer: <see cref="SealingOffer"/>.</summary>
    public const string SealingOffer = "/.well-known/tacit-sealing-keys";

    /// <summary>A gateway's sealing keys under the directory key's signature: <see cref="SealingKeyDocument"/>.</summary>
    public const string SealingKeys = "/api/pubkey";

    /// <summary>The same as JSON Web Keys (RFC 7517).</summary>
    public const string JsonWebKeys = "/.well-known/jwks.json";

    /// <summary>The same as key configurations (RFC 9458, section 3).</summary>
    public const string ObliviousKeys = "/.well-known/ohttp-gateway";

    /// <summary>A sealed request: see <see cref="SealedEnvelope"/>.</summary>
    public const string SealedChat = "/api/chat";

    /// <summary>Opens a sealed request and seals back what it saw; in the development profile only.</summary>
    public const string SealedEcho = "/api/echo";

    public const string HealthLive = "/health/live";
    public const string HealthReady = "/health/ready";

    /// <summary>Response header on every answer to a request that carried a token: what became of it.</summary>
    public const string TokenStateHeader = "Tacit-Token";
    public const string TokenUnspent = "unspent";
    public const string TokenSpent = "spent";
    public const string TokenReturned = "returned";

    /// <summary>Bound to this request, whose end is still open: the same request may be repeated, no other can use the token.</summary>
    public const string TokenInFlight = "inflight";

    /// <summary>
    /// Request header beside a token of a subscription, and only beside one: base64url of the <see cref="Protocol.TokenRequest"/> of the chain's next token.
    /// </summary>
    public const string SuccessorHeader = "Tacit-Successor";

    /// <summary>
    /// Trailer behind a reply to a chain token, or header of one that is whole before it is sent: base64url of the blind signature (256 bytes) over what
    /// <see cref="SuccessorHeader"/> sent.
    /// </summary>
    public const string RenewalTrailer = "Tacit-Renewal";

    /// <summary>Request header beside a token, where the gateway's policy in the directory asks for it: see <see cref="Protocol.PseudonymHeader"/>.</summary>
    public const string PseudonymHeader = "Tacit-Pseudonym";

    /// <summary>Request header: a <see cref="Protocol.WorkStamp"/>, where the gateway asks for one.</summary>
    public const string WorkHeader = "Tacit-Work";

    /// <summary>
    /// Request header between instances of one gateway: the request was passed on once and is not to be passed on again. It grants nothing, so it proves nothing.
    /// </summary>
    public const string HopHeader = "Tacit-Hop";

    /// <summary>Request header of the local app: names the conversation; never forwarded.</summary>
    public const string ConversationHeader = "Tacit-Conversation";
}
