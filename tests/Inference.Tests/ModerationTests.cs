using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Protocol;

namespace Tacit.Inference.Tests;

public sealed class ModerationTests
{
    private const string Clear = """{"id":"m","model":"omni","results":[{"flagged":false,"categories":{"violence":false}}]}""";
    private const string Flagged = """{"id":"m","model":"omni","results":[{"flagged":false},{"flagged":true,"categories":{"violence":true,"hate":false}}]}""";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static InferenceRouter Start(ModerationPolicy policy, TimeProvider? time = null) => new(
        new InferenceOptions { DemoModel = true, Moderation = new ModerationOptions { Policies = [policy], Default = policy.Name, Plans = new Dictionary<string, string> { ["free"] = "" } } },
        time ?? TimeProvider.System, NullLoggerFactory.Instance);

    private static ValueTask<ModerationRefusal?> JudgeAsync(InferenceRouter router, string body, Operation operation = Operation.ChatCompletions, string plan = "chat") =>
        router.Moderator.JudgeAsync(plan, operation, Encoding.UTF8.GetBytes(body), Token);

    private static string Chat(string text) => $$"""{"model":"m","messages":[{"role":"user","content":{{JsonSerializer.Serialize(text)}}}]}""";

    private static ModerationPolicy Service(ScriptedProvider service) => new() { Name = "p", Service = new ModerationServiceOptions { BaseUrl = service.BaseUrl } };

    /// <summary>Where a forbidden word can stand, in every operation and turn.</summary>
    public static TheoryData<Operation, string> Hidings => new()
    {
        { Operation.ChatCompletions, """{"model":"m","messages":[{"role":"user","content":"a FORBIDDEN word"}]}""" },
        { Operation.ChatCompletions, """{"model":"m","messages":[{"role":"system","content":"FORBIDDEN"},{"role":"user","content":"hi"}]}""" },
        { Operation.ChatCompletions, """{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"ok"},{"type":"text","text":"FORBIDDEN"}]}]}""" },
        { Operation.ChatCompletions, """{"model":"m","messages":[{"role":"user","content":"\u0046ORBID\u0044EN"}]}""" },
        { Operation.ChatCompletions, """{"model":"m","messages":[{"role":"assistant","content":"x","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"q\":\"FORBIDDEN\"}"}}]}]}""" },
        { Operation.ChatCompletions, """{"model":"m","messages":[{"role":"user","name":"FORBIDDEN","content":"x"}]}""" },
        { Operation.ChatCompletions, """{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f","description":"FORBIDDEN"}}]}""" },
        { Operation.ChatCompletions, """{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"FORBIDDEN":{"type":"string"}}}}}]}""" },
        { Operation.ChatCompletions, """{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"role":{"enum":["FORBIDDEN"]}}}}}]}""" },
        { Operation.ChatCompletions, """{"model":"m","messages":[{"role":"user","content":"x"}],"prediction":{"type":"content","content":"FORBIDDEN"}}""" },
        { Operation.Responses, """{"model":"m","input":"FORBIDDEN"}""" },
        { Operation.Responses, """{"model":"m","input":"x","instructions":"FORBIDDEN"}""" },
        { Operation.Responses, """{"model":"m","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"FORBIDDEN"}]}]}""" },
        { Operation.Responses, """{"model":"m","input":[{"type":"function_call_output","call_id":"c","output":"FORBIDDEN"}]}""" },
        { Operation.Embeddings, """{"model":"m","input":["x","FORBIDDEN"]}""" },
        { Operation.Messages, """{"model":"m","messages":[{"role":"user","content":"FORBIDDEN"}]}""" },
        { Operation.Messages, """{"model":"m","system":[{"type":"text","text":"FORBIDDEN"}],"messages":[]}""" },
        { Operation.Messages, """{"model":"m","messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{"role":{"FORBIDDEN":1}}}]}]}""" },
        { Operation.Messages, """{"model":"m","messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"FORBIDDEN"}]}]}]}""" },
        { Operation.Messages, """{"model":"m","messages":[{"role":"user","content":[{"type":"document","source":{"data":"FORBIDDEN","media_type":"text/plain","type":"text"}}]}]}""" },
        { Operation.Messages, """{"model":"m","messages":[{"role":"user","content":[{"type":"document","source":{"type":"content","content":[{"type":"text","text":"FORBIDDEN"}]}}]}]}""" },
        { Operation.Messages, """{"model":"m","messages":[],"tools":[{"name":"f","input_schema":{"type":"object","properties":{"id":{"description":"FORBIDDEN"}}}}]}""" },
    };

