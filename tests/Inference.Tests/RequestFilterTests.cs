using System.Text;
using Tacit.Protocol;

namespace Tacit.Inference.Tests;

public sealed class RequestFilterTests
{
    private const string Hello = """[{"role":"user","content":"hello"}]""";

    [Fact]
    public void Chat_request_keeps_its_values_byte_for_byte()
    {
        string body = $$"""{ "messages" : [ {"role":"user", "content":"h\u00e9 \/ 1.0"} ], "temperature": 0.70, "model":"m","stream":true, "seed":1e3 }""";
        FilteredRequest request = Passes(Operation.ChatCompletions, body, out string output);
        Assert.Equal("""{"model":"m","max_completion_tokens":100,"messages":[ {"role":"user", "content":"h\u00e9 \/ 1.0"} ],"temperature":0.70,"stream":true,"seed":1e3,"store":false}""", output);
        Assert.Equal(new FilteredRequest("m", true, 100), request);
    }

    [Theory]
    [InlineData("user", "\"u-1\"")]
    [InlineData("metadata", """{"a":{"b":[1]}}""")]
    [InlineData("prompt_cache_key", "\"k\"")]
    [InlineData("prompt_cache_retention", "\"24h\"")]
    [InlineData("prompt_cache_options", """{"mode":"explicit"}""")]
    [InlineData("safety_identifier", "\"s\"")]
    [InlineData("service_tier", "\"priority\"")]
    [InlineData("store", "true")]
    public void Identifying_member_is_removed_silently(string member, string value)
    {
        Passes(Operation.ChatCompletions, $$"""{"model":"m","{{member}}":{{value}},"messages":{{Hello}}}""", out string output);
        Assert.Equal($$"""{"model":"m","max_completion_tokens":100,"messages":{{Hello}},"store":false}""", output);
    }

    [Theory]
    [InlineData(Operation.Responses, """{"model":"m","input":"x","previous_response_id":"resp_1"}""", "previous_response_id")]
    [InlineData(Operation.Responses, """{"model":"m","input":"x","conversation":"conv_1"}""", "conversation")]
    [InlineData(Operation.Responses, """{"model":"m","input":"x","background":true}""", "background")]
    [InlineData(Operation.Responses, """{"model":"m","input":"x","prompt":{"id":"pmpt_1"}}""", "prompt")]
    [InlineData(Operation.Responses, """{"model":"m","input":"x","tools":[{"type":"function","name":"f"},{"type":"web_search"}]}""", "tools[1].type")]
    [InlineData(Operation.Responses, """{"model":"m","input":"x","tools":[{"type":"code_interpreter","container":"c"}]}""", "tools[0].type")]
    [InlineData(Operation.Responses, """{"model":"m","input":"x","tools":[{"type":"mcp"}]}""", "tools[0].type")]
    [InlineData(Operation.Responses, """{"model":"m","input":"x","tool_choice":{"type":"file_search"}}""", "tool_choice.type")]
    [InlineData(Operation.Responses, """{"model":"m","input":[{"type":"item_reference","id":"msg_1"}]}""", "input[0].type")]
    [InlineData(Operation.Responses, """{"model":"m","input":[{"id":"msg_1"}]}""", "input[0]")]
    [InlineData(Operation.Responses, """{"model":"m","input":[{"type":null,"id":"msg_1"}]}""", "input[0]")]
    [InlineData(Operation.Responses, """{"model":"m","input":[{"type":"reasoning","id":"rs_1","summary":[]}]}""", "input[0].id")]
    [InlineData(Operation.Responses, """{"model":"m","input":[{"role":"user","content":[{"type":"input_file","file_id":"file-1"}]}]}""", "input[0].content[0].file_id")]
    [InlineData(Operation.Responses, """{"model":"m","input":[{"role":"user","content":[{"type":"input_image","file_id":"file-1"}]}]}""", "input[0].content[0].file_id")]
    [InlineData(Operation.Responses, """{"model":"m","input":[{"type":"function_call_output","call_id":"c","output":[{"type":"input_file","file_id":"f"}]}]}""", "input[0].output[0].file_id")]
    [InlineData(Operation.Responses, """{"model":"m","input":[{"role":"user","content":[{"type":"input_image","image_url":"file:///etc/passwd"}]}]}""", "input[0].content[0].image_url")]
    [InlineData(Operation.Responses, """{"model":"m","input":[{"type":"web_search_call","id":"ws_1"}]}""", "input[0].type")]
    [InlineData(Operation.ChatCompletions, """{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}]}""", "messages[0].content[0].file.file_id")]
    [InlineData(Operation.ChatCompletions, """{"model":"m","messages":[{"role":"assistant","audio":{"id":"audio_1"}}]}""", "messages[0].audio")]
    [InlineData(Operation.ChatCompletions, """{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://10.0.0.1/x"}}]}]}""", "messages[0].content[0].image_url.url")]
    [InlineData(Operation.ChatCompletions, """{"model":"m","messages":[],"web_search_options":{}}""", "web_search_options")]
    [InlineData(Operation.ChatCompletions, """{"model":"m","messages":[],"audio":{"format":"wav","voice":{"id":"v"}}}""", "audio.voice.id")]
    [InlineData(Operation.ChatCompletions, """{"model":"m","messages":[],"tools":[{"type":"web_search"}]}""", "tools[0].type")]
    public void Member_that_keeps_or_fetches_state_is_refused_by_name(Operation operation, string body, string param) =>
        Refused(operation, body, ErrorCodes.StatefulMemberRefused, param);

