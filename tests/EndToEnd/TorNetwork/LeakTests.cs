using Tacit.Client.Tests.Support;

namespace Tacit.EndToEnd.TorNetwork;

/// <summary>What a client sends that does not go through Tor, counted packet by packet in a network namespace where nothing but Tor's ports can be reached.</summary>
public sealed class LeakTests
{
    [Fact]
    public async Task Namespace_counts_look_ups_and_connections_of_whoever_tries_to_leave()
    {
        using TestFolder folder = new();
        await using NetworkNamespace inside = await NetworkNamespace.StartAsync(folder, [9]);
        Assert.Equal(new PacketCounts(0, 0, 0), await inside.CountAsync());

        (int code, _, _) = await inside.RunAsync("getent", "hosts", "gateway.example");
        Assert.NotEqual(0, code);
        PacketCounts counted = await inside.CountAsync();
        Assert.True(counted is { Dns: > 0, Other: 0 }, counted.ToString());

        (code, _, _) = await inside.RunAsync("bash", "-c", "exec 3<>/dev/tcp/198.51.100.7/443");
        Assert.NotEqual(0, code);
        counted = await inside.CountAsync();
        Assert.True(counted is { Tor: 0, Other: > 0 }, counted.ToString());
    }
}
