using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Client.Tests.Support;
using Tacit.Protocol;

namespace Tacit.Client.Tests;

/// <summary>
/// The chain survives the loss of any single message and <c>kill -9</c> at every step. The steps are <see cref="ChainStep"/>, counted and not sampled: each way
/// that a request can go is first walked undisturbed, which tells the steps on it, and then once for each of them with the disturbance there. One and the same
/// chain goes through all of it.
/// </summary>
public sealed class ChainStepTests : IAsyncLifetime
{
    private const string Prompt = "/v1/chat/completions";

    private readonly TestFolder _folder = new();
    private TestOperator _operator = null!;
    private int _copies;
    private int _prompts;
    private Action<ChainStep>? _note;
    private Way? _way;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>What a message's loss can look like to the client.</summary>
    private static readonly Dictionary<ChainStep, Mishap[]> s_losses = new()
    {
        [ChainStep.PurchaseSent] = [Mishap.LoseRequest, Mishap.Twice],
        [ChainStep.PurchaseAnswered] = [Mishap.LoseReply, Mishap.CutReply, Mishap.ForeignError],
        [ChainStep.PromptSent] = [Mishap.LoseRequest, Mishap.Twice],
        [ChainStep.PromptAnswered] = [Mishap.LoseReply, Mishap.CutReply, Mishap.CutTrailer, Mishap.StripTrailer, Mishap.ForeignError],
        [ChainStep.RenewalRequested] = [Mishap.LoseRequest],
        [ChainStep.RenewalSigned] = [Mishap.LoseReply],
        [ChainStep.CancelSent] = [Mishap.LoseRequest, Mishap.Twice],
        [ChainStep.CancelAnswered] = [Mishap.LoseReply, Mishap.ForeignError],
        [ChainStep.ExchangeSent] = [Mishap.LoseRequest, Mishap.Twice],
        [ChainStep.ExchangeAnswered] = [Mishap.LoseReply, Mishap.CutReply, Mishap.ForeignError],
    };

    private enum Way
    {
        /// <summary>The reply is read to its end.</summary>
        Read,

        /// <summary>The same, and something strips the trailer, so that the exchange brings the next link.</summary>
        ReadWithoutTrailer,

        /// <summary>The reply is cancelled.</summary>
        Cancelled,
    }

    public async ValueTask InitializeAsync()
    {
        Assert.SkipUnless(TestSigner.HasPartiallyBlindKey, "the published vectors, which hold a key of safe primes, are not here");
        _operator = await TestOperator.StartAsync(plans: [TestOperator.Pro]);
    }

    public async ValueTask DisposeAsync()
    {
        if (_operator is not null)
        {
            await _operator.DisposeAsync();
        }
        _folder.Dispose();
    }

    [Fact]
    public async Task Every_step_is_on_one_of_the_ways_and_every_message_can_be_lost()
    {
        HashSet<ChainStep> seen = [];
        await using (TacitClient client = await _operator.WalletAsync(_folder["wallet"], credits: 10))
        {
            seen.UnionWith(await TraceAsync(client, () => client.Filler.SubscribeAsync("pro", cancellationToken: Token)));
            foreach (Way way in Enum.GetValues<Way>())
            {
                seen.UnionWith(await TraceAsync(client, () => WalkAsync(client, way, NextPrompt())));
            }
        }

        // The end of a chain is a way of its own, below.
        Assert.Equal(Enum.GetValues<ChainStep>().Except([ChainStep.ChainEnded]).ToHashSet(), seen);
        Assert.Equal(seen.Where(IsMessage).Order(), s_losses.Keys.Order());
    }

