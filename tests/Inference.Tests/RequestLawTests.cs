using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using Tacit.Fuzz;
using Tacit.Protocol;

namespace Tacit.Inference.Tests;

/// <summary>
/// Law 5 for whatever JSON comes: a request is refused by name, or what goes on has listed members only, with the values they came with.
/// The lists here are written down a second time, and read by another parser than the filter's.
/// </summary>
public sealed class RequestLawTests
{
    private const int Limit = 1000;

    private static readonly string[] s_removed =
        ["user", "metadata", "safety_identifier", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "service_tier", "store", "max_tool_calls", "cache_control", "speed", "inference_geo"];

    private static readonly string[] s_removedOfMessages = ["metadata", "cache_control", "service_tier", "speed", "inference_geo"];

    private static readonly string[] s_stateful =
        ["background", "conversation", "previous_response_id", "prompt", "web_search_options", "container", "mcp_servers", "thread", "diagnostics"];

    /// <summary>Every member that may go on, with a value that is fine in it.</summary>
    private static readonly Dictionary<Operation, Dictionary<string, string[]>> s_listed = new()
    {
        [Operation.ChatCompletions] = new()
        {
            ["model"] = ["\"m\"", "\"org/model-1:latest\""],
            ["messages"] =
            [
                "[]", """[{"role":"user","content":"x"}]""", """[ {"role":"user","content":[{"type":"text","text":"\u00e9"},{"type":"image_url","image_url":{"url":"https://a/b"}}]} ]""",
                """[{"role":"user","content":[{"type":"file","file":{"filename":"f","file_data":"data:,x"}},{"type":"input_audio","input_audio":{"data":"","format":"wav"}}]}]""",
                """[{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"custom","custom":{"name":"n","input":"i"}}]},{"role":"tool","tool_call_id":"1","content":[{"type":"text","text":"t"}]}]""",
            ],
            ["stream"] = ["true", "false", "null"],
            ["max_completion_tokens"] = ["1", "500", "null", "1000"],
            ["n"] = ["1", "null", "2"],
            ["audio"] = ["null", """{"format":"wav","voice":"alloy"}"""],
            ["frequency_penalty"] = ["0.50"],
            ["function_call"] = ["\"auto\"", """{"name":"f"}"""],
            ["functions"] = ["""[{"name":"f","parameters":{"file_id":1}}]"""],
            ["logit_bias"] = ["""{"50256":-100}"""],
            ["logprobs"] = ["true"],
            ["modalities"] = ["""["text","audio"]"""],
            ["moderation"] = ["""{"model":"m","policy":{"input":{"mode":"score"}}}"""],
            ["parallel_tool_calls"] = ["false"],
            ["prediction"] = ["""{"type":"content","content":"x"}"""],
            ["presence_penalty"] = ["-2"],
            ["reasoning_effort"] = ["\"low\""],
            ["response_format"] = ["""{"type":"json_object"}""", """{"type":"json_schema","json_schema":{"name":"n","schema":{"user":"u"}}}"""],
            ["seed"] = ["7", "1E400"],
            ["stop"] = ["\"\\n\"", """["a","b"]"""],
            ["stream_options"] = ["""{"include_usage":true}""", "null"],
            ["temperature"] = ["0", "1.0"],
            ["tool_choice"] = ["\"none\"", """{"type":"function","function":{"name":"f"}}"""],
            ["tools"] = ["[]", """[{"type":"function","function":{"name":"f","parameters":{"type":"object","metadata":{}}}}]"""],
            ["top_logprobs"] = ["3"],
            ["top_p"] = ["0.1"],
            ["verbosity"] = ["\"low\""],
        },
        [Operation.Responses] = new()
        {
            ["model"] = ["\"m\""],
            ["input"] =
            [
                "\"x\"", """[{"role":"user","content":"x"}]""", """[{"role":"user","content":[{"type":"input_image","image_url":"data:,x"},{"type":"input_file","file_data":"data:,x"}]}]""",
                """[{"type":"reasoning","id":"r","summary":[{"type":"summary_text","text":"t"}],"encrypted_content":"e"},{"type":"message","id":"m","role":"assistant","content":[{"type":"output_text","text":"t","annotations":[{"type":"url_citation","url":"u"}]}]}]""",
                 """[{"type":"function_call_output","call_id":"c","output":[{"type":"input_text","text":"t"}]}]""",
            ],
            ["stream"] = ["true", "false"],
            ["max_output_tokens"] = ["16", "null"],
            ["context_management"] = ["""[{"type":"compaction","compact_threshold":1000}]"""],
            ["include"] = ["""["reasoning.encrypted_content"]"""],
            ["instructions"] = ["\"i\"", "null"],
            ["moderation"] = ["null"],
            ["parallel_tool_calls"] = ["true"],
            ["reasoning"] = ["""{"effort":"low","summary":"auto"}"""],
            ["stream_options"] = ["""{"include_obfuscation":false}"""],
            ["temperature"] = ["1.0"],
            ["text"] = ["""{"format":{"type":"text"},"verbosity":"low"}"""],
            ["tool_choice"] = ["\"auto\"", """{"type":"custom","name":"c"}"""],
            ["tools"] = ["""[{"type":"custom","name":"c","format":{"type":"text"}},{"type":"function","name":"f","parameters":{}}]"""],
            ["top_logprobs"] = ["3"],
            ["top_p"] = ["0.1"],
            ["truncation"] = ["\"auto\""],
        },
        [Operation.Embeddings] = new()
        {
            ["model"] = ["\"m\""],
            ["input"] = ["\"x\"", """["a","b"]""", "[1,2]", "[[1,2],[3]]"],
            ["dimensions"] = ["64"],
            ["encoding_format"] = ["\"base64\""],
        },
        [Operation.Messages] = new()
        {
            ["model"] = ["\"m\""],
            ["messages"] =
            [
                "[]", """[{"role":"user","content":"x"}]""", """[ {"role":"user","content":[{"type":"text","text":"\u00e9"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"QQ=="}}]} ]""",
                """[{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"tool_use","id":"1","name":"n","caller":{"type":"direct"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":[{"type":"text","text":"t"}]}]}]""",
                """[{"role":"user","content":[{"type":"document","source":{"type":"content","content":[{"type":"text","text":"t","citations":null}]},"citations":{"enabled":true}}]}]""",
            ],
            ["stream"] = ["true", "false"],
            ["max_tokens"] = ["1", "500", "null"],
            ["system"] = ["\"s\"", """[{"type":"text","text":"t"}]"""],
            ["temperature"] = ["1.0"],
            ["top_p"] = ["0.1"],
            ["top_k"] = ["5"],
            ["stop_sequences"] = ["""["a","b"]"""],
            ["tools"] = ["[]", """[{"name":"f","input_schema":{"type":"object","container":{}}},{"type":"memory_20250818","name":"memory"}]"""],
            ["tool_choice"] = ["""{"type":"tool","name":"f"}"""],
            ["thinking"] = ["""{"type":"adaptive","display":"summarized"}"""],
            ["output_config"] = ["""{"effort":"low","format":{"type":"json_schema","schema":{"user":"u"}}}"""],
        },
    };

