using System.Globalization;

namespace Tacit.Tor.Daemon;

/// <summary>What a person may try, by the phase Tor is in (control-spec, section 5) and what it complains of.</summary>
internal static class Advice
{
    /// <summary>A wrong clock of at least this much is told at once, not only when nothing moves: no consensus is taken then (dir-spec, reasonably live: one day).</summary>
    public static readonly TimeSpan HopelessSkew = TimeSpan.FromDays(1);

    public static string ForClock(TimeSpan? skew) => skew is { } known && known != TimeSpan.Zero
        ? $"This machine's clock is {Text(known.Duration())} {(known > TimeSpan.Zero ? "ahead of" : "behind")} the network's. Set date, time and time zone right (timedatectl set-ntp true), then it goes on by itself."
        : "This machine's clock seems to be wrong. Set date, time and time zone right (timedatectl set-ntp true), then it goes on by itself.";

    /// <param name="tag">Tor's name for the phase.</param>
    /// <param name="reason">REASON of its last complaint (an OR connection's end, control-spec, section 4.1.3), or null.</param>
    public static string ForPhase(string tag, string? reason, bool hasBridges)
    {
        if (reason is "NOROUTE")
        {
            return "There seems to be no network. Check that this machine is online.";
        }
        if (reason is "PT_MISSING" || tag.Contains("_pt", StringComparison.Ordinal))
        {
            return "The pluggable transport gets no connection. Check the programs in Tor:Plugins and the lines in Tor:Bridges; bridges go out of service, get new ones.";
        }
        if (tag.Contains("proxy", StringComparison.Ordinal))
        {
            return "The proxy that Tor's configuration names does not answer as one. Check HTTPSProxy or Socks5Proxy in the file of Tor:Configuration.";
        }
        bool isFirst = tag.StartsWith("conn", StringComparison.Ordinal) || tag.StartsWith("handshake", StringComparison.Ordinal) || tag is "onehop_create" or "starting" or "";
        if (isFirst && hasBridges)
        {
            return "No bridge can be reached. Check that this machine is online; bridges go out of service or are blocked: get new ones from bridges.torproject.org.";
        }
        if (isFirst)
        {
            return "No relay of the Tor network can be reached. Check that this machine is online, that no firewall or sign-in page stands in between, and its clock; where Tor is "
                + "blocked, use bridges (Tor:Bridges, from bridges.torproject.org).";
        }
        return tag.StartsWith("requesting", StringComparison.Ordinal) || tag.StartsWith("loading", StringComparison.Ordinal) || tag == "enough_dirinfo"
            ? "The directory of the Tor network does not come in. The connection may be very slow or broken off: wait, check this machine's clock, or try bridges (Tor:Bridges)."
            : "Relays are known, but no way through them can be built. A firewall may let only some through: wait, check this machine's clock, or try bridges (Tor:Bridges).";
    }

    /// <summary>A duration as a person says it: the largest unit that fits.</summary>
    internal static string Text(TimeSpan time)
    {
        (double count, string unit) = time switch
        {
            { TotalDays: >= 2 } => (time.TotalDays, "days"),
            { TotalHours: >= 2 } => (time.TotalHours, "hours"),
            { TotalMinutes: >= 2 } => (time.TotalMinutes, "minutes"),
            _ => (time.TotalSeconds, "seconds"),
        };
        return string.Create(CultureInfo.InvariantCulture, $"{count:0} {unit}");
    }
}
