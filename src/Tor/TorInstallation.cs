using Tacit.Tor.Daemon;

namespace Tacit.Tor;

/// <summary>The tor program of this machine, for those who look before they start it.</summary>
/// <param name="Path">Where it is.</param>
/// <param name="Version">As it calls itself: <c>0.4.9.11</c>.</param>
public sealed record TorInstallation(string Path, string Version)
{
    /// <summary>Finds it and asks for its version; nothing else is started.</summary>
    /// <exception cref="TorException"><see cref="TorError.NotFound"/>, <see cref="TorError.TooOld"/>, <see cref="TorError.CannotStart"/>.</exception>
    public static async Task<TorInstallation> FindAsync(TorOptions options, TimeProvider time, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        TorProgram program = await TorProgram.FindAsync(options, time, cancellationToken);
        return new TorInstallation(program.Path, program.VersionText);
    }
}
