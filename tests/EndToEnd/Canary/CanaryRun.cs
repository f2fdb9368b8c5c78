using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Tacit.App;
using Tacit.Client;
using Tacit.Client.Tests.Support;
using Tacit.EndToEnd.Support;
using Tacit.EndToEnd.Unlinkability;
using Tacit.Inference;
using Tacit.Inference.Tests;
using Tacit.Protocol;

namespace Tacit.EndToEnd.Canary;

/// <summary>A user's programs, the app, the gateway and a provider, with canaries in everything that a request or reply has.</summary>
internal sealed class CanaryRun : IAsyncDisposable
{
    public const string Model = "canary-model";
    public const string UpstreamModel = "the-providers-model";
    private const int MaxInputBytes = 64 * 1024;

    private readonly TimeSpan _patience = TimeSpan.FromMilliseconds(1500);
    private string _voucher = "";
    private string _account = "";
    private string _seed = "";
    private bool _closed;

    private CanaryRun()
    {
    }

    public Canaries Canaries { get; } = new();

    public Telemetry Telemetry { get; } = new();

    public ScriptedProvider Provider { get; private set; } = null!;

    public WholeSystem System { get; private set; } = null!;

    public Interposer Issuer { get; private set; } = null!;

    public Interposer Gateway { get; private set; } = null!;

    public TacitClient Client { get; private set; } = null!;

    public AppServer App { get; private set; } = null!;

    public Attacker Stranger { get; private set; } = null!;

    public ConcurrentQueue<RawReply> Replies { get; } = new();

    /// <summary>Every body that was sent, and what identifies nobody but must not be confirmed by a disk either: their hashes.</summary>
    public ConcurrentQueue<byte[]> Bodies { get; } = new();

    /// <summary>Tokens that were shown other than through the app.</summary>
    public ConcurrentQueue<Token> StrangersTokens { get; } = new();

    /// <summary>A body as the journal held it while its request was under way.</summary>
    public byte[] SealedBody { get; set; } = [];

    public List<Evidence> Disks { get; } = [];

    public List<Evidence> ClientsDisk { get; } = [];

    public static async Task<CanaryRun> StartAsync()
    {
        var run = new CanaryRun();
        run.Provider = CanaryProvider.Start(run.Canaries);
        run.System = await WholeSystem.StartAsync(
            [WholeSystem.Chat with { Models = [WholeSystem.Model, Model], MaxInputBytes = MaxInputBytes }],
            new InferenceOptions
            {
                DemoModel = true,
                Backends =
                [
                    new BackendOptions
                    {
                        Name = "provider", BaseUrl = run.Provider.BaseUrl, Keys = [new ProviderKey(Encoding.ASCII.GetBytes(run.Canaries.ProviderKey))],
                        Models = new Dictionary<string, string> { [Model] = UpstreamModel },
                    },
                ],
                // It fails in every way there is, and is to be asked all the same.
                Breaker = new BreakerOptions { MinFailures = 10_000 },
                Budgets = new ProviderBudgets { FirstByte = run._patience, FirstByteUnstreamed = run._patience, Idle = 4 * run._patience },

                // An error of our own that nobody foresaw, with the prompt in its message.
                Observer = (_, _, body) =>
                {
                    if (body.Span.IndexOf("way:throw."u8) >= 0)
                    {
                        throw new InvalidOperationException(Encoding.UTF8.GetString(body.Span));
                    }
                },
            });
        run.Issuer = await Interposer.StartAsync(run.System.Issuer.Address);
        run.Gateway = await Interposer.StartAsync(run.System.Gateway.Address);
        ClientOptions options = run.System.ClientOptions("user", run.Issuer.Address, run.Gateway.Address);
        run.Client = await TacitClient.CreateAsync(
            options with
            {
                Redemption = options.Redemption with { CancelGrace = TimeSpan.FromMilliseconds(50), ReconnectDelay = TimeSpan.FromMilliseconds(50), ErrorReplay = TimeSpan.Zero },
                Fill = options.Fill with { ExchangeSpacing = TimeSpan.Zero, LowWater = 0 },
            },
            null, TimeProvider.System, run.System.Log);
        run._seed = run.Client.Wallet.RevealSeed();
        run._account = await run.Client.Account.CreateAsync();
        run._voucher = await run.System.VoucherAsync(100);
        await run.Client.Account.DepositAsync(run._voucher);
        await run.Client.Filler.FillAsync("chat", 50);
        run.App = await run.System.AppAsync("user", run.Client);
        run.Stranger = await Attacker.StartAsync(run.System, run._account);
        return run;
    }

