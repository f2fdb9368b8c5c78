using System.Text;
using Tacit.Protocol;

namespace Tacit.Fuzz;

/// <summary>One target for each parser of <c>Tacit.Protocol</c>.</summary>
public static class Targets
{
    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new(
            "token",
            [Samples.TokenBytes(TokenType.BlindRsa), Samples.TokenBytes(TokenType.PartiallyBlindRsa),
                .. Samples.FromVectors("rfc9578_type_0002_blind_rsa.json", "token"),
                .. Samples.FromVectors("da7a_partially_blind_rsa.json", "token")],
            input => Exact(input, Token.TryParse(input, out Token? token), () => token!.Encode())),
        new(
            "token-challenge",
            [TokenChallenge.ForGateway(TokenType.BlindRsa, "issuer.example", "gateway.example").Encode(),
                new TokenChallenge(TokenType.PartiallyBlindRsa, "issuer.example", Samples.Filled(32, 1), "a.example,b.example").Encode(),
                .. Samples.FromVectors("rfc9578_type_0002_blind_rsa.json", "token_challenge")],
            input => Exact(input, TokenChallenge.TryParse(input, out TokenChallenge? challenge), () => challenge!.Encode())),
        new(
            "extensions",
            [Samples.Metadata, [0, 0], .. Samples.FromVectors("da7a_partially_blind_rsa.json", "extensions")],
            input => Exact(input, TokenExtensions.TryParse(input, out TokenExtensions? extensions), () => extensions!.Encode())),
        new(
            "plan-metadata",
            [Samples.Metadata, new PlanMetadata("a", DateTimeOffset.UnixEpoch.AddDays(1)).EncodeExtensions()],
            input => Exact(input, PlanMetadata.TryParse(input, out PlanMetadata metadata), () => metadata.EncodeExtensions())),
        new(
            "token-request",
            [Samples.Request(TokenType.BlindRsa, 1).Encode(), Samples.Request(TokenType.PartiallyBlindRsa, 2).Encode(),
                .. Samples.FromVectors("rfc9578_type_0002_blind_rsa.json", "token_request"),
                .. Samples.FromVectors("da7a_partially_blind_rsa.json", "token_request")],
            input => Exact(input, TokenRequest.TryParse(input, out TokenRequest? request), () => request!.Encode())),
        new(
            "token-response",
            [Samples.Filled(256, 1)],
            input => Exact(input, TokenResponse.TryParse(input, out byte[]? signature), () => TokenResponse.Encode(signature))),
        new(
            "batch-request",
            [GenericBatchRequest.Create([Samples.Request(TokenType.BlindRsa, 1), Samples.Request(TokenType.PartiallyBlindRsa, 2)]).Encode(),
                GenericBatchRequest.Create([Samples.Request(TokenType.PartiallyBlindRsa, 2)]).Encode(),
                .. Samples.FromVectors("batched_draft07_generic.json", "token_request")],
            input => Exact(input, GenericBatchRequest.TryParse(input, out GenericBatchRequest? batch), () => batch!.Encode())),
        new(
            "batch-response",
            [GenericBatchResponse.Create([null, new BatchTokenResponse(TokenType.BlindRsa, Samples.Filled(256, 1)), null]).Encode(),
                GenericBatchResponse.Create([new BatchTokenResponse(TokenType.PartiallyBlindRsa, Samples.Filled(256, 2))]).Encode(),
                .. Samples.FromVectors("batched_draft07_generic.json", "token_response")],
            input => Exact(input, GenericBatchResponse.TryParse(input, out GenericBatchResponse? batch), () => batch!.Encode())),
        new("authorization", Headers.Authorizations, Headers.RunAuthorization),
        new("tacit-successor", Headers.Successors, Headers.RunSuccessor),
        new("www-authenticate", Headers.Challenges, Headers.RunChallenges),
        new("directory", [Samples.DirectoryDocument, .. Documents.Directories], Documents.RunDirectory),
        new("sealing-offer", [Samples.SealingOfferDocument], Documents.RunSealingOffer),
        new("sealing-keys", [Samples.SealingKeyDocument], Documents.RunSealingKeys),
        new("canonical-json", [Samples.DirectoryDocument, .. Documents.Json], Documents.RunJson),
        new("json-messages", Documents.Messages, Documents.RunMessages),
        new("signer-request", SignerMessages.Requests, SignerMessages.RunRequest),
        new("signer-response", SignerMessages.Responses, SignerMessages.RunResponse),
        new("signer-keys", SignerMessages.KeyLists, SignerMessages.RunKeys),
        new("bhttp-request", BinaryHttp.Requests, input => BinaryHttp.Run(input, BinaryHttpKind.Request)),
        new("bhttp-response", BinaryHttp.Responses, input => BinaryHttp.Run(input, BinaryHttpKind.Response)),
        new(
            "ohttp-keys",
            BinaryHttp.KeyLists,
            input =>
            {
                _ = ObliviousRequestHeader.TryRead(input, out _);
                bool taken = ObliviousKeyConfiguration.TryParseList(input, out IReadOnlyList<ObliviousKeyConfiguration> list);
                FuzzTarget.Require(
                    list.All(one => ObliviousKeyConfiguration.TryParse(one.Encode(), out _)), "a configuration's own encoding is refused");
                return taken && list.Count > 0;
            }),
        new("sealed-envelope", SealedMessages.Envelopes, SealedMessages.RunEnvelope),
        new("sealed-inner", SealedMessages.Plaintexts, SealedMessages.RunPlaintext),
        new("sealed-reply", SealedMessages.Replies, SealedMessages.RunReply),
        new("sealed-frames", SealedMessages.Frames, SealedMessages.RunFrames),
        new("codes", Codes.Texts, Codes.Run),
    ];

    public static FuzzTarget Get(string name) => All.Single(target => target.Name == name);

    // A format with one encoding: what is taken encodes to the very bytes.
    private static bool Exact(byte[] input, bool taken, Func<byte[]> encode)
    {
        FuzzTarget.Require(!taken || encode().AsSpan().SequenceEqual(input), "the parser took bytes that are not what the encoder writes");
        return taken;
    }
}

internal static class Codes
{
    public static IReadOnlyList<byte[]> Texts { get; } =
        [.. new[] { AccountKey.Create().ToString(), VoucherCode.Create().ToString(), "0000-0000-0000-0000-0000-0000-000" }.Select(Samples.Utf8)];

    public static bool Run(byte[] input)
    {
        string text = Encoding.Latin1.GetString(input);
        bool taken = AccountKey.TryParse(text, out AccountKey? key);
        FuzzTarget.Require(VoucherCode.TryParse(text, out _) == taken, "the two kinds of code differ in their text");
        if (taken)
        {
            FuzzTarget.Require(AccountKey.TryParse(key!.ToString(), out AccountKey? again) && again.Equals(key), "a code's own text is refused");
        }

        _ = PeriodKinds.TryParse(text, out _);
        return taken;
    }
}
