using Tacit.Client;
using Tacit.EndToEnd.Support;
using Tacit.Protocol;

namespace Tacit.EndToEnd;

/// <summary>
/// The one-more-forgery game on chains: who paid for a subscription of two chains holds two live tokens, or three with the restart, and no more at any time,
/// whatever is sent to issuer and gateway in whatever order.
/// </summary>
public sealed class ChainForgeryTests : IAsyncLifetime
{
    private const string Plan = "monthly";
    private const long Deposited = 350;

    private WholeSystem _system = null!;
    private TacitClient _client = null!;
    private Attacker _attacker = null!;

    public async ValueTask InitializeAsync()
    {
        _system = await WholeSystem.StartAsync([WholeSystem.Chat, WholeSystem.ChatLarge, WholeSystem.Monthly]);
        _client = await _system.ClientAsync("attacker", Deposited);
        _attacker = await Attacker.StartAsync(_system, await _client.Account.RevealKeyAsync());
    }

    public async ValueTask DisposeAsync()
    {
        _attacker.Dispose();
        await _client.DisposeAsync();
        await _system.DisposeAsync();
    }

    [Fact]
    public async Task Issuer_starts_as_many_chains_as_were_paid_and_one_more()
    {
        TokenIssuance[] issuances = [.. Enumerable.Range(0, 12).Select(_ => _attacker.Begin(Plan))];
        IReadOnlyList<BatchTokenResponse?>?[] answers = await Task.WhenAll(issuances.Select(issuance => _attacker.RequestAsync([issuance.Request])));
        int started = answers.Count(answer => answer is not null);
        Assert.Equal(WholeSystem.Monthly.Concurrency + 1, started);
        Assert.Null(await _attacker.RequestAsync([.. issuances.Select(issuance => issuance.Request)]));
        IReadOnlyList<BatchTokenResponse?>? restored = await _attacker.RequestAsync([.. issuances.Select(issuance => issuance.Request)], Routes.TokenRestore);
        Assert.Equal(started, restored!.Count(response => response is not null));
        Assert.Equal(Deposited - 100, (await _client.Account.GetAsync()).Credits);
    }

    [Fact]
    public async Task A_chain_token_never_yields_two_live_tokens()
    {
        Token token = (await _attacker.BuyAsync(Plan, 1))[0];
        for (int link = 0; link < 4; link++)
        {
            // Prompts and exchanges at once, each with a successor of its own: one is bound, and it alone gets anything.
            TokenIssuance[] successors = [.. Enumerable.Range(0, 12).Select(_ => _attacker.Begin(Plan))];
            (int Status, Token? Next)[] results = await Task.WhenAll(successors.Select(async (successor, i) =>
            {
                if (i % 3 != link % 3)
                {
                    return await _attacker.ChainAsync(token, Plan, successor);
                }

                byte[]? signature = await _attacker.RenewAsync(token, Plan, successor.Request);
                return (signature is null ? 409 : 201, signature is not null && successor.TryFinalize(signature, out Token? made) ? made : null);
            }));
            Assert.True(results.Count(result => result.Status is 200 or 201) <= 1, "two prompts were answered, or one answered and another exchanged");
            Token next = Assert.Single(results, result => result.Next is not null).Next!;

            // Whoever comes later with another successor gets nothing, by whatever door.
            TokenIssuance late = _attacker.Begin(Plan);
            Assert.Null(await _attacker.RenewAsync(token, Plan, late.Request));
            Assert.Equal((409, null), await _attacker.ChainAsync(token, Plan, late));
            Assert.Equal(400, await _attacker.RedeemAsync(token, Plan));
            token = next;
        }

        Assert.True(_attacker.Answered <= 4);
    }

    [Fact]
    public async Task A_chain_token_is_exchanged_into_nothing_but_its_own_chain()
    {
        List<Token> tokens = await _attacker.BuyAsync(Plan, 2);
        foreach (string other in (string[])["chat", "chat-large"])
        {
            TokenIssuance foreign = _attacker.Begin(other);
            Assert.Null(await _attacker.RenewAsync(tokens[0], Plan, foreign.Request));
            Assert.Equal((400, null), await _attacker.ChainAsync(tokens[0], Plan, foreign));
        }

        // A token of single requests becomes no chain, and none of a chain a token of single requests.
        Token single = (await _attacker.BuyAsync("chat-large", 1))[0];
        Assert.Null(await _attacker.RenewAsync(single, "chat-large", _attacker.Begin(Plan).Request));
        Assert.Equal((400, null), await _attacker.ChainAsync(single, "chat-large", _attacker.Begin(Plan)));
        Assert.Null(await _attacker.RenewAsync(tokens[0], Plan, _attacker.Begin(Plan).Request, _attacker.ExtensionsOf("chat-large")));
        Assert.Equal(200, await _attacker.RedeemAsync(single, "chat-large"));

        // Two tokens, one successor: the second is bound to it too and gets the same signature, which is one token.
        TokenIssuance shared = _attacker.Begin(Plan);
        byte[]? first = await _attacker.RenewAsync(tokens[0], Plan, shared.Request);
        byte[]? second = await _attacker.RenewAsync(tokens[1], Plan, shared.Request);
        Assert.NotNull(first);
        Assert.Equal(first, second);
        Assert.True(shared.TryFinalize(first, out Token? only));
        Assert.Equal(200, (await _attacker.ChainAsync(only, Plan, _attacker.Begin(Plan))).Status);
        Assert.Equal(409, (await _attacker.ChainAsync(only, Plan, _attacker.Begin(Plan))).Status);
        Assert.Equal(2, _attacker.Answered);
    }
}