    [Theory]
    [MemberData(nameof(Hidings))]
    public async Task Rule_finds_its_word_wherever_a_model_would_read_it(Operation operation, string body)
    {
        await using InferenceRouter router = Start(new ModerationPolicy { Name = "p", Rules = ["FORBIDDEN"] });
        ModerationRefusal refusal = Assert.IsType<ModerationRefusal>(await JudgeAsync(router, body, operation));
        Assert.Equal((ErrorCodes.ContentRefused, RefusedToken.Spent, false), (refusal.Error.Code, refusal.Token, refusal.EndsChain));
        Assert.DoesNotContain("FORBIDDEN", refusal.Error.Message, StringComparison.Ordinal);
        Assert.Null(await JudgeAsync(router, body.Replace("FORBID", "allow", StringComparison.Ordinal).Replace("\\u0046ORBID", "allow", StringComparison.Ordinal), operation));
        Assert.Null(await JudgeAsync(router, body, operation, plan: "free"));
    }

    /// <summary>What has bytes and blocks at once: an operator who lets pass what nobody can look into has the rest looked into all the same.</summary>
    [Theory]
    [InlineData("""{"type":"content","data":"x","content":[{"type":"text","text":"FORBIDDEN"}]}""")]
    [InlineData("""{"type":"content","content":[{"type":"text","text":"FORBIDDEN"}],"data":"x"}""")]
    [InlineData("""{"content":[{"type":"text","text":"x"}],"data":"FORBIDDEN","type":"text"}""")]
    public async Task Bytes_beside_blocks_hide_neither(string source)
    {
        await using InferenceRouter router = Start(new ModerationPolicy { Name = "p", Rules = ["FORBIDDEN"], OnUnchecked = ModerationFailure.Allow });
        string body = $$$"""{"model":"m","messages":[{"role":"user","content":[{"type":"document","source":{{{source}}}}]}]}""";
        Assert.Equal(ErrorCodes.ContentRefused, (await JudgeAsync(router, body, Operation.Messages))?.Error.Code);
        Assert.Null(await JudgeAsync(router, body.Replace("FORBID", "allow", StringComparison.Ordinal), Operation.Messages));
    }

    [Fact]
    public async Task Names_that_no_model_reads_are_not_judged()
    {
        await using InferenceRouter router = Start(new ModerationPolicy { Name = "p", Rules = ["user|text|gpt"] });
        Assert.Null(await JudgeAsync(router, """{"model":"gpt","messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]}"""));
    }

