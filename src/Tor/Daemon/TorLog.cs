using Microsoft.Extensions.Logging;

namespace Tacit.Tor.Daemon;

/// <summary>What is logged about Tor. Its own lines are scrubbed by itself (SafeLogging).</summary>
internal static partial class TorLog
{
    [LoggerMessage(1, LogLevel.Information, "tor {Version} runs")]
    public static partial void Started(ILogger logger, string version);

    [LoggerMessage(2, LogLevel.Warning, "tor ended ({How}); it is started again in {Pause}")]
    public static partial void Ended(ILogger logger, string how, TimeSpan pause);

    [LoggerMessage(3, LogLevel.Error, "tor cannot be started again ({Error}): {Why}; next attempt in {Pause}")]
    public static partial void CannotRestart(ILogger logger, TorError error, string why, TimeSpan pause);

    [LoggerMessage(4, LogLevel.Warning, "tor: {Line}")]
    public static partial void Warned(ILogger logger, string line);

    [LoggerMessage(5, LogLevel.Debug, "tor: {Line}")]
    public static partial void Said(ILogger logger, string line);

    [LoggerMessage(6, LogLevel.Information, "tor is in the network")]
    public static partial void Ready(ILogger logger);

    [LoggerMessage(7, LogLevel.Warning, "tor is stuck: {Why}")]
    public static partial void Stuck(ILogger logger, string why);
}
