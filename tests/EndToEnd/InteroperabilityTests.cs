using System.Globalization;
using System.Text.Json;
using Tacit.App;
using Tacit.Client;
using Tacit.Client.Tests.Support;
using Tacit.EndToEnd.Support;
using Tacit.Gateway.Sealing;
using Tacit.Hosting;
using Tacit.Issuer;
using Tacit.Issuer.Payments;
using Tacit.Protocol;

namespace Tacit.EndToEnd;

/// <summary>Clients that nobody here wrote, unchanged, against the running parts.</summary>
public sealed class InteroperabilityTests
{
    [Theory]
    [InlineData(0x0002)]
    [InlineData(0xDA7A)]
    public async Task Privacypass_ts_is_challenged_issued_and_redeemed_over_HTTP(int tokenType)
    {
        await using WholeSystem system = await WholeSystem.StartAsync([WholeSystem.Chat, WholeSystem.ChatLarge]);
        await using TacitClient account = await system.ClientAsync("account", credits: 20);

        JsonElement seen = await Node.RunAsync(
            "privacypass.mjs", system.Gateway.Address.ToString(), system.Issuer.Address.ToString(), await account.Account.RevealKeyAsync(),
            WholeSystem.Model, tokenType.ToString(CultureInfo.InvariantCulture));

        Assert.Equal(200, seen.GetProperty("status").GetInt32());
        Assert.True(seen.GetProperty("answered").GetBoolean());
        Assert.True(seen.GetProperty("sameAgain").GetBoolean());
        Assert.Equal(409, seen.GetProperty("otherBody").GetInt32());
        Assert.Equal("token_spent", seen.GetProperty("otherCode").GetString());
    }

    [Fact]
    public async Task OpenAIs_SDK_for_Node_works_unchanged()
    {
        await using WholeSystem system = await WholeSystem.StartAsync();
        await using TacitClient client = await system.ClientAsync("user", credits: 50);
        await client.Filler.FillAsync("chat", 50);
        await using AppServer app = await system.AppAsync("user", client);

        await AssertWorksAsync(app, client);
    }

    [Fact]
    public async Task OpenAIs_SDK_for_Node_sees_nothing_of_a_line_that_breaks_again_and_again()
    {
        await using WholeSystem system = await WholeSystem.StartAsync();
        await using BrittleLine line = BrittleLine.To(system.Gateway.Address);
        await using TacitClient client = await system.ClientAsync("user", credits: 50, gateway: line.Address);
        await client.Filler.FillAsync("chat", 50);
        await using AppServer app = await system.AppAsync("user", client);
        // Head, body or not at all, by the length of the answer.
        line.Decide = connection => connection % 3 == 0
            ? new LineCut(connection % 2 == 0 ? Breakage.Close : Breakage.Reset, System.Security.Cryptography.RandomNumberGenerator.GetInt32(3000))
            : default;

        await AssertWorksAsync(app, client);
    }

    [Fact]
    public async Task Oblivious_HTTP_by_bhttp_js_and_hpke_core_reaches_the_gateway_whole_and_in_chunks()
    {
        await using WholeSystem system = await WholeSystem.StartAsync();
        await using TacitClient account = await system.ClientAsync("account", credits: 20);
        await system.StopGatewayAsync();
        system.ConfigureGateway = options => options with
        {
            Sealing = options.Sealing with { KeyFile = SecretReference.FromFile(system["key"]), SignedBy = SealingSignatory.Gateway },
        };
        await system.StartGatewayAsync();
        using Attacker buyer = await Attacker.StartAsync(system, await account.Account.RevealKeyAsync());
        Token token = (await buyer.BuyAsync("chat", 1)).Single();

        JsonElement seen = await Node.RunAsync(
            "ohttp.mjs", system.Gateway.Address.ToString(), PrivateTokenHeader.FormatAuthorization(token.Encoded.Span), WholeSystem.Model);

        Assert.Equal(WholeSystem.Model, Assert.Single(seen.GetProperty("models").EnumerateArray()).GetString());
        Assert.Equal(("message/ohttp-res", "message/ohttp-chunked-res"), (seen.GetProperty("modelsType").GetString(), seen.GetProperty("streamType").GetString()));
        Assert.Equal((200, "text/event-stream"), (seen.GetProperty("status").GetInt32(), seen.GetProperty("type").GetString()));
        Assert.All(seen.GetProperty("sizes").EnumerateArray(), size => Assert.Contains(size.GetInt32(), (int[])[256, 1024, 4096, 16384]));
        Assert.True(seen.GetProperty("whole").GetBoolean());
        Assert.True(seen.GetProperty("sameAgain").GetBoolean());
    }

