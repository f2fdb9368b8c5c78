using System.Globalization;
using System.Text.RegularExpressions;
using Npgsql;
using NpgsqlTypes;

namespace Tacit.Storage.Postgres;

/// <summary>
/// One connection, used by one thread at a time, opened when it is first needed and again after it was lost. What needs no answer of its own (BEGIN, savepoints) travels
/// with the next statement, so that a work of one statement is one round trip and the commit another.
/// </summary>
internal sealed partial class PostgresSession : TransactionSession
{
    private const int MaxCounts = 1024;
    private const string Savepoint = "SAVEPOINT work";
    private const string Release = "RELEASE SAVEPOINT work";
    private const string RollBackTo = "ROLLBACK TO SAVEPOINT work";

    private readonly PostgresServer _server;
    private readonly CommitMarks? _marks;
    private readonly string _begin;
    private readonly PostgresCursor _cursor;
    private readonly ManualResetEventSlim _closing;

    /// <summary>Statements that go ahead of the next one, in the same message.</summary>
    private readonly List<string> _ahead = [];
    private readonly Dictionary<string, int> _argumentCounts = new(StringComparer.Ordinal);
    private NpgsqlConnection? _connection;
    private StorageException? _lastError;
    private bool _open;

    /// <summary>Whether BEGIN was sent.</summary>
    private bool _begun;
    private bool _wrote;

    /// <summary>Whether the transaction is one work, which then needs no savepoint.</summary>
    private bool _alone;
    private long _troubleSince;
    private bool _isDown;

    private PostgresSession(PostgresServer server, CommitMarks? marks, string begin, ManualResetEventSlim closing)
    {
        _server = server;
        _marks = marks;
        _begin = begin;
        _closing = closing;
        _cursor = new PostgresCursor(this);
    }

    public override Dialect Dialect => Dialect.Postgres;

    internal override bool InTransaction => _open;

    internal static PostgresSession Writer(PostgresServer server, CommitMarks marks, ManualResetEventSlim closing) => new(
        server, marks, server.Options.Serializable ? "BEGIN ISOLATION LEVEL SERIALIZABLE" : "BEGIN ISOLATION LEVEL READ COMMITTED", closing);

    // One snapshot for the whole work, as SQLite's readers have; without the bookkeeping of SERIALIZABLE, so that no read ever collides.
    internal static PostgresSession Reader(PostgresServer server, ManualResetEventSlim closing) =>
        new(server, null, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", closing);

    /// <summary>For migrations: each waits for another instance's and then sees what that did.</summary>
    internal static PostgresSession Migrating(PostgresServer server, ManualResetEventSlim closing) =>
        new(server, null, "BEGIN ISOLATION LEVEL READ COMMITTED", closing);

    internal static NpgsqlBatchCommand Command(string sql, ReadOnlySpan<SqlValue> args)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (ref readonly SqlValue arg in args)
        {
            command.Parameters.Add(arg.Kind switch
            {
                SqlValueKind.Integer => new NpgsqlParameter<long> { TypedValue = arg.Number, NpgsqlDbType = NpgsqlDbType.Bigint },
                SqlValueKind.Text => new NpgsqlParameter<string> { TypedValue = arg.Text, NpgsqlDbType = NpgsqlDbType.Text },
                SqlValueKind.Bytes => new NpgsqlParameter<ReadOnlyMemory<byte>> { TypedValue = arg.Memory, NpgsqlDbType = NpgsqlDbType.Bytea },
                _ => new NpgsqlParameter { Value = DBNull.Value },
            });
        }

        return command;
    }

    internal override void Begin(int works)
    {
        _alone = works == 1;
        _begun = _wrote = false;
        _lastError = null;
        _ahead.Clear();
        _ahead.Add(_begin);
        _open = true;
    }

    internal override void BeginWork()
    {
        _lastError = null;
        if (!_alone)
        {
            _ahead.Add(Savepoint);
        }
    }

    internal override void EndWork()
    {
        if (_lastError is not null)
        {
            throw new StorageException(StorageErrorKind.Statement, "A work hid the error of a statement and went on.", _lastError);
        }

        if (!_alone && !TakeUnsentSavepoint())
        {
            _ahead.Add(Release);
        }
    }

    internal override void RollbackWork()
    {
        _lastError = null;
        if (_alone)
        {
            Rollback();
            Begin(works: 1);
        }
        else if (!TakeUnsentSavepoint())
        {
            _ahead.Add(RollBackTo);
            _ahead.Add(Release);
        }
    }

