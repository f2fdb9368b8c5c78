using Tacit.Client.Transports;

namespace Tacit.App.Wallets;

/// <summary>
/// The programs that disguise the way to a bridge, where the settings name none: the well-known ones, in folders that only the machine's owner installs to. So whoever has a
/// bridge needs to name no program, and the page, which can set bridges, none that is run.
/// </summary>
internal static class BridgePrograms
{
    private static readonly string[] s_folders = ["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"];

    private static readonly Dictionary<string, string[]> s_programs = new(StringComparer.Ordinal)
    {
        ["obfs4"] = ["obfs4proxy", "lyrebird"],
        ["meek_lite"] = ["obfs4proxy", "lyrebird"],
        ["snowflake"] = ["snowflake-client"],
        ["webtunnel"] = ["webtunnel-client"],
    };

    /// <summary>The settings with what their bridges need and they do not name, as far as it is installed.</summary>
    /// <param name="folders">Where to look; null takes the usual ones.</param>
    public static TorSettings Complete(TorSettings tor, IReadOnlyList<string>? folders = null)
    {
        HashSet<string> named = [.. tor.Plugins.SelectMany(plugin => plugin.Trim().Split(' ')[0].Split(','))];
        string[] found =
        [
            .. tor.Bridges.Select(TransportOf).Where(transport => !named.Contains(transport)).Distinct()
                .Select(transport => (Transport: transport, Program: Find(transport, folders ?? s_folders)))
                .Where(one => one.Program is not null).Select(one => $"{one.Transport} exec {one.Program}"),
        ];
        return tor.Socks is not null || found.Length == 0 ? tor : tor with { Plugins = [.. tor.Plugins, .. found] };
    }

    /// <summary>The word that a bridge line begins with; an address where it needs no program.</summary>
    private static string TransportOf(string bridge)
    {
        string[] words = bridge.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return words switch
        {
            [] => "",
            [var first, var second, ..] when first.Equals("Bridge", StringComparison.OrdinalIgnoreCase) => second,
            [var first, ..] => first,
        };
    }

    private static string? Find(string transport, IReadOnlyList<string> folders) =>
        s_programs.GetValueOrDefault(transport)?.SelectMany(_ => folders, (program, folder) => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
}
