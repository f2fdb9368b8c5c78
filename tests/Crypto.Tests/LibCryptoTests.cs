using Tacit.Crypto.Interop;
using Tacit.Crypto.Rsa;

namespace Tacit.Crypto.Tests;

public sealed class LibCryptoTests
{
    [Theory]
    [InlineData("CPUINFO: OPENSSL_ia32cap=0xfffa3203078bffff:0x405fc6f1bf07ab", true)]
    [InlineData("OPENSSL_ia32cap=0xfffa3203078bffff:0x405fc6f19f07ab", false)] // no IFMA
    [InlineData("OPENSSL_ia32cap=0xfffa3203078bffff:0x405fc671bf07ab", false)] // no VL
    [InlineData("OPENSSL_ia32cap=0xfffa3203078bffff:0x405fc6f1bf07ab env::~0x200000", true)]
    [InlineData("OPENSSL_ia32cap=0xfffa3203078bffff", false)]
    [InlineData("OPENSSL_ia32cap=0xfffa3203078bffff:0x", false)]
    [InlineData("OPENSSL_armcap=0xbd", false)]
    [InlineData("", false)]
    [InlineData(null, false)]
    public void Pairing_is_read_from_what_libcrypto_settled_on(string? settings, bool expected) =>
        Assert.Equal(expected, LibCryptoLoader.PairsExponentiations(settings));

    [Fact]
    public void The_implementation_in_use_is_named()
    {
        Assert.StartsWith("OpenSSL 3", BlindRsaPrivateKey.PrivateOperationImplementation, StringComparison.Ordinal);
        Assert.Contains("CRT halves", BlindRsaPrivateKey.PrivateOperationImplementation, StringComparison.Ordinal);
    }

    [Fact]
    public void Reduction_and_recombination_are_each_others_inverse()
    {
        using CrtModulus modulus = TestKeys.Modulus(TestKeys.SafeP, TestKeys.SafeQ);
        BigNumContext context = ThreadScratch.Current.Context;
        using RsaPrivateNumbers.Numbers numbers = new();
        (BigNum value, BigNum again) = (numbers.NewNumber(), numbers.NewNumber());
        (BigNum p, BigNum q) = (numbers.NewNumber(), numbers.NewNumber());
        (BigNum quotient, BigNum rest) = (numbers.NewNumber(), numbers.NewNumber());
        for (int i = 0; i < 100; i++)
        {
            LibCrypto.Check(LibCrypto.BN_priv_rand_range(value, modulus.N));
            Same();
        }

        value.Set(modulus.N);
        LibCrypto.Check(LibCrypto.BN_sub_word(value, 1));
        Same();
        LibCrypto.Check(LibCrypto.BN_set_word(value, 0));
        Same();
        value.Set(modulus.P);
        Same();

        void Same()
        {
            modulus.Reduce(value, p, q, context);
            LibCrypto.Check(LibCrypto.BN_div(quotient, rest, value, modulus.P, context));
            Assert.True(rest.EqualsNumber(p));
            LibCrypto.Check(LibCrypto.BN_div(quotient, rest, value, modulus.Q, context));
            Assert.True(rest.EqualsNumber(q));
            modulus.Combine(again, p, q, context);
            Assert.True(again.EqualsNumber(value));
        }
    }
}
