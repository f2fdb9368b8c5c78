using System.Net;

namespace Tacit.EndToEnd.TorNetwork;

/// <summary>The network that the other tests are carried by.</summary>
public sealed class PrivateTorNetworkTests
{
    [Fact]
    public async Task Network_is_joined_and_a_relay_of_it_can_be_lost_and_come_back()
    {
        PrivateTorNetwork network = await TestTor.NetworkAsync();
        await using ControlPort control = await ControlPort.ConnectAsync(IPEndPoint.Parse(network.Values["CONTROL"]), network.Values["CONTROL_COOKIE"]);
        Assert.Contains("status/circuit-established=1", await control.AskAsync("GETINFO status/circuit-established"));

        await network.KillRelayAsync(PrivateTorNetwork.Expendable);
        await network.RestartRelayAsync(PrivateTorNetwork.Expendable);
        Assert.Equal(10, network.RelayPorts.Distinct().Count());
    }
}
