using Tacit.Storage;

namespace Tacit.Signer;

/// <summary>Copies of a signer's keys, which are encrypted in them as in the original. An old copy lacks the keys made since.</summary>
public static class SignerBackup
{
    /// <summary>Puts a copy in the place of the keys of a signer that does not run.</summary>
    /// <returns>Where the keys that were there are now; null if there were none.</returns>
    /// <exception cref="StorageException">The copy cannot be used, or the signer runs.</exception>
    public static Task<string?> RestoreAsync(string copyPath, string dataDirectory, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(dataDirectory);
        return DatabaseCopy.PutBackAsync(
            copyPath, Path.Combine(dataDirectory, SignerOptions.DatabaseName), SignerSchema.Migrations, static _ => { }, time, cancellationToken);
    }
}
