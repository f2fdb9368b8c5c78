using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Tacit.Protocol;

namespace Tacit.Inference.Tests;

/// <summary>Requests of one API written as the other's: all that is said goes over, or is refused by its name.</summary>
public sealed class TranslationTests
{
    private static (ApiError? Error, string Body) Translate(Operation from, string body)
    {
        using var filtered = new SensitiveBuffer();
        Assert.Null(RequestFilter.Filter(from, Encoding.UTF8.GetBytes(body), new RequestLimits(4096), filtered, out _));
        using var output = new SensitiveBuffer();
        Refusal? refusal = from == Operation.Messages ? MessagesToChat.Translate(filtered.WrittenSpan, output) : ChatToMessages.Translate(filtered.WrittenSpan, output);
        if (refusal is not null)
        {
            return (refusal.ToError(), "");
        }

        // Whatever comes out passes the other API's allow-list as it is.
        using var again = new SensitiveBuffer();
        Operation to = from == Operation.Messages ? Operation.ChatCompletions : Operation.Messages;
        ApiError? error = RequestFilter.Filter(to, output.WrittenSpan, new RequestLimits(4096), again, out _);
        Assert.True(error is null, $"{error?.Code} {error?.Param}: {Encoding.UTF8.GetString(output.WrittenSpan)}");
        Assert.True(output.WrittenSpan.SequenceEqual(again.WrittenSpan), Encoding.UTF8.GetString(output.WrittenSpan));
        return (null, Encoding.UTF8.GetString(output.WrittenSpan));
    }

