using Tacit.Gateway.Tests.Support;
using Tacit.Inference;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests;

/// <summary>Moderation on its place: behind the spend, before the provider; and what it does to the token.</summary>
public sealed class ModerationTests
{
    private const string Canary = "canary-5e1f-forbidden";

    private static ModerationOptions By(ModerationPolicy policy) => new() { Policies = [policy], Default = policy.Name };

    private static ModerationPolicy Rules { get; } = new() { Name = "rules", Rules = ["forbidden"] };

    [Fact]
    public async Task Refused_prompt_reaches_no_provider_and_its_token_stays_spent()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync(gateway => gateway.Moderation = By(Rules));
        TestToken token = gateway.Issuer.CreateToken("chat");
        for (int i = 0; i < 2; i++)
        {
            using HttpResponseMessage refused = await gateway.AskAsync(token, TestGateway.Body(Canary));
            await refused.IsErrorAsync(400, ErrorCodes.ContentRefused, Routes.TokenSpent);
        }

        using (HttpResponseMessage other = await gateway.AskAsync(token, TestGateway.Body("harmless")))
        {
            await other.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        }

        using (HttpResponseMessage streamed = await gateway.AskAsync(gateway.Issuer.CreateToken("chat"), TestGateway.Body(Canary, stream: true)))
        {
            await streamed.IsErrorAsync(400, ErrorCodes.ContentRefused, Routes.TokenSpent);
        }

        Assert.Equal(0, gateway.Provider.Calls);
        using HttpResponseMessage response = await gateway.AskAsync(gateway.Issuer.CreateToken("chat"));
        await response.IsReplyAsync();

        await gateway.StopAsync();
        Assert.DoesNotContain(gateway.Log.Lines, line => line.Contains("canary", StringComparison.OrdinalIgnoreCase));
        Assert.All(
            Directory.GetFiles(gateway.Folder), file => Assert.Equal(-1, File.ReadAllBytes(file).AsSpan().IndexOf("canary"u8)));
    }

    [Fact]
    public async Task Refused_prompt_gives_its_token_back_once_where_the_operator_wants_it_and_never_twice()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync(gateway => gateway.Moderation = By(Rules with { ReturnToken = true }));
        TestToken token = gateway.Issuer.CreateToken("chat");
        using (HttpResponseMessage first = await gateway.AskAsync(token, TestGateway.Body(Canary)))
        {
            await first.IsErrorAsync(400, ErrorCodes.ContentRefused, Routes.TokenReturned);
        }

        using (HttpResponseMessage second = await gateway.AskAsync(token, TestGateway.Body(Canary + "2")))
        {
            await second.IsErrorAsync(400, ErrorCodes.ContentRefused, Routes.TokenSpent);
        }

        using HttpResponseMessage third = await gateway.AskAsync(token, TestGateway.Body("harmless"));
        await third.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        Assert.Equal(0, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Service_that_is_down_gives_the_token_back_and_one_that_is_up_again_lets_it_through()
    {
        await using StubProvider service = await StubProvider.StartAsync();
        service.Answer = context => StubProvider.WriteJsonAsync(context, "{}", 503);
        await using TestGateway gateway = await TestGateway.CreateAsync(gateway => gateway.Moderation = By(
            new ModerationPolicy { Name = "service", Service = new ModerationServiceOptions { BaseUrl = service.BaseUrl } }));
        TestToken token = gateway.Issuer.CreateToken("chat");
        using (HttpResponseMessage down = await gateway.AskAsync(token))
        {
            await down.IsErrorAsync(503, ErrorCodes.ModerationUnavailable, Routes.TokenReturned);
        }

        service.Answer = context => StubProvider.WriteJsonAsync(context, """{"results":[{"flagged":false}]}""");
        using HttpResponseMessage response = await gateway.AskAsync(token);
        await response.IsReplyAsync();
        Assert.Equal((2, 1), (service.Calls, gateway.Provider.Calls));
    }

    [Fact]
    public async Task Refused_prompt_ends_the_chain_that_paid_where_the_operator_wants_it()
    {
        await using TestGateway gateway = await TestChain.StartAsync(gateway => gateway.Moderation = By(Rules with { EndChain = true, ReturnToken = true }));
        var chain = new TestChain(gateway);
        using HttpResponseMessage refused = await chain.AskAsync(TestGateway.Body(Canary));
        await refused.IsErrorAsync(400, ErrorCodes.ContentRefused, Routes.TokenSpent);
        Assert.Null(TestChain.RenewalOf(refused));
        using HttpResponseMessage exchange = await chain.ExchangeAsync();
        await exchange.IsErrorAsync(403, ErrorCodes.RenewalRefused, Routes.TokenSpent);
    }

    [Fact]
    public async Task Each_plan_has_the_policy_that_it_was_given()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync(gateway =>
        {
            gateway.Issuer.AddPlan(TestGateway.ChatPlan with { Id = "trusted" }, TestGateway.March);
            gateway.Moderation = By(Rules) with { Plans = new Dictionary<string, string> { ["trusted"] = "" } };
        });
        using HttpResponseMessage trusted = await gateway.AskAsync(gateway.Issuer.CreateToken("trusted"), TestGateway.Body(Canary));
        await trusted.IsReplyAsync();
        using HttpResponseMessage other = await gateway.AskAsync(gateway.Issuer.CreateToken("chat"), TestGateway.Body(Canary));
        await other.IsErrorAsync(400, ErrorCodes.ContentRefused, Routes.TokenSpent);
    }
}
