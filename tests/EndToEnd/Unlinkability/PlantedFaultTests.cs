using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using Tacit.Client;
using Tacit.Client.Tests.Support;
using Tacit.Protocol;

namespace Tacit.EndToEnd.Unlinkability;

/// <summary>Each fault that a wallet could have is planted, and must be found; without one, nothing is.</summary>
public sealed class PlantedFaultTests
{
    private const int Tokens = 600;

    /// <summary>Among so many, two of 2^32 values are the same in all but one of 10^8 runs.</summary>
    private const int Draws = 400_000;

    [Fact]
    public void Wallet_without_a_fault_passes()
    {
        using var wallet = new FaultyWallet();
        using Transcript transcript = wallet.Run(Tokens, () => RandomNumberGenerator.GetBytes(32));
        Assert.Empty(Findings(transcript));
    }

    [Fact]
    public void Constant_blinding_factor_is_found()
    {
        using var wallet = new FaultyWallet();
        byte[] seed = RandomNumberGenerator.GetBytes(32);
        using Transcript transcript = wallet.Run(Tokens, () => seed);
        Assert.Contains(Findings(transcript), finding => finding.Contains("were used before", StringComparison.Ordinal));
    }

    [Fact]
    public void Blinding_factor_that_repeats_once_is_found()
    {
        using var wallet = new FaultyWallet();
        byte[] seed = RandomNumberGenerator.GetBytes(32);
        int made = 0;
        using Transcript transcript = wallet.Run(Tokens, () => made++ is 17 or 401 ? seed : RandomNumberGenerator.GetBytes(32));
        Assert.Contains("1 blinding factors were used before", Findings(transcript));
    }

    /// <summary>A number of 32 bits where one of 2048 should be, as it is, or stretched by the generators that languages come with.</summary>
    [Theory]
    [InlineData("bare")]
    [InlineData("repeated")]
    [InlineData("congruential")]
    [InlineData("xorshift")]
    public void Blinding_factor_from_a_32_bit_generator_is_found(string generator)
    {
        using var wallet = new FaultyWallet();
        using Transcript transcript = wallet.RunWithFactors(Tokens, () => Stretch(generator, BinaryPrimitives.ReadUInt32LittleEndian(RandomNumberGenerator.GetBytes(4))));
        Assert.NotEmpty(Findings(transcript));
    }

    /// <summary>One generator that runs on for all tokens, as a process has.</summary>
    [Fact]
    public void Blinding_factors_from_one_running_generator_are_found()
    {
        using var wallet = new FaultyWallet();
        uint state = 2463534242;
        using Transcript transcript = wallet.RunWithFactors(Tokens, () => Words(() => state = Xorshift(state)));
        Assert.NotEmpty(Findings(transcript));
    }

    /// <summary>Behind a key derivation 2^32 seeds look even. They repeat, though: so what the product draws its seeds from is watched at length.</summary>
    [Fact]
    public void Blinding_seeds_of_32_bits_are_found_and_the_products_have_more()
    {
        Assert.NotEqual(0, Repeats(_ =>
        {
            byte[] seed = new byte[32];
            RandomNumberGenerator.Fill(seed.AsSpan(0, 4));
            return HKDF.DeriveKey(HashAlgorithmName.SHA256, seed, 32);
        }));

        using WalletSeed one = WalletSeed.Create();
        Assert.Equal(0, Repeats(i => Derive(one, i)));
        Assert.Equal(0, Repeats(_ =>
        {
            using WalletSeed fresh = WalletSeed.Create();
            return fresh.Bytes.ToArray();
        }));
        Assert.Equal(0, Repeats(_ => TokenBlinder.FreshRandomness()[..32]));
        Assert.Equal(0, Repeats(_ =>
        {
            using TokenSecrets secrets = TokenSecrets.CreateRandom();
            return secrets.BlindingSeed.ToArray();
        }));
    }

    [Fact]
    public void Blinding_factor_made_of_the_nonce_is_found()
    {
        using var wallet = new FaultyWallet();
        using Transcript transcript = wallet.Run(Tokens, () => RandomNumberGenerator.GetBytes(32));

        // What the gateway would see of such a token: its nonce is in the factor.
        TruePair first = transcript.Pairs[0];
        byte[] factor = transcript.Keys[first.Issuance.Crowd].Factor(first.Issuance.BlindSignature, first.Redemption.Token.Authenticator);
        Token leaky = Token.Create([.. first.Redemption.Token.TokenInput[..2], .. factor[100..132], .. first.Redemption.Token.TokenInput[34..]], first.Redemption.Token.Authenticator);
        transcript.Pairs[0] = first with { Redemption = first.Redemption with { Token = leaky } };
        Assert.Contains("nonce raw is in a blinding factor", Findings(transcript));
    }

    [Theory]
    [InlineData("first bought, first spent")]
    [InlineData("last bought, first spent")]
    [InlineData("batch by batch")]
    [InlineData("mostly in order")]
    public void Wallet_that_spends_in_an_order_is_found(string order)
    {
        using var wallet = new FaultyWallet();
        using Transcript transcript = wallet.Run(Tokens, () => RandomNumberGenerator.GetBytes(32), places =>
        {
            switch (order)
            {
                case "last bought, first spent":
                    Array.Reverse(places);
                    break;
                case "batch by batch":
                    for (int batch = 0; batch < places.Length / 50; batch++)
                    {
                        RandomNumberGenerator.Shuffle(places.AsSpan(batch * 50, 50));
                    }

                    break;
                case "mostly in order":
                    for (int i = 0; i < 150; i++)
                    {
                        int a = RandomNumberGenerator.GetInt32(places.Length);
                        int b = RandomNumberGenerator.GetInt32(places.Length);
                        (places[a], places[b]) = (places[b], places[a]);
                    }

                    break;
                default:
                    break;
            }

            return places;
        });
        Assert.Contains(Findings(transcript), finding => finding.Contains("order goes with order", StringComparison.Ordinal));
    }

