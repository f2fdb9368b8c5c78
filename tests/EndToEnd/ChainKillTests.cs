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
/// A subscription's chain over processes: app or gateway is killed while a message between them is held, before it arrives and after, and in the middle of the
/// reply. The program asks again as SDKs do; the one chain goes on, and no token is answered twice. (The client's tests go through each of its steps.)
/// </summary>
public sealed class ChainKillTests
{
    private const string Prompt = "/v1/chat/completions";
    private const string Exchange = "/v1/exchange";

    private static readonly bool s_soak = Environment.GetEnvironmentVariable("TACIT_SOAK") == "1";

    private int _prompts;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private enum Moment
    {
        RequestLost,
        RequestArrived,
        MiddleOfReply,
        ExchangeLost,
        ExchangeArrived,
    }

    [Fact]
    public async Task Chain_survives_the_death_of_app_or_gateway_at_every_message()
    {
        using TestFolder folder = new();
        await using CountingProvider provider = await CountingProvider.StartAsync(TimeSpan.FromMilliseconds(10));
        await using Interposer front = await Interposer.StartAsync(new Uri("http://127.0.0.1:1"));
        (RoleProcess[] roles, int appPort) = await StartRolesAsync(folder, provider, front);
        RoleProcess gateway = roles[^2];
        RoleProcess app = roles[^1];
        try
        {
            Assert.True(await TryAskAsync(appPort, NextPrompt()));
            foreach (RoleProcess victim in new[] { app, gateway })
            {
                foreach (Moment moment in Enum.GetValues<Moment>())
                {
                    if (victim == gateway && (moment is Moment.RequestLost or Moment.ExchangeLost) && !s_soak)
                    {
                        // To a gateway that dies before the message, it is one that was not up.
                        continue;
                    }

                    Task killed = Arm(front, victim, moment);
                    string prompt = NextPrompt();
                    bool answered = await TryAskAsync(appPort, prompt);
                    await killed.WaitAsync(TimeSpan.FromMinutes(3), Ct);
                    front.Before = _ => Task.CompletedTask;
                    front.Decide = _ => Mishap.None;
                    for (int attempt = 0; attempt < 300 && !answered; attempt++)
                    {
                        await Task.Delay(100, Ct);
                        answered = await TryAskAsync(appPort, prompt);
                    }

                    Assert.True(answered && await TryAskAsync(appPort, NextPrompt()), $"{victim.Role} killed at {moment}: the chain did not go on");
                    SubscriptionHoldings chains = await SettledAsync(folder["user"]);
                    Assert.True((chains.Ready, chains.Lost, chains.Refused) == (1, 0, 0), $"{victim.Role} killed at {moment}: {chains}");
                }
            }

            foreach (IGrouping<string, Passing> token in front.SeenAt(Prompt).Where(seen => seen.Answer?.Status == 200).GroupBy(seen => seen.Headers["Authorization"]))
            {
                Assert.Single(token.Select(seen => Convert.ToHexString(seen.Body)).Distinct());
            }
        }
        finally
        {
            foreach (RoleProcess role in roles.Reverse())
            {
                await role.DisposeAsync();
            }
        }
    }

    /// <summary>Kills the process once, when the next message of that kind passes. The task ends when it is up again.</summary>
    private static Task Arm(Interposer front, RoleProcess victim, Moment moment)
    {
        var restarted = new TaskCompletionSource();
        int armed = 1;
        string path = moment is Moment.ExchangeLost or Moment.ExchangeArrived ? Exchange : Prompt;
        front.Decide = passing => passing.Path == path && moment is Moment.RequestLost or Moment.ExchangeLost && Volatile.Read(ref armed) == 1 && Fire()
            ? Mishap.LoseRequest
            : path == Exchange && passing.Path == Prompt ? Mishap.StripTrailer : Mishap.None;
        front.Before = async passing =>
        {
            if (passing.Path == path && moment is Moment.RequestArrived or Moment.ExchangeArrived or Moment.MiddleOfReply && Interlocked.Exchange(ref armed, 0) == 1)
            {
                if (moment == Moment.MiddleOfReply)
                {
                    // A few of the provider's pieces later.
                    _ = Task.Delay(35, CancellationToken.None).ContinueWith(_ => RestartAsync(), TaskScheduler.Default);
                    return;
                }

                await victim.KillAsync();
                _ = RestartAsync();
            }
        };
        return restarted.Task;

        bool Fire()
        {
            if (Interlocked.Exchange(ref armed, 0) == 0)
            {
                return false;
            }

            _ = RestartAsync();
            return true;
        }

        async Task RestartAsync()
        {
            try
            {
                await victim.KillAndRestartAsync();
                restarted.TrySetResult();
            }
            catch (Exception e)
            {
                restarted.TrySetException(e);
            }
        }
    }

