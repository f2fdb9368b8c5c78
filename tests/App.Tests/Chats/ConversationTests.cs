using System.Net;
using System.Text.Json.Nodes;
using Tacit.Inference.Tests;

namespace Tacit.App.Tests.Chats;

public sealed class ConversationTests
{
    [Fact]
    public async Task A_question_is_answered_into_its_conversation()
    {
        await using ChatTest test = await ChatTest.SayingAsync("Forty two is the answer");
        string chat = await test.CreateAsync("Be brief.");

        JsonNode reply = await test.AnswerAsync(chat, "# What is *the* answer?\nTo everything.");

        Assert.Equal("done", reply.Text("state"));
        Assert.Equal("Forty two is the answer ", reply.Text("text"));
        Assert.Equal("chat", reply.Text("plan"));
        Assert.Equal(5, reply["usage"]!["output"]!.GetValue<int>());
        JsonNode whole = await test.GetAsync(chat);
        Assert.Equal("What is the answer?", whole.Text("title"));
        Assert.Equal(reply.Text("id"), whole.Text("leaf"));
        Assert.False(whole["generating"]!.GetValue<bool>());
        JsonArray asked = JsonNode.Parse(Assert.Single(test.Asked).Body)!["messages"]!.AsArray();
        Assert.Equal(["system: Be brief.", "user: # What is *the* answer?\nTo everything."], asked.Select(message => $"{message!["role"]}: {message["content"]}"));
    }

    [Fact]
    public async Task A_further_question_sends_its_branch_and_only_that()
    {
        int replies = 0;
        await using ChatTest test = await ChatTest.StartAsync(exchange => ChatTest.SayAsync(exchange, "reply" + Interlocked.Increment(ref replies)));
        string chat = await test.CreateAsync();
        JsonNode first = await test.AnswerAsync(chat, "first");
        JsonNode second = await test.AnswerAsync(chat, "second", first.Text("id"));

        // Edit and resend: beside the second question, behind the first reply.
        JsonNode edited = await test.AnswerAsync(chat, "second, edited", first.Text("id"));
        // Retry: beside the first reply.
        JsonNode retried = await test.CallAsync(HttpMethod.Post, $"/conversations/{chat}/messages/{first.Text("id")}/retry", new { });
        JsonNode again = await test.EndedAsync(chat, retried["assistant"]!.Text("id"));

        Assert.Equal(["user: first", "assistant: reply1 ", "user: second, edited"], Messages(test.Asked[2]));
        Assert.Equal(["user: first"], Messages(test.Asked[3]));
        Assert.Equal(first.Text("parent"), again.Text("parent"));
        Assert.Equal("reply4 ", again.Text("text"));
        JsonNode whole = await test.GetAsync(chat);
        Assert.Equal(7, whole["messages"]!.AsArray().Count);
        Assert.Equal(again.Text("id"), whole.Text("leaf"));
        JsonNode back = await test.CallAsync(HttpMethod.Patch, "/conversations/" + chat, new { leaf = second.Text("id"), title = "Mine" });
        Assert.Equal((second.Text("id"), "Mine"), (back.Text("leaf"), back.Text("title")));
        Assert.Equal("reply3 ", whole.Message(edited.Text("id")).Text("text"));
    }

    [Fact]
    public async Task Conversations_survive_a_restart_in_the_order_of_their_use()
    {
        await using ChatTest test = await ChatTest.SayingAsync("yes");
        string first = await test.CreateAsync();
        await test.AnswerAsync(first, "The first one");
        string second = await test.CreateAsync();
        await test.AnswerAsync(second, "The second one");
        await test.CallAsync(HttpMethod.Put, "/prompts", new[] { new { id = "", name = "short", text = "Be short." } });

        await test.App.RestartAsync();

        await using TestTab tab = await test.OpenTabAsync();
        JsonNode state = tab.Events[0].Data;
        Assert.Equal(["The second one", "The first one"], state["conversations"]!.AsArray().Select(one => one!.Text("title")));
        Assert.Equal("short", state["prompts"]![0]!.Text("name"));
        Assert.Equal("kept", state.Text("chats"));
        Assert.EndsWith("/v1", state.Text("address"), StringComparison.Ordinal);
        Assert.Equal("yes ", (await test.GetAsync(first))["messages"]![1]!.Text("text"));
    }

    [Fact]
    public async Task A_search_finds_text_in_any_branch_and_says_where()
    {
        await using ChatTest test = await ChatTest.SayingAsync("It lies in the Café of a small town");
        string chat = await test.CreateAsync();
        await test.AnswerAsync(chat, "Where is it?");
        await test.CreateAsync();

        JsonNode found = await test.CallAsync(HttpMethod.Get, "/conversations?search=CAF%C3%89");
        JsonNode nothing = await test.CallAsync(HttpMethod.Get, "/conversations?search=absent");

        JsonNode one = Assert.Single(found["conversations"]!.AsArray())!;
        Assert.Equal(chat, one.Text("id"));
        Assert.Contains("the Café of", one.Text("snippet"), StringComparison.Ordinal);
        Assert.Empty(nothing["conversations"]!.AsArray());
    }

