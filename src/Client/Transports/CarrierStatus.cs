namespace Tacit.Client.Transports;

/// <summary>Whether connections can be made.</summary>
public enum CarrierState
{
    /// <summary>Nothing is needed: connections are made directly.</summary>
    Unneeded,

    /// <summary>Tor is to be used, and nothing has needed it yet.</summary>
    Idle,

    /// <summary>Tor is on its way into the network.</summary>
    Starting,

    Ready,

    /// <summary>Tor gets no further. It goes on trying.</summary>
    Stuck,

    /// <summary>There is no Tor: it cannot be started, or ended.</summary>
    Failed,
}

/// <summary>How the client's connections are made, and whether they can be.</summary>
/// <param name="Carrier">What carries them.</param>
/// <param name="State">Whether that works.</param>
/// <param name="Percent">How far Tor is on its way into the network, 0 to 100; 100 once it is ready.</param>
/// <param name="Phase">Tor's own short name of the phase it is in; null if it said none.</param>
/// <param name="Summary">The same in Tor's own words.</param>
/// <param name="Version">Tor's version; null if it is not known.</param>
/// <param name="Problem">What is wrong and what to do about it; null if nothing is.</param>
/// <param name="Source">Whose Tor it is: our own, that of another Tacit on the same data folder, or an address that was set.</param>
public sealed record CarrierStatus(
    Carrier Carrier, CarrierState State, int Percent = 0, string? Phase = null, string? Summary = null, string? Version = null, string? Problem = null, string? Source = null)
{
    /// <summary>One line for people.</summary>
    public string Describe() => State switch
    {
        CarrierState.Unneeded => "connections are made directly",
        CarrierState.Idle => "not started: nothing has needed it yet",
        CarrierState.Ready => "ready",
        CarrierState.Starting => $"{Percent} %{(Summary is null ? "" : $", {Summary}")}",
        CarrierState.Stuck => $"stuck at {Percent} %{(Summary is null ? "" : $", {Summary}")}{(Problem is null ? "" : $": {Problem}")}",
        _ => Problem ?? "cannot be used",
    };
}
