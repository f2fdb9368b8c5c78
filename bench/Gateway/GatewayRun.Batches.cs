using Tacit.Bench.Harness;
using Tacit.Protocol;

namespace Tacit.Bench.Gateway;

/// <summary>0xDA7A under load: what it brings that tokens come with their salts, and what those do who send wrong ones.</summary>
internal sealed partial class GatewayRun
{
    internal async Task<IReadOnlyList<Row>> BatchesAsync(CancellationToken cancellationToken)
    {
        int rounds = IsQuick ? 2 : 5;
        int perRound = IsQuick ? 4000 : 8000;
        int[] junk = [1, 10, 50];
        await using Child gateway = await StartGatewayAsync();
        await using Child? portkey = await Portkey.TryStartAsync(serverCore, folder, say, cancellationToken);
        Dictionary<string, List<double>> rates = [];
        Dictionary<string, List<double>> pairs = [];
        for (int round = 0; round <= rounds; round++)
        {
            bool warmUp = round == 0;
            say(warmUp ? "batches: warming up" : $"batches: round {round} of {rounds}");
            await RateAsync("alone", gateway, Dear(gateway, perRound / 4, salted: false));
            await RateAsync("together", gateway, Dear(gateway, warmUp ? 3 * perRound : perRound));
            foreach (int percent in junk)
            {
                await RateAsync($"{percent}%", gateway, Dear(gateway, perRound / 2, wrongSalts: percent));
            }

            if (portkey is not null)
            {
                byte[] request = Load.Request(
                    portkey.Address, "json", "Bearer sk-bench",
                    more: $"x-portkey-provider: openai\r\nx-portkey-custom-host: {upstream.Address}v1\r\n");
                await RateAsync("portkey", portkey, Repeat(request, perRound / 16));
            }

            // In pairs on one connection, each of the two first in half of them: what else the machine does changes more from turn to turn than what is looked for here.
            byte[][] salted = Dear(gateway, perRound / 10);
            byte[][] plain = Dear(gateway, salted.Length, salted: false);
            IReadOnlyList<double> idle = await Load.InOrderAsync(
                gateway.Address, Source(salted.Zip(plain).SelectMany((pair, i) => i % 2 == 0 ? (byte[][])[pair.First, pair.Second] : [pair.Second, pair.First])), 200, _time, cancellationToken);
            for (int pair = 0; pair < salted.Length; pair++)
            {
                double without = idle[(2 * pair) + 1 - (pair % 2)];
                Note(pairs, "without", without);
                Note(pairs, "added", idle[(2 * pair) + (pair % 2)] - without);
            }

            async Task RateAsync(string name, Child child, IEnumerable<byte[]> requests)
            {
                double cpu = child.CpuSeconds;
                Outcome many = await Load.RunAsync(child.Address, connections, Source(requests), 200, _time, cancellationToken);
                say($"{name}: {many.PerSecond:0}/s, {(child.CpuSeconds - cpu) / many.Latencies.Length * 1e6:0} us CPU each, p50 {many.Percentile(0.5) * 1e3:0.0} ms, p99 {many.Percentile(0.99) * 1e3:0.0} ms");
                Note(rates, name, many.PerSecond);
            }

            void Note(Dictionary<string, List<double>> figures, string name, double figure)
            {
                if (!warmUp)
                {
                    figures.TryAdd(name, []);
                    figures[name].Add(figure);
                }
            }
        }

        double alone = Median(rates["alone"]);
        double together = Median(rates["together"]);
        string reference = $"without salts, {alone:#,0}/s";
        List<Row> rows =
        [
            new("gateway, 0xDA7A with salts, 32 connections, one core", together, "requests/s", reference, together / alone, null, Row.Higher),
            .. junk.Select(percent => new Row(
                $"the same, {percent}% of the salts wrong", Median(rates[$"{percent}%"]), "requests/s", reference, Median(rates[$"{percent}%"]) / alone, null, Row.Higher)),
            new("gateway, 0xDA7A with salts, one connection: p50 added", Median(pairs["added"]) * 1e3, "ms",
                $"without salts {Median(pairs["without"]) * 1e3:0.00} ms; median of {pairs["added"].Count:#,0} pairs, one after the other", null, 0.03, Row.Lower),
        ];
        if (portkey is not null)
        {
            double portkeyRate = Median(rates["portkey"]);
            rows.Insert(1, new("gateway, 0xDA7A with salts, against Portkey", together, "requests/s", $"npm @portkey-ai/gateway {Portkey.Version}, pass-through, {portkeyRate:#,0}/s", together / portkeyRate, 2, Row.Higher));
        }

        return Tell(rows);
    }

    private byte[][] Dear(Child gateway, int count, bool salted = true, int wrongSalts = 0) =>
        Minted(() => mint.Mint(TokenType.PartiallyBlindRsa, count, salted, wrongSalts), header => Load.Request(gateway.Address, "json", header));
}
