using System.Security.Cryptography;
using FsCheck;
using FsCheck.Fluent;

namespace Tacit.Crypto.Tests;

public sealed class HpkeTests
{
    private static readonly byte[] s_info = "Tacit tests"u8.ToArray();

    private static Gen<HpkeSuite> Suites { get; } = Gen.Elements(
        HpkeSuite.X25519Aes128Gcm, HpkeSuite.X25519Aes256Gcm, HpkeSuite.X25519ChaCha20Poly1305);

    [Fact]
    public void Any_message_opens_in_every_mode_and_any_flipped_bit_fails() => Property.Holds(
        60,
        from suite in Suites
        from mode in Gen.Choose(0, 3)
        from info in Property.BytesUpTo(2000)
        from associatedData in Property.BytesUpTo(100)
        from plaintext in Property.BytesUpTo(3000)
        from bit in Gen.Choose(0, int.MaxValue)
        select (suite, mode, info, associatedData, plaintext, bit),
        run =>
        {
            (HpkeSuite suite, int mode, byte[] info, byte[] associatedData, byte[] plaintext, int bit) = run;
            using HpkePrivateKey key = HpkePrivateKey.Generate(suite);
            using HpkePrivateKey sender = HpkePrivateKey.Generate(suite);
            using HpkePrivateKey other = HpkePrivateKey.Generate(suite);
            using HpkePsk secret = new("name"u8, RandomNumberGenerator.GetBytes(32));
            using HpkePsk otherSecret = new("name"u8, RandomNumberGenerator.GetBytes(32));
            HpkePsk? psk = mode % 2 == 1 ? secret : null;
            HpkePrivateKey? senderKey = mode >= 2 ? sender : null;
            byte[] encapsulated = new byte[suite.EncapsulatedKeySizeInBytes];
            byte[] ciphertext = new byte[plaintext.Length + suite.TagSizeInBytes];
            suite.Seal(key.PublicKey, info, associatedData, plaintext, encapsulated, ciphertext, psk, senderKey);
            Assert.True(Opens(key, encapsulated, info, associatedData, ciphertext, psk, senderKey?.PublicKey));

            byte[] flipped = Property.FlipBit(encapsulated, bit % 255); // the last bit is no part of the number, but of what is hashed: see below
            Assert.False(Opens(key, flipped, info, associatedData, ciphertext, psk, senderKey?.PublicKey));
            Assert.False(Opens(key, Property.FlipBit(encapsulated, 255), info, associatedData, ciphertext, psk, senderKey?.PublicKey));
            Assert.False(Opens(key, encapsulated, info, associatedData, Property.FlipBit(ciphertext, bit % (8 * ciphertext.Length)), psk, senderKey?.PublicKey));
            Assert.False(Opens(key, encapsulated, info, [.. associatedData, 0], ciphertext, psk, senderKey?.PublicKey));
            Assert.False(Opens(key, encapsulated, [.. info, 0], associatedData, ciphertext, psk, senderKey?.PublicKey));
            Assert.False(Opens(key, encapsulated, info, associatedData, ciphertext[..(bit % ciphertext.Length)], psk, senderKey?.PublicKey));
            if (associatedData.Length > 0)
            {
                Assert.False(Opens(key, encapsulated, info, Property.FlipBit(associatedData, bit % (8 * associatedData.Length)), ciphertext, psk, senderKey?.PublicKey));
            }

            if (info.Length > 0)
            {
                Assert.False(Opens(key, encapsulated, Property.FlipBit(info, bit % (8 * info.Length)), associatedData, ciphertext, psk, senderKey?.PublicKey));
            }

            Assert.False(Opens(other, encapsulated, info, associatedData, ciphertext, psk, senderKey?.PublicKey));
            Assert.False(Opens(key, encapsulated, info, associatedData, ciphertext, otherSecret, senderKey?.PublicKey));
            Assert.False(Opens(key, encapsulated, info, associatedData, ciphertext, psk, other.PublicKey));

            bool Opens(HpkePrivateKey with, byte[] enc, byte[] about, byte[] data, byte[] sealedBytes, HpkePsk? shared, HpkePublicKey? from)
            {
                byte[] opened = new byte[Math.Max(0, sealedBytes.Length - suite.TagSizeInBytes)];
                bool isOpen = suite.TryOpen(with, enc, about, data, sealedBytes, opened, shared, from);
                Assert.Equal(isOpen ? plaintext : new byte[opened.Length], opened); // nothing of what failed is left
                return isOpen;
            }
        });

