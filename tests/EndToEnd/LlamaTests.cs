using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Tacit.App;
using Tacit.Client;
using Tacit.Client.Tests.Support;
using Tacit.EndToEnd.Support;
using Tacit.Inference;

namespace Tacit.EndToEnd;

/// <summary>Real inference behind the whole path: a wallet's token, the gateway, llama.cpp, the streamed reply.</summary>
public sealed class LlamaTests
{
    private const string Model = "tiny";

    private static CancellationToken Test => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Prompt_paid_with_a_token_is_answered_by_llama_cpp_and_by_another_when_that_one_is_killed()
    {
        using var folder = new TestFolder();
        string gguf = folder["tiny.gguf"];
        string socket = folder["llama.sock"];
        await LlamaServer.MakeModelAsync(gguf);
        LlamaServer first = await LlamaServer.StartAsync(gguf, socket, null);
        await using LlamaServer second = await LlamaServer.StartAsync(gguf, null, 0);
        await using WholeSystem system = await WholeSystem.StartAsync(
            [WholeSystem.Chat with { Models = [Model] }],
            new InferenceOptions
            {
                Backends =
                [
                    Backend("socket", "unix:" + socket),
                    Backend("tcp", string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{second.Port}/v1")) with { Priority = 1 },
                ],
            });

        // The checks say when the models are loaded.
        await UntilAsync(() => system.Backends.All(backend => backend.Health == HealthState.Up));
        await using TacitClient client = await system.ClientAsync("user", credits: 10);
        await client.Filler.FillAsync("chat", 10);
        await using AppServer app = await system.AppAsync("user", client);
        string once = await AskAsync(app.Address, "Tell me what time it is.");
        Assert.NotEqual("", once);
        Assert.Equal(1, Replies("socket"));

        // Greedy and without state: the same prompt gets the same words, wherever.
        await first.DisposeAsync();
        string again = await AskAsync(app.Address, "Tell me what time it is. ");
        Assert.NotEqual("", again);
        Assert.Equal(1, Replies("tcp"));
        await UntilAsync(() => system.Backends[0].Health == HealthState.Down);
        Assert.Equal(BackendFault.Unreachable, system.Backends[0].Fault);

        File.Delete(socket);
        await using LlamaServer revived = await LlamaServer.StartAsync(gguf, socket, null);
        await UntilAsync(() => system.Backends[0].Health == HealthState.Up);
        Assert.Equal(once, await AskAsync(app.Address, "Tell me what time it is.", seed: 1));
        Assert.Equal(2, Replies("socket"));
        Assert.Equal(7, (await client.Wallet.GetStatusAsync(Test)).Plans.Single(plan => plan.Plan == "chat").Held);

        long Replies(string name) => system.Backends.Single(backend => backend.Name == name).Counts.Replies;
    }

    private static BackendOptions Backend(string name, string address) => new()
    {
        Name = name,
        BaseUrl = new Uri(address),
        Models = new Dictionary<string, string> { [Model] = "tiny-random" },
        OutputCapMember = "max_tokens",
        MaxConcurrency = 2,
        Health = new HealthOptions { Kind = HealthKind.LlamaCpp, Interval = TimeSpan.FromMilliseconds(200) },
    };

    /// <summary>What came in events of its own, and more than one of them, joined.</summary>
    private static async Task<string> AskAsync(Uri app, string question, int seed = 0)
    {
        using var http = new HttpMessageInvoker(new SocketsHttpHandler());
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(app, "v1/chat/completions"))
        {
            Content = new ByteArrayContent(Encoding.UTF8.GetBytes(
                $$"""{"model":"{{Model}}","stream":true,"temperature":0,"seed":{{seed}},"max_tokens":12,"messages":[{"role":"user","content":"{{question}}"}]}""")),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using HttpResponseMessage response = await http.SendAsync(request, Test);
        string text = await response.Content.ReadAsStringAsync(Test);
        Assert.True(response.StatusCode == HttpStatusCode.OK, text);
        Assert.Contains("data: [DONE]", text, StringComparison.Ordinal);
        List<string> pieces =
        [
            .. text.Split('\n').Where(line => line.StartsWith("data: {", StringComparison.Ordinal))
                .Select(line => JsonDocument.Parse(line[6..]).RootElement.GetProperty("choices")[0].GetProperty("delta"))
                .Where(delta => delta.TryGetProperty("content", out JsonElement content) && content.GetString()!.Length > 0)
                .Select(delta => delta.GetProperty("content").GetString()!),
        ];
        Assert.True(pieces.Count > 1, text);
        return string.Concat(pieces);
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        while (!condition())
        {
            await Task.Delay(20, Test);
        }
    }
}
