using Tacit.Client.Transports;
using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>The gateway's list of models, remembered for a while: SDKs ask often, and each call tells the gateway that somebody is there. Thread safe.</summary>
internal sealed class ModelList(TimeProvider time)
{
    private const int MaxSize = 4 << 20;
    private static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(5);

    private byte[]? _json;
    private long _at;

    /// <summary>The list as it is remembered, else as the gateway has it now, else as it was last known.</summary>
    /// <param name="caller">Makes the call, on a connection of its own.</param>
    /// <param name="findRoute">Where the gateway is; asked only if it has to be called.</param>
    /// <exception cref="ClientException"><see cref="ClientError.GatewayUnreachable"/>, if none is remembered either; and what finding the route throws.</exception>
    public async Task<ReadOnlyMemory<byte>> GetAsync(AnonymousCaller caller, Func<CancellationToken, ValueTask<Route>> findRoute, CancellationToken cancellationToken)
    {
        if (TryGet(evenIfOld: false, out byte[] known))
        {
            return known;
        }

        Route route = await findRoute(cancellationToken);
        using var request = new HttpRequestMessage(HttpMethod.Get, route.Resolve(Routes.Models));
        request.Headers.TryAddWithoutValidation("Accept", MediaTypes.Json);
        string failure;
        TransportException? cause = null;
        try
        {
            ServiceReply reply = await caller.SendAsync(route, request, MaxSize, cancellationToken);
            if (reply.IsSuccess)
            {
                Set(reply.Body);
                return reply.Body;
            }

            failure = $"It answered {reply.Status}.";
        }
        catch (TransportException e)
        {
            (failure, cause) = (e.Message, e);
        }

        if (TryGet(evenIfOld: true, out known))
        {
            return known;
        }
        string message = $"The gateway's models cannot be listed. {failure}";
        throw cause?.ToClientException(ClientError.GatewayUnreachable, message) ?? new ClientException(ClientError.GatewayUnreachable, message);
    }

    private bool TryGet(bool evenIfOld, out byte[] json)
    {
        lock (this)
        {
            json = _json ?? [];
            return _json is not null && (evenIfOld || time.GetElapsedTime(_at) < Lifetime);
        }
    }

    private void Set(byte[] json)
    {
        lock (this)
        {
            (_json, _at) = (json, time.GetTimestamp());
        }
    }
}
