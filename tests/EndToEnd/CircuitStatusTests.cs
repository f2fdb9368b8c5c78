using Tacit.Client.Transports;
using Tacit.Tor;

namespace Tacit.EndToEnd;

/// <summary>Which of tor's circuits the app tells of as its own.</summary>
public sealed class CircuitStatusTests
{
    private static readonly TorHop s_guard = new(new string('A', 40), "guard");
    private static readonly TorHop s_middle = new(new string('B', 40), "middle");

    [Fact]
    public void Circuits_with_our_credentials_are_told_and_tor_s_own_and_ended_ones_are_not()
    {
        IReadOnlyList<CircuitStatus> told = TorCarrier.StatusesOf(
        [
            new TorCircuit { Id = "1", Status = "BUILT", Path = [s_guard, s_middle], Purpose = "GENERAL" },
            new TorCircuit { Id = "2", Status = "BUILT", Path = [s_guard, s_middle], SocksUserName = "unit", OnionAddress = "x.onion" },
            new TorCircuit { Id = "3", Status = "EXTENDED", Path = [s_guard], SocksUserName = "other" },
            new TorCircuit { Id = "4", Status = "CLOSED", Path = [s_guard], SocksUserName = "gone" },
            new TorCircuit { Id = "5", Status = "LAUNCHED", SocksUserName = "begun" },
        ]);

        Assert.Equal([(true, 2, "x.onion"), (false, 1, null)], told.Select(status => (status.IsBuilt, status.Circuit.Hops.Count, status.Circuit.Onion)));
    }
}
