using System.Security.Cryptography;
using FsCheck.Fluent;
using Tacit.Crypto.Interop;
using Tacit.Crypto.Rsa;

namespace Tacit.Crypto.Tests;

public sealed class BlindSignatureTests : IDisposable
{
    private static readonly BlindRsaVariant s_variant = BlindRsaVariant.DeterministicPss;

    private readonly BlindRsaPrivateKey _plain = TestKeys.Rfc9578();
    private readonly PartiallyBlindRsaPrivateKey _safe = TestKeys.SafePrimeKey();

    [Fact]
    public void Any_message_is_signed_under_every_variant_and_kind_of_key() => Property.Holds(
        100,
        from variant in Property.Variants
        from message in Property.BytesUpTo(2000)
        from info in Gen.OneOf(Gen.Constant<byte[]?>(null), Property.BytesUpTo(40).Select(bytes => (byte[]?)bytes))
        select (variant, message, info),
        run =>
        {
            using BlindRsaPrivateKey? derived = run.info is null ? null : _safe.DeriveKey(run.info);
            Assert.True(Issuance.Run(derived ?? _plain, run.variant, run.message));
        });

    [Fact]
    public void Keys_of_4096_bits_sign_plain_and_with_a_long_exponent()
    {
        using CrtModulus modulus = TestKeys.Modulus(TestKeys.Rfc9474P, TestKeys.Rfc9474Q);
        using BlindRsaPrivateKey plain = TestKeys.FromPrimes(TestKeys.Rfc9474P, TestKeys.Rfc9474Q);
        Assert.True(Issuance.Run(plain, s_variant, [1]));

        // These primes are not safe, so some derived exponents have no inverse; that is why a partially blind key needs safe ones.
        byte[] n = plain.PublicKey.Numbers.ExportModulus();
        byte info = 0;
        while (!IsInvertible(MetadataDerivation.DeriveExponent(n, [info]), modulus))
        {
            info++;
        }

        using BlindRsaPrivateKey derived = BlindRsaPrivateKey.Derived(modulus, n, [info]);
        Assert.True(Issuance.Run(derived, s_variant, [1]));
    }

    [Fact]
    public void Randomized_preparation_puts_32_fresh_bytes_before_the_message()
    {
        byte[] message = [1, 2, 3];
        byte[] first = BlindRsaVariant.RandomizedPss.Prepare(message);
        byte[] second = BlindRsaVariant.RandomizedPss.Prepare(message);
        Assert.Equal(35, first.Length);
        Assert.Equal(message, first[32..]);
        Assert.NotEqual(first, second);
        Assert.Equal(message, BlindRsaVariant.DeterministicPss.Prepare(message));
    }

    [Fact]
    public void A_signature_counts_for_nothing_else_than_what_it_was_made_for()
    {
        byte[] message = [1, 2, 3];
        using BlindRsaPrivateKey june = _safe.DeriveKey("june"u8);
        using BlindRsaPrivateKey july = _safe.DeriveKey("july"u8);
        byte[] plainSignature = Issuance.Sign(_plain, s_variant, message);
        byte[] juneSignature = Issuance.Sign(june, s_variant, message);

        Assert.True(june.PublicKey.Verify(s_variant, message, juneSignature));
        Assert.False(july.PublicKey.Verify(s_variant, message, juneSignature));
        Assert.False(_plain.PublicKey.Verify(s_variant, message, juneSignature));
        Assert.False(june.PublicKey.Verify(s_variant, message, plainSignature));
        Assert.False(_plain.PublicKey.Verify(s_variant, [1, 2], plainSignature));
        Assert.False(_plain.PublicKey.Verify(BlindRsaVariant.DeterministicPssZero, message, plainSignature));
        Assert.False(_plain.PublicKey.Verify(s_variant, message, []));
        Assert.False(_plain.PublicKey.Verify(s_variant, message, plainSignature.AsSpan(0, 255)));
        Assert.False(_plain.PublicKey.Verify(s_variant, message, [.. plainSignature, 0]));
        Assert.False(_plain.PublicKey.Verify(s_variant, message, [0, .. plainSignature]));
    }

    [Fact]
    public void A_derived_key_binds_its_metadata_into_the_message_too()
    {
        // The same exponent for both, so that only "msg" ‖ length ‖ metadata tells them apart.
        byte[] n = _safe.PublicKey.DeriveKey([]).Numbers.ExportModulus();
        byte[] exponent = MetadataDerivation.DeriveExponent(n, "june"u8);
        using BlindRsaPrivateKey june = _safe.DeriveKey("june"u8);
        using BlindRsaPublicKey july = BlindRsaPublicKey.Derived(n, exponent, "july"u8);
        using BlindRsaPublicKey shifted = BlindRsaPublicKey.Derived(n, exponent, "junex"u8);
        byte[] signature = Issuance.Sign(june, s_variant, [.. "x1"u8]);
        Assert.True(june.PublicKey.Verify(s_variant, "x1"u8, signature));
        Assert.False(july.Verify(s_variant, "x1"u8, signature));
        Assert.False(shifted.Verify(s_variant, "1"u8, signature));
    }

