using Tacit.Fuzz;

namespace Tacit.Protocol.Tests;

public sealed class WalletDerivationTests
{
    private static readonly byte[] s_seed = Convert.FromHexString("000102030405060708090a0b0c0d0e0f");

    private static readonly TokenContext s_context = new()
    {
        IssuerName = "issuer.example",
        Type = TokenType.BlindRsa,
        TokenKeyId = [.. Enumerable.Repeat((byte)0x11, 32)],
        ChallengeDigest = [.. Enumerable.Repeat((byte)0x22, 32)],
        Namespace = TokenNamespace.AccountIssued,
        Index = 5,
    };

    // Both computed apart from this code, from the description in docs/protocol.md with HMAC-SHA-256.
    [Fact]
    public void Derivation_gives_the_documented_values_for_blind_RSA() =>
        AssertSecrets(
            s_context,
            "6a60855469cd96a9eee28e47b0bb9a168cfe9798f8096079cec0726bfc2650db",
            "85483d1db618f0aa2c44f0ebd8245f5fd5be844eeed0e8b20f3ea276d09ea6c9");

    [Fact]
    public void Derivation_gives_the_documented_values_for_partially_blind_RSA() =>
        AssertSecrets(
            s_context with
            {
                Type = TokenType.PartiallyBlindRsa,
                Extensions = new PlanMetadata("chat", new DateTimeOffset(2026, 12, 1, 0, 0, 0, TimeSpan.Zero)).EncodeExtensions(),
                Namespace = TokenNamespace.Exchange,
                Index = 1L << 40,
            },
            "2abdcac2168b52be0cd24f475570b6acdb53c9ad8b0d7cffbfdaa34d286a592e",
            "45c1fddce2c5a60b38e6f97a03520e4805ba09a889b39c7338ff1a111fe112b7");

    [Fact]
    public void Every_part_of_the_context_and_the_seed_changes_both_secrets()
    {
        TokenContext extended = s_context with { Type = TokenType.PartiallyBlindRsa, Extensions = Samples.Metadata };
        TokenContext[] contexts =
        [
            s_context,
            s_context with { IssuerName = "issuer.exampl" },
            s_context with { TokenKeyId = Samples.Digest(1) },
            s_context with { ChallengeDigest = Samples.Digest(1) },
            s_context with { Namespace = TokenNamespace.Chain },
            s_context with { Namespace = TokenNamespace.Exchange },
            s_context with { Index = 6 },
            s_context with { Index = 5L << 32 },
            extended,
            extended with { Extensions = Samples.Metadata[..^1] },
        ];
        HashSet<string> seen = [];
        foreach (TokenContext context in contexts)
        {
            using TokenSecrets secrets = TokenSecrets.Derive(s_seed, context);
            Assert.True(seen.Add(Convert.ToHexString(secrets.BlindingSeed)));
            Assert.True(seen.Add(Convert.ToHexString(secrets.Nonce)));
        }

        using TokenSecrets otherSeed = TokenSecrets.Derive(Samples.Filled(16, 1), s_context);
        Assert.True(seen.Add(Convert.ToHexString(otherSeed.BlindingSeed)));
        Assert.True(seen.Add(Convert.ToHexString(otherSeed.Nonce)));
    }

    [Fact]
    public void Context_out_of_its_rules_is_refused()
    {
        TokenContext[] wrong =
        [
            s_context with { IssuerName = "" },
            s_context with { IssuerName = "ä" },
            s_context with { IssuerName = new string('a', 256) },
            s_context with { TokenKeyId = new byte[31] },
            s_context with { ChallengeDigest = new byte[33] },
            s_context with { Extensions = Samples.Metadata },
            s_context with { Type = TokenType.PartiallyBlindRsa },
            s_context with { Type = (TokenType)1 },
            s_context with { Namespace = (TokenNamespace)4 },
            s_context with { Index = -1 },
        ];

        Assert.All(wrong, context => Assert.Throws<ArgumentException>(() => TokenSecrets.Derive(s_seed, context)));
        Assert.Throws<ArgumentException>(() => TokenSecrets.Derive(new byte[15], s_context));
    }

    [Fact]
    public void Secrets_are_wiped_on_dispose()
    {
        TokenSecrets secrets = TokenSecrets.CreateRandom();
        ReadOnlySpan<byte> seed = secrets.BlindingSeed;
        ReadOnlySpan<byte> nonce = secrets.Nonce;
        Assert.True(seed.ContainsAnyExcept((byte)0) && nonce.ContainsAnyExcept((byte)0));

        secrets.Dispose();

        Assert.False(seed.ContainsAnyExcept((byte)0) || nonce.ContainsAnyExcept((byte)0));
    }

    private static void AssertSecrets(TokenContext context, string blindingSeed, string nonce)
    {
        using TokenSecrets secrets = TokenSecrets.Derive(s_seed, context);

        Assert.Equal(blindingSeed, Convert.ToHexStringLower(secrets.BlindingSeed));
        Assert.Equal(nonce, Convert.ToHexStringLower(secrets.Nonce));
    }
}