    /// <summary>A program on the user's machine asks the app, with all that programs send.</summary>
    /// <param name="way">What the provider is to do; see <see cref="CanaryProvider"/>.</param>
    public async Task<RawReply> AskAsync(string way, bool stream = false, string path = "/v1/chat/completions", byte[]? body = null, int? readFor = null)
    {
        body ??= path switch
        {
            "/v1/embeddings" => Encoding.UTF8.GetBytes($$"""{"model":"{{Model}}","input":"{{Canaries.Prompt}} way:{{way}}.","user":"{{Canaries.User}}"}"""),
            "/v1/responses" => Encoding.UTF8.GetBytes(
                $$$"""{"model":"{{{Model}}}","input":"{{{Canaries.Prompt}}} way:{{{way}}}.","user":"{{{Canaries.User}}}","metadata":{"k":"{{{Canaries.Metadata}}}"}}"""),
            "/v1/messages" => Encoding.UTF8.GetBytes(
                $$$$"""{"model":"{{{{Model}}}}","max_tokens":100,"stream":{{{{(stream ? "true" : "false")}}}},"system":[{"type":"text","text":"{{{{Canaries.Prompt}}}}","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":"way:{{{{way}}}}."}],"metadata":{"user_id":"{{{{Canaries.User}}}}"}}"""),
            _ => Chat(way, stream),
        };
        Bodies.Enqueue(body);
        RawReply reply = await RawRequest.SendAsync(App.Address, "POST " + path, Headers("Bearer " + Canaries.Bearer, cookie: true), body, readFor);
        Replies.Enqueue(reply);
        return reply;
    }

    /// <summary>Somebody asks the gateway by hand.</summary>
    public async Task<RawReply> AskGatewayAsync(string start, string? authorization, byte[]? body, bool cookie = false)
    {
        if (body is not null)
        {
            Bodies.Enqueue(body);
        }

        RawReply reply = await RawRequest.SendAsync(System.Gateway.Address, start, Headers(authorization, cookie), body);
        Replies.Enqueue(reply);
        return reply;
    }

    /// <summary>The header that pays with a token bought for it.</summary>
    public async Task<string> PayAsync(Func<byte[], byte[]>? damage = null)
    {
        Token token = Assert.Single(await Stranger.BuyAsync("chat", 1));
        StrangersTokens.Enqueue(token);
        byte[] encoded = token.Encode();
        return PrivateTokenHeader.FormatAuthorization(damage?.Invoke(encoded) ?? encoded, []);
    }

    public byte[] Chat(string way, bool stream, string more = "", string model = Model)
    {
        string streams = stream ? "true" : "false";
        return Encoding.UTF8.GetBytes(
            $$$"""
            {"model":"{{{model}}}","messages":[
            {"role":"system","content":"{{{Canaries.Prompt}}}"},
            {"role":"user","content":[{"type":"text","text":"{{{Canaries.Prompt}}} way:{{{way}}}."},{"type":"image_url","image_url":{"url":"data:image/png;base64,{{{Convert.ToBase64String(Canaries.Image)}}}"} }]},
            {"role":"assistant","tool_calls":[{"id":"call_0","type":"function","function":{"name":"look","arguments":"{\"for\":\"{{{Canaries.ToolArguments}}}\"}"} }]},
            {"role":"tool","tool_call_id":"call_0","content":"{{{Canaries.ToolArguments}}}"}],
            "tools":[{"type":"function","function":{"name":"look","parameters":{"type":"object"} } }],
            "stream":{{{streams}}},"user":"{{{Canaries.User}}}","metadata":{"k":"{{{Canaries.Metadata}}}"},"safety_identifier":"{{{Canaries.User}}}","prompt_cache_key":"{{{Canaries.User}}}"{{{more}}} }
            """);
    }

