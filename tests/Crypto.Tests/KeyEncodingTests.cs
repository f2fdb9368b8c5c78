using System.Formats.Asn1;
using System.Security.Cryptography;
using FsCheck.Fluent;
using Tacit.Crypto.Interop;
using Tacit.Crypto.Rsa;

namespace Tacit.Crypto.Tests;

public sealed class KeyEncodingTests
{
    private const string RsaOid = "1.2.840.113549.1.1.1";
    private const string PssOid = "1.2.840.113549.1.1.10";
    private const string Mgf1Oid = "1.2.840.113549.1.1.8";
    private const string Sha256Oid = "2.16.840.1.101.3.4.2.1";
    private const string Sha384Oid = "2.16.840.1.101.3.4.2.2";

    private static readonly byte[] s_spki = TestKeys.Hex(TestKeys.Rfc9578Spki);
    private static readonly byte[] s_pkcs8 = Convert.FromBase64String(TestKeys.Rfc9578Pkcs8);

    [Fact]
    public void Public_key_keeps_its_published_bytes()
    {
        using BlindRsaPublicKey key = BlindRsaPublicKey.ImportSubjectPublicKeyInfo(s_spki);
        Assert.Equal(256, key.ModulusSizeInBytes);
        Assert.Equal(s_spki, key.ExportSubjectPublicKeyInfo());
        using PartiallyBlindRsaPublicKey partial = PartiallyBlindRsaPublicKey.ImportSubjectPublicKeyInfo(s_spki);
        Assert.Equal(s_spki, partial.ExportSubjectPublicKeyInfo());
    }

    [Fact]
    public void Blinded_message_is_in_range_between_zero_and_the_modulus()
    {
        using BlindRsaPublicKey key = BlindRsaPublicKey.ImportSubjectPublicKeyInfo(s_spki);
        Assert.True(RsaKeyEncoding.TryReadSubjectPublicKeyInfo(s_spki, out ReadOnlySpan<byte> modulus, out _));
        byte[] below = modulus.ToArray();
        below[^1]--;
        byte[] one = new byte[256];
        one[^1] = 1;

        Assert.True(key.IsInRange(below));
        Assert.True(key.IsInRange(one));
        Assert.False(key.IsInRange(modulus));
        Assert.False(key.IsInRange(new byte[256]));
        Assert.False(key.IsInRange(below.AsSpan(1)));
        Assert.False(key.IsInRange([0, .. below]));
    }

    [Fact]
    public void Private_key_is_read_in_both_algorithms_and_written_as_pss()
    {
        using BlindRsaPrivateKey key = BlindRsaPrivateKey.ImportPkcs8(s_pkcs8);
        Assert.Equal(s_spki, key.PublicKey.ExportSubjectPublicKeyInfo());
        byte[] exported = key.ExportPkcs8();
        Assert.NotEqual(s_pkcs8, exported);
        using BlindRsaPrivateKey again = BlindRsaPrivateKey.ImportPkcs8(exported);
        Assert.Equal(exported, again.ExportPkcs8());
        Assert.True(Issuance.Run(again, BlindRsaVariant.DeterministicPss, [1]));
    }

    [Fact]
    public void Private_key_is_what_openssl_reads()
    {
        using BlindRsaPrivateKey key = BlindRsaPrivateKey.ImportPkcs8(s_pkcs8);
        using RSA rsa = RSA.Create();

        // .NET takes rsaEncryption only; the RSAPrivateKey inside is the same.
        Assert.True(RsaKeyEncoding.TryReadPkcs8(key.ExportPkcs8(), out RsaKeyEncoding.PrivateNumbers numbers));
        rsa.ImportParameters(new RSAParameters
        {
            Modulus = numbers.Modulus.ToArray(),
            Exponent = numbers.PublicExponent.ToArray(),
            D = Pad(numbers.PrivateExponent, 256),
            P = numbers.P.ToArray(),
            Q = numbers.Q.ToArray(),
            DP = Pad(numbers.DModPMinus1, 128),
            DQ = Pad(numbers.DModQMinus1, 128),
            InverseQ = Pad(numbers.QInverse, 128),
        });
        byte[] signature = rsa.SignData([1, 2, 3], HashAlgorithmName.SHA384, RSASignaturePadding.Pss);
        Assert.True(key.PublicKey.Verify(BlindRsaVariant.DeterministicPss, [1, 2, 3], signature));
        byte[] message = [4];
        Assert.True(rsa.VerifyData(
            message, Issuance.Sign(key, BlindRsaVariant.DeterministicPss, message), HashAlgorithmName.SHA384, RSASignaturePadding.Pss));
    }

