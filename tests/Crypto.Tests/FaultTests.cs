using System.Security.Cryptography;
using Tacit.Crypto.Interop;
using Tacit.Crypto.Rsa;

namespace Tacit.Crypto.Tests;

/// <summary>A fault in one CRT half gives the key away if the result leaves: gcd(s^e − m, n). None may.</summary>
public sealed class FaultTests : IDisposable
{
    private readonly BlindRsaPrivateKey _plain = TestKeys.Rfc9578();
    private readonly PartiallyBlindRsaPrivateKey _safe = TestKeys.SafePrimeKey();
    private readonly BlindRsaPrivateKey _derived;

    public FaultTests() => _derived = _safe.DeriveKey("plan"u8);

    public static TheoryData<string, bool> Faults
    {
        get
        {
            TheoryData<string, bool> data = [];
            foreach (string fault in new[] { "flip sign of p", "flip sign of q", "flip both signs", "flip a bit", "clear p", "increment q", "swap" })
            {
                data.Add(fault, false);
                data.Add(fault, true);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Faults))]
    public void A_passing_fault_is_repaired_before_anything_leaves(string fault, bool partiallyBlind)
    {
        BlindRsaPrivateKey key = partiallyBlind ? _derived : _plain;
        byte[] blinded = Blinded(key, 1);
        byte[] expected = new byte[256];
        byte[] signature = new byte[256];
        key.BlindSign(blinded, expected);
        int calls = 0;
        key.Key.HalvesComputed = (p, q) =>
        {
            if (calls++ == 0)
            {
                Break(fault, key, p, q);
            }
        };
        Assert.Equal(BlindSignStatus.Success, key.BlindSign(blinded, signature));
        Assert.Equal(expected, signature);
        Assert.Equal(2, calls);
    }

    [Theory]
    [MemberData(nameof(Faults))]
    public void A_lasting_fault_is_reported_and_nothing_leaves(string fault, bool partiallyBlind)
    {
        BlindRsaPrivateKey key = partiallyBlind ? _derived : _plain;
        byte[] blinded = Blinded(key, 1);
        byte[] signature = RandomNumberGenerator.GetBytes(256);
        key.Key.HalvesComputed = (p, q) => Break(fault, key, p, q);
        Assert.Equal(BlindSignStatus.FaultDetected, key.BlindSign(blinded, signature));
        Assert.All(signature, value => Assert.Equal(0, value));

        ReadOnlyMemory<byte>[] batch = Batch(key, 33);
        byte[] signatures = RandomNumberGenerator.GetBytes(33 * 256);
        Assert.Equal(BlindSignStatus.FaultDetected, key.BlindSignBatch(batch, signatures, out int failed));
        Assert.Equal(0, failed);
        Assert.All(signatures, value => Assert.Equal(0, value));
    }

    [Theory]
    [MemberData(nameof(Faults))]
    public void One_fault_in_a_batch_has_all_redone_and_checked_singly(string fault, bool partiallyBlind)
    {
        BlindRsaPrivateKey key = partiallyBlind ? _derived : _plain;
        ReadOnlyMemory<byte>[] batch = Batch(key, 20);
        byte[] expected = new byte[20 * 256];
        byte[] signatures = new byte[20 * 256];
        Assert.Equal(BlindSignStatus.Success, key.BlindSignBatch(batch, expected, out _));
        int calls = 0;
        key.Key.HalvesComputed = (p, q) =>
        {
            if (calls++ == 11)
            {
                Break(fault, key, p, q);
            }
        };
        Assert.Equal(BlindSignStatus.Success, key.BlindSignBatch(batch, signatures, out int failed));
        Assert.Equal(-1, failed);
        Assert.Equal(expected, signatures);
        Assert.Equal(partiallyBlind ? 40 : 21, calls);

        // Where faults happen the product is not relied on again.
        Assert.Equal(partiallyBlind, key.Key.DistrustsProducts);
    }

    [Fact]
    public void Exponents_are_odd_in_the_first_round_and_of_either_parity_in_the_others()
    {
        byte[] exponents = new byte[500 * ProductCheck.Rounds];
        ProductCheck.DrawExponents(exponents);
        for (int round = 0; round < ProductCheck.Rounds; round++)
        {
            int odd = Enumerable.Range(0, 500).Count(i => (exponents[(i * ProductCheck.Rounds) + round] & 1) == 1);
            Assert.InRange(odd, round == 0 ? 500 : 150, round == 0 ? 500 : 350);
            Assert.InRange(Enumerable.Range(0, 500).Select(i => exponents[(i * ProductCheck.Rounds) + round]).Distinct().Count(), 90, 256);
        }
    }

    [Fact]
    public void A_product_never_hides_a_single_sign_flip_nor_an_odd_number_of_them()
    {
        (ReadOnlyMemory<byte>[] batch, byte[] signatures) = Signed(33);
        Assert.True(Check(batch, signatures));
        for (int round = 0; round < (Property.IsSoak ? 5000 : 50); round++)
        {
            byte[] one = [.. signatures];
            FlipHalf(one.AsSpan((round % 33) * 256, 256));
            Assert.False(Check(batch, one));

            for (int i = 1; i <= 2; i++)
            {
                FlipHalf(one.AsSpan(((round + i) % 33) * 256, 256));
            }

            Assert.False(Check(batch, one));
        }
    }