    [Theory]
    [InlineData(Operation.ChatCompletions, """{"model":"m","messages":[],"top_k":1}""", "top_k")]
    [InlineData(Operation.ChatCompletions, """{"model":"m","messages":[],"input":"x"}""", "input")]
    [InlineData(Operation.ChatCompletions, """{"model":"m","messages":[{"role":"user","content":"x","cookie":"y"}]}""", "messages[0].cookie")]
    [InlineData(Operation.ChatCompletions, """{"model":"m","messages":[],"stream_options":{"trace":"y"}}""", "stream_options.trace")]
    [InlineData(Operation.ChatCompletions, """{"mod\u0065l":"m","messages":[]}""", "mod\\u0065l")]
    [InlineData(Operation.Responses, """{"model":"m","input":"x","messages":[]}""", "messages")]
    [InlineData(Operation.Responses, """{"model":"m","input":[{"role":"user","content":"x","trace":1}]}""", "input[0].trace")]
    [InlineData(Operation.Embeddings, """{"model":"m","input":"x","store":true}""", "store")]
    [InlineData(Operation.Embeddings, """{"model":"m","input":"x","":1}""", "")]
    [InlineData(Operation.ChatCompletions, """{"model":"m","messages":[],"stream_options":{"":1}}""", "stream_options.")]
    [InlineData(Operation.ChatCompletions, """{"model":"m","messages":[{"[0]":1}]}""", "messages[0].?0?")]
    public void Unknown_member_is_refused_by_name(Operation operation, string body, string param) =>
        Refused(operation, body, ErrorCodes.UnknownMember, param);

    [Theory]
    [InlineData("")]
    [InlineData("  ")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("\"x\"")]
    [InlineData("{")]
    [InlineData("""{"model":"m","messages":[]}x""")]
    [InlineData("""{"model":"m","messages":[]}{}""")]
    [InlineData("""{"model":"m","messages":[],}""")]
    [InlineData("""{"model":"m",/*c*/"messages":[]}""")]
    [InlineData("""{"model":"m","model":"n","messages":[]}""")]
    [InlineData("""{"model":"m","messages":[],"user":1,"user":2}""")]
    [InlineData("""{"model":"m","messages":[{"role":"user","role":"system"}]}""")]
    [InlineData("""{"model":"m","messages":[],"tools":[{"type":"function","type":"web_search"}]}""")]
    [InlineData("""{"model":'m',"messages":[]}""")]
    [InlineData("""{"model":"m","messages":[],"seed":NaN}""")]
    public void Body_that_is_not_one_plain_object_is_refused(string body) =>
        Refused(Operation.ChatCompletions, body, ErrorCodes.InvalidJson);

    [Fact]
    public void Byte_order_mark_and_broken_utf8_are_refused()
    {
        Refused(Operation.Embeddings, [0xef, 0xbb, 0xbf, .. """{"model":"m","input":"x"}"""u8], ErrorCodes.InvalidJson);
        Refused(Operation.Embeddings, [.. """{"model":"m","input":"x"""u8, 0xc3, 0x28, .. "\"}"u8], ErrorCodes.InvalidJson);
    }

    [Theory]
    [InlineData(10, true)]
    [InlineData(60, true)]
    [InlineData(70, false)]
    [InlineData(1_000_000, false)]
    public void Nesting_is_bounded(int depth, bool passes)
    {
        string schema = new string('[', depth) + new string(']', depth);
        string body = $$"""{"model":"m","messages":[],"logit_bias":{{schema}}}""";
        if (passes)
        {
            Passes(Operation.ChatCompletions, body, out _);
        }
        else
        {
            Refused(Operation.ChatCompletions, body, ErrorCodes.InvalidJson);
        }
    }

