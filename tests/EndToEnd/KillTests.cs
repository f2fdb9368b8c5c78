using System.Security.Cryptography;
using Tacit.App;
using Tacit.Client;
using Tacit.Client.Tests.Support;
using Tacit.EndToEnd.Support;
using Tacit.Hosting;

namespace Tacit.EndToEnd;

/// <summary>
/// Law 3 on processes: whichever of gateway, issuer, signer and client is killed at whatever point, what was bought is still there, nothing is there twice,
/// and no more prompts were answered than tokens spent.
/// </summary>
public sealed class KillTests
{
    private const long Bought = 2000;
    private const int Workers = 4;

    private static readonly bool s_soak = Environment.GetEnvironmentVariable("TACIT_SOAK") == "1";

    private const string Plans = """[ { "Id": "chat", "Models": ["m"], "MaxInputBytes": 65536, "MaxOutputTokens": 256, "Price": 1, "Period": "month" } ]""";

    private readonly Prompter _prompter = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Killing_any_part_at_random_loses_nothing_and_grants_nothing_twice()
    {
        using TestFolder folder = new();
        await using CountingProvider provider = await CountingProvider.StartAsync(TimeSpan.FromMilliseconds(10));
        (RoleProcess[] roles, int appPort) = await RoleProcesses.StartAsync(folder, provider, Plans, Bought);
        try
        {
            RoleProcess app = roles[^1];
            using var stop = new CancellationTokenSource();
            Task[] work = [.. Enumerable.Range(0, Workers).Select(_ => _prompter.AskAsync(appPort, stop.Token)), FillAsync(folder["user"], stop.Token)];

            int rounds = s_soak ? 200 : 30;
            for (int round = 0; round < rounds; round++)
            {
                await Task.Delay(RandomNumberGenerator.GetInt32(1, 400), Ct);
                await roles[RandomNumberGenerator.GetInt32(roles.Length)].KillAndRestartAsync();
            }

            await Task.Delay(TimeSpan.FromMilliseconds(500), Ct);
            await stop.CancelAsync();
            await Task.WhenAll(work);
            await SettleAsync(folder["user"], appPort, provider);
        }
        finally
        {
            foreach (RoleProcess role in roles.Reverse())
            {
                await role.DisposeAsync();
            }
        }
    }

    /// <summary>Everything that is open comes to its end, then it is counted.</summary>
    private async Task SettleAsync(string user, int appPort, CountingProvider provider)
    {
        using var management = new ManagementClient(user, AppServer.Role);
        PlanHoldings held = await HoldingsAsync(management, user);
        // What was killed last may still be starting, and an upkeep that finds nobody leaves all as it is.
        for (int attempt = 0; (held.Pending > 0 || held.Presented > 0) && attempt < 400; attempt++)
        {
            await management.PostAsync("/wallet/upkeep", AppJson.Default.AppStatus, Ct);
            held = await HoldingsAsync(management, user);
            await Task.Delay(250, Ct);
        }

        Assert.Equal(0, held.Pending);
        AccountSummary account = await management.GetAsync("/account", AppJson.Default.AccountSummary, Ct);
        IReadOnlyList<HistoryEntry> history = await management.GetAsync("/history", AppJson.Default.IReadOnlyListHistoryEntry, Ct);
        long exchanged = history.Where(entry => entry.Kind == HistoryKind.Exchanged).Sum(entry => entry.Amount);

        // What was bought is either still credits or tokens, and each token is there once: an exchange spends one for one.
        long tokens = held.Held + held.Presented + held.Returned + held.Unknown + held.Spent - exchanged;
        Assert.True(
            account.Credits + tokens == Bought,
            $"{account.Credits} credits and {tokens} tokens ({held}, {exchanged} exchanged) do not add up to {Bought}.");

        // Every token that counts as held buys an answer.
        int before = _prompter.Answered.Count;
        int answers = 0;
        for (long i = 0; i < held.Held; i++)
        {
            answers += await _prompter.TryAskAsync(appPort, _prompter.NextPrompt()) ? 1 : 0;
        }

        Assert.Equal(held.Held, answers);
        Assert.Equal(before + answers, _prompter.Answered.Count);

        // Nobody got more answers than tokens were used up for, and every answer is the right one.
        PlanHoldings end = await HoldingsAsync(management, user);
        long used = end.Spent - exchanged + end.Unknown + end.Presented;
        Assert.True(!_prompter.Answered.IsEmpty && _prompter.Answered.Count <= used, $"{_prompter.Answered.Count} prompts were answered for {used} tokens.");
        Assert.True(provider.Calls.Count <= used + end.Returned, $"{provider.Calls.Count} prompts reached the provider for {used} tokens and {end.Returned} returned.");
        Assert.All(_prompter.Answered, answer => Assert.Equal(CountingProvider.AnswerTo(answer.Key), answer.Value));
        TestContext.Current.TestOutputHelper!.WriteLine(
            $"{_prompter.Answered.Count} answered, {used} used, {end.Returned} returned, {exchanged} exchanged, {account.Credits} credits left");
    }

    private static async Task<PlanHoldings> HoldingsAsync(ManagementClient management, string user) =>
        (await management.GetAsync("/status", AppJson.Default.AppStatus, Ct)).Wallet!.Plans.Single(plan => plan.Plan == "chat");

    private static async Task FillAsync(string user, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                using var management = new ManagementClient(user, AppServer.Role);
                if ((await HoldingsOrNoneAsync(management))?.Held is null or < 12)
                {
                    await management.PostAsync("/wallet/fill", new FillCommand("chat", 10), AppJson.Default.FillCommand, AppJson.Default.FillResult, CancellationToken.None);
                }
            }
            catch (Exception e) when (e is ManagementException or IOException)
            {
                // The app or the issuer is down; the next turn asks again.
            }

            await Task.Delay(50, CancellationToken.None);
        }
    }

    private static async Task<PlanHoldings?> HoldingsOrNoneAsync(ManagementClient management) =>
        (await management.GetAsync("/status", AppJson.Default.AppStatus, CancellationToken.None)).Wallet!.Plans.SingleOrDefault(plan => plan.Plan == "chat");
}
