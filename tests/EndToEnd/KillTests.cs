using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
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

    private readonly ConcurrentDictionary<string, string> _answered = new();
    private int _prompts;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Killing_any_part_at_random_loses_nothing_and_grants_nothing_twice()
    {
        using TestFolder folder = new();
        await using CountingProvider provider = await CountingProvider.StartAsync(TimeSpan.FromMilliseconds(10));
        (RoleProcess[] roles, int appPort) = await StartRolesAsync(folder, provider);
        try
        {
            RoleProcess app = roles[^1];
            using var stop = new CancellationTokenSource();
            Task[] work = [.. Enumerable.Range(0, Workers).Select(_ => AskAsync(appPort, stop.Token)), FillAsync(folder["user"], stop.Token)];

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
        for (int attempt = 0; (held.Pending > 0 || held.Presented > 0) && attempt < 20; attempt++)
        {
            await management.PostAsync("/wallet/upkeep", AppJson.Default.AppStatus, Ct);
            held = await HoldingsAsync(management, user);
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
        int before = _answered.Count;
        using var last = new CancellationTokenSource();
        int answers = 0;
        for (long i = 0; i < held.Held; i++)
        {
            answers += await TryAskAsync(appPort, NextPrompt(), last.Token) ? 1 : 0;
        }

        Assert.Equal(held.Held, answers);
        Assert.Equal(before + answers, _answered.Count);

        // Nobody got more answers than tokens were used up for, and every answer is the right one.
        PlanHoldings end = await HoldingsAsync(management, user);
        long used = end.Spent - exchanged + end.Unknown + end.Presented;
        Assert.True(!_answered.IsEmpty && _answered.Count <= used, $"{_answered.Count} prompts were answered for {used} tokens.");
        Assert.True(provider.Calls.Count <= used + end.Returned, $"{provider.Calls.Count} prompts reached the provider for {used} tokens and {end.Returned} returned.");
        Assert.All(_answered, answer => Assert.Equal(CountingProvider.AnswerTo(answer.Key), answer.Value));
        TestContext.Current.TestOutputHelper!.WriteLine(
            $"{_answered.Count} answered, {used} used, {end.Returned} returned, {exchanged} exchanged, {account.Credits} credits left");
    }

    private static async Task<PlanHoldings> HoldingsAsync(ManagementClient management, string user) =>
        (await management.GetAsync("/status", AppJson.Default.AppStatus, Ct)).Wallet.Plans.Single(plan => plan.Plan == "chat");

    private string NextPrompt() => string.Create(CultureInfo.InvariantCulture, $"prompt {Interlocked.Increment(ref _prompts)}");

    /// <summary>One program that asks one prompt after another, and the same again until it is answered, as SDKs do.</summary>
    private async Task AskAsync(int port, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            string prompt = NextPrompt();
            for (int attempt = 0; attempt < 8 && !stop.IsCancellationRequested && !await TryAskAsync(port, prompt, stop); attempt++)
            {
                await Task.Delay(100, CancellationToken.None);
            }
        }
    }

    private async Task<bool> TryAskAsync(int port, string prompt, CancellationToken stop)
    {
        using var http = new HttpMessageInvoker(new SocketsHttpHandler());
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri($"http://127.0.0.1:{port}/v1/chat/completions"))
        {
            Content = new ByteArrayContent(Encoding.UTF8.GetBytes($$"""{"model":"m","stream":true,"messages":[{"role":"user","content":"{{prompt}}"}]}""")),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        try
        {
            using HttpResponseMessage response = await http.SendAsync(request, CancellationToken.None);
            string text = await response.Content.ReadAsStringAsync(CancellationToken.None);
            if ((int)response.StatusCode != 200 || !text.Contains("data: [DONE]", StringComparison.Ordinal))
            {
                return false;
            }

            string answer = string.Concat(text.Split('\n').Where(line => line.StartsWith("data: {", StringComparison.Ordinal))
                .Select(line => JsonDocument.Parse(line[6..]).RootElement.GetProperty("choices")[0].GetProperty("delta").GetProperty("content").GetString()));
            _answered[prompt] = answer;
            return true;
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return false;
        }
    }

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
        (await management.GetAsync("/status", AppJson.Default.AppStatus, CancellationToken.None)).Wallet.Plans.SingleOrDefault(plan => plan.Plan == "chat");

    /// <summary>Signer, issuer, gateway and app with an account of <see cref="Bought"/> credits, in this order.</summary>
    private static async Task<(RoleProcess[] Roles, int AppPort)> StartRolesAsync(TestFolder folder, CountingProvider provider)
    {
        const string plans = """[ { "Id": "chat", "Models": ["m"], "MaxInputBytes": 65536, "MaxOutputTokens": 256, "Price": 1, "Period": "month" } ]""";
        int port = FreePorts.Take(3);
        await File.WriteAllBytesAsync(folder["key"], RandomNumberGenerator.GetBytes(64), Ct);
        await File.WriteAllTextAsync(folder["internal"], Convert.ToHexString(RandomNumberGenerator.GetBytes(32)), Ct);
        string signerCall = $$"""{ "Address": "unix:{{folder["signer/signer-internal.sock"]}}", "Key": "file:{{folder["internal"]}}" }""";
        await File.WriteAllTextAsync(folder["signer.json"], $$"""{ "Plans": {{plans}}, "KeyFile": "file:{{folder["key"]}}", "InternalKey": "file:{{folder["internal"]}}" }""", Ct);
        await File.WriteAllTextAsync(folder["issuer.json"], $$"""
            { "Plans": {{plans}}, "KeyFile": "file:{{folder["key"]}}", "Listen": "127.0.0.1:{{port + 1}}", "IssuerName": "issuer.test", "Signer": {{signerCall}},
              "Gateways": [ { "Name": "gateway.test", "Urls": ["http://127.0.0.1:{{port + 2}}"] } ] }
            """, Ct);
        var signer = new RoleProcess("signer", "--config", folder["signer.json"], "--data", folder["signer"]);
        var issuer = new RoleProcess("issuer", "--config", folder["issuer.json"], "--data", folder["issuer"]);
        await signer.StartAsync();
        string directoryKey = (await issuer.StartAsync()).GetProperty("facts").GetProperty("directoryKey").GetString()!;
        await File.WriteAllTextAsync(folder["gateway.json"], $$"""
            { "Name": "gateway.test", "Listen": "127.0.0.1:{{port + 2}}", "IssuerUrl": "http://127.0.0.1:{{port + 1}}", "DirectoryKey": "{{directoryKey}}", "Signer": {{signerCall}},
              "Inference": { "Backends": [ { "Name": "scripted", "BaseUrl": "{{provider.BaseUrl}}", "Models": { "m": "m" } } ] } }
            """, Ct);
        var gateway = new RoleProcess("gateway", "--config", folder["gateway.json"], "--data", folder["gateway"]);
        await gateway.StartAsync();
        await File.WriteAllTextAsync(folder["app.json"], $$"""
            { "Listen": "127.0.0.1:{{port}}", "IssuerUrl": "http://127.0.0.1:{{port + 1}}", "DirectoryKey": "{{directoryKey}}", "AutoFill": false, "FillAtPrompt": false }
            """, Ct);
        await OpenAccountAsync(folder, new Uri($"http://127.0.0.1:{port + 1}"), directoryKey);
        var app = new RoleProcess("app", "--config", folder["app.json"], "--data", folder["user"]);
        await app.StartAsync();
        return ([signer, issuer, gateway, app], port);
    }

    private static async Task OpenAccountAsync(TestFolder folder, Uri issuer, string directoryKey)
    {
        Assert.True(DirectoryOptions.TryParseKey(directoryKey, out ReadOnlyMemory<byte> key));
        await using TacitClient client = await TacitClient.CreateAsync(
            new ClientOptions
            {
                Wallet = new WalletOptions { DataDirectory = folder["user"] },
                Directory = new DirectoryOptions { Issuer = issuer, DirectoryKey = key },
            },
            null, TimeProvider.System, NullLoggerFactory.Instance, Ct);
        await client.Account.CreateAsync(Ct);
        JsonElement made = await Command.RunAsync(
            "voucher", "create", "--credits", Bought.ToString(CultureInfo.InvariantCulture), "--json", "--data", folder["issuer"]);
        await client.Account.DepositAsync(made.GetProperty("codes")[0].GetString()!, Ct);
    }
}
