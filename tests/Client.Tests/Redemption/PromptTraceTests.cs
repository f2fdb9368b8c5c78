using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Tacit.App.Tests;
using Tacit.Client.Tests.Support;
using Tacit.Client.Transports;
using Tacit.Protocol;

namespace Tacit.Client.Tests;

/// <summary>What an observer is told of a request is what really passed, and a request with one is the request that it is without.</summary>
public sealed class PromptTraceTests : IAsyncLifetime
{
    private const string Canary = "canary-51be20";
    private const string Path = "/v1/chat/completions";
    private const string GatewayHost = "gatewayaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.onion";

    private readonly TestFolder _folder = new();
    private readonly ConcurrentQueue<PromptStage> _told = new();
    private readonly ListLog _log = new();
    private TestOperator _operator = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _operator = await TestOperator.StartAsync(
        plans: TestSigner.HasPartiallyBlindKey ? [TestOperator.Chat, TestOperator.Pro] : [TestOperator.Chat], isSealed: true);

    public async ValueTask DisposeAsync()
    {
        await _operator.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Observer_is_told_the_stages_in_order_and_the_values_that_were_seen_on_the_way()
    {
        await using TacitClient client = await WalletAsync(tokens: 2);
        PromptTrace trace = NewTrace();

        (int status, string body, _) = await client.Redemption.AnswerAsync(Prompts.Ask(Canary, stream: true) with { Trace = trace }, Ct);

        Assert.Equal(200, status);
        PromptFacts facts = await trace.FinishAsync(TimeSpan.FromMinutes(1), Ct);
        Assert.Equal(
            [
                PromptStageName.Preparing, PromptStageName.Carrier, PromptStageName.Paying, PromptStageName.Token, PromptStageName.Connecting, PromptStageName.Connected,
                PromptStageName.Sent, PromptStageName.Accepted, PromptStageName.FirstToken, PromptStageName.Ended,
            ],
            facts.Stages.Select(stage => stage.Name));
        Assert.Equal(facts.Stages, _told);
        Assert.Equal(facts.Stages.Select(stage => stage.At).Order(), facts.Stages.Select(stage => stage.At));

        Passing seen = Assert.Single(_operator.GatewayFront.SeenAt(Path));
        Assert.Equal(seen.Body.Length, facts.RequestBytes);
        Assert.Equal(Encoding.UTF8.GetByteCount(body), facts.ReplyBytes);
        Assert.Equal(["model", "messages", "stream"], facts.Members);
        TokenFacts token = Assert.Single(facts.Tokens);
        Assert.Equal((SpendIdOf(seen), "chat", "0x0002", TokenOrigin.Bought, false), (token.SpendId, token.Plan, token.Type, token.Origin, token.IsForThisRequest));
        PlanKeySummary key = Assert.Single((await client.Directory.GetAsync(Ct)).Plans.Single(plan => plan.Id == "chat").LiveKeys, key => key.KeyId == token.KeyId);
        Assert.Equal((key.Deadline, key.Accounts), (token.Deadline, token.Crowd));
        Assert.True(token.SoldFrom < token.Deadline);
        ConnectionFacts connection = Assert.Single(facts.Connections);
        Assert.Equal((true, _operator.GatewayFront.Address.Authority, null, null), (connection.IsNew, connection.Remote, connection.Circuit, connection.CircuitProblem));
        Assert.Equal((Carrier.Direct, GatewayTransport.Direct, TestOperator.GatewayName, true), (facts.Carrier, facts.Sealing, facts.Gateway, facts.IsThisMachine));
        Assert.Equal((200, TokenOutcome.Spent, null, TestOperator.Model), (facts.Status, facts.Outcome, facts.Linkable, facts.Model));
    }

    [Fact]
    public async Task Request_with_an_observer_is_on_the_wire_what_it_is_without()
    {
        await using TacitClient client = await WalletAsync(tokens: 2);

        await client.Redemption.AnswerAsync(Prompts.Ask(Canary), Ct);
        await client.Redemption.AnswerAsync(Prompts.Ask(Canary) with { Trace = NewTrace() }, Ct);

        IReadOnlyList<Passing> seen = _operator.GatewayFront.SeenAt(Path);
        Assert.Equal(2, seen.Count);
        Assert.Equal(Headers(seen[0]), Headers(seen[1]));
        Assert.Equal(seen[0].Body, seen[1].Body);
        // Each a unit of its own, observed or not.
        Assert.NotEqual(seen[0].Connection, seen[1].Connection);

        static IEnumerable<string> Headers(Passing passing) => passing.Headers.Where(header => header.Key != "Authorization").Select(header => $"{header.Key}: {header.Value}").Order();
    }

    [Fact]
    public async Task Facts_hold_neither_text_nor_token_and_nothing_of_them_is_logged()
    {
        await using TacitClient client = await WalletAsync(tokens: 1);
        PromptTrace trace = NewTrace();

        (_, string body, _) = await client.Redemption.AnswerAsync(Prompts.Ask(Canary) with { Trace = trace }, Ct);

        PromptFacts facts = await trace.FinishAsync(TimeSpan.FromMinutes(1), Ct);
        string kept = JsonSerializer.Serialize(facts);
        Passing seen = Assert.Single(_operator.GatewayFront.SeenAt(Path));
        Assert.True(PrivateTokenHeader.TryParseAuthorization(seen.Headers["Authorization"], out PrivateTokenCredentials? credentials));
        string answer = JsonDocument.Parse(body).RootElement.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;
        foreach (string secret in (string[])[Canary, answer, Convert.ToHexStringLower(credentials.Token.AsSpan(2, 32)), Convert.ToBase64String(credentials.Token)[..40]])
        {
            Assert.DoesNotContain(secret, kept, StringComparison.OrdinalIgnoreCase);
        }
        Assert.DoesNotContain(facts.Tokens[0].SpendId, string.Join("\n", _log.Lines), StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task Second_request_of_a_conversation_tells_that_it_went_on_the_connection_of_the_first()
    {
        await using TacitClient client = await WalletAsync(tokens: 2);
        await client.Redemption.AnswerAsync(Prompts.Ask("One.", conversation: "one"), Ct);
        PromptTrace trace = NewTrace();

        await client.Redemption.AnswerAsync(Prompts.Ask("Two.", conversation: "one") with { Trace = trace }, Ct);

        IReadOnlyList<Passing> seen = _operator.GatewayFront.SeenAt(Path);
        Assert.Equal(seen[0].Connection, seen[1].Connection);
        Assert.DoesNotContain(PromptStageName.Connecting, trace.Facts.Stages.Select(stage => stage.Name));
        ConnectionFacts connection = Assert.Single(trace.Facts.Connections);
        Assert.Equal((false, _operator.GatewayFront.Address.Authority), (connection.IsNew, connection.Remote));
    }

    [Fact]
    public async Task Reply_that_breaks_is_told_as_taken_up_on_another_connection_with_the_same_token()
    {
        await using TacitClient client = await WalletAsync(tokens: 2);
        _operator.GatewayFront.Next(Mishap.CutReply);
        PromptTrace trace = NewTrace();

        (_, string body, _) = await client.Redemption.AnswerAsync(Prompts.Ask("Something long enough to be cut.", stream: true) with { Trace = trace }, Ct);

        PromptFacts facts = trace.Facts;
        Assert.Contains(PromptStageName.Resumed, facts.Stages.Select(stage => stage.Name));
        Assert.Equal(PromptStageName.Ended, facts.Stages[^1].Name);
        Assert.Equal(2, facts.Connections.Count);
        Assert.All(facts.Connections, connection => Assert.True(connection.IsNew));
        Assert.Single(facts.Tokens);
        Assert.Equal(Encoding.UTF8.GetByteCount(body), facts.ReplyBytes);
        Assert.Single(facts.Stages, stage => stage.Name == PromptStageName.FirstToken);
    }

    [Fact]
    public async Task Token_that_was_not_spent_is_told_as_given_back()
    {
        await using TacitClient client = await WalletAsync(tokens: 1);
        _operator.GatewayFront.Impersonate = async (context, passing) =>
        {
            if (passing.Path != Path)
            {
                return false;
            }
            context.Response.StatusCode = 502;
            context.Response.Headers[Routes.TokenStateHeader] = Routes.TokenReturned;
            await context.Response.WriteAsync("""{"error":{"message":"No.","type":"server_error","code":"provider_error"}}""");
            return true;
        };
        PromptTrace trace = NewTrace();

        (int status, _, PromptReply reply) = await client.Redemption.AnswerAsync(Prompts.Ask("One.") with { Trace = trace }, Ct);

        Assert.Equal((502, TokenOutcome.Kept), (status, reply.Token));
        Assert.Equal((502, TokenOutcome.Kept), (trace.Facts.Status, trace.Facts.Outcome));
        Assert.Equal([(PromptStageName.Failed, "502 provider_error"), (PromptStageName.Returned, null)], trace.Facts.Stages.TakeLast(2).Select(stage => (stage.Name, stage.Detail)));
    }

    [Fact]
    public async Task Request_that_nothing_pays_for_is_told_as_failed_and_one_that_has_the_wallet_filled_as_bought_for()
    {
        await using TacitClient client = await WalletAsync(tokens: 0, options => options with { Redemption = options.Redemption with { FillAtPrompt = false } });
        PromptTrace trace = NewTrace();
        await Assert.ThrowsAsync<ClientException>(() => client.Redemption.SendAsync(Prompts.Ask("One.") with { Trace = trace }, Ct));
        Assert.Equal((PromptStageName.Failed, "wallet_empty"), (trace.Facts.Stages[^1].Name, trace.Facts.Stages[^1].Detail));
        Assert.Empty(trace.Facts.Tokens);

        await using TacitClient other = await WalletAsync(tokens: 0, name: "other");
        trace = NewTrace();
        await other.Redemption.AnswerAsync(Prompts.Ask("Two.") with { Trace = trace }, Ct);
        Assert.True(Assert.Single(trace.Facts.Tokens).IsForThisRequest);
    }

    [Fact]
    public async Task Chain_is_told_as_renewed()
    {
        Assert.SkipUnless(TestSigner.HasPartiallyBlindKey, "the published vectors, which hold a key of safe primes, are not here");
        await using TacitClient client = await WalletAsync(tokens: 0);
        await client.Filler.SubscribeAsync("pro", cancellationToken: Ct);
        PromptTrace trace = NewTrace();

        await client.Redemption.AnswerAsync(Prompts.Ask("One.") with { Trace = trace }, Ct);

        TokenFacts token = Assert.Single(trace.Facts.Tokens);
        Assert.Equal(("pro", "0xDA7A", TokenOrigin.Subscription), (token.Plan, token.Type, token.Origin));
        Assert.Equal(SpendIdOf(Assert.Single(_operator.GatewayFront.SeenAt(Path))), token.SpendId);
        Assert.Equal([PromptStageName.Ended, PromptStageName.Renewed], trace.Facts.Stages.TakeLast(2).Select(stage => stage.Name));
    }

    [Fact]
    public async Task Sealed_request_is_told_with_the_sizes_that_passed_and_the_sizes_inside()
    {
        await using TacitClient client = await WalletAsync(tokens: 1, options => options with { Redemption = options.Redemption with { Transport = GatewayTransport.Sealed } });
        while ((await ((ISealingKeySource)client.Directory).FindSealingKeyAsync(TestOperator.GatewayName, Ct)).Key is null)
        {
            // The issuer asks the gateway once a second.
            await Task.Delay(100, Ct);
            await client.Directory.RefreshAsync(Ct);
        }
        PromptTrace trace = NewTrace();

        PromptRequest prompt = Prompts.Ask(Canary) with { Trace = trace };
        (_, string body, _) = await client.Redemption.AnswerAsync(prompt, Ct);

        PromptFacts facts = trace.Facts;
        Passing seen = _operator.GatewayFront.SeenAt(Routes.Oblivious)[^1];
        while (seen.Answer is null)
        {
            await Task.Delay(10, Ct);
        }
        Assert.Equal((seen.Body.Length, seen.Answer.Body.Length), (facts.SealedRequestBytes, facts.SealedReplyBytes));
        Assert.Equal((prompt.Body.Length, Encoding.UTF8.GetByteCount(body)), (facts.RequestBytes, facts.ReplyBytes));
        Assert.Equal(GatewayTransport.Sealed, facts.Sealing);
        Assert.Equal($"{seen.Body.Length} bytes", facts.Stages.Single(stage => stage.Name == PromptStageName.Sent).Detail);
    }

    [Fact]
    public async Task Borrowed_Tor_is_told_with_the_onion_address_and_without_a_circuit()
    {
        await using var tor = new SocksPeer();
        tor.Know(GatewayHost, _operator.GatewayFront.Address);
        await using TacitClient client = await WalletAsync(
            tokens: 1,
            options => options with
            {
                Redemption = options.Redemption with { GatewayAddress = new Uri($"http://{GatewayHost}") },
                Transport = new TransportOptions { Tor = new TorSettings { Socks = tor.Address, DataDirectory = _folder["tor"] } },
            });
        PromptTrace trace = NewTrace();

        await client.Redemption.AnswerAsync(Prompts.Ask("One.") with { Trace = trace }, Ct);

        PromptFacts facts = await trace.FinishAsync(TimeSpan.FromMinutes(1), Ct);
        Assert.Equal((Carrier.Tor, $"http://{GatewayHost}", false), (facts.Carrier, facts.Address, facts.IsThisMachine));
        ConnectionFacts connection = Assert.Single(facts.Connections);
        Assert.Equal((null, null), (connection.Remote, connection.Circuit));
        Assert.NotNull(connection.CircuitProblem);
    }

    private PromptTrace NewTrace() => new(TimeProvider.System, _told.Enqueue);

    private Task<TacitClient> WalletAsync(int tokens, Func<ClientOptions, ClientOptions>? change = null, string name = "wallet") =>
        _operator.WalletAsync(_folder[name], tokens: tokens, change: change, loggers: _log);

    private static string SpendIdOf(Passing passing)
    {
        Assert.True(PrivateTokenHeader.TryParseAuthorization(passing.Headers["Authorization"], out PrivateTokenCredentials? credentials));
        Assert.True(Token.TryParse(credentials.Token, out Token? token));
        byte[] id = new byte[Token.SpendIdSizeInBytes];
        token.SpendId(credentials.Extensions, id);
        return Convert.ToHexStringLower(id.AsSpan(0, 6));
    }
}
