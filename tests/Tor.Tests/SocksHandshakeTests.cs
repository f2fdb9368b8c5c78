using Tacit.Tor.Socks;

namespace Tacit.Tor.Tests;

public sealed class SocksHandshakeTests
{
    [Fact]
    public void Greeting_offers_the_user_name_alone() => Assert.Equal([5, 1, 2], SocksHandshake.Greeting.ToArray());

    [Fact]
    public void Name_is_sent_as_a_name() =>
        Assert.Equal([5, 1, 0, 3, 7, .. "a.onion"u8, 0, 80], SocksHandshake.Connect("a.onion", 80)!);

    [Theory]
    [InlineData("127.0.0.1", new byte[] { 5, 1, 0, 1, 127, 0, 0, 1, 0x1F, 0x90 })]
    [InlineData("::1", new byte[] { 5, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x1F, 0x90 })]
    [InlineData("[::1]", new byte[] { 5, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x1F, 0x90 })]
    public void Literal_is_sent_as_an_address(string host, byte[] expected) => Assert.Equal(expected, SocksHandshake.Connect(host, 8080));

    [Theory]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("a\0.example")]
    [InlineData("ä.example")]
    [InlineData("fe80::1%eth0")]
    public void What_is_no_host_is_refused(string host) => Assert.Null(SocksHandshake.Connect(host, 80));

    [Fact]
    public void Name_that_does_not_fit_one_length_byte_is_refused()
    {
        Assert.NotNull(SocksHandshake.Connect(new string('a', 255), 80));
        Assert.Null(SocksHandshake.Connect(new string('a', 256), 80));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(65536)]
    public void What_is_no_port_is_refused(int port) => Assert.Null(SocksHandshake.Connect("a.example", port));

    [Fact]
    public void Every_reply_code_but_success_is_an_error()
    {
        Assert.Null(SocksHandshake.ErrorOf(0));
        Assert.All(Enumerable.Range(1, 255), code => Assert.NotNull(SocksHandshake.ErrorOf((byte)code)));
        Assert.Equal(8, Enumerable.Range(0xF0, 8).Select(code => SocksHandshake.ErrorOf((byte)code)).Distinct().Count());
    }

    [Fact]
    public void Length_of_a_reply_is_read_from_its_head()
    {
        Assert.Equal(5, SocksHandshake.RestOfReply([5, 0, 0, 1, 127]));
        Assert.Equal(17, SocksHandshake.RestOfReply([5, 0, 0, 4, 0]));
        Assert.Equal(12, SocksHandshake.RestOfReply([5, 0, 0, 3, 10]));
        Assert.Equal(-1, SocksHandshake.RestOfReply([4, 0, 0, 1, 0]));
        Assert.Equal(-1, SocksHandshake.RestOfReply([5, 0, 0, 2, 0]));
    }
}
