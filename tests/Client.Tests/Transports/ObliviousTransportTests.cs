using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Client.Tests.Support;
using Tacit.Client.Transports;
using Tacit.Hosting;
using Tacit.Protocol;
using Tacit.Relay;

namespace Tacit.Client.Tests.Transports;

/// <summary>The wallet over Oblivious HTTP: real issuer, gateway and relay, and something between relay and gateway that sees and spoils.</summary>
public sealed class ObliviousTransportTests : IAsyncLifetime
{
    private const string Canary = "canary-9f2c51";

    private readonly TestFolder _folder = new();
    private TestOperator _operator = null!;
    private RelayServer _relay = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _operator = await TestOperator.StartAsync(plans: TestSigner.HasPartiallyBlindKey ? [TestOperator.Chat, TestOperator.Pro] : [TestOperator.Chat], isSealed: true);
        _relay = await RelayServer.StartAsync(
            new RelayOptions
            {
                DataDirectory = _folder["relay"], Listen = ListenAddress.Loopback(0),
                Targets = [new RelayTarget { Name = TestOperator.GatewayName, Address = _operator.GatewayFront.Address }],
            },
            TimeProvider.System, NullLoggerFactory.Instance, Ct);
    }

    public async ValueTask DisposeAsync()
    {
        await _relay.DisposeAsync();
        await _operator.DisposeAsync();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(GatewayTransport.Sealed)]
    [InlineData(GatewayTransport.Ohttp)]
    public async Task Everything_that_a_wallet_asks_of_a_gateway_goes_sealed(GatewayTransport transport)
    {
        await using TacitClient client = await WalletAsync(transport, tokens: 5);
        _operator.GatewayFront.Seen.Clear();

        Assert.Contains(TestOperator.Model, Encoding.UTF8.GetString((await client.Redemption.GetModelsAsync(Ct)).Span), StringComparison.Ordinal);
        (int status, string body, PromptReply _) = await client.Redemption.AnswerAsync(Prompts.Ask(Canary), Ct);
        Assert.Equal(200, status);
        Assert.Contains("\"chat.completion\"", body, StringComparison.Ordinal);
        (status, body, _) = await client.Redemption.AnswerAsync(Prompts.Ask(Canary, stream: true), Ct);
        Assert.Equal(200, status);
        Assert.EndsWith("data: [DONE]\n\n", body, StringComparison.Ordinal);
        // No padding is left in it.
        Assert.All(body.Split("\n\n", StringSplitOptions.RemoveEmptyEntries), part => Assert.StartsWith("data: ", part, StringComparison.Ordinal));

        // A chain renews itself by what comes inside.
        bool hasChain = TestSigner.HasPartiallyBlindKey;
        if (hasChain)
        {
            await client.Filler.SubscribeAsync(TestOperator.Pro.Id, cancellationToken: Ct);
        }

        for (int i = 0; hasChain && i < 3; i++)
        {
            (status, _, PromptReply reply) = await client.Redemption.AnswerAsync(Prompts.Ask($"{Canary} {i}", stream: i == 1) with { Plan = TestOperator.Pro.Id }, Ct);
            Assert.Equal((200, TestOperator.Pro.Id), (status, reply.Plan));
        }

        Assert.Equal(3, (await client.SettledAsync()).Held);
        Assert.NotEmpty(_operator.GatewayFront.SeenAt(Routes.Oblivious));
        foreach (Passing passing in _operator.GatewayFront.Seen.Where(passing => passing.Path != Routes.SealingOffer))
        {
            Assert.Equal(Routes.Oblivious, passing.Path);
            Assert.Equal(["Content-Length", "Content-Type", "Host"], passing.Headers.Keys.Where(name => name != "Connection").Order());
            foreach (byte[] bytes in (byte[][])[passing.Body, passing.Answer?.Body ?? []])
            {
                string text = Encoding.Latin1.GetString(bytes);
                Assert.DoesNotContain(Canary, text, StringComparison.Ordinal);
                Assert.DoesNotContain("PrivateToken", text, StringComparison.Ordinal);
                Assert.DoesNotContain(TestOperator.Model, text, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public async Task Gateway_sees_nothing_of_a_client_behind_a_relay_but_what_the_relay_brings()
    {
        await using TacitClient client = await WalletAsync(GatewayTransport.Ohttp, tokens: 2);
        _operator.GatewayFront.Unnoted = null;
        _operator.GatewayFront.Seen.Clear();
        DirectoryAudit audit = await client.Directory.AuditAsync(resume: false, Ct);
        await client.Redemption.AnswerAsync(Prompts.Ask("one"), Ct);

        // The gateway's copy of the directory came through the relay, too.
        DirectoryCopy copy = Assert.Single(audit.Copies.Skip(1));
        Assert.True(audit.Agrees, copy.Problem);
        Assert.NotNull(copy.Sequence);
        Assert.StartsWith(_relay.Address.ToString(), copy.Source, StringComparison.Ordinal);
        Assert.Equal([Routes.Oblivious], _operator.GatewayFront.Seen.Where(passing => passing.Path != Routes.SealingOffer).Select(passing => passing.Path).Distinct());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Answer_that_is_lost_cut_or_spoiled_on_its_way_costs_nothing(bool stream)
    {
        await using TacitClient client = await WalletAsync(GatewayTransport.Ohttp, tokens: 5);
        (int _, string whole, PromptReply _) = await client.Redemption.AnswerAsync(Prompts.Ask("the same", stream), Ct);
        foreach (int cut in (int[])[1, 40, 300, 700])
        {
            _operator.GatewayFront.CutAfterBytes = cut;
            _operator.GatewayFront.Next(Mishap.CutReply, Mishap.LoseReply);
            (int status, string body, PromptReply _) = await client.Redemption.AnswerAsync(Prompts.Ask("the same", stream), Ct);
            Assert.Equal(200, status);
            Assert.Equal(whole.Length, body.Length);
            Assert.Equal(stream, body.EndsWith("data: [DONE]\n\n", StringComparison.Ordinal));
        }

        PlanHoldings left = await client.SettledAsync();
        Assert.Equal((0, 0), (left.Held, left.Presented));
    }

    [Fact]
    public async Task What_somebody_on_the_way_says_in_the_clear_is_not_taken_for_the_gateways_word()
    {
        await using TacitClient client = await WalletAsync(GatewayTransport.Ohttp, tokens: 1, change: options => options with { MaxReconnects = 1 });
        _operator.GatewayFront.Impersonate = async (context, _) =>
        {
            context.Response.StatusCode = 409;
            context.Response.ContentType = MediaTypes.Json;
            context.Response.Headers["Tacit-Token"] = "spent";
            await context.Response.Body.WriteAsync("""{"error":{"message":"gone","type":"invalid_request_error","param":null,"code":"token_spent"}}"""u8.ToArray(), Ct);
            return true;
        };
        ClientException e = await Assert.ThrowsAsync<ClientException>(() => client.Redemption.AnswerAsync(Prompts.Ask("one"), Ct));
        Assert.Equal(ClientError.GatewayUnreachable, e.Error);

        // The token is what it was, for the same request at least.
        _operator.GatewayFront.Impersonate = null;
        Assert.Equal(200, (await client.Redemption.AnswerAsync(Prompts.Ask("one"), Ct)).Status);
    }

    [Fact]
    public async Task Without_a_sealing_key_nothing_leaves_and_no_token_is_touched()
    {
        await using TestOperator unsealed = await TestOperator.StartAsync();
        await using TacitClient client = await unsealed.WalletAsync(
            _folder["other"], tokens: 1, change: options => options with { Redemption = options.Redemption with { Transport = GatewayTransport.Ohttp, Relay = _relay.Address } });
        ClientException e = await Assert.ThrowsAsync<ClientException>(() => client.Redemption.AnswerAsync(Prompts.Ask("one"), Ct));
        Assert.Equal(ClientError.SealingKeyUnavailable, e.Error);
        Assert.Equal((1, 0), ((await client.HoldingsAsync()).Held, (await client.HoldingsAsync()).Presented));
    }

    [Fact]
    public void Comments_are_cut_out_however_the_stream_is_cut()
    {
        // Events have the line ends of whoever made them, and a comment of the gateway's can follow any.
        Gen<string> part = Gen.Elements(
            "data: a\n\n", ":\n\n", ":    \n\n", ": b\r\n\r\n", ":\r\r", "event: x\ndata: : b\n\n", "data: c\r\ndata:\n\n", "data: d\r\n\r\n", "event: y\r\ndata: :\r\n\r\n",
            "data: e\r\r", "event: z\rdata: :\r\r", "data: f\r\n\n");
        Prop.ForAll(Gen.ArrayOf(part).ToArbitrary(), Gen.Choose(1, 9).ToArbitrary(), (parts, step) =>
        {
            byte[] all = Encoding.ASCII.GetBytes(string.Concat(parts));
            var filter = new CommentFilter();
            using var content = new SensitiveBuffer();
            for (int at = 0; at < all.Length; at += step)
            {
                Span<byte> next = all.AsSpan(at, Math.Min(step, all.Length - at));
                content.Write(next[..filter.Cut(next)]);
            }

            return Encoding.ASCII.GetString(content.WrittenSpan) == string.Concat(parts.Where(text => text[0] != ':'));
        }).QuickCheckThrowOnFailure();
    }

    [Theory]
    [InlineData(": a\ndata: b\n\n", "data: b\n\n")]
    [InlineData("data: a\r\n: b\r\ndata: c\r\n\r\n", "data: a\r\ndata: c\r\n\r\n")]
    [InlineData("data: a\r:\r\rdata: b\r\r", "data: a\r\rdata: b\r\r")]
    public void A_comment_that_touches_an_event_leaves_it_whole(string stream, string expected)
    {
        byte[] all = Encoding.ASCII.GetBytes(stream);
        Assert.Equal(expected, Encoding.ASCII.GetString(all.AsSpan(0, new CommentFilter().Cut(all))));
    }

    private async Task<TacitClient> WalletAsync(GatewayTransport transport, int tokens, Func<RedemptionOptions, RedemptionOptions>? change = null)
    {
        TacitClient client = await _operator.WalletAsync(_folder["wallet"], tokens: tokens, change: options =>
        {
            RedemptionOptions redemption = transport == GatewayTransport.Ohttp
                ? options.Redemption with { GatewayAddress = null, Transport = transport, Relay = _relay.Address }
                : options.Redemption with { Transport = transport };
            return options with { Redemption = change?.Invoke(redemption) ?? redemption };
        });
        while ((await ((ISealingKeySource)client.Directory).FindSealingKeyAsync(TestOperator.GatewayName, Ct)).Key is null)
        {
            // The issuer asks the gateway once a second.
            await Task.Delay(100, Ct);
            await client.Directory.RefreshAsync(Ct);
        }

        return client;
    }
}
