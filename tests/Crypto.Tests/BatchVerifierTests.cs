using System.Security.Cryptography;
using System.Text.Json;
using FsCheck.Fluent;
using Tacit.Crypto.Interop;
using Tacit.Crypto.Rsa;

namespace Tacit.Crypto.Tests;

public sealed class BatchVerifierTests : IDisposable
{
    private static readonly BlindRsaVariant s_variant = BlindRsaVariant.DeterministicPss;

    private readonly PartiallyBlindRsaPrivateKey _safe = TestKeys.SafePrimeKey();
    private readonly BlindRsaPrivateKey _key;
    private readonly SaltedSignature[] _good;

    public BatchVerifierTests()
    {
        _key = _safe.DeriveKey("plan"u8);
        _good = [.. Enumerable.Range(0, BlindRsaBatchVerifier.MaxCount).Select(i => Sign([(byte)i]))];
    }

    public static TheoryData<string, BatchVerdict> Oddities => new()
    {
        { "flipped bit of the signature", BatchVerdict.Invalid },
        { "flipped bit of the message", BatchVerdict.Invalid },
        { "flipped bit of the salt", BatchVerdict.ValidWithOtherSalt },
        { "no salt", BatchVerdict.ValidWithOtherSalt },
        { "salt too long", BatchVerdict.ValidWithOtherSalt },
        { "negated", BatchVerdict.Valid },
        { "zero", BatchVerdict.Invalid },
        { "one", BatchVerdict.Invalid },
        { "n - 1", BatchVerdict.Invalid },
        { "n", BatchVerdict.Invalid },
        { "n + s", BatchVerdict.Invalid },
        { "all ones", BatchVerdict.Invalid },
        { "multiple of a prime", BatchVerdict.Invalid },
        { "too short", BatchVerdict.Invalid },
        { "too long", BatchVerdict.Invalid },
        { "empty", BatchVerdict.Invalid },
        { "of another message", BatchVerdict.Invalid },
        { "encoded message", BatchVerdict.Invalid },
    };

    [Fact]
    public void Published_signatures_pass_with_their_salts_and_fail_tampered()
    {
        IReadOnlyList<JsonElement> vectors = Vectors.Read("partially-blind-rsa/draft_irtf_cfrg_partially_blind_rsa.json");
        foreach (JsonElement vector in vectors)
        {
            using BlindRsaPublicKey key = _safe.PublicKey.DeriveKey(vector.Bytes("info"));
            SaltedSignature published = new(vector.Bytes("msg"), vector.Bytes("sig"), vector.Bytes("salt"));
            Assert.Equal([BatchVerdict.Valid, BatchVerdict.Valid, BatchVerdict.Valid], Check(new(key, s_variant), published, published, published));

            SaltedSignature tampered = published with { Signature = Property.FlipBit(vector.Bytes("sig"), 1000) };
            SaltedSignature otherSalt = published with { Salt = Property.FlipBit(vector.Bytes("salt"), 7) };
            Assert.Equal(
                [BatchVerdict.Valid, BatchVerdict.Invalid, BatchVerdict.ValidWithOtherSalt, BatchVerdict.Valid],
                Check(new(key, s_variant), published, tampered, otherSalt, published));
        }
    }

    [Fact]
    public void Published_token_passes_with_its_salt()
    {
        JsonElement vector = Assert.Single(Vectors.Read("privacypass/da7a_partially_blind_rsa.json"));
        using PartiallyBlindRsaPublicKey family = PartiallyBlindRsaPublicKey.ImportSubjectPublicKeyInfo(vector.Bytes("pkS"));
        using BlindRsaPublicKey key = family.DeriveKey(vector.Bytes("extensions"));
        byte[] token = vector.Bytes("token");
        SaltedSignature published = new(token.AsMemory(0, 98), token.AsMemory(98), vector.Bytes("salt"));
        Assert.Equal([BatchVerdict.Valid, BatchVerdict.Valid], Check(new(key, s_variant), published, published));
    }

    [Theory]
    [MemberData(nameof(Oddities))]
    public void An_odd_one_among_32_is_found_wherever_it_stands_and_alone(string oddity, BatchVerdict expected)
    {
        foreach (int place in new[] { 0, 1, 15, 16, 30, 31 })
        {
            SaltedSignature[] batch = [.. _good];
            batch[place] = Make(oddity, _good[place]);
            BatchVerdict[] verdicts = Check(NewVerifier(), batch);
            Assert.All(verdicts.Index(), verdict => Assert.Equal(verdict.Index == place ? expected : BatchVerdict.Valid, verdict.Item));
        }

        SaltedSignature odd = Make(oddity, _good[3]);
        Assert.Equal([expected], Check(NewVerifier(), odd));
        Assert.Equal(expected != BatchVerdict.Invalid, _key.PublicKey.VerifyUpToSign(s_variant, odd.PreparedMessage.Span, odd.Signature.Span));
    }