    internal override void Commit()
    {
        _open = false;
        if (!_begun)
        {
            _ahead.Clear();
            return;
        }

        using NpgsqlBatch batch = TakeAhead();
        bool isMarked = _marks is not null && _wrote;
        if (isMarked)
        {
            batch.BatchCommands.Add(_marks!.Next());
        }

        batch.BatchCommands.Add(new NpgsqlBatchCommand("COMMIT"));
        try
        {
            batch.ExecuteNonQuery();
            Recovered();
        }
        catch (Exception e) when (isMarked && PostgresErrors.LeavesCommitOpen(e))
        {
            Disconnect();
            if (!Settle(e))
            {
                throw PostgresErrors.Create(e, _server.Name).WithTrouble(Trouble.Lost);
            }
        }
        catch (Exception e)
        {
            throw Fail(e);
        }
    }

    internal override void Rollback()
    {
        bool begun = _begun && _connection is not null;
        _open = _begun = false;
        _ahead.Clear();
        if (!begun)
        {
            return;
        }

        try
        {
            using var batch = new NpgsqlBatch(_connection);
            batch.BatchCommands.Add(new NpgsqlBatchCommand("ROLLBACK"));
            batch.ExecuteNonQuery();
        }
#pragma warning disable CA1031 // Whatever it is: a connection whose state is not known is given up, and the server rolls back.
        catch (Exception)
#pragma warning restore CA1031
        {
            Disconnect();
        }
    }

    /// <summary>
    /// Nothing of the group is kept, and it may run again: at once, slightly apart, after a collision; as long as the patience lasts if the server is away. Once that is
    /// over every group fails at its first try, until one succeeds: callers need not wait for what has just been found to be down.
    /// </summary>
    internal override bool MayRetry(StorageException failure, int attempt)
    {
        const int MaxCollisions = 12;
        switch (failure.Trouble)
        {
            case Trouble.Collided when attempt <= MaxCollisions:
                Pause(TimeSpan.FromMilliseconds(Jitter(1 << Math.Min(attempt, 7))));
                return true;
            case Trouble.Lost when !_isDown:
                if (_troubleSince == 0)
                {
                    _troubleSince = Environment.TickCount64;
                }

                if (Environment.TickCount64 - _troubleSince < _server.Options.Patience.TotalMilliseconds && !_closing.IsSet)
                {
                    Pause(TimeSpan.FromMilliseconds(attempt == 1 ? 1 : Jitter(Math.Min(500, 20 << Math.Min(attempt, 6)))));
                    return true;
                }

                _isDown = true;
                return false;
            default:
                return false;
        }
    }

    internal override void ExecuteScript(string sql)
    {
        try
        {
            if (_ahead.Count > 0)
            {
                using NpgsqlBatch batch = TakeAhead();
                batch.ExecuteNonQuery();
            }

            _wrote = true;
            using var command = new NpgsqlCommand(sql, Connection()) { CommandTimeout = 0 };
            command.ExecuteNonQuery();
        }
        catch (Exception e) when (e is not StorageException)
        {
            throw Fail(e);
        }
    }

    /// <summary>Connects if need be and does something outside of any transaction.</summary>
    internal void Maintain(Action<NpgsqlConnection> action)
    {
        try
        {
            action(Connection());
        }
        catch (Exception e) when (e is not StorageException)
        {
            throw Fail(e);
        }
    }

    public override void Dispose()
    {
        if (_marks is not null && _connection is not null)
        {
            try
            {
                _marks.CleanUp(_connection, all: true);
            }
            catch (Exception e) when (e is NpgsqlException or InvalidOperationException)
            {
                // They go with the next start.
            }
        }

        Disconnect();
    }

    public override int[] ExecuteMany(string sql, int argsPerRow, ReadOnlySpan<SqlValue> args)
    {
        int rows = RowsOf(argsPerRow, args);
        int[] changed = new int[rows];
        if (rows == 0)
        {
            return changed;
        }

        EnsureIdle();
        CheckCount(sql, argsPerRow);
        using NpgsqlBatch batch = TakeAhead();
        int first = batch.BatchCommands.Count;
        for (int i = 0; i < rows; i++)
        {
            batch.BatchCommands.Add(Command(sql, args.Slice(i * argsPerRow, argsPerRow)));
        }

        _wrote = true;
        try
        {
            batch.ExecuteNonQuery();
        }
        catch (Exception e) when (e is not StorageException)
        {
            throw Fail(e);
        }

        for (int i = 0; i < rows; i++)
        {
            changed[i] = Math.Max(0, batch.BatchCommands[first + i].RecordsAffected);
        }

        return changed;
    }

    private protected override Cursor Open(string sql, ReadOnlySpan<SqlValue> args)
    {
        EnsureIdle();
        CheckCount(sql, args.Length);

        // The reader outlives the batch, which holds nothing but the statements.
        NpgsqlBatch batch = TakeAhead();
        NpgsqlBatchCommand command = Command(sql, args);
        batch.BatchCommands.Add(command);
        _wrote |= !sql.AsSpan().TrimStart().StartsWith("SELECT", StringComparison.OrdinalIgnoreCase);
        try
        {
            _cursor.Start(batch.ExecuteReader(), command);
            return _cursor;
        }
        catch (Exception e) when (e is not StorageException)
        {
            throw Fail(e);
        }
    }