    /// <summary>Names that mean trouble somewhere: none may be in anything that goes on, unless its value asks for nothing.</summary>
    private static readonly string[] s_neverInside = ["file_id", "container_id", "prompt_cache_breakpoint"];

    /// <summary>A schema is data for the model: its property names mean nothing to the provider.</summary>
    private static readonly string[] s_freeForm = ["parameters", "schema", "input_schema", "output_schema", "logit_bias", "logprobs"];

    private static readonly Gen<Operation> s_operations = Gen.Elements(Enum.GetValues<Operation>());

    [Fact]
    public void Any_object_is_refused_by_name_or_goes_on_with_listed_members_and_its_own_values() =>
        Property.Holds(
            s_operations.SelectMany(operation => Objects(operation, faults: true).Select(body => (operation, body))),
            sample => Check(sample.operation, sample.body));

    [Fact]
    public void Any_mix_of_listed_members_goes_on() =>
        Property.Holds(
            s_operations.SelectMany(operation => Objects(operation, faults: false).Select(body => (operation, body))),
            sample => Assert.True(Check(sample.operation, sample.body), sample.body));

    [Fact]
    public void Filter_changes_nothing_in_what_it_wrote() =>
        Property.Holds(
            s_operations.SelectMany(operation => Objects(operation, faults: false).Select(body => (operation, body))),
            sample =>
            {
                Assert.Null(Run(sample.operation, Encoding.UTF8.GetBytes(sample.body), out byte[] once));
                Assert.Null(Run(sample.operation, once, out byte[] twice));
                Assert.Equal(once, twice);
            });

