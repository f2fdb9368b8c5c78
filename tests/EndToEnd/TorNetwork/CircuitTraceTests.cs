using Tacit.Client;
using Tacit.Client.Transports;

namespace Tacit.EndToEnd.TorNetwork;

/// <summary>The circuit that a request's observer is told is the one that tor carried it on.</summary>
[Collection(nameof(OverTor))]
public sealed class CircuitTraceTests(TorWorld world)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Circuit_that_is_shown_is_the_circuit_that_carried_the_request()
    {
        OnionSystem system = await world.SystemAsync();
        TacitClient client = await world.ClientAsync();
        await using ControlPort control = await ControlPort.OfAsync(system.TorFolder(TorWorld.User));
        string gateway = system.GatewayOnion.Host;

        // Others' circuits are there as well, of the same client and to the same service.
        Shown other = await AskAsync("of another conversation", "shown, other");
        Shown first = await AskAsync("to be shown", "shown");
        Shown alone = await AskAsync("in no conversation", null);

        Assert.Equal(3, new[] { other, first, alone }.Select(shown => shown.Stream!.Circuit).Distinct().Count());
        Assert.All([other, first, alone], shown =>
        {
            Assert.Equal(gateway, shown.Stream!.Host);
            Assert.Equal(shown.Path, shown.Circuit.Hops.Select(hop => hop.Fingerprint));
            Assert.Equal(gateway, shown.Circuit.Onion);
            Assert.All(shown.Circuit.Hops, hop => Assert.NotEmpty(hop.Nickname));
            Assert.Equal((Carrier.Tor, $"http://{gateway}", null), (shown.Facts.Carrier, shown.Facts.Address, shown.Facts.Connections[0].Remote));
        });

        // The next question of the conversation goes on what it has, and is told so; unless that broke meanwhile.
        Shown again = await AskAsync("to be shown once more", "shown");
        Assert.Equal(again.Stream is not null, again.Facts.Connections[0].IsNew);
        Assert.Equal(again.Stream is null ? first.Path : again.Path, again.Circuit.Hops.Select(hop => hop.Fingerprint));

        async Task<Shown> AskAsync(string prompt, string? conversation)
        {
            await control.CatchUpAsync();
            int before = control.Streams.Count;
            var trace = new PromptTrace(TimeProvider.System);
            var request = new PromptRequest(PromptOperation.ChatCompletions, HeldProvider.Body(prompt), conversation) { Trace = trace };
            await using PromptReply reply = await client.Redemption.SendAsync(request, Ct);
            Assert.Equal(200, reply.Status);

            // While the reply is not read, its connection is there.
            PromptFacts facts = await trace.FinishAsync(TimeSpan.FromMinutes(2), Ct);
            await control.CatchUpAsync();
            ConnectionFacts connection = facts.Connections[^1];
            Assert.True(connection.Circuit is not null, connection.CircuitProblem);
            HashSet<int> begun = [.. control.Streams.Skip(before).Where(stream => stream.Status == "NEW" && stream.Purpose == "USER" && stream.Host == gateway).Select(stream => stream.Id)];
            TorStreamEvent? stream = control.Streams.LastOrDefault(stream => stream.Status == "SUCCEEDED" && begun.Contains(stream.Id));
            IReadOnlyList<string> path = stream is null ? [] : await control.PathOfAsync(stream.Circuit);
            await TorWorld.ReadAsync(reply);
            return new Shown(facts, connection.Circuit, stream, path);
        }
    }

    /// <param name="Stream">The connection that was made for it, as tor tells; null if none was.</param>
    /// <param name="Path">The relays of its circuit, as tor tells.</param>
    private sealed record Shown(PromptFacts Facts, CircuitFacts Circuit, TorStreamEvent? Stream, IReadOnlyList<string> Path);
}