    [Fact]
    public void Any_flipped_bit_of_signature_or_message_fails()
    {
        byte[] message = RandomNumberGenerator.GetBytes(98);
        byte[] signature = Issuance.Sign(_plain, s_variant, message);
        Property.Holds(500, Gen.Choose(0, (8 * signature.Length) - 1), bit =>
            Assert.False(_plain.PublicKey.Verify(s_variant, message, Property.FlipBit(signature, bit))));
        Property.Holds(500, Gen.Choose(0, (8 * message.Length) - 1), bit =>
            Assert.False(_plain.PublicKey.Verify(s_variant, Property.FlipBit(message, bit), signature)));
    }

    [Fact]
    public void Arbitrary_bytes_are_no_signature() => Property.Holds(
        300, Gen.OneOf(Property.BytesUpTo(600), Property.BytesOf(256)), bytes =>
            Assert.False(_plain.PublicKey.Verify(s_variant, [1], bytes)));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Values_that_are_no_blinded_message_are_refused_singly_and_in_a_batch(bool partiallyBlind)
    {
        using BlindRsaPrivateKey key = partiallyBlind ? _safe.DeriveKey("plan"u8) : TestKeys.Rfc9578();
        CrtModulus modulus = key.Key.Modulus;
        byte[] n = key.PublicKey.Numbers.ExportModulus();
        byte[] nPlus1 = [.. n];
        nPlus1[^1]++;
        byte[] p = new byte[256];
        byte[] nMinusQ = new byte[256];
        using (RsaPrivateNumbers.Numbers numbers = new())
        {
            BigNum difference = numbers.NewNumber();
            LibCrypto.Check(LibCrypto.BN_sub(difference, modulus.N, modulus.Q));
            modulus.P.Write(p);
            difference.Write(nMinusQ);
        }

        byte[] good = new byte[256];
        key.PublicKey.Blind(s_variant, [1], good).Dispose();
        byte[] all = new byte[256];
        Array.Fill(all, (byte)0xff);
        byte[][] wrong = [new byte[256], n, nPlus1, all, p, nMinusQ, [], good[1..], [0, .. good], [.. good, 0]];
        for (int i = 0; i < wrong.Length; i++)
        {
            byte[] signature = RandomNumberGenerator.GetBytes(256);
            Assert.Equal(BlindSignStatus.InvalidInput, key.BlindSign(wrong[i], signature));
            Assert.All(signature, value => Assert.Equal(0, value));

            ReadOnlyMemory<byte>[] batch = [.. Enumerable.Repeat(new ReadOnlyMemory<byte>(good), 20)];
            batch[7] = wrong[i];
            byte[] signatures = RandomNumberGenerator.GetBytes(20 * 256);
            Assert.Equal(BlindSignStatus.InvalidInput, key.BlindSignBatch(batch, signatures, out int failed));
            Assert.Equal(7, failed);
            Assert.All(signatures, value => Assert.Equal(0, value));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(ProductCheck.MinimumCount - 1)]
    [InlineData(ProductCheck.MinimumCount)]
    [InlineData(ProductCheck.MinimumCount + 1)]
    [InlineData(75)]
    public void A_batch_gives_what_signing_one_by_one_gives(int count)
    {
        using BlindRsaPrivateKey derived = _safe.DeriveKey("plan"u8);
        foreach (BlindRsaPrivateKey key in new[] { _plain, derived })
        {
            ReadOnlyMemory<byte>[] blinded = new ReadOnlyMemory<byte>[count];
            byte[] expected = new byte[count * 256];
            for (int i = 0; i < count; i++)
            {
                byte[] message = new byte[256];
                key.PublicKey.Blind(s_variant, BitConverter.GetBytes(i), message).Dispose();
                blinded[i] = message;
                Assert.Equal(BlindSignStatus.Success, key.BlindSign(message, expected.AsSpan(i * 256, 256)));
            }

            byte[] signatures = new byte[count * 256];
            Assert.Equal(BlindSignStatus.Success, key.BlindSignBatch(blinded, signatures, out int failed));
            Assert.Equal(-1, failed);
            Assert.Equal(expected, signatures);
        }
    }

    [Fact]
    public void Destinations_of_a_wrong_size_or_over_the_input_are_a_mistake_of_the_caller()
    {
        byte[] blinded = new byte[256];
        _plain.PublicKey.Blind(s_variant, [1], blinded).Dispose();
        Assert.Throws<ArgumentOutOfRangeException>(() => _plain.BlindSign(blinded, new byte[255]));
        Assert.Throws<ArgumentOutOfRangeException>(() => _plain.BlindSignBatch([blinded], new byte[257], out _));
        Assert.Throws<ArgumentException>(() => _plain.BlindSign(blinded, blinded));
        Assert.Throws<ArgumentException>(() => _plain.BlindSignBatch([blinded], blinded, out _));
        Assert.Throws<ArgumentOutOfRangeException>(() => _plain.PublicKey.Blind(s_variant, [1], new byte[255]));
        Assert.Throws<ArgumentOutOfRangeException>(() => _plain.PublicKey.Blind(s_variant, [1], new byte[31], new byte[256]));
    }

    [Fact]
    public void Threads_share_a_key()
    {
        using BlindRsaPrivateKey derived = _safe.DeriveKey("plan"u8);
        foreach (BlindRsaPrivateKey key in new[] { _plain, derived })
        {
            Parallel.For(0, 8 * 20, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
                Assert.True(Issuance.Run(key, s_variant, BitConverter.GetBytes(i))));
        }
    }

    [Fact]
    public async Task A_key_disposed_in_the_middle_finishes_what_is_under_way_and_refuses_the_rest()
    {
        for (int round = 0; round < 10; round++)
        {
            BlindRsaPrivateKey key = TestKeys.Rfc9578();
            byte[] blinded = new byte[256];
            key.PublicKey.Blind(s_variant, [1], blinded).Dispose();
            byte[] expected = new byte[256];
            key.BlindSign(blinded, expected);
            int signed = 0;
            Task[] loops = [.. Enumerable.Range(0, 3).Select(_ => Task.Factory.StartNew(
                Loop, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
            SpinWait.SpinUntil(() => Volatile.Read(ref signed) > 5 || loops.Any(loop => loop.IsFaulted));
            key.Dispose();
            await Task.WhenAll(loops);

            void Loop()
            {
                byte[] signature = new byte[256];
                try
                {
                    while (true)
                    {
                        Assert.Equal(BlindSignStatus.Success, key.BlindSign(blinded, signature));
                        Assert.Equal(expected, signature);
                        Interlocked.Increment(ref signed);
                    }
                }
                catch (ObjectDisposedException)
                {
                }
            }
        }
    }

    [Fact]
    public void Derived_keys_outlive_the_key_they_came_from()
    {
        PartiallyBlindRsaPrivateKey parent = TestKeys.SafePrimeKey();
        using BlindRsaPrivateKey derived = parent.DeriveKey("plan"u8);
        parent.Dispose();
        Assert.True(Issuance.Run(derived, s_variant, [1]));
        Assert.Throws<ObjectDisposedException>(() => parent.DeriveKey("plan"u8));
    }

    [Fact]
    public void The_exponentiation_never_sees_the_same_number_twice()
    {
        byte[] blinded = new byte[256];
        byte[] signature = new byte[256];
        byte[] first = new byte[256];
        _plain.PublicKey.Blind(s_variant, [1], blinded).Dispose();
        _plain.BlindSign(blinded, first);
        HashSet<string> halves = [];
        _plain.Key.HalvesComputed = (p, _) =>
        {
            byte[] half = new byte[128];
            p.Write(half);
            Assert.True(halves.Add(Convert.ToHexString(half)));
        };
        for (int i = 0; i < (3 * BlindingPair.UsesPerDraw) + 1; i++)
        {
            Assert.Equal(BlindSignStatus.Success, _plain.BlindSign(blinded, signature));
            Assert.Equal(first, signature);
        }

        Assert.Equal((3 * BlindingPair.UsesPerDraw) + 1, halves.Count);
    }

    [Fact]
    public void A_threads_scratch_holds_nothing_secret_afterwards()
    {
        using BlindRsaPrivateKey derived = _safe.DeriveKey("plan"u8);
        ThreadScratch scratch = ThreadScratch.Current;
        foreach (BlindRsaPrivateKey key in new[] { _plain, derived })
        {
            byte[] blinded = new byte[256];
            using BlindingState state = key.PublicKey.Blind(s_variant, [1], blinded);
            Assert.All(new[] { scratch.A, scratch.B, scratch.C }, number => Assert.True(number.IsZero()));
            Cleared();

            byte[] signature = new byte[256];
            key.BlindSign(blinded, signature);
            Cleared();
            key.BlindSignBatch([.. Enumerable.Repeat(new ReadOnlyMemory<byte>(blinded), 20)], new byte[20 * 256], out _);
            Cleared();

            Assert.True(state.TryFinalize(signature, new byte[256]));
            Assert.All(new[] { scratch.A, scratch.B, scratch.C }, number => Assert.True(number.IsZero()));
        }

        void Cleared() => Assert.All(
            new[] { scratch.HalfP, scratch.HalfQ, scratch.PowerP, scratch.PowerQ, scratch.Secret }, number => Assert.True(number.IsZero()));
    }

    [Fact]
    public void Verification_allocates_nothing()
    {
        using BlindRsaPrivateKey derived = _safe.DeriveKey("plan"u8);
        foreach (BlindRsaPrivateKey key in new[] { _plain, derived })
        {
            byte[] message = new byte[98];
            byte[] signature = Issuance.Sign(key, s_variant, message);
            Assert.True(key.PublicKey.Verify(s_variant, message, signature));
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 20; i++)
            {
                key.PublicKey.Verify(s_variant, message, signature);
            }

            Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        }
    }

    private static bool IsInvertible(byte[] exponent, CrtModulus modulus)
    {
        try
        {
            using CrtKey key = new(modulus, exponent, ownsModulus: false);
            return true;
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    public void Dispose()
    {
        _plain.Dispose();
        _safe.Dispose();
    }
}