    [Fact]
    public void Member_grafted_anywhere_is_refused_by_its_name() =>
        Property.Holds(
            from operation in s_operations
            from body in Objects(operation, faults: false)
            from name in Gen.Elements("x_trace", "file_id", "file_ids", "container", "container_id", "vector_store_ids", "previous_response_id", "conversation", "prompt_cache_breakpoint", "server_url", "Model", "")
            from value in Gen.Elements("1", "\"file-1\"", "{}", "[]", "true", """{"id":"x"}""")
            from place in Gen.Choose(0, 1000)
            select (operation, body, name, value, place),
            sample =>
            {
                JsonNode root = JsonNode.Parse(sample.body)!;
                JsonObject[] objects = [.. ObjectsIn(root)];
                objects[sample.place % objects.Length][sample.name] = JsonNode.Parse(sample.value);
                string body = root.ToJsonString();
                ApiError? error = Run(sample.operation, Encoding.UTF8.GetBytes(body), out _);
                Assert.True(error is not null, body);
                Assert.Contains(error.Code, new[] { ErrorCodes.UnknownMember, ErrorCodes.StatefulMemberRefused });
                Assert.EndsWith(sample.name, error.Param, StringComparison.Ordinal);
            });

    [Theory]
    [InlineData(Operation.ChatCompletions, Operation.Messages)]
    [InlineData(Operation.Messages, Operation.ChatCompletions)]
    public void Request_that_goes_on_is_translated_into_one_that_would_go_on_or_refused_by_a_name(Operation from, Operation to)
    {
        // Among many members one is likely to have no counterpart: some requests have nothing but messages.
        byte[][] corpus =
        [
            .. s_listed[from]["messages"].Select(messages => $"{{\"model\":\"m\",\"messages\":{messages}}}")
                .Concat(Gen.Sample(Objects(from, faults: false), 100)).Concat(Gen.Sample(Objects(from, faults: true), 40)).Select(Encoding.UTF8.GetBytes),
        ];
        int translated = 0;
        var target = new FuzzTarget("translation", corpus, bytes =>
        {
            if (Run(from, bytes, out byte[] filtered) is not null)
            {
                return false;
            }

            using var output = new SensitiveBuffer();
            Refusal? refusal = from == Operation.Messages ? MessagesToChat.Translate(filtered, output) : ChatToMessages.Translate(filtered, output);
            if (refusal is not null)
            {
                Assert.NotNull(refusal.Param);
                return true;
            }

            translated++;
            Assert.True(Run(to, output.WrittenSpan.ToArray(), out byte[] again) is null, Encoding.UTF8.GetString(output.WrittenSpan));
            Assert.Equal(Encoding.UTF8.GetString(output.WrittenSpan), Encoding.UTF8.GetString(again));
            return true;
        });
        Assert.True(target.RunMany(4, Environment.GetEnvironmentVariable("TACIT_SOAK") == "1" ? 1_000_000 : 10_000, limit: null, TimeProvider.System).Taken > 0);
        Assert.True(translated > 0);
    }

    [Theory]
    [InlineData(Operation.ChatCompletions)]
    [InlineData(Operation.Responses)]
    [InlineData(Operation.Embeddings)]
    [InlineData(Operation.Messages)]
    public async Task Demo_model_answers_whatever_goes_on(Operation operation)
    {
        await using var harness = new RouterHarness(new InferenceOptions { DemoModel = true });
        int answered = 0;
        foreach (string sample in Gen.Sample(Objects(operation, faults: true), 300).Concat(Gen.Sample(Objects(operation, faults: false), 300)))
        {
            using var body = new SensitiveBuffer();
            if (RequestFilter.Filter(operation, Encoding.UTF8.GetBytes(sample), new RequestLimits(Limit), body, out FilteredRequest request) is not null)
            {
                continue;
            }

            try
            {
                await using ProviderReply reply = await harness.Router.SendAsync(
                    operation, InferenceRouter.DemoModelName, request.Stream, body.WrittenMemory, RequestFacts.None, TestContext.Current.CancellationToken);
                Assert.NotEmpty(await RouterHarness.ReadAllAsync(reply));
            }
            catch (ProviderException failure)
            {
                Assert.Equal("dimensions", failure.Error.Param);
            }

            answered++;
        }

        Assert.True(answered > 200);
    }

