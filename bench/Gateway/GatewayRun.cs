using System.Globalization;
using Tacit.Bench.Harness;
using Tacit.Protocol;

namespace Tacit.Bench.Gateway;

/// <summary>One run of the gateway's measurements.</summary>
internal sealed partial class GatewayRun(TokenMint mint, string folder, Child upstream, Effort effort, Action<string> say, int serverCore, int clientCore, int connections)
{
    private const int ManyStreams = 2000;
    private readonly TimeProvider _time = TimeProvider.System;
    private int _gateways;

    private bool IsQuick => effort.Rounds < 5;

    /// <summary>1 KB JSON replies: requests a second at 32 connections, and what one connection waits longer.</summary>
    internal async Task<IReadOnlyList<Row>> RequestsAsync(CancellationToken cancellationToken)
    {
        int rounds = IsQuick ? 2 : 5;
        int perRound = IsQuick ? 4000 : 8000;
        await using Child bare = await Child.StartRoleAsync(serverCore, "passthrough", upstream.Address.ToString());
        await using Child patient = await Child.StartRoleAsync(serverCore, "passthrough", upstream.Address.ToString(), Roles.InTurn);
        await using Child gateway = await StartGatewayAsync();
        await using Child? portkey = await Portkey.TryStartAsync(serverCore, folder, say, cancellationToken);

        Dictionary<string, List<double>> rates = new() { ["bare"] = [], ["patient"] = [], ["0x0002"] = [], ["0xDA7A"] = [], ["portkey"] = [] };
        Dictionary<string, List<double>> medians = new() { ["bare"] = [], ["0x0002"] = [], ["0xDA7A"] = [], ["sync"] = [] };
        for (int round = -1; round <= rounds; round++)
        {
            bool warmUp = round <= 0;
            say(warmUp ? "requests: warming up" : $"requests: round {round} of {rounds}");
            // The first pass is long: the runtime compiles what is hot a second time only after it has run for a while. In another, whoever has been at it ends with that.
            int count = round < 0 ? 6 * perRound : perRound;
            // Longest where a request costs least.
            int untaxed = round < 0 ? 3 * count : count;
            await MeasureAsync("bare", bare.Address, Repeat(Load.Request(bare.Address, "json"), untaxed));
            await MeasureAsync("patient", patient.Address, Repeat(Load.Request(patient.Address, "json"), untaxed));
            await MeasureAsync("0x0002", gateway.Address, Paid(gateway, TokenType.BlindRsa, count));
            await MeasureAsync("0xDA7A", gateway.Address, Paid(gateway, TokenType.PartiallyBlindRsa, count / 4));
            if (portkey is not null)
            {
                byte[] request = Load.Request(
                    portkey.Address, "json", "Bearer sk-bench",
                    more: $"x-portkey-provider: openai\r\nx-portkey-custom-host: {upstream.Address}v1\r\n");
                await MeasureAsync("portkey", portkey.Address, Repeat(request, count / 16));
            }

            async Task MeasureAsync(string name, Uri target, IEnumerable<byte[]> requests)
            {
                Child child = name switch { "bare" => bare, "patient" => patient, "portkey" => portkey!, _ => gateway };
                double cpu = child.CpuSeconds;
                Outcome many = await Load.RunAsync(target, connections, Source(requests), 200, _time, cancellationToken);
                if (!warmUp)
                {
                    rates[name].Add(many.PerSecond);
                    say($"{name}: {many.PerSecond:0}/s, {(child.CpuSeconds - cpu) / many.Latencies.Length * 1e6:0} us CPU each");
                }
            }

            await MedianAsync("bare", bare.Address, Repeat(Load.Request(bare.Address, "json"), 500));
            await MedianAsync("0x0002", gateway.Address, Paid(gateway, TokenType.BlindRsa, 500));
            await MedianAsync("0xDA7A", gateway.Address, Paid(gateway, TokenType.PartiallyBlindRsa, 500));
            if (!warmUp)
            {
                medians["sync"].Add(DiskSync.Median(folder, _time));
            }

            async Task MedianAsync(string name, Uri target, IEnumerable<byte[]> requests)
            {
                Outcome one = await Load.RunAsync(target, 1, Source(requests), 200, _time, cancellationToken);
                if (!warmUp)
                {
                    medians[name].Add(one.Percentile(0.5));
                }
            }
        }

        double bareRate = Median(rates["bare"]);
        double plainRate = Median(rates["0x0002"]);
        double safeRate = Median(rates["0xDA7A"]);
        double patientRate = Median(rates["patient"]);
        double sync = Median(medians["sync"]);
        double bareMedian = Median(medians["bare"]);
        // What one core has time for when each request costs what it costs under 0x0002, and a 0xDA7A verification instead of that one's.
        double verification = mint.VerificationCost(TokenType.PartiallyBlindRsa, _time);
        List<Row> rows =
        [
            new("gateway, 1 KB JSON, 32 connections, one core, 0x0002", plainRate, "requests/s", $"bare ASP.NET Core pass-through, {bareRate:#,0}/s", plainRate / bareRate, 0.4, Row.Higher),
            new("the same, against a pass-through whose sockets wait for their turn too", plainRate, "requests/s", $"that pass-through, {patientRate:#,0}/s", plainRate / patientRate, null, Row.Higher),
            new("gateway, 1 KB JSON, 32 connections, one core, 0xDA7A", safeRate, "requests/s", $"its verification alone, {1 / verification:#,0}/s", safeRate * verification, 0.75, Row.Higher),
            new("gateway, p50 added at one connection, 0x0002, without the sync", (Median(medians["0x0002"]) - bareMedian - sync) * 1e3, "ms", $"pass-through {bareMedian * 1e3:0.00} ms, fdatasync {sync * 1e3:0.00} ms", null, 0.5, Row.Lower),
            new("gateway, p50 added at one connection, 0xDA7A, without the sync", (Median(medians["0xDA7A"]) - bareMedian - sync) * 1e3, "ms", $"pass-through {bareMedian * 1e3:0.00} ms, fdatasync {sync * 1e3:0.00} ms", null, 1.3, Row.Lower),
        ];
        if (portkey is not null)
        {
            double portkeyRate = Median(rates["portkey"]);
            rows.Insert(2, new("gateway, 1 KB JSON, against Portkey", plainRate, "requests/s", $"npm @portkey-ai/gateway {Portkey.Version}, pass-through, {portkeyRate:#,0}/s", plainRate / portkeyRate, 5, Row.Higher));
        }

        return Tell(rows);
    }