    [Theory]
    [InlineData("""{"messages":[]}""", "model")]
    [InlineData("""{"model":null,"messages":[]}""", "model")]
    [InlineData("""{"model":1,"messages":[]}""", "model")]
    [InlineData("""{"model":"","messages":[]}""", "model")]
    [InlineData("""{"model":"a\nb","messages":[]}""", "model")]
    [InlineData("""{"model":["m"],"messages":[]}""", "model")]
    [InlineData("""{"model":"m"}""", "messages")]
    [InlineData("""{"model":"m","messages":"hi"}""", "messages")]
    [InlineData("""{"model":"m","messages":[],"stream":1}""", "stream")]
    [InlineData("""{"model":"m","messages":[],"seed":{"file_id":"f"}}""", "seed")]
    [InlineData("""{"model":"m","messages":[],"stop":[["x"]]}""", "stop[0]")]
    [InlineData("""{"model":"m","messages":[],"n":0}""", "n")]
    [InlineData("""{"model":"m","messages":[],"n":1.5}""", "n")]
    [InlineData("""{"model":"m","messages":[],"max_tokens":-1}""", "max_tokens")]
    [InlineData("""{"model":"m","messages":[],"max_tokens":1e1}""", "max_tokens")]
    [InlineData("""{"model":"m","messages":[],"max_tokens":"5"}""", "max_tokens")]
    [InlineData("""{"model":"m","messages":[],"max_tokens":99999999999999999999}""", "max_tokens")]
    [InlineData("""{"model":"m","messages":[],"max_tokens":5,"max_completion_tokens":5}""", "max_tokens")]
    public void Value_that_cannot_be_taken_is_refused_by_name(string body, string param) =>
        Refused(Operation.ChatCompletions, body, ErrorCodes.InvalidValue, param);

    [Theory]
    [InlineData("\"max_tokens\":100", "\"max_tokens\":100", 100)]
    [InlineData("\"max_completion_tokens\":1", "\"max_completion_tokens\":1", 1)]
    [InlineData("\"max_tokens\":null", "\"max_completion_tokens\":100", 100)]
    [InlineData("\"n\":3", "\"max_completion_tokens\":33", 33)]
    [InlineData("\"n\":4,\"max_tokens\":25", "\"max_tokens\":25", 25)]
    public void Output_cap_within_the_plan_passes_and_a_missing_one_is_set(string members, string expected, int cap)
    {
        FilteredRequest request = Passes(Operation.ChatCompletions, $$"""{{{members}},"model":"m","messages":[]}""", out string output);
        Assert.StartsWith($$"""{"model":"m",{{expected}},""", output, StringComparison.Ordinal);
        Assert.Equal(cap, request.OutputTokens);
    }

    [Theory]
    [InlineData(Operation.ChatCompletions, "\"max_tokens\":101", "max_tokens")]
    [InlineData(Operation.ChatCompletions, "\"max_completion_tokens\":9223372036854775807", "max_completion_tokens")]
    [InlineData(Operation.ChatCompletions, "\"n\":101", "n")]
    [InlineData(Operation.ChatCompletions, "\"n\":4,\"max_tokens\":26", "max_tokens")]
    [InlineData(Operation.ChatCompletions, "\"n\":9223372036854775807,\"max_tokens\":2", "n")]
    [InlineData(Operation.Responses, "\"max_output_tokens\":101", "max_output_tokens")]
    public void Output_cap_above_the_plan_is_refused(Operation operation, string members, string param)
    {
        string prompt = operation == Operation.Responses ? "\"input\":\"x\"" : "\"messages\":[]";
        Refused(operation, $$"""{{{members}},"model":"m",{{prompt}}}""", ErrorCodes.OutputCapExceeded, param);
    }

    [Fact]
    public void Plan_without_output_buys_embeddings_only()
    {
        using var output = new SensitiveBuffer();
        Assert.Null(RequestFilter.Filter(Operation.Embeddings, """{"model":"m","input":"x"}"""u8, new RequestLimits(0), output, out _));
        ApiError? error = RequestFilter.Filter(Operation.ChatCompletions, """{"model":"m","messages":[]}"""u8, new RequestLimits(0), output, out _);
        Assert.Equal((ErrorCodes.OutputCapExceeded, null), (error?.Code, error?.Param));
    }

