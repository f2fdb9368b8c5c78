using Tacit.Tor.Daemon;

namespace Tacit.Tor;

/// <summary>One wrong setting: its key within the section, what is wrong and what to write instead.</summary>
public sealed record TorSettingProblem(string Key, string Problem, string Fix);

/// <summary>Settings of Tor: the section <c>Tor</c> of every role and of the app.</summary>
public sealed record TorOptions
{
    /// <summary>
    /// 0.4.8.1: from there on a client can answer an onion service's call for proof of work, and a service can call for it (proposal 327); the versions before
    /// get no more security fixes.
    /// </summary>
    public static Version OldestVersion { get; } = new(0, 4, 8, 1);

    /// <summary>The tor program. Default: found on PATH and in the usual folders.</summary>
    public string? Executable { get; init; }

    /// <summary>Folder that this Tor alone uses, made with mode 0700 if absent; <c>tor</c> in the role's data folder. Its path may be of any length.</summary>
    public string DataDirectory { get; init; } = "";

    /// <summary>
    /// <c>host:port</c> or <c>unix:/path</c> of the SOCKS port of a Tor that somebody else runs and answers for: then nothing is started, nothing controlled, and
    /// the status is <see cref="TorState.External"/>. Default: a tor of our own.
    /// </summary>
    public string? Socks { get; init; }

    /// <summary>Bridge lines as bridges.torproject.org gives them, with or without the word <c>Bridge</c>. With any, Tor connects to bridges only.</summary>
    public IReadOnlyList<string> Bridges { get; init; } = [];

    /// <summary>Programs for pluggable transports: <c>obfs4 exec /usr/bin/obfs4proxy</c>, the value of Tor's own <c>ClientTransportPlugin</c>.</summary>
    public IReadOnlyList<string> Plugins { get; init; } = [];

    /// <summary>File of further lines for tor's configuration, as for a private network's authorities. Lines that would open ports or read other files are refused.</summary>
    public string? Configuration { get; init; }

    /// <summary>How long without progress until the status is <see cref="TorState.Stuck"/>. Default one minute.</summary>
    public TimeSpan StuckAfter { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How long the process may take from its start until it can be controlled. Default two minutes: a slow disk, a large cache.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Everything wrong with these settings; files they name are looked at, nothing is started.</summary>
    public IReadOnlyList<TorSettingProblem> Problems() => SettingRules.Problems(this);
}
