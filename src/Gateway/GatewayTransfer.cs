using System.Globalization;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Sealing;
using Tacit.Storage;

namespace Tacit.Gateway;

/// <summary>Moves a gateway's spend record between SQLite and PostgreSQL, while no gateway runs on either.</summary>
public static class GatewayTransfer
{
    /// <param name="dataDirectory">The gateway's folder, with or for <c>gateway.db</c>.</param>
    /// <param name="connectionString">The PostgreSQL database.</param>
    /// <param name="toPostgres">The direction.</param>
    /// <param name="time">Dates migrations and marks.</param>
    /// <exception cref="StorageException">The gateway runs, or what is moved to is not empty.</exception>
    public static Task<IReadOnlyList<TransferredTable>> MoveAsync(
        string dataDirectory, string connectionString, bool toPostgres, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(dataDirectory);
        string path = Path.Combine(dataDirectory, GatewayBackup.DatabaseName);
        PostgresOptions postgres = new() { ConnectionString = connectionString };
        TransferRules rules = new()
        {
            Create = CreatePeriod,
            // Made in the newest layout, whatever the old one was; what that lacks may be null.
            Finish = static session => session.Execute("UPDATE periods SET layout = $1", SpendTables.Layout),
            // A gateway that is started on it all the same takes none of the tokens that may be spent elsewhere meanwhile.
            Retire = session =>
            {
                ClosedKeys.Mark(session);
                ReplayGuard.Mark(session, time.GetUtcNow());
            },
        };
        return toPostgres
            ? DatabaseTransfer.ToPostgresAsync(path, postgres, SpendTables.Migrations, rules, time, cancellationToken)
            : DatabaseTransfer.FromPostgresAsync(postgres, path, SpendTables.Migrations, rules, time, cancellationToken);
    }

    private static string? CreatePeriod(string table) =>
        DateTimeOffset.TryParseExact(
            table.ToUpperInvariant(), "'SPENDS_'yyyyMMdd'T'HHmmss", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out DateTimeOffset deadline)
            ? new SpendTables.Statements(SpendTables.TableName(deadline)).Create
            : null;
}
