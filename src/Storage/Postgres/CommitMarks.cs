using System.Security.Cryptography;
using Npgsql;

namespace Tacit.Storage.Postgres;

/// <summary>
/// Settles what became of a commit whose answer was lost. Every transaction of the writer inserts a row with a number of its own. When the answer does not come, a new
/// connection inserts the same row, marked as a fence: if that succeeds, the transaction can never commit any more, as its row would be there twice, and its works may run
/// again; if the transaction's own row is there, it did commit and its results stand. It needs an INSERT with ON CONFLICT and nothing else. Asking for the status of a
/// transaction id (<c>pg_xact_status</c>) would do on PostgreSQL, but not on what only speaks its protocol.
/// </summary>
internal sealed class CommitMarks
{
    internal const string Table =
        "CREATE TABLE IF NOT EXISTS storage_commits (writer {blob} NOT NULL, number {int} NOT NULL, day {int} NOT NULL, fence {int} NOT NULL, PRIMARY KEY (writer, number)) {without_rowid}";

    private const int KeptMarks = 256;
    private const string Insert = "INSERT INTO storage_commits (writer, number, day, fence) VALUES ($1, $2, $3, 0)";

    private readonly byte[] _writer = RandomNumberGenerator.GetBytes(16);
    private readonly TimeProvider _time;
    private long _number;
    private long _cleanedUntil;

    internal CommitMarks(TimeProvider time)
    {
        _time = time;
    }

    private long Day => _time.GetUtcNow().ToUnixTimeSeconds() / 86400;

    /// <summary>The statement that goes with the next COMMIT.</summary>
    internal NpgsqlBatchCommand Next() => Command(Insert, _writer, ++_number, Day);

    /// <summary>Whether the last transaction was committed; if not, it never will be.</summary>
    internal bool Settle(NpgsqlConnection connection)
    {
        using (var fence = new NpgsqlBatch(connection))
        {
            // Waits for the transaction if it is still under way on a connection that the server has not found dead yet.
            fence.BatchCommands.Add(Command(
                "INSERT INTO storage_commits (writer, number, day, fence) VALUES ($1, $2, $3, 1) ON CONFLICT (writer, number) DO NOTHING", _writer, _number, Day));
            fence.ExecuteNonQuery();
        }

        // Read and not concluded from the count: the fence itself may be a repetition whose answer was lost.
        using var read = new NpgsqlBatch(connection);
        read.BatchCommands.Add(Command("SELECT fence FROM storage_commits WHERE writer = $1 AND number = $2", _writer, _number));
        return read.ExecuteScalar() is 0L;
    }

    /// <summary>Removes now and then what nobody will ask for any more. Outside of transactions, so that no work collides with it.</summary>
    internal void CleanUp(NpgsqlConnection connection, bool all)
    {
        if (!all && _number - _cleanedUntil < KeptMarks)
        {
            return;
        }

        using var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(Command("DELETE FROM storage_commits WHERE writer = $1 AND number <= $2", _writer, _number));
        batch.ExecuteNonQuery();
        _cleanedUntil = _number;
    }

    /// <summary>Removes what writers that crashed have left; a mark is of use for seconds.</summary>
    internal void CleanUpOthers(NpgsqlConnection connection)
    {
        using var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(Command("DELETE FROM storage_commits WHERE day < $1", Day - 2));
        batch.ExecuteNonQuery();
    }

    private static NpgsqlBatchCommand Command(string sql, params ReadOnlySpan<SqlValue> args) => PostgresSession.Command(sql, args);
}
