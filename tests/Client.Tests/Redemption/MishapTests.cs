using System.Diagnostics;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Client.Tests.Support;
using Tacit.Gateway.Tests.Support;

namespace Tacit.Client.Tests;

/// <summary>Whatever breaks between wallet and gateway: one prompt, one token, one answer.</summary>
public sealed class MishapTests : IAsyncLifetime
{
    private readonly TestFolder _folder = new();
    private TestOperator _operator = null!;
    private TacitClient _client = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _operator = await TestOperator.StartAsync();
        _client = await _operator.WalletAsync(_folder.Path, credits: 20, tokens: 10);
    }

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await _operator.DisposeAsync();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(Mishap.LoseRequest, false)]
    [InlineData(Mishap.LoseReply, false)]
    [InlineData(Mishap.CutReply, false)]
    [InlineData(Mishap.ForeignError, false)]
    [InlineData(Mishap.Twice, false)]
    [InlineData(Mishap.LoseRequest, true)]
    [InlineData(Mishap.LoseReply, true)]
    [InlineData(Mishap.CutReply, true)]
    [InlineData(Mishap.ForeignError, true)]
    [InlineData(Mishap.Twice, true)]
    public async Task Broken_connection_is_made_again_and_the_reply_is_whole(Mishap mishap, bool stream)
    {
        (_, string undisturbed, _) = await _client.Redemption.AnswerAsync(Prompts.Ask("What is the answer?", stream), Token);
        _operator.GatewayFront.Seen.Clear();
        _operator.GatewayFront.Next(mishap);

        (int status, string body, _) = await _client.Redemption.AnswerAsync(Prompts.Ask("What is the answer!", stream), Token);

        Assert.Equal(200, status);
        Assert.Equal(Shape(undisturbed), Shape(body));
        Passing[] seen = [.. _operator.GatewayFront.SeenAt("/v1/chat/completions")];
        Assert.Equal(mishap == Mishap.Twice ? 1 : 2, seen.Length);
        Assert.Single(seen.Select(passing => passing.Headers["Authorization"]).Distinct());
        Assert.Equal((8, 2, 0), (await _client.HoldingsAsync()) is var holdings ? (holdings.Held, holdings.Spent, holdings.Presented) : default);
    }

    [Fact]
    public async Task Reply_that_breaks_off_again_and_again_is_put_together_or_told_to_be_broken()
    {
        _operator.GatewayFront.CutAfterBytes = 400;
        _operator.GatewayFront.Next(Mishap.CutReply, Mishap.None);
        await using (PromptReply reply = await _client.Redemption.SendAsync(Prompts.Ask("Long story.", stream: true), Token))
        {
            Assert.EndsWith("data: [DONE]\n\n", await reply.ReadAllAsync(), StringComparison.Ordinal);
            await reply.CompleteAsync(Token);
        }

        _operator.GatewayFront.Decide = passing => passing.Path == "/v1/chat/completions" ? Mishap.CutReply : Mishap.None;
        ClientException error = await Assert.ThrowsAsync<ClientException>(async () =>
        {
            await using PromptReply broken = await _client.Redemption.SendAsync(Prompts.Ask("Longer story.", stream: true), Token);
            await broken.ReadAllAsync();
        });
        Assert.True(error.Error is ClientError.ReplyInterrupted or ClientError.GatewayUnreachable);

        // Asked once more, the rest is there and costs nothing.
        _operator.GatewayFront.Decide = _ => Mishap.None;
        (int status, string body, PromptReply again) = await _client.Redemption.AnswerAsync(Prompts.Ask("Longer story.", stream: true), Token);
        Assert.Equal((200, true), (status, again.IsRepetition));
        Assert.EndsWith("data: [DONE]\n\n", body, StringComparison.Ordinal);
        Assert.Equal((8, 2), (await _client.HoldingsAsync()) is var holdings ? (holdings.Held, holdings.Spent) : default);
    }

    [Fact]
    public async Task Gateway_that_cannot_be_reached_leaves_the_token_unshown()
    {
        await using TacitClient client = await _operator.WalletAsync(_folder["away"], credits: 10, tokens: 10, change: options => options with
        {
            Redemption = options.Redemption with { GatewayAddress = new Uri("http://127.0.0.1:1") },
        });

        ClientException error = await Assert.ThrowsAsync<ClientException>(() => client.Redemption.SendAsync(Prompts.Ask("Hello?"), Token));

        Assert.Equal(ClientError.GatewayUnreachable, error.Error);
        Assert.Equal((10, 0, 0), (await client.HoldingsAsync()) is var holdings ? (holdings.Held, holdings.Presented, holdings.Unknown) : default);
    }

    [Fact]
    public async Task Gateway_with_a_certificate_of_its_own_making_sees_no_token()
    {
        using var key = System.Security.Cryptography.RSA.Create(2048);
        var request = new System.Security.Cryptography.X509Certificates.CertificateRequest(
            "CN=127.0.0.1", key, System.Security.Cryptography.HashAlgorithmName.SHA256, System.Security.Cryptography.RSASignaturePadding.Pkcs1);
        using var certificate = request.CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1));
        await File.WriteAllTextAsync(_folder["tls.pem"], certificate.ExportCertificatePem(), Token);
        await File.WriteAllTextAsync(_folder["tls.key"], key.ExportPkcs8PrivateKeyPem(), Token);
        int requests = 0;
        await using Hosting.WebServer server = await Hosting.WebServer.StartAsync(
            new Hosting.WebServerOptions
            {
                Role = "impostor",
                Listen = Hosting.ListenAddress.Loopback(0),
                Tls = new Hosting.TlsOptions { Certificate = _folder["tls.pem"], Key = Hosting.SecretReference.FromFile(_folder["tls.key"]) },
                DrainTimeout = TimeSpan.Zero,
            },
            routes => routes.MapFallback("{**path}", (RequestDelegate)(_ =>
            {
                Interlocked.Increment(ref requests);
                return Task.CompletedTask;
            })),
            TimeProvider.System, NullLoggerFactory.Instance, Token);
        await using TacitClient client = await _operator.WalletAsync(_folder["tls"], credits: 10, tokens: 10, change: options => options with
        {
            Redemption = options.Redemption with { GatewayAddress = server.Address, MaxReconnects = 0 },
        });

        ClientException error = await Assert.ThrowsAsync<ClientException>(() => client.Redemption.SendAsync(Prompts.Ask("Hello?"), Token));

        Assert.Equal((ClientError.GatewayUnreachable, 0), (error.Error, requests));
        Assert.Equal(10, (await client.HoldingsAsync()).Held);
    }

    [Fact]
    public async Task Request_that_is_never_answered_stays_open_for_its_repetition_only()
    {
        _operator.GatewayFront.Decide = _ => Mishap.LoseReply;
        await Assert.ThrowsAsync<ClientException>(() => _client.Redemption.SendAsync(Prompts.Ask("First."), Token));
        _operator.GatewayFront.Decide = _ => Mishap.None;

        await _client.Redemption.AnswerAsync(Prompts.Ask("Second."), Token);
        (_, _, PromptReply repeated) = await _client.Redemption.AnswerAsync(Prompts.Ask("First."), Token);

        Assert.True(repeated.IsRepetition);
        string[][] tokens = [.. _operator.GatewayFront.SeenAt("/v1/chat/completions").GroupBy(seen => Encoding.UTF8.GetString(seen.Body)).Select(same => same.Select(seen => seen.Headers["Authorization"]).Distinct().ToArray())];
        Assert.Equal(2, tokens.Length);
        Assert.All(tokens, same => Assert.Single(same));
        Assert.NotEqual(tokens[0][0], tokens[1][0]);
        Assert.Equal((8, 2), (await _client.HoldingsAsync()) is var holdings ? (holdings.Held, holdings.Spent) : default);
    }

    [Fact]
    public async Task Refused_request_keeps_its_token_for_its_own_conversation()
    {
        byte[] refused = """{"model":"tacit-demo","messages":[{"role":"user","content":"x"}],"frobnicate":1}"""u8.ToArray();
        (int status, string body, PromptReply reply) = await _client.Redemption.AnswerAsync(new PromptRequest(PromptOperation.ChatCompletions, refused, "mine"), Token);
        Assert.Equal((400, TokenOutcome.Kept), (status, reply.Token));
        Assert.Contains("frobnicate", body, StringComparison.Ordinal);
        Assert.Equal(1, (await _client.HoldingsAsync()).Returned);

        await _client.Redemption.AnswerAsync(Prompts.Ask("Other.", conversation: "other"), Token);
        await _client.Redemption.AnswerAsync(Prompts.Ask("Nobody's."), Token);
        await _client.Redemption.AnswerAsync(Prompts.Ask("Mine.", conversation: "mine"), Token);

        string[] tokens = [.. _operator.GatewayFront.SeenAt("/v1/chat/completions").Select(seen => seen.Headers["Authorization"])];
        Assert.Equal(tokens[0], tokens[3]);
        Assert.Equal(3, tokens.Distinct().Count());
        Assert.Equal((7, 3, 0), (await _client.HoldingsAsync()) is var holdings ? (holdings.Held, holdings.Spent, holdings.Returned) : default);
    }

    [Fact]
    public async Task Token_of_an_error_that_cost_it_is_not_paid_again_by_a_hasty_repetition()
    {
        int calls = 0;
        _operator.GatewayFront.Impersonate = async (context, _) =>
        {
            Interlocked.Increment(ref calls);
            context.Response.StatusCode = 502;
            context.Response.Headers["Tacit-Token"] = "spent";
            await context.Response.Body.WriteAsync("""{"error":{"message":"m","type":"server_error","param":null,"code":"reply_too_large"}}"""u8.ToArray(), Token);
            return true;
        };

        for (int i = 0; i < 4; i++)
        {
            (int status, string body, _) = await _client.Redemption.AnswerAsync(Prompts.Ask("Too much."), Token);
            Assert.Equal(502, status);
            Assert.Contains("reply_too_large", body, StringComparison.Ordinal);
        }
        Assert.Equal(1, calls);
        await _client.Redemption.AnswerAsync(Prompts.Ask("Too much."), Token);

        // A person who goes on asking is heard.
        Assert.Equal(2, calls);
        Assert.Equal((8, 2), (await _client.HoldingsAsync()) is var holdings ? (holdings.Held, holdings.Spent) : default);
    }

    [Fact]
    public async Task Gateway_that_asks_for_another_challenge_is_refused_and_gets_no_second_token()
    {
        byte[] foreign = new Protocol.TokenChallenge(Protocol.TokenType.BlindRsa, "issuer.test", [], "singled-out.test").Encode();
        _operator.GatewayFront.Impersonate = async (context, _) =>
        {
            context.Response.StatusCode = 401;
            context.Response.Headers["Tacit-Token"] = "unspent";
            context.Response.Headers.WWWAuthenticate = Protocol.PrivateTokenHeader.FormatChallenges([new Protocol.PrivateTokenChallenge { ChallengeBytes = foreign }]);
            await context.Response.Body.WriteAsync("""{"error":{"message":"m","type":"authentication_error","param":null,"code":"wrong_challenge"}}"""u8.ToArray(), Token);
            return true;
        };

        ClientException error = await Assert.ThrowsAsync<ClientException>(() => _client.Redemption.SendAsync(Prompts.Ask("Who are you?"), Token));

        Assert.Equal(ClientError.ChallengeRefused, error.Error);
        Assert.Single(_operator.GatewayFront.Seen);
        Assert.Equal((9, 1), (await _client.HoldingsAsync()) is var holdings ? (holdings.Held, holdings.Returned) : default);
    }

    [Fact]
    public async Task Gateway_that_claims_every_token_spent_gets_no_more_than_a_few()
    {
        _operator.GatewayFront.Impersonate = async (context, _) =>
        {
            context.Response.StatusCode = 409;
            context.Response.Headers["Tacit-Token"] = "spent";
            await context.Response.Body.WriteAsync("""{"error":{"message":"m","type":"invalid_request_error","param":null,"code":"token_spent"}}"""u8.ToArray(), Token);
            return true;
        };

        (int status, _, _) = await _client.Redemption.AnswerAsync(Prompts.Ask("Greedy."), Token);

        Assert.Equal(409, status);
        Assert.Equal((6, 4), (await _client.HoldingsAsync()) is var holdings ? (holdings.Held, holdings.Spent) : default);
    }

    [Fact]
    public async Task Requests_share_a_connection_only_within_a_named_or_recognised_conversation()
    {
        await _client.Redemption.AnswerAsync(Prompts.Ask("One."), Token);
        await _client.Redemption.AnswerAsync(Prompts.Ask("Two."), Token);
        await _client.Redemption.AnswerAsync(Prompts.Ask("Three.", conversation: "c"), Token);
        await _client.Redemption.AnswerAsync(Prompts.Ask("Four.", conversation: "c"), Token);
        await _client.Redemption.AnswerAsync(Prompts.Ask("Five.", conversation: "d"), Token);
        await _client.Redemption.GetModelsAsync(Token);

        string[] connections = [.. _operator.GatewayFront.Seen.Select(seen => seen.Connection)];
        Assert.Equal(connections[2], connections[3]);
        Assert.Equal(5, connections.Distinct().Count());
    }

    [Fact]
    public async Task Continued_conversation_is_recognised_by_its_messages()
    {
        PromptRequest Turn(params (string Role, string Content)[] messages) => new(PromptOperation.ChatCompletions, Encoding.UTF8.GetBytes(
            $$"""{"model":"tacit-demo", "messages":[{{string.Join(", ", messages.Select(m => $$"""{"role":"{{m.Role}}","content":"{{m.Content}}"}"""))}}]}"""));
        await _client.Redemption.AnswerAsync(Turn(("user", "Hi.")), Token);
        await _client.Redemption.AnswerAsync(Turn(("user", "Hi."), ("assistant", "Hello."), ("user", "More?")), Token);
        await _client.Redemption.AnswerAsync(Turn(("user", "Hi."), ("assistant", "Hello."), ("user", "More?"), ("assistant", "No."), ("user", "Why?")), Token);
        await _client.Redemption.AnswerAsync(Turn(("user", "Hi."), ("user", "More?")), Token);

        string[] connections = [.. _operator.GatewayFront.Seen.Select(seen => seen.Connection)];
        // The first is nobody's yet; the second continues it and so does the third. The fourth repeats no answer: anybody could have written it.
        Assert.Equal(connections[1], connections[2]);
        Assert.Equal(3, connections.Distinct().Count());
    }

    [Fact]
    public async Task No_header_of_the_process_reaches_the_gateway()
    {
        using var activity = new Activity("canary").SetIdFormat(ActivityIdFormat.W3C).Start();
        activity.AddBaggage("user", "alice");

        await _client.Redemption.AnswerAsync(Prompts.Ask("Clean?", conversation: "canary-conversation"), Token);
        await _client.Redemption.GetModelsAsync(Token);

        Assert.All(_operator.GatewayFront.Seen, seen => Assert.Subset(
            new HashSet<string>(StringComparer.OrdinalIgnoreCase) { "Accept", "Authorization", "Content-Length", "Content-Type", "Host" }, seen.Headers.Keys.ToHashSet()));
        Assert.DoesNotContain(_operator.GatewayFront.Seen, seen => Encoding.UTF8.GetString(seen.Body).Contains("canary", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Prompts_cause_no_account_call_while_there_are_tokens()
    {
        _operator.IssuerFront.Seen.Clear();
        for (int i = 0; i < 10; i++)
        {
            await _client.Redemption.AnswerAsync(Prompts.Ask($"Question {i}."), Token);
        }

        Assert.Empty(_operator.IssuerFront.Seen);
    }

    [Fact]
    public async Task Parallel_prompts_never_share_a_token()
    {
        await Parallel.ForEachAsync(
            Enumerable.Range(0, 10), new ParallelOptions { MaxDegreeOfParallelism = 10, CancellationToken = Token },
            async (i, token) => await _client.Redemption.AnswerAsync(Prompts.Ask($"Parallel {i}."), token));

        string[] tokens = [.. _operator.GatewayFront.SeenAt("/v1/chat/completions").Select(seen => seen.Headers["Authorization"])];
        Assert.Equal(10, tokens.Distinct().Count());
        Assert.Equal((0, 10), (await _client.HoldingsAsync()) is var holdings ? (holdings.Held, holdings.Spent) : default);
    }

    [Fact]
    public async Task Parallel_prompts_on_an_empty_wallet_cause_one_fill()
    {
        await using TacitClient empty = await _operator.WalletAsync(_folder["empty"], credits: 30);
        _operator.IssuerFront.Seen.Clear();

        await Parallel.ForEachAsync(
            Enumerable.Range(0, 5), new ParallelOptions { MaxDegreeOfParallelism = 5, CancellationToken = Token },
            async (i, token) => await empty.Redemption.AnswerAsync(Prompts.Ask($"Hungry {i}."), token));

        Assert.Single(_operator.IssuerFront.SeenAt("/token-request"));
        Assert.Equal((5, 5), (await empty.HoldingsAsync()) is var holdings ? (holdings.Held, holdings.Spent) : default);
    }

    /// <summary>A reply without what differs between two of them: ids, times and sizes.</summary>
    private static string Shape(string body) => string.Concat(body.Where(c => !char.IsAsciiLetterOrDigit(c)));
}
