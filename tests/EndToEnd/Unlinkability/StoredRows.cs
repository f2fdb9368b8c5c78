using System.Globalization;
using System.Text;
using Tacit.Storage;

namespace Tacit.EndToEnd.Unlinkability;

/// <summary>A row of any table: column by name, each a long, a string, bytes or null.</summary>
internal sealed record StoredRow(string Table, int Place, IReadOnlyDictionary<string, object?> Columns)
{
    public bool Holds(byte[] value) => Columns.Values.Any(column => column is byte[] bytes && bytes.AsSpan().SequenceEqual(value));

    /// <summary>Every column as something to order by.</summary>
    public IEnumerable<(string Name, Feature Value)> Features()
    {
        string table = Table.StartsWith("spends_", StringComparison.Ordinal) ? "spends" : Table;
        yield return ($"{table}: place in table", Place);
        foreach ((string name, object? value) in Columns)
        {
            switch (value)
            {
                case long number:
                    yield return ($"{table}.{name}", number);
                    break;
                case byte[] bytes:
                    yield return ($"{table}.{name}, head", Feature.Of(bytes));
                    yield return ($"{table}.{name}, tail", Feature.OfTail(bytes));
                    break;
                case string text:
                    yield return ($"{table}.{name}", Feature.Of(Encoding.UTF8.GetBytes(text)));
                    break;
                default:
                    break;
            }
        }
    }

    public override string ToString() => $"{Table}: " + string.Join(", ", Columns.Select(column => $"{column.Key}={Text(column.Value)}"));

    private static string Text(object? value) => value is byte[] bytes ? Convert.ToHexString(bytes) : Convert.ToString(value, CultureInfo.InvariantCulture) ?? "null";
}

/// <summary>What lies in a part's folder at one moment: its files byte for byte, and the rows of its database.</summary>
internal sealed record Snapshot(string Moment, IReadOnlyList<(string File, byte[] Bytes)> Files, IReadOnlyList<StoredRow> Rows)
{
    /// <param name="moment">Names it in what is reported.</param>
    /// <param name="folder">The part's, which may be running: nothing may be under way meanwhile.</param>
    /// <param name="database">The file's name.</param>
    /// <param name="migrations">Its schema.</param>
    /// <param name="scratch">A new folder for the copy that is opened.</param>
    public static async Task<Snapshot> TakeAsync(string moment, string folder, string database, IReadOnlyList<Migration> migrations, string scratch)
    {
        List<(string, byte[])> files = [];
        Directory.CreateDirectory(scratch);
        foreach (string path in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
        {
            // A socket holds nothing, nor does a lock, which nobody else may open.
            if (Path.GetExtension(path) is ".sock" or ".lock")
            {
                continue;
            }

            // The part writes to it meanwhile.
            await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using var read = new MemoryStream();
            await file.CopyToAsync(read);
            byte[] bytes = read.ToArray();
            string name = Path.GetFileName(path);
            files.Add((name, bytes));
            if (name == database || name == database + "-wal")
            {
                await File.WriteAllBytesAsync(Path.Combine(scratch, name), bytes);
            }
        }

        await using Database copy = await Database.OpenSqliteAsync(Path.Combine(scratch, database), migrations, TimeProvider.System);
        return new Snapshot(moment, files, await copy.ReadAsync(ReadAll));
    }

    private static List<StoredRow> ReadAll(Session session)
    {
        List<StoredRow> rows = [];
        foreach (string table in session.Query("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'", row => row.Text(0)))
        {
            IReadOnlyList<string> columns = session.Query($"SELECT name FROM pragma_table_info('{table}')", row => row.Text(0));
            string list = string.Join(", ", columns.Select(column => $"typeof({column}), {column}"));
            IReadOnlyList<Dictionary<string, object?>> found = session.Query($"SELECT {list} FROM {table}", row => Read(row, columns));
            rows.AddRange(found.Select((values, place) => new StoredRow(table, place, values)));
        }

        return rows;
    }

    private static Dictionary<string, object?> Read(Row row, IReadOnlyList<string> columns)
    {
        Dictionary<string, object?> values = [];
        for (int i = 0; i < columns.Count; i++)
        {
            values[columns[i]] = row.Text(2 * i) switch
            {
                "integer" => row.Int64((2 * i) + 1),
                "text" => row.Text((2 * i) + 1),
                "blob" => row.Blob((2 * i) + 1),
                _ => null,
            };
        }

        return values;
    }
}
