using System.Security.Cryptography;
using FsCheck.Fluent;

namespace Tacit.Crypto.Tests;

public sealed class AeadKeyTests
{
    [Fact]
    public void Sealed_bytes_are_the_frameworks_and_any_flipped_bit_fails() => Property.Holds(
        100,
        from id in Gen.Choose(1, 3)
        from associatedData in Property.BytesUpTo(60)
        from plaintext in Property.BytesUpTo(2000)
        from bit in Gen.Choose(0, int.MaxValue)
        select ((ushort)id, associatedData, plaintext, bit),
        run =>
        {
            (ushort id, byte[] associatedData, byte[] plaintext, int bit) = run;
            byte[] bytes = RandomNumberGenerator.GetBytes(id == 1 ? 16 : 32);
            byte[] nonce = RandomNumberGenerator.GetBytes(12);
            byte[] expected = new byte[plaintext.Length + 16];
            if (id == 3)
            {
                using ChaCha20Poly1305 framework = new(bytes);
                framework.Encrypt(nonce, plaintext, expected.AsSpan(0, plaintext.Length), expected.AsSpan(plaintext.Length), associatedData);
            }
            else
            {
                using AesGcm framework = new(bytes, 16);
                framework.Encrypt(nonce, plaintext, expected.AsSpan(0, plaintext.Length), expected.AsSpan(plaintext.Length), associatedData);
            }

            using AeadKey key = new(id, bytes);
            byte[] ciphertext = new byte[expected.Length];
            byte[] opened = new byte[plaintext.Length];
            key.Seal(nonce, associatedData, plaintext, ciphertext);
            Assert.Equal(expected, ciphertext);
            Assert.True(key.TryOpen(nonce, associatedData, ciphertext, opened));
            Assert.Equal(plaintext, opened);
            Assert.False(key.TryOpen(nonce, associatedData, Property.FlipBit(ciphertext, bit % (8 * ciphertext.Length)), opened));
            Assert.All(opened, value => Assert.Equal(0, value));
            Assert.False(key.TryOpen(Property.FlipBit(nonce, bit % 96), associatedData, ciphertext, opened));
            Assert.False(key.TryOpen(nonce, [.. associatedData, 0], ciphertext, opened));
            Assert.True(key.TryOpen(nonce, associatedData, ciphertext, opened)); // a failure leaves nothing behind
        });

    [Fact]
    public void Wrong_sizes_and_ids_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new AeadKey(0, new byte[32]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new AeadKey(0xffff, new byte[32]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new AeadKey(1, new byte[32]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new AeadKey(3, new byte[16]));
        AeadKey key = new(3, new byte[32]);
        Assert.Throws<ArgumentOutOfRangeException>(() => key.Seal(new byte[11], [], [], new byte[16]));
        Assert.Throws<ArgumentOutOfRangeException>(() => key.Seal(new byte[12], [], [], new byte[17]));
        Assert.False(key.TryOpen(new byte[12], [], new byte[15], []));
        key.Dispose();
        Assert.Throws<ObjectDisposedException>(() => key.Seal(new byte[12], [], [], new byte[16]));
    }

    [Fact]
    public void Many_threads_share_a_key()
    {
        using AeadKey key = new(3, RandomNumberGenerator.GetBytes(32));
        Parallel.For(0, 200, i =>
        {
            byte[] nonce = new byte[12];
            BitConverter.TryWriteBytes(nonce, i);
            byte[] plaintext = [(byte)i];
            byte[] ciphertext = new byte[17];
            key.Seal(nonce, [], plaintext, ciphertext);
            byte[] opened = new byte[1];
            Assert.True(key.TryOpen(nonce, [], ciphertext, opened));
            Assert.Equal(plaintext, opened);
        });
    }
}