    [Fact]
    public async Task Chain_survives_the_loss_of_any_single_message()
    {
        await using TacitClient client = await SubscribedAsync("wallet");
        foreach (Way way in Enum.GetValues<Way>())
        {
            HashSet<ChainStep> steps = await TraceAsync(client, () => WalkAsync(client, way, NextPrompt()));
            foreach (ChainStep step in steps.Where(IsMessage))
            {
                foreach (Mishap loss in s_losses[step])
                {
                    string what = $"{way}, {loss} at {step}";
                    byte[] prompt = NextPrompt();
                    int happened = 0;
                    Arm(client, (at, usual) => at == step && Interlocked.Increment(ref happened) == 1 ? loss : usual, way);
                    // An error, if the caller sees one; the request is not answered twice by it.
                    await Record.ExceptionAsync(() => WalkAsync(client, way, prompt));
                    await UntilAsync(() => Volatile.Read(ref happened) > 0);
                    Assert.True(happened > 0, $"{what}: nothing was lost");
                    await EndsWellAsync(client, prompt, what);
                }
            }
        }
        Assert.Equal(0, (await client.Account.GetAsync(Token)).Credits);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Chain_survives_a_kill_at_every_step(bool sameFirst)
    {
        TacitClient? client = await SubscribedAsync("wallet");
        string folder = _folder["wallet"];
        try
        {
            foreach (Way way in Enum.GetValues<Way>())
            {
                HashSet<ChainStep> steps = await TraceAsync(client, () => WalkAsync(client, way, NextPrompt()));
                foreach (ChainStep step in steps)
                {
                    foreach (Mishap loss in KillsAt(step))
                    {
                        string what = $"{way}, killed at {step} ({loss}), {(sameFirst ? "the same" : "another")} prompt first";
                        byte[] prompt = NextPrompt();
                        string survivor = _folder[$"copy-{++_copies}"];
                        TacitClient victim = client;
                        client = null;
                        await KillAsync(victim, folder, survivor, step, loss, way, () => WalkAsync(victim, way, prompt));
                        Assert.True(Directory.Exists(survivor), $"{what}: the step was not reached");

                        (client, folder) = (await OpenAsync(survivor), survivor);
                        if (!sameFirst)
                        {
                            await WalkAsync(client, Way.Read, NextPrompt());
                        }
                        await EndsWellAsync(client, prompt, what);
                    }
                }
            }
            Assert.Equal(0, (await client.Account.GetAsync(Token)).Credits);
        }
        finally
        {
            await (client?.DisposeAsync() ?? ValueTask.CompletedTask);
        }
    }

    [Fact]
    public async Task Purchase_survives_loss_and_kill_at_every_step_and_is_paid_once()
    {
        ChainStep[] steps = [ChainStep.HeadReserved, ChainStep.HeadRequested, ChainStep.PurchaseSent, ChainStep.PurchaseAnswered, ChainStep.HeadHeld];
        foreach (ChainStep step in steps)
        {
            foreach (Mishap loss in IsMessage(step) ? s_losses[step] : KillsAt(step))
            {
                foreach (bool killed in new[] { false, true })
                {
                    string what = $"{loss} at {step}, {(killed ? "killed" : "alive")}";
                    string name = $"purchase-{++_copies}";
                    _operator.IssuerFront.Seen.Clear();
                    TacitClient client = await _operator.WalletAsync(_folder[name], credits: 10);
                    string survivor = _folder[name + "-copy"];
                    if (killed)
                    {
                        await KillAsync(client, _folder[name], survivor, step, loss, Way.Read, () => client.Filler.SubscribeAsync("pro", cancellationToken: Token));
                        client = await OpenAsync(survivor);
                    }
                    else
                    {
                        int happened = 0;
                        Arm(client, (at, usual) => at == step && Interlocked.Increment(ref happened) == 1 ? loss : usual, Way.Read);
                        await Record.ExceptionAsync(() => client.Filler.SubscribeAsync("pro", cancellationToken: Token));
                        Disarm(client);
                    }
                    await client.Filler.SubscribeAsync("pro", cancellationToken: Token);
                    byte[] prompt = NextPrompt();
                    await EndsWellAsync(client, prompt, what);
                    Assert.True(0 == (await client.Account.GetAsync(Token)).Credits, what);
                    // However often it was sent, it was one request: the restart is still there.
                    Assert.True(1 == _operator.IssuerFront.SeenAt("/token-request").Select(seen => Convert.ToHexString(seen.Body)).Distinct().Count(), what);
                    await client.DisposeAsync();
                }
            }
        }
    }

    [Fact]
    public async Task Chain_that_was_lost_stays_lost_over_a_kill()
    {
        await using TacitClient other = await SubscribedAsync("other");
        Crash.Snapshot(_folder["other"], _folder["wallet"]);
        TacitClient client = await OpenAsync(_folder["wallet"]);
        await WalkAsync(other, Way.Read, NextPrompt());
        await KillAsync(client, _folder["wallet"], _folder["copy"], ChainStep.ChainEnded, Mishap.None, Way.Read, () => WalkAsync(client, Way.Read, NextPrompt()));

        await using TacitClient reopened = await OpenAsync(_folder["copy"]);
        Assert.Equal((0, 0, 1), (await reopened.SettledChainsAsync()) is var chains ? (chains.Ready, chains.Busy, chains.Lost) : default);
        Assert.Equal(ClientError.WalletEmpty, (await Assert.ThrowsAsync<ClientException>(() => WalkAsync(reopened, Way.Read, NextPrompt()))).Error);
        await EndsWellAsync(other, NextPrompt(), "the other one");
    }

    /// <summary>The steps of a way, undisturbed.</summary>
    private async Task<HashSet<ChainStep>> TraceAsync(TacitClient client, Func<Task> walk)
    {
        HashSet<ChainStep> steps = [];
        _note = step =>
        {
            lock (steps)
            {
                steps.Add(step);
            }
        };
        Arm(client, (_, usual) => usual, null);
        await walk();
        await SettleAsync(client);
        _note = null;
        Disarm(client);
        lock (steps)
        {
            return [.. steps];
        }
    }

    /// <summary>Calls <paramref name="fate"/> at every step; what it says happens to a message.</summary>
    private void Arm(TacitClient client, Func<ChainStep, Mishap, Mishap> fate, Way? way)
    {
        _way = way;
        client.Wallet.Journal.StepTaken = step => Reach(step, Mishap.None);
        _operator.IssuerFront.Decide = passing => passing.Path == Routes.TokenRequest ? Pass(ChainStep.PurchaseSent, ChainStep.PurchaseAnswered, Mishap.None) : Mishap.None;
        _operator.GatewayFront.Decide = passing => passing.Path switch
        {
            Prompt => Pass(ChainStep.PromptSent, ChainStep.PromptAnswered, _way == Way.ReadWithoutTrailer ? Mishap.StripTrailer : Mishap.None),
            Routes.Cancel => Pass(ChainStep.CancelSent, ChainStep.CancelAnswered, Mishap.None),
            Routes.Exchange => Pass(ChainStep.ExchangeSent, ChainStep.ExchangeAnswered, Mishap.None),
            _ => Mishap.None,
        };
        _operator.Signer.Fate = purpose => purpose != SigningPurpose.Renewal
            ? (true, true)
            : (Reach(ChainStep.RenewalRequested, Mishap.None), Reach(ChainStep.RenewalSigned, Mishap.None)) switch
            {
                (Mishap.LoseRequest, _) => (false, false),
                (_, Mishap.LoseReply) => (true, false),
                _ => (true, true),
            };

        Mishap Pass(ChainStep sent, ChainStep answered, Mishap usual)
        {
            Mishap first = Reach(sent, usual);
            return first != usual ? first : Reach(answered, usual);
        }

        Mishap Reach(ChainStep step, Mishap usual)
        {
            _note?.Invoke(step);
            return fate(step, usual);
        }
    }

    private void Disarm(TacitClient? client)
    {
        if (client is not null)
        {
            client.Wallet.Journal.StepTaken = null;
        }
        _operator.IssuerFront.Decide = _ => Mishap.None;
        _operator.GatewayFront.Decide = _ => Mishap.None;
        _operator.Signer.Fate = _ => (true, true);
    }

    /// <summary>Where a kill falls: for a message, before it arrives or before its answer does; for a transition, just after it.</summary>
    private static Mishap[] KillsAt(ChainStep step) => step switch
    {
        ChainStep.PurchaseSent or ChainStep.PromptSent or ChainStep.CancelSent or ChainStep.ExchangeSent or ChainStep.RenewalRequested => [Mishap.LoseRequest],
        ChainStep.PromptAnswered => [Mishap.LoseReply, Mishap.CutReply, Mishap.CutTrailer],
        ChainStep.PurchaseAnswered or ChainStep.CancelAnswered or ChainStep.ExchangeAnswered or ChainStep.RenewalSigned => [Mishap.LoseReply],
        _ => [Mishap.None],
    };

    private static bool IsMessage(ChainStep step) => KillsAt(step)[0] != Mishap.None;

    /// <summary>What is on the disk at that step is kept; of what the dead one still sends, nothing arrives.</summary>
    private async Task KillAsync(TacitClient client, string folder, string survivor, ChainStep step, Mishap loss, Way way, Func<Task> walk)
    {
        bool dead = false;
        Lock gate = new();
        Arm(
            client,
            (at, usual) =>
            {
                lock (gate)
                {
                    if (dead)
                    {
                        return at is ChainStep.RenewalRequested or ChainStep.RenewalSigned ? usual : Mishap.LoseRequest;
                    }
                    if (at != step)
                    {
                        return usual;
                    }
                    Crash.Snapshot(folder, survivor);
                    Volatile.Write(ref dead, true);
                    return loss;
                }
            },
            way);
        await Record.ExceptionAsync(walk);
        await UntilAsync(() => Volatile.Read(ref dead));
        await client.DisposeAsync();
        Disarm(null);
    }

    private async Task WalkAsync(TacitClient client, Way way, byte[] prompt)
    {
        _way = way;
        await using PromptReply reply = await client.Redemption.SendAsync(new PromptRequest(PromptOperation.ChatCompletions, prompt), Token);
        Assert.Equal(200, reply.Status);
        if (way == Way.Cancelled)
        {
            await reply.CancelAsync();
            return;
        }
        string text = await reply.ReadAllAsync();
        Assert.Contains("[DONE]", text, StringComparison.Ordinal);
        await reply.CompleteAsync(Token);
    }

    private static async Task SettleAsync(TacitClient client)
    {
        for (int i = 0; (await client.RowsAsync()).Requests > 0 && i < 12_000; i++)
        {
            await Task.Delay(10);
        }
        await client.SettledChainsAsync();
    }

    /// <summary>The prompt can be asked again and so can another; then there is one head and nothing else, and no token was answered twice.</summary>
    private async Task EndsWellAsync(TacitClient client, byte[] prompt, string what)
    {
        Disarm(client);
        try
        {
            await WalkAsync(client, Way.Read, prompt);
            await WalkAsync(client, Way.Read, NextPrompt());
        }
        catch (ClientException e)
        {
            Assert.Fail($"{what}: {e.Error} {e.Message}");
        }
        await SettleAsync(client);
        SubscriptionHoldings chains = await client.ChainsAsync();
        Assert.True((chains.Ready, chains.Busy, chains.Pending, chains.Lost, chains.Refused) == (1, 0, 0, 0, 0), $"{what}: {chains}");
        Assert.True(await client.RowsAsync() == (1, 0), $"{what}: {await client.RowsAsync()}");
        foreach (IGrouping<string, Passing> token in _operator.GatewayFront.SeenAt(Prompt)
            .Where(seen => seen.Answer?.Status == 200).GroupBy(seen => seen.Headers["Authorization"]))
        {
            Assert.True(token.Select(seen => Convert.ToHexString(seen.Body)).Distinct().Count() == 1, $"{what}: one token was answered twice");
        }
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        for (int i = 0; !condition() && i < 12_000; i++)
        {
            await Task.Delay(10);
        }
    }

    private byte[] NextPrompt() => Prompts.Chat($"Prompt {++_prompts}", stream: true);

    private async Task<TacitClient> SubscribedAsync(string name)
    {
        TacitClient client = await _operator.WalletAsync(_folder[name], credits: 10);
        await client.Filler.SubscribeAsync("pro", cancellationToken: Token);
        return client;
    }

    private Task<TacitClient> OpenAsync(string folder) => TacitClient.OpenAsync(_operator.OptionsFor(folder), TimeProvider.System, NullLoggerFactory.Instance, Token);
}