    [Fact]
    public void Whole_vocabulary_of_a_tool_using_chat_passes()
    {
        const string Rest = """
            "messages":[
              {"role":"system","content":"s"},
              {"role":"user","name":"n","content":[{"type":"text","text":"t"},{"type":"image_url","image_url":{"url":"data:image\/png;base64,AA==","detail":"low"}},
                {"type":"image_url","image_url":{"url":"https:\/\/example.org\/a.png"}},{"type":"input_audio","input_audio":{"data":"AA==","format":"wav"}},
                {"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,AA=="}}]},
              {"role":"assistant","content":null,"refusal":null,"audio":null,"annotations":[],"function_call":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"file_id\":1}"}}]},
              {"role":"tool","tool_call_id":"c","content":"{}"}],
            "tools":[{"type":"function","function":{"name":"f","description":"d","strict":true,"parameters":{"type":"object","properties":{"file_id":{"type":"string"}}}}},
              {"type":"custom","custom":{"name":"c","format":{"type":"grammar","grammar":{"definition":"x","syntax":"lark"}}}}],
            "tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"f"}}]}},
            "response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"user":{"metadata":1}},"strict":true}},
            "stream_options":{"include_usage":true,"include_obfuscation":false},"stop":["a","b"],"logit_bias":{"1":2},"modalities":["text"],
            "prediction":{"type":"content","content":[{"type":"text","text":"t"}]},"reasoning_effort":"low","verbosity":"low","top_logprobs":2,"logprobs":true
            """;
        Passes(Operation.ChatCompletions, $$"""{"model":"m","max_completion_tokens":7,{{Rest}}}""", out string output);
        Assert.DoesNotContain("tool_choice\":null", output, StringComparison.Ordinal);
        Assert.EndsWith(",\"store\":false}", output, StringComparison.Ordinal);
        Assert.Contains("""{"user":{"metadata":1}}""", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Whole_vocabulary_of_a_stateless_response_passes()
    {
        const string Rest = """
            "input":[{"role":"user","content":[{"type":"input_text","text":"t"},{"type":"input_image","image_url":"data:image/png;base64,AA==","detail":"auto","file_id":null}]},
              {"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"t","annotations":[],"logprobs":[]}]},
              {"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"t"}],"encrypted_content":"AA"},
              {"type":"function_call","id":"fc_1","call_id":"c","name":"f","arguments":"{}","status":"completed"},
              {"type":"function_call_output","call_id":"c","output":"{}"}],
            "instructions":"i","include":["reasoning.encrypted_content"],"reasoning":{"effort":"low","summary":"auto"},
            "text":{"format":{"type":"json_schema","name":"n","schema":{},"strict":true},"verbosity":"low"},
            "tools":[{"type":"function","name":"f","parameters":{},"strict":false}],"tool_choice":"auto","truncation":"auto",
            "previous_response_id":null,"conversation":null,"background":false,"store":true
            """;
        Passes(Operation.Responses, $$"""{"model":"m",{{Rest}}}""", out string output);
        Assert.StartsWith("""{"model":"m","max_output_tokens":100,"input":[""", output, StringComparison.Ordinal);
        Assert.EndsWith(""","truncation":"auto","store":false}""", output, StringComparison.Ordinal);
    }

    internal static FilteredRequest Passes(Operation operation, string body, out string output)
    {
        using var buffer = new SensitiveBuffer();
        ApiError? error = RequestFilter.Filter(operation, Encoding.UTF8.GetBytes(body), new RequestLimits(100), buffer, out FilteredRequest request);
        Assert.True(error is null, $"{error?.Code} {error?.Param}: {error?.Message}");
        output = Encoding.UTF8.GetString(buffer.WrittenSpan);
        return request;
    }

    private static void Refused(Operation operation, string body, string code, string? param = null) =>
        Refused(operation, Encoding.UTF8.GetBytes(body), code, param);

    private static void Refused(Operation operation, byte[] body, string code, string? param = null)
    {
        using var buffer = new SensitiveBuffer();
        ApiError? error = RequestFilter.Filter(operation, body, new RequestLimits(100), buffer, out FilteredRequest request);
        Assert.NotNull(error);
        Assert.Equal((code, 400), (error.Code, error.Status));
        Assert.Equal(0, buffer.WrittenCount);
        Assert.Equal(default, request);
        if (param is not null)
        {
            Assert.Equal(param, error.Param);
        }
    }
}
