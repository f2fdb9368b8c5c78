using Tacit.Client.Transports;
using Tacit.Protocol;

namespace Tacit.Client;

public sealed partial class RedemptionClient
{
    /// <summary>The gateway that prompts go to, and how; null if the directory names none, or none that may be used.</summary>
    internal (DirectoryGateway Gateway, Route Route)? FindRoute(IssuerDirectory directory)
    {
        try
        {
            DirectoryGateway gateway = SeriesCatalog.Gateway(directory, Options.Gateway);
            return (gateway, RouteTo(gateway));
        }
        catch (ClientException)
        {
            return null;
        }
    }

    /// <summary>The gateway's <c>/v1/models</c>, as JSON. Carries no token, goes over a connection of its own, and is remembered for five minutes.</summary>
    /// <exception cref="ClientException"><see cref="ClientError.GatewayUnreachable"/>, if none is remembered either.</exception>
    public Task<ReadOnlyMemory<byte>> GetModelsAsync(CancellationToken cancellationToken = default) =>
        _models.GetAsync(_caller, async token => RouteTo(SeriesCatalog.Gateway(await _directory.CurrentAsync(token), Options.Gateway)), cancellationToken);
}
