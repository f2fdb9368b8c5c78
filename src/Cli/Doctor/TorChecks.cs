using Tacit.App;
using Tacit.Client.Transports;
using Tacit.Tor;

namespace Tacit.Cli.Doctor;

/// <summary>Is there a Tor that the app can use? Starts none and connects to nobody.</summary>
internal static class TorChecks
{
    private const string Check = "tor";

    public static async Task<Finding> ProgramAsync(AppOptions options, TimeProvider time, CancellationToken cancellationToken)
    {
        if (options.Transport.Carrier() == CarrierChoice.Direct)
        {
            return Finding.Fine(Check, $"not used, as the setting Transport says ({options.Transport?.Word()})");
        }
        TransportOptions transport = options.ToTransportOptions();
        TorOptions tor = new()
        {
            Executable = transport.Tor.Executable, DataDirectory = transport.Tor.DataDirectory ?? "", Socks = transport.Tor.Socks,
            Bridges = transport.Tor.Bridges, Plugins = transport.Tor.Plugins, Configuration = transport.Tor.Configuration,
        };
        if (tor.Problems() is [TorSettingProblem problem, ..])
        {
            return Finding.Broken(Check, $"Tor:{problem.Key}: {problem.Problem}", problem.Fix);
        }
        if (tor.Socks is not null)
        {
            return Finding.Fine(Check, $"somebody else's, at {tor.Socks}; it has to keep connections with different user names apart (IsolateSOCKSAuth)");
        }
        try
        {
            TorInstallation found = await TorInstallation.FindAsync(tor, time, cancellationToken);
            return Finding.Fine(Check, $"version {found.Version} at {found.Path}{(tor.Plugins.Count > 0 ? ", and the programs of Tor:Plugins" : "")}");
        }
        catch (TorException e)
        {
            // Not broken where nothing but this machine itself is asked: there Tor is not needed.
            return Finding.Warn(Check, e.Message, "Needed for whatever is not on this machine, unless Transport says to do without (direct).");
        }
    }

    /// <summary>Whether an address is connected to without Tor.</summary>
    public static bool IsDirect(AppOptions options, Uri address) => options.Transport.Carrier() switch
    {
        CarrierChoice.Direct => true,
        CarrierChoice.TorUnlessLocal => address.IsLoopback,
        _ => false,
    };
}