    [Fact]
    public void Damaged_public_keys_are_refused_or_read_as_exactly_what_they_say() => Property.Holds(
        1000,
        from bit in Gen.Choose(0, (8 * s_spki.Length) - 1)
        from cut in Gen.Choose(0, s_spki.Length - 1)
        from more in Property.BytesOf(1)
        select (Damaged: Property.FlipBit(s_spki, bit), Cut: s_spki[..cut], Longer: (byte[])[.. s_spki, .. more]),
        bytes =>
        {
            Assert.False(BlindRsaPublicKey.TryImportSubjectPublicKeyInfo(bytes.Cut, out _));
            Assert.False(BlindRsaPublicKey.TryImportSubjectPublicKeyInfo(bytes.Longer, out _));
            Assert.False(PartiallyBlindRsaPublicKey.TryImportSubjectPublicKeyInfo(bytes.Longer, out _));
            if (BlindRsaPublicKey.TryImportSubjectPublicKeyInfo(bytes.Damaged, out BlindRsaPublicKey? key))
            {
                Assert.Equal(bytes.Damaged, key.ExportSubjectPublicKeyInfo());
                key.Dispose();
            }
        });

    [Fact]
    public void Arbitrary_bytes_are_no_key() => Property.Holds(300, Property.BytesUpTo(400), bytes =>
    {
        Assert.False(BlindRsaPublicKey.TryImportSubjectPublicKeyInfo(bytes, out _));
        Assert.Throws<CryptographicException>(() => BlindRsaPrivateKey.ImportPkcs8(bytes));
        Assert.Throws<CryptographicException>(() => PartiallyBlindRsaPrivateKey.ImportPkcs8(bytes));
    });

    [Fact]
    public void Public_keys_with_other_parameters_are_refused()
    {
        byte[] n = Modulus();
        byte[] e = [1, 0, 1];
        Assert.Equal(s_spki, Spki(n, e, Algorithm(PssOid, Sha384Oid, Sha384Oid, 48)));
        Refused(Spki(n, e, Algorithm(PssOid, Sha384Oid, Sha384Oid, 32)));
        Refused(Spki(n, e, Algorithm(PssOid, Sha384Oid, Sha384Oid, 0)));
        Refused(Spki(n, e, Algorithm(PssOid, Sha256Oid, Sha384Oid, 48)));
        Refused(Spki(n, e, Algorithm(PssOid, Sha384Oid, Sha256Oid, 48)));
        Refused(Spki(n, e, Algorithm(RsaOid, Sha384Oid, Sha384Oid, 48)));
        Refused(Spki(n, e, Algorithm(PssOid, Sha384Oid, Sha384Oid, 48, hashNull: true)));
        Refused(Spki(n, e, PlainAlgorithm()));
    }

    [Fact]
    public void Public_keys_with_unfit_numbers_are_refused()
    {
        byte[] n = Modulus();
        byte[] even = [.. n];
        even[^1] &= 0xfe;
        byte[] shortened = [.. n];
        shortened[0] = 0x7f;
        byte[] algorithm = Algorithm(PssOid, Sha384Oid, Sha384Oid, 48);
        byte[] e = [1, 0, 1];
        Refused(Spki(even, e, algorithm));
        Refused(Spki(shortened, e, algorithm));
        Refused(Spki(n.AsSpan(1), e, algorithm));
        Refused(Spki([0x81, .. n], e, algorithm));
        Refused(Spki([0x81], e, algorithm));
        Refused(Spki([0], e, algorithm));
        Refused(Spki([.. n, .. n, .. n], e, algorithm));
        foreach (byte[] exponent in new byte[][] { [0], [1], [3], [0xff, 0xff], [1, 0, 0], [1, 0, 0, 0, 1], n })
        {
            Refused(Spki(n, exponent, algorithm));
        }

        // 3072 bits is a size of the plain kind only.
        byte[] middle = [.. n, .. n.AsSpan(128)];
        Assert.True(BlindRsaPublicKey.TryImportSubjectPublicKeyInfo(Spki(middle, e, algorithm), out BlindRsaPublicKey? key));
        key.Dispose();
        Assert.False(PartiallyBlindRsaPublicKey.TryImportSubjectPublicKeyInfo(Spki(middle, e, algorithm), out _));
    }

