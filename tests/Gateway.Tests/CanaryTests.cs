using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Security.Cryptography;
using System.Text;
using Tacit.Gateway.Tests.Support;
using Tacit.Inference;
using Tacit.Inference.Tests;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests;

/// <summary>Law 4: whatever happens to a request, nothing of it is on the disk, in the log or in a metric afterwards.</summary>
public sealed class CanaryTests
{
    private const string Prompt = "canary-prompt-7d1f";
    private const string Reply = "canary-reply-93ab";
    private const string Header = "canary-header-c5e0";
    private const string Member = "canary-member-118b";

    [Fact]
    public async Task Nothing_of_a_request_is_written_anywhere_whatever_becomes_of_it()
    {
        using var metrics = new MetricCapture();
        int call = 0;
        await using ScriptedProvider provider = ScriptedProvider.Start(async exchange =>
        {
            switch (Interlocked.Increment(ref call))
            {
                case 1: // success
                    await exchange.JsonAsync(StubProvider.Reply.Replace("four", Reply, StringComparison.Ordinal));
                    break;
                case 2: // a stream that breaks
                    await exchange.BeginEventsAsync();
                    await exchange.ChunkAsync(StubProvider.Event(Reply));
                    exchange.Close();
                    break;
                case 3: // a refusal that quotes the prompt
                    await exchange.JsonAsync($$$"""{"error":{"message":"I do not like {{{Prompt}}}"}}""", 400);
                    break;
                case 4: // a failure that quotes the prompt
                    await exchange.JsonAsync($$$"""{"error":{"message":"{{{Prompt}}} broke me"}}""", 500);
                    break;
                case 5: // no JSON
                    await exchange.JsonAsync(Reply + Prompt);
                    break;
                case 6: // too large
                    await exchange.JsonAsync(StubProvider.Reply.Replace("four", string.Concat(Enumerable.Repeat(Reply, 20_000)), StringComparison.Ordinal));
                    break;
                case 7: // timeout
                    await exchange.HangAsync();
                    break;
                default:
                    exchange.Reset();
                    break;
            }
        });
        await using TestGateway gateway = await TestGateway.CreateAsync(prepare =>
        {
            prepare.Configure = options => ObliviousClient.Sealed(options);
            prepare.ProviderUrl = provider.BaseUrl;
            prepare.Budgets = new ProviderBudgets { FirstByte = TimeSpan.FromMilliseconds(300), FirstByteUnstreamed = TimeSpan.FromMilliseconds(300) };
            prepare.Issuer.AddPlan(TestGateway.ChatPlan with { Id = "next" }, TestGateway.March.Next);
            prepare.Issuer.AddPlan(TestGateway.MonthlyPlan, TestGateway.March);
        });
        List<TestToken> tokens = [.. Enumerable.Range(0, 20).Select(_ => gateway.Issuer.CreateToken("chat"))];
        for (int i = 0; i < 8; i++)
        {
            await SendAsync(gateway, tokens[i], TestGateway.Body(Prompt, stream: i == 1));
        }

        await SendAsync(gateway, tokens[0], TestGateway.Body(Prompt + "other")); // 409
        await SendAsync(gateway, tokens[8], TestGateway.Body(Prompt, more: $",\"{Member}\":\"{Prompt}\""));
        await SendAsync(gateway, tokens[8], "{" + Prompt);
        await SendAsync(gateway, tokens[8], TestGateway.Body(Prompt + new string('x', 9000)));
        await SendAsync(gateway, tokens[8].With(bytes => bytes[150] ^= 1), TestGateway.Body(Prompt));
        await SendAsync(gateway, gateway.Issuer.CreateToken("next"), TestGateway.Body(Prompt));
        await SendAsync(gateway, tokens[8], Prompt, path: "/v1/" + Header);
        using (HttpResponseMessage cancelled = await gateway.SendAsync(HttpMethod.Post, Routes.Cancel, authorization: tokens[9].Header))
        {
            Assert.Equal(200, (int)cancelled.StatusCode);
        }

        await RawHttp.ExchangeAsync(gateway.Address, $"BAD {Header} HTTP/9.9\r\n{Header}\r\n\r\n");
        await RawHttp.ExchangeAsync(gateway.Address, $"POST /v1/chat/completions HTTP/1.1\r\nHost: {Header}\r\nAuthorization: {tokens[10].Header}\r\nContent-Length: -{Header}\r\n\r\n");
        using (var gone = new CancellationTokenSource())
        {
            Task<HttpResponseMessage> asked = gateway.AskUntilAsync(tokens[11], TestGateway.Body(Prompt), gone.Token);
            await gone.CancelAsync();
            // Mostly it has not been answered yet.
            await Record.ExceptionAsync(async () => (await asked).Dispose());
        }

        var chains = new List<byte[]>();
        for (int i = 0; i < 4; i++)
        {
            var chain = new TestChain(gateway);
            using HttpResponseMessage asked = i == 3 ? await chain.ExchangeAsync() : await chain.AskAsync(TestGateway.Body(Prompt, stream: i == 1));
            _ = await asked.TextAsync();
            chains.AddRange([chain.Token.Token.Nonce.ToArray(), chain.Token.Token.Authenticator[..32].ToArray(), chain.Successor.BlindedMessage[..32].ToArray()]);
            chains.Add(Encoding.ASCII.GetBytes(ChainHeaders.FormatSuccessor(chain.Successor)[8..60]));
            if ((TestChain.RenewalOf(asked) ?? (i == 3 ? await TestChain.SignatureAsync(asked) : null)) is { } renewal)
            {
                chains.AddRange([renewal[..32], Encoding.ASCII.GetBytes(ChainHeaders.FormatRenewal(renewal)[..40])]);
            }
        }

        // The same in sealed requests: a stream that is whole, then one after the other what became of those above; and requests that cannot be opened.
        List<byte[]> sealedOnes = [];
        using (ObliviousClient client = await ObliviousClient.ConnectAsync(gateway))
        {
            Volatile.Write(ref call, 0);
            for (int i = 12; i < 20; i++)
            {
                await SendSealedAsync(client, tokens[i], TestGateway.Body(Prompt, stream: i == 13), isChunked: i % 2 == 1);
            }

            await SendSealedAsync(client, tokens[12], TestGateway.Body(Prompt + "other"), isChunked: true);
            await SendSealedAsync(client, tokens[12], "{" + Prompt, isChunked: false);
            await SendSealedAsync(client, tokens[12], Prompt, isChunked: true, change: request => request[^1] ^= 1);
            await SendSealedAsync(client, tokens[12], Prompt, isChunked: true, change: request => request[0] ^= 0x80);
            await SendSealedAsync(client, tokens[12], Prompt + new string('x', 300_000), isChunked: true);
        }

        async Task SendSealedAsync(ObliviousClient client, TestToken token, string body, bool isChunked, Action<byte[]>? change = null)
        {
            ObliviousAnswer answer = await client.SendAsync(
                "POST", Routes.ChatCompletions + "?" + Header, body, [new("authorization", token.Header), new("x-canary", Header)], isChunked,
                request =>
                {
                    sealedOnes.AddRange([request[7..39], request[48..80]]);
                    change?.Invoke(request);
                    return request;
                });
            if (answer.OuterStatus == 200)
            {
                sealedOnes.Add(answer.Encapsulated[..64]);
            }
        }

        await gateway.RestartFromCrashAsync();
        await SendAsync(gateway, tokens[11], TestGateway.Body(Prompt));
        await gateway.StopAsync();

        List<byte[]> needles = [.. new[] { Prompt, Reply, Header, Member }.SelectMany(Forms), .. chains, .. sealedOnes];
        foreach (TestToken token in tokens)
        {
            needles.Add(token.Token.Authenticator.ToArray());
            needles.Add(token.Token.Nonce.ToArray());
            needles.Add(Encoding.ASCII.GetBytes(Convert.ToHexString(token.Token.Nonce)));
            needles.Add(Encoding.ASCII.GetBytes(Convert.ToHexStringLower(token.Token.Authenticator[..16])));
            needles.Add(Encoding.ASCII.GetBytes(token.Header[40..80]));
        }

        string[] files = Directory.GetFiles(gateway.Folder, "*", SearchOption.AllDirectories);
        Assert.NotEmpty(files);
        foreach (string file in files)
        {
            Search(Path.GetFileName(file), await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken), needles);
        }

