using Tacit.Client;

namespace Tacit.EndToEnd.TorNetwork;

/// <summary>The whole path over the client's own tor to onion services, and what becomes of it when parts of Tor are lost.</summary>
[Collection(nameof(OverTor))]
public sealed class CarriedByTorTests(TorWorld world)
{
    private const int MaxLooks = 400;

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(4);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Voucher_account_tokens_prompt_and_reply_pass_by_onion_services_alone()
    {
        OnionSystem system = await world.SystemAsync();
        await using TacitClient client = await TacitClient.CreateAsync(system.ClientOptions("whole"), null, TimeProvider.System, world.Log, Ct);
        await TorWorld.CreateAccountAsync(client);
        Assert.Equal(20, (await client.Account.DepositAsync(await system.VoucherAsync(20), Ct)).Credits);
        Assert.Equal(10, (await client.Filler.FillAsync(OnionSystem.Plan, 10, cancellationToken: Ct)).Received);
        Assert.Equal(HeldProvider.AnswerTo("whole path"), TorWorld.ContentOf(await TorWorld.AskAsync(client, "whole path")));
        Assert.Equal(1, world.Provider.Calls["whole path"]);
        Assert.Equal((9, 1), await HoldingsAsync(client));

        // Nothing of it came to the address that the gateway has beside its onion service.
        Assert.Empty(system.GatewayFront.SeenAt("/v1/chat/completions"));
    }

    [Fact]
    public async Task Reply_goes_on_unbroken_when_a_relay_of_its_circuit_is_killed()
    {
        PrivateTorNetwork network = await TestTor.NetworkAsync();
        OnionSystem system = await world.SystemAsync();
        TacitClient client = await world.ClientAsync();
        await using ControlPort control = await ControlPort.OfAsync(system.TorFolder(TorWorld.User));
        string gateway = system.GatewayOnion.Host;

        // A reply in peace, to know what one looks like.
        const string peaceful = "hold in peace", broken = "hold and break";
        world.Provider.Release(peaceful);
        string expected = Rewrite(await TorWorld.AskAsync(client, peaceful), peaceful, broken);

        // A conversation whose circuit has the relay that may be killed.
        string conversation = "";
        TorStreamEvent? carrying = null;
        for (int look = 0; carrying is null; look++)
        {
            Assert.True(look < MaxLooks, $"No circuit went through {PrivateTorNetwork.Expendable}.");
            conversation = $"conversation {look}";
            await TorWorld.AskAsync(client, $"look {look}", conversation);
            await control.CatchUpAsync();
            TorStreamEvent last = control.Streams.Last(stream => stream.Host == gateway && stream.Status == "SUCCEEDED");
            carrying = (await control.PathOfAsync(last.Circuit)).Any(relay => network.NicknameOf(relay) == PrivateTorNetwork.Expendable) ? last : null;
        }

        (long held, long spent) = await HoldingsAsync(client);
        await using PromptReply reply = await client.Redemption.SendAsync(new PromptRequest(PromptOperation.ChatCompletions, HeldProvider.Body(broken), conversation), Ct);
        byte[] first = new byte[4096];
        int read = await reply.ReadAsync(first, Ct);
        await control.CatchUpAsync();
        int before = control.Streams.Count;
        await network.KillRelayAsync(PrivateTorNetwork.Expendable);
        try
        {
            Task<string> rest = TorWorld.ReadAsync(reply);
            await control.WaitForAsync(tor => tor.Streams.Skip(before).FirstOrDefault(stream => stream.Host == gateway && stream.Status == "SUCCEEDED"), "second connection");
            Assert.Contains(control.Streams.Skip(before), stream => stream.Id == carrying.Id && stream.Status == "CLOSED");
            world.Provider.Release(broken);
            Assert.Equal(expected, System.Text.Encoding.UTF8.GetString(first, 0, read) + await rest.WaitAsync(s_patience, Ct));
        }
        finally
        {
            world.Provider.Release(broken);
            await network.RestartRelayAsync(PrivateTorNetwork.Expendable);
        }

        Assert.Equal(1, world.Provider.Calls[broken]);
        Assert.Equal((held - 1, spent + 1), await HoldingsAsync(client));
    }

    [Fact]
    public async Task Tor_that_is_killed_is_started_again_and_neither_the_reply_nor_the_next_prompt_is_lost()
    {
        OnionSystem system = await world.SystemAsync();
        TacitClient client = await world.ClientAsync();
        const string prompt = "hold while tor dies";
        await using PromptReply reply = await client.Redemption.SendAsync(new PromptRequest(PromptOperation.ChatCompletions, HeldProvider.Body(prompt)), Ct);
        byte[] first = new byte[4096];
        int read = await reply.ReadAsync(first, Ct);
        Task<string> rest = TorWorld.ReadAsync(reply);
        await using (ControlPort control = await ControlPort.OfAsync(system.TorFolder(TorWorld.User)))
        {
            await control.KillTorAsync();
        }

        Assert.Equal(HeldProvider.AnswerTo("after tor died"), TorWorld.ContentOf(await TorWorld.AskAsync(client, "after tor died")));
        world.Provider.Release(prompt);
        string whole = System.Text.Encoding.UTF8.GetString(first, 0, read) + await rest.WaitAsync(s_patience, Ct);
        Assert.Equal(HeldProvider.AnswerTo(prompt), TorWorld.ContentOf(whole));
        Assert.Equal(1, world.Provider.Calls[prompt]);
    }

    private static async Task<(long Held, long Spent)> HoldingsAsync(TacitClient client)
    {
        PlanHoldings holdings = (await client.Wallet.GetStatusAsync(Ct)).Plans.Single();
        return (holdings.Held, holdings.Spent);
    }

    /// <summary>The reply to one prompt as that to the other has to be: the same events with its own words.</summary>
    private static string Rewrite(string reply, string from, string to)
    {
        string[] events = reply.Split("\n\n");
        for (int i = 0; 4 * i < HeldProvider.AnswerTo(from).Length; i++)
        {
            events[i] = events[i].Replace($"\"{HeldProvider.AnswerTo(from).Substring(4 * i, 4)}\"", $"\"{HeldProvider.AnswerTo(to).Substring(4 * i, 4)}\"", StringComparison.Ordinal);
        }

        return string.Join("\n\n", events);
    }
}
