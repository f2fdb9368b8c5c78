namespace Tacit.Tor;

/// <summary>A circuit as Tor tells of it (control-spec, section 4.1.1). Values not listed there are passed on as they are.</summary>
public sealed record TorCircuit
{
    public required string Id { get; init; }

    /// <summary>LAUNCHED, BUILT, GUARD_WAIT, EXTENDED, FAILED or CLOSED.</summary>
    public required string Status { get; init; }

    /// <summary>The relays it goes through, first the guard.</summary>
    public IReadOnlyList<TorHop> Path { get; init; } = [];

    /// <summary>GENERAL, HS_CLIENT_REND, HS_SERVICE_INTRO … or empty.</summary>
    public string Purpose { get; init; } = "";

    /// <summary>HSCR_JOINED … for circuits of onion services, or empty.</summary>
    public string OnionState { get; init; } = "";

    /// <summary>The onion service it is for, as <c>….onion</c>; null if for none.</summary>
    public string? OnionAddress { get; init; }

    /// <summary>The <see cref="TorIsolation.UserName"/> of the streams it carries; null before the first.</summary>
    public string? SocksUserName { get; init; }

    /// <summary>Why it failed or was closed, or null.</summary>
    public string? Reason { get; init; }

    /// <summary>Whether it carries streams of that isolation.</summary>
    public bool IsOf(TorIsolation isolation) => SocksUserName == isolation.UserName;
}

/// <summary>A relay in a circuit's path.</summary>
/// <param name="Fingerprint">40 hexadecimal digits.</param>
/// <param name="Nickname">What its operator calls it; empty if unknown.</param>
public sealed record TorHop(string Fingerprint, string Nickname);

/// <summary>A connection through Tor, a stream in its words, as Tor tells of it (control-spec, section 4.1.2).</summary>
public sealed record TorConnection
{
    public required string Id { get; init; }

    /// <summary>NEW, SENTCONNECT, SUCCEEDED, FAILED, CLOSED, DETACHED …</summary>
    public required string Status { get; init; }

    /// <summary>The circuit it is attached to; <c>0</c> if to none.</summary>
    public required string CircuitId { get; init; }

    /// <summary>Host and port it leads to.</summary>
    public required string Target { get; init; }

    /// <summary>The <see cref="TorIsolation.UserName"/> it was asked for with; null for Tor's own.</summary>
    public string? SocksUserName { get; init; }

    /// <summary>USER, DIR_FETCH, DNS_REQUEST …; given with NEW only, else empty.</summary>
    public string Purpose { get; init; } = "";

    /// <summary>Why it failed or was closed, or null.</summary>
    public string? Reason { get; init; }
}

/// <summary>Something Tor told of: exactly one of the members is set.</summary>
public sealed record TorEvent
{
    public TorCircuit? Circuit { get; init; }

    public TorConnection? Connection { get; init; }
}
