using System.Diagnostics;
using System.Globalization;
using System.Text;
using Tacit.Bench.Harness;
using Tacit.Client;
using Tacit.EndToEnd.TorNetwork;

namespace Tacit.Bench.Tor;

/// <summary>From the question to the first piece of its answer, with the parts of that time: what tor says of the stream, and what the provider saw.</summary>
internal static class FirstTokens
{
    private static int s_asked;

    internal static async Task<IReadOnlyList<Row>> MeasureAsync(
        OnionSystem system, TimedProvider provider, TacitClient overTor, TacitClient withoutTor, Effort effort, Action<string> say, CancellationToken cancellationToken)
    {
        await using ControlPort control = await ControlPort.OfAsync(Path.Combine(system["client"], "tor"));
        await AskAsync(withoutTor, "warm up", stream: true, "direct", cancellationToken);
        await AskAsync(overTor, "warm up", stream: true, "warm", cancellationToken);
        List<Parts> cold = [], fresh = [], warm = [], direct = [];
        for (int round = 1; round <= effort.Rounds * 2; round++)
        {
            say($"first token, round {round} of {effort.Rounds * 2}");
            direct.Add(await OnceAsync(withoutTor, null, "direct"));
            warm.Add(await OnceAsync(overTor, control, "warm"));
            fresh.Add(await OnceAsync(overTor, control, $"fresh {round}"));

            // Forgets where the service is to be found, and all circuits: as for somebody who comes for the first time.
            await control.AskAsync("SIGNAL NEWNYM");
            cold.Add(await OnceAsync(overTor, control, $"cold {round}"));
            await AskAsync(overTor, "warm up again", stream: true, "warm", cancellationToken);
        }

        double loopback = Median(direct, parts => parts.All);
        return
        [
            Row("cold: service never visited", cold), Row("a new conversation: descriptor known", fresh), Row("warm: the same conversation", warm),
        ];

        Row Row(string name, List<Parts> rounds) => new(
            "Tor: first token over the onion service, " + name, Median(rounds, parts => parts.All), "ms",
            string.Create(
                CultureInfo.InvariantCulture,
                $"its parts, in ms: wallet {Median(rounds, parts => parts.Wallet):0.0}, circuit and rendezvous {Median(rounds, parts => parts.Tor):0.0}, there and gateway {Median(rounds, parts => parts.There):0.0}, provider {Median(rounds, parts => parts.Provider):0.0}, back {Median(rounds, parts => parts.Back):0.0}; no TLS; without Tor {loopback:0.0}, of that the wallet and gateway {Median(direct, parts => parts.There):0.0}"),
            null, null, Harness.Row.Lower);

        async Task<Parts> OnceAsync(TacitClient client, ControlPort? tor, string conversation)
        {
            int before = tor?.Streams.Count ?? 0;
            long started = Stopwatch.GetTimestamp();
            long first = await AskAsync(client, "first token", stream: true, conversation, cancellationToken);
            TorStreamEvent[] streams = tor is null ? [] : [.. tor.Streams.Skip(before).Where(stream => stream.Host == system.GatewayOnion.Host)];
            long begun = streams.FirstOrDefault(stream => stream.Status == "NEW")?.Seen ?? started;
            long connected = streams.LastOrDefault(stream => stream.Status == "SUCCEEDED")?.Seen ?? begun;
            return new Parts(Between(started, first), Between(started, begun), Between(begun, connected), Between(connected, provider.Asked), Between(provider.Asked, provider.Answered), Between(provider.Answered, first));
        }
    }

    /// <summary>One prompt to its end.</summary>
    /// <returns>When the first piece of its answer came.</returns>
    internal static async Task<long> AskAsync(TacitClient client, string question, bool stream, string conversation, CancellationToken cancellationToken)
    {
        byte[] body = Encoding.UTF8.GetBytes(TimedProvider.Body($"{question} {Interlocked.Increment(ref s_asked)}", stream));
        await using PromptReply reply = await client.Redemption.SendAsync(new PromptRequest(PromptOperation.ChatCompletions, body, conversation), cancellationToken);
        byte[] block = new byte[4096];
        int read = await reply.ReadAsync(block, cancellationToken);
        long first = Stopwatch.GetTimestamp();
        if (reply.Status != 200)
        {
            throw new InvalidOperationException("A question was not answered: " + Encoding.UTF8.GetString(block, 0, read));
        }

        while (read > 0)
        {
            read = await reply.ReadAsync(block, cancellationToken);
        }

        await reply.CompleteAsync(cancellationToken);
        return first;
    }

    private static double Between(long from, long to) => Stopwatch.GetElapsedTime(from, to).TotalMilliseconds;

    private static double Median(List<Parts> rounds, Func<Parts, double> part) => TorSuite.Percentile(rounds.Select(part), 0.5);

    /// <summary>Milliseconds of each.</summary>
    private sealed record Parts(double All, double Wallet, double Tor, double There, double Provider, double Back);
}
