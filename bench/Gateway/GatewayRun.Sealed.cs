using System.Buffers;
using System.Text;
using Tacit.Bench.Harness;
using Tacit.Protocol;

namespace Tacit.Bench.Gateway;

/// <summary>Streams that come sealed, beside the same streams that do not.</summary>
internal sealed partial class GatewayRun
{
    private const int SealedStreams = 1000;

    /// <summary>
    /// 1,000 streams at once, 20 events a second each: what an event costs the gateway's processor in the clear, in Oblivious HTTP as gateways do it, and where nothing is
    /// gathered, so that each event is a sealed chunk of its own.
    /// </summary>
    internal async Task<IReadOnlyList<Row>> SealedStreamsAsync(CancellationToken cancellationToken)
    {
        int seconds = IsQuick ? 5 : 9;
        int rounds = IsQuick ? 2 : 5;
        await File.WriteAllBytesAsync(Path.Combine(folder, Roles.SealingKey), new byte[32], cancellationToken);
        await using Child paced = await StartGatewayAsync();
        await using Child unpaced = await StartGatewayAsync("0");
        Dictionary<string, List<Cost>> costs = new() { ["clear"] = [], ["sealed"] = [], ["unpaced"] = [] };
        ObliviousKeyConfiguration keys = await FetchKeysAsync(paced.Address, cancellationToken);
        ObliviousKeyConfiguration otherKeys = await FetchKeysAsync(unpaced.Address, cancellationToken);
        await CheckAsync(paced, keys, cancellationToken);
        for (int round = 0; round <= rounds; round++)
        {
            say($"sealed: round {round} of {rounds}");
            await MeasureAsync("clear", paced, Paid(paced, TokenType.BlindRsa, SealedStreams, $"tick{seconds}", stream: true));
            await MeasureAsync("sealed", paced, Sealed(paced, keys));
            await MeasureAsync("unpaced", unpaced, Sealed(unpaced, otherKeys));

            async Task MeasureAsync(string name, Child gateway, byte[][] requests)
            {
                Cost cost = await CostAsync(gateway, requests, seconds, cancellationToken);
                say($"{name}: {cost.Seconds * 1e6:0.0} us an event, {cost.Arrivals:0.00} arrivals");
                if (round > 0)
                {
                    costs[name].Add(cost);
                }
            }
        }

        double clear = Median([.. costs["clear"].Select(cost => cost.Seconds)]);
        return Tell([Row("1,000 sealed streams at 20 chunks/s: processor time for each", "sealed", 1.25), Row("the same with ReplyInterval 0: nothing gathered", "unpaced", null)]);

        byte[][] Sealed(Child gateway, ObliviousKeyConfiguration configuration) => Minted(
            () => mint.Mint(TokenType.BlindRsa, SealedStreams), header => Seal(gateway.Address, configuration, header, $"tick{seconds}").Request);

        Row Row(string name, string measured, double? goal)
        {
            double value = Median([.. costs[measured].Select(cost => cost.Seconds)]);
            double arrivals = Median([.. costs[measured].Select(cost => cost.Arrivals)]);
            double bytes = Median([.. costs[measured].Select(cost => cost.Bytes)]);
            return new(
                name, value * 1e6, "us",
                $"the same streams in the clear, {clear * 1e6:0.0} us an event; sealed, an event of 240 bytes came as {arrivals:0.00} arrivals and {bytes:0} bytes", value / clear, goal, Harness.Row.Lower);
        }
    }

    /// <summary>What so many streams cost, from the first request to the last reply's end, for each event.</summary>
    private static async Task<Cost> CostAsync(Child gateway, byte[][] requests, int seconds, CancellationToken cancellationToken)
    {
        double before = gateway.CpuSeconds;
        long received = 0;
        long arrivals = 0;
        await Task.WhenAll(requests.Select((request, i) => Task.Run(() => ReadAsync(i, request), cancellationToken)));
        double events = requests.Length * (double)seconds * Upstream.TicksPerSecond;
        return new Cost((gateway.CpuSeconds - before) / events, arrivals / events, received / events);

        async Task ReadAsync(int index, byte[] request)
        {
            await Task.Delay(TimeSpan.FromSeconds(2.0 * index / requests.Length), cancellationToken);
            using var connection = new Connection(await Load.ConnectAsync(gateway.Address));
            int status = await connection.ExchangeAsync(
                request,
                count =>
                {
                    Interlocked.Add(ref received, count);
                    Interlocked.Increment(ref arrivals);
                });
            if (status != 200)
            {
                throw new InvalidOperationException($"A stream was answered {status}: {connection.Text}");
            }
        }
    }

