namespace Tacit.Storage;

/// <summary>
/// What a unit of work sees of the database: a connection inside a transaction. Works are plain synchronous functions: SQLite's calls are, and a group of
/// works shares one transaction on one connection anyway, so there is nothing to await. Not to be kept after the work has returned. Statements are prepared
/// once per connection and found again by their text: keep it constant, pass values as <c>$1</c>, <c>$2</c>…. An error of the session ends the work: do not
/// catch it and go on, as PostgreSQL's transaction would be lost there. Use <c>ON CONFLICT</c> for what may clash.
/// </summary>
public abstract class Session
{
    private protected Session()
    {
    }

    public abstract Dialect Dialect { get; }

    /// <summary>Runs one statement and returns how many rows it inserted, updated or deleted. Rows it returns are skipped.</summary>
    public int Execute(string sql, params ReadOnlySpan<SqlValue> args)
    {
        Cursor cursor = Open(sql, args);
        try
        {
            while (cursor.Next())
            {
            }

            return cursor.RowsAffected;
        }
        finally
        {
            cursor.Close();
        }
    }

    /// <summary>Runs one statement and maps every row it returns.</summary>
    public IReadOnlyList<T> Query<T>(string sql, Func<Row, T> map, params ReadOnlySpan<SqlValue> args)
    {
        ArgumentNullException.ThrowIfNull(map);
        Cursor cursor = Open(sql, args);
        try
        {
            if (!cursor.Next())
            {
                return [];
            }

            var rows = new List<T>();
            do
            {
                rows.Add(map(new Row(cursor)));
            }
            while (cursor.Next());
            return rows;
        }
        finally
        {
            cursor.Close();
        }
    }

    /// <summary>Runs one statement that returns at most one row; false if it returned none. A second row is a <see cref="StorageErrorKind.Statement"/> error.</summary>
    public bool TryQuerySingle<T>(string sql, Func<Row, T> map, out T value, params ReadOnlySpan<SqlValue> args)
    {
        ArgumentNullException.ThrowIfNull(map);
        Cursor cursor = Open(sql, args);
        try
        {
            if (!cursor.Next())
            {
                value = default!;
                return false;
            }

            value = map(new Row(cursor));
            return !cursor.Next() ? true : throw new StorageException(StorageErrorKind.Statement, "A statement returned several rows where one was expected.");
        }
        finally
        {
            cursor.Close();
        }
    }

    /// <summary>As <see cref="TryQuerySingle"/>, but the default of <typeparamref name="T"/> if there is no row: null for a reference, 0 for a number.</summary>
    public T? QuerySingle<T>(string sql, Func<Row, T> map, params ReadOnlySpan<SqlValue> args) =>
        TryQuerySingle(sql, map, out T value, args) ? value : default;

    /// <summary>The first column of the only row; null if there is no row or the column is NULL.</summary>
    public long? QueryInt64(string sql, params ReadOnlySpan<SqlValue> args) =>
        QuerySingle(sql, static row => row.NullableInt64(0), args);

    /// <summary>
    /// Runs one statement once for each row of arguments, in order, and returns how many rows each run changed. All go to the database in one message, where
    /// it is a server: the way for a work with many like statements. Rows that they return are skipped.
    /// </summary>
    /// <param name="sql">The statement.</param>
    /// <param name="argsPerRow">How many arguments it takes.</param>
    /// <param name="args">The arguments, row after row.</param>
    public virtual int[] ExecuteMany(string sql, int argsPerRow, ReadOnlySpan<SqlValue> args)
    {
        int[] changed = new int[RowsOf(argsPerRow, args)];
        for (int i = 0; i < changed.Length; i++)
        {
            changed[i] = Execute(sql, args.Slice(i * argsPerRow, argsPerRow));
        }

        return changed;
    }

    private protected static int RowsOf(int argsPerRow, ReadOnlySpan<SqlValue> args)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(argsPerRow);
        return args.Length % argsPerRow == 0 ? args.Length / argsPerRow : throw new ArgumentException("The last row is incomplete.", nameof(args));
    }

    private protected abstract Cursor Open(string sql, ReadOnlySpan<SqlValue> args);
}

/// <summary>A session that owns its connection's transactions; what runs works, as opposed to what works see.</summary>
internal abstract class TransactionSession : Session, IDisposable
{
    /// <summary>False once the database itself gave up the transaction, as SQLite does when the disk is full.</summary>
    internal abstract bool InTransaction { get; }

    /// <param name="works">How many works it will run; one needs no savepoint.</param>
    internal abstract void Begin(int works);

    /// <summary>
    /// Makes durable what the works did. An exception means that nothing was kept, unless it says that this is not known.
    /// </summary>
    internal abstract void Commit();

    /// <summary>Whether works whose transaction failed so, and was undone, shall run again; waits for the right moment.</summary>
    /// <param name="failure">What happened.</param>
    /// <param name="attempt">How often they ran.</param>
    internal virtual bool MayRetry(StorageException failure, int attempt) => false;

    /// <summary>Never throws: an error here leaves nothing to do that the next <see cref="Begin"/> would not report.</summary>
    internal abstract void Rollback();

    /// <summary>Starts one work: what follows can be taken back alone.</summary>
    internal abstract void BeginWork();

    internal abstract void EndWork();

    internal abstract void RollbackWork();

    /// <summary>Runs several statements, for migrations.</summary>
    internal abstract void ExecuteScript(string sql);

    public abstract void Dispose();
}