    [Fact]
    public void Messages_open_in_their_order_only_and_one_that_fails_does_not_count() => Property.Holds(
        50,
        from suite in Suites
        from count in Gen.Choose(2, 6)
        from wrong in Gen.Choose(0, 5)
        select (suite, count, wrong),
        run =>
        {
            using HpkePrivateKey key = HpkePrivateKey.Generate(run.suite);
            (HpkeSender sender, HpkeRecipient recipient) = Pair(run.suite, key);
            using (sender)
            using (recipient)
            {
                byte[][] messages = [.. Enumerable.Range(0, run.count).Select(i =>
                {
                    byte[] ciphertext = new byte[1 + 16];
                    sender.Seal([], [(byte)i], ciphertext);
                    return ciphertext;
                })];
                byte[] opened = new byte[1];
                for (int i = 0; i < run.count; i++)
                {
                    int other = run.wrong % run.count;
                    if (other != i)
                    {
                        Assert.False(recipient.TryOpen([], messages[other], opened));
                    }

                    Assert.True(recipient.TryOpen([], messages[i], opened));
                    Assert.Equal(i, opened[0]);
                    Assert.False(recipient.TryOpen([], messages[i], opened)); // repeated
                }
            }
        });

    [Fact]
    public void Exports_agree_and_depend_on_context_and_length()
    {
        using HpkePrivateKey key = HpkePrivateKey.Generate(HpkeSuite.X25519Aes128Gcm);
        (HpkeSender sender, HpkeRecipient recipient) = Pair(HpkeSuite.X25519Aes128Gcm, key);
        using (sender)
        using (recipient)
        {
            byte[] one = Export("one"u8, 32);
            Assert.NotEqual(one, Export("two"u8, 32));
            Assert.NotEqual(one, Export("one"u8, 33)[..32]);
            Assert.Empty(Export("one"u8, 0));
            _ = Export(new byte[5000], HpkeSuite.MaxExportSizeInBytes);
            Assert.Throws<ArgumentOutOfRangeException>(() => sender.Export("one"u8, new byte[HpkeSuite.MaxExportSizeInBytes + 1]));

            byte[] Export(ReadOnlySpan<byte> context, int length)
            {
                byte[] ours = new byte[length];
                byte[] theirs = new byte[length];
                sender.Export(context, ours);
                recipient.Export(context, theirs);
                Assert.Equal(ours, theirs);
                return ours;
            }
        }
    }

