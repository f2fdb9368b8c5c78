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
}
