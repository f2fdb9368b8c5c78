using System.Globalization;

namespace Tacit.Storage.Transfer;

/// <summary>The rows of one database into another whose tables are the same by name and column.</summary>
internal static class TableCopy
{
    private const int RowsPerBatch = 500;

    public static async Task<IReadOnlyList<TransferredTable>> RunAsync(Database from, Database to, TransferRules rules, CancellationToken cancellationToken)
    {
        // The source is read while the target's transaction is open, so that nothing is held but a batch. The target's writer thread waits for that; the
        // reader has threads of its own.
        return await to.WriteAsync(
            target => from.ReadAsync(source => Copy(source, target, rules), cancellationToken).GetAwaiter().GetResult(), cancellationToken);
    }

    private static List<TransferredTable> Copy(Session source, Session target, TransferRules rules)
    {
        List<TransferredTable> moved = [];
        // PostgreSQL folds names, SQLite takes them in any case.
        HashSet<string> known = new(Catalog.Tables(target), StringComparer.OrdinalIgnoreCase);
        IReadOnlyList<string> tables = Catalog.Tables(source);
        foreach (string table in tables.Where(table => !known.Contains(table)))
        {
            string create = rules.Create(table)
                ?? throw new StorageException(StorageErrorKind.ForeignSchema, $"The database has a table '{table}' that is none of this role's. Nothing was moved.");
            target.Execute(target.Dialect.Render(create));
        }

        // All are looked at before the first row: tables that the source lacks as well.
        foreach (string table in known.Union(tables, StringComparer.OrdinalIgnoreCase))
        {
            if (target.QueryInt64($"SELECT COUNT(*) FROM {table}") is > 0)
            {
                throw new StorageException(
                    StorageErrorKind.NotEmpty,
                    $"The database to move to has rows in '{table}' already: it was moved before, or a role has run on it. Nothing was changed. Take an empty one.");
            }
        }

        foreach (string table in tables)
        {
            long rows = CopyRows(source, target, table);
            long counted = target.QueryInt64($"SELECT COUNT(*) FROM {table}") ?? 0;
            long wanted = source.QueryInt64($"SELECT COUNT(*) FROM {table}") ?? 0;
            if (rows != counted || rows != wanted)
            {
                throw new StorageException(
                    StorageErrorKind.Constraint,
                    string.Create(CultureInfo.InvariantCulture, $"Of {wanted} rows of '{table}' {counted} arrived. Nothing was moved: does the role still run?"));
            }

            Catalog.AdvanceIdentity(target, table);
            moved.Add(new TransferredTable(table, rows));
        }

        rules.Finish(target);
        return moved;
    }

    private static long CopyRows(Session source, Session target, string table)
    {
        IReadOnlyList<Column> columns = Catalog.Columns(source, table);
        string names = string.Join(", ", columns.Select(column => column.Name));
        string places = string.Join(", ", Enumerable.Range(1, columns.Count).Select(i => string.Create(CultureInfo.InvariantCulture, $"${i}")));
        string insert = $"INSERT INTO {table} ({names}) VALUES ({places})";
        SqlValue[] batch = new SqlValue[columns.Count * RowsPerBatch];
        int filled = 0;
        long rows = 0;

        // Rows are handed on as they are read; what is kept of each is a zero.
        source.Query(
            $"SELECT {names} FROM {table}",
            row =>
            {
                for (int i = 0; i < columns.Count; i++)
                {
                    batch[filled++] = columns[i].Read(row, i);
                }

                rows++;
                if (filled == batch.Length)
                {
                    target.ExecuteMany(insert, columns.Count, batch);
                    filled = 0;
                }

                return default(byte);
            });
        if (filled > 0)
        {
            target.ExecuteMany(insert, columns.Count, batch.AsSpan(0, filled));
        }

        Array.Clear(batch);
        return rows;
    }
}
