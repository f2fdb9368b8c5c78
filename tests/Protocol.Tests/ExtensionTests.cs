namespace Tacit.Protocol.Tests;

public sealed class ExtensionTests
{
    // 2026-12-01 00:00 UTC, 1796083200 = 0x6b0e0e00; plan "chat".
    private const string December = "001c" + "00010010" + "0000000000015180" + "000000006b0e0e00" + "ff500004" + "63686174";

    private static readonly DateTimeOffset s_december = new(2026, 12, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Metadata_has_the_documented_bytes()
    {
        byte[] encoded = new PlanMetadata("chat", s_december).EncodeExtensions();

        Assert.Equal(1796083200, s_december.ToUnixTimeSeconds());
        Assert.Equal(December, Convert.ToHexStringLower(encoded));
    }

    [Fact]
    public void Metadata_is_a_well_formed_extensions_structure_in_ascending_order()
    {
        Assert.True(TokenExtensions.TryParse(Convert.FromHexString(December), out TokenExtensions? extensions));

        Assert.Equal([PlanMetadata.ExpirationExtensionType, PlanMetadata.PlanExtensionType], extensions.Items.Select(item => item.Type));
    }

    [Theory]
    [InlineData("precision of an hour", "001c000100100000000000000e10000000006b0e0e00ff50000463686174")]
    [InlineData("a second past midnight", "001c00010010" + "0000000000015180" + "000000006b0e0e01" + "ff50000463686174")]
    [InlineData("deadline at zero", "001c00010010" + "0000000000015180" + "0000000000000000" + "ff50000463686174")]
    [InlineData("deadline past the calendar", "001c00010010" + "0000000000015180" + "7fffffffffff0000" + "ff50000463686174")]
    [InlineData("plan before deadline", "001cff50000463686174" + "00010010" + "0000000000015180" + "000000006b0e0e00")]
    [InlineData("plan in capitals", "001c00010010" + "0000000000015180" + "000000006b0e0e00" + "ff50000443484154")]
    [InlineData("no plan", "001400010010" + "0000000000015180" + "000000006b0e0e00")]
    [InlineData("empty plan", "001800010010" + "0000000000015180" + "000000006b0e0e00" + "ff500000")]
    [InlineData("a third extension", "002000010010" + "0000000000015180" + "000000006b0e0e00" + "ff50000463686174" + "ff510000")]
    [InlineData("plan twice", "002400010010" + "0000000000015180" + "000000006b0e0e00" + "ff50000463686174" + "ff50000463686174")]
    public void Metadata_in_any_other_form_are_refused(string what, string hex)
    {
        Assert.False(PlanMetadata.TryParse(Convert.FromHexString(hex), out _), what);
    }

    [Fact]
    public void Metadata_off_midnight_cannot_be_made()
    {
        Assert.Throws<InvalidOperationException>(() => new PlanMetadata("chat", s_december.AddSeconds(1)).EncodeExtensions());
        Assert.Throws<InvalidOperationException>(() => new PlanMetadata("chat", s_december.AddTicks(1)).EncodeExtensions());
        Assert.Throws<InvalidOperationException>(() => new PlanMetadata("Chat", s_december).EncodeExtensions());
    }

    [Theory]
    [InlineData("000500020000" + "0001")]
    [InlineData("0008" + "00020000" + "00010000")]
    [InlineData("0007" + "0001000401020304")]
    public void Extensions_out_of_order_or_length_are_refused(string hex) =>
        Assert.False(TokenExtensions.TryParse(Convert.FromHexString(hex), out _));

    [Fact]
    public void Extensions_of_the_published_vector_are_one_of_type_1()
    {
        byte[] encoded = Vectors.Read("da7a_partially_blind_rsa.json")[0].Hex("extensions");

        Assert.True(TokenExtensions.TryParse(encoded, out TokenExtensions? extensions));

        TokenExtension only = Assert.Single(extensions.Items);
        Assert.Equal(1, only.Type);
        Assert.Equal([1, 2, 3], only.Data.ToArray());
        Assert.False(PlanMetadata.TryParse(encoded, out _));
    }

    [Fact]
    public void Extensions_may_repeat_a_type()
    {
        TokenExtensions extensions = TokenExtensions.Create([new TokenExtension(5, new byte[] { 2 }), new TokenExtension(5, new byte[] { 1 })]);

        Assert.True(TokenExtensions.TryParse(extensions.Encode(), out TokenExtensions? parsed));
        Assert.Equal([2, 1], parsed.Items.Select(item => item.Data.Span[0]));
    }
}
