using System.Diagnostics;
using System.Net;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.EndToEnd.Support;
using Tacit.Protocol;

namespace Tacit.Inference.Tests;

/// <summary>Tests that measure the whole process run while no other does.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;

/// <summary>Backends that die, hang, reset, dawdle and lie under load, and get well again: no request is lost that had not begun to be answered.</summary>
[Collection(nameof(Alone))]
public sealed class BackendChurnTests
{
    private const string Events = "data: {\"id\":1}\n\ndata: [DONE]\n\n";
    private const int Workers = 8;

    private static CancellationToken Test => TestContext.Current.CancellationToken;

    [Fact]
    public async Task No_request_is_lost_while_backends_fail_in_every_way_and_memory_stays_flat()
    {
        bool isSoak = Environment.GetEnvironmentVariable("TACIT_SOAK") == "1";
        string[] ways = ["well", "hung", "resetting", "slow", "lying", "killed"];
        var backends = ways.Select(way => new FaultyBackend(way)).ToList();
        var options = new InferenceOptions
        {
            Backends = [.. backends.Select(backend => backend.Options)],
            MaxAttempts = 10,
            Backoff = TimeSpan.FromMilliseconds(20),
            Breaker = new BreakerOptions { Window = TimeSpan.FromSeconds(10), MinFailures = 3, FailurePercent = 30, OpenFor = TimeSpan.FromMilliseconds(100), OpenForAtMost = TimeSpan.FromMilliseconds(800) },
            Budgets = new ProviderBudgets { FirstByte = TimeSpan.FromSeconds(isSoak ? 20 : 8) },
        };
        await using var router = new InferenceRouter(options, TimeProvider.System, NullLoggerFactory.Instance);
        long began = Stopwatch.GetTimestamp();
        long settled = 0;
        int rounds = 0;
        do
        {
            // Well; ill; well again. Each until what is to be seen is seen.
            await AskUntilAsync(router, () => router.Backends.All(backend => backend is { Health: HealthState.Up or HealthState.Unchecked, Breaker: BreakerState.Closed }));
            Dictionary<string, long> opened = router.Backends.ToDictionary(backend => backend.Name, backend => backend.Counts.Opened);
            backends.ForEach(backend => backend.IsIll = true);
            await AskUntilAsync(router, () => Is("hung", HealthState.Down) && Is("killed", HealthState.Down) && HasOpened("resetting", opened) && HasOpened("lying", opened));
            Dictionary<string, long> replies = router.Backends.ToDictionary(backend => backend.Name, backend => backend.Counts.Replies);
            backends.ForEach(backend => backend.IsIll = false);
            await AskUntilAsync(router, () => router.Backends.All(backend => backend is { Health: HealthState.Up or HealthState.Unchecked, Breaker: BreakerState.Closed } && backend.Counts.Replies > replies[backend.Name]));
            if (++rounds == 1)
            {
                settled = GC.GetTotalMemory(forceFullCollection: true);
            }
        }
        while (rounds < 2 || Stopwatch.GetElapsedTime(began) < TimeSpan.FromMinutes(isSoak ? 10 : 2));

        Assert.All(router.Backends, backend => Assert.Equal((0, 0), (backend.Outstanding, backend.Queued)));
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - settled, long.MinValue, 8 << 20);
        foreach (FaultyBackend backend in backends)
        {
            await backend.DisposeAsync();
        }

        bool Is(string name, HealthState state) => router.Backends.Single(backend => backend.Name == name).Health == state;

        bool HasOpened(string name, Dictionary<string, long> before) => router.Backends.Single(backend => backend.Name == name).Counts.Opened > before[name];
    }

    private static async Task AskUntilAsync(InferenceRouter router, Func<bool> isSeen)
    {
        bool isDone = false;
        Task[] asking = [.. Enumerable.Range(0, Workers).Select(_ => Task.Run(async () =>
        {
            while (!Volatile.Read(ref isDone))
            {
                await AskAsync(router);
                // Minutes of it, beside other tests' processes: steadily, and not as fast as can be.
                await Task.Delay(5, Test);
            }
        }))];
        while (!isSeen() && !asking.Any(task => task.IsFaulted))
        {
            await Task.Delay(10, Test);
        }

        Volatile.Write(ref isDone, true);
        await Task.WhenAll(asking);
    }

    private static async Task AskAsync(InferenceRouter router)
    {
        byte[] body = Encoding.UTF8.GetBytes($$"""{"model":"{{RouterHarness.Model}}","max_completion_tokens":9,"messages":[],"stream":true}""");
        using var text = new SensitiveBuffer();
        try
        {
            await using ProviderReply reply = await router.SendAsync(Operation.ChatCompletions, RouterHarness.Model, true, body, RequestFacts.None, Test);
            while (await reply.ReadAsync(text, Test))
            {
            }

            Assert.Equal(Events, Encoding.UTF8.GetString(text.WrittenSpan));
        }
        catch (ProviderException failure)
        {
            // The one way to fail: it had begun.
            Assert.Equal(ErrorCodes.ReplyInterrupted, failure.Error.Code);
            Assert.NotEqual(0, text.WrittenCount);
        }
    }

    /// <summary>A backend that is well, or ill in its own way.</summary>
    private sealed class FaultyBackend : IAsyncDisposable
    {
        private readonly string _way;
        private readonly IPEndPoint _at;
        private ScriptedProvider? _provider;
        private volatile bool _isIll;

        public FaultyBackend(string way)
        {
            _way = way;
            // A port that the system hands to nobody else while the one that is killed is away.
            _at = new IPEndPoint(IPAddress.Loopback, FreePorts.Take(1));
            _provider = ScriptedProvider.StartAt(_at, AnswerAsync).Forgetting();
            Options = RouterHarness.Backend(_provider.BaseUrl) with
            {
                Name = way,
                // The one that is always well is not checked, so that a slow machine cannot take it for dead.
                Health = way == "well" ? null : new HealthOptions { Interval = TimeSpan.FromMilliseconds(100), Timeout = TimeSpan.FromSeconds(3) },
            };
        }

        public BackendOptions Options { get; }

        public bool IsIll
        {
            set
            {
                _isIll = value;
                if (_way != "killed")
                {
                    return;
                }

                if (value)
                {
                    _provider!.DisposeAsync().AsTask().GetAwaiter().GetResult();
                    _provider = null;
                }
                else
                {
                    _provider = ScriptedProvider.StartAt(_at, AnswerAsync).Forgetting();
                }
            }
        }

        public async ValueTask DisposeAsync()
        {
            if (_provider is not null)
            {
                await _provider.DisposeAsync();
            }
        }

        private async Task AnswerAsync(ScriptedExchange exchange)
        {
            bool isCheck = exchange.Request.Line.StartsWith("GET", StringComparison.Ordinal);
            switch (_isIll ? _way : "well")
            {
                case "hung":
                    await exchange.HangAsync();
                    return;
                case "resetting" when !isCheck:
                    exchange.Reset();
                    return;
                case "lying" when !isCheck:
                    await exchange.JsonAsync("{}", 500);
                    return;
                case "slow":
                    await Task.Delay(100, exchange.Stopping);
                    break;
            }

            if (isCheck)
            {
                await exchange.JsonAsync("{\"data\":[{\"id\":\"public-model\"}]}");
                return;
            }

            await exchange.BeginEventsAsync();
            foreach (string piece in (string[])["data: {\"id\":1}\n\n", "data: [DONE]\n\n"])
            {
                await exchange.ChunkAsync(piece);
            }

            await exchange.EndChunksAsync();
        }
    }
}
