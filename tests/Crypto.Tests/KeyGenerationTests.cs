using System.Security.Cryptography;
using Tacit.Crypto.Interop;
using Tacit.Crypto.Rsa;

namespace Tacit.Crypto.Tests;

public sealed class KeyGenerationTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Safe_prime_search_gives_two_different_safe_primes_of_the_length_asked_for()
    {
        using SafePrimePair pair = await SafePrimePair.SearchAsync(512, null, Ct);
        using RsaPrivateNumbers.Numbers numbers = new();
        BigNumContext context = ThreadScratch.Current.Context;
        foreach (BigNum prime in new[] { pair.P, pair.Q })
        {
            BigNum half = numbers.NewNumber();
            LibCrypto.Check(LibCrypto.BN_rshift1(half, prime));
            Assert.Equal(512, prime.Bits());
            Assert.Equal(1, LibCrypto.BN_is_bit_set(prime, 510));
            Assert.Equal(1, LibCrypto.BN_check_prime(prime, context, 0));
            Assert.Equal(1, LibCrypto.BN_check_prime(half, context, 0));
        }

        Assert.False(pair.P.EqualsNumber(pair.Q));
    }

    [Fact]
    public async Task Partially_blind_key_of_2048_bits_is_generated_with_progress_and_survives_its_own_import_check()
    {
        CollectedProgress progress = new();
        using PartiallyBlindRsaPrivateKey key = await PartiallyBlindRsaPrivateKey.GenerateAsync(2048, progress, Ct);
        using PartiallyBlindRsaPrivateKey again = PartiallyBlindRsaPrivateKey.ImportPkcs8(key.ExportPkcs8());
        Assert.Equal(key.PublicKey.ExportSubjectPublicKeyInfo(), again.PublicKey.ExportSubjectPublicKeyInfo());
        Assert.Equal(2, progress.Last.PrimesFound);
        Assert.True(progress.Last.CandidatesExpected > 0);
    }

    [Fact]
    public async Task Keys_of_4096_bits_are_generated()
    {
        Assert.SkipUnless(Property.IsSoak, "Takes up to minutes; part of the soak run.");
        using BlindRsaPrivateKey plain = BlindRsaPrivateKey.Generate(4096);
        Assert.True(Issuance.Run(plain, BlindRsaVariant.DeterministicPss, [1]));
        using PartiallyBlindRsaPrivateKey key = await PartiallyBlindRsaPrivateKey.GenerateAsync(4096, null, Ct);
        using BlindRsaPrivateKey derived = key.DeriveKey("plan"u8);
        Assert.True(Issuance.Run(derived, BlindRsaVariant.DeterministicPss, [1]));
    }

    [Fact]
    public async Task Safe_prime_search_ends_when_a_progress_handler_fails()
    {
        CollectedProgress progress = new() { OnReport = () => throw new NotSupportedException() };
        await Assert.ThrowsAsync<NotSupportedException>(
            () => PartiallyBlindRsaPrivateKey.GenerateAsync(4096, progress, Ct));
    }

    [Fact]
    public async Task Safe_prime_search_ends_when_cancelled()
    {
        using CancellationTokenSource source = new();
        CollectedProgress progress = new() { OnReport = source.Cancel };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => PartiallyBlindRsaPrivateKey.GenerateAsync(4096, progress, source.Token));
    }

    [Theory]
    [InlineData(2048)]
    [InlineData(3072)]
    public void Blind_rsa_key_is_generated_and_signs(int bits)
    {
        using BlindRsaPrivateKey key = BlindRsaPrivateKey.Generate(bits);
        Assert.Equal(bits / 8, key.ModulusSizeInBytes);
        Assert.True(Issuance.Run(key, BlindRsaVariant.DeterministicPss, [1, 2, 3]));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1024)]
    [InlineData(2047)]
    [InlineData(8192)]
    public async Task Key_generation_refuses_other_sizes(int bits)
    {
        Assert.Throws<CryptographicException>(() => BlindRsaPrivateKey.Generate(bits));
        await Assert.ThrowsAsync<CryptographicException>(() => PartiallyBlindRsaPrivateKey.GenerateAsync(bits, null, Ct));
    }

    private sealed class CollectedProgress : IProgress<KeyGenerationProgress>
    {
        private readonly Lock _lock = new();

        internal Action? OnReport { get; init; }

        internal KeyGenerationProgress Last { get; private set; }

        public void Report(KeyGenerationProgress value)
        {
            lock (_lock)
            {
                // Two threads report: what the one saw before may come behind what the other found.
                Last = value.PrimesFound >= Last.PrimesFound ? value : Last;
            }

            OnReport?.Invoke();
        }
    }
}