    // The points of small order, canonical and beyond the field's size, with and without the bit that X25519 ignores (RFC 7748 §5, §6.1).
    [Theory]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("0100000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")]
    [InlineData("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157")]
    [InlineData("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]
    [InlineData("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]
    [InlineData("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]
    public void Keys_of_small_order_are_refused(string point)
    {
        HpkeSuite suite = HpkeSuite.X25519ChaCha20Poly1305;
        using HpkePrivateKey key = HpkePrivateKey.Generate(suite);
        byte[] bytes = TestKeys.Hex(point);
        for (int i = 0; i < 2; i++)
        {
            Assert.False(HpkePublicKey.TryImport(suite, bytes, out _));
            Assert.Null(suite.SetupRecipient(key, bytes, s_info));
            byte[] opened = [1];
            Assert.False(suite.TryOpen(key, bytes, s_info, [], new byte[17], opened));
            Assert.Equal(0, opened[0]);
            bytes[31] |= 0x80;
        }
    }

    [Fact]
    public void Numbers_beyond_the_field_are_keys_like_their_residue()
    {
        HpkeSuite suite = HpkeSuite.X25519ChaCha20Poly1305;
        byte[] nine = [9, .. new byte[31]];
        byte[] ninePlusField = TestKeys.Hex("f6ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"); // 2^255 - 19 + 9
        byte[] nineTopBit = [.. nine[..31], 0x80];
        byte[][] secrets = [.. new[] { nine, ninePlusField, nineTopBit }.Select(point =>
        {
            Assert.True(HpkePublicKey.TryImport(suite, point, out HpkePublicKey? key));
            Assert.Equal(point, key.Export());
            byte[] secret = new byte[32];
            using Interop.SafeEvpKeyHandle scalar = Crypto.Hpke.X25519.Import(TestKeys.Hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"));
            Assert.True(Crypto.Hpke.X25519.TryAgree(scalar, key.Bytes, secret));
            return secret;
        })];
        Assert.Equal(secrets[0], secrets[1]);
        Assert.Equal(secrets[0], secrets[2]);
    }

    [Fact]
    public void Other_lengths_are_refused()
    {
        HpkeSuite suite = HpkeSuite.X25519Aes256Gcm;
        using HpkePrivateKey key = HpkePrivateKey.Generate(suite);
        foreach (int length in new[] { 0, 31, 33, 64 })
        {
            Assert.False(HpkePublicKey.TryImport(suite, new byte[length], out _));
            Assert.Throws<CryptographicException>(() => HpkePrivateKey.Import(suite, new byte[length]));
            Assert.Throws<ArgumentOutOfRangeException>(() => key.Export(new byte[length]));
            Assert.Null(suite.SetupRecipient(key, new byte[length], s_info));
            Assert.Throws<ArgumentOutOfRangeException>(() => suite.SetupSender(key.PublicKey, s_info, new byte[length]));
        }

        (HpkeSender sender, HpkeRecipient recipient) = Pair(suite, key);
        using (sender)
        using (recipient)
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => sender.Seal([], new byte[4], new byte[19]));
            Assert.Throws<ArgumentOutOfRangeException>(() => recipient.TryOpen([], new byte[20], new byte[5]));
            byte[] left = [1, 2];
            Assert.False(recipient.TryOpen([], new byte[15], left));
            Assert.Equal([0, 0], left);
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => new HpkePsk([], new byte[32]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new HpkePsk([1], new byte[31]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new HpkePsk([1], new byte[129]));
    }

    [Fact]
    public void Context_at_its_last_sequence_number_refuses()
    {
        using HpkePrivateKey key = HpkePrivateKey.Generate(HpkeSuite.X25519ChaCha20Poly1305);
        (HpkeSender sender, HpkeRecipient recipient) = Pair(HpkeSuite.X25519ChaCha20Poly1305, key);
        using (sender)
        using (recipient)
        {
            byte[] ciphertext = new byte[16];
            sender.Context.Sequence = recipient.Context.Sequence = ulong.MaxValue - 1;
            sender.Seal([], [], ciphertext);
            Assert.True(recipient.TryOpen([], ciphertext, []));
            Assert.Throws<CryptographicException>(() => sender.Seal([], [], ciphertext));
            Assert.Throws<CryptographicException>(() => recipient.TryOpen([], ciphertext, []));
        }
    }

    [Fact]
    public void Messages_may_be_sealed_and_opened_in_place_but_not_shifted()
    {
        using HpkePrivateKey key = HpkePrivateKey.Generate(HpkeSuite.X25519ChaCha20Poly1305);
        (HpkeSender sender, HpkeRecipient recipient) = Pair(HpkeSuite.X25519ChaCha20Poly1305, key);
        using (sender)
        using (recipient)
        {
            byte[] expected = RandomNumberGenerator.GetBytes(1000);
            byte[] buffer = [.. expected, .. new byte[17]];
            Assert.Throws<ArgumentException>(() => sender.Seal([], buffer.AsSpan(1, 1000), buffer.AsSpan(0, 1016)));
            sender.Seal([], buffer.AsSpan(0, 1000), buffer.AsSpan(0, 1016));
            Assert.NotEqual(expected, buffer[..1000]);
            Assert.Throws<ArgumentException>(() => recipient.TryOpen([], buffer.AsSpan(0, 1016), buffer.AsSpan(1, 1000)));
            Assert.True(recipient.TryOpen([], buffer.AsSpan(0, 1016), buffer.AsSpan(0, 1000)));
            Assert.Equal(expected, buffer[..1000]);
        }
    }

    [Fact]
    public void Suites_are_found_by_their_ids_and_unknown_ones_are_not()
    {
        foreach ((ushort aead, HpkeSuite expected) in new[]
        {
            ((ushort)1, HpkeSuite.X25519Aes128Gcm), ((ushort)2, HpkeSuite.X25519Aes256Gcm), ((ushort)3, HpkeSuite.X25519ChaCha20Poly1305),
        })
        {
            Assert.True(HpkeSuite.TryFind(0x0020, 0x0001, aead, out HpkeSuite? suite));
            Assert.Same(expected, suite);
            Assert.Equal((0x0020, 0x0001, aead), (suite.KemId, suite.KdfId, suite.AeadId));
            Assert.Equal((32, 32, 16, aead == 1 ? 16 : 32, 12), (
                suite.EncapsulatedKeySizeInBytes, suite.PublicKeySizeInBytes, suite.TagSizeInBytes, suite.AeadKeySizeInBytes, suite.AeadNonceSizeInBytes));
        }

        Assert.False(HpkeSuite.TryFind(0x0010, 0x0001, 0x0001, out _));
        Assert.False(HpkeSuite.TryFind(0x0020, 0x0003, 0x0001, out _));
        Assert.False(HpkeSuite.TryFind(0x0020, 0x0001, 0xffff, out _));
    }

    [Fact]
    public void Private_keys_survive_export_and_disposed_ones_refuse()
    {
        HpkeSuite suite = HpkeSuite.X25519ChaCha20Poly1305;
        HpkePrivateKey key = HpkePrivateKey.Generate(suite);
        byte[] bytes = new byte[32];
        key.Export(bytes);
        using HpkePrivateKey again = HpkePrivateKey.Import(suite, bytes);
        Assert.Equal(key.PublicKey.Export(), again.PublicKey.Export());
        (HpkeSender sender, HpkeRecipient recipient) = Pair(suite, key);
        key.Dispose();
        sender.Dispose();
        recipient.Dispose();
        Assert.Throws<ObjectDisposedException>(() => key.Export(bytes));
        Assert.Throws<ObjectDisposedException>(() => suite.SetupRecipient(key, new byte[32], s_info));
        Assert.Throws<ObjectDisposedException>(() => sender.Seal([], [], new byte[16]));
        Assert.Throws<ObjectDisposedException>(() => recipient.TryOpen([], new byte[16], []));
        Assert.Throws<ObjectDisposedException>(() => sender.Export([], bytes));
    }

    [Fact]
    public void Threads_that_come_and_go_share_keys_and_contexts()
    {
        HpkeSuite suite = HpkeSuite.X25519Aes128Gcm;
        using HpkePrivateKey key = HpkePrivateKey.Generate(suite);
        (HpkeSender sender, HpkeRecipient recipient) = Pair(suite, key);
        using (sender)
        using (recipient)
        {
            int failures = 0;
            System.Collections.Concurrent.ConcurrentBag<byte[]> together = [];
            for (int round = 0; round < 4; round++)
            {
                Thread[] threads = [.. Enumerable.Range(0, 8).Select(_ => new Thread(() =>
                {
                    for (int i = 0; i < 20; i++)
                    {
                        byte[] encapsulated = new byte[32];
                        byte[] ciphertext = new byte[17];
                        suite.Seal(key.PublicKey, s_info, [], [(byte)i], encapsulated, ciphertext);
                        byte[] opened = new byte[1];
                        if (!suite.TryOpen(key, encapsulated, s_info, [], ciphertext, opened) || opened[0] != i)
                        {
                            Interlocked.Increment(ref failures);
                        }

                        byte[] shared = new byte[17];
                        sender.Seal([], [7], shared);
                        together.Add(shared);
                    }
                }))];
                Array.ForEach(threads, thread => thread.Start());
                Array.ForEach(threads, thread => thread.Join());
                GC.Collect();
                GC.WaitForPendingFinalizers(); // the threads' native objects go
            }

            Assert.Equal(0, failures);

            // Every message had a number of its own: one plaintext never gave the same bytes, and all open in the order of their numbers.
            Assert.Equal(640, together.Select(Convert.ToHexString).Distinct().Count());
            List<byte[]> left = [.. together];
            byte[] one = new byte[1];
            while (left.FindIndex(message => recipient.TryOpen([], message, one)) is >= 0 and int found)
            {
                left.RemoveAt(found);
            }

            Assert.Empty(left);
        }
    }

    [Fact]
    public void Keys_disposed_while_others_use_them_open_or_refuse_and_nothing_else() => Property.Holds(
        10,
        Gen.Constant(0),
        _ =>
        {
            HpkeSuite suite = HpkeSuite.X25519ChaCha20Poly1305;
            HpkePrivateKey key = HpkePrivateKey.Generate(suite);
            byte[] encapsulated = new byte[32];
            byte[] ciphertext = new byte[17];
            suite.Seal(key.PublicKey, s_info, [], [5], encapsulated, ciphertext);
            Parallel.For(0, 20, i =>
            {
                if (i == 9)
                {
                    key.Dispose();
                }

                // Slots that were freed are taken at once by others.
                using HpkePrivateKey other = HpkePrivateKey.Generate(suite);
                byte[] opened = new byte[1];
                try
                {
                    Assert.True(suite.TryOpen(key, encapsulated, s_info, [], ciphertext, opened));
                    Assert.Equal(5, opened[0]);
                }
                catch (ObjectDisposedException)
                {
                }
            });
        });

    private static (HpkeSender Sender, HpkeRecipient Recipient) Pair(HpkeSuite suite, HpkePrivateKey key)
    {
        byte[] encapsulated = new byte[suite.EncapsulatedKeySizeInBytes];
        HpkeSender sender = suite.SetupSender(key.PublicKey, s_info, encapsulated);
        return (sender, suite.SetupRecipient(key, encapsulated, s_info)!);
    }
}
