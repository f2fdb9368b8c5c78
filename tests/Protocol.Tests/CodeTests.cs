using FsCheck.Fluent;

namespace Tacit.Protocol.Tests;

public sealed class CodeTests
{
    // Computed apart from this code: base32 digits of the number, then the symbol of the number modulo 37.
    [Theory]
    [InlineData("00000000000000000000000000000000", "0000-0000-0000-0000-0000-0000-000")]
    [InlineData("00000000000000000000000000000001", "0000-0000-0000-0000-0000-0000-011")]
    [InlineData("000102030405060708090a0b0c0d0e0f", "0004-1061-050R-3GG2-8A1C-60T3-GF6")]
    [InlineData("8edf3c1b7a90124455aa99ff00c0ffee", "4EVW-Y1PY-MG29-25BA-MSZW-0C1Z-ZEM")]
    [InlineData("ffffffffffffffffffffffffffffffff", "7ZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZ*")]
    public void Code_is_the_number_in_base_32_with_its_check_symbol(string hex, string text)
    {
        Assert.True(AccountKey.TryParse(text, out AccountKey? key));

        Assert.Equal(hex, Convert.ToHexStringLower(key.Bytes));
        Assert.Equal(text, key.ToString());
    }

    [Theory]
    [InlineData("4evw-y1py-mg29-25ba-mszw-0c1z-zem")]
    [InlineData("4EVWY1PYMG2925BAMSZW0C1ZZEM")]
    [InlineData("  4EVW Y1PY MG29 25BA MSZW 0C1Z ZEM ")]
    [InlineData("4EVW-YLPY-MG29-25BA-MSZW-OCIZ-ZEM")]
    [InlineData("4evw-yipy-mg29-25ba-mszw-oclz-zem")]
    [InlineData("-4-EVWY1PYMG2925BAMSZW0C1ZZE-M-")]
    public void Code_is_read_as_people_type_it(string text)
    {
        Assert.True(AccountKey.TryParse(text, out AccountKey? key));

        Assert.Equal("8edf3c1b7a90124455aa99ff00c0ffee", Convert.ToHexStringLower(key.Bytes));
    }

    [Theory]
    [InlineData("")]
    [InlineData("4EVW-Y1PY-MG29-25BA-MSZW-0C1Z-ZE")]
    [InlineData("4EVW-Y1PY-MG29-25BA-MSZW-0C1Z-ZEMM")]
    [InlineData("4EVW-Y1PY-MG29-25BA-MSZW-0C1Z-ZEN")]
    [InlineData("4EVW-Y1PY-MG29-25BA-MSZW-0C1Z-UEM")]
    [InlineData("4EVW_Y1PY_MG29_25BA_MSZW_0C1Z_ZEM")]
    [InlineData("8000-0000-0000-0000-0000-0000-00F")]
    [InlineData("É000-0000-0000-0000-0000-0000-000")]
    public void Code_with_a_slip_is_refused(string text) => Assert.False(AccountKey.TryParse(text, out _));

    [Fact]
    public void Code_with_any_one_symbol_wrong_or_two_neighbours_swapped_is_refused()
    {
        const string Symbols = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        using VoucherCode code = VoucherCode.Create();
        string text = code.ToString().Replace("-", "", StringComparison.Ordinal);
        for (int i = 0; i < text.Length; i++)
        {
            foreach (char symbol in Symbols.Where(symbol => symbol != text[i]))
            {
                Assert.False(VoucherCode.TryParse(text[..i] + symbol + text[(i + 1)..], out _));
            }

            if (i > 0 && text[i] != text[i - 1])
            {
                Assert.False(VoucherCode.TryParse(text[..(i - 1)] + text[i] + text[i - 1] + text[(i + 1)..], out _));
            }
        }
    }

    [Fact]
    public void New_codes_are_distinct_and_fit_into_headers_and_shells()
    {
        HashSet<string> seen = [];
        for (int i = 0; i < 500; i++)
        {
            using AccountKey key = AccountKey.Create();
            string text = key.ToString();
            Assert.True(seen.Add(text));
            Assert.True(text.All(symbol => char.IsAsciiLetterOrDigit(symbol) || symbol == '-'), text);
            Assert.True(AccountKey.TryParse(text, out AccountKey? parsed));
            Assert.Equal(key, parsed);
        }
    }

    [Fact]
    public void Codes_of_any_bytes_survive_writing_and_reading() =>
        Property.Holds(
            Property.BytesOf(WalletSeed.SizeInBytes),
            bytes =>
            {
                using WalletSeed seed = WalletSeed.Import(bytes);
                Assert.True(WalletSeed.TryParse(seed.ToString(), out WalletSeed? parsed));
                Assert.Equal(bytes, parsed.Bytes);
            });

    [Fact]
    public void Hash_differs_between_kinds_of_code_with_the_same_bytes()
    {
        const string Text = "0004-1061-050R-3GG2-8A1C-60T3-GF6";
        Assert.True(AccountKey.TryParse(Text, out AccountKey? account));
        Assert.True(VoucherCode.TryParse(Text, out VoucherCode? voucher));

        // SHA-256 of "tacit account key 1" or "tacit voucher code 1" and the bytes 00 … 0f, computed apart from this code.
        Assert.Equal("5c7212e28a860963ef23dc90dda3473a24551173114f1df15688a433931862a7", Convert.ToHexStringLower(account.Hash()));
        Assert.Equal("13cf7399e16ebbe736adc3bfb40a25a0bd92364d333f4e2aba33c38ed8b7ab72", Convert.ToHexStringLower(voucher.Hash()));
        Assert.False(account.Equals(voucher));
    }

    [Fact]
    public void Disposed_code_is_gone()
    {
        AccountKey key = AccountKey.Create();
        ReadOnlySpan<byte> bytes = key.Bytes;

        key.Dispose();

        Assert.False(bytes.ContainsAnyExcept((byte)0));
        Assert.Throws<ObjectDisposedException>(() => key.ToString());
    }
}
