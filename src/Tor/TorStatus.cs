namespace Tacit.Tor;

/// <summary>What Tor is doing.</summary>
public enum TorState
{
    /// <summary>The process is being started; nothing is known of the network yet.</summary>
    Starting,

    /// <summary>On its way into the network: <see cref="TorStatus.Percent"/>, <see cref="TorStatus.Tag"/>, <see cref="TorStatus.Summary"/>.</summary>
    Bootstrapping,

    /// <summary>Circuits can be built.</summary>
    Ready,

    /// <summary>No progress for <see cref="TorOptions.StuckAfter"/>. Tor goes on trying, and may leave this state by itself.</summary>
    Stuck,

    /// <summary>The process ended and is started again after a pause.</summary>
    Restarting,

    /// <summary>The service was stopped.</summary>
    Stopped,

    /// <summary>A SOCKS address of a Tor that somebody else runs: nothing is known of it.</summary>
    External,
}

/// <summary>Tor at one moment.</summary>
public sealed record TorStatus
{
    public required TorState State { get; init; }

    /// <summary>Bootstrap progress, 0 to 100.</summary>
    public int Percent { get; init; }

    /// <summary>Tor's short name for the phase it works on (control-spec, section 5): <c>conn_dir</c>, <c>handshake</c> …; empty if unknown.</summary>
    public string Tag { get; init; } = "";

    /// <summary>Tor's own words for that phase: <c>Connecting to directory server</c> …; empty if unknown.</summary>
    public string Summary { get; init; } = "";

    /// <summary>What Tor last complained of, in its words; null if of nothing since the last progress.</summary>
    public string? Warning { get; init; }

    /// <summary>The version of the tor program, as <c>0.4.9.11</c>; null with <see cref="TorState.External"/>.</summary>
    public string? Version { get; init; }

    /// <summary>What a person may try; null if there is nothing to be done but wait.</summary>
    public string? Advice { get; init; }

    /// <summary>The trouble behind <see cref="TorState.Stuck"/> and <see cref="TorState.Restarting"/>, also when the clock was found to be wrong; else null.</summary>
    public TorError? Error { get; init; }

    /// <summary>How far this machine's clock is ahead of the network's, negative if behind, as Tor judges it; null if Tor had nothing to say.</summary>
    public TimeSpan? ClockSkew { get; init; }

    /// <summary>One line for a person: <c>30 % (loading_status): Loading networkstatus consensus</c>.</summary>
    public override string ToString() => State switch
    {
        TorState.Starting => "starting",
        TorState.Ready => "ready",
        TorState.Stopped => "stopped",
        TorState.External => "somebody else's, reached over SOCKS",
        TorState.Restarting => "ended, is being started again",
        TorState.Stuck => $"no progress at {Phase}",
        _ => Phase,
    };

    /// <summary>Percent, tag and summary as one text.</summary>
    internal string Phase => Tag.Length == 0 ? $"{Percent} %" : $"{Percent} % ({Tag}): {Summary}";
}