    /// <summary>Something of the nonce in a header that makes a request repeatable: the obvious key for it, and the end of all blinding.</summary>
    [Theory]
    [InlineData("nonce in hexadecimal")]
    [InlineData("SHA-256 of the nonce in base64url")]
    [InlineData("half of the SHA-384 of the nonce in hexadecimal")]
    [InlineData("spend id in base64")]
    public void Nonce_in_an_idempotency_key_is_found(string form)
    {
        using var wallet = new FaultyWallet();
        using Transcript transcript = wallet.Run(100, () => RandomNumberGenerator.GetBytes(32));
        List<Passing> wire = [.. transcript.Pairs.Select((pair, i) => Request(pair, i, null))];
        Assert.Empty(Findings(transcript, wire));

        TruePair one = transcript.Pairs[50];
        ReadOnlySpan<byte> nonce = one.Redemption.Token.Nonce;
        string key = form switch
        {
            "nonce in hexadecimal" => Convert.ToHexStringLower(nonce),
            "SHA-256 of the nonce in base64url" => Base64Url.EncodeToString(SHA256.HashData(nonce)),
            "half of the SHA-384 of the nonce in hexadecimal" => Convert.ToHexString(SHA384.HashData(nonce), 0, 24),
            _ => Convert.ToBase64String(one.Redemption.SpendId),
        };
        wire[50] = Request(one, 50, key);
        List<string> findings = Findings(transcript, wire);
        Assert.Contains(findings, finding => finding.Contains("is in issuer's wire", StringComparison.Ordinal));
        Assert.Contains(findings, finding => finding.Contains("different values of Idempotency-Key", StringComparison.Ordinal));
    }

    [Fact]
    public void Blinded_element_in_a_log_or_at_the_gateway_is_found()
    {
        using var wallet = new FaultyWallet();
        using Transcript transcript = wallet.Run(100, () => RandomNumberGenerator.GetBytes(32));
        byte[] line = System.Text.Encoding.ASCII.GetBytes("debug: signing " + Convert.ToBase64String(transcript.Pairs[3].Issuance.Blinded));
        Assert.NotEmpty(Judge.Run(transcript, new Holdings { Logs = [new Evidence("the logs", line)] }, new SecretChecks()));
        Assert.NotEmpty(Judge.Run(transcript, new Holdings { GatewayDisk = [new Evidence("gateway.db", line)] }, new SecretChecks()));
    }

    private static List<string> Findings(Transcript transcript, IReadOnlyList<Passing>? issuerWire = null) =>
        Judge.Run(transcript, new Holdings { IssuerWire = issuerWire ?? [] }, new SecretChecks());

    private static Passing Request(TruePair pair, int connection, string? idempotencyKey)
    {
        var headers = new Dictionary<string, string> { ["Authorization"] = "Bearer " + connection, ["Content-Type"] = MediaTypes.TokenRequest };
        if (idempotencyKey is not null)
        {
            headers["Idempotency-Key"] = idempotencyKey;
        }

        return new Passing("POST", Routes.TokenRequest, headers, pair.Issuance.Blinded, $"connection-{connection}")
        {
            Answer = new Answer(200, new Dictionary<string, string> { ["Content-Type"] = MediaTypes.TokenResponse }, pair.Issuance.BlindSignature),
        };
    }

    private static byte[] Derive(WalletSeed seed, int index)
    {
        byte[] blindingSeed = new byte[32];
        WalletDerivation.Derive(
            seed.Bytes,
            new TokenContext { IssuerName = "issuer.test", Type = TokenType.BlindRsa, TokenKeyId = new byte[32], ChallengeDigest = new byte[32], Namespace = TokenNamespace.AccountIssued, Index = index },
            blindingSeed, new byte[32]);
        return blindingSeed;
    }

    private static int Repeats(Func<int, byte[]> draw) =>
        Draws - ParallelEnumerable.Range(0, Draws).Select(i => BinaryPrimitives.ReadUInt128BigEndian(draw(i))).Distinct().Count();

    private static byte[] Stretch(string generator, uint state)
    {
        state = Math.Max(state, 1);
        switch (generator)
        {
            case "bare":
                byte[] bare = new byte[KeyArithmetic.Size];
                BinaryPrimitives.WriteUInt32BigEndian(bare.AsSpan(KeyArithmetic.Size - 4), state);
                return bare;
            case "repeated":
                return Words(() => state);
            case "congruential":
                return Words(() => state = unchecked((state * 1664525) + 1013904223));
            default:
                return Words(() => state = Xorshift(state));
        }
    }

    private static uint Xorshift(uint state)
    {
        state ^= state << 13;
        state ^= state >> 17;
        return state ^ (state << 5);
    }

    private static byte[] Words(Func<uint> next)
    {
        byte[] factor = new byte[KeyArithmetic.Size];
        for (int i = 0; i < factor.Length; i += 4)
        {
            BinaryPrimitives.WriteUInt32BigEndian(factor.AsSpan(i), next());
        }

        return factor;
    }
}
