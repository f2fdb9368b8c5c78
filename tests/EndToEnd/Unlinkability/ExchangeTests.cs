using System.Text;
using System.Text.Json;
using Tacit.Client;
using Tacit.Client.Tests.Support;
using Tacit.EndToEnd.Support;
using Tacit.Protocol;

namespace Tacit.EndToEnd.Unlinkability;

/// <summary>An exchange shows the gateway a token and a blinded element at once: what it must not show is which tokens have one owner or one batch.</summary>
public sealed class ExchangeTests
{
    private static readonly Plan s_daily = WholeSystem.Chat with { Period = PeriodKind.Day };

    [Fact]
    public async Task A_restored_wallet_asks_for_no_successor_with_two_tokens_and_gets_its_own_again()
    {
        var time = new ShiftedTime();
        await using WholeSystem system = await WholeSystem.StartAsync([s_daily], time: time);
        await using Interposer issuer = await Interposer.StartAsync(system.Issuer.Address);
        await using Interposer gateway = await Interposer.StartAsync(system.Gateway.Address);
        TacitClient client = await ClientAsync(system, "first", null, time, issuer, gateway);
        string account = await client.Account.CreateAsync();
        await client.Account.DepositAsync(await system.VoucherAsync(10));
        await client.Filler.FillAsync("chat", 10);
        string seed = client.Wallet.RevealSeed();
        for (int i = 0; i < 5; i++)
        {
            Assert.Equal(200, await AskAsync(client, i));
        }

        await time.EnterOverlapAsync(system, issuer, gateway);
        await client.Refills.RunOnceAsync();
        await client.DisposeAsync();
        Assert.Equal(5, Exchanges(gateway).Count);

        // The same seed, its journal lost. It cannot know which of the ten were used, so it tries to exchange them all.
        await using TacitClient restored = await ClientAsync(system, "second", seed, time, issuer, gateway);
        await restored.Account.ImportAsync(account);
        Assert.Equal(10, await restored.Filler.RestoreAsync());
        await restored.Refills.RunOnceAsync();

        Assert.Equal(15, Exchanges(gateway).Count);
        Assert.All(Exchanges(gateway).GroupBy(exchange => exchange.Successor), same => Assert.Single(same.Select(exchange => exchange.Token).Distinct()));
        PlanHoldings holdings = Assert.Single((await restored.Wallet.GetStatusAsync()).Plans);
        Assert.Equal((0, 5), (holdings.Held, holdings.Unknown));
        for (int i = 0; i < 5; i++)
        {
            Assert.Equal(200, await AskAsync(restored, 5 + i));
        }
    }

    [Fact]
    public async Task Tokens_of_a_batch_are_exchanged_in_an_order_that_is_not_the_batchs()
    {
        var time = new ShiftedTime();
        await using WholeSystem system = await WholeSystem.StartAsync([s_daily], time: time);
        await using Interposer issuer = await Interposer.StartAsync(system.Issuer.Address);
        await using Interposer gateway = await Interposer.StartAsync(system.Gateway.Address);
        await using TacitClient client = await ClientAsync(system, "user", null, time, issuer, gateway);
        await client.Account.CreateAsync();
        await client.Account.DepositAsync(await system.VoucherAsync(50));
        await client.Filler.FillAsync("chat", 50);
        await time.EnterOverlapAsync(system, issuer, gateway);
        await client.Refills.RunOnceAsync();

        // The wallet's own word for what the issuer knows: the place in the batch.
        Dictionary<string, long> places = [];
        using WalletSeed seed = WalletSeed.TryParse(client.Wallet.RevealSeed(), out WalletSeed? parsed) ? parsed : throw new InvalidOperationException();
        TokenSeries series = (await client.Wallet.Journal.CountAsync(default)).First(count => count.Series.Namespace == TokenNamespace.AccountIssued).Series;
        for (long index = 0; index < 50; index++)
        {
            byte[] nonce = new byte[Token.NonceSizeInBytes];
            WalletDerivation.Derive(
                seed.Bytes,
                new TokenContext
                {
                    IssuerName = series.Issuer, Type = series.Type, TokenKeyId = series.KeyId, ChallengeDigest = series.ChallengeDigest,
                    Namespace = TokenNamespace.AccountIssued, Index = index,
                },
                new byte[TokenSecrets.BlindingSeedSizeInBytes], nonce);
            places.Add(Convert.ToHexString(nonce), index);
        }

        List<long> order = [];
        foreach (ExchangeRequest exchange in Exchanges(gateway))
        {
            Assert.True(exchange.TryDecode(out byte[]? encoded, out _, out _));
            Assert.True(Token.TryParse(encoded, out Token? token));
            order.Add(places[Convert.ToHexString(token.Nonce)]);
        }

        Assert.Equal(50, order.Distinct().Count());

        // In a random order a token follows its neighbour of the batch 49 × 1/50 times on average, about Poisson(1): 15 times or more in 1e-12 of all runs.
        Assert.True(order.Zip(order.Skip(1)).Count(pair => pair.Second == pair.First + 1) < 15, string.Join(' ', order));
    }

    private static Task<TacitClient> ClientAsync(WholeSystem system, string name, string? seed, TimeProvider time, Interposer issuer, Interposer gateway) =>
        TacitClient.CreateAsync(
            system.ClientOptions(name, issuer.Address, gateway.Address) with
            {
                Fill = new FillOptions { Automatic = false, LowWater = 0, ExchangeSpacing = TimeSpan.Zero, ExchangeInterval = TimeSpan.FromDays(7) },
            },
            seed, time, system.Log);

    private static async Task<int> AskAsync(TacitClient client, int number)
    {
        byte[] body = Encoding.UTF8.GetBytes($$"""{"model":"{{WholeSystem.Model}}","messages":[{"role":"user","content":"{{number}}"}]}""");
        await using PromptReply reply = await client.Redemption.SendAsync(new PromptRequest(PromptOperation.ChatCompletions, body));
        while (await reply.ReadAsync(new byte[4096]) > 0)
        {
        }

        await reply.CompleteAsync();
        return reply.Status;
    }

    private static IReadOnlyList<ExchangeRequest> Exchanges(Interposer gateway) =>
        [.. gateway.SeenAt(Routes.Exchange).Select(passing => JsonSerializer.Deserialize(passing.Body, GatewayJson.Default.ExchangeRequest)!)];
}
