using System.Text;
using System.Text.Json;
using Tacit.Protocol;

namespace Tacit.Inference.Tests;

/// <summary>The allow-list of Anthropic's Messages (law 5).</summary>
public sealed class MessagesRequestTests
{
    private const string Hello = "\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]";

    private static (ApiError? Error, string Body, FilteredRequest Request) Filter(string body, int cap = 4096)
    {
        using var output = new SensitiveBuffer();
        ApiError? error = RequestFilter.Filter(Operation.Messages, Encoding.UTF8.GetBytes(body), new RequestLimits(cap), output, out FilteredRequest request);
        return (error, Encoding.UTF8.GetString(output.WrittenSpan), request);
    }

    [Fact]
    public void Request_with_listed_members_passes_byte_for_byte()
    {
        const string Rest =
            """
            "messages":[{"role":"user","content":[{"type":"text","text":"é\u0041"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"QUJD"}}]},{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"tool_use","id":"toolu_1","name":"f","input":{"any": [1, {}]}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"text","text":"r"}],"is_error":true}]}],"system":[{"type":"text","text":"s"}],"temperature":0.5,"stop_sequences":["x"],"tools":[{"name":"f","input_schema":{"type":"object"}},{"type":"bash_20250124","name":"bash"}],"tool_choice":{"type":"any","disable_parallel_tool_use":true},"thinking":{"type":"enabled","budget_tokens":1024},"stream":true
            """;
        (ApiError? error, string body, FilteredRequest request) = Filter($$"""{"max_tokens":2000,"model":"claude",{{Rest}}}""");
        Assert.Null(error);
        Assert.Equal($$"""{"model":"claude","max_tokens":2000,{{Rest}}}""", body);
        Assert.Equal(new FilteredRequest("claude", true, 2000), request);
    }

    [Theory]
    [InlineData("\"metadata\":{\"user_id\":\"u\"}", "")]
    [InlineData("\"cache_control\":{\"type\":\"ephemeral\"}", "")]
    [InlineData("\"service_tier\":\"auto\"", "")]
    [InlineData("\"speed\":\"fast\"", "")]
    [InlineData("\"inference_geo\":\"us\"", "")]
    [InlineData("\"container\":null", "")]
    [InlineData("\"system\":[{\"cache_control\":{\"type\":\"ephemeral\"},\"type\":\"text\",\"text\":\"a\"}, {\"type\":\"text\" , \"cache_control\":null, \"text\":\"b\"}]", ",\"system\":[{\"type\":\"text\",\"text\":\"a\"}, {\"type\":\"text\" , \"text\":\"b\"}]")]
    [InlineData("\"system\":[{\"type\":\"text\",\"text\":\"a\",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}]", ",\"system\":[{\"type\":\"text\",\"text\":\"a\"}]")]
    [InlineData("\"system\":[{\"cache_control\":{}}]", ",\"system\":[{}]")]
    [InlineData("\"tools\":[{\"name\":\"f\",\"cache_control\":{},\"input_schema\":{\"cache_control\":1}},{\"name\":\"g\",\"cache_control\":{}}]", ",\"tools\":[{\"name\":\"f\",\"input_schema\":{\"cache_control\":1}},{\"name\":\"g\"}]")]
    public void Member_that_names_a_user_a_tariff_or_a_cache_is_left_out(string member, string left)
    {
        (ApiError? error, string body, _) = Filter($$"""{"model":"m",{{Hello}},{{member}},"max_tokens":9}""");
        Assert.Null(error);
        Assert.Equal($$"""{"model":"m","max_tokens":9,{{Hello}}{{left}}}""", body);
    }

    [Fact]
    public void Cache_control_is_cut_wherever_it_stands_and_however_often()
    {
        const string Marked = "{\"type\":\"text\",\"text\":\"x\",\"cache_control\":{\"type\":\"ephemeral\"}}";
        const string Plain = "{\"type\":\"text\",\"text\":\"x\"}";
        string Body(string block) => $$"""{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"tool_result","content":[{{string.Join(',', Enumerable.Repeat(block, 40))}}]},{{block}}]}],"system":[{{block}},{{block}}],"stream":false}""";
        (ApiError? error, string body, _) = Filter(Body(Marked));
        Assert.Null(error);
        Assert.Equal(Body(Plain), body);
    }

