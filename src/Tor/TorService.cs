using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Tacit.Tor.Socks;

namespace Tacit.Tor;

/// <summary>A tor of our own, or the SOCKS address of one that somebody else runs.</summary>
public sealed class TorService : IAsyncDisposable
{
    private readonly TorStatus _status;

    private TorService(SocksAddress socks)
    {
        Connector = new TorConnector(() => socks);
        _status = new TorStatus { State = TorState.External };
    }

    /// <summary>Tor at this moment.</summary>
    public TorStatus Status => _status;

    /// <summary>Makes connections through this Tor.</summary>
    public TorConnector Connector { get; }

    /// <summary>Starts tor; returns once it can be controlled, long before it is in the network. With <see cref="TorOptions.Socks"/> at once.</summary>
    /// <exception cref="TorException">It could not be started: not found, too old, a wrong setting …</exception>
    public static Task<TorService> StartAsync(TorOptions options, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Socks is not { } socks)
        {
            throw new TorException(TorError.CannotStart, "A tor of our own cannot be started yet. Set Tor:Socks.");
        }
        SocksAddress address = SocksAddress.TryParse(socks) ?? throw new TorException(TorError.BadSetting, "Tor:Socks is no address.") { Setting = "Socks" };
        return Task.FromResult(new TorService(address));
    }

    /// <summary>The status now, and after every change; a reader that is slow misses what lay between.</summary>
    public async IAsyncEnumerable<TorStatus> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        yield return Status;
        await Task.CompletedTask;
    }

    /// <summary>Waits until circuits can be built.</summary>
    /// <exception cref="TorException">Tor is, or gets, stuck, or was stopped; the message names the phase and what to try.</exception>
    public Task WaitUntilReadyAsync(CancellationToken cancellationToken = default) => _status is null ? Task.CompletedTask : Task.CompletedTask;

    /// <summary>Connections made from now on share no circuit with those made before, whatever their isolation (control-spec, SIGNAL NEWNYM).</summary>
    /// <exception cref="TorException">This Tor cannot be controlled.</exception>
    public Task NewIdentityAsync(CancellationToken cancellationToken = default) => throw NoControl(_status);

    /// <summary>Publishes an onion service; returns as soon as its address is known, see <see cref="OnionService.WaitUntilPublishedAsync"/>.</summary>
    /// <exception cref="TorException">A wrong option, or this Tor cannot be controlled.</exception>
    public Task<OnionService> PublishAsync(OnionServiceOptions options, CancellationToken cancellationToken = default) => throw NoControl(_status);

    /// <summary>Makes a private key known by which an onion service that is open to authorized clients only can be reached.</summary>
    /// <param name="onionAddress"><c>….onion</c>.</param>
    /// <param name="privateKey">X25519, 32 bytes.</param>
    /// <exception cref="TorException">No such address or key, or this Tor cannot be controlled.</exception>
    public Task AddClientKeyAsync(string onionAddress, ReadOnlyMemory<byte> privateKey, CancellationToken cancellationToken = default) => throw NoControl(_status);

    /// <summary>All circuits there are now.</summary>
    /// <exception cref="TorException">This Tor cannot be controlled.</exception>
    public Task<IReadOnlyList<TorCircuit>> CircuitsAsync(CancellationToken cancellationToken = default) => throw NoControl(_status);

    /// <summary>All connections there are now.</summary>
    /// <exception cref="TorException">This Tor cannot be controlled.</exception>
    public Task<IReadOnlyList<TorConnection>> ConnectionsAsync(CancellationToken cancellationToken = default) => throw NoControl(_status);

    /// <summary>Circuits and connections as they change, from the moment the first is asked for; goes on over restarts of tor. Ends with the service.</summary>
    /// <exception cref="TorException">This Tor cannot be controlled.</exception>
    public IAsyncEnumerable<TorEvent> EventsAsync(CancellationToken cancellationToken = default) => throw NoControl(_status);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static TorException NoControl(TorStatus _) =>
        new(TorError.NoControl, "This Tor is run by somebody else (setting Tor:Socks) and cannot be controlled. Leave the setting out to have one started.");
}