    [Fact]
    public void Errors_that_cancel_in_a_plain_product_are_found()
    {
        // s₁·x and s₂/x have the product of s₁ and s₂; so have two signatures each in the other's place, and two flipped signs.
        byte[] x = RandomNumberGenerator.GetBytes(256);
        x[0] = 0;
        SaltedSignature[] batch = [.. _good];
        batch[3] = batch[3] with { Signature = Multiply(_good[3].Signature, x) };
        batch[20] = batch[20] with { Signature = Multiply(_good[20].Signature, Inverse(x)) };
        Assert.Equal([3, 20], Places(Check(NewVerifier(), batch), BatchVerdict.Invalid));

        batch = [.. _good];
        batch[0] = batch[0] with { Signature = _good[1].Signature };
        batch[1] = batch[1] with { Signature = _good[0].Signature };
        Assert.Equal([0, 1], Places(Check(NewVerifier(), batch), BatchVerdict.Invalid));

        batch = [.. _good];
        batch[5] = batch[5] with { Signature = Negate(_good[5].Signature) };
        batch[6] = batch[6] with { Signature = Negate(_good[6].Signature) };
        Assert.Empty(Places(Check(NewVerifier(), batch), BatchVerdict.Invalid));
    }

    [Fact]
    public void Nothing_but_false_ones_is_all_found_and_ends_batches_until_good_ones_come()
    {
        BlindRsaBatchVerifier verifier = NewVerifier();
        Assert.Equal(BlindRsaBatchVerifier.MaxCount, verifier.PreferredCount);
        SaltedSignature[] junk = [.. _good.Select((good, i) => Make("flipped bit of the message", good))];
        Assert.All(Check(verifier, junk), verdict => Assert.Equal(BatchVerdict.Invalid, verdict));
        Assert.Equal(1, verifier.PreferredCount);

        int batches = 0;
        int preferred = 1;
        while (preferred < BlindRsaBatchVerifier.MaxCount)
        {
            Assert.All(Check(verifier, _good), verdict => Assert.Equal(BatchVerdict.Valid, verdict));
            Assert.InRange(++batches, 1, 20);
            Assert.InRange(verifier.PreferredCount, preferred, BlindRsaBatchVerifier.MaxCount);
            preferred = verifier.PreferredCount;
        }
    }

    [Fact]
    public void Other_salts_count_as_false_ones_for_the_size_of_batches_only()
    {
        BlindRsaBatchVerifier verifier = NewVerifier();
        SaltedSignature[] batch = [.. _good.Select(good => Make("flipped bit of the salt", good))];
        Assert.All(Check(verifier, batch), verdict => Assert.Equal(BatchVerdict.ValidWithOtherSalt, verdict));
        Assert.Equal(1, verifier.PreferredCount);
    }

    [Fact]
    public void A_few_false_ones_make_batches_smaller_and_do_not_end_them()
    {
        BlindRsaBatchVerifier verifier = NewVerifier();
        for (int i = 0; i < 3; i++)
        {
            SaltedSignature[] batch = [.. _good];
            batch[i * 7] = Make("flipped bit of the signature", batch[i * 7]);
            Check(verifier, batch);
        }

        Assert.InRange(verifier.PreferredCount, 4, BlindRsaBatchVerifier.MaxCount);
    }

    [Fact]
    public void Any_mixture_has_the_verdicts_that_each_has_alone()
    {
        string[] oddities = [.. Oddities.Select(row => row.Data.Item1)];
        var mixtures = Gen.Choose(0, BlindRsaBatchVerifier.MaxCount).SelectMany(count => Gen.Choose(1, 12).SelectMany(odds =>
            Gen.ArrayOf(Gen.Choose(0, odds * oddities.Length), count)));
        Property.Holds(12, mixtures, mixture =>
        {
            SaltedSignature[] batch = [.. mixture.Select((pick, i) => pick < oddities.Length ? Make(oddities[pick], _good[i]) : _good[i])];
            BatchVerdict[] verdicts = Check(NewVerifier(), batch);
            for (int i = 0; i < batch.Length; i++)
            {
                Assert.Equal(Check(NewVerifier(), batch[i])[0], verdicts[i]);
            }
        });
    }

