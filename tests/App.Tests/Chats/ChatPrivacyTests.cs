using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Tacit.Client.Tests.Support;
using Tacit.Inference.Tests;
using Tacit.Protocol;

namespace Tacit.App.Tests.Chats;

/// <summary>What a conversation shows of its requests are the values that passed, as long as the conversation is there and no longer.</summary>
public sealed class ChatPrivacyTests
{
    private const string Canary = "canary-e4a7d0";

    [Fact]
    public async Task Conversation_tells_who_saw_what_with_the_values_that_passed_also_after_a_restart()
    {
        await using ChatTest test = await ChatTest.SayingAsync("Forty two");
        string chat = await test.CreateAsync();
        JsonNode first = await test.AnswerAsync(chat, Canary);
        JsonNode second = await test.AnswerAsync(chat, "And then?", first.Text("id"));

        await test.App.RestartAsync();
        PrivacyView view = await GetAsync(test, chat);

        IReadOnlyList<Passing> seen = test.App.System.GatewayFront.SeenAt("/v1/chat/completions");
        Assert.Equal(2, seen.Count);
        Assert.Equal([first.Text("id"), second.Text("id")], view.Requests.Select(request => request.Message));
        for (int i = 0; i < 2; i++)
        {
            RequestTrace request = view.Requests[i];
            Assert.Equal((SpendIdOf(seen[i]), seen[i].Body.Length, 200, "chat"), (request.Token, request.RequestBytes, request.Status, request.Plan));
            Assert.True(request.ReplyBytes > 0);
            Assert.Equal(test.App.System.GatewayFront.Address.Authority, Assert.Single(request.Connections).Remote);
            Assert.Equal(Client.PromptStageName.Preparing, request.Stages[0].Name);
            Assert.Equal(Client.PromptStageName.Ended, request.Stages[^1].Name);
        }
        // One conversation, one connection.
        Assert.Equal([true, false], view.Requests.Select(request => request.Connections[0].New));

        RoleView issuer = view.Seen.Single(role => role.Role == PrivacyRole.Issuer);
        Assert.StartsWith("10 tokens, blinded: 10 on ", issuer.Saw.Single(sight => sight.What == "sold, plan chat").Value, StringComparison.Ordinal);
        string hash = (await test.App.Client.Account.FindHashAsync(TestContext.Current.CancellationToken))!;
        Assert.StartsWith(hash[..12], issuer.Saw.Single(sight => sight.What == "account").Value, StringComparison.Ordinal);
        RoleView gateway = view.Seen.Single(role => role.Role == PrivacyRole.Gateway);
        Assert.All(seen, passing => Assert.Contains(SpendIdOf(passing), gateway.Saw.Single(sight => sight.What == "tokens").Value, StringComparison.Ordinal));

        // No text of the conversation is in it, and nothing of it, in the clear, on the disk.
        Assert.DoesNotContain(Canary, JsonSerializer.Serialize(view, PageJson.Default.PrivacyView), StringComparison.Ordinal);
        Assert.NotEmpty(Directory.GetFiles(test.App.DataDirectory, "app.db*"));
        Assert.Empty(FilesWith(test.App.DataDirectory, SpendIdOf(seen[0])));
        Assert.Empty(FilesWith(test.App.DataDirectory, "first-token"));
    }

    [Fact]
    public async Task Stages_are_told_to_tabs_while_they_pass()
    {
        await using ChatTest test = await ChatTest.SayingAsync("Forty two");
        string chat = await test.CreateAsync();
        await using TestTab tab = await test.OpenTabAsync();

        JsonNode reply = await test.AnswerAsync(chat, "What?");
        await tab.WaitAsync("stage", stage => stage.Text("message") == reply.Text("id") && stage["stage"]!.Text("name") == "ended");

        string[] names = [.. tab.Events.Where(told => told.Name == "stage").Select(told => told.Data["stage"]!.Text("name"))];
        Assert.Equal(["preparing", "carrier", "paying", "token", "connecting", "connected", "sent", "accepted", "first-token", "ended"], names);
    }

