using System.Net.Sockets;
using Npgsql;

namespace Tacit.Storage.Postgres;

/// <summary>From PostgreSQL's error codes (its manual, appendix A) and Npgsql's exceptions to ours.</summary>
internal static class PostgresErrors
{
    /// <summary>What an exception of a statement, or of a commit whose failure the server stated, means.</summary>
    internal static StorageException Create(Exception e, string name) => e switch
    {
        StorageException known => known,
        PostgresException refused => Create(refused, name),
        NpgsqlException or IOException or SocketException or TimeoutException or ObjectDisposedException => Lost(e, name),

        // Npgsql refused to send it at all.
        _ => new StorageException(StorageErrorKind.Statement, $"The database could not run a statement ({e.GetType().Name})."),
    };

    internal static StorageException Connecting(Exception e, string name) => e switch
    {
        PostgresException { SqlState: ['2', '8', ..] } => Unavailable(
            $"The PostgreSQL database {name} refused the login. Check user name and password in the connection string, and pg_hba.conf on the server."),
        PostgresException { SqlState: PostgresErrorCodes.InvalidCatalogName } => Unavailable(
            $"There is no PostgreSQL database {name}. Create it: CREATE DATABASE … OWNER …."),
        PostgresException { SqlState: PostgresErrorCodes.InsufficientPrivilege } => Unavailable(
            $"The login may not connect to the PostgreSQL database {name}. Grant it: GRANT CONNECT ON DATABASE … TO …."),
        PostgresException refused => Lost(refused, name),
        _ => Lost(e, name),
    };

    /// <summary>Whether after this exception from COMMIT nobody knows if it took effect.</summary>
    internal static bool LeavesCommitOpen(Exception e) => e is not PostgresException refused
        || refused.SqlState is ['0', '8', ..] or ['5', '7', 'P', ..] or ['5', '7', '0', ..] or PostgresErrorCodes.StatementCompletionUnknown or ['X', 'X', ..];

    private static StorageException Create(PostgresException e, string name)
    {
        string detail = $"({Detail(e)}, SQLSTATE {e.SqlState})";
        return e.SqlState switch
        {
            PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.DeadlockDetected => new StorageException(
                StorageErrorKind.Unavailable, $"Works of several instances collided again and again on the database {name} {detail}.")
            { Trouble = Trouble.Collided },
            PostgresErrorCodes.ReadOnlySqlTransaction => Lost(e, name),
            PostgresErrorCodes.UndefinedTable => new StorageException(StorageErrorKind.NoTable, $"A statement names a table that is not there {detail}."),
            PostgresErrorCodes.DiskFull => new StorageException(
                StorageErrorKind.DiskFull, $"The disk of the database {name} is full. Nothing was changed; make room and try again {detail}."),
            PostgresErrorCodes.InsufficientPrivilege => Unavailable(
                $"The login has not the rights it needs on the database {name}. Make it the database's owner, or grant it CREATE on the schema and all rights on its tables {detail}."),
            PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.QueryCanceled => Unavailable($"The database {name} took too long {detail}."),
            PostgresErrorCodes.DataCorrupted or PostgresErrorCodes.IndexCorrupted => new StorageException(
                StorageErrorKind.Corrupt, $"The database {name} is damaged. Stop the role and restore it from a backup {detail}."),

            // The number of arguments is wrong; the only way we can violate the protocol.
            PostgresErrorCodes.ProtocolViolation => new StorageException(StorageErrorKind.Statement, $"The database could not run a statement {detail}."),
            // Two that make the same table at once may meet in the catalog, where "if not exists" does not look.
            PostgresErrorCodes.DuplicateObject or PostgresErrorCodes.DuplicateTable or ['2', '3', ..] => new StorageException(StorageErrorKind.Constraint, $"The database refused a change that breaks its rules {detail}."),
            ['0', '8', ..] or ['5', '3', ..] or ['5', '7', ..] or ['5', '8', ..] or ['X', 'X', ..] or ['4', '0', ..] => Lost(e, name),
            _ => new StorageException(StorageErrorKind.Statement, $"The database could not run a statement {detail}."),
        };
    }

    private static StorageException Lost(Exception e, string name)
    {
        string detail = e is PostgresException refused ? $"{Detail(refused)}, SQLSTATE {refused.SqlState}" : (e.InnerException ?? e).GetType().Name;
        return new StorageException(StorageErrorKind.Unavailable, $"The PostgreSQL database {name} cannot be reached. Check that it runs, and host and port ({detail}).")
        {
            Trouble = Trouble.Lost,
        };
    }

    private static StorageException Unavailable(string message) => new(StorageErrorKind.Unavailable, message);

    // The text names tables, columns and constraints. That of class 22 (data exceptions) may quote a value, and what quotes one otherwise is the detail, which is left out.
    private static string Detail(PostgresException e) => e.SqlState is ['2', '2', ..] ? "a value that does not fit" : e.MessageText;
}