    private string NextPrompt() => string.Create(CultureInfo.InvariantCulture, $"prompt {++_prompts}");

    private static async Task<bool> TryAskAsync(int port, string prompt)
    {
        using var http = new HttpMessageInvoker(new SocketsHttpHandler());
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri($"http://127.0.0.1:{port}{Prompt}"))
        {
            Content = new ByteArrayContent(Encoding.UTF8.GetBytes($$"""{"model":"m","stream":true,"messages":[{"role":"user","content":"{{prompt}}"}]}""")),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        try
        {
            using HttpResponseMessage response = await http.SendAsync(request, Ct);
            string text = await response.Content.ReadAsStringAsync(Ct);
            return (int)response.StatusCode == 200 && text.Contains("data: [DONE]", StringComparison.Ordinal);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return false;
        }
    }

    private static async Task<SubscriptionHoldings> SettledAsync(string user)
    {
        using var management = new ManagementClient(user, AppServer.Role);
        SubscriptionHoldings chains;
        for (int i = 0; (chains = (await management.GetAsync("/status", AppJson.Default.AppStatus, Ct)).Wallet!.Subscriptions.Single()).Busy > 0 && i < 2400; i++)
        {
            await Task.Delay(50, Ct);
        }

        return chains;
    }

    /// <summary>Signer, issuer, gateway and app with a subscription, in this order; the app reaches the gateway through <paramref name="front"/>.</summary>
    private static async Task<(RoleProcess[] Roles, int AppPort)> StartRolesAsync(TestFolder folder, CountingProvider provider, Interposer front)
    {
        const string plans = """
            [ { "Id": "chat", "Models": ["m"], "MaxInputBytes": 65536, "MaxOutputTokens": 256, "Price": 1, "Period": "month" },
              { "Id": "pro", "Kind": "subscription", "Models": ["m"], "MaxInputBytes": 65536, "MaxOutputTokens": 256, "Price": 10, "Period": "month", "TokenType": "0xDA7A" } ]
            """;
        int port = FreePorts.Take(3);
        await SafePrimeKeys.ProvideAsync(folder["signer"], folder["key"]);
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
        front.Target = new Uri($"http://127.0.0.1:{port + 2}");
        var gateway = new RoleProcess("gateway", "--config", folder["gateway.json"], "--data", folder["gateway"]);
        await gateway.StartAsync();
        await File.WriteAllTextAsync(folder["app.json"], $$"""
            { "Listen": "127.0.0.1:{{port}}", "IssuerUrl": "http://127.0.0.1:{{port + 1}}", "GatewayUrl": "{{front.Address}}", "DirectoryKey": "{{directoryKey}}",
              "AutoFill": false, "FillAtPrompt": false }
            """, Ct);
        await SubscribeAsync(folder, new Uri($"http://127.0.0.1:{port + 1}"), directoryKey);
        var app = new RoleProcess("app", "--config", folder["app.json"], "--data", folder["user"]);
        await app.StartAsync();
        return ([signer, issuer, gateway, app], port);
    }

    private static async Task SubscribeAsync(TestFolder folder, Uri issuer, string directoryKey)
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
        JsonElement made = await Command.RunAsync("voucher", "create", "--credits", "10", "--json", "--data", folder["issuer"]);
        await client.Account.DepositAsync(made.GetProperty("codes")[0].GetString()!, Ct);
        Assert.Equal(1, (await client.Filler.SubscribeAsync("pro", cancellationToken: Ct)).Chains);
    }
}
