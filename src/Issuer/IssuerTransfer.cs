using Tacit.Storage;

namespace Tacit.Issuer;

/// <summary>Moves an issuer's books between SQLite and PostgreSQL, while no issuer runs on either.</summary>
public static class IssuerTransfer
{
    /// <param name="dataDirectory">The issuer's folder, with or for its SQLite file.</param>
    /// <param name="connectionString">The PostgreSQL database.</param>
    /// <param name="toPostgres">The direction.</param>
    /// <param name="time">Dates migrations.</param>
    /// <exception cref="StorageException">The issuer runs, or what is moved to is not empty.</exception>
    public static Task<IReadOnlyList<TransferredTable>> MoveAsync(
        string dataDirectory, string connectionString, bool toPostgres, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(dataDirectory);
        string path = Path.Combine(dataDirectory, IssuerOptions.DatabaseName);
        PostgresOptions postgres = new() { ConnectionString = connectionString };
        return toPostgres
            ? DatabaseTransfer.ToPostgresAsync(path, postgres, IssuerSchema.Migrations, new TransferRules(), time, cancellationToken)
            : DatabaseTransfer.FromPostgresAsync(postgres, path, IssuerSchema.Migrations, new TransferRules(), time, cancellationToken);
    }
}
