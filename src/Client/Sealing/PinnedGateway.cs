using Tacit.Client.Evidence;
using Tacit.Client.Transports;
using Tacit.Crypto;
using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>A gateway without an issuer, whose own key its client pins.</summary>
internal sealed record PinnedGatewayOptions
{
    public const int KeySizeInBytes = 32;

    /// <summary>The gateway's base address.</summary>
    public required Uri Address { get; init; }

    /// <summary>Its own Ed25519 key, as <c>tacit gateway keys</c> prints it, 32 bytes: the one thing to get from the operator by another way.</summary>
    public required ReadOnlyMemory<byte> Key { get; init; }

    public EvidenceOptions Evidence { get; init; } = new();
}

/// <summary>
/// The sealing keys of a gateway that signs them itself. They are fetched from it when they are needed, on a connection of their own, and believed if the pinned key signed
/// them and none contradicts one that was shown before. Nobody else has a copy to compare them with: such a gateway is its operator's and its users' own. Thread safe.
/// </summary>
internal sealed class PinnedGateway : ISealingKeySource, IDisposable
{
    private readonly PinnedGatewayOptions _options;
    private readonly AnonymousCaller _caller;
    private readonly EvidenceJudge _judge;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private SealingKeyDocument? _shown;

    public PinnedGateway(TransportPool transports, PinnedGatewayOptions options, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNotEqual(options.Key.Length, PinnedGatewayOptions.KeySizeInBytes);
        _options = options;
        _caller = new AnonymousCaller(transports, time);
        _judge = new EvidenceJudge(options.Evidence);
        _time = time;
    }

    /// <inheritdoc />
    public Task<SealingKeyChoice> FindSealingKeyAsync(string gateway, CancellationToken cancellationToken) => FindAsync(gateway, cancellationToken);

    /// <summary>The key of the gateway, whatever it calls itself: the pinned key is who it is.</summary>
    public Task<SealingKeyChoice> FindSealingKeyAsync(CancellationToken cancellationToken) => FindAsync(null, cancellationToken);

    private async Task<SealingKeyChoice> FindAsync(string? gateway, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            DateTimeOffset now = _time.GetUtcNow();
            if (_shown is null || SealingKeyList.FindCurrent(_shown.Keys, now) is null)
            {
                _shown = await FetchAsync(cancellationToken);
            }
            return gateway is null || string.Equals(_shown.Gateway, gateway, StringComparison.OrdinalIgnoreCase)
                ? SealingKeyPicker.Pick(_shown.Gateway, _shown.Keys, _judge, now)
                : SealingKeyChoice.None(SealingKeyProblem.GatewayUnknown, $"The gateway at {_options.Address} is {Printable(_shown.Gateway)}, not {gateway}.");
        }
        finally
        {
            _gate.Release();
        }
    }

    public void Dispose() => _gate.Dispose();

    private async Task<SealingKeyDocument> FetchAsync(CancellationToken cancellationToken)
    {
        Route route = Route.Direct(_options.Address);
        using var request = new HttpRequestMessage(HttpMethod.Get, route.Resolve(Routes.SealingKeys));
        ServiceReply reply;
        try
        {
            reply = await _caller.SendAsync(route, request, SealingKeyDocument.MaxSizeInBytes, cancellationToken);
        }
        catch (TransportException e)
        {
            throw e.ToClientException(ClientError.GatewayUnreachable, $"The gateway's sealing keys could not be fetched. {e.Message}");
        }
        if (!reply.IsSuccess)
        {
            throw new ClientException(ClientError.GatewayUnreachable, $"The gateway's sealing keys could not be fetched: {_options.Address} answered {reply.Status}.");
        }
        if (!SealingKeyDocument.TryParse(reply.Body, out SealingKeyDocument? document, out string? error))
        {
            throw Refused(error);
        }
        using Ed25519PublicKey key = Ed25519PublicKey.Import(_options.Key.Span);
        if (!document.Keys.All(entry => entry.Verify((message, signature) => key.Verify(message.Span, signature.Span))))
        {
            throw Refused("the pinned key did not sign them");
        }
        if (_shown is not null && document.Keys.Any(entry => _shown.Keys.Any(before => before.Key.Contradicts(entry.Key))))
        {
            throw Refused("it showed another one for the same time before");
        }
        return document;
    }

    private ClientException Refused(string why) => new(
        ClientError.DirectoryRefused, $"The sealing keys of {_options.Address} are refused: {why}. Nothing is sent. Compare the pinned key with what `tacit gateway keys` prints there.");

    // It is not signed, and ends in somebody's terminal.
    private static string Printable(string name) => string.Concat(name.Take(100).Select(c => c is > ' ' and <= '~' ? c : '?'));
}
