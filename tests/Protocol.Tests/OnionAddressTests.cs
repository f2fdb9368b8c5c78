using Tacit.Fuzz;

namespace Tacit.Protocol.Tests;

public sealed class OnionAddressTests
{
    // The examples of Tor's rend-spec-v3, section 6.
    [Theory]
    [InlineData("pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion")]
    [InlineData("sp3k262uwy4r2k3ycr5awluarykdpag6a7y33jxop4cs2lu5uz5sseqd.onion")]
    [InlineData("xa4r2iadxm55fbnqgwwi5mymqdcofiu3w6rpbtqn7b2dyn7mgwj64jyd.onion")]
    public void Published_examples_are_taken_and_written_the_same(string address)
    {
        Assert.True(OnionAddress.TryParse(address, out byte[]? key));
        Assert.Equal(address, OnionAddress.Format(key));
        Assert.True(OnionAddress.IsOnionHost(address));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData(".onion")]
    [InlineData("expyuzz4wqqyqhjn.onion")]
    [InlineData("pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd")]
    [InlineData("PG6MMJIYJMCRSSLVYKFWNNTLARU7P5SVN6Y2YMMJU6NUBXNDF4PSCRYD.onion")]
    [InlineData("pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscrye.onion")]
    [InlineData("pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscry1.onion")]
    [InlineData("qg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion")]
    [InlineData("pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion.")]
    [InlineData("www.pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion")]
    public void What_is_no_address_in_its_one_spelling_is_refused(string? text) => Assert.False(OnionAddress.TryParse(text, out _));

    [Fact]
    public void Key_that_is_no_point_is_refused_under_a_good_checksum()
    {
        byte[] key = new byte[32];
        key[0] = 2;
        Assert.False(OnionAddress.TryParse(OnionAddress.Format(key), out _));
    }

    [Fact]
    public void Directory_lists_onion_services_first_and_each_once()
    {
        const string other = "http://sp3k262uwy4r2k3ycr5awluarykdpag6a7y33jxop4cs2lu5uz5sseqd.onion";
        const string own = "http://" + Samples.Onion;

        Assert.Equal(["https://a.example"], DirectoryGateway.Order(null, ["https://a.example"]));
        Assert.Equal([own, "https://a.example"], DirectoryGateway.Order(Samples.Onion, ["https://a.example"]));
        Assert.Equal([own, other, "https://a.example"], DirectoryGateway.Order(Samples.Onion, ["https://a.example", own + "/", other]));
        Assert.Equal([other, "https://a.example", "https://b.example"], DirectoryGateway.Order(null, ["https://a.example", other, "https://b.example"]));

        string[] many = [.. Enumerable.Range(0, IssuerDirectory.MaxUrls).Select(i => $"https://{i}.example")];
        Assert.Equal([own, .. many[..^1]], DirectoryGateway.Order(Samples.Onion, many));
    }
}
