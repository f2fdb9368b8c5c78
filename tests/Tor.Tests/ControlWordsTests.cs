using Tacit.Tor.Control;

namespace Tacit.Tor.Tests;

public sealed class ControlWordsTests
{
    [Fact]
    public void Words_pairs_and_quoted_values_are_told_apart()
    {
        ControlWords words = ControlWords.Parse("STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=14 TAG=handshake SUMMARY=\"Handshaking with a relay\" EMPTY= LAST=\"\"");
        Assert.Equal(["STATUS_CLIENT", "NOTICE", "BOOTSTRAP"], words.Plain);
        Assert.Equal(14, words.Number("PROGRESS"));
        Assert.Equal("Handshaking with a relay", words["SUMMARY"]);
        Assert.Equal("", words["EMPTY"]);
        Assert.Equal("", words["LAST"]);
        Assert.Null(words["ABSENT"]);
        Assert.Equal("", words.At(3));
    }

    [Theory]
    [InlineData("A=\"x\\\"y\\\\z\"", "x\"y\\z")]
    [InlineData("A=\"tab\\tend\\n\"", "tab\tend\n")]
    [InlineData("A=\"\\303\\244\\0\"", "Ã¤\0")]
    [InlineData("A=\"\\777\"", "?7")]
    [InlineData("A=\"open", "open")]
    [InlineData("A=\"ends in \\", "ends in \\")]
    public void Escapes_are_read_as_tor_writes_them(string line, string expected) => Assert.Equal(expected, ControlWords.Parse(line)["A"]);

    [Theory]
    [InlineData("/var/lib/with space/tör")]
    [InlineData("quote\"and\\backslash")]
    public void Quoted_is_read_back(string value) => Assert.Equal(value, ControlWords.Parse("A=" + ControlWords.Quote(value))["A"]);

    [Fact]
    public void Circuit_is_read_from_what_tor_says()
    {
        TorCircuit circuit = TorEvents.Circuit(
            "12 BUILT $D2B8A0F223FD82701244082FEE739E7FD1D03EF0~e0,$4C0C5B003F42FDF206D250ED5F5CEA24E2CEEF22~r0,$9C20DD9960D9BC96DE22D7CCD9CD6CE9187EA5AF "
            + "BUILD_FLAGS=IS_INTERNAL,NEED_CAPACITY PURPOSE=HS_CLIENT_REND HS_STATE=HSCR_JOINED REND_QUERY=xub32ok3wvodipjtpk4mveezmpotgy4h7u2jdkclwtfozzmhidl4styd "
            + "TIME_CREATED=2026-11-21T08:56:43.484162 SOCKS_USERNAME=\"8e13d9596d36a5ed93734571d759182e\" SOCKS_PASSWORD=\"x\" HS_POW=v1,8")!;
        Assert.Equal("12", circuit.Id);
        Assert.Equal("BUILT", circuit.Status);
        Assert.Equal(["e0", "r0", ""], circuit.Path.Select(hop => hop.Nickname));
        Assert.Equal("9C20DD9960D9BC96DE22D7CCD9CD6CE9187EA5AF", circuit.Path[2].Fingerprint);
        Assert.Equal("HS_CLIENT_REND", circuit.Purpose);
        Assert.Equal("HSCR_JOINED", circuit.OnionState);
        Assert.Equal("xub32ok3wvodipjtpk4mveezmpotgy4h7u2jdkclwtfozzmhidl4styd.onion", circuit.OnionAddress);
        Assert.Equal("8e13d9596d36a5ed93734571d759182e", circuit.SocksUserName);
        Assert.Null(circuit.Reason);
    }

    [Fact]
    public void Circuit_without_a_path_is_read()
    {
        TorCircuit circuit = TorEvents.Circuit("7 LAUNCHED BUILD_FLAGS=NEED_CAPACITY PURPOSE=GENERAL")!;
        Assert.Empty(circuit.Path);
        Assert.Equal("GENERAL", circuit.Purpose);
    }

    [Fact]
    public void Connection_is_read_from_what_tor_says()
    {
        TorConnection connection = TorEvents.Connection("18 CLOSED 21 a.onion:80 REASON=END SOCKS_USERNAME=\"u\" SOCKS_PASSWORD=\"p\" CLIENT_PROTOCOL=SOCKS5 ISO_FIELDS=SOCKS_USERNAME,SOCKS_PASSWORD")!;
        Assert.Equal(("18", "CLOSED", "21", "a.onion:80", "u", "END"),
            (connection.Id, connection.Status, connection.CircuitId, connection.Target, connection.SocksUserName, connection.Reason));
        Assert.Null(TorEvents.Connection("18 NEW"));
    }
}
