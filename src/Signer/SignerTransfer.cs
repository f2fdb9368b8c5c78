using Tacit.Storage;

namespace Tacit.Signer;

/// <summary>Moves a signer's keys, which stay encrypted, between SQLite and PostgreSQL, while no signer runs on either.</summary>
public static class SignerTransfer
{
    /// <param name="dataDirectory">The signer's folder, with or for its SQLite file.</param>
    /// <param name="connectionString">The PostgreSQL database.</param>
    /// <param name="toPostgres">The direction.</param>
    /// <param name="time">Dates migrations.</param>
    /// <exception cref="StorageException">The signer runs, or what is moved to is not empty.</exception>
    public static Task<IReadOnlyList<TransferredTable>> MoveAsync(
        string dataDirectory, string connectionString, bool toPostgres, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(dataDirectory);
        string path = Path.Combine(dataDirectory, SignerOptions.DatabaseName);
        PostgresOptions postgres = new() { ConnectionString = connectionString };
        return toPostgres
            ? DatabaseTransfer.ToPostgresAsync(path, postgres, SignerSchema.Migrations, new TransferRules(), time, cancellationToken)
            : DatabaseTransfer.FromPostgresAsync(postgres, path, SignerSchema.Migrations, new TransferRules(), time, cancellationToken);
    }
}