    [Fact]
    public async Task Threads_may_share_a_verifier()
    {
        BlindRsaBatchVerifier verifier = NewVerifier();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(thread => Task.Run(() =>
        {
            SaltedSignature[] batch = [.. _good];
            batch[thread] = Make("flipped bit of the signature", batch[thread]);
            for (int i = 0; i < 3; i++)
            {
                Assert.Equal([thread], Places(Check(verifier, batch), BatchVerdict.Invalid));
            }
        })));
    }

    /// <summary>What even exponents cannot see, and why that is no loss: whoever can make such a root knows the primes, and signs what they like.</summary>
    [Fact]
    public void A_root_of_one_other_than_minus_one_gives_a_prime_away()
    {
        using ThreadScratch scratch = new();
        CrtModulus modulus = TestKeys.Modulus(TestKeys.SafeP, TestKeys.SafeQ);
        byte[] q = TestKeys.Hex(TestKeys.SafeQ);
        byte[] p = TestKeys.Hex(TestKeys.SafeP);

        // 1 modulo p and −1 modulo q: 1 − 2p(p⁻¹ mod q).
        scratch.A.Read(p);
        scratch.B.Read(q);
        Assert.True(scratch.C.TryInvert(scratch.A, scratch.B, scratch.Context));
        LibCrypto.Check(LibCrypto.BN_mul(scratch.C, scratch.C, scratch.A, scratch.Context));
        LibCrypto.Check(LibCrypto.BN_mod_add_quick(scratch.C, scratch.C, scratch.C, modulus.N));
        LibCrypto.Check(LibCrypto.BN_sub(scratch.C, modulus.N, scratch.C));
        LibCrypto.Check(LibCrypto.BN_add_word(scratch.C, 1));
        byte[] root = new byte[256];
        scratch.C.Write(root);

        SaltedSignature odd = _good[0] with { Signature = Multiply(_good[0].Signature, root) };
        Assert.False(_key.PublicKey.VerifyUpToSign(s_variant, odd.PreparedMessage.Span, odd.Signature.Span));
        Assert.Equal([BatchVerdict.Valid, BatchVerdict.Valid], Check(NewVerifier(), odd, _good[1]));

        scratch.A.Read(root);
        LibCrypto.Check(LibCrypto.BN_sub_word(scratch.A, 1));
        LibCrypto.Check(LibCrypto.BN_gcd(scratch.B, scratch.A, modulus.N, scratch.Context));
        byte[] factor = new byte[128];
        scratch.B.Write(factor);
        Assert.Equal(p, factor);
    }

    [Fact]
    public void Exponents_are_uniform_and_fresh()
    {
        const int count = 20;
        Dictionary<int, int> ones = [];
        HashSet<ulong> seen = [];
        for (int draw = 0; draw < 100; draw++)
        {
            byte[] digits = new byte[64 * count];
            Array.Fill(digits, (byte)0xff);
            RandomProduct.DrawDigits(digits, count);
            for (int i = 0; i < count; i++)
            {
                UInt128 value = 0;
                for (int bit = 0; bit < 64; bit++)
                {
                    int digit = digits[(bit * count) + i];
                    Assert.True(digit is 0 or 1 or 3 or 5 or 7);
                    value += (UInt128)digit << bit;
                }

                Assert.True(value <= ulong.MaxValue);
                Assert.True(seen.Add((ulong)value));
                for (int bit = 0; bit < 64; bit++)
                {
                    ones[bit] = ones.GetValueOrDefault(bit) + (int)(value >> bit & 1);
                }
            }
        }

        // 2,000 draws: 1,000 ± 22.
        Assert.All(ones.Values, count => Assert.InRange(count, 850, 1150));
    }

    [Fact]
    public void Misuse_throws()
    {
        using BlindRsaPrivateKey plain = TestKeys.Rfc9578();
        Assert.Throws<ArgumentException>(() => new BlindRsaBatchVerifier(plain.PublicKey, s_variant));
        Assert.Throws<ArgumentOutOfRangeException>(() => NewVerifier().Verify([.. _good, _good[0]], new BatchVerdict[33]));
        Assert.Throws<ArgumentOutOfRangeException>(() => NewVerifier().Verify(_good, new BatchVerdict[31]));
        Assert.DoesNotContain("1", _good[0].ToString(), StringComparison.Ordinal);
    }

    public void Dispose()
    {
        _key.Dispose();
        _safe.Dispose();
    }

    private static BatchVerdict[] Check(BlindRsaBatchVerifier verifier, params SaltedSignature[] signatures)
    {
        BatchVerdict[] verdicts = new BatchVerdict[signatures.Length];
        verifier.Verify(signatures, verdicts);
        return verdicts;
    }

    private static IEnumerable<int> Places(BatchVerdict[] verdicts, BatchVerdict wanted) =>
        verdicts.Index().Where(verdict => verdict.Item == wanted).Select(verdict => verdict.Index);

    private BlindRsaBatchVerifier NewVerifier() => new(_key.PublicKey, s_variant);

    private SaltedSignature Sign(byte[] message)
    {
        byte[] seed = RandomNumberGenerator.GetBytes(BlindRsaPublicKey.SeedSizeInBytes);
        byte[] salt = new byte[48];
        BlindRsaPublicKey.DeriveSalt(seed, salt);
        byte[] blinded = new byte[256];
        byte[] blindSignature = new byte[256];
        byte[] signature = new byte[256];
        using BlindingState state = _key.PublicKey.Blind(s_variant, message, seed, blinded);
        Assert.Equal(BlindSignStatus.Success, _key.BlindSign(blinded, blindSignature));
        Assert.True(state.TryFinalize(blindSignature, signature));
        return new(message, signature, salt);
    }

    private SaltedSignature Make(string oddity, SaltedSignature good)
    {
        byte[] modulus = _key.PublicKey.Numbers.ExportModulus();
        byte[] minusOne = [.. modulus];
        minusOne[^1]--;
        return oddity switch
        {
            "flipped bit of the message" => good with { PreparedMessage = Property.FlipBit(good.PreparedMessage.ToArray(), 3) },
            "flipped bit of the salt" => good with { Salt = Property.FlipBit(good.Salt.ToArray(), 100) },
            "no salt" => good with { Salt = default },
            "salt too long" => good with { Salt = new byte[49] },
            _ => good with
            {
                Signature = oddity switch
                {
                    "flipped bit of the signature" => Property.FlipBit(good.Signature.ToArray(), 2000),
                    "negated" => Negate(good.Signature),
                    "zero" => new byte[256].AsMemory(),
                    "one" => (byte[])[.. new byte[255], 1],
                    "n - 1" => minusOne,
                    "n" => modulus,
                    "n + s" => Add(modulus, good.Signature),
                    "all ones" => Enumerable.Repeat((byte)0xff, 256).ToArray(),
                    "multiple of a prime" => Multiply(good.Signature, [.. new byte[128], .. TestKeys.Hex(TestKeys.SafeP)]),
                    "too short" => good.Signature[1..],
                    "too long" => (byte[])[0, .. good.Signature.Span],
                    "empty" => ReadOnlyMemory<byte>.Empty,
                    "of another message" => Sign([200]).Signature,
                    _ => Encoded(good),
                },
            },
        };
    }

    private byte[] Encoded(SaltedSignature good)
    {
        byte[] encoded = new byte[256];
        _key.PublicKey.Encode(good.PreparedMessage.Span, good.Salt.Span, encoded);
        return encoded;
    }

    /// <summary>Mostly a byte too long for a signature.</summary>
    private static byte[] Add(byte[] modulus, ReadOnlyMemory<byte> signature)
    {
        using ThreadScratch scratch = new();
        scratch.A.Read(modulus);
        scratch.B.Read(signature.Span);
        LibCrypto.Check(LibCrypto.BN_add(scratch.C, scratch.A, scratch.B));
        byte[] sum = new byte[(scratch.C.Bits() + 7) / 8];
        scratch.C.Write(sum);
        return sum;
    }

    private byte[] Negate(ReadOnlyMemory<byte> signature)
    {
        using ThreadScratch scratch = new();
        scratch.A.Read(signature.Span);
        LibCrypto.Check(LibCrypto.BN_sub(scratch.A, _key.PublicKey.Numbers.N, scratch.A));
        byte[] negated = new byte[256];
        scratch.A.Write(negated);
        return negated;
    }

    private byte[] Multiply(ReadOnlyMemory<byte> a, byte[] b)
    {
        using ThreadScratch scratch = new();
        scratch.A.Read(a.Span);
        scratch.B.Read(b);
        LibCrypto.Check(LibCrypto.BN_to_montgomery(scratch.A, scratch.A, _key.PublicKey.Numbers.MontgomeryN, scratch.Context));
        LibCrypto.Check(LibCrypto.BN_mod_mul_montgomery(scratch.C, scratch.A, scratch.B, _key.PublicKey.Numbers.MontgomeryN, scratch.Context));
        byte[] product = new byte[256];
        scratch.C.Write(product);
        return product;
    }

    private byte[] Inverse(byte[] x)
    {
        using ThreadScratch scratch = new();
        scratch.A.Read(x);
        Assert.True(scratch.B.TryInvert(scratch.A, _key.PublicKey.Numbers.N, scratch.Context));
        byte[] inverse = new byte[256];
        scratch.B.Write(inverse);
        return inverse;
    }
}
