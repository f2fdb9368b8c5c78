using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.App;
using Tacit.Bench.Harness;
using Tacit.Client;
using Tacit.Client.Transports;
using Tacit.EndToEnd.TorNetwork;
using Tacit.Hosting;
using Tacit.Tor;

namespace Tacit.Bench.Tor;

/// <summary>
/// The way over Tor, on a private network whose relays run on this machine: what distance and a busy relay add is not in these figures, and all of Tor's own work is. Each
/// figure stands beside what can be had without ours: a tor started by hand, the same request without Tor, curl through the same SOCKS socket.
/// </summary>
internal sealed class TorSuite : Suite
{
    private const string Client = "client";
    private const int Credits = 100_000;
    private const int Tokens = 1000;
    private const int RequestsPerBatch = 25;
    private const int Conversations = 16;

    internal override string Name => "tor";

    internal override string Summary => "Tor on a private network: bootstrapping, first token, throughput, the app beside curl (needs tor, curl and private-tor-network.sh)";

    internal override async Task<IReadOnlyList<Row>> RunAsync(Effort effort, Action<string> say, CancellationToken cancellationToken)
    {
        if (PrivateTorNetwork.WhyNot() is { } reason)
        {
            say("skipped: " + reason);
            return [];
        }

        say("starting a private Tor network");
        await using PrivateTorNetwork network = await PrivateTorNetwork.StartAsync();
        await using TimedProvider provider = await TimedProvider.StartAsync(cancellationToken);
        say("starting issuer, gateway and relay with onion services");
        await using OnionSystem system = await OnionSystem.StartAsync(network, provider.Inference, TimedProvider.Model, NullLoggerFactory.Instance);
        await using TacitClient overTor = await OpenAsync(system, system.ClientOptions(Client), cancellationToken);
        ClientOptions direct = system.ClientOptions("direct");
        await using TacitClient withoutTor = await OpenAsync(
            system,
            direct with
            {
                Directory = direct.Directory with { Issuer = system.Issuer.Address },
                Redemption = direct.Redemption with { GatewayAddress = system.Gateway.Address },
                Transport = new TransportOptions { Carrier = CarrierChoice.Direct },
            },
            cancellationToken);

        List<Row> rows = await StartsAsync(network, effort, say, cancellationToken);
        rows.AddRange(await FirstTokens.MeasureAsync(system, provider, overTor, withoutTor, effort, say, cancellationToken));
        rows.Add(await ThroughputAsync(overTor, withoutTor, effort, say, cancellationToken));
        rows.Add(await BesideCurlAsync(system, overTor, effort, say, cancellationToken));
        return rows;
    }

    private static async Task<TacitClient> OpenAsync(OnionSystem system, ClientOptions options, CancellationToken cancellationToken)
    {
        TacitClient client = await TacitClient.CreateAsync(options, null, TimeProvider.System, NullLoggerFactory.Instance, cancellationToken);
        await client.Account.CreateAsync(cancellationToken);
        await client.Account.DepositAsync(await system.VoucherAsync(Credits), cancellationToken);
        for (int i = 0; i < 8; i++)
        {
            await client.Filler.FillAsync(OnionSystem.Plan, Tokens, cancellationToken: cancellationToken);
        }

        return client;
    }

