using System.Net.Http.Headers;
using Microsoft.Extensions.Logging;
using Tacit.Client.Transports;
using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>What an issuer offers, looked at before there is a wallet.</summary>
/// <param name="Name">As the directory names the issuer.</param>
/// <param name="Gateways">The names of its gateways.</param>
public sealed record IssuerTrial(string Name, IReadOnlyList<PlanSummary> Plans, IReadOnlyList<string> Gateways);

/// <summary>Looks at an issuer's directory without a wallet, and keeps nothing of it.</summary>
public static class IssuerProbe
{
    /// <summary>Fetches the directory once.</summary>
    /// <param name="key">The issuer's directory key, 32 bytes.</param>
    /// <param name="transport">How the connection is made.</param>
    /// <exception cref="ClientException"><see cref="ClientError.DirectoryUnavailable"/>: nothing answers; <see cref="ClientError.DirectoryRefused"/>: no directory, or another
    /// key's; or what Tor has to say.</exception>
    public static async Task<IssuerTrial> LookAsync(
        Uri issuer, ReadOnlyMemory<byte> key, TransportOptions transport, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken = default)
    {
        new DirectoryOptions { Issuer = issuer, DirectoryKey = key }.Validate();
        await using var transports = new TransportPool(transport, time, loggers);
        Route route = Route.Direct(issuer);
        using var request = new HttpRequestMessage(HttpMethod.Get, route.Resolve(Routes.IssuerDirectory));
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(MediaTypes.IssuerDirectory));
        ServiceReply reply;
        try
        {
            reply = await new IdentityCaller(transports, time).SendAsync(route, request, IssuerDirectory.MaxSizeInBytes, cancellationToken);
        }
        catch (TransportException e)
        {
            throw e.ToClientException(ClientError.DirectoryUnavailable, $"The issuer cannot be reached. {e.Message}");
        }
        if (!reply.IsSuccess)
        {
            throw new ClientException(ClientError.DirectoryUnavailable, $"There is no issuer at this address: {route.Server} answered {reply.Status}.");
        }
        return DirectoryClient.TryCheck(reply.Body, key.ToArray(), out IssuerDirectory? directory, out string? problem)
            ? new IssuerTrial(directory.IssuerName, DirectoryClient.SummarisePlans(directory, time.GetUtcNow()), [.. directory.Gateways.Select(gateway => gateway.Name)])
            : throw new ClientException(ClientError.DirectoryRefused, $"What answers there does not fit the directory key: {problem}. Compare both with what the operator gave you.");
    }
}