    [Fact]
    public async Task Webhooks_are_taken_and_refused_as_Stripes_and_Paddles_own_SDKs_would()
    {
        await using WholeSystem system = await WholeSystem.StartAsync();
        async Task<SecretReference> SecretAsync(string name, string value)
        {
            await File.WriteAllTextAsync(system[name], value);
            return SecretReference.FromFile(system[name]);
        }

        var payments = new PaymentOptions
        {
            Packs = [new CreditPack { Id = "small", Credits = 100, Amount = 500, PaddlePrice = "pri_small" }],
            Stripe = new StripeOptions { ApiKey = await SecretAsync("stripe.key", "sk_test"), WebhookSecret = await SecretAsync("stripe.hook", "whsec_interoperability") },
            Paddle = new PaddleOptions { ApiKey = await SecretAsync("paddle.key", "pdl_sdbx"), WebhookSecret = await SecretAsync("paddle.hook", "pdl_ntfset_interoperability") },
            SuccessUrl = new Uri("https://issuer.test/thanks"),
        };
        await using IssuerServer issuer = await IssuerServer.StartAsync(
            new IssuerOptions
            {
                DataDirectory = system["shop"], Listen = ListenAddress.Loopback(0), IssuerName = "shop.test", Plans = [WholeSystem.Chat],
                KeyFile = SecretReference.FromFile(system["key"]), Payments = payments,
            },
            system.Signer, TimeProvider.System, system.Log, CancellationToken.None);

        JsonElement seen = await Node.RunAsync("webhooks.mjs", issuer.Address.ToString(), "whsec_interoperability", "pdl_ntfset_interoperability");

        Assert.Equal((204, 400, 400), (seen.GetProperty("stripe").GetInt32(), seen.GetProperty("stripeAltered").GetInt32(), seen.GetProperty("stripeOld").GetInt32()));
        Assert.Equal((204, 400), (seen.GetProperty("paddle").GetInt32(), seen.GetProperty("paddleAltered").GetInt32()));
        Assert.True(seen.GetProperty("paddleSdkAccepts").GetBoolean() && seen.GetProperty("paddleSdkRefuses").GetBoolean());
        PaymentReport report = await issuer.GetPaymentsAsync(CancellationToken.None);
        Assert.Equal(["txn_sdk", "pi_sdk"], report.Strays.Select(stray => stray.Payment));
    }

    private static async Task AssertWorksAsync(AppServer app, TacitClient client)
    {
        JsonElement seen = await Node.RunAsync("openai.mjs", new Uri(app.Address, "v1").ToString(), WholeSystem.Model);

        Assert.Contains(WholeSystem.Model, seen.GetProperty("models").EnumerateArray().Select(model => model.GetString()));
        foreach (string way in (string[])["plain", "stream", "tools", "responses", "responsesStream", "responsesCompleted", "embeddings"])
        {
            Assert.True(seen.GetProperty(way).GetBoolean(), way);
        }

        Assert.Equal(404, seen.GetProperty("unknownModel").GetProperty("status").GetInt32());
        Assert.Equal("stateful_member_refused", seen.GetProperty("stateful").GetProperty("code").GetString());
        PlanHoldings held = await WholeSystem.SettledAsync(client, "chat");
        // The refused request showed its token to the gateway without spending it: it waits to be exchanged (law 9).
        Assert.Equal((43, 6, 1), (held.Held, held.Spent, held.Returned));
    }
}
