using System.Security.Cryptography;
using FsCheck.Fluent;
using Tacit.Crypto.Interop;
using Tacit.Crypto.Rsa;

namespace Tacit.Crypto.Tests;

public sealed class BlindingStateTests : IDisposable
{
    private static readonly BlindRsaVariant s_variant = BlindRsaVariant.DeterministicPss;

    private readonly BlindRsaPrivateKey _key = TestKeys.Rfc9578();
    private readonly byte[] _seed = RandomNumberGenerator.GetBytes(BlindRsaPublicKey.SeedSizeInBytes);

    [Fact]
    public void An_answer_is_finalized_once()
    {
        (BlindingState state, byte[] answer) = Asked([1]);
        byte[] signature = new byte[256];
        Assert.True(state.TryFinalize(answer, signature));
        Assert.True(state.IsWiped);
        Assert.Throws<InvalidOperationException>(() => state.TryFinalize(answer, signature));
    }

    [Fact]
    public void A_wrong_answer_uses_the_state_up_and_leaves_no_signature()
    {
        byte[] n = _key.PublicKey.Numbers.ExportModulus();
        (_, byte[] other) = Asked([2]);
        foreach (byte[] wrong in new[] { other, new byte[256], n, [], other[1..], [.. other, 0] })
        {
            (BlindingState state, byte[] answer) = Asked([1]);
            byte[] signature = RandomNumberGenerator.GetBytes(256);
            Assert.False(state.TryFinalize(wrong, signature));
            Assert.All(signature, value => Assert.Equal(0, value));
            Assert.True(state.IsWiped);
            Assert.Throws<InvalidOperationException>(() => state.TryFinalize(answer, signature));
        }
    }

    [Fact]
    public void Any_flipped_bit_of_the_answer_is_noticed() => Property.Holds(200, Gen.Choose(0, (8 * 256) - 1), bit =>
    {
        (BlindingState state, byte[] answer) = Asked([1]);
        Assert.False(state.TryFinalize(Property.FlipBit(answer, bit), new byte[256]));
    });

    [Fact]
    public void A_destination_of_the_wrong_size_leaves_the_state_usable()
    {
        (BlindingState state, byte[] answer) = Asked([1]);
        Assert.Throws<ArgumentOutOfRangeException>(() => state.TryFinalize(answer, new byte[255]));
        Assert.True(state.TryFinalize(answer, new byte[256]));
    }

    [Fact]
    public void Disposal_wipes_and_a_key_disposed_meanwhile_does_not_matter()
    {
        (BlindingState disposed, byte[] answer) = Asked([1]);
        disposed.Dispose();
        Assert.True(disposed.IsWiped);
        Assert.Throws<InvalidOperationException>(() => disposed.TryFinalize(answer, new byte[256]));

        (BlindingState kept, answer) = Asked([1]);
        _key.PublicKey.Dispose();
        Assert.True(kept.TryFinalize(answer, new byte[256]));
        Assert.Throws<ObjectDisposedException>(() => _key.PublicKey.Verify(s_variant, [1], new byte[256]));
    }

    [Fact]
    public void A_seed_makes_the_same_request_again_and_another_seed_another() => Property.Holds(
        50,
        from seed in Property.BytesOf(32)
        from bit in Gen.Choose(0, 255)
        select (seed, bit),
        run =>
        {
            Assert.Equal(Blinded(run.seed), Blinded(run.seed));
            Assert.NotEqual(Blinded(run.seed), Blinded(Property.FlipBit(run.seed, run.bit)));
        });

    [Fact]
    public void Fresh_blinding_differs_every_time() =>
        Assert.Equal(50, Enumerable.Range(0, 50).Select(_ =>
        {
            byte[] blinded = new byte[256];
            _key.PublicKey.Blind(s_variant, [1], blinded).Dispose();
            return Convert.ToHexString(blinded);
        }).Distinct().Count());

    [Fact]
    public void A_seeds_blinding_factor_is_the_first_candidate_below_n_and_none_is_reduced()
    {
        // n begins 0xcb, so about every fifth candidate is too large.
        byte[] n = _key.PublicKey.Numbers.ExportModulus();
        byte[] salt = new byte[48];
        byte[] candidate = new byte[256];
        int rejected = 0;
        for (int i = 0; i < 100; i++)
        {
            byte[] seed = SHA256.HashData(BitConverter.GetBytes(i));
            SeededBlinding.DeriveSalt(seed, salt);
            int index = 0;
            SeededBlinding.DeriveFactor(seed, index, candidate);
            while (candidate.AsSpan().SequenceCompareTo(n) >= 0)
            {
                rejected++;
                Assert.Null(_key.PublicKey.TryBlind([1], salt, candidate, new byte[256]));
                SeededBlinding.DeriveFactor(seed, ++index, candidate);
            }

            byte[] expected = new byte[256];
            _key.PublicKey.TryBlind([1], salt, candidate, expected)!.Dispose();
            Assert.Equal(expected, Blinded(seed));
        }

        Assert.InRange(rejected, 5, 60);
    }

    [Fact]
    public void Factors_that_are_zero_too_large_or_share_a_prime_with_n_are_refused()
    {
        byte[] p = new byte[256];
        _key.Key.Modulus.P.Write(p);
        foreach (byte[] factor in new[] { new byte[256], _key.PublicKey.Numbers.ExportModulus(), p })
        {
            byte[] blinded = new byte[256];
            Assert.Null(_key.PublicKey.TryBlind([1], new byte[48], factor, blinded));
            Assert.All(blinded, value => Assert.Equal(0, value));
        }
    }

    [Fact]
    public void Seeded_requests_do_not_change_between_versions()
    {
        // A wallet restores by making its old requests again; a difference loses its users' tokens. The value comes from a separate
        // computation in Python, with HKDF, EMSA-PSS and the exponentiation written out.
        byte[] blinded = Blinded(SHA256.HashData("seed"u8));
        Assert.Equal(SeededRequestHash, Convert.ToHexStringLower(SHA256.HashData(blinded)));
    }

    private const string SeededRequestHash = "91fa57c8362c44510f1b9c998746d9a4cf25d528ac5805fccc08841594da7eac";

    private byte[] Blinded(byte[] seed)
    {
        byte[] blinded = new byte[256];
        _key.PublicKey.Blind(s_variant, [1], seed, blinded).Dispose();
        return blinded;
    }

    private (BlindingState State, byte[] Answer) Asked(byte[] message)
    {
        byte[] blinded = new byte[256];
        byte[] answer = new byte[256];
        BlindingState state = _key.PublicKey.Blind(s_variant, message, _seed, blinded);
        Assert.Equal(BlindSignStatus.Success, _key.BlindSign(blinded, answer));
        return (state, answer);
    }

    public void Dispose() => _key.Dispose();
}