    [Fact]
    public async Task A_search_finds_attachments_by_name_and_by_what_was_read_out_of_them()
    {
        await using ChatTest test = await ChatTest.SayingAsync("seen");
        string chat = await test.CreateAsync();
        await test.AnswerAsync(
            chat, "Look.",
            attachments:
            [
                new { name = "holiday.png", mediaType = "image/png", data = Convert.ToBase64String("needle"u8) },
                new { name = "contract.pdf", mediaType = "application/pdf", text = "The tenant pays for the Lighthouse keeper." },
            ]);
        await test.CreateAsync();

        Assert.Equal("holiday.png", await SnippetAsync("HOLIDAY"));
        Assert.Equal("contract.pdf: The tenant pays for the Lighthouse keeper.", await SnippetAsync("lighthouse"));
        // Bytes of a picture are no text.
        Assert.Null(await SnippetAsync("needle"));

        async Task<string?> SnippetAsync(string text)
        {
            JsonArray found = (await test.CallAsync(HttpMethod.Get, "/conversations?search=" + text))["conversations"]!.AsArray();
            Assert.All(found, one => Assert.Equal(chat, one!.Text("id")));
            return found.SingleOrDefault()?.Text("snippet");
        }
    }

    [Fact]
    public async Task Attachments_go_as_images_and_named_texts_and_come_back_as_nothing_that_runs()
    {
        await using ChatTest test = await ChatTest.SayingAsync("seen");
        string chat = await test.CreateAsync();
        byte[] image = [0x89, 0x50, 0x4e, 0x47, 1, 2, 3];
        object[] files =
        [
            new { name = "a.png", mediaType = "image/png", data = Convert.ToBase64String(image) },
            new { name = "page.html", mediaType = "text/html", text = "<script>alert(1)</script>" },
        ];

        JsonNode reply = await test.AnswerAsync(chat, "Look.", attachments: files);

        JsonNode question = (await test.GetAsync(chat)).Message(reply.Text("parent"));
        JsonArray parts = JsonNode.Parse(test.Asked[0].Body)!["messages"]![0]!["content"]!.AsArray();
        Assert.Equal("data:image/png;base64," + Convert.ToBase64String(image), parts[0]!["image_url"]!.Text("url"));
        Assert.Equal("File \"page.html\":\n\n<script>alert(1)</script>", parts[1]!.Text("text"));
        Assert.Equal("Look.", parts[2]!.Text("text"));
        JsonArray views = question["attachments"]!.AsArray();
        using HttpResponseMessage picture = await test.SendAsync(HttpMethod.Get, $"/conversations/{chat}/attachments/{views[0]!.Text("id")}");
        using HttpResponseMessage page = await test.SendAsync(HttpMethod.Get, $"/conversations/{chat}/attachments/{views[1]!.Text("id")}");
        Assert.Equal("image/png", picture.Content.Headers.ContentType!.MediaType);
        Assert.Equal(image, await picture.Content.ReadAsByteArrayAsync());
        Assert.Equal("text/plain", page.Content.Headers.ContentType!.MediaType);
        Assert.Contains("sandbox", page.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);

        // The edited question takes along what was attached to the first.
        await test.AnswerAsync(chat, "Look again.", attachments: [new { id = views[0]!.Text("id") }]);
        Assert.Contains(Convert.ToBase64String(image), test.Asked[1].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_cannot_be_asked_is_refused_and_changes_nothing()
    {
        await using ChatTest test = await ChatTest.SayingAsync("never", change: options => options with { MaxRequestBytes = 64 * 1024 });
        string chat = await test.CreateAsync();
        string messages = $"/conversations/{chat}/messages";
        string unknown = new('0', 32);

        Assert.Equal("request-too-large", await test.RefusedAsync(HttpMethod.Post, messages, new { text = new string('x', 70_000) }, HttpStatusCode.RequestEntityTooLarge));
        Assert.Equal("request-malformed", await test.RefusedAsync(HttpMethod.Post, messages, new { text = "" }, HttpStatusCode.BadRequest));
        Assert.Equal("request-malformed", await test.RefusedAsync(HttpMethod.Post, messages, new { }, HttpStatusCode.BadRequest));
        Assert.Equal("request-malformed", await test.RefusedAsync(HttpMethod.Post, messages, "{\"text\":\"a\",\"text\":\"b\"}", HttpStatusCode.BadRequest));
        Assert.Equal("not-found", await test.RefusedAsync(HttpMethod.Post, messages, new { text = "a", parent = unknown }, HttpStatusCode.NotFound));
        Assert.Equal("not-found", await test.RefusedAsync(HttpMethod.Post, messages, new { text = "a", attachments = new[] { new { id = unknown } } }, HttpStatusCode.NotFound));
        Assert.Equal("not-found", await test.RefusedAsync(HttpMethod.Get, "/conversations/" + unknown, null, HttpStatusCode.NotFound));
        Assert.Equal("not-found", await test.RefusedAsync(HttpMethod.Get, "/conversations/..%2f..%2fetc", null, HttpStatusCode.NotFound));
        Assert.Equal("not-found", await test.RefusedAsync(HttpMethod.Patch, "/conversations/" + chat, new { leaf = unknown }, HttpStatusCode.NotFound));
        Assert.Equal(
            "attachment-unsupported",
            await test.RefusedAsync(
                HttpMethod.Post, messages, new { text = "a", attachments = new[] { new { name = "a.svg", mediaType = "image/svg+xml", data = "PHN2Zy8+" } } },
                HttpStatusCode.UnsupportedMediaType));
        Assert.Empty((await test.GetAsync(chat))["messages"]!.AsArray());
        Assert.Empty(test.Asked);
    }

    [Fact]
    public async Task A_plan_goes_with_the_model_that_it_was_chosen_for()
    {
        await using ChatTest test = await ChatTest.SayingAsync("yes");
        string chat = (await test.CallAsync(HttpMethod.Post, "/conversations", new { model = ChatTest.Model, plan = "no-such-plan" })).Text("id");
        JsonNode refused = await test.AnswerAsync(chat, "With the plan.");
        Assert.Equal("plan_unavailable", refused["error"]!.Text("code"));

        JsonNode sent = await test.CallAsync(HttpMethod.Post, $"/conversations/{chat}/messages", new { text = "With another model.", model = "tacit-demo" });
        JsonNode answered = await test.EndedAsync(chat, sent["assistant"]!.Text("id"));

        Assert.Equal(("done", "chat"), (answered.Text("state"), answered.Text("plan")));
        Assert.Null((await test.GetAsync(chat))["plan"]);
    }

    [Fact]
    public async Task What_a_person_left_empty_is_not_filled_in_from_the_settings()
    {
        await using ChatTest test = await ChatTest.SayingAsync(
            "yes", change: options => options with { DefaultModel = ChatTest.Model, DefaultPlan = "no-such-plan", DefaultSystem = "Be brief." });
        JsonNode filled = await test.CallAsync(HttpMethod.Post, "/conversations", new { });
        JsonNode empty = await test.CallAsync(HttpMethod.Post, "/conversations", new { model = ChatTest.Model, plan = "", system = "" });
        Assert.Equal(("no-such-plan", "Be brief."), (filled.Text("plan"), filled.Text("system")));
        Assert.Null(empty["plan"]);
        Assert.Null(empty["system"]);

        JsonNode sent = await test.CallAsync(HttpMethod.Post, $"/conversations/{empty.Text("id")}/messages", new { text = "By whatever is cheapest.", plan = "" });
        JsonNode first = await test.EndedAsync(empty.Text("id"), sent["assistant"]!.Text("id"));
        JsonNode again = (await test.CallAsync(HttpMethod.Post, $"/conversations/{empty.Text("id")}/messages/{first.Text("id")}/retry", new { }))["assistant"]!;
        JsonNode second = await test.EndedAsync(empty.Text("id"), again.Text("id"));

        Assert.Equal(("done", "chat", "done", "chat"), (first.Text("state"), first.Text("plan"), second.Text("state"), second.Text("plan")));
        Assert.Equal(["user: By whatever is cheapest."], Messages(test.Asked[0]));
    }

    [Fact]
    public async Task A_text_that_is_called_an_image_is_none()
    {
        await using ChatTest test = await ChatTest.SayingAsync("seen");
        string chat = await test.CreateAsync();
        JsonNode reply = await test.AnswerAsync(chat, "Look.", attachments: [new { name = "a.svg", mediaType = "image/svg+xml", text = "<svg xmlns='http://www.w3.org/2000/svg'/>" }]);

        Assert.Equal("text/plain", (await test.GetAsync(chat)).Message(reply.Text("parent"))["attachments"]![0]!.Text("mediaType"));
    }

    [Fact]
    public async Task A_question_without_any_model_says_so()
    {
        await using ChatTest test = await ChatTest.SayingAsync("never");
        string chat = (await test.CallAsync(HttpMethod.Post, "/conversations", new { })).Text("id");
        Assert.Equal("model-missing", await test.RefusedAsync(HttpMethod.Post, $"/conversations/{chat}/messages", new { text = "a" }, HttpStatusCode.BadRequest));
    }

    private static IEnumerable<string> Messages(ScriptedRequest request) =>
        JsonNode.Parse(request.Body)!["messages"]!.AsArray().Select(message => $"{message!["role"]}: {message["content"]}");
}