    private static void AssertJson(string expected, string actual) =>
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(expected), JsonNode.Parse(actual)), actual);

    [Fact]
    public void Chat_completion_becomes_a_message()
    {
        (ApiError? error, string body) = Translate(Operation.ChatCompletions, """
            {"model":"m","max_tokens":50,"stream":true,"temperature":0.5,"top_p":0.9,"stop":"END","n":1,"seed":null,"frequency_penalty":0,"stream_options":{"include_usage":true},
             "messages":[
              {"role":"system","content":"Be \u0062rief."},
              {"role":"user","content":[{"type":"text","text":"What is \"this\"?"},{"type":"image_url","image_url":{"url":"data:image\/png;base64,QUJD","detail":"low"}}]},
              {"role":"developer","content":[{"type":"text","text":"In French."}]},
              {"role":"user","content":"é"},
              {"role":"assistant","content":null,"reasoning_content":"hm","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"q\":\"a\\nb\",\"n\":[1]}"}},{"id":"call_2","type":"function","function":{"name":"g","arguments":""}}]},
              {"role":"tool","tool_call_id":"call_1","content":"sunny"},
              {"role":"tool","tool_call_id":"call_2","content":[{"type":"text","text":"ok"},{"type":"text","text":""}]},
              {"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,QQ=="}}]}],
             "tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"q":{"type":"string"}}},"strict":true}},{"type":"function","function":{"name":"g"}}],
             "tool_choice":"required","parallel_tool_calls":false,
             "response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}},"reasoning_effort":"minimal"}
            """);
        Assert.Null(error);
        AssertJson("""
            {"model":"m","max_tokens":50,
             "messages":[
              {"role":"user","content":[{"type":"text","text":"What is \"this\"?"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"QUJD"}},{"type":"text","text":"é"}]},
              {"role":"assistant","content":[{"type":"tool_use","id":"call_1","name":"f","input":{"q":"a\nb","n":[1]}},{"type":"tool_use","id":"call_2","name":"g","input":{}}]},
              {"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","content":"sunny"},{"type":"tool_result","tool_use_id":"call_2","content":[{"type":"text","text":"ok"}]},
               {"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"QQ=="},"title":"a.pdf"}]}],
             "system":[{"type":"text","text":"Be brief."},{"type":"text","text":"In French."}],
             "stream":true,"temperature":0.5,"top_p":0.9,"stop_sequences":["END"],
             "tools":[{"name":"f","description":"d","input_schema":{"type":"object","properties":{"q":{"type":"string"}}},"strict":true},{"name":"g","input_schema":{"type":"object","properties":{}}}],
             "tool_choice":{"type":"any","disable_parallel_tool_use":true},
             "output_config":{"effort":"low","format":{"type":"json_schema","schema":{"type":"object"}}}}
            """, body);
        Assert.StartsWith("{\"model\":\"m\",\"max_tokens\":50,", body, StringComparison.Ordinal);
    }

    [Fact]
    public void Message_becomes_a_chat_completion()
    {
        (ApiError? error, string body) = Translate(Operation.Messages, """
            {"model":"m","max_tokens":50,"stream":true,"temperature":0.5,"stop_sequences":["A","B"],"thinking":{"type":"adaptive"},
             "system":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}},{"type":"text","text":"x"}],
             "messages":[
              {"role":"user","content":[{"type":"text","text":"é\u00e9"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"QUJD"}},{"type":"document","title":"T","source":{"type":"text","media_type":"text/plain","data":"plain"}}]},
              {"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"text","text":"Let me \"see\". "},{"type":"text","text":"Now."},{"type":"tool_use","id":"toolu_1","name":"f","input":{"q": "a\"b\\c",
               "n":[1]}}]},
              {"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"text","text":"one"},{"type":"text","text":"two"}],"is_error":false},{"type":"text","text":"go on"}]},
              {"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_2"}]}],
             "tools":[{"name":"f","description":"d","input_schema":{"type":"object"}}],"tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true},
             "output_config":{"effort":"max","format":{"type":"json_schema","schema":{"type":"object"}}}}
            """);
        Assert.Null(error);
        AssertJson("""
            {"model":"m","max_completion_tokens":50,
             "messages":[
              {"role":"system","content":[{"type":"text","text":"Be brief."},{"type":"text","text":"x"}]},
              {"role":"user","content":[{"type":"text","text":"éé"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}},{"type":"text","text":"T\nplain"}]},
              {"role":"assistant","content":"Let me \"see\". Now.","tool_calls":[{"type":"function","id":"toolu_1","function":{"name":"f","arguments":"{\"q\": \"a\\\"b\\\\c\",\n   \"n\":[1]}"}}]},
              {"role":"tool","tool_call_id":"toolu_1","content":"one\ntwo"},
              {"role":"user","content":[{"type":"text","text":"go on"}]},
              {"role":"tool","tool_call_id":"toolu_2","content":""}],
             "stream":true,"stream_options":{"include_usage":true},"temperature":0.5,"stop":["A","B"],
             "tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"}}}],
             "tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false,
             "reasoning_effort":"xhigh","response_format":{"type":"json_schema","json_schema":{"name":"reply","strict":true,"schema":{"type":"object"}}},"store":false}
            """, body);
        Assert.StartsWith("{\"model\":\"m\",\"max_completion_tokens\":50,", body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"n\":2", "n")]
    [InlineData("\"seed\":7", "seed")]
    [InlineData("\"logprobs\":true", "logprobs")]
    [InlineData("\"logit_bias\":{\"1\":2}", "logit_bias")]
    [InlineData("\"frequency_penalty\":0.5", "frequency_penalty")]
    [InlineData("\"temperature\":1.5", "temperature")]
    [InlineData("\"response_format\":{\"type\":\"json_object\"}", "response_format")]
    [InlineData("\"modalities\":[\"text\",\"audio\"]", "modalities")]
    [InlineData("\"prediction\":{\"type\":\"content\",\"content\":\"x\"}", "prediction")]
    [InlineData("\"functions\":[{\"name\":\"f\"}]", "functions")]
    [InlineData("\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"c\"}}]", "tools[0].type")]
    [InlineData("\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"auto\",\"tools\":[]}}", "tool_choice")]
    [InlineData("\"messages\":[{\"role\":\"user\",\"name\":\"n\",\"content\":\"x\"}]", "messages[0].name")]
    [InlineData("\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"function\",\"content\":\"x\"}]", "messages[1].role")]
    [InlineData("\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://a/b.png\"}}]}]", "messages[0].content[0].image_url")]
    [InlineData("\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"x\"},{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"\",\"format\":\"wav\"}}]}]", "messages[0].content[1].type")]
    [InlineData("\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}]", "messages[0].tool_calls[0].function.arguments")]
    [InlineData("\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":\\\"\\ud800\\\"}\"}}]}]", "messages[0].tool_calls[0].function.arguments")]
    public void Member_of_a_chat_that_has_no_counterpart_is_refused_by_name(string member, string param)
    {
        string messages = member.StartsWith("\"messages", StringComparison.Ordinal) ? "" : ",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]";
        (ApiError? error, _) = Translate(Operation.ChatCompletions, $$"""{"model":"m"{{messages}},{{member}}}""");
        Assert.Equal((ErrorCodes.InvalidValue, 400, param), (error?.Code, error?.Status, error?.Param));
    }

    [Theory]
    [InlineData("\"top_k\":5", "top_k")]
    [InlineData("\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}", "thinking.budget_tokens")]
    [InlineData("\"tools\":[{\"type\":\"bash_20250124\",\"name\":\"bash\"}]", "tools[0].type")]
    [InlineData("\"tools\":[{\"name\":\"f\"},{\"name\":\"g\",\"input_examples\":[{}]}]", "tools[1].input_examples")]
    [InlineData("\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"search_result\",\"source\":\"s\",\"title\":\"t\",\"content\":[]}]}]", "messages[0].content[0].type")]
    [InlineData("\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"document\",\"source\":{\"type\":\"content\",\"content\":[]}}]}]", "messages[0].content[0].source")]
    [InlineData("\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":[{\"type\":\"image\",\"source\":{\"type\":\"base64\"}}]}]}]", "messages[0].content[0].content[0].type")]
    [InlineData("\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"document\",\"citations\":{\"enabled\":true},\"source\":{\"type\":\"text\",\"data\":\"x\"}}]}]", "messages[0].content[0].citations")]
    public void Member_of_a_message_that_has_no_counterpart_is_refused_by_name(string member, string param)
    {
        string messages = member.StartsWith("\"messages", StringComparison.Ordinal) ? "" : ",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]";
        (ApiError? error, _) = Translate(Operation.Messages, $$"""{"model":"m"{{messages}},{{member}}}""");
        Assert.Equal((ErrorCodes.InvalidValue, 400, param), (error?.Code, error?.Status, error?.Param));
    }

    [Theory]
    [InlineData("""{"type":"tool_result","tool_use_id":"t","content":"no \"such\" file","is_error":true}""", "Error:\nno \"such\" file")]
    [InlineData("""{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"is_error":true}""", "Error:\na\nb")]
    [InlineData("""{"type":"tool_result","tool_use_id":"t","is_error":true}""", "Error:")]
    [InlineData("""{"type":"tool_result","tool_use_id":"t","content":"fine","is_error":false}""", "fine")]
    public void Failure_of_a_tool_is_told(string result, string told)
    {
        (ApiError? error, string body) = Translate(Operation.Messages, $$"""{"model":"m","max_tokens":50,"messages":[{"role":"user","content":[{{result}}]}]}""");
        Assert.Null(error);
        Assert.Equal(told, (string?)JsonNode.Parse(body)!["messages"]![0]!["content"]);
    }

    [Theory]
    [InlineData("null", "{}")]
    [InlineData("\"  \"", "{}")]
    [InlineData("\"{ }\"", "{}")]
    [InlineData("1", null)]
    [InlineData("true", null)]
    public void Arguments_that_are_neither_none_nor_an_object_are_not_taken_for_none(string arguments, string? input)
    {
        (ApiError? error, string body) = Translate(
            Operation.ChatCompletions,
            $$"""{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":{{arguments}} } } ] } ] }""");
        Assert.Equal(input is null ? "messages[0].tool_calls[0].function.arguments" : null, error?.Param);
        if (input is not null)
        {
            AssertJson(input, JsonNode.Parse(body)!["messages"]![0]!["content"]![0]!["input"]!.ToJsonString());
        }
    }

    [Fact]
    public void Request_keeps_what_it_says_over_there_and_back()
    {
        (_, string there) = Translate(Operation.Messages, """
            {"model":"m","max_tokens":50,"system":"s","messages":[{"role":"user","content":"hi \ud83d\ude00 \\ \u0000"},{"role":"assistant","content":[{"type":"text","text":"a"},{"type":"tool_use","id":"t","name":"f","input":{"k":"\u0001\" \\"}}]},
             {"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"r"},{"type":"image","source":{"type":"base64","media_type":"image/webp","data":"QQ=="}}]}]}
            """);
        (ApiError? error, string back) = Translate(Operation.ChatCompletions, there);
        Assert.Null(error);
        AssertJson("""
            {"model":"m","max_tokens":50,"messages":[{"role":"user","content":[{"type":"text","text":"hi \ud83d\ude00 \\ \u0000"}]},{"role":"assistant","content":[{"type":"text","text":"a"},{"type":"tool_use","id":"t","name":"f","input":{"k":"\u0001\" \\"}}]},
             {"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"r"},{"type":"image","source":{"type":"base64","media_type":"image/webp","data":"QQ=="}}]}],"system":[{"type":"text","text":"s"}]}
            """, back);
    }
}
