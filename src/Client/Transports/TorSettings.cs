namespace Tacit.Client.Transports;

/// <summary>How the client gets its Tor. As a rule it runs one of its own, which no setting is needed for but that <c>tor</c> is installed.</summary>
public sealed record TorSettings
{
    /// <summary>The program. Default: <c>tor</c> on the path and in the usual folders.</summary>
    public string? Executable { get; init; }

    /// <summary>Where it keeps what it knows of the network, so that the next start is quick. Default: <c>tor</c> in the data folder.</summary>
    public string? DataDirectory { get; init; }

    /// <summary>A Tor that somebody else runs, to be used in place of one of our own: the address of its SOCKS port, <c>host:port</c> or <c>unix:/path</c>.</summary>
    public string? Socks { get; init; }

    /// <summary>Bridges to enter the network by, where it cannot be reached openly: bridge lines as their operators give them.</summary>
    public IReadOnlyList<string> Bridges { get; init; } = [];

    /// <summary>The programs that disguise the way to a bridge, as <c>ClientTransportPlugin</c> lines: <c>obfs4 exec /usr/bin/obfs4proxy</c>.</summary>
    public IReadOnlyList<string> Plugins { get; init; } = [];

    /// <summary>A file of further lines for our Tor's configuration. Lines that open ports or read other files are refused.</summary>
    public string? Configuration { get; init; }

    /// <summary>Whether addresses that are no onion services may be reached, through Tor's exits: whoever runs the exit then sees which server is asked. Default false.</summary>
    public bool Exits { get; init; }

    /// <summary>How long to try to connect to a server over Tor, the making of circuits included. Default 2 min.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>How long a call waits for Tor to be ready; before that, Tor says itself when it is stuck. Default 3 min.</summary>
    public TimeSpan ReadyTimeout { get; init; } = TimeSpan.FromMinutes(3);

    /// <summary>What is wrong with these settings, but for what only Tor itself can tell; null if nothing is.</summary>
    public string? FindFault() =>
        ConnectTimeout <= TimeSpan.Zero || ConnectTimeout > TimeSpan.FromMinutes(10) ? $"{nameof(ConnectTimeout)} is not between 0 and 10 minutes"
        : ReadyTimeout <= TimeSpan.Zero || ReadyTimeout > TimeSpan.FromHours(1) ? $"{nameof(ReadyTimeout)} is not between 0 and one hour"
        : Socks is not null && (Bridges.Count > 0 || Plugins.Count > 0 || Configuration is not null || Executable is not null)
            ? $"{nameof(Socks)} names a Tor that somebody else runs, which the other settings cannot reach: take {nameof(Executable)}, {nameof(Bridges)}, {nameof(Plugins)} and {nameof(Configuration)} out"
        : null;

    internal void Validate()
    {
        if (FindFault() is string fault)
        {
            throw new ClientException(ClientError.InvalidSetting, $"The setting Tor: {fault}.");
        }
    }
}
