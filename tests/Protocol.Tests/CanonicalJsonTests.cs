using System.Text;
using FsCheck;
using FsCheck.Fluent;

namespace Tacit.Protocol.Tests;

public sealed class CanonicalJsonTests
{
    // RFC 8785, section 3.2.3, without the "</script>" line that only some copies print.
    [Fact]
    public void Names_are_ordered_by_UTF_16_code_units()
    {
        const string Document = """
            {
              "\u20ac": "Euro Sign",
              "\r": "Carriage Return",
              "\ufb33": "Hebrew Letter Dalet With Dagesh",
              "1": "One",
              "\ud83d\ude00": "Emoji: Grinning Face",
              "\u0080": "Control",
              "\u00f6": "Latin Small Letter O With Diaeresis"
            }
            """;

        Assert.Equal(
            "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u0080\":\"Control\",\"\u00f6\":\"Latin Small Letter O With Diaeresis\","
                + "\"\u20ac\":\"Euro Sign\",\"\ud83d\ude00\":\"Emoji: Grinning Face\",\"\ufb33\":\"Hebrew Letter Dalet With Dagesh\"}",
            Canonical(Document));
    }

    // The string and literals of RFC 8785, section 3.2.2, with whole numbers in place of its fractions.
    [Fact]
    public void Strings_and_literals_take_their_one_form() =>
        Assert.Equal(
            "{\"literals\":[null,true,false],\"numbers\":[0,-1,9007199254740991],\"string\":\"\u20ac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}",
            Canonical("""{ "numbers": [0, -1, 9007199254740991], "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false] }"""));

    [Theory]
    [InlineData("1.0")]
    [InlineData("1e3")]
    [InlineData("-0")]
    [InlineData("9007199254740992")]
    [InlineData("-9007199254740992")]
    [InlineData("123456789012345678901234567890")]
    [InlineData("{\"a\":1,\"a\":2}")]
    [InlineData("{\"a\":1,\"\\u0061\":2}")]
    [InlineData("{\"a\":{\"b\":1,\"b\":1}}")]
    [InlineData("\"\\ud800\"")]
    [InlineData("{\"\\udc00\":1}")]
    [InlineData("[1,]")]
    [InlineData("[1] // comment")]
    [InlineData("01")]
    [InlineData("+1")]
    [InlineData("NaN")]
    [InlineData("[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]")]
    [InlineData("")]
    public void Document_that_two_parsers_could_read_differently_is_refused(string document) =>
        Assert.False(CanonicalJson.TryCanonicalize(Encoding.UTF8.GetBytes(document), null, out _));

    [Theory]
    [InlineData("2261c08062" + "22")]
    [InlineData("22eda08022")]
    [InlineData("efbbbf7b7d")]
    [InlineData("22ff22")]
    public void Bytes_that_are_not_UTF_8_or_begin_with_a_mark_are_refused(string hex) =>
        Assert.False(CanonicalJson.TryCanonicalize(Convert.FromHexString(hex), null, out _));

    [Fact]
    public void Named_member_is_left_out_at_the_top_only() =>
        Assert.Equal("{\"a\":{\"signature\":1}}", Canonical("{\"signature\":2,\"a\":{\"signature\":1}}", "signature"));

    [Fact]
    public void Canonical_form_is_its_own_canonical_form() =>
        Property.Holds(
            from names in Gen.ArrayOf(ArbMap.Default.ArbFor<NonNull<string>>().Generator)
            from numbers in Gen.ArrayOf(Gen.Choose(int.MinValue, int.MaxValue))
            select (names: names.Select(name => name.Get).Distinct().Where(IsText), numbers),
            content =>
            {
                System.Text.Json.Nodes.JsonObject document = [];
                foreach (string name in content.names)
                {
                    document[name] = new System.Text.Json.Nodes.JsonArray([.. content.numbers.Select(number => (System.Text.Json.Nodes.JsonNode)number)]);
                }

                string canonical = Canonical(document.ToJsonString());
                Assert.Equal(canonical, Canonical(canonical));
                Assert.True(System.Text.Json.Nodes.JsonNode.DeepEquals(document, System.Text.Json.Nodes.JsonNode.Parse(canonical)));
            });

    private static bool IsText(string text)
    {
        try
        {
            _ = new UTF8Encoding(false, throwOnInvalidBytes: true).GetByteCount(text);
            return true;
        }
        catch (EncoderFallbackException)
        {
            return false;
        }
    }

    private static string Canonical(string document, string? omit = null)
    {
        Assert.True(CanonicalJson.TryCanonicalize(Encoding.UTF8.GetBytes(document), omit, out byte[]? canonical));
        return Encoding.UTF8.GetString(canonical);
    }
}
