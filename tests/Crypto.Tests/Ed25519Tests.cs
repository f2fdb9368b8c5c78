using System.Security.Cryptography;
using FsCheck.Fluent;

namespace Tacit.Crypto.Tests;

public sealed class Ed25519Tests
{
    // RFC 8032 §7.1, TEST 2.
    private const string Seed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
    private const string PublicKey = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    private const string Signature =
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

    [Fact]
    public void Published_example_replays()
    {
        using Ed25519PrivateKey key = Ed25519PrivateKey.Import(TestKeys.Hex(Seed));
        Assert.Equal(TestKeys.Hex(Seed), key.Export());
        Assert.Equal(TestKeys.Hex(PublicKey), key.PublicKey.Export());
        Assert.Equal(TestKeys.Hex(Signature), key.Sign([0x72]));
        using Ed25519PublicKey publicKey = Ed25519PublicKey.Import(TestKeys.Hex(PublicKey));
        Assert.True(publicKey.Verify([0x72], TestKeys.Hex(Signature)));
    }

    [Fact]
    public void Any_message_is_signed_and_any_flipped_bit_fails() => Property.Holds(
        200,
        from message in Property.BytesUpTo(300)
        from bit in Gen.Choose(0, 511)
        select (message, bit),
        run =>
        {
            using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
            using Ed25519PrivateKey other = Ed25519PrivateKey.Generate();
            byte[] signature = key.Sign(run.message);
            Assert.True(key.PublicKey.Verify(run.message, signature));
            Assert.False(key.PublicKey.Verify([.. run.message, 0], signature));
            Assert.False(key.PublicKey.Verify(run.message, Property.FlipBit(signature, run.bit)));
            Assert.False(other.PublicKey.Verify(run.message, signature));
        });

    [Fact]
    public void Other_lengths_are_refused()
    {
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        byte[] signature = key.Sign([1]);
        Assert.False(key.PublicKey.Verify([1], []));
        Assert.False(key.PublicKey.Verify([1], signature.AsSpan(0, 63)));
        Assert.False(key.PublicKey.Verify([1], [.. signature, 0]));
        Assert.Throws<ArgumentOutOfRangeException>(() => key.Sign([1], new byte[63]));
        Assert.Throws<ArgumentOutOfRangeException>(() => key.Export(new byte[33]));
        foreach (int length in new[] { 0, 31, 33, 64 })
        {
            Assert.False(Ed25519PublicKey.TryImport(new byte[length], out _));
            Assert.Throws<CryptographicException>(() => Ed25519PublicKey.Import(new byte[length]));
            Assert.Throws<CryptographicException>(() => Ed25519PrivateKey.Import(new byte[length]));
        }
    }

    [Fact]
    public void Disposed_keys_refuse_and_the_public_key_stays()
    {
        Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        byte[] signature = key.Sign([1]);
        key.Dispose();
        Assert.Throws<ObjectDisposedException>(() => key.Sign([1]));
        Assert.Throws<ObjectDisposedException>(() => key.Export());
        Assert.True(key.PublicKey.Verify([1], signature));
        key.PublicKey.Dispose();
        Assert.Throws<ObjectDisposedException>(() => key.PublicKey.Verify([1], signature));
    }

    [Fact]
    public void Every_public_key_is_a_point() => Property.Holds(
        50,
        Property.BytesOf(32),
        seed =>
        {
            using Ed25519PrivateKey key = Ed25519PrivateKey.Import(seed);
            byte[] point = key.PublicKey.Export();
            Assert.True(Ed25519PublicKey.IsPoint(point));

            // -P is one, too.
            point[31] ^= 0x80;
            Assert.True(Ed25519PublicKey.IsPoint(point));
        });

    // RFC 8032, section 5.1.3: y below p, x² with a root, and no negative zero.
    [Theory]
    [InlineData("0100000000000000000000000000000000000000000000000000000000000000", true)]
    [InlineData("0100000000000000000000000000000000000000000000000000000000000080", false)]
    [InlineData("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", true)]
    [InlineData("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", false)]
    [InlineData("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", false)]
    [InlineData("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", false)]
    [InlineData("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", false)]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000", true)]
    [InlineData("0200000000000000000000000000000000000000000000000000000000000000", false)]
    [InlineData("5866666666666666666666666666666666666666666666666666666666666666", true)]
    public void Only_encodings_of_points_are_points(string bytes, bool isPoint) => Assert.Equal(isPoint, Ed25519PublicKey.IsPoint(TestKeys.Hex(bytes)));

    [Fact]
    public void About_half_of_all_numbers_are_points_and_no_other_length_is_one()
    {
        int points = 0;
        for (int i = 0; i < 1000; i++)
        {
            points += Ed25519PublicKey.IsPoint(SHA256.HashData(BitConverter.GetBytes(i))) ? 1 : 0;
        }

        Assert.InRange(points, 400, 600);
        Assert.False(Ed25519PublicKey.IsPoint(new byte[31]));
        Assert.False(Ed25519PublicKey.IsPoint(new byte[33]));
    }
}
