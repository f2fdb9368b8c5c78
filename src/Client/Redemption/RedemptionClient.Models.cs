using Tacit.Client.Transports;
using Tacit.Protocol;

namespace Tacit.Client;

public sealed partial class RedemptionClient
{
    private const int MaxModelsBytes = 4 << 20;

    /// <summary>The gateway's <c>/v1/models</c>, as JSON. Carries no token, goes over a connection of its own, and is remembered for five minutes.</summary>
    /// <exception cref="ClientException"><see cref="ClientError.GatewayUnreachable"/>, if none is remembered either.</exception>
    public async Task<ReadOnlyMemory<byte>> GetModelsAsync(CancellationToken cancellationToken = default)
    {
        if (_models.TryGet(evenIfOld: false, out byte[] known))
        {
            return known;
        }
        IssuerDirectory directory = await _directory.CurrentAsync(cancellationToken);
        Route route = RouteTo(SeriesCatalog.Gateway(directory, Options.Gateway));
        using var request = new HttpRequestMessage(HttpMethod.Get, route.Resolve(Routes.Models));
        request.Headers.TryAddWithoutValidation("Accept", MediaTypes.Json);
        string failure;
        try
        {
            ServiceReply reply = await _caller.SendAsync(route, request, MaxModelsBytes, cancellationToken);
            if (reply.IsSuccess)
            {
                _models.Set(reply.Body);
                return reply.Body;
            }
            failure = $"It answered {reply.Status}.";
        }
        catch (TransportException e)
        {
            failure = e.Message;
        }
        return _models.TryGet(evenIfOld: true, out known)
            ? known
            : throw new ClientException(ClientError.GatewayUnreachable, $"The gateway's models cannot be listed. {failure}");
    }
}
