using System.Globalization;
using Npgsql;

namespace Tacit.Storage.Postgres;

/// <summary>The running statement of a session. One at a time: a connection has one conversation.</summary>
internal sealed class PostgresCursor : Cursor
{
    private readonly PostgresSession _session;
    private NpgsqlDataReader? _reader;
    private NpgsqlBatchCommand? _command;
    private int _rowsAffected;

    internal PostgresCursor(PostgresSession session)
    {
        _session = session;
    }

    internal bool IsRunning => _reader is not null;

    internal override int RowsAffected => _rowsAffected;

    internal void Start(NpgsqlDataReader reader, NpgsqlBatchCommand command)
    {
        _reader = reader;
        _command = command;
        _rowsAffected = 0;
    }

    internal override bool Next()
    {
        try
        {
            if (_reader!.Read())
            {
                return true;
            }

            // The rest of the answer: the number of rows comes last, and may yet be an error.
            End();
            return false;
        }
        catch (Exception e) when (e is not StorageException)
        {
            throw _session.Fail(e);
        }
    }

    internal override void Close()
    {
        if (_reader is null)
        {
            return;
        }

        try
        {
            End();
        }
        catch (Exception e) when (e is not StorageException)
        {
            // Something else is on its way out already; that the connection is gone shows with the next statement.
            _ = _session.Fail(e);
        }
    }

    internal override bool IsNull(int column) => Reader.IsDBNull(column);

    internal override long Int64(int column)
    {
        Type type = TypeOf(column);
        return type == typeof(long) ? Reader.GetInt64(column)
            : type == typeof(int) ? Reader.GetInt32(column)
            : type == typeof(bool) ? (Reader.GetBoolean(column) ? 1 : 0)

            // Sums of 64-bit integers are numeric.
            : type == typeof(decimal) && Reader.GetDecimal(column) is decimal number && decimal.IsInteger(number) ? checked((long)number)
            : throw Mismatch(column);
    }

    internal override string Text(int column) => TypeOf(column) == typeof(string) ? Reader.GetString(column) : throw Mismatch(column);

    internal override ReadOnlySpan<byte> Bytes(int column) => TypeOf(column) == typeof(byte[]) ? Reader.GetFieldValue<byte[]>(column) : throw Mismatch(column);

    // SQLite's statement ends with its last row, but a mapping may look at the row it was given only.
    private NpgsqlDataReader Reader => _reader ?? throw new StorageException(StorageErrorKind.Statement, "A row was read after its statement had ended.");

    private void End()
    {
        NpgsqlDataReader reader = _reader!;
        _reader = null;
        reader.Dispose();
        _rowsAffected = Math.Max(0, _command!.RecordsAffected);
    }

    private Type TypeOf(int column)
    {
        try
        {
            return Reader.IsDBNull(column) ? throw Mismatch(column) : Reader.GetFieldType(column);
        }
        catch (IndexOutOfRangeException)
        {
            throw Mismatch(column);
        }
    }

    private static StorageException Mismatch(int column) => new(
        StorageErrorKind.Statement, string.Create(CultureInfo.InvariantCulture, $"Column {column} was read as another type than it holds, or is NULL."));
}
