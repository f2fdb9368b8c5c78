using System.Security.Cryptography;

namespace Tacit.Crypto.Tests;

public sealed class Aes256GcmTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(16)]
    [InlineData(1000)]
    [InlineData(4096)]
    public void Sealed_bytes_are_the_frameworks_and_one_call_leaves_nothing_for_the_next(int length)
    {
        for (int i = 0; i < 4; i++)
        {
            byte[] key = RandomNumberGenerator.GetBytes(32);
            byte[] nonce = RandomNumberGenerator.GetBytes(12);
            byte[] plaintext = RandomNumberGenerator.GetBytes(length);
            (byte[] ciphertext, byte[] tag) = (new byte[length], new byte[16]);
            (byte[] expected, byte[] expectedTag) = (new byte[length], new byte[16]);
            using var framework = new AesGcm(key, 16);
            framework.Encrypt(nonce, plaintext, expected, expectedTag);
            Aes256Gcm.Encrypt(key, nonce, plaintext, ciphertext, tag);
            Assert.Equal(expected, ciphertext);
            Assert.Equal(expectedTag, tag);
        }
    }

    [Fact]
    public void Wrong_sizes_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => Aes256Gcm.Encrypt(new byte[31], new byte[12], [], [], new byte[16]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Aes256Gcm.Encrypt(new byte[32], new byte[13], [], [], new byte[16]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Aes256Gcm.Encrypt(new byte[32], new byte[12], new byte[2], new byte[1], new byte[16]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Aes256Gcm.Encrypt(new byte[32], new byte[12], [], [], new byte[12]));
    }
}