    /// <summary>Streams of 50 events.</summary>
    internal async Task<IReadOnlyList<Row>> StreamsAsync(CancellationToken cancellationToken)
    {
        int rounds = IsQuick ? 2 : 5;
        int perRound = IsQuick ? 1000 : 3000;
        await using Child bare = await Child.StartRoleAsync(serverCore, "passthrough", upstream.Address.ToString());
        await using Child gateway = await StartGatewayAsync();
        List<double> bareRates = [];
        List<double> rates = [];
        for (int round = 0; round <= rounds; round++)
        {
            say($"streams: round {round} of {rounds}");
            Outcome direct = await Load.RunAsync(
                bare.Address, connections, Source(Repeat(Load.Request(bare.Address, "burst", stream: true), perRound)), 200, _time, cancellationToken);
            Outcome paid = await Load.RunAsync(
                gateway.Address, connections, Source(Paid(gateway, TokenType.BlindRsa, perRound, "burst", stream: true)), 200, _time, cancellationToken);
            if (round > 0)
            {
                bareRates.Add(direct.PerSecond);
                rates.Add(paid.PerSecond);
            }
        }

        return Tell([new("gateway, streams of 50 events", Median(rates), "streams/s", $"bare pass-through, {Median(bareRates):#,0}/s, of a provider that sends each event by itself", Median(rates) / Median(bareRates), 0.5, Row.Higher)]);
    }