    [Fact]
    public void A_product_hides_two_equal_sign_flips_once_in_128_not_always()
    {
        // With odd exponents in every round it would always: (−1)^(odd + odd) = 1.
        (ReadOnlyMemory<byte>[] batch, byte[] signatures) = Signed(16);
        FlipHalf(signatures.AsSpan(0, 256));
        FlipHalf(signatures.AsSpan(256, 256));
        int rounds = Property.IsSoak ? 12_800 : 128;
        int hidden = Enumerable.Range(0, rounds).Count(_ => Check(batch, signatures));
        Assert.InRange(hidden, 0, (rounds / 128) + 12 + (Property.IsSoak ? 60 : 0));
    }

    [Fact]
    public void A_product_notices_any_ordinary_fault_whole_or_in_one_half()
    {
        (ReadOnlyMemory<byte>[] batch, byte[] signatures) = Signed(40);
        for (int round = 0; round < (Property.IsSoak ? 5000 : 100); round++)
        {
            byte[] wrong = Property.FlipBit(signatures, RandomNumberGenerator.GetInt32(signatures.Length * 8));
            Assert.False(Check(batch, wrong));
        }

        // Two signatures swapped have the right plain product; exponents tell them apart.
        byte[] swapped = [.. signatures[256..512], .. signatures[..256], .. signatures[512..]];
        Assert.False(Check(batch, swapped));
        Assert.False(Check(batch, new byte[signatures.Length]));
    }

    private bool Check(ReadOnlyMemory<byte>[] batch, byte[] signatures)
    {
        using ProductCheck check = new(_derived.Key.Modulus, _derived.Key.E);
        return check.Holds(batch, signatures, ThreadScratch.Current);
    }

    private (ReadOnlyMemory<byte>[] Batch, byte[] Signatures) Signed(int count)
    {
        ReadOnlyMemory<byte>[] batch = Batch(_derived, count);
        byte[] signatures = new byte[count * 256];
        Assert.Equal(BlindSignStatus.Success, _derived.BlindSignBatch(batch, signatures, out _));
        return (batch, signatures);
    }

    /// <summary>Right modulo p, negated modulo q.</summary>
    private void FlipHalf(Span<byte> signature)
    {
        CrtModulus modulus = _derived.Key.Modulus;
        BigNumContext context = ThreadScratch.Current.Context;
        using RsaPrivateNumbers.Numbers numbers = new();
        (BigNum s, BigNum p, BigNum q) = (numbers.NewNumber(), numbers.NewNumber(), numbers.NewNumber());
        s.Read(signature);
        modulus.Reduce(s, p, q, context);
        LibCrypto.Check(LibCrypto.BN_sub(q, modulus.Q, q));
        modulus.Combine(s, p, q, context);
        s.Write(signature);
    }

    private static void Break(string fault, BlindRsaPrivateKey key, BigNum p, BigNum q)
    {
        CrtModulus modulus = key.Key.Modulus;
        switch (fault)
        {
            case "flip sign of p":
                LibCrypto.Check(LibCrypto.BN_sub(p, modulus.P, p));
                break;
            case "flip sign of q":
                LibCrypto.Check(LibCrypto.BN_sub(q, modulus.Q, q));
                break;
            case "flip both signs":
                LibCrypto.Check(LibCrypto.BN_sub(p, modulus.P, p));
                LibCrypto.Check(LibCrypto.BN_sub(q, modulus.Q, q));
                break;
            case "flip a bit":
                byte[] bytes = new byte[128];
                p.Write(bytes);
                bytes[100] ^= 4;
                p.Read(bytes);
                break;
            case "clear p":
                p.Clear();
                break;
            case "increment q":
                LibCrypto.Check(LibCrypto.BN_add_word(q, 1));
                break;
            case "swap":
                using (RsaPrivateNumbers.Numbers numbers = new())
                {
                    BigNum other = numbers.NewNumber();
                    other.Set(p);
                    p.Set(q);
                    q.Set(other);
                }

                break;
            default:
                throw new ArgumentException(fault);
        }
    }

    private static ReadOnlyMemory<byte>[] Batch(BlindRsaPrivateKey key, int count) =>
        [.. Enumerable.Range(0, count).Select(i => new ReadOnlyMemory<byte>(Blinded(key, i)))];

    private static byte[] Blinded(BlindRsaPrivateKey key, int message)
    {
        byte[] blinded = new byte[256];
        key.PublicKey.Blind(BlindRsaVariant.DeterministicPss, BitConverter.GetBytes(message), blinded).Dispose();
        return blinded;
    }

    public void Dispose()
    {
        _derived.Dispose();
        _safe.Dispose();
        _plain.Dispose();
    }
}
