namespace Tacit.Protocol;

/// <summary>Media types of Privacy Pass (RFC 9578, section 8.3; draft-ietf-privacypass-batched-tokens) and of errors.</summary>
public static class MediaTypes
{
    public const string IssuerDirectory = "application/private-token-issuer-directory";
    public const string TokenRequest = "application/private-token-request";
    public const string TokenResponse = "application/private-token-response";
    public const string GenericBatchRequest = "application/private-token-generic-batch-request";
    public const string GenericBatchResponse = "application/private-token-generic-batch-response";
    public const string ProblemJson = "application/problem+json";
    public const string Json = "application/json";

    /// <summary>RFC 7517, section 8.5.</summary>
    public const string JsonWebKeys = "application/jwk-set+json";

    /// <summary>Key configurations of RFC 9458, section 3.2.</summary>
    public const string ObliviousKeys = "application/ohttp-keys";
    public const string EventStream = "text/event-stream";

    /// <summary>RFC 9458, section 9; the chunked ones: draft-ietf-ohai-chunked-ohttp.</summary>
    public const string ObliviousRequest = "message/ohttp-req";
    public const string ObliviousResponse = "message/ohttp-res";
    public const string ObliviousChunkedRequest = "message/ohttp-chunked-req";
    public const string ObliviousChunkedResponse = "message/ohttp-chunked-res";
}
