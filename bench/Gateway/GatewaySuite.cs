using Tacit.Bench.Harness;
using Tacit.Crypto;

namespace Tacit.Bench.Gateway;

/// <summary>The gateway on one core against what the same core does without it; the client and a provider that costs nothing share the other.</summary>
internal sealed class GatewaySuite : Suite
{
    private const int Connections = 32;
    private const int ServerCore = 1;
    private const int ClientCore = 0;

    private readonly Func<GatewayRun, CancellationToken, Task<IReadOnlyList<Row>>> _measure;

    private GatewaySuite(string name, string summary, Func<GatewayRun, CancellationToken, Task<IReadOnlyList<Row>>> measure)
    {
        Name = name;
        Summary = summary;
        _measure = measure;
    }

    internal static IReadOnlyList<Suite> All { get; } =
    [
        new GatewaySuite("gateway", "paid requests through a gateway; needs two cores, taskset and npm", (run, token) => run.RequestsAsync(token)),
        new GatewaySuite("batches", "0xDA7A tokens that wait together; needs two cores, taskset and npm", (run, token) => run.BatchesAsync(token)),
        new GatewaySuite("streams", "paid streams through a gateway, and 2,000 at once; needs two cores and taskset", async (run, token) =>
            [.. await run.StreamsAsync(token), .. await run.ManyStreamsAsync(token)]),
        new GatewaySuite("sealed", "1,000 streams in Oblivious HTTP beside the same in the clear; needs two cores and taskset", (run, token) => run.SealedStreamsAsync(token)),
        new GatewaySuite("flood", "honest requests beside false tokens; needs two cores and taskset", (run, token) => run.FloodAsync(token)),
    ];

    internal override string Name { get; }

    internal override string Summary { get; }

    internal override async Task<IReadOnlyList<Row>> RunAsync(Effort effort, Action<string> say, CancellationToken cancellationToken)
    {
        string folder = Directory.CreateTempSubdirectory("tacit-bench-").FullName;
        try
        {
            say("making keys");
            using PartiallyBlindRsaPrivateKey safe = await PartiallyBlindRsaPrivateKey.GenerateAsync(2048, null, cancellationToken);
            using var mint = new TokenMint(safe, TimeProvider.System);
            await mint.PublishAsync(folder, cancellationToken);
            await using Child upstream = await Child.StartRoleAsync(ClientCore, "upstream");
            return await _measure(new GatewayRun(mint, folder, upstream, effort, say, ServerCore, ClientCore, Connections), cancellationToken);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