    [Theory]
    [InlineData("\"container\":\"c\"", "container")]
    [InlineData("\"mcp_servers\":[]", "mcp_servers")]
    [InlineData("\"thread\":{\"type\":\"create\"}", "thread")]
    [InlineData("\"diagnostics\":{}", "diagnostics")]
    [InlineData("\"tools\":[{\"type\":\"web_search_20250305\",\"name\":\"web_search\"}]", "tools[0].type")]
    [InlineData("\"tools\":[{\"type\":\"code_execution_20250825\",\"name\":\"c\"}]", "tools[0].type")]
    [InlineData("\"tools\":[{\"name\":\"f\",\"defer_loading\":true}]", "tools[0].defer_loading")]
    [InlineData("\"tools\":[{\"name\":\"f\",\"allowed_callers\":[\"code_execution_20260120\"]}]", "tools[0].allowed_callers[0]")]
    public void Member_that_keeps_or_fetches_state_is_refused_by_name(string member, string param)
    {
        (ApiError? error, _, _) = Filter($$"""{"model":"m",{{Hello}},{{member}}}""");
        Assert.Equal((ErrorCodes.StatefulMemberRefused, param), (error?.Code, error?.Param));
    }

    [Theory]
    [InlineData("{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"https://x/y\"}}", "source.type")]
    [InlineData("{\"type\":\"image\",\"source\":{\"url\":\"https://x/y\"}}", "source.url")]
    [InlineData("{\"type\":\"document\",\"source\":{\"file_id\":\"f\",\"type\":\"file\"}}", "source.file_id")]
    [InlineData("{\"type\":\"server_tool_use\",\"id\":\"i\",\"name\":\"web_search\",\"input\":{}}", "type")]
    [InlineData("{\"type\":\"container_upload\",\"file_id\":\"f\"}", "type")]
    [InlineData("{\"type\":\"tool_use\",\"caller\":{\"type\":\"code_execution_20260120\",\"tool_id\":\"t\"}}", "caller.type")]
    public void Block_that_refers_to_what_is_elsewhere_is_refused_by_name(string block, string param)
    {
        (ApiError? error, _, _) = Filter($$"""{"model":"m","messages":[{"role":"user","content":[{{block}}]}]}""");
        Assert.Equal((ErrorCodes.StatefulMemberRefused, "messages[0].content[0]." + param), (error?.Code, error?.Param));
        (error, _, _) = Filter($$"""{"model":"m","messages":[{"role":"user","content":[{"type":"tool_result","content":[{{block}}]}]}]}""");
        Assert.Equal((ErrorCodes.StatefulMemberRefused, "messages[0].content[0].content[0]." + param), (error?.Code, error?.Param));
    }

    [Fact]
    public void Unknown_member_is_refused_and_a_cap_is_set_or_held()
    {
        Assert.Equal((ErrorCodes.UnknownMember, "betas"), (Filter($$"""{"model":"m",{{Hello}},"betas":[]}""").Error?.Code, Filter($$"""{"model":"m",{{Hello}},"betas":[]}""").Error?.Param));
        Assert.Equal((ErrorCodes.OutputCapExceeded, "max_tokens"), (Filter($$"""{"model":"m",{{Hello}},"max_tokens":101}""", 100).Error?.Code, Filter($$"""{"model":"m",{{Hello}},"max_tokens":101}""", 100).Error?.Param));
        Assert.Equal($$"""{"model":"m","max_tokens":100,{{Hello}}}""", Filter($$"""{"model":"m",{{Hello}}}""", 100).Body);
        Assert.Equal("messages", Filter("""{"model":"m"}""").Error?.Param);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Demo_model_answers_in_Anthropics_form(bool stream)
    {
        await using var harness = new RouterHarness(new InferenceOptions { DemoModel = true });
        string text = await harness.AskAsync(Operation.Messages, stream, model: InferenceRouter.DemoModelName, extra: ",\"system\":\"be brief\",\"max_tokens\":5");
        if (!stream)
        {
            JsonElement message = JsonDocument.Parse(text).RootElement;
            Assert.Equal(("message", "assistant", "max_tokens"), (message.GetProperty("type").GetString(), message.GetProperty("role").GetString(), message.GetProperty("stop_reason").GetString()));
            Assert.Equal((3, 5), (message.GetProperty("usage").GetProperty("input_tokens").GetInt32(), message.GetProperty("usage").GetProperty("output_tokens").GetInt32()));
            return;
        }

        string[] names = [.. text.Split('\n').Where(line => line.StartsWith("event: ", StringComparison.Ordinal)).Select(line => line[7..])];
        Assert.Equal(["message_start", "content_block_start", "ping", "content_block_delta", "content_block_delta", "content_block_stop", "message_delta", "message_stop"], names);
        Assert.EndsWith("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", text, StringComparison.Ordinal);
    }
}