    [Theory]
    [InlineData(Operation.ChatCompletions)]
    [InlineData(Operation.Responses)]
    [InlineData(Operation.Embeddings)]
    [InlineData(Operation.Messages)]
    public void Mutated_requests_end_in_a_refusal_or_hold_the_law(Operation operation)
    {
        byte[][] corpus = [.. Gen.Sample(Objects(operation, faults: false), 40).Concat(Gen.Sample(Objects(operation, faults: true), 40)).Select(Encoding.UTF8.GetBytes)];
        long count = Environment.GetEnvironmentVariable("TACIT_SOAK") == "1" ? 2_000_000 : 20_000;
        var target = new FuzzTarget("request-filter", corpus, bytes => Check(operation, bytes));
        Assert.True(target.RunMany(1, count, limit: null, TimeProvider.System).Taken > 0);
    }

    private static Gen<string> Objects(Operation operation, bool faults)
    {
        Dictionary<string, string[]> listed = s_listed[operation];
        string[] needed = operation is Operation.ChatCompletions or Operation.Messages ? ["model", "messages"] : ["model", "input"];
        string[] removed = operation == Operation.Embeddings
            ? ["user", "metadata", "safety_identifier", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "service_tier"]
            : operation == Operation.Messages ? s_removedOfMessages
            : [.. s_removed.Except(["cache_control", "speed", "inference_geo"]).Except(operation == Operation.Responses ? [] : ["max_tool_calls"])];
        Gen<(string, string)> good =
            from name in Gen.Elements(listed.Keys.ToArray())
            from value in Gen.Elements(listed[name])
            select (name, value);
        Gen<(string, string)> dropped =
            from name in Gen.Elements(removed)
            from value in Values(3)
            select (name, value);
        Gen<(string, string)> odd =
            from name in Names
            from value in Values(3)
            select (name, value);
        Gen<(string, string)> wrong =
            from name in Gen.Elements(listed.Keys.ToArray())
            from value in Values(4)
            select (name, value);
        Gen<(string, string)> member = Gen.Frequency((6, good), (2, dropped));
        return
            from fine in Gen.ArrayOf(member)
            from bad in Gen.ArrayOf(Gen.OneOf(odd, wrong), faults ? 1 : 0)
            let some = bad.Concat(fine).ToArray()
            from values in Gen.CollectToArray(needed, name => Gen.Elements(listed[name]))
            from order in Gen.Shuffle(Enumerable.Range(0, some.Length + needed.Length).ToArray())
            from space in Gen.Elements("", " ", "\n  ")
            let all = some.Concat(needed.Zip(values)).ToArray()
            let members = order.Select(i => all[i]).DistinctBy(one => faults && some.Length % 7 == 0 ? one.ToString() : one.Item1)
            let caps = members.Where(one => one.Item1 == "n" && one.Item2 == "2").Any() ? members.Where(one => one.Item1 != "max_completion_tokens") : members
            select "{" + space + string.Join("," + space, caps.Select(one => $"{JsonSerializer.Serialize(one.Item1)}:{space}{one.Item2}")) + space + "}";
    }

    /// <summary>Every object of a request whose members mean something to a provider.</summary>
    private static IEnumerable<JsonObject> ObjectsIn(JsonNode? node)
    {
        switch (node)
        {
            case JsonObject members:
                yield return members;
                foreach (JsonObject inner in members.Where(member => !s_freeForm.Contains(member.Key) && !s_removed.Contains(member.Key)).SelectMany(member => ObjectsIn(member.Value)))
                {
                    yield return inner;
                }

                break;
            case JsonArray elements:
                foreach (JsonObject inner in elements.SelectMany(ObjectsIn))
                {
                    yield return inner;
                }

                break;
        }
    }

    private static Gen<string> Names { get; } = Gen.Frequency(
        (3, Gen.Elements(s_stateful)),
        (3, Gen.Elements("file_id", "container", "file_ids", "vector_store_ids", "id", "type", "text", "content", "role", "file", "tools", "max_tokens", "seed", "input", "messages")),
        (1, Gen.Elements("", "Model", "model ", "mod\u0065l", "é", "\"", "a.b[0]", new string('x', 300))));

