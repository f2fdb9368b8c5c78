using System.Text;

namespace Tacit.Storage;

/// <summary>
/// What differs between databases in the SQL that roles write. Statements are written once, with <c>$1</c>, <c>$2</c>… for arguments and, where a table is
/// made, these placeholders: <c>{blob}</c>, <c>{int}</c> (64 bits), <c>{text}</c>, <c>{identity}</c> (a 64-bit primary key the database counts up), and one
/// of <c>{strict}</c> or <c>{without_rowid}</c> behind the closing parenthesis. <c>{without_rowid}</c> implies <c>{strict}</c> and keeps rows in key order
/// only, with no trace of the order they came in.
/// </summary>
public sealed class Dialect
{
    private readonly Dictionary<string, string> _words;

    private Dialect(string name, Dictionary<string, string> words)
    {
        Name = name;
        _words = words;
    }

    public string Name { get; }

    internal static Dialect Sqlite { get; } = new("SQLite", new(StringComparer.Ordinal)
    {
        ["blob"] = "BLOB",
        ["int"] = "INTEGER",
        ["text"] = "TEXT",
        ["identity"] = "INTEGER PRIMARY KEY",
        ["strict"] = "STRICT",
        ["without_rowid"] = "STRICT, WITHOUT ROWID",
    });

    /// <summary>Replaces the placeholders. Throws <see cref="ArgumentException"/> for an unknown one.</summary>
    public string Render(string sql)
    {
        ArgumentNullException.ThrowIfNull(sql);
        if (!sql.Contains('{', StringComparison.Ordinal))
        {
            return sql;
        }

        var rendered = new StringBuilder(sql.Length);
        for (int at = 0; at < sql.Length;)
        {
            int open = sql.IndexOf('{', at);
            if (open < 0)
            {
                rendered.Append(sql, at, sql.Length - at);
                break;
            }

            int close = sql.IndexOf('}', open);
            if (close < 0 || !_words.TryGetValue(sql[(open + 1)..close], out string? word))
            {
                throw new ArgumentException($"Unknown placeholder in SQL at position {open}; known: {string.Join(", ", _words.Keys)}.", nameof(sql));
            }

            rendered.Append(sql, at, open - at).Append(word);
            at = close + 1;
        }

        return rendered.ToString();
    }
}
