using Tacit.Client;

namespace Tacit.EndToEnd.TorNetwork;

/// <summary>Who shares a circuit with whom, as the client's tor itself tells of its streams.</summary>
[Collection(nameof(OverTor))]
public sealed class IsolationTests(TorWorld world)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Conversations_purchases_account_calls_and_exchanges_never_share_a_circuit()
    {
        OnionSystem system = await world.SystemAsync();
        TacitClient client = await world.ClientAsync();
        await using ControlPort control = await ControlPort.OfAsync(system.TorFolder(TorWorld.User));
        string issuer = system.IssuerOnion.Host, gateway = system.GatewayOnion.Host;

        List<Step> steps = [];
        await DoAsync("account", () => client.Account.GetAsync(Ct));
        await DoAsync("purchase", () => client.Filler.FillAsync(OnionSystem.Plan, 2, cancellationToken: Ct));
        await DoAsync("one", () => TorWorld.AskAsync(client, "first of one", "one"));
        await DoAsync("two", () => TorWorld.AskAsync(client, "first of two", "two"));
        await DoAsync("purchase again", () => client.Filler.FillAsync(OnionSystem.Plan, 2, cancellationToken: Ct));
        await DoAsync("alone", () => TorWorld.AskAsync(client, "in no conversation"));
        await DoAsync("alone again", () => TorWorld.AskAsync(client, "in none, either"));
        await DoAsync("refused", () => TorWorld.AskAsync(client, "refuse this", status: 502));
        Step exchange = await DoAsync("exchange", () => client.Refills.RunOnceAsync(Ct));

        // Two prompts at the same time in a conversation need two connections: they have one circuit, so what is measured here can be seen.
        Step one = steps.Single(step => step.Name == "one");
        Step together = await DoAsync("one again", async () =>
        {
            const string held = "hold in one";
            Task<string> first = TorWorld.AskAsync(client, held, "one");
            await TorWorld.AskAsync(client, "second of one", "one");
            world.Provider.Release(held);
            await first;
        });
        steps.Remove(together);
        Assert.NotEmpty(together.Streams);
        Assert.Equal(one.Users, together.Users);
        Assert.Equal(one.Circuits, together.Circuits);

        Assert.Empty(Isolation.Mixed(control.Streams));
        Assert.All(control.Streams.Where(stream => stream.Status == "NEW" && stream.Purpose == "USER"), stream =>
        {
            Assert.Contains("SOCKS_USERNAME", stream.IsolatedBy, StringComparison.Ordinal);
            Assert.Contains("SOCKS_PASSWORD", stream.IsolatedBy, StringComparison.Ordinal);
            Assert.Contains(stream.Host, (string[])[issuer, gateway]);
        });
        foreach (Step step in steps)
        {
            Assert.NotEmpty(step.Streams);

            // Each connection of its own isolation: prompts need one, background calls one each.
            Assert.Equal(step.Streams.Count, step.Users.Count);
            foreach (Step other in steps.Where(other => other != step))
            {
                Assert.False(step.Users.Overlaps(other.Users), $"{step} and {other} have an isolation in common.");
                Assert.False(step.Circuits.Overlaps(other.Circuits), $"{step} and {other} have a circuit in common.");
            }
        }

        Assert.All(steps.Where(step => step.Name is "account" or "purchase" or "purchase again"), step => Assert.All(step.Streams, stream => Assert.Equal(issuer, stream.Host)));
        Assert.All(steps.Where(step => step.Name is "one" or "two" or "alone" or "alone again" or "refused"), step => Assert.Equal(gateway, Assert.Single(step.Streams).Host));
        Assert.Contains(exchange.Streams, stream => stream.Host == gateway);
        Assert.Contains(exchange.Streams, stream => stream.Host == issuer);

        async Task<Step> DoAsync(string name, Func<Task> work)
        {
            await control.CatchUpAsync();
            int before = control.Streams.Count;
            await work();
            await control.CatchUpAsync();
            HashSet<int> begun = [.. control.Streams.Skip(before).Where(stream => stream.Status == "NEW" && stream.Purpose == "USER").Select(stream => stream.Id)];
            var step = new Step(name, [.. control.Streams.Where(stream => stream.Status == "SUCCEEDED" && begun.Contains(stream.Id))]);
            steps.Add(step);
            return step;
        }
    }

    /// <param name="Streams">Those that were begun for it, when they were connected.</param>
    private sealed record Step(string Name, IReadOnlyList<TorStreamEvent> Streams)
    {
        public HashSet<string> Users { get; } = [.. Streams.Select(stream => stream.User)];

        public HashSet<int> Circuits { get; } = [.. Streams.Select(stream => stream.Circuit)];

        public override string ToString() => Name;
    }
}