    /// <summary>2,000 streams at once, 20 events a second each.</summary>
    internal async Task<IReadOnlyList<Row>> ManyStreamsAsync(CancellationToken cancellationToken)
    {
        int seconds = IsQuick ? 4 : 9;
        await using Child gateway = await StartGatewayAsync();
        say($"streams: {ManyStreams} at once");
        await Load.RunAsync(gateway.Address, connections, Source(Paid(gateway, TokenType.BlindRsa, 2000, "burst", stream: true)), 200, _time, cancellationToken);
        long before = gateway.ResidentBytes;
        byte[][] requests = [.. Paid(gateway, TokenType.BlindRsa, ManyStreams, $"tick{seconds}", stream: true)];
        List<double> firsts = [];
        List<double> gaps = [];
        Task[] streams = [.. requests.Select((request, i) => Task.Run(() => ReadStreamAsync(i, request), cancellationToken))];
        long peak = before;
        while (!Task.WhenAll(streams).IsCompleted)
        {
            await Task.WhenAny(Task.WhenAll(streams), Task.Delay(250, cancellationToken));
            peak = Math.Max(peak, gateway.ResidentBytes);
        }

        await Task.WhenAll(streams);
        firsts.Sort();
        gaps.Sort();
        return Tell(
        [
            new("2,000 streams at 20 events/s: longest gap between events", gaps[^1], "s", "a stall would be seconds", null, 1, Row.Lower),
            new("2,000 streams: time to first event, p99", firsts[(int)(firsts.Count * 0.99)] * 1e3, "ms", $"p50 {firsts[firsts.Count / 2] * 1e3:0} ms, all opened within 4 s", null, null, Row.Lower),
            new("2,000 streams: memory per stream", (peak - before) / 1024.0 / ManyStreams, "KB", $"resident {before >> 20} MB before, {peak >> 20} MB at most", null, 100, Row.Lower),
        ]);

        async Task ReadStreamAsync(int index, byte[] request)
        {
            // Opened over four seconds: a crowd that arrives, not a thunderclap.
            await Task.Delay(TimeSpan.FromSeconds(4.0 * index / ManyStreams), cancellationToken);
            using var connection = new Connection(await Load.ConnectAsync(gateway.Address));
            long last = _time.GetTimestamp();
            double first = -1;
            double longest = 0;
            int status = await connection.ExchangeAsync(request, _ =>
            {
                double gap = _time.GetElapsedTime(last).TotalSeconds;
                last = _time.GetTimestamp();
                if (first < 0)
                {
                    first = gap;
                }
                else
                {
                    longest = Math.Max(longest, gap);
                }
            });
            if (status != 200)
            {
                throw new InvalidOperationException($"A stream was answered {status}: {connection.Text}");
            }

            lock (firsts)
            {
                firsts.Add(first);
                gaps.Add(longest);
            }
        }
    }

    /// <summary>Honest requests at a steady pace, alone and beside a flood of false tokens.</summary>
    internal async Task<IReadOnlyList<Row>> FloodAsync(CancellationToken cancellationToken)
    {
        List<Row> rows = [];
        foreach (TokenType type in new[] { TokenType.BlindRsa, TokenType.PartiallyBlindRsa })
        {
            string name = type == TokenType.BlindRsa ? "0x0002" : "0xDA7A";
            await using Child gateway = await StartGatewayAsync();
            await Load.RunAsync(gateway.Address, connections, Source(Paid(gateway, type, 2000)), 200, _time, cancellationToken);
            say($"flood, {name}: honest requests alone");
            Outcome calm = await PacedAsync(gateway, type, cancellationToken);
            using var flood = new Flood(gateway.Address, [.. mint.Forge(type, 512).Select(header => Load.Request(gateway.Address, "json", header))]);
            say($"flood, {name}: beside false tokens");
            await Task.Delay(1000, cancellationToken);
            Outcome flooded = await PacedAsync(gateway, type, cancellationToken);
            rows.Add(new(
                $"flood of false tokens, {name}: honest p99", flooded.Percentile(0.99) * 1e3, "ms",
                $"alone {calm.Percentile(0.99) * 1e3:0.0} ms; {flood.Sent:#,0} false requests were sent, {flood.Connections:#,0} connections",
                flooded.Percentile(0.99) / calm.Percentile(0.99), 3, Row.Lower));
        }

        return Tell(rows);
    }

