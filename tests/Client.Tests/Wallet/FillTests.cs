using Microsoft.AspNetCore.Http;
using Tacit.Client.Tests.Support;
using Tacit.Crypto;
using Tacit.Protocol;

namespace Tacit.Client.Tests;

/// <summary>Credits become tokens exactly once, whatever goes wrong on the way.</summary>
public sealed class FillTests : IAsyncLifetime
{
    private readonly TestFolder _folder = new();
    private TestOperator _operator = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _operator = await TestOperator.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await _operator.DisposeAsync();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(Mishap.LoseRequest)]
    [InlineData(Mishap.LoseReply)]
    [InlineData(Mishap.CutReply)]
    [InlineData(Mishap.ForeignError)]
    [InlineData(Mishap.Twice)]
    public async Task Batch_whose_answer_is_lost_is_asked_for_again_and_paid_once(Mishap mishap)
    {
        await using TacitClient client = await _operator.WalletAsync(_folder.Path, credits: 30);
        _operator.IssuerFront.Decide = Once("/token-request", mishap);

        ClientException? error = await Record.ExceptionAsync(() => client.Filler.FillAsync("chat", 10, cancellationToken: Token)) as ClientException;
        if (mishap != Mishap.Twice)
        {
            Assert.Equal(ClientError.IssuerUnreachable, error!.Error);
            Assert.Equal((0, 10), (await client.HoldingsAsync()) is var before ? (before.Held, before.Pending) : default);
            Assert.Equal(10, await client.Filler.ResumeAsync(Token));
        }

        PlanHoldings holdings = await client.HoldingsAsync();
        Assert.Equal((10, 0), (holdings.Held, holdings.Pending));
        Assert.Equal(20, (await client.Account.GetAsync(Token)).Credits);
        byte[][] batches = [.. _operator.IssuerFront.SeenAt("/token-request").Select(seen => seen.Body)];
        Assert.All(batches, batch => Assert.Equal(batches[0], batch));
    }

    [Theory]
    [InlineData(ProblemTypes.RateLimited)]
    [InlineData(ProblemTypes.AccountKeyRequired)]
    public async Task Refusal_that_says_nothing_of_the_tokens_does_not_give_up_a_paid_batch(string problem)
    {
        await using TacitClient client = await _operator.WalletAsync(_folder.Path, credits: 30);
        _operator.IssuerFront.Decide = Once("/token-request", Mishap.LoseReply);
        await Assert.ThrowsAsync<ClientException>(() => client.Filler.FillAsync("chat", 10, cancellationToken: Token));

        // The period has ended, so the wallet asks for a restore; and there are too many of those just now.
        _operator.IssuerFront.Impersonate = (context, passing) => RefuseAsync(
            context, passing.Path switch { "/token-request" => ProblemTypes.TokenKeyUnknown, "/token-restore" => problem, _ => null });
        await Assert.ThrowsAsync<ClientException>(() => client.Filler.ResumeAsync(Token));
        _operator.IssuerFront.Impersonate = (context, passing) => RefuseAsync(
            context, passing.Path == "/token-request" ? ProblemTypes.TokenKeyUnknown : null);

        Assert.Equal(10, await client.Filler.ResumeAsync(Token));
        Assert.Equal(20, (await client.Account.GetAsync(Token)).Credits);

        static async Task<bool> RefuseAsync(HttpContext context, string? type)
        {
            if (type is null)
            {
                return false;
            }
            Problem refusal = ProblemTypes.Create(type);
            context.Response.StatusCode = refusal.Status;
            context.Response.ContentType = MediaTypes.ProblemJson;
            await context.Response.Body.WriteAsync(refusal.Encode());
            return true;
        }
    }

    [Fact]
    public async Task Whole_path_with_everything_sent_twice_ends_the_same()
    {
        _operator.IssuerFront.Decide = _ => Mishap.Twice;
        _operator.GatewayFront.Decide = _ => Mishap.Twice;
        await using TacitClient client = await _operator.WalletAsync(_folder.Path, credits: 30, tokens: 10);

        (int status, _, _) = await client.Redemption.AnswerAsync(Prompts.Ask("Twice."), Token);

        PlanHoldings holdings = await client.HoldingsAsync();
        Assert.Equal(200, status);
        Assert.Equal((9, 1), (holdings.Held, holdings.Spent));
        Assert.Equal(20, (await client.Account.GetAsync(Token)).Credits);
    }

    [Fact]
    public async Task Account_without_enough_credits_buys_the_next_smaller_batch()
    {
        await using TacitClient client = await _operator.WalletAsync(_folder.Path, credits: 7);

        FillResult result = await client.Filler.FillAsync("chat", 100, cancellationToken: Token);

        Assert.Equal(5, result.Received);
        Assert.Equal(2, (await client.Account.GetAsync(Token)).Credits);
    }

    [Fact]
    public async Task Account_without_credits_is_told_so_and_loses_no_index()
    {
        await using TacitClient client = await _operator.WalletAsync(_folder.Path, credits: 3);
        await client.Filler.FillAsync("chat", 2, cancellationToken: Token);
        await client.Filler.FillAsync("chat", 1, cancellationToken: Token);

        ClientException error = await Assert.ThrowsAsync<ClientException>(() => client.Filler.FillAsync("chat", 1, cancellationToken: Token));

        Assert.Equal(ClientError.InsufficientCredits, error.Error);
        Assert.Equal((3, 0), (await client.HoldingsAsync()) is var holdings ? (holdings.Held, holdings.Pending) : default);
    }

    [Fact]
    public async Task Batch_that_the_issuer_refuses_keeps_its_indexes_for_the_next_fill()
    {
        await using TacitClient client = await _operator.WalletAsync(_folder.Path, credits: 10);
        // The credits are gone between the question and the purchase, as when two devices share an account.
        await using TacitClient other = await _operator.WalletAsync(_folder["other"], credits: 0);
        await other.Account.ImportAsync(await client.Account.RevealKeyAsync(Token), Token);
        bool raced = false;
        _operator.IssuerFront.Before = async seen =>
        {
            if (seen.Path == "/token-request" && !raced)
            {
                raced = true;
                await other.Filler.FillAsync("chat", 10, cancellationToken: Token);
            }
        };

        ClientException error = await Assert.ThrowsAsync<ClientException>(() => client.Filler.FillAsync("chat", 10, cancellationToken: Token));
        await client.Account.DepositAsync(await _operator.VoucherAsync(10), Token);
        await client.Filler.FillAsync("chat", 10, cancellationToken: Token);

        Assert.Equal(ClientError.InsufficientCredits, error.Error);
        PlanHoldings holdings = await client.HoldingsAsync();
        Assert.Equal((10, 0, 0), (holdings.Held, holdings.Pending, holdings.Void));
        byte[][] batches = [.. _operator.IssuerFront.SeenAt("/token-request").Select(seen => seen.Body).Where((_, i) => i != 1)];
        Assert.Equal(batches[0], batches[^1]);
    }

    [Fact]
    public async Task Size_that_is_no_standard_is_refused()
    {
        await using TacitClient client = await _operator.WalletAsync(_folder.Path, credits: 30);

        Assert.Equal(
            ClientError.InvalidSetting, (await Assert.ThrowsAsync<ClientException>(() => client.Filler.FillAsync("chat", 17, cancellationToken: Token))).Error);
    }

    [Fact]
    public async Task Voucher_whose_answer_was_lost_is_deposited_by_itself_and_once()
    {
        await using TacitClient client = await _operator.WalletAsync(_folder.Path, credits: 0);
        await client.Account.CreateAsync(Token);
        string voucher = await _operator.VoucherAsync(25);
        _operator.IssuerFront.Decide = Once("/account/vouchers", Mishap.LoseReply);

        await Assert.ThrowsAsync<ClientException>(() => client.Account.DepositAsync(voucher, Token));
        await client.Refills.RunOnceAsync(Token);

        Assert.Equal(2, _operator.IssuerFront.SeenAt("/account/vouchers").Count);
        Assert.True((await client.Account.DepositAsync(voucher, Token)).AlreadyDeposited);
        HistoryEntry deposit = Assert.Single(await client.Wallet.GetHistoryAsync(Token), entry => entry.Kind == HistoryKind.Deposited);
        Assert.Equal(25, deposit.Amount);
    }

    [Fact]
    public async Task Foreign_voucher_is_refused_and_forgotten()
    {
        await using TacitClient client = await _operator.WalletAsync(_folder.Path, credits: 1);
        using VoucherCode unknown = VoucherCode.Create();

        foreach (string code in new[] { "mistyped", unknown.ToString() })
        {
            Assert.Equal(ClientError.VoucherRefused, (await Assert.ThrowsAsync<ClientException>(() => client.Account.DepositAsync(code, Token))).Error);
        }
        int before = _operator.IssuerFront.SeenAt("/account/vouchers").Count;
        await client.Refills.RunOnceAsync(Token);

        Assert.Equal(before, _operator.IssuerFront.SeenAt("/account/vouchers").Count);
    }

    [Fact]
    public async Task Issuer_that_signs_wrongly_is_caught_and_nothing_is_held()
    {
        await using TacitClient client = await _operator.WalletAsync(_folder.Path, credits: 30);
        _operator.IssuerFront.Impersonate = async (context, seen) =>
        {
            if (seen.Path != "/token-request")
            {
                return false;
            }
            Assert.True(GenericBatchRequest.TryParse(seen.Body, out GenericBatchRequest? batch));
            byte[] wrong = new byte[256];
            wrong[255] = 2;
            context.Response.ContentType = MediaTypes.GenericBatchResponse;
            await context.Response.BodyWriter.WriteAsync(
                GenericBatchResponse.Create([.. batch.Requests.Select(request => new BatchTokenResponse(request.Type, wrong))]).Encode(), Token);
            return true;
        };

        ClientException error = await Assert.ThrowsAsync<ClientException>(() => client.Filler.FillAsync("chat", 10, cancellationToken: Token));

        Assert.Equal(ClientError.IssuerMisbehaved, error.Error);
        Assert.Equal((0, 10), (await client.HoldingsAsync()) is var holdings ? (holdings.Held, holdings.Pending) : default);
    }

    [Fact]
    public async Task Words_of_an_issuer_reach_no_terminal_as_commands()
    {
        await using TacitClient client = await _operator.WalletAsync(_folder.Path, credits: 30);
        _operator.IssuerFront.Impersonate = async (context, _) =>
        {
            context.Response.StatusCode = 503;
            await context.Response.WriteAsync("{\"type\":\"urn:tacit:problem:busy\",\"detail\":\"\\u001b[31mred\\nnext line\"}", Token);
            return true;
        };

        ClientException error = await Assert.ThrowsAsync<ClientException>(() => client.Account.GetAsync(Token));

        Assert.DoesNotContain(error.Message, char.IsControl);
        Assert.Contains("red", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Plan_with_public_metadata_is_bought_and_spent()
    {
        Assert.SkipUnless(TestSigner.HasPartiallyBlindKey, "the published vectors, which hold a key of safe primes, are not here");
        await using TestOperator system = await TestOperator.StartAsync(plans: [TestOperator.ChatLarge]);
        await using TacitClient client = await system.WalletAsync(_folder["large"], credits: 40, tokens: 5);

        (int status, _, PromptReply reply) = await client.Redemption.AnswerAsync(Prompts.Ask("Large."), Token);

        Assert.Equal((200, "chat-large"), (status, reply.Plan));
        string header = system.GatewayFront.SeenAt("/v1/chat/completions").Single().Headers["Authorization"];
        Assert.True(PrivateTokenHeader.TryParseAuthorization(header, out PrivateTokenCredentials? credentials));
        Assert.True(Protocol.Token.TryParse(credentials.Token, out Protocol.Token? token));
        byte[] spki = (await client.Directory.CurrentAsync(Token)).FindTokenKey(token.TokenKeyId)!.SubjectPublicKeyInfo.ToArray();
        Assert.True(TokenPublicKey.TryImport(TokenType.PartiallyBlindRsa, spki, credentials.Extensions, out TokenPublicKey? key));
        BatchVerdict[] verdicts = new BatchVerdict[1];
        new TokenBatchVerifier(key).Verify([new SaltedToken(token, credentials.Salt)], verdicts);
        Assert.Equal(BatchVerdict.Valid, verdicts[0]);
        Assert.Equal((4, 1), (await client.HoldingsAsync("chat-large")) is var holdings ? (holdings.Held, holdings.Spent) : default);
        Assert.Equal(20, (await client.Account.GetAsync(Token)).Credits);
    }

    internal static Func<Passing, Mishap> Once(string path, Mishap mishap)
    {
        int left = 1;
        return seen => seen.Path == path && Interlocked.Exchange(ref left, 0) == 1 ? mishap : Mishap.None;
    }
}
