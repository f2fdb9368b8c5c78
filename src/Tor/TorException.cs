namespace Tacit.Tor;

/// <summary>The one error of this project. The message says what happened, in which phase, and what to try; it never holds what an isolation was made of.</summary>
public sealed class TorException : Exception
{
    internal TorException(TorError error, string message, Exception? inner = null)
        : base(message, inner)
    {
        Error = error;
    }

    public TorError Error { get; }

    /// <summary>The wrong setting within <see cref="TorOptions"/>, as <c>Bridges:0</c>; null unless <see cref="Error"/> is <see cref="TorError.BadSetting"/>.</summary>
    public string? Setting { get; internal init; }

    /// <summary>Whether the attempt may succeed by itself when it is made again in a while.</summary>
    public bool IsTransient => Error is TorError.Died or TorError.Stuck or TorError.SocksUnreachable or TorError.ConnectionFailed or TorError.HostUnreachable
        or TorError.ConnectionRefused or TorError.TimedOut or TorError.OnionNotFound or TorError.OnionUnreachable or TorError.OnionRendezvousFailed
        or TorError.OnionTimedOut;

    /// <summary>Whether the way to the host was at fault and not the host: another circuit may do.</summary>
    public bool IsOfCircuit => Error is TorError.ConnectionFailed or TorError.TimedOut or TorError.OnionUnreachable or TorError.OnionRendezvousFailed or TorError.OnionTimedOut;

    /// <summary>The same error for one more caller: several awaiters throwing one exception object would mix up its stack trace.</summary>
    internal TorException Again() => new(Error, Message, this) { Setting = Setting };
}