    [Fact]
    public void Private_keys_cut_lengthened_or_with_attributes_are_refused()
    {
        for (int length = 0; length < s_pkcs8.Length; length += 7)
        {
            Refused(s_pkcs8.AsSpan(0, length));
        }

        Refused([.. s_pkcs8, 0]);
        AsnWriter writer = new(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            AsnReader reader = new AsnReader(s_pkcs8, AsnEncodingRules.DER).ReadSequence();
            while (reader.HasData)
            {
                writer.WriteEncodedValue(reader.ReadEncodedValue().Span);
            }

            writer.PushSetOf(new Asn1Tag(TagClass.ContextSpecific, 0)).Dispose();
        }

        Refused(writer.Encode());

        static void Refused(ReadOnlySpan<byte> bytes)
        {
            byte[] copy = bytes.ToArray();
            Assert.Throws<CryptographicException>(() => BlindRsaPrivateKey.ImportPkcs8(copy));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    public void Private_key_with_one_altered_number_is_refused(int altered)
    {
        Assert.True(RsaKeyEncoding.TryReadPkcs8(s_pkcs8, out RsaKeyEncoding.PrivateNumbers key));
        byte[][] numbers =
        [
            key.Modulus.ToArray(), key.PublicExponent.ToArray(), key.PrivateExponent.ToArray(), key.P.ToArray(), key.Q.ToArray(),
            key.DModPMinus1.ToArray(), key.DModQMinus1.ToArray(), key.QInverse.ToArray(),
        ];
        using (BlindRsaPrivateKey unaltered = BlindRsaPrivateKey.ImportPkcs8(Pkcs8(numbers)))
        {
            Assert.Equal(s_spki, unaltered.PublicKey.ExportSubjectPublicKeyInfo());
        }

        numbers[altered][^1] ^= 2;
        Assert.Throws<CryptographicException>(() => BlindRsaPrivateKey.ImportPkcs8(Pkcs8(numbers)));
    }

    [Fact]
    public void Partially_blind_key_of_primes_that_are_not_safe_is_refused()
    {
        CryptographicException refusal = Assert.Throws<CryptographicException>(() => PartiallyBlindRsaPrivateKey.ImportPkcs8(s_pkcs8));
        Assert.Contains("safe primes", refusal.Message, StringComparison.Ordinal);
        using BlindRsaPrivateKey safe = TestKeys.FromPrimes(TestKeys.SafeP, TestKeys.SafeQ);
        using PartiallyBlindRsaPrivateKey accepted = PartiallyBlindRsaPrivateKey.ImportPkcs8(safe.ExportPkcs8());
        Assert.Equal(safe.ExportPkcs8(), accepted.ExportPkcs8());
    }

    [Fact]
    public void Key_of_unequal_halves_equal_primes_or_composite_factors_is_refused()
    {
        using RsaPrivateNumbers.Numbers numbers = new();
        BigNum p = numbers.Read(TestKeys.Hex(TestKeys.SafeP));
        BigNum q = numbers.Read(TestKeys.Hex(TestKeys.SafeQ));
        BigNum longer = Prime(numbers, 1088);
        BigNum shorter = Prime(numbers, 960);
        BigNum composite = numbers.NewNumber();
        composite.Set(p);
        LibCrypto.Check(LibCrypto.BN_add_word(composite, 2));

        RsaPrivateNumbers.FromPrimes(p, q, RsaPublicNumbers.BlindSizes, safePrimes: true).Dispose();
        foreach ((BigNum a, BigNum b) in new[] { (longer, shorter), (shorter, longer), (p, p), (p, composite), (composite, q) })
        {
            Assert.Throws<CryptographicException>(() => RsaPrivateNumbers.FromPrimes(a, b, RsaPublicNumbers.BlindSizes, safePrimes: false));
        }

        // Neighbours fall to Fermat's method: p·q is nearly a square.
        BigNum neighbour = numbers.NewNumber();
        neighbour.Set(p);
        do
        {
            LibCrypto.Check(LibCrypto.BN_add_word(neighbour, 2));
        }
        while (LibCrypto.BN_check_prime(neighbour, ThreadScratch.Current.Context, 0) != 1);
        Assert.Throws<CryptographicException>(() => RsaPrivateNumbers.FromPrimes(p, neighbour, RsaPublicNumbers.BlindSizes, safePrimes: false));
    }

    [Fact]
    public void Exponent_without_an_inverse_is_refused()
    {
        using CrtModulus modulus = TestKeys.Modulus(TestKeys.SafeP, TestKeys.SafeQ);
        using RsaPrivateNumbers.Numbers numbers = new();
        BigNum half = numbers.NewNumber();
        LibCrypto.Check(LibCrypto.BN_rshift1(half, modulus.P));
        byte[] divisor = new byte[128];
        half.Write(divisor);
        Assert.Throws<CryptographicException>(() => new CrtKey(modulus, divisor, ownsModulus: false));
        Assert.Throws<CryptographicException>(() => new CrtKey(modulus, [0x01, 0x00, 0x00], ownsModulus: false));
        Assert.Throws<CryptographicException>(() => new CrtKey(modulus, TestKeys.Hex(TestKeys.SafeP), ownsModulus: false));
        using CrtKey key = new(modulus, [0x01, 0x00, 0x01], ownsModulus: false);
    }

    [Fact]
    public void Every_metadata_value_gives_an_odd_short_invertible_exponent()
    {
        using CrtModulus modulus = TestKeys.Modulus(TestKeys.SafeP, TestKeys.SafeQ);
        byte[] n = new byte[256];
        modulus.N.Write(n);
        Property.Holds(50, Property.BytesUpTo(200), info =>
        {
            byte[] exponent = MetadataDerivation.DeriveExponent(n, info);
            Assert.Equal(128, exponent.Length);
            Assert.Equal(0, exponent[0] & 0xc0);
            Assert.Equal(1, exponent[^1] & 1);
            new CrtKey(modulus, exponent, ownsModulus: false).Dispose();
        });
    }

    [Fact]
    public void Derived_keys_are_not_exported()
    {
        using PartiallyBlindRsaPrivateKey key = TestKeys.SafePrimeKey();
        using BlindRsaPrivateKey derived = key.DeriveKey("plan"u8);
        Assert.Throws<InvalidOperationException>(derived.ExportPkcs8);
        Assert.Throws<InvalidOperationException>(derived.PublicKey.ExportSubjectPublicKeyInfo);
    }

    private static void Refused(byte[] spki)
    {
        Assert.False(BlindRsaPublicKey.TryImportSubjectPublicKeyInfo(spki, out _));
        Assert.False(PartiallyBlindRsaPublicKey.TryImportSubjectPublicKeyInfo(spki, out _));
        Assert.Throws<CryptographicException>(() => BlindRsaPublicKey.ImportSubjectPublicKeyInfo(spki));
        Assert.Throws<CryptographicException>(() => PartiallyBlindRsaPublicKey.ImportSubjectPublicKeyInfo(spki));
    }

    private static BigNum Prime(RsaPrivateNumbers.Numbers numbers, int bits)
    {
        BigNum prime = numbers.NewNumber();
        do
        {
            LibCrypto.Check(LibCrypto.BN_priv_rand(prime, bits, 1, 1));
        }
        while (LibCrypto.BN_check_prime(prime, ThreadScratch.Current.Context, 0) != 1);
        return prime;
    }

    private static byte[] Modulus()
    {
        using BlindRsaPublicKey key = BlindRsaPublicKey.ImportSubjectPublicKeyInfo(s_spki);
        return key.Numbers.ExportModulus();
    }

    private static byte[] Pad(ReadOnlySpan<byte> number, int length) => [.. new byte[length - number.Length], .. number];

    private static byte[] Pkcs8(byte[][] numbers) => RsaKeyEncoding.WritePkcs8(new RsaKeyEncoding.PrivateNumbers
    {
        Modulus = numbers[0],
        PublicExponent = numbers[1],
        PrivateExponent = numbers[2],
        P = numbers[3],
        Q = numbers[4],
        DModPMinus1 = numbers[5],
        DModQMinus1 = numbers[6],
        QInverse = numbers[7],
    });

    private static byte[] Spki(ReadOnlySpan<byte> modulus, ReadOnlySpan<byte> exponent, byte[] algorithm)
    {
        AsnWriter key = new(AsnEncodingRules.DER);
        using (key.PushSequence())
        {
            key.WriteIntegerUnsigned(modulus);
            key.WriteIntegerUnsigned(exponent);
        }

        AsnWriter writer = new(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteEncodedValue(algorithm);
            writer.WriteBitString(key.Encode());
        }

        return writer.Encode();
    }

    private static byte[] Algorithm(string oid, string hash, string mgfHash, int salt, bool hashNull = false)
    {
        AsnWriter writer = new(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(oid);
            using (writer.PushSequence())
            {
                using (writer.PushSequence(new Asn1Tag(TagClass.ContextSpecific, 0)))
                {
                    Hash(hash);
                }

                using (writer.PushSequence(new Asn1Tag(TagClass.ContextSpecific, 1)))
                using (writer.PushSequence())
                {
                    writer.WriteObjectIdentifier(Mgf1Oid);
                    Hash(mgfHash);
                }

                using (writer.PushSequence(new Asn1Tag(TagClass.ContextSpecific, 2)))
                {
                    writer.WriteInteger(salt);
                }
            }
        }

        return writer.Encode();

        void Hash(string name)
        {
            using (writer.PushSequence())
            {
                writer.WriteObjectIdentifier(name);
                if (hashNull)
                {
                    writer.WriteNull();
                }
            }
        }
    }

    private static byte[] PlainAlgorithm()
    {
        AsnWriter writer = new(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(RsaOid);
            writer.WriteNull();
        }

        return writer.Encode();
    }
}
