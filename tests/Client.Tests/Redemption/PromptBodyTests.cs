using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using Tacit.Client.Conversations;

namespace Tacit.Client.Tests;

/// <summary>What the wallet reads of a body, and what it takes out.</summary>
public sealed class PromptBodyTests
{
    private static readonly byte[] Key = new byte[32];

    [Theory]
    [InlineData("""{"model":"m","user":"alice","messages":[]}""", """{"model":"m","messages":[]}""")]
    [InlineData("""{ "user" : {"deep":["x"]} , "model" : "m" }""", """{"model" : "m"}""")]
    [InlineData("""{"metadata":{"a":"b"},"model":"m","prompt_cache_key":"k","safety_identifier":"s"}""", """{"model":"m"}""")]
    [InlineData("""{"model":"m","\u0075ser":"alice"}""", """{"model":"m"}""")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"user metadata"}]}""", """{"model":"m","messages":[{"role":"user","content":"user metadata"}]}""")]
    [InlineData("""{"model":"m","x":1.00e5,"y":"\u00e9"}""", """{"model":"m","x":1.00e5,"y":"\u00e9"}""")]
    public void Members_that_name_the_user_are_taken_out_and_nothing_else_is_touched(string body, string sent)
    {
        using PromptBody parsed = PromptBody.Parse(Encoding.UTF8.GetBytes(body), Key);

        Assert.Equal(sent, Encoding.UTF8.GetString(parsed.Content.Span));
        Assert.Equal("m", parsed.Model);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("{")]
    [InlineData("""{"model":"m"} x""")]
    [InlineData("""{"messages":[]}""")]
    [InlineData("""{"model":1}""")]
    [InlineData("""{"model":"m","model":"n"}""")]
    [InlineData("""{"model":"m","messages":[{"a":"\ud800"}]}""")]
    [InlineData("""{"model":"\ud800"}""")]
    [InlineData("""{"model":"m","messages":[}""")]
    public void Body_that_is_no_request_is_refused(string body) =>
        Assert.Equal(ClientError.InvalidRequest, Assert.Throws<ClientException>(() => PromptBody.Parse(Encoding.UTF8.GetBytes(body), Key)).Error);

    [Fact]
    public void Body_nested_too_deep_is_refused()
    {
        string body = $$"""{"model":"m","messages":{{new string('[', 5000)}}{{new string(']', 5000)}}}""";

        Assert.Equal(ClientError.InvalidRequest, Assert.Throws<ClientException>(() => PromptBody.Parse(Encoding.UTF8.GetBytes(body), Key)).Error);
    }

    [Theory]
    [InlineData("""{"model":"m"}""", 0)]
    [InlineData("""{"model":"m","max_tokens":100}""", 100)]
    [InlineData("""{"model":"m","max_tokens":100,"max_completion_tokens":300,"n":2}""", 600)]
    [InlineData("""{"model":"m","max_output_tokens":9223372036854775807,"n":1000}""", long.MaxValue)]
    [InlineData("""{"model":"m","max_tokens":-5}""", 0)]
    [InlineData("""{"model":"m","max_tokens":"many"}""", 0)]
    public void Output_that_is_asked_for_is_read(string body, long cap)
    {
        using PromptBody parsed = PromptBody.Parse(Encoding.UTF8.GetBytes(body), Key);

        Assert.Equal(cap, parsed.OutputCap);
    }

    [Fact]
    public void Arbitrary_json_is_parsed_or_refused_and_means_the_same_afterwards()
    {
        Gen<string> text = Gen.Elements("user", "metadata", "model", "messages", "input", "n", "max_tokens", "a\"b\\", "é", "", "assistant", "role", "content");
        Gen<JsonNode?> Value(int depth) => depth == 0
            ? Gen.OneOf<JsonNode?>(
                text.Select(value => (JsonNode?)JsonValue.Create(value)),
                Gen.Choose(-5, 5).Select(value => (JsonNode?)JsonValue.Create(value)),
                Gen.Elements<JsonNode?>(null, JsonValue.Create(true)))
            : Gen.OneOf<JsonNode?>(
                Value(0),
                Value(depth - 1).ListOf(3).Select(items => (JsonNode?)new JsonArray([.. items.Select(item => item?.DeepClone())])),
                text.Zip(Value(depth - 1), (name, value) => (name, value)).ListOf(4).Select(members => (JsonNode?)new JsonObject(
                    members.DistinctBy(member => member.name).Select(member => KeyValuePair.Create(member.name, member.value?.DeepClone())))));

        Prop.ForAll(Value(3).ToArbitrary(), node =>
        {
            byte[] body = JsonSerializer.SerializeToUtf8Bytes(node);
            try
            {
                using PromptBody parsed = PromptBody.Parse(body, Key);
                JsonObject expected = node!.DeepClone().AsObject();
                foreach (string name in (string[])["user", "metadata", "safety_identifier", "prompt_cache_key"])
                {
                    expected.Remove(name);
                }
                Assert.True(JsonNode.DeepEquals(expected, JsonNode.Parse(parsed.Content.Span)));
            }
            catch (ClientException e)
            {
                Assert.Equal(ClientError.InvalidRequest, e.Error);
                Assert.False(node is JsonObject known && known["model"] is JsonValue model && model.GetValueKind() == JsonValueKind.String);
            }
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(300));
    }

    [Fact]
    public void Messages_hash_alike_however_they_are_spelt_and_differ_where_they_differ()
    {
        MessageChain Chain(string messages)
        {
            using PromptBody parsed = PromptBody.Parse(Encoding.UTF8.GetBytes($$"""{"model":"m","messages":{{messages}}}"""), Key);
            return parsed.Messages;
        }

        byte[] plain = Chain("""[{"role":"user","content":"hé"}]""").Prefix(1);
        Assert.Equal(plain, Chain("""[ { "role" : "user", "content" : "h\u00e9" } ]""").Prefix(1));
        Assert.Equal(plain, Chain("""[{"role":"user","content":"hé"},{"role":"assistant","content":"x"}]""").Prefix(1));
        foreach (string other in (string[])["""[{"role":"user","content":"h"}]""", """[{"role":"system","content":"hé"}]""", """["hé"]""", """[{"role":"user","content":["hé"]}]""", """[[],{"role":"user","content":"hé"}]"""])
        {
            Assert.NotEqual(plain, Chain(other).Prefix(1));
        }
        MessageChain answered = Chain("""[{"role":"user","content":{"role":"assistant"}},{"content":"x","role":"assistant"},{"type":"function_call"}]""");
        Assert.Equal([false, true, true], Enumerable.Range(0, 3).Select(answered.IsAnswer));
    }
}
