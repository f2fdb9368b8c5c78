using System.Globalization;
using System.Net;
using System.Text;
using Tacit.Tor.Socks;

namespace Tacit.Tor.Daemon;

/// <summary>
/// What the settings may hold. Each becomes one line of tor's configuration, so no value may end its line, go on in the next or begin a comment; a wrong
/// bridge is named here rather than by a tor that will not start.
/// </summary>
internal static class SettingRules
{
    private const int MaxConfigurationBytes = 64 << 10;

    /// <summary>
    /// Options that the file of further lines may set: where the network is, which relays and ways to use, and how fast. A list of what may be, as tor gets new
    /// options that open ports, read files or log with each version.
    /// </summary>
    private static readonly HashSet<string> s_allowed = new(StringComparer.OrdinalIgnoreCase)
    {
        "TestingTorNetwork", "DirAuthority", "AlternateDirAuthority", "AlternateBridgeAuthority", "FallbackDir", "UseDefaultFallbackDirs", "PathsNeededToBuildCircuits",
        "V3AuthNIntervalsValid", "AssumeReachable", "EntryNodes", "ExitNodes", "MiddleNodes", "ExcludeNodes", "ExcludeExitNodes", "StrictNodes", "HSLayer2Nodes",
        "HSLayer3Nodes", "VanguardsLiteEnabled", "UseEntryGuards", "NumEntryGuards", "NumDirectoryGuards", "NumPrimaryGuards", "GuardLifetime", "CircuitBuildTimeout",
        "LearnCircuitBuildTimeout", "CircuitsAvailableTimeout", "CircuitStreamTimeout", "MaxCircuitDirtiness", "MaxClientCircuitsPending", "NewCircuitPeriod",
        "ConnectionPadding", "ReducedConnectionPadding", "CircuitPadding", "ReducedCircuitPadding", "ConfluxEnabled", "ConfluxClientUX", "ClientUseIPv4", "ClientUseIPv6",
        "ClientPreferIPv6ORPort", "ClientBootstrapConsensusAuthorityDownloadInitialDelay", "ClientBootstrapConsensusFallbackDownloadInitialDelay", "ReachableAddresses",
        "ReachableORAddresses", "ReachableDirAddresses", "FascistFirewall", "FirewallPorts", "HTTPSProxy", "HTTPSProxyAuthenticator", "Socks4Proxy", "Socks5Proxy",
        "Socks5ProxyUsername", "Socks5ProxyPassword", "OutboundBindAddress", "OutboundBindAddressOR", "BandwidthRate", "BandwidthBurst", "NumCPUs", "MaxMemInQueues",
        "KeepalivePeriod", "SocksTimeout", "EnforceDistinctSubnets", "DormantClientTimeout", "DormantTimeoutEnabled",
    };