    /// <summary>From nothing to circuits: ours, and tor by itself with the same lines.</summary>
    private static async Task<List<Row>> StartsAsync(PrivateTorNetwork network, Effort effort, Action<string> say, CancellationToken cancellationToken)
    {
        var side = new SideBySide();
        DirectoryInfo folder = Directory.CreateTempSubdirectory("tacit-bench-tor-");
        int used = 0;
        string ours = "", bare = "";
        try
        {
            side.Add("ours, anew", _ => OursAsync(ours = Path.Combine(folder.FullName, $"ours{++used}")));
            side.Add("bare, anew", _ => BareAsync(bare = Path.Combine(folder.FullName, $"bare{++used}")));
            side.Add("ours, again", _ => OursAsync(ours));
            side.Add("bare, again", _ => BareAsync(bare));
            await side.RunAsync(effort.Rounds, say, cancellationToken);
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        return [Compare("start to bootstrapped, nothing known of the network", "anew"), Compare("start to bootstrapped, the second time", "again")];

        Row Compare(string name, string which) => new(
            "Tor: " + name, side.Median("ours, " + which), "s", string.Create(CultureInfo.InvariantCulture, $"tor by itself, by its log: {side.Median("bare, " + which):0.00} s"),
            side.Median("ours, " + which) / side.Median("bare, " + which), null, Row.Lower);

        async Task<double> OursAsync(string data)
        {
            long started = Stopwatch.GetTimestamp();
            await using TorService tor = await TorService.StartAsync(
                new TorOptions { DataDirectory = data, Configuration = network.ConfigurationFile }, TimeProvider.System, NullLoggerFactory.Instance, cancellationToken);
            await tor.WaitUntilReadyAsync(cancellationToken);
            return Stopwatch.GetElapsedTime(started).TotalSeconds;
        }

        async Task<double> BareAsync(string data)
        {
            Directory.CreateDirectory(data, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            string torrc = data + ".torrc";
            await File.WriteAllTextAsync(torrc, $"{await File.ReadAllTextAsync(network.ConfigurationFile, cancellationToken)}DataDirectory {data}\nSocksPort unix:{data}/socks\nLog notice stdout\n", cancellationToken);
            await File.WriteAllTextAsync(data + ".none", "", cancellationToken);
            long started = Stopwatch.GetTimestamp();
            using Process tor = Process.Start(new ProcessStartInfo("tor", ["--defaults-torrc", data + ".none", "-f", torrc]) { RedirectStandardOutput = true })!;
            while (await tor.StandardOutput.ReadLineAsync(cancellationToken) is { } line && !line.Contains("Bootstrapped 100%", StringComparison.Ordinal))
            {
                // It says where it is.
            }

            double took = Stopwatch.GetElapsedTime(started).TotalSeconds;

            // In order, so that it keeps what it knows.
            using (Process end = Process.Start("kill", ["-INT", tor.Id.ToString(CultureInfo.InvariantCulture)]))
            {
                await end.WaitForExitAsync(cancellationToken);
            }

            await tor.WaitForExitAsync(cancellationToken);
            return took;
        }
    }

    /// <summary>Whole replies through one client, in conversations that each wait for their answer.</summary>
    private static async Task<Row> ThroughputAsync(TacitClient overTor, TacitClient withoutTor, Effort effort, Action<string> say, CancellationToken cancellationToken)
    {
        var side = new SideBySide();
        int asked = 0;
        double processor = 0;
        side.Add("requests over Tor", async _ =>
        {
            double before = Tors.CpuSeconds();
            long started = Stopwatch.GetTimestamp();
            double rate = await RateAsync(overTor);
            processor = (Tors.CpuSeconds() - before) / (Stopwatch.GetElapsedTime(started).TotalSeconds * Environment.ProcessorCount);
            return rate;
        });
        side.Add("requests without Tor", _ => RateAsync(withoutTor));

        // Each conversation's circuit is made before it is measured.
        await RateAsync(overTor);
        await side.RunAsync(Math.Min(effort.Rounds, 3), say, cancellationToken);
        double tor = side.Median("requests over Tor"), direct = side.Median("requests without Tor");
        return new Row(
            $"Tor: requests through one client, {Conversations} conversations", tor, "requests/s",
            string.Create(CultureInfo.InvariantCulture, $"the same client without Tor: {direct:0}/s; all tors of the network, which run here too, took {processor:P0} of the processor"),
            tor / direct, null, Row.Higher);

        async Task<double> RateAsync(TacitClient client)
        {
            // No longer than the wallet's tokens last, also on a machine twice as fast.
            long until = Stopwatch.GetTimestamp() + (long)(Math.Min(effort.PerMeasurement.TotalSeconds * 3, 1.5) * Stopwatch.Frequency);
            long started = Stopwatch.GetTimestamp();
            int answered = 0;
            await Task.WhenAll(Enumerable.Range(0, Conversations).Select(async conversation =>
            {
                while (Stopwatch.GetTimestamp() < until)
                {
                    await FirstTokens.AskAsync(client, $"{Interlocked.Increment(ref asked)}", stream: false, $"load {conversation}", cancellationToken);
                    Interlocked.Increment(ref answered);
                }
            }));
            return answered / Stopwatch.GetElapsedTime(started).TotalSeconds;
        }
    }

    /// <summary>The same requests by curl to the app, and by curl through the SOCKS socket of the same tor straight to the onion service; each keeps its connection.</summary>
    private static async Task<Row> BesideCurlAsync(OnionSystem system, TacitClient client, Effort effort, Action<string> say, CancellationToken cancellationToken)
    {
        await using AppServer app = await AppServer.StartAsync(
            new AppOptions { DataDirectory = system[Client], Listen = ListenAddress.Loopback(0), IssuerUrl = system.IssuerOnion, AutoFill = false }, client, TimeProvider.System, NullLoggerFactory.Instance, cancellationToken);
        Queue<string> tokens = await Mint.MakeAsync(system, RequestsPerBatch * (effort.Rounds + 1), cancellationToken);
        string sockets = (await File.ReadAllTextAsync(Path.Combine(system.TorFolder(Client), "sockets"), cancellationToken)).Trim();
        string proxy = $"socks5h://bench:bench@localhost{Path.Combine(sockets, "socks")}";
        List<double> byApp = [], byCurl = [];
        int asked = 0;
        for (int round = 0; round <= effort.Rounds; round++)
        {
            say($"the app beside curl, round {round} of {effort.Rounds}");
            double[] app1 = await Curl.PostAsync(
                new Uri(app.Address, "/v1/chat/completions"), null, [.. Enumerable.Range(0, RequestsPerBatch).Select(_ => (One("tacit-conversation: beside curl"), Body()))], cancellationToken);
            double[] curl1 = await Curl.PostAsync(
                new Uri(system.GatewayOnion, "/v1/chat/completions"), proxy,
                [.. Enumerable.Range(0, RequestsPerBatch).Select(_ => (One($"authorization: {tokens.Dequeue()}"), Body()))], cancellationToken);
            if (round > 0)
            {
                byApp.AddRange(app1);
                byCurl.AddRange(curl1);
            }
        }

        double appMedian = Percentile(byApp, 0.5), curlMedian = Percentile(byCurl, 0.5);
        return new Row(
            "Tor: p50 that the app adds to curl through the same SOCKS socket", appMedian - curlMedian, "ms",
            string.Create(CultureInfo.InvariantCulture, $"app {appMedian:0.0} ms, curl {curlMedian:0.0} ms; p90 {Percentile(byApp, 0.9):0.0} and {Percentile(byCurl, 0.9):0.0} ms; {byApp.Count} requests each, in turns, connections kept"),
            null, 10, Row.Lower);

        static IReadOnlyList<string> One(string header) => [header];

        string Body() => TimedProvider.Body($"beside curl {++asked}", stream: false);
    }

    internal static double Percentile(IEnumerable<double> figures, double part)
    {
        double[] sorted = [.. figures.Order()];
        return sorted[(int)(part * (sorted.Length - 1))];
    }
}
