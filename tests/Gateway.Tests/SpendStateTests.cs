using Microsoft.AspNetCore.Http;
using Tacit.Gateway.Tests.Support;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests;

/// <summary>Every transition of the spend row, seen from outside.</summary>
public class SpendStateTests
{
    private static readonly string s_other = TestGateway.Body("another prompt");

    [Fact]
    public async Task Spent_token_with_another_body_is_refused()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        using HttpResponseMessage first = await gateway.AskAsync(token);
        await first.IsReplyAsync();
        using HttpResponseMessage second = await gateway.AskAsync(token, s_other);
        await second.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        Assert.Equal(1, gateway.Provider.Calls);
    }

    [Theory]
    [InlineData(500)]
    [InlineData(503)]
    [InlineData(401)]
    [InlineData(429)]
    public async Task Token_is_returned_when_the_provider_fails_before_a_byte(int status)
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        gateway.Provider.Answer = context => StubProvider.WriteJsonAsync(context, "{}", status);
        using HttpResponseMessage failed = await gateway.AskAsync(token);
        Assert.Equal(Routes.TokenReturned, failed.TokenState());
        Assert.True((int)failed.StatusCode is 502 or 503, await failed.TextAsync());

        // A restart, because after some of these the router lets the provider's key rest; the row must say the same.
        await gateway.StopAsync();
        await gateway.StartAsync();
        gateway.Provider.Answer = StubProvider.AnswerJsonAsync;
        using HttpResponseMessage again = await gateway.AskAsync(token, s_other);
        await again.IsReplyAsync();
    }

    [Theory]
    [InlineData(400)]
    [InlineData(404)]
    [InlineData(413)]
    [InlineData(422)]
    public async Task Token_stays_spent_when_the_provider_refuses_the_request(int status)
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        gateway.Provider.Answer = context => StubProvider.WriteJsonAsync(context, """{"error":{"message":"no"}}""", status);
        using HttpResponseMessage refused = await gateway.AskAsync(token);
        await refused.IsErrorAsync(status, ErrorCodes.ProviderRejected, Routes.TokenSpent);
        using HttpResponseMessage same = await gateway.AskAsync(token);
        await same.IsErrorAsync(status, ErrorCodes.ProviderRejected, Routes.TokenSpent);
        using HttpResponseMessage other = await gateway.AskAsync(token, s_other);
        await other.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        Assert.Equal(1, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Token_is_returned_three_times_and_then_stays_spent()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        gateway.Provider.Answer = context => StubProvider.WriteJsonAsync(context, "{}", 500);
        for (int i = 0; i < 3; i++)
        {
            using HttpResponseMessage returned = await gateway.AskAsync(token, TestGateway.Body($"{i}"));
            Assert.Equal(Routes.TokenReturned, returned.TokenState());
        }

        using HttpResponseMessage last = await gateway.AskAsync(token, TestGateway.Body("last"));
        Assert.Equal(Routes.TokenSpent, last.TokenState());
        Assert.Equal(502, (int)last.StatusCode);
        gateway.Provider.Answer = StubProvider.AnswerJsonAsync;
        using HttpResponseMessage after = await gateway.AskAsync(token, s_other);
        await after.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        Assert.Equal(4, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Token_stays_spent_when_a_stream_breaks_after_its_first_event()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        var breaks = new TaskCompletionSource();
        gateway.Provider.Answer = async context =>
        {
            await StubProvider.BeginStreamAsync(context);
            await StubProvider.SendEventAsync(context, "begun");
            await breaks.Task;
            context.Abort();
        };
        string body = TestGateway.Body(stream: true);
        using HttpResponseMessage response = await gateway.AskAsync(token, body);
        breaks.SetResult();
        string text = await response.TextAsync();
        Assert.Contains("begun", text, StringComparison.Ordinal);
        Assert.Contains("event: error", text, StringComparison.Ordinal);
        Assert.Contains(ErrorCodes.ReplyInterrupted, text, StringComparison.Ordinal);
        using HttpResponseMessage same = await gateway.AskAsync(token, body);
        Assert.Equal(text, await same.TextAsync());
        Assert.Equal(1, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Request_in_flight_when_the_process_died_is_answered_after_the_restart_at_most_twice()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        var hang = new TaskCompletionSource();
        gateway.Provider.Answer = context => hang.Task.WaitAsync(context.RequestAborted);

        for (int life = 1; life <= 3; life++)
        {
            Task<HttpResponseMessage> lost = gateway.AskAsync(token);
            await TestGateway.UntilAsync(() => gateway.Provider.Calls == life);
            await gateway.RestartFromCrashAsync();
            await TestGateway.LoseAsync(lost);
        }

        // The first asking and two takeovers are used up.
        gateway.Provider.Answer = StubProvider.AnswerJsonAsync;
        using HttpResponseMessage response = await gateway.AskAsync(token);
        await response.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        Assert.Equal(3, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Request_in_flight_when_the_process_died_brings_its_reply_by_takeover()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        gateway.Provider.Answer = context => Task.Delay(Timeout.Infinite, context.RequestAborted);
        Task<HttpResponseMessage> lost = gateway.AskAsync(token);
        await TestGateway.UntilAsync(() => gateway.Provider.Calls == 1);
        await gateway.RestartFromCrashAsync();
        await TestGateway.LoseAsync(lost);

        gateway.Provider.Answer = StubProvider.AnswerJsonAsync;
        using HttpResponseMessage other = await gateway.AskAsync(token, s_other);
        await other.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        using HttpResponseMessage same = await gateway.AskAsync(token);
        await same.IsReplyAsync();
    }

    [Fact]
    public async Task Token_is_not_returned_after_a_takeover_but_the_request_may_be_repeated()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        gateway.Provider.Answer = context => Task.Delay(Timeout.Infinite, context.RequestAborted);
        Task<HttpResponseMessage> lost = gateway.AskAsync(token);
        await TestGateway.UntilAsync(() => gateway.Provider.Calls == 1);
        await gateway.RestartFromCrashAsync();
        await TestGateway.LoseAsync(lost);

        // Content may have been passed on before the crash, so no other body may be answered.
        gateway.Provider.Answer = context => StubProvider.WriteJsonAsync(context, "{}", 500);
        using HttpResponseMessage failed = await gateway.AskAsync(token);
        Assert.Equal(Routes.TokenInFlight, failed.TokenState());
        gateway.Provider.Answer = StubProvider.AnswerJsonAsync;
        using HttpResponseMessage other = await gateway.AskAsync(token, s_other);
        await other.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        using HttpResponseMessage same = await gateway.AskAsync(token);
        await same.IsReplyAsync();
    }

    [Fact]
    public async Task Request_that_another_instance_may_be_answering_is_neither_unspent_nor_lost()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        gateway.Provider.Answer = context => Task.Delay(Timeout.Infinite, context.RequestAborted);
        Task<HttpResponseMessage> lost = gateway.AskAsync(token);
        await TestGateway.UntilAsync(() => gateway.Provider.Calls == 1);

        // Another id, so that the one which died is somebody else, whose lease still runs.
        await gateway.RestartFromCrashAsync(folder => File.Delete(Path.Combine(folder, "instance-id")));
        await TestGateway.LoseAsync(lost);
        gateway.Provider.Answer = StubProvider.AnswerJsonAsync;
        using HttpResponseMessage early = await gateway.AskAsync(token);
        await early.IsErrorAsync(503, ErrorCodes.GatewayBusy, Routes.TokenInFlight);

        gateway.Time.Advance(TimeSpan.FromSeconds(31));
        using HttpResponseMessage same = await gateway.AskAsync(token);
        await same.IsReplyAsync();
    }

    [Fact]
    public async Task Reply_that_ended_before_a_restart_is_gone_and_the_token_spent()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        using HttpResponseMessage first = await gateway.AskAsync(token);
        await first.IsReplyAsync();
        await gateway.StopAsync();
        await gateway.StartAsync();
        using HttpResponseMessage same = await gateway.AskAsync(token);
        await same.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        Assert.Equal(1, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Stop_ends_live_requests_and_returns_their_tokens()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        gateway.Provider.Answer = context => Task.Delay(Timeout.Infinite, context.RequestAborted);
        Task<HttpResponseMessage> asked = gateway.AskAsync(token);
        await TestGateway.UntilAsync(() => gateway.Provider.Calls == 1);
        await gateway.StopAsync();
        await gateway.StartAsync();
        gateway.Provider.Answer = StubProvider.AnswerJsonAsync;
        using HttpResponseMessage again = await gateway.AskAsync(token, s_other);
        await again.IsReplyAsync();
        await asked.ContinueWith(_ => { }, TaskScheduler.Default);
    }

    [Fact]
    public async Task Stop_lets_a_live_reply_end_and_refuses_new_requests()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        var answer = new TaskCompletionSource();
        gateway.Provider.Answer = async context =>
        {
            await answer.Task;
            await StubProvider.AnswerJsonAsync(context);
        };
        Task<HttpResponseMessage> asked = gateway.AskAsync(token);
        await TestGateway.UntilAsync(() => gateway.Provider.Calls == 1);
        Task stopping = gateway.Server.StopAsync(TestContext.Current.CancellationToken);
        answer.SetResult();
        using HttpResponseMessage response = await asked;
        await response.IsReplyAsync();
        await stopping;
    }

    [Fact]
    public async Task Period_is_forgotten_only_when_clock_and_directory_agree()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        using HttpResponseMessage first = await gateway.AskAsync(token);
        await first.IsReplyAsync();

        // The clock jumps a year ahead and back; the issuer still lists the period.
        gateway.Time.Jump(TimeSpan.FromDays(365));
        await gateway.PublishAsync();
        using HttpResponseMessage expired = await gateway.AskAsync(gateway.Issuer.CreateToken("chat"));
        await expired.IsErrorAsync(401, ErrorCodes.TokenExpired, Routes.TokenUnspent);
        gateway.Time.Jump(TimeSpan.FromDays(-365));
        await gateway.StopAsync();
        await gateway.StartAsync();
        using HttpResponseMessage replay = await gateway.AskAsync(token, s_other);
        await replay.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);

        // Both say that it is over. Should the clock then go back, its tokens stay refused: their spends are forgotten.
        gateway.Time.Jump(TimeSpan.FromDays(365));
        gateway.Issuer.RemovePlan("chat");
        gateway.Issuer.AddPlan(TestGateway.ChatPlan, TestGateway.March.Next);
        await gateway.PublishAsync();
        gateway.Issuer.AddPlan(TestGateway.ChatPlan with { Id = "again" }, TestGateway.March);
        gateway.Time.Jump(TimeSpan.FromDays(-365));
        await gateway.PublishAsync();
        using HttpResponseMessage closed = await gateway.AskAsync(gateway.Issuer.CreateToken("again"));
        await closed.IsErrorAsync(401, ErrorCodes.TokenExpired, Routes.TokenUnspent);
    }
}