    /// <summary>Everything wrong with the settings, what needs files included.</summary>
    public static IReadOnlyList<TorSettingProblem> Problems(TorOptions options)
    {
        List<TorSettingProblem> problems = [];
        if (options.Socks is { } socks)
        {
            if (SocksAddress.TryParse(socks) is null)
            {
                problems.Add(new("Socks", "this is no address of a SOCKS port", "Write 127.0.0.1:9050, or unix:/path of at most 103 bytes."));
            }
            // Nothing else is used then; but what was meant to hide in bridges must not be taken for hidden.
            if (options.Bridges.Count > 0 || options.Plugins.Count > 0 || options.Configuration is not null || options.Executable is not null)
            {
                problems.Add(new("Socks", "it excludes Executable, Bridges, Plugins and Configuration, which are for a tor of our own", "Configure that Tor, or leave Socks out."));
            }
            return problems;
        }
        CheckPath(options.DataDirectory, "DataDirectory", problems);
        if (options.Executable is { } executable && (executable.Length == 0 || executable.Any(char.IsControl)))
        {
            problems.Add(new("Executable", "this is no path of a program", "Name the tor program, or leave the setting out to have it found."));
        }
        HashSet<string> transports = new(StringComparer.Ordinal);
        for (int i = 0; i < options.Plugins.Count; i++)
        {
            if (PluginProblem(options.Plugins[i], transports) is var (problem, fix))
            {
                problems.Add(new(string.Create(CultureInfo.InvariantCulture, $"Plugins:{i}"), problem, fix));
            }
        }
        for (int i = 0; i < options.Bridges.Count; i++)
        {
            if (BridgeProblem(options.Bridges[i], transports) is var (problem, fix))
            {
                problems.Add(new(string.Create(CultureInfo.InvariantCulture, $"Bridges:{i}"), problem, fix));
            }
        }
        if (options.StuckAfter < TimeSpan.FromSeconds(1) || options.StuckAfter > TimeSpan.FromHours(1))
        {
            problems.Add(new("StuckAfter", "this is out of range", "Use a duration from 00:00:01 to 01:00:00 (hh:mm:ss)."));
        }
        if (options.StartTimeout < TimeSpan.FromSeconds(1) || options.StartTimeout > TimeSpan.FromHours(1))
        {
            problems.Add(new("StartTimeout", "this is out of range", "Use a duration from 00:00:01 to 01:00:00 (hh:mm:ss)."));
        }
        ReadConfiguration(options, problems);
        return problems;
    }

    /// <summary>The lines of <see cref="TorOptions.Configuration"/>, without comments and empty ones.</summary>
    public static IReadOnlyList<string> ReadConfiguration(TorOptions options, List<TorSettingProblem>? problems)
    {
        if (options.Configuration is not { } path)
        {
            return [];
        }
        string text;
        try
        {
            if (new FileInfo(path) is { Length: > MaxConfigurationBytes })
            {
                problems?.Add(new("Configuration", $"{path} has more than {MaxConfigurationBytes} bytes", "Name a file with lines for tor's configuration."));
                return [];
            }
            text = File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            problems?.Add(new("Configuration", $"{path} cannot be read", "Name a file that this user can read, or leave the setting out."));
            return [];
        }
        List<string> lines = [];
        int number = 0;
        foreach (string raw in text.Split('\n'))
        {
            number++;
            string line = raw.Trim();
            if (line.Length == 0 || line[0] == '#')
            {
                continue;
            }
            string name = line.Split(' ', '\t')[0].TrimStart('+', '/');
            // "/Option" resets and "+Option" appends, "%include" reads files, a backslash at the end joins lines: nothing here needs them.
            bool isPlain = char.IsAsciiLetter(line[0]) && IsLine(line);
            if (!isPlain || !(s_allowed.Contains(name) || name.StartsWith("Testing", StringComparison.OrdinalIgnoreCase)))
            {
                problems?.Add(new(
                    "Configuration", string.Create(CultureInfo.InvariantCulture, $"line {number} of {path} sets {Shown(name)}, which is not for this file"),
                    "It takes lines about the network, relays, ways through a firewall and speeds; ports, files, logs and onion services are ours to set."));
                continue;
            }
            lines.Add(line);
        }
        return lines;
    }

    /// <summary>A bridge line without the word that torrc begins it with.</summary>
    public static string WithoutWord(string bridge)
    {
        string line = bridge.Trim();
        return line.StartsWith("Bridge ", StringComparison.OrdinalIgnoreCase) ? line["Bridge ".Length..].TrimStart() : line;
    }

