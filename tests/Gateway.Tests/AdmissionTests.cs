using System.Security.Cryptography;
using System.Text.Json;
using Tacit.Gateway.Tests.Support;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests;

/// <summary>What is let in, what is turned away and why. Nothing that is turned away reaches the provider.</summary>
public sealed class AdmissionTests
{
    private static readonly Plan s_large = TestGateway.ChatPlan with
    {
        Id = "large",
        Models = ["big", TestGateway.Model],
        Price = new Credits(4),
        TokenType = TokenType.PartiallyBlindRsa,
    };

    [Fact]
    public async Task Request_without_a_token_is_answered_with_the_constant_challenge_and_key()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync(Prepare);
        using HttpResponseMessage first = await gateway.SendAsync(HttpMethod.Post, Routes.ChatCompletions, TestGateway.Body());
        using HttpResponseMessage second = await gateway.SendAsync(HttpMethod.Post, Routes.ChatCompletions, TestGateway.Body(), "Bearer sk-1");
        await first.IsErrorAsync(401, ErrorCodes.TokenRequired, null);
        Assert.Equal(first.Headers.GetValues("WWW-Authenticate"), second.Headers.GetValues("WWW-Authenticate"));

        IReadOnlyList<PrivateTokenChallenge> challenges = PrivateTokenHeader.ParseChallenges(first.Headers.GetValues("WWW-Authenticate"));
        Assert.Equal([TokenType.BlindRsa, TokenType.PartiallyBlindRsa], challenges.Select(challenge => challenge.Challenge!.Type));
        Assert.All(challenges, challenge =>
        {
            Assert.Equal(TestIssuer.Name, challenge.Challenge!.IssuerName);
            Assert.Equal(TestIssuer.GatewayName, challenge.Challenge.OriginInfo);
            Assert.True(challenge.Challenge.RedemptionContext.IsEmpty);
            Assert.NotNull(challenge.TokenKey);
        });
        Assert.Equal(0, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Partially_blind_token_with_its_extensions_is_taken()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync(Prepare);
        using HttpResponseMessage response = await gateway.AskAsync(gateway.Issuer.CreateToken("large"));
        await response.IsReplyAsync();
    }

    [Fact]
    public async Task Partially_blind_token_is_taken_only_with_exactly_its_extensions()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync(prepare =>
        {
            Prepare(prepare);
            prepare.Issuer.AddPartiallyBlindPlan(s_large with { Id = "other" }, SafePrimeKey.Import(), TestGateway.March);
        });
        TestToken token = gateway.Issuer.CreateToken("large");
        TestToken bare = token with { Extensions = null };
        using HttpResponseMessage none = await gateway.AskAsync(bare);
        await none.IsErrorAsync(401, ErrorCodes.TokenUnknownKey, Routes.TokenUnspent);
        Assert.Contains("extensions=", await none.TextAsync(), StringComparison.Ordinal);

        TestToken foreign = token with { Extensions = new PlanMetadata("unheard", TestGateway.March.Deadline).EncodeExtensions() };
        using HttpResponseMessage unknown = await gateway.AskAsync(foreign);
        await unknown.IsErrorAsync(401, ErrorCodes.TokenUnknownKey, Routes.TokenUnspent);

        // Another live plan's metadata: the key exists, the signature does not match it.
        TestToken swapped = token with { Extensions = gateway.Issuer.KeyOf("other").Extensions };
        using HttpResponseMessage wrong = await gateway.AskAsync(swapped);
        await wrong.IsErrorAsync(401, ErrorCodes.TokenInvalid, Routes.TokenUnspent);

        using HttpResponseMessage right = await gateway.AskAsync(token);
        await right.IsReplyAsync();
        Assert.Equal(1, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Plain_token_with_extensions_is_refused()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync(Prepare);
        TestToken token = gateway.Issuer.CreateToken("chat") with { Extensions = gateway.Issuer.KeyOf("large").Extensions };
        using HttpResponseMessage response = await gateway.AskAsync(token);
        await response.IsErrorAsync(401, ErrorCodes.TokenUnknownKey, Routes.TokenUnspent);
    }

