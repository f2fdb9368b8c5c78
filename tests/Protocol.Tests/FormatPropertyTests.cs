using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Tacit.Crypto;

namespace Tacit.Protocol.Tests;

/// <summary>The same duties for every format on the wire that has exactly one encoding.</summary>
public sealed class FormatPropertyTests
{
    [Fact]
    public void Token_reads_what_it_writes_and_nothing_else() =>
        Property.HoldsForFormat(
            from type in Property.TokenTypes
            from parts in Property.BytesOf(96)
            from authenticator in Property.BytesOf(Token.AuthenticatorSizeInBytes)
            select TokenOf(type, parts, authenticator).Encode(),
            bytes => Token.TryParse(bytes, out Token? token) ? token.Encode() : null);

    [Fact]
    public void Onion_address_reads_what_it_writes_and_nothing_else() =>
        Property.HoldsForFormat(
            from seed in Property.BytesOf(32)
            select Encoding.ASCII.GetBytes(OnionAddress.Format(PublicKeyOf(seed))),
            bytes => OnionAddress.TryParse(Encoding.Latin1.GetString(bytes), out byte[]? key) ? Encoding.ASCII.GetBytes(OnionAddress.Format(key)) : null);

    [Fact]
    public void Challenge_reads_what_it_writes_and_nothing_else() =>
        Property.HoldsForFormat(
            from type in Property.TokenTypes
            from issuer in Property.PlanIds
            from context in Gen.Elements(0, TokenChallenge.RedemptionContextSizeInBytes).SelectMany(Property.BytesOf)
            from origins in Gen.ArrayOf(Property.PlanIds)
            select new TokenChallenge(type, issuer, context, string.Join(',', origins)).Encode(),
            bytes => TokenChallenge.TryParse(bytes, out TokenChallenge? challenge) ? challenge.Encode() : null);

    [Fact]
    public void Extensions_reads_what_it_writes_and_nothing_else() =>
        Property.HoldsForFormat(
            from items in Gen.ArrayOf(
                from type in Gen.Choose(0, ushort.MaxValue)
                from data in Property.BytesUpTo(20)
                select new TokenExtension((ushort)type, data))
            select TokenExtensions.Create(items.Take(30)).Encode(),
            bytes => TokenExtensions.TryParse(bytes, out TokenExtensions? extensions) ? extensions.Encode() : null);

    [Fact]
    public void Plan_metadata_reads_what_it_writes_and_nothing_else() =>
        Property.HoldsForFormat(
            Property.Metadata.Select(metadata => metadata.EncodeExtensions()),
            bytes => PlanMetadata.TryParse(bytes, out PlanMetadata metadata) ? metadata.EncodeExtensions() : null);

    [Fact]
    public void Token_request_reads_what_it_writes_and_nothing_else() =>
        Property.HoldsForFormat(
            Property.TokenRequests.Select(request => request.Encode()),
            bytes => TokenRequest.TryParse(bytes, out TokenRequest? request) ? request.Encode() : null);

    [Fact]
    public void Batch_request_reads_what_it_writes_and_nothing_else() =>
        Property.HoldsForFormat(
            from count in Gen.Choose(1, 5)
            from requests in Gen.ArrayOf(Property.TokenRequests, count)
            select GenericBatchRequest.Create(requests).Encode(),
            bytes => GenericBatchRequest.TryParse(bytes, out GenericBatchRequest? batch) ? batch.Encode() : null);

    [Fact]
    public void Batch_response_reads_what_it_writes_and_nothing_else() =>
        Property.HoldsForFormat(
            from count in Gen.Choose(1, 5)
            from responses in Gen.ArrayOf(
                from type in Property.TokenTypes
                from signature in Property.BytesOf(TokenResponse.SizeInBytes)
                from present in Gen.Elements(true, false)
                select present ? new BatchTokenResponse(type, signature) : null,
                count)
            select GenericBatchResponse.Create(responses).Encode(),
            bytes => GenericBatchResponse.TryParse(bytes, out GenericBatchResponse? batch) ? batch.Encode() : null);

    [Fact]
    public void Credentials_survive_header_and_back() =>
        Property.Holds(
            from token in Property.BytesUpTo(400)
            from extensions in Property.BytesUpTo(100)
            select (token, extensions),
            pair =>
            {
                string header = PrivateTokenHeader.FormatAuthorization(pair.token, pair.extensions);
                Assert.True(PrivateTokenHeader.TryParseAuthorization(header, out PrivateTokenCredentials? credentials));
                Assert.Equal(pair.token, credentials.Token);
                Assert.Equal(pair.extensions, credentials.Extensions ?? []);
                string bare = header.Replace("\"", "", StringComparison.Ordinal).Replace("=,", ",", StringComparison.Ordinal).Replace("=,", ",", StringComparison.Ordinal).TrimEnd('=');
                if (pair.token.Length > 0)
                {
                    Assert.True(PrivateTokenHeader.TryParseAuthorization(bare, out credentials), bare);
                    Assert.Equal(pair.token, credentials.Token);
                }
            });

    [Fact]
    public void Header_parsers_never_throw() =>
        Property.Holds(
            ArbMap.Default.ArbFor<string>().Generator,
            text =>
            {
                _ = PrivateTokenHeader.TryParseAuthorization(text, out _);
                _ = PrivateTokenHeader.TryParseAuthorization("PrivateToken " + text, out _);
                _ = PrivateTokenHeader.TryParseChallenges(text, out _);
                _ = PrivateTokenHeader.TryParseChallenges("PrivateToken challenge=\"" + text, out _);
                _ = AccountKey.TryParse(text, out _);
            });

    internal static Token TokenOf(TokenType type, ReadOnlySpan<byte> parts, ReadOnlySpan<byte> authenticator)
    {
        byte[] input = new byte[Token.InputSizeInBytes];
        Token.WriteInput(type, parts[..32], parts[32..64], parts[64..], input);
        return Token.Create(input, authenticator);
    }

    private static byte[] PublicKeyOf(byte[] seed)
    {
        using Ed25519PrivateKey key = Ed25519PrivateKey.Import(seed);
        return key.PublicKey.Export();
    }
}
