using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Tacit.App;
using Tacit.Client;
using Tacit.Client.Tests.Support;
using Tacit.EndToEnd.Support;
using Tacit.Hosting;

namespace Tacit.EndToEnd;

/// <summary>A gateway that is killed in the middle of a stream and comes back: what its readers hear.</summary>
public sealed class TakeoverTests
{
    private const string Plans = """[ { "Id": "chat", "Models": ["m"], "MaxInputBytes": 65536, "MaxOutputTokens": 256, "Price": 1, "Period": "month" } ]""";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Stream_whose_gateway_was_killed_goes_on_if_the_provider_says_the_same_again_and_else_says_that_it_cannot()
    {
        using TestFolder folder = new();
        await using CountingProvider provider = await CountingProvider.StartAsync(TimeSpan.Zero);
        // The first answer to a prompt stops in the middle; the kill ends it.
        provider.BeforePiece = (call, piece, aborted) => call == 1 && piece == 3 ? Task.Delay(Timeout.Infinite, aborted) : Task.CompletedTask;
        await using BrittleLine line = BrittleLine.To(new Uri("http://127.0.0.1:1"));
        (RoleProcess[] roles, int port) = await RoleProcesses.StartAsync(
            folder, provider, Plans, credits: 100, $$""", "GatewayUrl": "{{line.Address}}", "CancelGrace": "00:09:00" """);
        try
        {
            line.Target = new Uri($"http://127.0.0.1:{port + 2}");
            using var management = new ManagementClient(folder["user"], AppServer.Role);
            await management.PostAsync("/wallet/fill", new FillCommand("chat", 10), AppJson.Default.FillCommand, AppJson.Default.FillResult, Ct);

            string whole = await AskAsync(port, "same", line, roles[2]);
            Assert.EndsWith("data: [DONE]\n\n", whole, StringComparison.Ordinal);
            Assert.Equal(CountingProvider.AnswerTo("same"), Words(whole));

            provider.Answer = (prompt, call) => CountingProvider.AnswerTo($"{prompt} {call}");
            string broken = await AskAsync(port, "other", line, roles[2]);
            Assert.Contains("event: error", broken, StringComparison.Ordinal);
            Assert.Contains("\"code\":\"reply_interrupted\"", broken, StringComparison.Ordinal);
            Assert.DoesNotContain("[DONE]", broken, StringComparison.Ordinal);
            Assert.StartsWith(Words(broken), CountingProvider.AnswerTo("other 1"), StringComparison.Ordinal);

            // Asked once more, it is the answer that the gateway has now, for the same token.
            Assert.Equal(CountingProvider.AnswerTo("other 2"), Words(await AskAsync(port, "other")));
            Assert.Equal((2, 2), (provider.Calls["same"], provider.Calls["other"]));
            PlanHoldings held;
            while ((held = await HoldingsAsync(management)).Presented > 0)
            {
                await Task.Delay(50, Ct);
            }

            Assert.Equal((8, 2), (held.Held, held.Spent));
        }
        finally
        {
            foreach (RoleProcess role in roles.Reverse())
            {
                await role.DisposeAsync();
            }
        }
    }

    /// <summary>Asks for a stream, kills the gateway once it has begun if there is one to kill, and reads on.</summary>
    private static async Task<string> AskAsync(int port, string prompt, BrittleLine? line = null, RoleProcess? gateway = null)
    {
        using var http = new HttpMessageInvoker(new SocketsHttpHandler());
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri($"http://127.0.0.1:{port}/v1/chat/completions"))
        {
            Content = new ByteArrayContent(Encoding.UTF8.GetBytes($$"""{"model":"m","stream":true,"messages":[{"role":"user","content":"{{prompt}}"}]}""")),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using HttpResponseMessage response = await http.SendAsync(request, Ct);
        Assert.Equal(200, (int)response.StatusCode);
        await using Stream stream = await response.Content.ReadAsStreamAsync(Ct);
        using var text = new MemoryStream();
        byte[] block = new byte[4096];
        int read;
        while ((read = await stream.ReadAsync(block, Ct)) > 0)
        {
            text.Write(block, 0, read);
            if (gateway is not null && Words(Encoding.UTF8.GetString(text.ToArray())).Length > 0)
            {
                // However long its start takes: the app knocks at a line that does not answer yet.
                var up = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                line!.Before = () => up.Task;
                await gateway.KillAndRestartAsync();
                up.SetResult();
                gateway = null;
            }
        }

        return Encoding.UTF8.GetString(text.ToArray());
    }

    /// <summary>What of a stream is the model's words, as far as its events are whole.</summary>
    private static string Words(string text) => string.Concat(
        text[..(text.LastIndexOf("\n\n", StringComparison.Ordinal) is var end and >= 0 ? end : 0)].Split('\n')
            .Where(line => line.StartsWith("data: {\"id\"", StringComparison.Ordinal))
            .Select(line => JsonDocument.Parse(line[6..]).RootElement.GetProperty("choices")[0].GetProperty("delta").GetProperty("content").GetString()));

    private static async Task<PlanHoldings> HoldingsAsync(ManagementClient management) =>
        (await management.GetAsync("/status", AppJson.Default.AppStatus, Ct)).Wallet!.Plans.Single(plan => plan.Plan == "chat");
}