    private static (string Problem, string Fix)? BridgeProblem(string bridge, HashSet<string> transports)
    {
        const string Fix = "Copy the whole line again, as bridges.torproject.org gives it: [TRANSPORT] ADDRESS:PORT [FINGERPRINT] [KEY=VALUE …].";
        string line = WithoutWord(bridge);
        if (line.Length == 0 || !IsLine(line))
        {
            return ("this is no bridge line: it is empty, too long, or has characters that cannot be in one", Fix);
        }
        string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        int next = 0;
        if (!IsEndPoint(words[0]))
        {
            if (!IsTransportName(words[0]))
            {
                return ($"{Shown(words[0])} is neither a transport nor an address and port", Fix);
            }
            if (!transports.Contains(words[0]))
            {
                return ($"no program for the transport {words[0]} is named",
                    $"Name it in Tor:Plugins, as \"{words[0]} exec /usr/bin/…\" (obfs4: package obfs4proxy; snowflake: snowflake-client; webtunnel: webtunnel-client).");
            }
            next = 1;
            if (words.Length < 2 || !IsEndPoint(words[1]))
            {
                return ($"an address and port are wanted behind {words[0]}", Fix);
            }
        }
        next++;
        if (next < words.Length && !words[next].Contains('=', StringComparison.Ordinal))
        {
            if (words[next].TrimStart('$') is not { Length: 40 } fingerprint || !fingerprint.All(char.IsAsciiHexDigit))
            {
                return ($"{Shown(words[next])} is no fingerprint, which has 40 hexadecimal digits", Fix);
            }
            next++;
        }
        string? odd = words.Skip(next).FirstOrDefault(word => word.IndexOf('=', StringComparison.Ordinal) <= 0);
        return odd is null ? null : ($"{Shown(odd)} is no KEY=VALUE", Fix);
    }

    private static (string Problem, string Fix)? PluginProblem(string plugin, HashSet<string> transports)
    {
        const string Fix = "Write \"obfs4 exec /usr/bin/obfs4proxy\": transport names with commas between, exec, the program's whole path, its arguments; or "
            + "\"NAME socks5 127.0.0.1:PORT\" for one that runs already.";
        string[] words = IsLine(plugin) ? plugin.Split(' ', StringSplitOptions.RemoveEmptyEntries) : [];
        if (words.Length < 3 || !words[0].Split(',').All(IsTransportName))
        {
            return ("this is no pluggable transport", Fix);
        }
        switch (words[1])
        {
            case "exec" when !Path.IsPathRooted(words[2]):
                return ($"{Shown(words[2])} is no whole path", Fix);
            case "exec" when !File.Exists(words[2]):
                return ($"there is no program {Shown(words[2])}", "Install it (obfs4: package obfs4proxy), or put the path right.");
            case "exec":
            case "socks4" or "socks5" when words.Length == 3 && IsEndPoint(words[2]):
                transports.UnionWith(words[0].Split(','));
                return null;
            default:
                return ("this is no pluggable transport", Fix);
        }
    }

    private static void CheckPath(string path, string key, List<TorSettingProblem> problems)
    {
        if (path.Length == 0 || path.Any(char.IsControl))
        {
            problems.Add(new(key, "this is no path of a folder", "Name a folder that this user can write to."));
        }
    }

    private static bool IsLine(string text) =>
        text.Length is > 0 and <= 2048 && !text.Any(char.IsControl) && !text.Contains('#', StringComparison.Ordinal) && !text.Contains('"', StringComparison.Ordinal)
        && !text.EndsWith('\\') && text.All(char.IsAscii);

    private static bool IsTransportName(string word) => word.Length is > 0 and <= 64 && !char.IsAsciiDigit(word[0]) && word.All(c => char.IsAsciiLetterOrDigit(c) || c == '_');

    private static bool IsEndPoint(string word)
    {
        int colon = word.LastIndexOf(':');
        return colon > 0 && ushort.TryParse(word.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port) && port > 0
            && IPAddress.TryParse(word[..colon].Trim('[', ']'), out _) && word.StartsWith('[') == word[..colon].Contains(':', StringComparison.Ordinal);
    }

    /// <summary>A word of the person's own in a message: short, and in one line.</summary>
    private static string Shown(string word)
    {
        var shown = new StringBuilder();
        foreach (char c in word.Length > 60 ? word[..60] : word)
        {
            shown.Append(char.IsControl(c) ? '?' : c);
        }
        return shown.Append(word.Length > 60 ? "…" : "").ToString();
    }
}