    /// <summary>Opens one reply: nothing is measured that is not right.</summary>
    private async Task CheckAsync(Child gateway, ObliviousKeyConfiguration keys, CancellationToken cancellationToken)
    {
        (byte[] request, ObliviousClientExchange exchange) = Seal(gateway.Address, keys, mint.Mint(TokenType.BlindRsa, 1)[0], "burst");
        using ObliviousClientExchange owned = exchange;
        using var http = new HttpMessageInvoker(new SocketsHttpHandler { UseCookies = false });
        using var message = new HttpRequestMessage(HttpMethod.Post, new Uri(gateway.Address, Routes.Oblivious))
        {
            Content = new ByteArrayContent(request[(request.AsSpan().IndexOf("\r\n\r\n"u8) + 4)..]),
        };
        message.Content.Headers.ContentType = new(MediaTypes.ObliviousChunkedRequest);
        using HttpResponseMessage response = await http.SendAsync(message, cancellationToken);
        using ObliviousResponseReader reader = exchange.ReadResponse();
        ArrayBufferWriter<byte> plaintext = new();
        ArrayBufferWriter<byte> content = new();
        if (!reader.TryRead(await response.Content.ReadAsByteArrayAsync(cancellationToken), plaintext) || !reader.TryEnd(plaintext)
            || BinaryHttpReader.TryParse(BinaryHttpKind.Response, plaintext.WrittenSpan, content) is not { Response.Status: 200 } answer
            || content.WrittenSpan.Count("word"u8) != Upstream.BurstEvents)
        {
            throw new InvalidOperationException($"A sealed stream was not answered: {(int)response.StatusCode} {Encoding.UTF8.GetString(content.WrittenSpan)}");
        }

        answer.Dispose();
    }

    private static async Task<ObliviousKeyConfiguration> FetchKeysAsync(Uri gateway, CancellationToken cancellationToken)
    {
        using var http = new HttpMessageInvoker(new SocketsHttpHandler { UseCookies = false });
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(gateway, Routes.ObliviousKeys));
        using HttpResponseMessage response = await http.SendAsync(request, cancellationToken);
        return ObliviousKeyConfiguration.TryParseList(await response.Content.ReadAsByteArrayAsync(cancellationToken), out IReadOnlyList<ObliviousKeyConfiguration> keys)
            ? keys[0]
            : throw new InvalidOperationException("The gateway shows no sealing keys.");
    }

    private static (byte[] Request, ObliviousClientExchange Exchange) Seal(Uri target, ObliviousKeyConfiguration keys, string authorization, string prompt)
    {
        byte[] plain = Load.Request(target, prompt, authorization, stream: true);
        ArrayBufferWriter<byte> message = new();
        BinaryHttpWriter.WriteRequest(
            message,
            new BinaryHttpRequest
            {
                Method = "POST", Scheme = "https", Authority = Roles.GatewayName, Path = Routes.ChatCompletions,
                Headers = [new("authorization", authorization), new("content-type", "application/json")],
            },
            plain.AsSpan(plain.AsSpan().IndexOf("\r\n\r\n"u8) + 4));
        BinaryHttpWriter.WritePadding(message, PaddingBuckets.Round(message.WrittenCount) - message.WrittenCount);
        ObliviousClientExchange exchange = ObliviousClientExchange.TryCreate(keys, isChunked: true)!;
        ArrayBufferWriter<byte> body = new();
        exchange.SealChunk(message.WrittenSpan, isFinal: true, body);
        byte[] head = Encoding.ASCII.GetBytes(
            $"POST {Routes.Oblivious} HTTP/1.1\r\nHost: {target.Authority}\r\nContent-Type: {MediaTypes.ObliviousChunkedRequest}\r\nContent-Length: {body.WrittenCount}\r\n\r\n");
        return ([.. head, .. body.WrittenSpan], exchange);
    }

    /// <param name="Seconds">Of the processor.</param>
    /// <param name="Arrivals">How many reads brought something.</param>
    /// <param name="Bytes">On the wire.</param>
    private sealed record Cost(double Seconds, double Arrivals, double Bytes);
}