    private async Task<Outcome> PacedAsync(Child gateway, TokenType type, CancellationToken cancellationToken)
    {
        // Eight people, each with a request every 20 ms: a fifth of what the core can do, and never in step.
        int each = IsQuick ? 100 : 400;
        byte[][] requests = [.. Paid(gateway, type, 8 * each)];
        double[][] latencies = await Task.WhenAll(Enumerable.Range(0, 8).Select(person => Task.Run(async () =>
        {
            using var connection = new Connection(await Load.ConnectAsync(gateway.Address));
            double[] mine = new double[each];
            using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
            for (int i = 0; i < each; i++)
            {
                long sent = _time.GetTimestamp();
                int status;
                while ((status = await connection.ExchangeAsync(requests[(person * each) + i], null)) == 503)
                {
                    // Busy, nothing spent: asked again at once, and the wait counts.
                }

                mine[i] = _time.GetElapsedTime(sent).TotalSeconds;
                if (status != 200)
                {
                    throw new InvalidOperationException($"An honest request was answered {status}: {connection.Text}");
                }

                await timer.WaitForNextTickAsync(cancellationToken);
            }

            return mine;
        })));
        double[] all = [.. latencies.SelectMany(mine => mine)];
        Array.Sort(all);
        return new Outcome(0, all);
    }

    /// <param name="interval">Milliseconds for which sealed streams are gathered; null: the default.</param>
    private async Task<Child> StartGatewayAsync(string? interval = null)
    {
        string own = Path.Combine(folder, (++_gateways).ToString(CultureInfo.InvariantCulture));
        Directory.CreateDirectory(own);
        File.Copy(Path.Combine(folder, "directory.json"), Path.Combine(own, "directory.json"));
        File.Copy(Path.Combine(folder, "directory.key"), Path.Combine(own, "directory.key"));
        if (File.Exists(Path.Combine(folder, Roles.SealingKey)))
        {
            File.Copy(Path.Combine(folder, Roles.SealingKey), Path.Combine(own, Roles.SealingKey));
            await File.WriteAllTextAsync(Path.Combine(own, Roles.ReplyInterval), interval ?? "50");
        }

        return await Child.StartRoleAsync(serverCore, "gateway", own, upstream.Address.ToString());
    }

    private byte[][] Paid(Child gateway, TokenType type, int count, string prompt = "json", bool stream = false) =>
        Minted(() => mint.Mint(type, count), header => Load.Request(gateway.Address, prompt, header, stream));

    private byte[][] Minted(Func<string[]> mints, Func<string, byte[]> request)
    {
        // Making tokens is not measured, so it may use every core; measuring may not.
        Affinity.Set($"0-{Environment.ProcessorCount - 1}");
        byte[][] requests = Array.ConvertAll(mints(), header => request(header));
        Affinity.Set(clientCore.ToString(CultureInfo.InvariantCulture));
        return requests;
    }

    private static IEnumerable<byte[]> Repeat(byte[] request, int count) => Enumerable.Repeat(request, count);

    private static Func<byte[]?> Source(IEnumerable<byte[]> requests)
    {
        byte[][] all = [.. requests];
        int next = -1;
        return () => Interlocked.Increment(ref next) is int i && i < all.Length ? all[i] : null;
    }

    private IReadOnlyList<Row> Tell(IReadOnlyList<Row> rows)
    {
        foreach (Row row in rows)
        {
            say($"{row.Name}: {row.Value:0.###} {row.Unit} ({row.Reference}) ratio {row.Ratio:0.###}");
        }

        return rows;
    }

    private static double Median(List<double> figures)
    {
        figures.Sort();
        return figures[figures.Count / 2];
    }
}
