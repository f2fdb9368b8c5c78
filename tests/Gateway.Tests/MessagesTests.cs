using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Tacit.Gateway.Tests.Support;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests;

/// <summary>What holds for every request holds for those of Anthropic's API, in that API's words; the provider here speaks OpenAI's.</summary>
public sealed class MessagesTests
{
    private static string Body(bool stream = false, string more = "") => TestGateway.Body(stream: stream, more: ",\"system\":\"s\"" + more);

    private static Task<HttpResponseMessage> AskAsync(TestGateway gateway, TestToken token, string? body = null) =>
        gateway.AskAsync(token, body ?? Body(), Routes.Messages);

    private static async Task IsErrorAsync(HttpResponseMessage response, int status, string type, string code, string? tokenState)
    {
        await response.IsErrorAsync(status, code, tokenState);
        IsForm(await response.TextAsync(), type, code);
    }

    private static void IsForm(string text, string type, string code)
    {
        using JsonDocument json = JsonDocument.Parse(text);
        JsonElement error = json.RootElement.GetProperty("error");
        Assert.Equal(["type", "error", "request_id"], json.RootElement.EnumerateObject().Select(member => member.Name));
        Assert.Equal(
            ("error", type, code, code),
            (json.RootElement.GetProperty("type").GetString(), error.GetProperty("type").GetString(), error.GetProperty("code").GetString(), error.GetProperty("details").GetProperty("error_code").GetString()));
        Assert.NotEmpty(error.GetProperty("message").GetString()!);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Message_is_answered_kept_and_given_again(bool stream)
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        gateway.Provider.Answer = stream
            ? async context =>
            {
                await StubProvider.BeginStreamAsync(context);
                await StubProvider.SendEventAsync(context, "four");
                await context.Response.WriteAsync("data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n", context.RequestAborted);
                await StubProvider.EndStreamAsync(context);
            }
        : StubProvider.AnswerJsonAsync;
        TestToken token = gateway.Issuer.CreateToken("chat");
        using HttpResponseMessage response = await AskAsync(gateway, token, Body(stream));
        string text = await response.TextAsync();
        Assert.Equal((200, stream ? "text/event-stream" : "application/json"), ((int)response.StatusCode, response.Content.Headers.ContentType!.MediaType));
        Assert.Contains("four", text, StringComparison.Ordinal);
        Assert.EndsWith(stream ? "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n" : "\"output_tokens\":0}}", text, StringComparison.Ordinal);
        using HttpResponseMessage again = await AskAsync(gateway, token, Body(stream));
        Assert.Equal(text, await again.TextAsync());
        using HttpResponseMessage elsewhere = await gateway.AskAsync(token, Body(stream));
        await elsewhere.IsErrorAsync(400, ErrorCodes.UnknownMember, Routes.TokenUnspent);
        Assert.Equal(1, gateway.Provider.Calls);
    }

    [Theory]
    [InlineData(",\"container\":\"c\"", "stateful_member_refused")]
    [InlineData(",\"unheard_of\":1", "unknown_member")]
    [InlineData(",\"max_tokens\":101", "output_cap_exceeded")]
    [InlineData(",\"top_k\":5", "invalid_value")]
    [InlineData(",\"tools\":[{\"type\":\"memory_20250818\",\"name\":\"memory\"}]", "invalid_value")]
    public async Task Refusal_has_the_form_of_the_API_and_spends_nothing(string member, string code)
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        using HttpResponseMessage response = await AskAsync(gateway, token, Body(more: member));
        await IsErrorAsync(response, 400, "invalid_request_error", code, Routes.TokenUnspent);
        Assert.Equal(0, gateway.Provider.Calls);
        using HttpResponseMessage well = await AskAsync(gateway, token);
        Assert.Equal(200, (int)well.StatusCode);
    }

    [Fact]
    public async Task Headers_without_a_token_with_a_key_and_with_a_beta_are_refused_in_form()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        using HttpResponseMessage none = await gateway.SendAsync(HttpMethod.Post, Routes.Messages, Body(), headers: headers => headers.Add("x-api-key", "k"));
        await IsErrorAsync(none, 401, "authentication_error", ErrorCodes.TokenRequired, null);
        Assert.NotEmpty(none.Headers.WwwAuthenticate);
        using HttpResponseMessage linked = await gateway.SendAsync(HttpMethod.Post, Routes.Messages, Body(), token.Header, headers => headers.Add("x-api-key", "k"));
        await IsErrorAsync(linked, 400, "invalid_request_error", ErrorCodes.LinkedCredentials, Routes.TokenUnspent);
        using HttpResponseMessage beta = await gateway.SendAsync(HttpMethod.Post, Routes.Messages, Body(), token.Header, headers => headers.Add("anthropic-beta", "context-1m-2025-08-07"));
        await IsErrorAsync(beta, 400, "invalid_request_error", ErrorCodes.UnknownMember, Routes.TokenUnspent);
        using HttpResponseMessage version = await gateway.SendAsync(HttpMethod.Post, Routes.Messages, Body(), token.Header, headers => headers.Add("anthropic-version", "2026-10-21"));
        Assert.Equal(200, (int)version.StatusCode);
        using HttpResponseMessage count = await gateway.SendAsync(HttpMethod.Post, Routes.Messages + "/count_tokens", Body());
        await IsErrorAsync(count, 404, "not_found_error", ErrorCodes.NotFound, null);
        using HttpResponseMessage other = await gateway.SendAsync(HttpMethod.Post, Routes.Messages + "x", Body());
        Assert.DoesNotContain("request_id", await other.TextAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Provider_that_fails_gives_the_token_back_and_one_that_breaks_off_does_not()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        gateway.Provider.Answer = context => StubProvider.WriteJsonAsync(context, "{}", 503);
        TestToken token = gateway.Issuer.CreateToken("chat");
        using HttpResponseMessage failed = await AskAsync(gateway, token);
        await IsErrorAsync(failed, 502, "api_error", ErrorCodes.ProviderError, Routes.TokenReturned);
        var seen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        gateway.Provider.Answer = async context =>
        {
            await StubProvider.BeginStreamAsync(context);
            await StubProvider.SendEventAsync(context, "fo");
            await seen.Task;
            context.Abort();
        };
        using HttpResponseMessage broken = await AskAsync(gateway, token, Body(stream: true));
        seen.SetResult();
        string[] events = (await broken.TextAsync()).Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.StartsWith("event: message_start\n", events[0], StringComparison.Ordinal);
        Assert.StartsWith("event: error\ndata: ", events[^1], StringComparison.Ordinal);
        IsForm(events[^1]["event: error\ndata: ".Length..], "api_error", ErrorCodes.ReplyInterrupted);
    }
}
