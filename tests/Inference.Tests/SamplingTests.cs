using System.Text;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using Tacit.Protocol;

namespace Tacit.Inference.Tests;

public sealed class SamplingTests
{
    [Theory]
    [InlineData("""{"model":"m","temperature":0.7,"messages":[]}""", null)]
    [InlineData("""{"model":"m","temperature":2,"messages":[]}""", "temperature")]
    [InlineData("""{"model":"m","temperature":-0.01}""", "temperature")]
    [InlineData("""{"model":"m","temperature":1e400}""", "temperature")]
    [InlineData("""{"model":"m","temperature":"2"}""", "temperature")]
    [InlineData("""{"model":"m","temperature":null}""", null)]
    [InlineData("""{"model":"m","n":3}""", "n")]
    [InlineData("""{"model":"m","max_tokens":11}""", "max_tokens")]
    [InlineData("""{"model":"m","max_completion_tokens":11}""", "max_completion_tokens")]
    [InlineData("""{"model":"m","stop":["a","b","c"]}""", "stop")]
    [InlineData("""{"model":"m","stop":["a","b"]}""", null)]
    [InlineData("""{"model":"m","stop":"a"}""", null)]
    [InlineData("""{"model":"m","messages":[{"temperature":9}]}""", null)]
    public void Range_refuses_what_is_outside_and_names_it(string body, string? param)
    {
        var rules = new SamplingRules
        {
            Temperature = new NumberRule { Min = 0, Max = 1 }, Choices = new NumberRule { Max = 2 }, MaxTokens = new NumberRule { Max = 10 }, StopCount = new NumberRule { Max = 2 },
        };

        (ApiError? error, string result) = Apply(body, rules);

        Assert.Equal(param is null ? null : ErrorCodes.SamplingRefused, error?.Code);
        Assert.Equal(param, error?.Param);
        Assert.Equal(body, result);
    }

    [Theory]
    [InlineData("""{"temperature": 2.5 ,"model":"m"}""", """{"temperature": 1 ,"model":"m"}""")]
    [InlineData("""{"model":"m","temperature":-3,"n":9,"x":[1, 2]}""", """{"model":"m","temperature":0.2,"n":2,"x":[1, 2]}""")]
    [InlineData("""{"model":"m","stop":["a", "b" ,"c"]}""", """{"model":"m","stop":["a", "b"]}""")]
    [InlineData("""{"model":"m","stop":[["a"],{"b":[1]},"c"],"n":1}""", """{"model":"m","stop":[["a"],{"b":[1]}],"n":1}""")]
    [InlineData("""{"model":"m","temperature":0.5}""", """{"model":"m","temperature":0.5}""")]
    public void Clamped_values_become_the_nearest_allowed_and_nothing_else_changes(string body, string expected)
    {
        var rules = new SamplingRules
        {
            Temperature = new NumberRule { Min = 0.2m, Max = 1, Clamp = true }, Choices = new NumberRule { Max = 2, Clamp = true }, StopCount = new NumberRule { Max = 2, Clamp = true },
        };

        (ApiError? error, string result) = Apply(body, rules);

        Assert.Null(error);
        Assert.Equal(expected, result);
    }

    [Theory]
    [InlineData(Operation.ChatCompletions, """{"model":"m","temperature":2}""", """{"model":"m","temperature":0,"max_completion_tokens":50}""")]
    [InlineData(Operation.ChatCompletions, """{"model":"m","max_tokens":9,"temperature":null}""", """{"model":"m","max_tokens":50,"temperature":0}""")]
    [InlineData(Operation.ChatCompletions, "{}", """{"temperature":0,"max_completion_tokens":50}""")]
    [InlineData(Operation.Responses, """{"model":"m" }""", """{"model":"m" ,"temperature":0,"max_output_tokens":50}""")]
    [InlineData(Operation.Embeddings, """{"model":"m"}""", """{"model":"m"}""")]
    public void Forced_values_stand_in_every_request_of_an_operation_that_knows_them(Operation operation, string body, string expected)
    {
        var rules = new SamplingRules { Temperature = new NumberRule { Force = 0 }, MaxTokens = new NumberRule { Force = 50 } };

        (ApiError? error, string result) = Apply(body, rules, operation);

        Assert.Null(error);
        Assert.Equal(expected, result);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[")]
    [InlineData("[1]")]
    [InlineData("{\"temperature\":2")]
    [InlineData("{\"temperature\":2} x")]
    [InlineData("{\"n\":}")]
    public void What_is_malformed_is_left_to_the_allow_list(string body)
    {
        using var filtered = new SensitiveBuffer();
        (ApiError? error, string result) = Apply(body, new SamplingRules { Temperature = new NumberRule { Force = 0 } });

        Assert.Null(error);
        Assert.Equal(ErrorCodes.InvalidJson, RequestFilter.Filter(Operation.ChatCompletions, Encoding.UTF8.GetBytes(result), new RequestLimits(10), filtered, out _)?.Code);
    }

    [Fact]
    public void What_comes_out_passes_the_allow_list_whatever_the_value_was() => Property.Holds(
        ArbMap.Default.ArbFor<NormalFloat>().Generator.Select(value => value.Get),
        value =>
        {
            string body = $$"""{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":{{JsonSerializer.Serialize(value)}},"top_p":{{JsonSerializer.Serialize(value / 3)}}}""";
            var rules = new SamplingRules { Temperature = new NumberRule { Min = 0, Max = 1, Clamp = true }, TopP = new NumberRule { Min = 0, Max = 1, Clamp = true } };
            (ApiError? error, string result) = Apply(body, rules);
            Assert.Null(error);
            using JsonDocument json = JsonDocument.Parse(result);
            Assert.InRange(json.RootElement.GetProperty("temperature").GetDouble(), 0, 1);
            Assert.InRange(json.RootElement.GetProperty("top_p").GetDouble(), 0, 1);
            using var filtered = new SensitiveBuffer();
            Assert.Null(RequestFilter.Filter(Operation.ChatCompletions, Encoding.UTF8.GetBytes(result), new RequestLimits(10), filtered, out _));
        });

    [Fact]
    public void Rules_that_cannot_be_kept_are_found()
    {
        Assert.Null(new SamplingRules { TopP = new NumberRule { Min = 0, Max = 1 } }.FindFault());
        Assert.Equal(nameof(SamplingRules.TopP), new SamplingRules { TopP = new NumberRule { Min = 2, Max = 1 } }.FindFault());
        Assert.Equal(nameof(SamplingRules.StopCount), new SamplingRules { StopCount = new NumberRule { Force = 1 } }.FindFault());
        Assert.False(new SamplingRules().IsOn);
        Assert.True(new SamplingRules { TopP = new NumberRule() }.IsOn);
    }

    private static (ApiError? Error, string Result) Apply(string body, SamplingRules rules, Operation operation = Operation.ChatCompletions)
    {
        using var output = new SensitiveBuffer();
        ApiError? error = SamplingGuard.Apply(operation, Encoding.UTF8.GetBytes(body), rules, output, out bool isChanged);
        return (error, isChanged ? Encoding.UTF8.GetString(output.WrittenSpan) : body);
    }
}