        Assert.NotEmpty(gateway.Log.Lines);
        Search("log", Encoding.UTF8.GetBytes(string.Join('\n', gateway.Log.Lines)), needles);
        Search("metrics", Encoding.UTF8.GetBytes(metrics.Text), needles);
        Assert.DoesNotContain(gateway.Log.Lines, line => line.Contains(" Debug ", StringComparison.Ordinal) && line.Contains("127.0.0.1:", StringComparison.Ordinal));
        await gateway.StartAsync();
    }

    private static async Task SendAsync(TestGateway gateway, TestToken token, string body, string path = Routes.ChatCompletions)
    {
        using HttpResponseMessage response = await gateway.SendAsync(
            HttpMethod.Post, path + "?" + Header, body, token.Header, headers => headers.TryAddWithoutValidation("X-Canary", Header));
        _ = await response.TextAsync();
    }

    private static IEnumerable<byte[]> Forms(string canary)
    {
        byte[] plain = Encoding.UTF8.GetBytes(canary);
        yield return plain;
        yield return Encoding.ASCII.GetBytes(Convert.ToHexString(plain));
        yield return Encoding.ASCII.GetBytes(Convert.ToHexStringLower(plain));
        yield return Encoding.ASCII.GetBytes(Convert.ToBase64String(plain)[..^4]);
        yield return Encoding.ASCII.GetBytes(Base64Url.EncodeToString(plain)[..^4]);
        yield return Encoding.Unicode.GetBytes(canary);

        // What a disk would confirm a guessed prompt with.
        string body = TestGateway.Body(canary);
        yield return SHA256.HashData(plain);
        yield return SHA256.HashData(Encoding.UTF8.GetBytes(body));
        yield return SHA384.HashData(Encoding.UTF8.GetBytes(body));
    }

    private static void Search(string where, ReadOnlySpan<byte> haystack, List<byte[]> needles)
    {
        for (int i = 0; i < needles.Count; i++)
        {
            Assert.True(haystack.IndexOf(needles[i]) < 0, $"Needle {i} is in {where}.");
        }
    }

    /// <summary>Every measurement of every meter in the process, with its tags.</summary>
    private sealed class MetricCapture : IDisposable
    {
        private readonly ConcurrentQueue<string> _seen = new();
        private readonly MeterListener _listener = new();

        public MetricCapture()
        {
            _listener.InstrumentPublished = (instrument, listener) => listener.EnableMeasurementEvents(instrument);
            _listener.SetMeasurementEventCallback<long>(Take);
            _listener.SetMeasurementEventCallback<double>(Take);
            _listener.SetMeasurementEventCallback<int>(Take);
            _listener.Start();
        }

        public string Text => string.Join('\n', _seen);

        public void Dispose() => _listener.Dispose();

        private void Take<T>(Instrument instrument, T value, ReadOnlySpan<KeyValuePair<string, object?>> tags, object? state) =>
            _seen.Enqueue($"{instrument.Name} {value} {string.Join(' ', tags.ToArray())}");
    }
}
