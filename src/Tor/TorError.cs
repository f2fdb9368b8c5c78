namespace Tacit.Tor;

/// <summary>What kind of trouble there is with Tor; each kind asks for something else of the person or the caller.</summary>
public enum TorError
{
    /// <summary>No tor program: not where the setting says, or nowhere usual.</summary>
    NotFound,

    /// <summary>The tor program is older than <see cref="TorOptions.OldestVersion"/>.</summary>
    TooOld,

    /// <summary>A setting is wrong; <see cref="TorException.Setting"/> names it.</summary>
    BadSetting,

    /// <summary>Another process of ours runs its tor in the same data folder.</summary>
    InUse,

    /// <summary>The tor program ends as soon as it is started, or cannot be started.</summary>
    CannotStart,

    /// <summary>Tor ended by itself, or was stopped. A running service starts it again.</summary>
    Died,

    /// <summary>Tor runs and makes no progress towards the network; the message names the phase.</summary>
    Stuck,

    /// <summary>This machine's clock is wrong by so much that Tor cannot work.</summary>
    ClockSkewed,

    /// <summary>Tor does not answer as a tor does on its control socket, or refuses what it was asked.</summary>
    NoControl,

    /// <summary>Nothing answers at the SOCKS address, or what does is no SOCKS proxy.</summary>
    SocksUnreachable,

    /// <summary>The connection could not be made: SOCKS general failure, or no route (RFC 1928, replies 1 to 3).</summary>
    ConnectionFailed,

    /// <summary>The exit could not find the host (RFC 1928, reply 4).</summary>
    HostUnreachable,

    /// <summary>The host refused the connection (RFC 1928, reply 5).</summary>
    ConnectionRefused,

    /// <summary>The attempt took too long within Tor (RFC 1928, reply 6).</summary>
    TimedOut,

    /// <summary>No descriptor of the onion service: it is not running, or was never published (Tor's reply F0).</summary>
    OnionNotFound,

    /// <summary>The onion service's descriptor cannot be read (F1).</summary>
    OnionInvalid,

    /// <summary>No introduction point of the onion service took us (F2): usually it has just gone, or is moving.</summary>
    OnionUnreachable,

    /// <summary>The onion service did not come to the meeting point (F3).</summary>
    OnionRendezvousFailed,

    /// <summary>The onion service is open to authorized clients only, and there is no key for it here (F4).</summary>
    OnionAuthRequired,

    /// <summary>The key for the onion service is not, or no longer, one of its authorized clients' (F5).</summary>
    OnionAuthWrong,

    /// <summary>That is no onion address: checksum or key are wrong (F6).</summary>
    OnionAddressInvalid,

    /// <summary>All introductions took too long (F7).</summary>
    OnionTimedOut,
}
