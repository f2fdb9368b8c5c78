using Tacit.Client.Transports;

namespace Tacit.Client;

public sealed partial class RedemptionClient
{
    /// <summary>The gateway's <c>/v1/models</c>, as JSON. Carries no token, goes over a connection of its own, and is remembered for five minutes.</summary>
    /// <exception cref="ClientException"><see cref="ClientError.GatewayUnreachable"/>, if none is remembered either.</exception>
    public Task<ReadOnlyMemory<byte>> GetModelsAsync(CancellationToken cancellationToken = default) =>
        _models.GetAsync(_caller, async token => RouteTo(SeriesCatalog.Gateway(await _directory.CurrentAsync(token), Options.Gateway)), cancellationToken);
}
