using Tacit.Gateway.Admission;
using Tacit.Gateway.Sealing;
using Tacit.Storage;

namespace Tacit.Gateway;

/// <summary>Copies of a gateway's spend record, and what is to be done with an old one: it has forgotten what was spent since (law 2).</summary>
public static class GatewayBackup
{
    /// <summary>The name of the database in the data folder.</summary>
    public const string DatabaseName = "gateway.db";

    /// <summary>
    /// Puts a copy in the place of the record of a gateway that does not run. Unless told otherwise, the keys that are in use when the gateway first hears of its
    /// issuer again are closed: their tokens are neither taken nor exchanged, as any of them may have been spent after the copy was made.
    /// </summary>
    /// <param name="copyPath">The copy.</param>
    /// <param name="dataDirectory">The gateway's folder.</param>
    /// <param name="acceptsForgottenSpends">True to take tokens again that were spent since.</param>
    /// <param name="time">Dates migrations.</param>
    /// <returns>Where the record that was there is now; null if there was none.</returns>
    /// <exception cref="StorageException">The copy cannot be used, or the gateway runs.</exception>
    public static Task<string?> RestoreAsync(
        string copyPath, string dataDirectory, bool acceptsForgottenSpends, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(dataDirectory);
        return DatabaseCopy.PutBackAsync(
            copyPath, Path.Combine(dataDirectory, DatabaseName), SpendTables.Migrations,
            session =>
            {
                if (!acceptsForgottenSpends)
                {
                    ClosedKeys.Mark(session);
                }

                ReplayGuard.Mark(session, time.GetUtcNow());
            },
            time, cancellationToken);
    }
}