    [Fact]
    public async Task Challenges_of_many_plans_are_no_more_than_a_proxy_has_room_for_the_cheapest_first()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync(gateway =>
        {
            foreach (int i in Enumerable.Range(2, 8))
            {
                gateway.Issuer.AddPlan(TestGateway.ChatPlan with { Id = $"plan-{i}", Price = new Credits(i) }, TestGateway.March);
            }
        });
        using HttpResponseMessage response = await gateway.SendAsync(HttpMethod.Post, Routes.ChatCompletions, TestGateway.Body(), authorization: null);
        await response.IsErrorAsync(401, ErrorCodes.TokenRequired, tokenState: null);
        string[] values = [.. response.Headers.WwwAuthenticate.Select(value => value.ToString())];
        Assert.Equal(8, values.Length);
        Assert.True(values.Sum(value => value.Length) < 6000);
        string cheapest = Convert.ToBase64String(gateway.Issuer.KeyOf("chat").TokenKeyId);
        Assert.True(PrivateTokenHeader.TryParseChallenges(values[0], out var challenges));
        Assert.Equal(cheapest, Convert.ToBase64String(SHA256.HashData(challenges[0].TokenKey!)));
    }

    [Theory]
    [InlineData(0, ErrorCodes.TokenMalformed)] // type
    [InlineData(1, ErrorCodes.TokenMalformed)]
    [InlineData(2, ErrorCodes.TokenInvalid)] // nonce
    [InlineData(34, ErrorCodes.WrongChallenge)]
    [InlineData(66, ErrorCodes.TokenUnknownKey)]
    [InlineData(97, ErrorCodes.TokenUnknownKey)]
    [InlineData(98, ErrorCodes.TokenInvalid)] // authenticator
    [InlineData(353, ErrorCodes.TokenInvalid)]
    public async Task Token_with_one_bit_changed_is_refused(int at, string code)
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        byte[] bytes = gateway.Issuer.CreateToken("chat").Token.Encode();
        bytes[at] ^= 1;
        using HttpResponseMessage response = await gateway.SendAsync(
            HttpMethod.Post, Routes.ChatCompletions, TestGateway.Body(), PrivateTokenHeader.FormatAuthorization(bytes));
        await response.IsErrorAsync(401, code, Routes.TokenUnspent);
        Assert.True(response.Headers.WwwAuthenticate.Count > 0);
        Assert.Equal(0, gateway.Provider.Calls);
    }

    [Theory]
    [InlineData(353)]
    [InlineData(355)]
    public async Task Token_of_another_length_is_refused(int length)
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        byte[] bytes = gateway.Issuer.CreateToken("chat").Token.Encode();
        Array.Resize(ref bytes, length);
        using HttpResponseMessage response = await gateway.SendAsync(
            HttpMethod.Post, Routes.ChatCompletions, TestGateway.Body(), PrivateTokenHeader.FormatAuthorization(bytes));
        await response.IsErrorAsync(401, ErrorCodes.TokenMalformed, Routes.TokenUnspent);
    }

    [Fact]
    public async Task Token_for_another_gateway_is_refused()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        using HttpResponseMessage response = await gateway.AskAsync(gateway.Issuer.CreateToken("chat", gateway: "elsewhere.test"));
        await response.IsErrorAsync(401, ErrorCodes.WrongChallenge, Routes.TokenUnspent);
    }

    [Fact]
    public async Task Token_is_taken_from_the_overlap_to_the_last_second_of_its_period()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync(prepare => prepare.Issuer.AddPlan(TestGateway.ChatPlan with { Id = "next" }, TestGateway.March.Next));
        TestToken next = gateway.Issuer.CreateToken("next");
        using HttpResponseMessage early = await gateway.AskAsync(next);
        await early.IsErrorAsync(401, ErrorCodes.TokenUnknownKey, Routes.TokenUnspent);
        gateway.Time.Jump(TestGateway.March.Next.IssueFrom - gateway.Time.GetUtcNow());
        using HttpResponseMessage inOverlap = await gateway.AskAsync(next);
        await inOverlap.IsReplyAsync();

        gateway.Time.Jump(TestGateway.March.Deadline - gateway.Time.GetUtcNow() - TimeSpan.FromSeconds(1));
        using HttpResponseMessage last = await gateway.AskAsync(gateway.Issuer.CreateToken("chat"));
        await last.IsReplyAsync();
        gateway.Time.Jump(TimeSpan.FromSeconds(1));
        using HttpResponseMessage late = await gateway.AskAsync(gateway.Issuer.CreateToken("chat"));
        await late.IsErrorAsync(401, ErrorCodes.TokenExpired, Routes.TokenUnspent);
    }

    [Fact]
    public async Task Model_that_the_plan_does_not_buy_or_nobody_serves_is_refused()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync(prepare =>
            prepare.Issuer.AddPlan(TestGateway.ChatPlan with { Id = "none", Models = ["elsewhere"] }, TestGateway.March));
        using HttpResponseMessage mismatch = await gateway.AskAsync(gateway.Issuer.CreateToken("none"));
        await mismatch.IsErrorAsync(401, ErrorCodes.PlanMismatch, Routes.TokenUnspent);
        using HttpResponseMessage unknown = await gateway.AskAsync(gateway.Issuer.CreateToken("none"), """{"model":"elsewhere","messages":[{"role":"user","content":"?"}]}""");
        await unknown.IsErrorAsync(404, ErrorCodes.ModelNotFound, Routes.TokenUnspent);
    }

    [Theory]
    [InlineData("Cookie", "a=b")]
    [InlineData("Proxy-Authorization", "Basic eA==")]
    [InlineData("x-api-key", "sk-1")]
    public async Task Token_beside_another_credential_is_refused(string header, string value)
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        using HttpResponseMessage response = await gateway.SendAsync(
            HttpMethod.Post, Routes.ChatCompletions, TestGateway.Body(), token.Header, headers => headers.TryAddWithoutValidation(header, value));
        await response.IsErrorAsync(400, ErrorCodes.LinkedCredentials, Routes.TokenUnspent);
        using HttpResponseMessage alone = await gateway.AskAsync(token);
        await alone.IsReplyAsync();
    }

    [Theory]
    [InlineData("{0}, Bearer sk-1")]
    [InlineData("Bearer sk-1, {0}")]
    public async Task Token_joined_with_a_bearer_is_not_taken(string form)
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        using HttpResponseMessage response = await gateway.SendAsync(
            HttpMethod.Post, Routes.ChatCompletions, TestGateway.Body(), string.Format(null, form, gateway.Issuer.CreateToken("chat").Header));
        Assert.True((int)response.StatusCode is 400 or 401);
        Assert.Equal(0, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Two_authorization_headers_are_refused()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        string answer = await RawHttp.ExchangeAsync(
            gateway.Address,
            $"POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nAuthorization: {token.Header}\r\nAuthorization: Bearer sk-1\r\nContent-Length: 2\r\n\r\n{{}}");
        Assert.StartsWith("HTTP/1.1 400", answer, StringComparison.Ordinal);
        Assert.Contains(ErrorCodes.LinkedCredentials, answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Models_are_listed_in_openais_shape_with_the_plans_that_buy_them()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync(Prepare);
        using HttpResponseMessage response = await gateway.SendAsync(HttpMethod.Get, Routes.Models);
        using JsonDocument document = JsonDocument.Parse(await response.TextAsync());
        JsonElement model = Assert.Single(document.RootElement.GetProperty("data").EnumerateArray());
        Assert.Equal("list", document.RootElement.GetProperty("object").GetString());
        Assert.Equal(TestGateway.Model, model.GetProperty("id").GetString());
        Assert.Equal("model", model.GetProperty("object").GetString());
        Assert.Equal(["chat", "large"], model.GetProperty("plans").EnumerateArray().Select(plan => plan.GetString()));
        using HttpResponseMessage one = await gateway.SendAsync(HttpMethod.Get, Routes.Models + "/" + TestGateway.Model);
        Assert.Contains("\"chat\"", await one.TextAsync(), StringComparison.Ordinal);
        using HttpResponseMessage none = await gateway.SendAsync(HttpMethod.Get, Routes.Models + "/big");
        await none.IsErrorAsync(404, ErrorCodes.ModelNotFound, null);
    }

    [Fact]
    public async Task Unknown_paths_and_methods_are_answered_in_openais_shape()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        using HttpResponseMessage path = await gateway.SendAsync(HttpMethod.Get, "/v1/files");
        await path.IsErrorAsync(404, ErrorCodes.NotFound, null);
        using HttpResponseMessage method = await gateway.SendAsync(HttpMethod.Get, Routes.ChatCompletions);
        await method.IsErrorAsync(405, ErrorCodes.MethodNotAllowed, null);
        using HttpResponseMessage ready = await gateway.SendAsync(HttpMethod.Get, Routes.HealthReady);
        Assert.Equal(200, (int)ready.StatusCode);
    }

    private static void Prepare(TestGateway gateway) => gateway.Issuer.AddPartiallyBlindPlan(s_large, SafePrimeKey.Import(), TestGateway.March);
}