    private static Gen<string> Values(int depth)
    {
        Gen<string> scalar = Gen.Elements(
            "null", "true", "false", "0", "-1", "1.50", "1e9", "99999999999999999999", "\"\"", "\"x\"", "\"\\u00e9\\\"\"", "\"function\"", "\"web_search\"", "\"item_reference\"", "\"message\"",
            "\"file:///etc\"", "\"data:,x\"");
        if (depth == 0)
        {
            return scalar;
        }

        Gen<string> inner = Values(depth - 1);
        return Gen.Frequency(
            (4, scalar),
            (2, Gen.Choose(0, 3).SelectMany(count => Gen.ArrayOf(inner, count)).Select(items => $"[{string.Join(", ", items)}]")),
            (3, Gen.Choose(0, 4).SelectMany(count => Gen.ArrayOf(from name in Names from value in inner select $"{JsonSerializer.Serialize(name)}: {value}", count)).Select(members => $"{{{string.Join(",", members)}}}")));
    }

    private static ApiError? Run(Operation operation, byte[] body, out byte[] output)
    {
        using var buffer = new SensitiveBuffer();
        ApiError? error = RequestFilter.Filter(operation, body, new RequestLimits(Limit), buffer, out _);
        output = buffer.WrittenSpan.ToArray();
        return error;
    }

    private static bool Check(Operation operation, string body) => Check(operation, Encoding.UTF8.GetBytes(body));

    /// <returns>Whether the request goes on.</returns>
    private static bool Check(Operation operation, byte[] body)
    {
        ApiError? error = Run(operation, body, out byte[] output);
        if (error is not null)
        {
            Assert.Empty(output);
            Assert.Equal(400, error.Status);
            Assert.Contains(error.Code, new[] { ErrorCodes.InvalidJson, ErrorCodes.InvalidValue, ErrorCodes.UnknownMember, ErrorCodes.StatefulMemberRefused, ErrorCodes.OutputCapExceeded });
            Assert.True(error.Param is not null || error.Code == ErrorCodes.InvalidJson);
            return false;
        }

        using JsonDocument before = JsonDocument.Parse(body);
        using JsonDocument after = JsonDocument.Parse(output);
        Dictionary<string, string[]> listed = s_listed[operation];

        // ToDictionary also finds a name that is there twice.
        var expected = before.RootElement.EnumerateObject()
            .Where(member => !s_removed.Contains(member.Name) && !s_stateful.Contains(member.Name))
            .ToDictionary(member => member.Name, member => member.Value.GetRawText());
        foreach (JsonProperty member in before.RootElement.EnumerateObject().Where(member => s_stateful.Contains(member.Name)))
        {
            Assert.True(member.Value.ValueKind is JsonValueKind.Null or JsonValueKind.False, member.Name);
        }

        long choices = expected.TryGetValue("n", out string? n) && n != "null" ? long.Parse(n, System.Globalization.CultureInfo.InvariantCulture) : 1;
        string[] caps = operation switch
        {
            Operation.ChatCompletions => ["max_completion_tokens", "max_tokens"],
            Operation.Responses => ["max_output_tokens"],
            Operation.Messages => ["max_tokens"],
            _ => [],
        };
        foreach (string cap in caps.Where(cap => expected.TryGetValue(cap, out string? value) && value == "null"))
        {
            expected.Remove(cap);
        }

        if (caps.Length > 0)
        {
            if (operation != Operation.Messages)
            {
                expected["store"] = "false";
            }

            string given = Assert.Single(caps.Where(expected.ContainsKey).DefaultIfEmpty(caps[0]));
            expected.TryAdd(given, (Limit / choices).ToString(System.Globalization.CultureInfo.InvariantCulture));
            Assert.InRange(long.Parse(expected[given], System.Globalization.CultureInfo.InvariantCulture) * choices, 1, Limit);
        }

        Assert.Equal(
            expected.OrderBy(member => member.Key, StringComparer.Ordinal),
            after.RootElement.EnumerateObject().Select(member => KeyValuePair.Create(member.Name, member.Value.GetRawText())).OrderBy(member => member.Key, StringComparer.Ordinal));
        Assert.All(expected.Keys, name => Assert.True(listed.ContainsKey(name) || name is "store" or "max_tokens", name));
        NothingStateful(after.RootElement);
        return true;
    }

    private static void NothingStateful(JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (JsonProperty member in value.EnumerateObject())
                {
                    if (s_freeForm.Contains(member.Name))
                    {
                        continue;
                    }

                    Assert.False(s_neverInside.Contains(member.Name) && member.Value.ValueKind is not (JsonValueKind.Null or JsonValueKind.False), member.Name);
                    NothingStateful(member.Value);
                }

                break;
            case JsonValueKind.Array:
                foreach (JsonElement element in value.EnumerateArray())
                {
                    NothingStateful(element);
                }

                break;
        }
    }
}
