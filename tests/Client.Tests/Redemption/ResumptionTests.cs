using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Tacit.Client.Tests.Support;
using Tacit.Fuzz;
using Tacit.Gateway.Tests.Support;
using Tacit.Inference;
using Tacit.Protocol;

namespace Tacit.Client.Tests;

/// <summary>Wherever and however a connection breaks, the reader gets the bytes that it would have got: one token, one question to the provider.</summary>
public sealed class ResumptionTests : IAsyncLifetime
{
    private const string Model = "scripted";

    private static readonly bool s_soak = Environment.GetEnvironmentVariable("TACIT_SOAK") == "1";

    private readonly TestFolder _folder = new();
    private readonly Xoshiro _chance = new(20261121);
    private readonly ConcurrentDictionary<string, int> _asked = new();
    private StubProvider _provider = null!;
    private TestOperator _operator = null!;
    private BrittleLine _line = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _provider = await StubProvider.StartAsync();
        _provider.Answer = AnswerAsync;
        _operator = await TestOperator.StartAsync(
            plans:
            [
                TestOperator.Chat with { Models = [Model] },
                .. TestSigner.HasPartiallyBlindKey ? (Plan[])[TestOperator.Pro with { Models = [Model] }] : [],
            ],
            inference: _ => new InferenceOptions
            {
                Backends = [new BackendOptions { Name = "stub", BaseUrl = _provider.BaseUrl, Models = new Dictionary<string, string> { [Model] = "m" } }],
                MaxAttempts = 1,
            },
            isSealed: true);
        _line = BrittleLine.To(_operator.Gateway.Address);
    }

    public async ValueTask DisposeAsync()
    {
        await _line.DisposeAsync();
        await _operator.DisposeAsync();
        await _provider.DisposeAsync();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(GatewayTransport.Direct, true, false)]
    [InlineData(GatewayTransport.Direct, false, false)]
    [InlineData(GatewayTransport.Direct, true, true)]
    [InlineData(GatewayTransport.Direct, false, true)]
    [InlineData(GatewayTransport.Sealed, true, false)]
    [InlineData(GatewayTransport.Sealed, false, false)]
    [InlineData(GatewayTransport.Sealed, true, true)]
    [InlineData(GatewayTransport.Sealed, false, true)]
    public async Task Connection_that_breaks_at_any_byte_is_no_break_to_the_reader(GatewayTransport transport, bool stream, bool chain)
    {
        await using TacitClient client = await WalletAsync(transport, chain);
        string whole = await AskAsync(client, "Undisturbed.", stream, chain);
        long length = _line.LastAnswer;
        long[] positions = s_soak
            ? [.. Enumerable.Range(0, (int)length + 1).Select(at => (long)at)]
            // The ends of head, body and trailer among them, whichever these are.
            : [0, 1, length - 1, length - 3, length - 6, length - 40, .. Enumerable.Range(0, 10).Select(_ => (long)_chance.Below((int)length))];
        foreach (long at in positions)
        {
            _line.Next(new LineCut(at % 2 == 0 ? Breakage.Close : Breakage.Reset, at));
            Assert.True(whole == await AskAsync(client, $"Cut after {at} bytes.", stream, chain), $"cut after {at} of {length} bytes");
        }

        await AssertPaidAsync(client, positions.Distinct().Count() + 1, positions.Length + 1, chain);
    }

    [Theory]
    [InlineData(GatewayTransport.Direct)]
    [InlineData(GatewayTransport.Sealed)]
    public async Task Request_that_breaks_at_any_byte_is_sent_again(GatewayTransport transport)
    {
        await using TacitClient client = await WalletAsync(transport, chain: false);
        foreach (int at in (int[])[0, 1, 100, 300, 500, _chance.Below(700), _chance.Below(700)])
        {
            _line.Next(new LineCut(at % 2 == 0 ? Breakage.Close : Breakage.Reset, at, OfRequest: true));
            Assert.Equal(Reply(stream: true), await AskAsync(client, $"Cut after {at} bytes.", stream: true));
        }

        Assert.All(_asked.Values, times => Assert.Equal(1, times));
        Assert.Equal((7, 0), (await client.SettledAsync()) is var holdings ? (holdings.Spent, holdings.Presented) : default);
    }

    [Fact]
    public async Task Every_byte_may_be_the_last_of_its_connection()
    {
        await using TacitClient client = await WalletAsync(GatewayTransport.Direct, chain: false);
        await AskAsync(client, "Undisturbed.", stream: true);
        long length = _line.LastAnswer;
        int step = s_soak ? 1 : 3;
        int first = _line.Connections;
        // What comes before the first event is no progress, and attempts without any are few.
        long head = length - Reply(stream: true).Length - 200;
        _line.Decide = connection => new LineCut(Breakage.Close, head + (connection - first < 8 ? 25 * (connection - first) : 200 + ((connection - first - 8) * step)));

        Assert.Equal(Reply(stream: true), await AskAsync(client, "Byte by byte.", stream: true));

        Assert.True(_line.Connections - first > Reply(stream: true).Length / (2 * step), $"{_line.Connections - first} connections");
        await AssertPaidAsync(client, 2, 2, chain: false);
    }

    [Theory]
    [InlineData(GatewayTransport.Direct, false)]
    [InlineData(GatewayTransport.Direct, true)]
    [InlineData(GatewayTransport.Sealed, true)]
    public async Task Several_breaks_in_one_reply_are_one_reply(GatewayTransport transport, bool chain)
    {
        await using TacitClient client = await WalletAsync(transport, chain);
        await AskAsync(client, "Undisturbed.", stream: true, chain);
        int length = (int)_line.LastAnswer;
        int rounds = s_soak ? 200 : 5;
        for (int round = 0; round < rounds; round++)
        {
            for (int i = 0; i < 4; i++)
            {
                _line.Next(new LineCut(_chance.Below(2) == 0 ? Breakage.Close : Breakage.Reset, _chance.Below(length)));
            }
            Assert.Equal(Reply(stream: true), await AskAsync(client, $"Round {round}.", stream: true, chain));
        }

        await AssertPaidAsync(client, rounds + 1, rounds + 1, chain);
    }

    [Theory]
    [InlineData(GatewayTransport.Direct, true, false)]
    [InlineData(GatewayTransport.Direct, false, true)]
    [InlineData(GatewayTransport.Direct, true, true)]
    [InlineData(GatewayTransport.Sealed, true, true)]
    public async Task Connection_that_falls_silent_is_given_up_for_another(GatewayTransport transport, bool stream, bool chain)
    {
        await using TacitClient client = await WalletAsync(
            transport, chain, options => options with { FirstPatience = TimeSpan.FromMilliseconds(500), IdleTimeout = TimeSpan.FromMilliseconds(500) });
        string whole = await AskAsync(client, "Undisturbed.", stream, chain);
        long length = _line.LastAnswer;
        long[] positions = [0, 30, length - (Reply(stream).Length / 2), length - 3];
        foreach (long at in positions)
        {
            _line.Next(new LineCut(Breakage.Silence, at));
            Assert.True(whole == await AskAsync(client, $"Silent after {at} bytes.", stream, chain), $"silent after {at} of {length} bytes");
        }

        await AssertPaidAsync(client, positions.Length + 1, positions.Length + 1, chain);
    }

    [Fact]
    public async Task Live_stream_goes_on_while_its_connections_break()
    {
        var gates = new ConcurrentQueue<TaskCompletionSource>(Enumerable.Range(0, 5).Select(_ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)));
        TaskCompletionSource[] all = [.. gates];
        _provider.Answer = async context =>
        {
            await StubProvider.BeginStreamAsync(context);
            for (int i = 0; gates.TryDequeue(out TaskCompletionSource? gate); i++)
            {
                await gate.Task.WaitAsync(context.RequestAborted);
                await StubProvider.SendEventAsync(context, $"event {i}");
            }
            await StubProvider.EndStreamAsync(context);
        };
        await using TacitClient client = await WalletAsync(GatewayTransport.Direct, chain: false);
        // Each connection ends within an event that is not there yet when it begins.
        string[] events = [.. Enumerable.Range(0, 5).Select(i => StubProvider.Event($"event {i}"))];
        all[0].SetResult();
        int first = _line.Connections;
        _line.Decide = connection => connection - first is var i and < 4 ? new LineCut(Breakage.Reset, 250 + (i * events[0].Length)) : default;

        await using PromptReply reply = await client.Redemption.SendAsync(Ask("Live.", stream: true), Token);
        using var body = new MemoryStream();
        byte[] block = new byte[64];
        int read;
        while ((read = await reply.ReadAsync(block, Token)) > 0)
        {
            body.Write(block, 0, read);
            for (int i = 1; i < all.Length && body.Length >= (i - 1) * events[0].Length; i++)
            {
                all[i].TrySetResult();
            }
        }
        await reply.CompleteAsync(Token);

        Assert.Equal(string.Concat(events) + "data: [DONE]\n\n", Encoding.UTF8.GetString(body.ToArray()));
        Assert.True(_line.Connections - first >= 4, $"{_line.Connections - first} connections");
        Assert.Equal((1, 1, 0), (await client.SettledAsync()) is var holdings ? (_provider.Calls, holdings.Spent, holdings.Presented) : default);
    }

    [Fact]
    public async Task Gateway_that_is_gone_for_good_is_told_and_the_request_stays_open_for_its_repetition()
    {
        await using TacitClient client = await WalletAsync(GatewayTransport.Direct, chain: false);
        await AskAsync(client, "Undisturbed.", stream: true);
        _line.Next(new LineCut(Breakage.Close, _line.LastAnswer - 100));
        await using (PromptReply reply = await client.Redemption.SendAsync(Ask("Gone.", stream: true), Token))
        {
            _line.GoDown();
            ClientException e = await Assert.ThrowsAsync<ClientException>(reply.ReadAllAsync);
            Assert.Equal(ClientError.ReplyInterrupted, e.Error);
            Assert.Contains(_line.Address.Authority, e.Message, StringComparison.Ordinal);
        }

        Assert.Equal((1, 1), (await client.HoldingsAsync()) is var holdings ? (holdings.Presented, holdings.Spent) : default);
    }

    [Fact]
    public async Task Reader_that_wants_no_more_cancels_at_the_gateway_though_the_connection_broke()
    {
        var never = new TaskCompletionSource();
        var stopped = new TaskCompletionSource();
        _provider.Answer = async context =>
        {
            context.RequestAborted.Register(stopped.SetResult);
            await StubProvider.BeginStreamAsync(context);
            await StubProvider.SendEventAsync(context, "one");
            await never.Task.WaitAsync(context.RequestAborted);
        };
        await using TacitClient client = await WalletAsync(GatewayTransport.Direct, chain: false, options => options with { ReconnectDelay = TimeSpan.FromSeconds(30) });
        using var enough = new CancellationTokenSource();
        int first = _line.Connections;
        _line.Decide = connection => connection == first ? new LineCut(Breakage.Close, 300) : default;
        await using (PromptReply reply = await client.Redemption.SendAsync(Ask("Enough.", stream: true), Token))
        {
            Task<string> reading = Task.Run(() => ReadAsync(reply, enough.Token), Token);
            await enough.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading);
            await reply.CancelAsync();
        }

        await stopped.Task.WaitAsync(TimeSpan.FromSeconds(60), Token);
        Assert.Equal((1, 0), (await client.SettledAsync()) is var holdings ? (holdings.Spent, holdings.Presented) : default);
    }

    [Fact]
    public async Task Wallet_killed_while_it_takes_a_reply_up_has_everything_that_the_repetition_needs()
    {
        string live = _folder["wallet"];
        await using TacitClient client = await WalletAsync(GatewayTransport.Direct, chain: false);
        await AskAsync(client, "Undisturbed.", stream: true);
        long length = _line.LastAnswer;
        int first = _line.Connections;
        _line.Decide = connection =>
        {
            if (connection > first)
            {
                Crash.Snapshot(live, _folder["copy"]);
            }
            return connection == first ? new LineCut(Breakage.Close, length - 50) : default;
        };
        Assert.Equal(Reply(stream: true), await AskAsync(client, "Killed.", stream: true));
        _line.Decide = _ => default;

        await using TacitClient reopened = await TacitClient.OpenAsync(Options(_folder["copy"], GatewayTransport.Direct), TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLoggerFactory.Instance);
        PendingPrompt pending = Assert.Single(await reopened.Redemption.GetPendingAsync(Token));
        await using (PromptReply reply = Assert.IsType<PromptReply>(await reopened.Redemption.ResumeAsync(pending.Id, Token)))
        {
            Assert.Equal(Reply(stream: true), await reply.ReadAllAsync());
            await reply.CompleteAsync(Token);
        }

        await AssertPaidAsync(reopened, 2, 2, chain: false);
    }

    private static string Reply(bool stream) => stream
        ? StubProvider.Event("one") + StubProvider.Event("two") + StubProvider.Event("three") + "data: [DONE]\n\n"
        : StubProvider.Reply;

    private async Task AnswerAsync(HttpContext context)
    {
        using JsonDocument request = await JsonDocument.ParseAsync(context.Request.Body, default, context.RequestAborted);
        _asked.AddOrUpdate(request.RootElement.GetProperty("messages")[0].GetProperty("content").GetString()!, 1, (_, times) => times + 1);
        if (!request.RootElement.TryGetProperty("stream", out JsonElement stream) || !stream.GetBoolean())
        {
            await StubProvider.AnswerJsonAsync(context);
            return;
        }
        await StubProvider.BeginStreamAsync(context);
        foreach (string word in (string[])["one", "two", "three"])
        {
            await StubProvider.SendEventAsync(context, word);
        }
        await StubProvider.EndStreamAsync(context);
    }

    private static PromptRequest Ask(string text, bool stream) => new(PromptOperation.ChatCompletions, Prompts.Chat(text, stream, Model));

    private static async Task<string> AskAsync(TacitClient client, string text, bool stream, bool chain = false)
    {
        (int status, string body, PromptReply reply) = await client.Redemption.AnswerAsync(
            Ask(text, stream) with { Plan = chain ? TestOperator.Pro.Id : TestOperator.Chat.Id }, Token);
        Assert.Equal((200, stream), (status, reply.IsEventStream));
        if (chain)
        {
            // Renewed by the reply itself: one row at rest, and no call to exchange it.
            Assert.Equal((1, 0), await client.RowsAsync());
        }
        return body;
    }

    private static async Task<string> ReadAsync(PromptReply reply, CancellationToken cancellationToken)
    {
        byte[] block = new byte[1024];
        var text = new StringBuilder();
        int read;
        while ((read = await reply.ReadAsync(block, cancellationToken)) > 0)
        {
            text.Append(Encoding.UTF8.GetString(block, 0, read));
        }
        return text.ToString();
    }

    /// <summary>Nothing was asked twice, each prompt used one token up, and a chain needs no exchange.</summary>
    private async Task AssertPaidAsync(TacitClient client, int prompts, int requests, bool chain)
    {
        Assert.Equal(prompts, _asked.Count);
        Assert.Equal(requests, _provider.Calls);
        if (chain)
        {
            Assert.Equal((1, 0), (await client.SettledChainsAsync()) is var chains ? (chains.Ready, chains.Busy) : default);
            Assert.Equal(requests, await client.SpentAsync());
            return;
        }
        Assert.Equal((requests, 0, 0), (await client.SettledAsync()) is var held ? (held.Spent, held.Presented, held.Returned) : default);
    }

    private ClientOptions Options(string folder, GatewayTransport transport, Func<RedemptionOptions, RedemptionOptions>? change = null)
    {
        ClientOptions options = _operator.OptionsFor(folder);
        RedemptionOptions redemption = options.Redemption with
        {
            GatewayAddress = _line.Address,
            Transport = transport,
            MaxReconnects = 10,
            MaxResumptionsInAll = 10_000,
            ReconnectDelay = TimeSpan.FromMilliseconds(1),
            MaxReconnectDelay = TimeSpan.FromMilliseconds(50),
        };
        return options with { Redemption = change?.Invoke(redemption) ?? redemption };
    }

    private async Task<TacitClient> WalletAsync(GatewayTransport transport, bool chain, Func<RedemptionOptions, RedemptionOptions>? change = null)
    {
        Assert.SkipUnless(!chain || TestSigner.HasPartiallyBlindKey, "the published vectors, which hold a key of safe primes, are not here");
        TacitClient client = await _operator.WalletAsync(_folder["wallet"], credits: 5000, tokens: chain ? 0 : s_soak ? 1000 : 50, change: _ => Options(_folder["wallet"], transport, change));
        if (chain)
        {
            await client.Filler.SubscribeAsync(TestOperator.Pro.Id, cancellationToken: Token);
        }
        while (transport != GatewayTransport.Direct && (await ((ISealingKeySource)client.Directory).FindSealingKeyAsync(TestOperator.GatewayName, Token)).Key is null)
        {
            // The issuer asks the gateway once a second.
            await Task.Delay(100, Token);
            await client.Directory.RefreshAsync(Token);
        }
        return client;
    }
}
