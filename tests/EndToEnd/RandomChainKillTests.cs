using System.Security.Cryptography;
using System.Text.Json;
using Tacit.App;
using Tacit.Client;
using Tacit.Client.Tests.Support;
using Tacit.EndToEnd.Support;
using Tacit.Hosting;

namespace Tacit.EndToEnd;

/// <summary>
/// Law 3 on chains: whichever part is killed at whatever point, each chain goes on, none becomes two, no more prompts are answered than tokens spent, and the
/// counters of signer and gateway raise no false alarm.
/// </summary>
public sealed class RandomChainKillTests
{
    private const int Chains = 2;

    private const string Plans = """
        [ { "Id": "monthly", "Kind": "subscription", "Concurrency": 2, "Models": ["m"], "MaxInputBytes": 65536, "MaxOutputTokens": 256, "Price": 100, "Period": "month" } ]
        """;

    private static readonly bool s_soak = Environment.GetEnvironmentVariable("TACIT_SOAK") == "1";

    private readonly Prompter _prompter = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Killing_any_part_at_random_ends_no_chain_and_doubles_none()
    {
        using TestFolder folder = new();
        await using CountingProvider provider = await CountingProvider.StartAsync(TimeSpan.FromMilliseconds(5));
        (RoleProcess[] roles, int appPort) = await RoleProcesses.StartAsync(folder, provider, Plans, 100);
        try
        {
            using (var management = new ManagementClient(folder["user"], AppServer.Role))
            {
                SubscribeResult bought = await management.PostAsync(
                    "/wallet/subscribe", new SubscribeCommand("monthly", Renews: false), AppJson.Default.SubscribeCommand, AppJson.Default.SubscribeResult, Ct);
                Assert.Equal((Chains, 0), (bought.Chains, bought.Pending));
            }

            using var stop = new CancellationTokenSource();
            Task[] work = [.. Enumerable.Range(0, Chains).Select(_ => _prompter.AskAsync(appPort, stop.Token))];
            int rounds = s_soak ? 200 : 7;
            for (int round = 0; round < rounds; round++)
            {
                await Task.Delay(RandomNumberGenerator.GetInt32(1, 1500), Ct);

                // The issuer has no part in it any more.
                RoleProcess[] others = [.. roles.Where(role => role.Role != "issuer")];
                await others[RandomNumberGenerator.GetInt32(others.Length)].KillAndRestartAsync();
            }

            await Task.Delay(TimeSpan.FromMilliseconds(500), Ct);
            await stop.CancelAsync();
            await Task.WhenAll(work);
            await SettleAsync(folder, appPort, provider);
        }
        finally
        {
            foreach (RoleProcess role in roles.Reverse())
            {
                await role.DisposeAsync();
            }
        }
    }

    private async Task SettleAsync(TestFolder folder, int appPort, CountingProvider provider)
    {
        using var management = new ManagementClient(folder["user"], AppServer.Role);
        SubscriptionHoldings held = await HoldingsAsync(management);
        for (int attempt = 0; held.Busy + held.Pending > 0 && attempt < 400; attempt++)
        {
            await management.PostAsync("/wallet/upkeep", AppJson.Default.AppStatus, Ct);
            await Task.Delay(200, Ct);
            held = await HoldingsAsync(management);
        }

        Assert.Equal((Chains, 0, 0), (held.Ready, held.Lost, held.Refused));

        // Each still buys, several times over.
        for (int i = 0; i < 3 * Chains; i++)
        {
            Assert.True(await _prompter.TryAskAsync(appPort, _prompter.NextPrompt()));
        }

        Assert.All(_prompter.Answered, answer => Assert.Equal(CountingProvider.AnswerTo(answer.Key), answer.Value));
        JsonElement signer = await Command.RunAsync("signer", "totals", "--json", "--data", folder["signer"]);
        await File.WriteAllTextAsync(folder["signer-totals.json"], signer.GetRawText(), Ct);
        JsonElement gateway = await Command.RunAsync("gateway", "totals", "--json", "--data", folder["gateway"]);
        await File.WriteAllTextAsync(folder["gateway-totals.json"], gateway.GetRawText(), Ct);
        JsonElement plan = Assert.Single((await Command.RunAsync(
            "signer", "totals", "--json", "--from", folder["signer-totals.json"], "--gateways", folder["gateway-totals.json"])).GetProperty("plans").EnumerateArray());
        long spent = gateway.GetProperty("plans")[0].GetProperty("spent").GetInt64();
        Assert.Equal(0, plan.GetProperty("unexplained").GetInt64());
        Assert.True(plan.GetProperty("renewed").GetInt64() > 0);
        Assert.InRange(_prompter.Answered.Count, 3 * Chains, spent);
        Assert.InRange(provider.Calls.Count, _prompter.Answered.Count, spent);
        TestContext.Current.TestOutputHelper!.WriteLine($"{_prompter.Answered.Count} answered, {spent} spent, {plan.GetProperty("renewed")} renewed, {plan.GetProperty("allowed")} allowed");
    }

    private static async Task<SubscriptionHoldings> HoldingsAsync(ManagementClient management) =>
        Assert.Single((await management.GetAsync("/status", AppJson.Default.AppStatus, Ct)).Wallet!.Subscriptions);
}