    [Fact]
    public async Task Question_that_fails_leaves_what_it_showed_and_a_deleted_conversation_nothing()
    {
        await using ChatTest test = await ChatTest.StartAsync(exchange => exchange.JsonAsync("{}", 500));
        string chat = await test.CreateAsync();
        JsonNode reply = await test.AnswerAsync(chat, "What?");
        Assert.Equal("failed", reply.Text("state"));

        RequestTrace request = Assert.Single((await GetAsync(test, chat)).Requests);
        Assert.Equal(SpendIdOf(test.App.System.GatewayFront.SeenAt("/v1/chat/completions")[^1]), request.Token);
        Assert.Contains(request.Stages, stage => stage.Name == Client.PromptStageName.Failed);
        Assert.Contains(request.Stages, stage => stage.Name == Client.PromptStageName.Returned);

        await test.CallAsync(HttpMethod.Delete, "/conversations/" + chat);
        Assert.Equal("not-found", await test.RefusedAsync(HttpMethod.Get, $"/conversations/{chat}/privacy", null, HttpStatusCode.NotFound));
    }

    [Fact]
    public async Task Question_that_is_stopped_before_its_reply_begins_was_seen_by_those_it_went_to()
    {
        await using ChatTest test = await ChatTest.StartAsync(exchange => exchange.HangAsync());
        string chat = await test.CreateAsync();
        await test.AskAsync(chat, "What?");
        while (test.Asked.Count == 0)
        {
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }
        await test.CallAsync(HttpMethod.Post, $"/conversations/{chat}/stop");

        PrivacyView view = await GetAsync(test, chat);
        Assert.Equal(test.App.System.GatewayFront.Address.Authority, Assert.Single(Assert.Single(view.Requests).Connections).Remote);
        RoleView gateway = view.Seen.Single(role => role.Role == PrivacyRole.Gateway);
        Assert.Contains(SpendIdOf(test.App.System.GatewayFront.SeenAt("/v1/chat/completions")[0]), gateway.Saw.Single(sight => sight.What == "tokens").Value, StringComparison.Ordinal);
        Assert.Contains(view.Seen.Single(role => role.Role == PrivacyRole.Provider).Saw, sight => sight.What == "not answered");
    }

    [Fact]
    public async Task What_a_request_showed_before_the_app_ended_is_told_beside_what_its_taking_up_showed()
    {
        var more = new TaskCompletionSource();
        await using ChatTest test = await ChatTest.StartAsync(async exchange =>
        {
            await exchange.BeginEventsAsync();
            await exchange.ChunkAsync(ChatTest.Piece("before, "));
            await more.Task;
            await ChatTest.EndAsync(exchange);
        });
        string chat = await test.CreateAsync();
        string message = (await test.AskAsync(chat, "What?"))["assistant"]!.Text("id");
        await test.UntilAsync(chat, whole => whole.Message(message).Text("text").Length > 0);

        await test.App.RestartAsync();
        await test.UntilAsync(chat, whole => whole["generating"]!.GetValue<bool>());
        more.SetResult();
        await test.EndedAsync(chat, message);

        PrivacyView view = await GetAsync(test, chat);
        Assert.Equal([message, message], view.Requests.Select(request => request.Message));
        Assert.All(view.Requests, request => Assert.Single(request.Connections));
        Assert.Single(view.Requests.Select(request => request.Token).Distinct());
    }

    private static async Task<PrivacyView> GetAsync(ChatTest test, string chat) =>
        JsonSerializer.Deserialize((await test.CallAsync(HttpMethod.Get, $"/conversations/{chat}/privacy")).ToJsonString(), PageJson.Default.PrivacyView)!;

    private static string SpendIdOf(Passing passing)
    {
        Assert.True(PrivateTokenHeader.TryParseAuthorization(passing.Headers["Authorization"], out PrivateTokenCredentials? credentials));
        Assert.True(Token.TryParse(credentials.Token, out Token? token));
        byte[] id = new byte[Token.SpendIdSizeInBytes];
        token.SpendId(credentials.Extensions, id);
        return Convert.ToHexStringLower(id.AsSpan(0, 6));
    }

    private static IEnumerable<string> FilesWith(string folder, string text) =>
        Directory.EnumerateFiles(folder, "app.db*").Where(file => !file.EndsWith(".lock", StringComparison.Ordinal) && Contains(file, Encoding.ASCII.GetBytes(text)));

    private static bool Contains(string path, byte[] text)
    {
        // The app has it open.
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var content = new MemoryStream();
        file.CopyTo(content);
        return content.ToArray().AsSpan().IndexOf(text) >= 0;
    }
}
