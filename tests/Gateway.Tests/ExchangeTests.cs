using System.Text.Json;
using Tacit.Gateway.Tests.Support;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests;

public class ExchangeTests
{
    [Theory]
    [InlineData("chat")]
    [InlineData("large")]
    public async Task Exchange_of_an_unspent_token_brings_a_successor_that_works(string plan)
    {
        await using TestGateway gateway = await CreateAsync();
        TestToken token = gateway.Issuer.CreateToken(plan);
        (TokenRequest request, Func<byte[], TestToken?> finish) = gateway.Issuer.CreateSuccessor(plan);
        using HttpResponseMessage response = await ExchangeAsync(gateway, token, request);
        TestToken? successor = finish(await SignatureAsync(response));
        Assert.NotNull(successor);
        Assert.Equal(Routes.TokenSpent, response.TokenState());

        using HttpResponseMessage old = await gateway.AskAsync(token);
        await old.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        using HttpResponseMessage fresh = await gateway.AskAsync(successor);
        await fresh.IsReplyAsync();
    }

    [Fact]
    public async Task Exchange_repeated_with_the_same_successor_brings_the_same_signature_and_with_another_none()
    {
        await using TestGateway gateway = await CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        (TokenRequest request, _) = gateway.Issuer.CreateSuccessor("chat");
        byte[] first = await SignatureAsync(await ExchangeAsync(gateway, token, request));
        Assert.Equal(first, await SignatureAsync(await ExchangeAsync(gateway, token, request)));
        await gateway.StopAsync();
        await gateway.StartAsync();
        Assert.Equal(first, await SignatureAsync(await ExchangeAsync(gateway, token, request)));
        (TokenRequest other, _) = gateway.Issuer.CreateSuccessor("chat");
        using HttpResponseMessage refused = await ExchangeAsync(gateway, token, other);
        await refused.IsErrorAsync(409, ErrorCodes.SuccessorMismatch, Routes.TokenSpent);
    }

    [Fact]
    public async Task Exchange_by_many_at_once_signs_one_successor_only()
    {
        await using TestGateway gateway = await CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        HttpResponseMessage[] responses = await Task.WhenAll(
            Enumerable.Range(0, 40).Select(_ => ExchangeAsync(gateway, token, gateway.Issuer.CreateSuccessor("chat").Request)));
        Assert.Single(responses, response => response.IsSuccessStatusCode);
        Assert.Equal(1, gateway.Issuer.Signatures);
    }

    [Fact]
    public async Task Exchange_that_lost_its_signer_is_completed_by_repeating_it()
    {
        await using TestGateway gateway = await CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        (TokenRequest request, Func<byte[], TestToken?> finish) = gateway.Issuer.CreateSuccessor("chat");
        gateway.Issuer.SignerIsGone = true;
        using HttpResponseMessage failed = await ExchangeAsync(gateway, token, request);
        await failed.IsErrorAsync(503, ErrorCodes.Unavailable, Routes.TokenSpent);
        await gateway.RestartFromCrashAsync();
        gateway.Issuer.SignerIsGone = false;
        Assert.NotNull(finish(await SignatureAsync(await ExchangeAsync(gateway, token, request))));
    }

    [Fact]
    public async Task Exchange_that_lost_its_signer_is_completed_after_the_deadline_of_the_successors_key()
    {
        await using TestGateway gateway = await CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        (TokenRequest request, Func<byte[], TestToken?> finish) = gateway.Issuer.CreateSuccessor("chat");
        gateway.Issuer.SignerIsGone = true;
        using HttpResponseMessage failed = await ExchangeAsync(gateway, token, request);
        await failed.IsErrorAsync(503, ErrorCodes.Unavailable, Routes.TokenSpent);
        gateway.Issuer.SignerIsGone = false;
        gateway.Time.Jump(TestGateway.March.Deadline - gateway.Time.GetUtcNow());
        Assert.NotNull(finish(await SignatureAsync(await ExchangeAsync(gateway, token, request))));
    }

    [Fact]
    public async Task Returned_token_can_be_exchanged_and_a_spent_one_cannot()
    {
        await using TestGateway gateway = await CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        gateway.Provider.Answer = context => StubProvider.WriteJsonAsync(context, "{}", 500);
        using HttpResponseMessage returned = await gateway.AskAsync(token);
        Assert.Equal(Routes.TokenReturned, returned.TokenState());
        (TokenRequest request, Func<byte[], TestToken?> finish) = gateway.Issuer.CreateSuccessor("chat");
        TestToken? successor = finish(await SignatureAsync(await ExchangeAsync(gateway, token, request)));
        gateway.Provider.Answer = StubProvider.AnswerJsonAsync;
        using HttpResponseMessage reply = await gateway.AskAsync(successor!);
        await reply.IsReplyAsync();
        using HttpResponseMessage spent = await ExchangeAsync(gateway, successor!, gateway.Issuer.CreateSuccessor("chat").Request);
        await spent.IsErrorAsync(409, ErrorCodes.SuccessorMismatch, Routes.TokenSpent);
    }

    [Fact]
    public async Task Token_in_flight_cannot_be_exchanged()
    {
        await using TestGateway gateway = await CreateAsync();
        var answer = new TaskCompletionSource();
        gateway.Provider.Answer = async context =>
        {
            await answer.Task;
            await StubProvider.AnswerJsonAsync(context);
        };
        TestToken token = gateway.Issuer.CreateToken("chat");
        Task<HttpResponseMessage> asked = gateway.AskAsync(token);
        await TestGateway.UntilAsync(() => gateway.Provider.Calls == 1);
        using HttpResponseMessage refused = await ExchangeAsync(gateway, token, gateway.Issuer.CreateSuccessor("chat").Request);
        await refused.IsErrorAsync(409, ErrorCodes.SuccessorMismatch, Routes.TokenSpent);
        answer.SetResult();
        using HttpResponseMessage reply = await asked;
        await reply.IsReplyAsync();
    }

