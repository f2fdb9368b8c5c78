using Microsoft.AspNetCore.Http;
using Tacit.Client.Tests.Support;
using Tacit.Protocol;

namespace Tacit.Client.Tests;

/// <summary>What a gateway, or something before it, may answer to the repetition of a request whose reply broke off.</summary>
public sealed class ResumptionAnswerTests : IAsyncLifetime
{
    private const string Path = "/v1/chat/completions";

    private readonly TestFolder _folder = new();
    private TestOperator _operator = null!;
    private BrittleLine _line = null!;
    private TacitClient _client = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _operator = await TestOperator.StartAsync();
        _line = BrittleLine.To(_operator.GatewayFront.Address);
        _client = await _operator.WalletAsync(
            _folder["wallet"], credits: 20, tokens: 10, change: options => options with { Redemption = options.Redemption with { GatewayAddress = _line.Address } });
    }

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await _line.DisposeAsync();
        await _operator.DisposeAsync();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(Mishap.CutReply, 502, null)]
    [InlineData(Mishap.CutReply, 404, null)]
    [InlineData(Mishap.CutReply, 503, "inflight")]
    [InlineData(Mishap.CutReply, 503, "unspent")]
    [InlineData(Mishap.CutReply, 429, "unspent")]
    [InlineData(Mishap.LoseReply, 503, "inflight")]
    [InlineData(Mishap.LoseReply, 503, "unspent")]
    [InlineData(Mishap.LoseReply, 429, "unspent")]
    public async Task Answer_that_decides_nothing_is_asked_for_again(Mishap mishap, int status, string? state)
    {
        _operator.GatewayFront.Next(mishap);
        AnswerTheRepetition(context => WriteErrorAsync(context, status, state, ErrorCodes.GatewayBusy));

        (int answered, string body, _) = await _client.Redemption.AnswerAsync(Prompts.Ask("Whole?", stream: true), Token);

        Assert.Equal(200, answered);
        Assert.EndsWith("data: [DONE]\n\n", body, StringComparison.Ordinal);
        Assert.Equal(3, _operator.GatewayFront.SeenAt(Path).Count);
        Assert.Equal((9, 1, 0), (await _client.HoldingsAsync()) is var held ? (held.Held, held.Spent, held.Returned) : default);
    }

    [Fact]
    public async Task Reply_that_is_no_longer_kept_is_lost_with_its_token_and_not_to_be_asked_for_again()
    {
        ClientException e = await AssertBrokenAsync(context => WriteErrorAsync(context, 409, "spent", ErrorCodes.TokenSpent));

        Assert.Equal((ClientError.TokenSpent, "reply_lost"), (e.Error, e.Code));
        Assert.Equal((8, 2, 0), (await _client.HoldingsAsync()) is var held ? (held.Held, held.Spent, held.Presented) : default);
        Assert.Empty(_operator.GatewayFront.SeenAt("/v1/cancel"));
    }

    [Fact]
    public async Task Refusal_without_a_look_at_the_token_does_not_unspend_it()
    {
        ClientException e = await AssertBrokenAsync(context => WriteErrorAsync(context, 401, "unspent", ErrorCodes.TokenExpired));

        Assert.Equal(ClientError.TokenSpent, e.Error);
        Assert.Equal((8, 2, 0), (await _client.HoldingsAsync()) is var held ? (held.Held, held.Spent, held.Presented) : default);
    }

    [Fact]
    public async Task Token_that_is_given_back_after_all_is_the_conversations_again()
    {
        ClientException e = await AssertBrokenAsync(context => WriteErrorAsync(context, 502, "returned", ErrorCodes.ProviderError));

        Assert.Equal(ClientError.ReplyInterrupted, e.Error);
        Assert.Equal((8, 1, 1), (await _client.HoldingsAsync()) is var held ? (held.Held, held.Spent, held.Returned) : default);
    }

    [Theory]
    [InlineData("data: {\"other\":1}\n\n")]
    [InlineData("")]
    public async Task Reply_that_begins_otherwise_is_never_joined_to_what_was_delivered(string other)
    {
        ClientException e = await AssertBrokenAsync(async context =>
        {
            context.Response.ContentType = MediaTypes.EventStream;
            for (int i = 0; i < 100; i++)
            {
                await context.Response.WriteAsync(other, Token);
            }
        });
        Assert.Equal(ClientError.ReplyInterrupted, e.Error);

        // What the gateway has now is had for the same token.
        (int status, string body, PromptReply again) = await _client.Redemption.AnswerAsync(Prompts.Ask("Broken.", stream: true), Token);
        Assert.Equal((200, true), (status, again.IsRepetition));
        Assert.EndsWith("data: [DONE]\n\n", body, StringComparison.Ordinal);
        Assert.Equal((8, 2, 0), (await _client.HoldingsAsync()) is var held ? (held.Held, held.Spent, held.Presented) : default);
    }

    [Fact]
    public async Task Error_that_breaks_off_is_asked_for_again()
    {
        _operator.GatewayFront.CutAfterBytes = 10;
        _operator.GatewayFront.Next(Mishap.CutReply);

        (int status, string body, PromptReply reply) = await _client.Redemption.AnswerAsync(
            new PromptRequest(PromptOperation.ChatCompletions, """{"model":"tacit-demo","messages":[{"role":"user","content":"x"}],"frobnicate":1}"""u8.ToArray()), Token);

        Assert.Equal((400, TokenOutcome.Kept), (status, reply.Token));
        Assert.Contains("frobnicate", body, StringComparison.Ordinal);
        Assert.Equal(2, _operator.GatewayFront.SeenAt(Path).Count);
    }

    /// <summary>A prompt whose reply breaks off in the middle, and what its repetition is answered.</summary>
    private async Task<ClientException> AssertBrokenAsync(Func<HttpContext, Task> answer)
    {
        await _client.Redemption.AnswerAsync(Prompts.Ask("Whole.", stream: true), Token);
        _operator.GatewayFront.Seen.Clear();
        // An end, and no reset, so that what comes before it arrives: head and half the stream.
        _line.Next(new LineCut(Breakage.Close, _line.LastAnswer / 2));
        AnswerTheRepetition(answer);
        await using PromptReply reply = await _client.Redemption.SendAsync(Prompts.Ask("Broken.", stream: true), Token);
        ClientException e = await Assert.ThrowsAsync<ClientException>(reply.ReadAllAsync);
        Assert.Equal(2, _operator.GatewayFront.SeenAt(Path).Count);
        return e;
    }

    private void AnswerTheRepetition(Func<HttpContext, Task> answer)
    {
        int prompts = 0;
        _operator.GatewayFront.Impersonate = async (context, passing) =>
        {
            if (passing.Path != Path || Interlocked.Increment(ref prompts) != 2)
            {
                return false;
            }
            await answer(context);
            return true;
        };
    }

    private static async Task WriteErrorAsync(HttpContext context, int status, string? state, string code)
    {
        context.Response.StatusCode = status;
        if (state is not null)
        {
            context.Response.Headers[Routes.TokenStateHeader] = state;
        }
        await context.Response.WriteAsync($$$"""{"error":{"message":"m","type":"server_error","param":null,"code":"{{{code}}}"}}""", Token);
    }
}