    [Theory]
    [InlineData("(a+)+$")]
    [InlineData("^(a|aa)+$")]
    [InlineData("(?=(a|aa)+$)a")]
    [InlineData("^(a|aa)+\\1$")]
    public async Task Catastrophic_rule_is_bounded_and_the_prompt_refused_or_let_through_by_setting(string rule)
    {
        bool backtracks = rule.Contains("?=", StringComparison.Ordinal) || rule.Contains("\\1", StringComparison.Ordinal);
        // One that is linear needs no bound to end; the other would not end while the sun shines.
        var policy = new ModerationPolicy { Name = "p", Rules = [rule], RuleTimeout = backtracks ? TimeSpan.FromMilliseconds(20) : TimeSpan.FromSeconds(10) };
        string body = Chat(new string('a', 60_000) + "!");
        await using InferenceRouter closed = Start(policy);
        await using InferenceRouter open = Start(policy with { OnFailure = ModerationFailure.Allow });
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Token);
        patience.CancelAfter(TimeSpan.FromMinutes(5));
        ModerationRefusal? refusal = await Task.Run(() => JudgeAsync(closed, body).AsTask(), Token).WaitAsync(patience.Token);
        Assert.Equal(backtracks ? ErrorCodes.ModerationUnavailable : null, refusal?.Error.Code);
        Assert.Equal(backtracks ? RefusedToken.Spent : null, refusal?.Token);
        Assert.Null(await Task.Run(() => JudgeAsync(open, body).AsTask(), Token).WaitAsync(patience.Token));
    }

    /// <summary>Linear in the text, with many steps at each character of it: seconds of a processor for one prompt.</summary>
    [Fact]
    public async Task Rule_that_is_linear_and_slow_all_the_same_is_bounded()
    {
        await using InferenceRouter router = Start(new ModerationPolicy { Name = "p", Rules = ["a.{0,5000}b"], RuleTimeout = TimeSpan.FromMilliseconds(1) });
        ModerationRefusal? refusal = await Task.Run(() => JudgeAsync(router, Chat(new string('a', 1_000_000))).AsTask(), Token);
        Assert.Equal((ErrorCodes.ModerationUnavailable, RefusedToken.Spent), (refusal?.Error.Code, refusal?.Token));
    }

    [Fact]
    public async Task Slow_rules_keep_no_linear_one_from_being_applied_and_cost_no_more_the_more_there_are()
    {
        var policy = new ModerationPolicy
        {
            Name = "p", Rules = [.. Enumerable.Range(0, 2000).Select(i => $"^(a|aa)+\\1{i}$"), "FORBIDDEN"], RuleTimeout = TimeSpan.FromMilliseconds(100), OnFailure = ModerationFailure.Allow,
        };
        await using InferenceRouter router = Start(policy);
        string slow = new string('a', 60_000) + "!";
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Token);
        patience.CancelAfter(TimeSpan.FromMinutes(5));
        ModerationRefusal? refusal = await Task.Run(() => JudgeAsync(router, Chat(slow + " FORBIDDEN")).AsTask(), Token).WaitAsync(patience.Token);
        Assert.Equal(ErrorCodes.ContentRefused, refusal?.Error.Code);

        // One after the other they would take minutes.
        Assert.Null(await Task.Run(() => JudgeAsync(router, Chat(slow)).AsTask(), Token).WaitAsync(patience.Token));
    }

    [Theory]
    [InlineData("", false)]
    [InlineData("a*", false)]
    [InlineData("(", false)]
    [InlineData("(?i)bad", true)]
    public void Rule_must_be_one(string rule, bool isOne)
    {
        var options = new InferenceOptions { DemoModel = true, Moderation = new ModerationOptions { Policies = [new ModerationPolicy { Name = "p", Rules = [rule] }] } };
        if (isOne)
        {
            options.Validate();
        }
        else
        {
            Assert.Contains("Moderation:Policies:0:Rules:0", Assert.Throws<ArgumentException>(options.Validate).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Service_is_asked_about_all_text_and_every_image_and_told_nothing_else()
    {
        await using ScriptedProvider service = ScriptedProvider.Start(exchange => exchange.JsonAsync(Clear));
        await using InferenceRouter router = Start(Service(service) with
        {
            Service = new ModerationServiceOptions { BaseUrl = service.BaseUrl, Key = new ProviderKey("sk-mod"u8), MaxInputBytes = 1024 },
        });
        string text = string.Concat(Enumerable.Range(0, 400).Select(i => $"wörter {i} "));
        string body = $$"""
            {"model":"secret-model","messages":[{"role":"system","content":"first turn"},{"role":"user","content":[{"type":"text","text":"{{text}}"},
            {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"low"} },{"type":"image_url","image_url":{"url":"https://example.test/b.png"} }]}],"store":false}
            """;
        Assert.Null(await JudgeAsync(router, body));

        Assert.Equal(3, service.Requests.Count);
        Assert.All(service.Requests, request =>
        {
            Assert.Equal("POST /v1/moderations HTTP/1.1", request.Line);
            Assert.Equal("Bearer sk-mod", request.Header("Authorization"));
            Assert.Equal(["Accept", "Authorization", "Content-Length", "Content-Type", "Host"], request.Headers.Select(header => header.Key).Order(StringComparer.Ordinal));
            Assert.DoesNotContain("secret-model", request.Text, StringComparison.Ordinal);
        });
        JsonElement[] inputs = [.. service.Requests.Select(request => JsonDocument.Parse(request.Body).RootElement.GetProperty("input"))];
        string[] images = [.. inputs.SelectMany(input => input.EnumerateArray()).Where(item => item.ValueKind == JsonValueKind.Object)
            .Select(item => item.GetProperty("image_url").GetProperty("url").GetString()!).Order(StringComparer.Ordinal)];
        Assert.Equal(["data:image/png;base64,AAAA", "https://example.test/b.png"], images);
        string[] pieces = [.. inputs.SelectMany(input => input.EnumerateArray()).Where(item => item.ValueKind == JsonValueKind.String).Select(item => item.GetString()!)];
        Assert.All(pieces, piece => Assert.True(Encoding.UTF8.GetByteCount(piece) <= 1024));
        Assert.StartsWith("first turn\n", pieces[0], StringComparison.Ordinal);
        Assert.All(Enumerable.Range(0, 400), i => Assert.Contains(pieces, piece => piece.Contains($"wörter {i} ", StringComparison.Ordinal)));
    }

    /// <summary>One prompt has room for thousands of images: the service would be asked for nobody else meanwhile.</summary>
    [Fact]
    public async Task Prompt_with_more_images_than_the_service_is_asked_about_is_refused_or_let_through_by_setting()
    {
        await using ScriptedProvider service = ScriptedProvider.Start(exchange => exchange.JsonAsync(Clear));
        ModerationPolicy policy = new() { Name = "p", Service = new ModerationServiceOptions { BaseUrl = service.BaseUrl, MaxImages = 2 } };
        await using InferenceRouter closed = Start(policy);
        Assert.Null(await JudgeAsync(closed, Images(2)));
        Assert.Equal(2, service.Requests.Count);
        ModerationRefusal? refusal = await JudgeAsync(closed, Images(1000));
        Assert.Equal((ErrorCodes.ContentRefused, RefusedToken.Spent, false), (refusal?.Error.Code, refusal?.Token, refusal?.EndsChain));
        Assert.Equal(2, service.Requests.Count);

        await using InferenceRouter open = Start(policy with { OnUnchecked = ModerationFailure.Allow });
        Assert.Null(await JudgeAsync(open, Images(1000)));
        Assert.Equal(4, service.Requests.Count);

        static string Images(int count) =>
            $$"""{"model":"m","messages":[{"role":"user","content":[{{string.Join(',', Enumerable.Repeat("""{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}""", count))}}]}]}""";
    }

    [Fact]
    public async Task What_the_service_flags_is_refused_if_its_category_counts()
    {
        await using ScriptedProvider service = ScriptedProvider.Start(exchange => exchange.JsonAsync(Flagged));
        await using InferenceRouter any = Start(Service(service) with { EndChain = true, ReturnToken = true });
        ModerationRefusal refusal = Assert.IsType<ModerationRefusal>(await JudgeAsync(any, Chat("x")));
        Assert.Equal((ErrorCodes.ContentRefused, RefusedToken.ReturnedOnce, true), (refusal.Error.Code, refusal.Token, refusal.EndsChain));
        foreach ((string category, bool refuses) in new[] { ("violence", true), ("hate", false), ("unheard-of", false) })
        {
            await using InferenceRouter some = Start(new ModerationPolicy { Name = "p", Service = new ModerationServiceOptions { BaseUrl = service.BaseUrl, Categories = [category] } });
            Assert.Equal(refuses, await JudgeAsync(some, Chat("x")) is not null);
        }
    }

    [Theory]
    [InlineData(500, "", RefusedToken.Returned)]
    [InlineData(429, "", RefusedToken.Returned)]
    [InlineData(401, "", RefusedToken.Returned)]
    [InlineData(400, """{"error":{"message":"too long"}}""", RefusedToken.Spent)]
    [InlineData(200, "", RefusedToken.Returned)]
    [InlineData(200, "nonsense", RefusedToken.Returned)]
    [InlineData(200, "{}", RefusedToken.Returned)]
    [InlineData(200, """{"results":[]}""", RefusedToken.Returned)]
    [InlineData(200, """{"results":[{"flagged":"no"}]}""", RefusedToken.Returned)]
    [InlineData(302, "", RefusedToken.Returned)]
    public async Task Service_that_fails_closes_the_gate_or_leaves_it_open_by_setting(int status, string answer, RefusedToken token)
    {
        await using ScriptedProvider service = ScriptedProvider.Start(exchange => exchange.JsonAsync(answer, status));
        await using InferenceRouter closed = Start(Service(service));
        ModerationRefusal refusal = Assert.IsType<ModerationRefusal>(await JudgeAsync(closed, Chat("x")));
        Assert.Equal((ErrorCodes.ModerationUnavailable, token, false), (refusal.Error.Code, refusal.Token, refusal.EndsChain));
        await using InferenceRouter open = Start(Service(service) with { OnFailure = ModerationFailure.Allow });
        Assert.Null(await JudgeAsync(open, Chat("x")));
    }

    [Fact]
    public async Task Service_that_hangs_or_is_not_there_is_waited_for_no_longer_than_set()
    {
        await using ScriptedProvider service = ScriptedProvider.Start(exchange => exchange.HangAsync());
        var time = new ManualTime();
        await using InferenceRouter hung = Start(Service(service), time);
        Task<ModerationRefusal?> waiting = JudgeAsync(hung, Chat("x")).AsTask();
        while (!waiting.IsCompleted)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(5, Token);
        }

        Assert.Equal(ErrorCodes.ModerationUnavailable, (await waiting)?.Error.Code);
        await using InferenceRouter nobody = Start(new ModerationPolicy { Name = "p", Service = new ModerationServiceOptions { BaseUrl = ScriptedProvider.UnusedAddress() } });
        Assert.Equal(ErrorCodes.ModerationUnavailable, (await JudgeAsync(nobody, Chat("x")))?.Error.Code);
        using var cancelled = new CancellationTokenSource();
        ValueTask<ModerationRefusal?> cancelling = hung.Moderator.JudgeAsync("chat", Operation.ChatCompletions, Encoding.UTF8.GetBytes(Chat("x")), cancelled.Token);
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelling.AsTask());
    }

    [Theory]
    [InlineData(Operation.ChatCompletions, """{"model":"m","messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}]}]}""")]
    [InlineData(Operation.ChatCompletions, """{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"data:application/pdf;base64,AAAA","filename":"a.pdf"}}]}]}""")]
    [InlineData(Operation.ChatCompletions, """{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]}""")]
    [InlineData(Operation.Responses, """{"model":"m","input":[{"type":"message","role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,AAAA"}]}]}""")]
    [InlineData(Operation.Embeddings, """{"model":"m","input":[1,2,3]}""")]
    [InlineData(Operation.Embeddings, """{"model":"m","input":[[1,2],[3]]}""")]
    public async Task Parts_that_rules_cannot_see_into_are_refused_or_let_through_by_setting(Operation operation, string body)
    {
        var policy = new ModerationPolicy { Name = "p", Rules = ["FORBIDDEN"] };
        await using InferenceRouter closed = Start(policy);
        Assert.Equal(ErrorCodes.ContentRefused, (await JudgeAsync(closed, body, operation))?.Error.Code);
        await using InferenceRouter open = Start(policy with { OnUnchecked = ModerationFailure.Allow });
        Assert.Null(await JudgeAsync(open, body, operation));
    }
}