    [Fact]
    public async Task Expired_token_is_exchanged_until_the_grace_is_over()
    {
        await using TestGateway gateway = await CreateAsync();
        gateway.Issuer.AddPlan(TestGateway.ChatPlan, TestGateway.March.Next);
        await gateway.PublishAsync();
        TestToken inGrace = gateway.Issuer.CreateToken("chat");
        TestToken tooLate = gateway.Issuer.CreateToken("chat");
        gateway.Time.Jump(TestGateway.March.ExchangeUntil - gateway.Time.GetUtcNow() - TimeSpan.FromSeconds(1));
        (TokenRequest request, Func<byte[], TestToken?> finish) = gateway.Issuer.CreateSuccessor("chat", keyIndex: 1);
        TestToken? successor = finish(await SignatureAsync(await ExchangeAsync(gateway, inGrace, request)));
        using HttpResponseMessage reply = await gateway.AskAsync(successor!);
        await reply.IsReplyAsync();

        gateway.Time.Jump(TimeSpan.FromSeconds(1));
        using HttpResponseMessage late = await ExchangeAsync(gateway, tooLate, gateway.Issuer.CreateSuccessor("chat", keyIndex: 1).Request);
        await late.IsErrorAsync(401, ErrorCodes.TokenExpired, Routes.TokenUnspent);
    }

    [Fact]
    public async Task Successor_of_another_plan_or_an_expired_key_is_refused()
    {
        await using TestGateway gateway = await CreateAsync();
        gateway.Issuer.AddPlan(TestGateway.ChatPlan with { Id = "dear", Price = new Credits(9) }, TestGateway.March);
        await gateway.PublishAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        using HttpResponseMessage dearer = await ExchangeAsync(gateway, token, gateway.Issuer.CreateSuccessor("dear").Request);
        await dearer.IsErrorAsync(400, ErrorCodes.SuccessorInvalid, Routes.TokenUnspent);
        using HttpResponseMessage otherType = await ExchangeAsync(gateway, token, gateway.Issuer.CreateSuccessor("large").Request);
        await otherType.IsErrorAsync(400, ErrorCodes.SuccessorInvalid, Routes.TokenUnspent);
        (TokenRequest expired, _) = gateway.Issuer.CreateSuccessor("chat");
        gateway.Time.Jump(TestGateway.March.Deadline - gateway.Time.GetUtcNow());
        using HttpResponseMessage late = await ExchangeAsync(gateway, token, expired);
        await late.IsErrorAsync(400, ErrorCodes.SuccessorInvalid, Routes.TokenUnspent);
    }

    [Fact]
    public async Task Forged_token_is_not_exchanged()
    {
        await using TestGateway gateway = await CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat").With(bytes => bytes[150] ^= 1);
        using HttpResponseMessage response = await ExchangeAsync(gateway, token, gateway.Issuer.CreateSuccessor("chat").Request);
        await response.IsErrorAsync(401, ErrorCodes.TokenInvalid, Routes.TokenUnspent);
        Assert.Equal(0, gateway.Issuer.Signatures);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("""{"token":"AA","successor":"AA"}""")]
    [InlineData("""{"token":"AA","successor":"AA","more":1}""")]
    [InlineData("""{"token":"AA","token":"AA","successor":"AA"}""")]
    [InlineData("""{"token":"!","successor":"AA"}""")]
    [InlineData("""{"token":null,"successor":null}""")]
    public async Task Exchange_that_is_no_exchange_is_refused(string body)
    {
        await using TestGateway gateway = await CreateAsync();
        using HttpResponseMessage response = await gateway.SendAsync(HttpMethod.Post, Routes.Exchange, body);
        Assert.True((int)response.StatusCode is 400 or 401, await response.TextAsync());
        Assert.NotNull(await response.CodeAsync());
    }

    [Fact]
    public async Task Exchange_beside_a_credential_is_refused()
    {
        await using TestGateway gateway = await CreateAsync();
        using HttpResponseMessage response = await gateway.SendAsync(HttpMethod.Post, Routes.Exchange, "{}", "Bearer account");
        await response.IsErrorAsync(400, ErrorCodes.LinkedCredentials, Routes.TokenUnspent);
    }

    private static Task<TestGateway> CreateAsync() => TestGateway.CreateAsync(prepare => prepare.Issuer.AddPartiallyBlindPlan(
        TestGateway.ChatPlan with { Id = "large", TokenType = TokenType.PartiallyBlindRsa }, SafePrimeKey.Import(), TestGateway.March));

    private static Task<HttpResponseMessage> ExchangeAsync(TestGateway gateway, TestToken token, TokenRequest successor) => gateway.SendAsync(
        HttpMethod.Post,
        Routes.Exchange,
        JsonSerializer.Serialize(ExchangeRequest.Create(token.Token, token.Extensions, successor), GatewayJson.Default.ExchangeRequest));

    private static async Task<byte[]> SignatureAsync(HttpResponseMessage response)
    {
        string text = await response.TextAsync();
        Assert.True(response.IsSuccessStatusCode, text);
        Assert.True(JsonSerializer.Deserialize(text, GatewayJson.Default.ExchangeResponse)!.TryDecode(out byte[]? signature));
        return signature;
    }
}
