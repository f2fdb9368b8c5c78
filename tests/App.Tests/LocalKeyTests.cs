using System.ClientModel;
using System.ClientModel.Primitives;
using System.Net;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using OpenAI;
using OpenAI.Chat;
using Tacit.App.Keys;
using Tacit.App.Wallets;
using Tacit.Client;
using Tacit.Client.Tests.Support;
using Tacit.Hosting;

namespace Tacit.App.Tests;

/// <summary>Keys for the programs of this machine: each is counted, and held to what it may spend in a day.</summary>
public sealed class LocalKeyTests : IAsyncLifetime
{
    private TestOperator _system = null!;
    private PageClient _page = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await RestOfDay.HaveRoomAsync();
        _system = await TestOperator.StartAsync(plans: [TestOperator.Chat, TestOperator.ChatDear]);
        _page = await PageClient.SetUpAsync(_system, tokens: 50);
    }

    public async ValueTask DisposeAsync()
    {
        await _page.DisposeAsync();
        await _system.DisposeAsync();
    }

    [Fact]
    public async Task Program_with_a_key_is_counted_and_held_to_its_cap_through_openai_s_library()
    {
        ChatClient chat = Chat(await MakeAsync("Editor", 2));
        for (int i = 0; i < 2; i++)
        {
            ChatCompletion answer = await chat.CompleteChatAsync([new UserChatMessage($"Question {i}.")], cancellationToken: Token);
            Assert.NotEmpty(answer.Content[0].Text);
        }
        ClientResultException refused = await Assert.ThrowsAsync<ClientResultException>(() => chat.CompleteChatAsync([new UserChatMessage("One more.")], cancellationToken: Token));
        await Chat("sk-anything").CompleteChatAsync([new UserChatMessage("Without a key of ours.")], cancellationToken: Token);

        Assert.Equal(429, refused.Status);
        PipelineResponse raw = refused.GetRawResponse()!;
        Assert.Contains("daily_cap_reached", raw.Content.ToString(), StringComparison.Ordinal);
        Assert.True(raw.Headers.TryGetValue("x-should-retry", out string? retry) && retry == "false");
        JsonElement[] keys = await KeysAsync();
        Assert.Equal(["Editor", "Other apps"], keys.Select(key => key.GetProperty("name").GetString()));
        Assert.Equal([2, 1], keys.Select(key => key.GetProperty("spentToday").GetInt64()));
        Assert.Equal([2, 1], keys.Select(key => key.GetProperty("requests").GetInt64()));
        Assert.Equal(3, _system.GatewayFront.SeenAt("/v1/chat/completions").Count);
        Assert.DoesNotContain(_system.GatewayFront.Seen, passing => passing.Headers.Values.Any(value => value.Contains("tacit-", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Cap_holds_however_many_ask_at_once()
    {
        string key = await MakeAsync("Swarm", 3);
        HttpStatusCode[] answers = await Task.WhenAll(Enumerable.Range(0, 12).Select(async i =>
        {
            using HttpResponseMessage answer = await AskAsync($"Question {i}.", key);
            await answer.Content.ReadAsStringAsync(Token);
            return answer.StatusCode;
        }));

        Assert.Equal(3, answers.Count(status => status == HttpStatusCode.OK));
        Assert.Equal(9, answers.Count(status => status == HttpStatusCode.TooManyRequests));
        Assert.Equal(3, _system.GatewayFront.SeenAt("/v1/chat/completions").Count);
    }

    [Fact]
    public async Task Repetition_that_reuses_the_token_is_counted_once_and_passes_a_cap_that_is_reached()
    {
        string key = await MakeAsync("Retrier", 1);
        TaskCompletionSource begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource go = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _system.GatewayFront.Before = passing =>
        {
            begun.TrySetResult();
            return passing.Path == "/v1/chat/completions" ? go.Task : Task.CompletedTask;
        };
        using (var hangUp = CancellationTokenSource.CreateLinkedTokenSource(Token))
        {
            Task<HttpResponseMessage> broken = AskAsync("Ask me twice.", key, gone: hangUp.Token);
            await begun.Task.WaitAsync(TimeSpan.FromSeconds(90), Token);
            await hangUp.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => broken);
        }
        await _page.UntilAsync("/app/keys", keys => keys[0].GetProperty("requests").GetInt64() == 1);
        go.SetResult();
        using HttpResponseMessage again = await AskAsync("Ask me twice.", key);
        string text = await again.Content.ReadAsStringAsync(Token);
        using HttpResponseMessage another = await AskAsync("Ask me something else.", key);
        await _page.UntilAsync("/app/wallet", wallet => wallet.GetProperty("plans").EnumerateArray().Sum(plan => plan.GetProperty("pending").GetInt64()) == 0);
        using HttpResponseMessage third = await AskAsync("Ask me twice.", key);

        Assert.Contains("choices", text, StringComparison.Ordinal);
        Assert.Equal((HttpStatusCode.TooManyRequests, HttpStatusCode.TooManyRequests), (another.StatusCode, third.StatusCode));
        Assert.Equal(1, (await KeysAsync())[0].GetProperty("requests").GetInt64());
        Assert.Equal(1, (await KeysAsync())[0].GetProperty("spentToday").GetInt64());
    }

    [Fact]
    public async Task Program_that_hangs_up_again_and_again_is_counted_each_time_that_a_token_is_taken_for_it()
    {
        await using PageClient page = await PageClient.SetUpAsync(_system, change: options => options with { CancelGrace = TimeSpan.Zero });
        string key = (await page.PostAsync("/app/keys", """{"name":"Impatient","dailyCap":2}""")).GetProperty("key").GetString()!;
        for (int round = 1; round <= 2; round++)
        {
            TaskCompletionSource begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
            TaskCompletionSource go = new(TaskCreationOptions.RunContinuationsAsynchronously);
            _system.GatewayFront.Before = passing =>
            {
                if (passing.Path != "/v1/chat/completions")
                {
                    return Task.CompletedTask;
                }
                begun.TrySetResult();
                return go.Task;
            };
            using var hangUp = CancellationTokenSource.CreateLinkedTokenSource(Token);
            Task<HttpResponseMessage> broken = page.AskAsync("Always the same.", change: request => request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + key), gone: hangUp.Token);
            await begun.Task.WaitAsync(TimeSpan.FromSeconds(90), Token);
            await hangUp.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => broken);
            go.SetResult();
            // The grace is over: nobody takes this token up again.
            await page.UntilAsync("/app/wallet", wallet => wallet.GetProperty("plans").EnumerateArray().Sum(plan => plan.GetProperty("pending").GetInt64()) == 0);
            await page.UntilAsync("/app/keys", keys => keys[0].GetProperty("requests").GetInt64() == round);
        }
        using HttpResponseMessage refused = await page.AskAsync("Something else.", change: request => request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + key));

        Assert.Equal(2, (await page.GetAsync("/app/keys"))[0].GetProperty("spentToday").GetInt64());
        Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
    }

    [Fact]
    public async Task Token_that_was_kept_is_given_back_to_the_cap()
    {
        string key = await MakeAsync("Unlucky", 1);
        _system.GatewayFront.Impersonate = async (context, passing) =>
        {
            if (passing.Path != "/v1/chat/completions")
            {
                return false;
            }
            context.Response.StatusCode = 400;
            context.Response.Headers["Tacit-Token"] = "unspent";
            await context.Response.WriteAsync("""{"error":{"message":"no","type":"invalid_request_error","code":"unknown_member"}}""", Token);
            return true;
        };
        using HttpResponseMessage failed = await AskAsync("Fails.", key);
        _system.GatewayFront.Impersonate = null;
        using HttpResponseMessage answer = await AskAsync("Works.", key);

        Assert.Equal((HttpStatusCode.BadRequest, HttpStatusCode.OK), (failed.StatusCode, answer.StatusCode));
        Assert.Equal(1, (await KeysAsync())[0].GetProperty("requests").GetInt64());
    }

    [Fact]
    public async Task Plan_that_the_cap_does_not_allow_is_not_used()
    {
        string key = await MakeAsync("Modest", 3);
        using HttpResponseMessage large = await AskAsync("Large.", key, change: request => request.Headers.Add("Tacit-Plan", "chat-large"));
        using HttpResponseMessage small = await AskAsync("Small.", key);

        Assert.Equal((HttpStatusCode.TooManyRequests, HttpStatusCode.OK), (large.StatusCode, small.StatusCode));
        Assert.Equal("chat", small.Headers.GetValues("Tacit-Plan").Single());
    }

    [Fact]
    public async Task Keys_can_be_required_and_taken_back()
    {
        string key = await MakeAsync("Editor", null);
        await _page.PutAsync("/app/settings", """{"requireLocalKeys":true}""");
        using HttpResponseMessage none = await _page.SendAsync(HttpMethod.Get, "/v1/models");
        using HttpResponseMessage other = await AskAsync("Anything.", "tacit-somebody-else");
        using HttpResponseMessage with = await AskAsync("Anything.", null, change: request => request.Headers.Add("x-api-key", key));
        using var socket = new ManagementClient(_page.DataDirectory, AppServer.Role);
        AppStatus status = await socket.GetAsync("/status", AppJson.Default.AppStatus, Token);
        using HttpResponseMessage command = await AskAsync("From a command.", status.Key);
        string id = (await KeysAsync())[0].GetProperty("id").GetString()!;
        using (HttpResponseMessage gone = await _page.SendAsync(HttpMethod.Delete, "/app/keys/" + id))
        {
            Assert.Equal(HttpStatusCode.NoContent, gone.StatusCode);
        }
        await _page.PutAsync("/app/settings", """{"requireLocalKeys":false}""");
        using HttpResponseMessage revoked = await AskAsync("Anything.", key);
        using HttpResponseMessage free = await AskAsync("Anything else.", null);

        Assert.Equal((HttpStatusCode.Unauthorized, HttpStatusCode.Unauthorized), (none.StatusCode, other.StatusCode));
        Assert.Contains("local_key_required", await other.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (with.StatusCode, command.StatusCode));
        Assert.Contains("local_key_revoked", await revoked.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, free.StatusCode);
        Assert.DoesNotContain(await KeysAsync(), entry => entry.GetProperty("kind").GetString() == "key");
    }

    [Fact]
    public async Task Key_and_name_are_in_no_file_and_counts_outlast_a_restart()
    {
        string key = await MakeAsync("Canary editor", 5);
        using (HttpResponseMessage answer = await AskAsync("Count me.", key))
        {
            await answer.Content.ReadAsStringAsync(Token);
        }
        await _page.RestartAsync(options => options with
        {
            GatewayUrl = _system.GatewayFront.Address,
            IssuerUrl = _system.IssuerFront.Address,
            AutoFill = false,
            LowWater = 0,
            BatchSize = 10,
        });

        JsonElement kept = (await KeysAsync())[0];
        Assert.Equal(("Canary editor", 1, 5), (kept.GetProperty("name").GetString(), kept.GetProperty("spentToday").GetInt64(), kept.GetProperty("dailyCap").GetInt64()));
        await _page.CloseAsync();
        foreach (string file in Directory.EnumerateFiles(_page.DataDirectory, "*", SearchOption.AllDirectories))
        {
            string content = Encoding.Latin1.GetString(await File.ReadAllBytesAsync(file, Token));
            Assert.DoesNotContain(key, content, StringComparison.Ordinal);
            Assert.DoesNotContain("Canary", content, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Counts_that_wait_for_the_disk_when_their_key_is_taken_back_are_the_others()
    {
        using var folder = new TestFolder();
        await using TacitClient client = await _system.WalletAsync(folder["wallet"], credits: 10, tokens: 2);
        await using ClientHost host = ClientHost.Around(new AppOptions { DataDirectory = folder["wallet"] }, client, TimeProvider.System, NullLoggerFactory.Instance);
        await using var database = new AppDatabase(folder["wallet"], TimeProvider.System);
        database.Unlock(host.DeriveLocalKey(AppDatabase.KeyPurpose)!);
        await using var keys = new LocalKeys(host, database, new PageEvents(), TimeProvider.System);
        NewLocalKey key = await keys.CreateAsync(new LocalKeyRequest("Editor"), Token);
        LocalApp? editor = null;
        var context = new DefaultHttpContext();
        context.Request.Headers.Authorization = "Bearer " + key.Key;
        await keys.Wrap(let =>
        {
            editor = let.Features.Get<LocalApp>();
            return Task.CompletedTask;
        })(context);
        TaskCompletionSource begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using var go = new ManualResetEventSlim();
        Task holding = database.WriteAsync(
            _ =>
            {
                begun.SetResult();
                go.Wait(Token);
            },
            Token);
        await begun.Task;
        for (int i = 0; i < 2; i++)
        {
            await using PromptReply reply = await keys.SendAsync(editor!, Prompts.Ask($"Question {i}."), Token);
            await reply.ReadAllAsync();
            await reply.CompleteAsync(Token);
        }

        Task revoking = keys.RevokeAsync(key.Id, Token);
        go.Set();
        await holding;
        await revoking;
        // Waits for what is to be written.
        await keys.DisposeAsync();

        IReadOnlyList<(string App, long Requests)> kept = await database.ReadAsync(
            session => session.Query("SELECT app, requests FROM local_use", row => (Convert.ToHexString(row.Blob(0)), row.Int64(1))), Token);
        Assert.Equal(("00", 2), Assert.Single(kept));
        Assert.Equal(2, Assert.Single(await keys.ListAsync(Token)).Requests);
    }

    private async Task<string> MakeAsync(string name, long? cap) =>
        (await _page.PostAsync("/app/keys", $$"""{"name":"{{name}}","dailyCap":{{(cap is long credits ? $"{credits}" : "null")}}}""")).GetProperty("key").GetString()!;

    private async Task<JsonElement[]> KeysAsync() => [.. (await _page.GetAsync("/app/keys")).EnumerateArray()];

    private ChatClient Chat(string key) => new OpenAIClient(
        new ApiKeyCredential(key), new OpenAIClientOptions { Endpoint = new Uri(_page.Server.Address, "v1"), RetryPolicy = new ClientRetryPolicy(0) }).GetChatClient(TestOperator.Model);

    private Task<HttpResponseMessage> AskAsync(string text, string? key, Action<HttpRequestMessage>? change = null, CancellationToken? gone = null) => _page.AskAsync(text, change: request =>
    {
        if (key is not null)
        {
            request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + key);
        }
        change?.Invoke(request);
    }, gone: gone);
}
