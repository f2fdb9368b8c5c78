using Tacit.EndToEnd.TorNetwork;

[assembly: AssemblyFixture(typeof(TestTor))]

namespace Tacit.EndToEnd.TorNetwork;

/// <summary>The Tor network of this test process, started with the first test that asks for it and taken down after the last test.</summary>
public sealed class TestTor : IAsyncDisposable
{
    private static readonly Lazy<Task<PrivateTorNetwork>> s_network = new(StartAsync);

    /// <summary>The network. Where there can be none the test is reported as skipped.</summary>
    public static async Task<PrivateTorNetwork> NetworkAsync()
    {
        if (PrivateTorNetwork.WhyNot() is { } reason)
        {
            Assert.Skip(reason);
        }

        return await s_network.Value;
    }

    public async ValueTask DisposeAsync()
    {
        if (s_network.IsValueCreated)
        {
            await (await s_network.Value).DisposeAsync();
        }
    }

    private static async Task<PrivateTorNetwork> StartAsync()
    {
        PrivateTorNetwork network = await PrivateTorNetwork.StartAsync();
        TestContext.Current.TestOutputHelper?.WriteLine($"The private Tor network came up in {network.Took.TotalSeconds:0.0} s");
        return network;
    }
}
