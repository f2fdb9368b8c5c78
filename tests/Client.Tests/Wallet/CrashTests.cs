using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Client.Conversations;
using Tacit.Client.Policy;
using Tacit.Client.Tests.Support;

namespace Tacit.Client.Tests;

/// <summary>
/// <c>kill -9</c> at every step: what is on the disk at that moment is opened again, and what was bought is still all there, once. The steps are counted, not
/// sampled: every request that leaves (crash before it arrives, and after it was answered), and every transition of the journal.
/// </summary>
public sealed class CrashTests : IAsyncLifetime
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

    [Fact]
    public async Task Buying_survives_a_crash_at_every_request()
    {
        await using (TacitClient undisturbed = await _operator.WalletAsync(_folder["undisturbed"], credits: 0))
        {
            _operator.IssuerFront.Seen.Clear();
            await BuyAsync(undisturbed, await _operator.VoucherAsync(10));
        }
        string[] steps = [.. _operator.IssuerFront.Seen.Select(seen => $"{seen.Method} {seen.Path}")];
        Assert.Equal(
            ["POST /account", "POST /account/vouchers", "GET /.well-known/private-token-issuer-directory", "GET /account", "POST /token-request"], steps);
        for (int step = 0; step < steps.Length; step++)
        {
            foreach (Mishap mishap in new[] { Mishap.LoseRequest, Mishap.LoseReply })
            {
                string name = $"{step}-{mishap}";
                string voucher = await _operator.VoucherAsync(10);
                string survivor = await CrashAtAsync(_operator.IssuerFront, step, mishap, name, client => BuyAsync(client, voucher));

                await using TacitClient reopened = await OpenAsync(survivor);
                await BuyAsync(reopened, voucher);

                Assert.Equal((10, 0, name), (await reopened.HoldingsAsync()) is var holdings ? (holdings.Held, holdings.Pending, name) : default);
                Assert.Equal(0, (await reopened.Account.GetAsync(Token)).Credits);
            }
        }
    }

    [Theory]
    [InlineData(Mishap.LoseRequest)]
    [InlineData(Mishap.LoseReply)]
    [InlineData(Mishap.CutReply)]
    public async Task Prompt_survives_a_crash_and_is_answered_with_the_same_token(Mishap mishap)
    {
        string survivor = await CrashAtAsync(
            _operator.GatewayFront, 0, mishap, "prompt", client => client.Redemption.AnswerAsync(Prompts.Ask("Remember me."), Token),
            await _operator.WalletAsync(_folder["prompt"], credits: 10, tokens: 10));

        await using TacitClient reopened = await OpenAsync(survivor);
        PendingPrompt pending = Assert.Single(await reopened.Redemption.GetPendingAsync(Token));
        await using (PromptReply reply = (await reopened.Redemption.ResumeAsync(pending.Id, Token))!)
        {
            Assert.Equal(200, reply.Status);
            Assert.Contains("choices", await reply.ReadAllAsync(), StringComparison.Ordinal);
            await reply.CompleteAsync(Token);
        }

        Assert.Equal((9, 1, 0), (await reopened.HoldingsAsync()) is var holdings ? (holdings.Held, holdings.Spent, holdings.Presented) : default);
        Assert.Single(_operator.GatewayFront.SeenAt("/v1/chat/completions").Select(seen => seen.Headers["Authorization"]).Distinct());
        Assert.Empty(await reopened.Redemption.GetPendingAsync(Token));
    }

    [Fact]
    public async Task Prompt_that_is_given_up_after_a_crash_ends_in_an_exchange_or_spent()
    {
        foreach (Mishap mishap in new[] { Mishap.LoseRequest, Mishap.LoseReply })
        {
            string survivor = await CrashAtAsync(
                _operator.GatewayFront, 0, mishap, "given-up" + mishap, client => client.Redemption.AnswerAsync(Prompts.Ask("Forget me."), Token),
                await _operator.WalletAsync(_folder["given-up" + mishap], credits: 10, tokens: 10));

            await using TacitClient reopened = await OpenAsync(survivor, options => options with { Redemption = options.Redemption with { ResumeWindow = TimeSpan.Zero } });
            Assert.Equal(1, await reopened.Redemption.GiveUpStaleAsync(Token));
            Assert.Equal(1, (await reopened.HoldingsAsync()).Unknown);
            await reopened.Refills.RunOnceAsync(Token);

            PlanHoldings holdings = await reopened.HoldingsAsync();
            // Nothing arrived: the exchange gave a fresh token for the old one. It had arrived: the token is spent, as it should be.
            Assert.Equal(mishap == Mishap.LoseRequest ? (10, 1, 0) : (9, 1, 0), (holdings.Held, holdings.Spent, holdings.Unknown));
        }
    }

    [Fact]
    public async Task Issuance_survives_a_crash_after_every_transition()
    {
        await using TacitClient bought = await _operator.WalletAsync(_folder["seed"], credits: 10);
        await bought.Directory.GetAsync(Token);
        for (int transitions = 0; transitions <= 2; transitions++)
        {
            string folder = _folder["transition" + transitions];
            await using TacitClient client = await _operator.WalletAsync(_folder["live" + transitions], credits: 10);
            await PrepareAsync(client, transitions);
            Crash.Snapshot(_folder["live" + transitions], folder);

            await using TacitClient reopened = await OpenAsync(folder);
            if (transitions == 2)
            {
                Assert.Equal(10, await reopened.Filler.ResumeAsync(Token));
            }
            else
            {
                await reopened.Filler.FillAsync("chat", 10, cancellationToken: Token);
            }

            PlanHoldings holdings = await reopened.HoldingsAsync();
            Assert.Equal((10, 0), (holdings.Held, holdings.Pending));
            Assert.Equal(0, (await reopened.Account.GetAsync(Token)).Credits);
        }
    }

    /// <summary>The first so many transitions of a purchase, and then nothing: 1 reserved, 2 requested.</summary>
    private static async Task PrepareAsync(TacitClient client, int transitions)
    {
        WalletJournal journal = client.Wallet.Journal;
        var directory = await client.Directory.CurrentAsync(Token);
        TokenSeries series = SeriesCatalog.Newest(
            directory, SeriesCatalog.Gateway(directory, null), "chat", Protocol.TokenNamespace.AccountIssued, TimeProvider.System.GetUtcNow());
        if (transitions >= 1)
        {
            TokenBatch batch = await journal.ReserveAsync(series, 10, null, Token);
            if (transitions >= 2)
            {
                using BlindedBatch blinded = await BlindedBatch.CreateAsync(batch, client.Wallet.Keys, Token);
                await journal.RequestAsync(batch, blinded.Hashes, Token);
            }
        }
    }

    [Fact]
    public async Task Prompt_that_crashed_before_anything_left_is_answered_later()
    {
        string live = _folder["live"];
        await using TacitClient client = await _operator.WalletAsync(live, credits: 10, tokens: 10);
        byte[] body = Prompts.Chat("Never sent.");
        WalletJournal journal = client.Wallet.Journal;
        var conversation = new ConversationId(new byte[32]);
        OpenRequest? open = await journal.PresentAsync(
            new byte[16], new TokenWish("issuer.test", TestOperator.GatewayName, ["chat"], TimeProvider.System.GetUtcNow(), true, new WalletPolicy(new FillOptions(), true)), conversation,
            PromptOperation.ChatCompletions, client.Wallet.Keys.RequestTag(PromptOperation.ChatCompletions, [], body), body, Token);
        Assert.NotNull(open);
        Crash.Snapshot(live, _folder["copy"]);

        await using TacitClient reopened = await OpenAsync(_folder["copy"]);
        (int status, _, PromptReply reply) = await reopened.Redemption.AnswerAsync(new PromptRequest(PromptOperation.ChatCompletions, body), Token);

        Assert.Equal((200, true), (status, reply.IsRepetition));
        Assert.Equal((9, 1), (await reopened.HoldingsAsync()) is var holdings ? (holdings.Held, holdings.Spent) : default);
    }

    private async Task<string> CrashAtAsync(Interposer front, int step, Mishap mishap, string name, Func<TacitClient, Task> work, TacitClient? given = null)
    {
        string live = _folder[given is null ? "live-" + name : name];
        string copy = _folder["copy-" + name];
        front.Seen.Clear();
        int passed = 0;
        bool crashed = false;
        front.Decide = _ =>
        {
            if (Interlocked.Increment(ref passed) - 1 != step)
            {
                return crashed ? Mishap.LoseRequest : Mishap.None;
            }
            // The request has left the client, which waits for the answer: its disk is at rest.
            Crash.Snapshot(live, copy);
            crashed = true;
            return mishap;
        };
        await using (TacitClient client = given ?? await TacitClient.CreateAsync(
            _operator.OptionsFor(live) with { Redemption = _operator.OptionsFor(live).Redemption with { MaxReconnects = 0 } },
            null, TimeProvider.System, NullLoggerFactory.Instance, Token))
        {
            await Record.ExceptionAsync(() => work(client));
        }
        front.Decide = _ => Mishap.None;
        return copy;
    }

    private static async Task BuyAsync(TacitClient client, string voucher)
    {
        if (!await client.Account.ExistsAsync(Token))
        {
            await client.Account.CreateAsync(Token);
        }
        await client.Account.DepositAsync(voucher, Token);
        if (await client.Filler.ResumeAsync(Token) == 0)
        {
            await client.Filler.FillAsync("chat", 10, cancellationToken: Token);
        }
    }

    private Task<TacitClient> OpenAsync(string folder, Func<ClientOptions, ClientOptions>? change = null) =>
        TacitClient.OpenAsync((change ?? (same => same))(_operator.OptionsFor(folder)), TimeProvider.System, NullLoggerFactory.Instance, Token);
}
