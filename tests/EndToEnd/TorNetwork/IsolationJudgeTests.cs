namespace Tacit.EndToEnd.TorNetwork;

/// <summary>Whoever judges by events must find what is wrong in them.</summary>
public sealed class IsolationJudgeTests
{
    private const string Service = "bo4nwargchbikcmtovolwkjcrih67lqlsg4vuzbyltuibtxvq7q2wjyd.onion:80";

    [Fact]
    public void Two_isolations_on_one_circuit_are_found()
    {
        Assert.Empty(Isolation.Mixed(Events("a", 12, "b", 10)));
        Assert.Empty(Isolation.Mixed(Events("a", 12, "a", 12)));
        Assert.StartsWith("circuit 12: ", Assert.Single(Isolation.Mixed(Events("a", 12, "b", 12))), StringComparison.Ordinal);
    }

    [Fact]
    public void What_tor_fetches_for_itself_is_nobodys_stream()
    {
        IEnumerable<TorStreamEvent> events = Parse(
            "STREAM 18 NEW 0 127.0.0.1.$21BE1F7E68269C235FDC17CDD7B77D028694EBBF.exit:28614 PURPOSE=DIR_FETCH CLIENT_PROTOCOL=UNKNOWN",
            "STREAM 18 SENTCONNECT 12 127.0.0.1.$21BE1F7E68269C235FDC17CDD7B77D028694EBBF.exit:28614 CLIENT_PROTOCOL=UNKNOWN");
        Assert.Empty(Isolation.ByCircuit(events));
        Assert.Empty(Isolation.Mixed([.. events, .. Events("a", 12, "a", 12)]));
    }

    private static IEnumerable<TorStreamEvent> Events(string user, int circuit, string otherUser, int otherCircuit) => Parse(
        $"STREAM 16 NEW 0 {Service} SOURCE_ADDR=/run/socks:0 PURPOSE=USER SOCKS_USERNAME=\"{user}\" SOCKS_PASSWORD=\"p\" CLIENT_PROTOCOL=SOCKS5",
        $"STREAM 16 SENTCONNECT {circuit} {Service} SOCKS_USERNAME=\"{user}\" SOCKS_PASSWORD=\"p\" CLIENT_PROTOCOL=SOCKS5",
        $"STREAM 19 NEW 0 {Service} SOURCE_ADDR=/run/socks:0 PURPOSE=USER SOCKS_USERNAME=\"{otherUser}\" SOCKS_PASSWORD=\"p\" CLIENT_PROTOCOL=SOCKS5",
        $"STREAM 19 SENTCONNECT {otherCircuit} {Service} SOCKS_USERNAME=\"{otherUser}\" SOCKS_PASSWORD=\"p\" CLIENT_PROTOCOL=SOCKS5");

    private static IEnumerable<TorStreamEvent> Parse(params string[] lines) => lines.Select(line => TorStreamEvent.TryParse(line)!);
}