    /// <summary>Reads everything that lies on a disk of ours at this moment.</summary>
    public async Task ReadDisksAsync(string moment)
    {
        foreach (string part in (string[])["gateway", "issuer", "signer", "user"])
        {
            foreach (string path in Directory.EnumerateFiles(System[part], "*", SearchOption.AllDirectories))
            {
                if (Path.GetExtension(path) is ".sock" or ".lock")
                {
                    continue;
                }

                await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
                // To wherever it ends: the log of a database that is in use may be cut back meanwhile.
                using var bytes = new MemoryStream();
                await file.CopyToAsync(bytes);
                (part == "user" ? ClientsDisk : Disks).Add(new Evidence($"{part}/{Path.GetFileName(path)}, {moment}", bytes.ToArray()));
            }
        }
    }

    /// <summary>The gateway dies and starts again.</summary>
    public async Task RestartGatewayAsync()
    {
        await System.StopGatewayAsync();
        await ReadDisksAsync("gateway dead");
        await System.StartGatewayAsync();
        Gateway.Target = System.Gateway.Address;
    }

    /// <summary>The wallet's own secrets, which lie nowhere but with it: tokens, account key, voucher, seed.</summary>
    public SecretSearch Secrets(bool withSeed = true)
    {
        var search = new SecretSearch();
        IEnumerable<Token> tokens = Gateway.Seen.Where(passing => passing.Headers.ContainsKey("Authorization")).Select(passing =>
        {
            Assert.True(PrivateTokenHeader.TryParseAuthorization(passing.Headers["Authorization"], out PrivateTokenCredentials? credentials));
            Assert.True(Token.TryParse(credentials.Token, out Token? token));
            return token;
        });
        foreach (Token token in tokens.Concat(StrangersTokens))
        {
            search.Add("nonce", token.Nonce);
            search.Add("authenticator", token.Authenticator);
        }

        search.AddText("account key", _account);
        Assert.True(AccountKey.TryParse(_account, out AccountKey? key));
        search.Add("account key", key.Bytes);
        search.AddText("voucher", _voucher);
        Assert.True(VoucherCode.TryParse(_voucher, out VoucherCode? voucher));
        search.Add("voucher", voucher.Bytes);
        if (withSeed)
        {
            search.AddText("seed", _seed);
        }

        foreach (byte[] body in Bodies)
        {
            search.AddHashes("body", body);
        }

        return search;
    }

    public Evidence Log() => new("the log", Encoding.UTF8.GetBytes(string.Join('\n', System.Log.Lines)));

    /// <summary>The user's program ends.</summary>
    public async Task CloseAppAsync()
    {
        if (!_closed)
        {
            _closed = true;
            await App.DisposeAsync();
            await Client.DisposeAsync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await CloseAppAsync();
        Stranger.Dispose();
        await Gateway.DisposeAsync();
        await Issuer.DisposeAsync();
        await System.DisposeAsync();
        await Provider.DisposeAsync();
        Telemetry.Dispose();
    }

    private IEnumerable<(string Name, string Value)> Headers(string? authorization, bool cookie)
    {
        if (authorization is not null)
        {
            yield return ("Authorization", authorization);
        }

        if (cookie)
        {
            yield return ("Cookie", $"session={Canaries.Cookie}");
        }

        yield return ("Content-Type", "application/json");
        yield return ("Accept", "*/*");
        yield return ("User-Agent", Canaries.UserAgent);
        yield return ("X-Canary", Canaries.Header);
        yield return ("X-Forwarded-For", Canaries.Header);
        yield return ("OpenAI-Organization", Canaries.Header);
        yield return ("Referer", string.Create(CultureInfo.InvariantCulture, $"http://{Canaries.Header}.example/"));
        yield return ("traceparent", $"00-{Canaries.TraceId}-00f067aa0ba902b7-01");
        yield return ("tracestate", $"canary={Canaries.TraceState}");
        yield return ("baggage", $"canary={Canaries.TraceState}");
        yield return ("Tacit-Conversation", Canaries.Conversation);
    }
}
