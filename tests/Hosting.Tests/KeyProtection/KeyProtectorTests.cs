using Tacit.Hosting.KeyProtection;

namespace Tacit.Hosting.Tests.KeyProtection;

public sealed class KeyProtectorTests
{
    private static readonly byte[] s_keyFile = "0123456789abcdef0123456789abcdef"u8.ToArray();
    private static readonly byte[] s_key = [1, 2, 3, 4, 5];

    [Theory]
    [InlineData(KeyProtectionKind.Passphrase, "correct horse")]
    [InlineData(KeyProtectionKind.KeyFile, "0123456789abcdef0123456789abcdef")]
    public void Sealed_key_opens_again_under_the_kept_header(KeyProtectionKind kind, string secret)
    {
        byte[] header;
        byte[] sealedKey;
        using (KeyProtector first = KeyProtector.Create(kind, Utf8(secret)))
        {
            header = first.ExportHeader();
            sealedKey = first.Seal(s_key, "row 1"u8);
        }

        // White space around a passphrase is not part of it.
        using KeyProtector again = KeyProtector.Open(kind, Utf8(kind == KeyProtectionKind.Passphrase ? secret + "\n" : secret), header);
        Assert.Equal(s_key, again.Unseal(sealedKey, "row 1"u8));
        Assert.Equal(-1, sealedKey.AsSpan().IndexOf(s_key));
    }

    [Fact]
    public void Key_file_of_random_bytes_may_begin_and_end_with_any()
    {
        byte[] random = [.. "\n "u8, .. s_keyFile.AsSpan(4), .. "\r\n"u8];
        Assert.Equal(KeyProtector.MinKeyFileSizeInBytes, random.Length);
        using KeyProtector protector = KeyProtector.Create(KeyProtectionKind.KeyFile, random);
        Assert.Equal(KeyProtectionError.WrongSecret, Error(() => KeyProtector.Open(KeyProtectionKind.KeyFile, [.. random, (byte)'\n'], protector.ExportHeader())));
    }

    [Fact]
    public void Wrong_passphrase_is_recognised_by_the_header_alone()
    {
        using KeyProtector protector = KeyProtector.Create(KeyProtectionKind.Passphrase, "right"u8);
        byte[] header = protector.ExportHeader();
        Assert.Equal(KeyProtectionError.WrongSecret, Error(() => KeyProtector.Open(KeyProtectionKind.Passphrase, "wrong"u8, header)));
    }

    [Fact]
    public void Secret_of_the_other_kind_is_named()
    {
        using KeyProtector protector = KeyProtector.Create(KeyProtectionKind.KeyFile, s_keyFile);
        Assert.Equal(KeyProtectionError.KeyFileExpected, Error(() => KeyProtector.Open(KeyProtectionKind.Passphrase, s_keyFile, protector.ExportHeader())));
    }

    [Fact]
    public void Empty_or_short_secret_is_refused()
    {
        Assert.Equal(KeyProtectionError.EmptySecret, Error(() => KeyProtector.Create(KeyProtectionKind.Passphrase, " \n"u8)));
        Assert.Equal(KeyProtectionError.KeyFileTooShort, Error(() => KeyProtector.Create(KeyProtectionKind.KeyFile, s_keyFile.AsSpan(1))));
    }

    [Fact]
    public void Key_moved_to_another_row_or_changed_in_any_byte_does_not_open()
    {
        using KeyProtector protector = KeyProtector.Create(KeyProtectionKind.KeyFile, s_keyFile);
        byte[] sealedKey = protector.Seal(s_key, "row 1"u8);
        Assert.Equal(KeyProtectionError.Damaged, Error(() => protector.Unseal(sealedKey, "row 2"u8)));
        Assert.Equal(KeyProtectionError.Damaged, Error(() => protector.Unseal(sealedKey.AsSpan(0, 20), "row 1"u8)));
        for (int i = 0; i < sealedKey.Length; i++)
        {
            sealedKey[i] ^= 1;
            Assert.Equal(KeyProtectionError.Damaged, Error(() => protector.Unseal(sealedKey, "row 1"u8)));
            sealedKey[i] ^= 1;
        }
    }

    [Fact]
    public void Header_changed_in_any_byte_opens_nothing()
    {
        using KeyProtector protector = KeyProtector.Create(KeyProtectionKind.KeyFile, s_keyFile);
        byte[] header = protector.ExportHeader();
        for (int i = 0; i < header.Length; i++)
        {
            header[i] ^= 1;
            Assert.NotNull(Record.Exception(() => KeyProtector.Open(KeyProtectionKind.KeyFile, s_keyFile, header)));
            header[i] ^= 1;
        }

        Assert.Equal(KeyProtectionError.Damaged, Error(() => KeyProtector.Open(KeyProtectionKind.KeyFile, s_keyFile, header.AsSpan(1))));
    }

    private static KeyProtectionError Error(Action action) => Assert.Throws<KeyProtectionException>(action).Error;

    private static byte[] Utf8(string text) => System.Text.Encoding.UTF8.GetBytes(text);
}
