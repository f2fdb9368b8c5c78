using System.Security.Cryptography;

namespace Tacit.Crypto.Tests;

public sealed class ShortDigestTests
{
    [Fact]
    public void Digests_of_every_length_are_the_frameworks()
    {
        byte[] message = RandomNumberGenerator.GetBytes(ShortDigest.MaxShort + 2);
        for (int length = 0; length <= message.Length; length++)
        {
            byte[] sha256 = new byte[32];
            ShortDigest.Sha256(message.AsSpan(0, length), sha256);
            Assert.Equal(SHA256.HashData(message.AsSpan(0, length)), sha256);
            byte[] sha384 = new byte[48];
            ShortDigest.Sha384(message.AsSpan(0, length), sha384);
            Assert.Equal(SHA384.HashData(message.AsSpan(0, length)), sha384);
        }
    }

    [Fact]
    public void Hmac_of_every_key_length_is_the_frameworks()
    {
        byte[] key = RandomNumberGenerator.GetBytes(64);
        byte[] message = RandomNumberGenerator.GetBytes(ShortDigest.MaxShort + 2);
        for (int length = 0; length <= key.Length; length++)
        {
            foreach (int size in new[] { 0, 1, 55, 56, 63, 64, 65, 256, ShortDigest.MaxShort, message.Length })
            {
                byte[] mac = new byte[32];
                ShortDigest.HmacSha256(key.AsSpan(0, length), message.AsSpan(0, size), mac);
                Assert.Equal(HMACSHA256.HashData(key.AsSpan(0, length), message.AsSpan(0, size)), mac);
            }
        }
    }

    [Fact]
    public void Destination_of_another_size_is_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => ShortDigest.Sha256([], new byte[31]));
        Assert.Throws<ArgumentOutOfRangeException>(() => ShortDigest.Sha384([], new byte[32]));
        Assert.Throws<ArgumentOutOfRangeException>(() => ShortDigest.HmacSha256([], [], new byte[33]));
        Assert.Throws<ArgumentOutOfRangeException>(() => ShortDigest.HmacSha256(new byte[65], [], new byte[32]));
    }
}