    /// <summary>Notes what an exception of a statement means for the transaction, and translates it.</summary>
    internal StorageException Fail(Exception e)
    {
        StorageException error = PostgresErrors.Create(e, _server.Name);
        if (_marks is null && e is PostgresException { SqlState: PostgresErrorCodes.ReadOnlySqlTransaction })
        {
            error = new StorageException(StorageErrorKind.Statement, "A work given to ReadAsync tried to write.");
        }

        _lastError = error;
        switch (error.Trouble)
        {
            case Trouble.Lost:
                _open = false;
                Disconnect();
                break;
            case Trouble.Collided:
                Rollback();
                break;
        }

        return error;
    }

    private NpgsqlBatch TakeAhead()
    {
        var batch = new NpgsqlBatch(Connection());
        foreach (string sql in _ahead)
        {
            batch.BatchCommands.Add(new NpgsqlBatchCommand(sql));
        }

        _begun |= _ahead.Count > 0;
        _ahead.Clear();
        return batch;
    }

    private bool TakeUnsentSavepoint()
    {
        if (_ahead.Count > 0 && ReferenceEquals(_ahead[^1], Savepoint))
        {
            _ahead.RemoveAt(_ahead.Count - 1);
            return true;
        }

        return false;
    }

    private NpgsqlConnection Connection()
    {
        if (_connection is not null)
        {
            if (!_begun)
            {
                _marks?.CleanUp(_connection, all: false);
            }

            return _connection;
        }

        try
        {
            return _connection = _server.Connect();
        }
        catch (StorageException)
        {
            _open = false;
            throw;
        }
    }

    /// <summary>The server takes arguments that no <c>$n</c> names, and makes nothing of them.</summary>
    private void CheckCount(string sql, int given)
    {
        if (!_argumentCounts.TryGetValue(sql, out int count))
        {
            foreach (ValueMatch match in Argument().EnumerateMatches(sql))
            {
                count = Math.Max(count, int.Parse(sql.AsSpan(match.Index + 1, match.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture));
            }

            if (_argumentCounts.Count >= MaxCounts)
            {
                _argumentCounts.Clear();
            }

            _argumentCounts.Add(sql, count);
        }

        if (count != given)
        {
            throw _lastError = new StorageException(
                StorageErrorKind.Statement, string.Create(CultureInfo.InvariantCulture, $"A statement with {count} arguments was given {given}."));
        }
    }

    [GeneratedRegex("[$][0-9]{1,4}")]
    private static partial Regex Argument();

    private void EnsureIdle()
    {
        if (_cursor.IsRunning)
        {
            throw new StorageException(StorageErrorKind.Statement, "A statement was started while the rows of another were being read.");
        }
    }

    /// <summary>Finds out on a new connection whether the transaction was committed. If no answer can be had in time, nobody knows, and the error says so.</summary>
    private bool Settle(Exception cause)
    {
        long since = Environment.TickCount64;
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                bool committed = _marks!.Settle(_connection ??= _server.Connect());
                Recovered();
                return committed;
            }
            catch (Exception e) when (e is StorageException or NpgsqlException or IOException or TimeoutException)
            {
                Disconnect();
                if (_isDown || _closing.IsSet || Environment.TickCount64 - since >= _server.Options.Patience.TotalMilliseconds)
                {
                    _isDown = true;
                    throw new StorageException(
                        StorageErrorKind.Unavailable,
                        $"The PostgreSQL database {_server.Name} went away during a commit, and whether it took effect is not known yet. Repeat the request.",
                        PostgresErrors.Create(cause, _server.Name))
                    {
                        IsOutcomeUnknown = true,
                    };
                }

                Pause(TimeSpan.FromMilliseconds(Jitter(Math.Min(500, 20 << Math.Min(attempt, 6)))));
            }
        }
    }

    private void Recovered()
    {
        _troubleSince = 0;
        _isDown = false;
    }

    private void Disconnect()
    {
        _cursor.Close();
        NpgsqlConnection? connection = _connection;
        _connection = null;
        if (connection is null)
        {
            return;
        }

        try
        {
            // Not back into the pool: nobody knows what state it is in.
            NpgsqlConnection.ClearPool(connection);
            connection.Dispose();
        }
#pragma warning disable CA1031 // It is of no use any more, whatever it says.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
    }

    private void Pause(TimeSpan time) => _closing.Wait(time);

    private static int Jitter(int milliseconds) => System.Security.Cryptography.RandomNumberGenerator.GetInt32(1, milliseconds + 1);
}
