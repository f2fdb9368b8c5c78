namespace Tacit.Storage.Transfer;

/// <summary>A column and how its values are read.</summary>
internal readonly record struct Column(string Name, Func<Row, int, SqlValue> Read);

/// <summary>What tables a database has, in the words of each dialect.</summary>
internal static class Catalog
{
    /// <summary>What the storage keeps for itself: each database has its own.</summary>
    private static readonly HashSet<string> s_own = new(StringComparer.Ordinal) { "schema_migrations", "storage_commits" };

    /// <summary>The role's tables as they were made, so that one that is referenced comes before those that do.</summary>
    public static IReadOnlyList<string> Tables(Session session)
    {
        string sql = IsSqlite(session)
            ? "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
            : "SELECT CAST(c.relname AS text) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND n.nspname = current_schema() ORDER BY c.oid";
        return [.. session.Query(sql, static row => row.Text(0)).Where(name => !s_own.Contains(name)).Select(Checked)];
    }

    public static IReadOnlyList<Column> Columns(Session session, string table)
    {
        string sql = IsSqlite(session)
            ? "SELECT name, type FROM pragma_table_info($1) ORDER BY cid"
            : "SELECT CAST(column_name AS text), CAST(data_type AS text) FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = lower($1) ORDER BY ordinal_position";
        return session.Query(sql, static row => new Column(Checked(row.Text(0)), ReaderOf(row.Text(1))), table);
    }

    /// <summary>A column that the server counts up goes on behind the rows that came with their numbers.</summary>
    public static void AdvanceIdentity(Session session, string table)
    {
        if (IsSqlite(session))
        {
            return;
        }

        foreach (string column in session.Query(
            "SELECT CAST(column_name AS text) FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = lower($1) AND is_identity = 'YES'",
            static row => Checked(row.Text(0)), table))
        {
            long next = (session.QueryInt64($"SELECT MAX({column}) FROM {table}") ?? 0) + 1;
            session.Execute(FormattableString.Invariant($"ALTER TABLE {table} ALTER COLUMN {column} RESTART WITH {next}"));
        }
    }

    private static Func<Row, int, SqlValue> ReaderOf(string type) => type.ToUpperInvariant() switch
    {
        "INTEGER" or "BIGINT" => static (row, i) => row.NullableInt64(i),
        "BLOB" or "BYTEA" => static (row, i) => row.NullableBlob(i),
        "TEXT" => static (row, i) => row.NullableText(i),
        _ => throw new StorageException(StorageErrorKind.ForeignSchema, "The database has a column of a kind that no role's has. Nothing was moved."),
    };

    private static bool IsSqlite(Session session) => ReferenceEquals(session.Dialect, Dialect.Sqlite);

    /// <summary>Names go into statements as they are, so only those that roles give are taken.</summary>
    private static string Checked(string name) => name.Length > 0 && name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_')
        ? name
        : throw new StorageException(StorageErrorKind.ForeignSchema, "The database has a table or column whose name is none of this program's. Nothing was moved.");
}
