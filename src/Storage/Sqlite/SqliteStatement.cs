using System.Globalization;
using System.Text;
using SQLitePCL;

namespace Tacit.Storage.Sqlite;

/// <summary>A prepared statement of one connection: bound, stepped, reset, and kept for the next time.</summary>
internal sealed class SqliteStatement : Cursor, IDisposable
{
    private const int StackTextBytes = 256;

    private readonly SqliteSession _session;
    private readonly sqlite3_stmt _handle;

    /// <summary>SQLite numbers <c>$2</c> by where it first appears in the text; this gives the argument behind each of its numbers. Null if they agree.</summary>
    private readonly int[]? _argumentOf;
    private readonly int _argumentCount;
    private readonly int _parameterCount;
    private readonly bool _isReadOnly;
    private int _changesBefore;
    private int _rowsAffected;
    private bool _running;

    internal SqliteStatement(SqliteSession session, sqlite3_stmt handle)
    {
        _session = session;
        _handle = handle;
        _isReadOnly = raw.sqlite3_stmt_readonly(handle) != 0;
        _parameterCount = raw.sqlite3_bind_parameter_count(handle);
        int[] argumentOf = new int[_parameterCount];
        bool inOrder = true;
        for (int i = 0; i < _parameterCount; i++)
        {
            string? name = raw.sqlite3_bind_parameter_name(handle, i + 1).utf8_to_string();
            if (name is not ['$', .. string digits] || !int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out int number) || number < 1)
            {
                handle.Dispose();
                throw new StorageException(StorageErrorKind.Statement, "Arguments are written $1, $2, … in every statement.");
            }

            argumentOf[i] = number - 1;
            inOrder &= number == i + 1;
            _argumentCount = Math.Max(_argumentCount, number);
        }

        _argumentOf = inOrder ? null : argumentOf;
    }

    /// <summary>When it was last used, on the session's count; what the cache drops first.</summary>
    internal long LastUse { get; set; }

    internal bool IsRunning => _running;

    internal override int RowsAffected => _rowsAffected;

    public void Dispose() => _handle.Dispose();

    internal void Start(ReadOnlySpan<SqlValue> args)
    {
        if (_running)
        {
            throw new StorageException(StorageErrorKind.Statement, "A statement was started again while its rows were being read.");
        }

        if (args.Length != _argumentCount)
        {
            throw new StorageException(
                StorageErrorKind.Statement, string.Create(CultureInfo.InvariantCulture, $"A statement with {_argumentCount} arguments was given {args.Length}."));
        }

        for (int i = 0; i < _parameterCount; i++)
        {
            Bind(i + 1, args[_argumentOf is null ? i : _argumentOf[i]]);
        }

        _rowsAffected = 0;
        _changesBefore = _isReadOnly ? 0 : raw.sqlite3_total_changes(_session.Handle);
        _running = true;
    }

    internal override bool Next()
    {
        int code = raw.sqlite3_step(_handle);
        if (code == raw.SQLITE_ROW)
        {
            return true;
        }

        if (code != raw.SQLITE_DONE)
        {
            throw _session.Error(code);
        }

        // sqlite3_changes keeps the count of the statement before when this one changed no row, as DDL does.
        if (!_isReadOnly && raw.sqlite3_total_changes(_session.Handle) != _changesBefore)
        {
            _rowsAffected = raw.sqlite3_changes(_session.Handle);
        }

        return false;
    }

    internal override void Close()
    {
        // The result is that of the last step, which was reported there.
        _ = raw.sqlite3_reset(_handle);
        _running = false;
    }

    internal override bool IsNull(int column) => raw.sqlite3_column_type(_handle, column) == raw.SQLITE_NULL;

    internal override long Int64(int column)
    {
        Expect(column, raw.SQLITE_INTEGER);
        return raw.sqlite3_column_int64(_handle, column);
    }

    internal override string Text(int column)
    {
        Expect(column, raw.SQLITE_TEXT);
        return raw.sqlite3_column_text(_handle, column).utf8_to_string();
    }

    internal override ReadOnlySpan<byte> Bytes(int column)
    {
        Expect(column, raw.SQLITE_BLOB);
        return raw.sqlite3_column_blob(_handle, column);
    }

    private void Expect(int column, int type)
    {
        if (raw.sqlite3_column_type(_handle, column) != type)
        {
            throw new StorageException(
                StorageErrorKind.Statement, string.Create(CultureInfo.InvariantCulture, $"Column {column} was read as another type than it holds, or is NULL."));
        }
    }

    private void Bind(int index, in SqlValue value)
    {
        int code = value.Kind switch
        {
            SqlValueKind.Integer => raw.sqlite3_bind_int64(_handle, index, value.Number),
            SqlValueKind.Text => BindText(index, value.Text),

            // A null pointer binds NULL, and an empty span has one.
            SqlValueKind.Bytes when value.Bytes.IsEmpty => raw.sqlite3_bind_zeroblob(_handle, index, 0),
            SqlValueKind.Bytes => raw.sqlite3_bind_blob(_handle, index, value.Bytes),
            _ => raw.sqlite3_bind_null(_handle, index),
        };
        if (code != raw.SQLITE_OK)
        {
            throw _session.Error(code);
        }
    }

    private int BindText(int index, string text)
    {
        int max = Encoding.UTF8.GetMaxByteCount(text.Length);
        if (text.Length == 0 || max > StackTextBytes)
        {
            return raw.sqlite3_bind_text(_handle, index, text);
        }

        Span<byte> utf8 = stackalloc byte[StackTextBytes];
        return raw.sqlite3_bind_text(_handle, index, utf8[..Encoding.UTF8.GetBytes(text, utf8)]);
    }
}
