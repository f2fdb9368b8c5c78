using System.Globalization;
using System.Text;
using Tacit.Tor.Control;

namespace Tacit.Tor.Daemon;

/// <summary>The configuration of a tor of our own: this text, and no other file. Values were checked by <see cref="SettingRules"/>.</summary>
internal static class Torrc
{
    /// <summary>Text for tor's option -f.</summary>
    /// <param name="run">Folder of the sockets; its path has no character that would need quoting.</param>
    /// <param name="owner">Process id whose end tor is to follow.</param>
    public static string Write(TorOptions options, RunFolder run, int owner)
    {
        var text = new StringBuilder("# Written anew at every start.\n");
        // Theirs first: of an option that stands twice the later one counts.
        foreach (string line in SettingRules.ReadConfiguration(options, null))
        {
            text.Append(line).Append('\n');
        }
        foreach (string plugin in options.Plugins)
        {
            text.Append("ClientTransportPlugin ").Append(plugin.Trim()).Append('\n');
        }
        if (options.Bridges.Count > 0)
        {
            text.Append("UseBridges 1\n");
            foreach (string bridge in options.Bridges)
            {
                text.Append("Bridge ").Append(SettingRules.WithoutWord(bridge)).Append('\n');
            }
        }
        text.Append(CultureInfo.InvariantCulture, $"""
            DataDirectory {ControlWords.Quote(Path.GetFullPath(options.DataDirectory))}
            ControlSocket {run.ControlSocket}
            CookieAuthentication 1
            CookieAuthFile {run.CookieFile}
            SocksPort unix:{run.SocksSocket} ExtendedErrors IsolateSOCKSAuth KeepAliveIsolateSOCKSAuth
            ClientOnly 1
            __OwningControllerProcess {owner}
            Log notice stdout
            SafeLogging 1
            AvoidDiskWrites 1

            """);
        // The person began this, so it is a use: a tor that slept through its last run would otherwise wait for the first prompt to wake up. And one that
        // stands ready for days must not make the next prompt wait for directories.
        text.Append("DormantCanceledByStartup 1\nDormantClientTimeout 4 weeks\n");
        return text.ToString();
    }
}
