using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Tacit.Bench.Harness;

/// <summary>The table on the screen, in bench/README.md and, as data, in bench/last.json.</summary>
internal static class Report
{
    private const string TableStart = "<!-- table: written by `make bench` -->";
    private const string TableEnd = "<!-- end of table -->";

    internal static string Table(IReadOnlyList<Row> rows)
    {
        string[][] cells =
        [
            ["what", "figure", "compared to", "ratio", "goal", ""],
            .. rows.Select(row => new[]
            {
                row.Name, $"{Number(row.Value)} {row.Unit}", row.Reference, row.Ratio is { } ratio ? Number(ratio) : "", Goal(row),
                row.IsMet switch { true => "met", false => "missed", null => "" },
            }),
        ];
        int[] widths = [.. Enumerable.Range(0, cells[0].Length).Select(column => cells.Max(line => line[column].Length))];
        StringBuilder table = new();
        for (int i = 0; i < cells.Length; i++)
        {
            table.Append("| ").AppendJoin(" | ", cells[i].Select((cell, column) => cell.PadRight(widths[column]))).AppendLine(" |");
            if (i == 0)
            {
                table.Append("| ").AppendJoin(" | ", widths.Select(width => new string('-', Math.Max(3, width)))).AppendLine(" |");
            }
        }

        return table.ToString();
    }

    /// <summary>Replaces the rows measured now and keeps the others, in the order in which they first came.</summary>
    /// <param name="folder">The bench folder.</param>
    /// <param name="machine">When and where it was.</param>
    /// <param name="suites">What was measured.</param>
    /// <param name="measured">Its rows.</param>
    /// <param name="cancellationToken">Ends the writing.</param>
    internal static async Task SaveAsync(string folder, string machine, IReadOnlyList<string> suites, IReadOnlyList<Row> measured, CancellationToken cancellationToken)
    {
        string json = Path.Combine(folder, "last.json");
        List<Row> rows = File.Exists(json)
            ? [.. JsonSerializer.Deserialize(await File.ReadAllBytesAsync(json, cancellationToken), RowContext.Default.IReadOnlyListRow) ?? []]
            : [];
        foreach (Row row in measured)
        {
            int index = rows.FindIndex(old => old.Name == row.Name);
            if (index < 0)
            {
                rows.Add(row);
            }
            else
            {
                rows[index] = row;
            }
        }

        await File.WriteAllTextAsync(
            json, JsonSerializer.Serialize(rows, RowContext.Default.IReadOnlyListRow) + "\n", cancellationToken);

        string readme = Path.Combine(folder, "README.md");
        string text = await File.ReadAllTextAsync(readme, cancellationToken);
        int start = text.IndexOf(TableStart, StringComparison.Ordinal) + TableStart.Length;
        int end = text.IndexOf(TableEnd, StringComparison.Ordinal);
        string[] places = text[start..end].Split('\n').Where(line => line.StartsWith("- ", StringComparison.Ordinal)).ToArray();
        await File.WriteAllTextAsync(readme, $"{text[..start]}\n{Places(places, machine, suites)}\n{Table(rows)}{text[end..]}", cancellationToken);
    }

    /// <summary>Which suite was measured where: a line each for those measured together, the newest first.</summary>
    private static string Places(string[] before, string machine, IReadOnlyList<string> suites)
    {
        StringBuilder lines = new($"- {string.Join(", ", suites)}: {machine}\n");
        foreach (string line in before)
        {
            int colon = line.IndexOf(": ", StringComparison.Ordinal);
            string[] left = [.. line[2..colon].Split(", ").Except(suites)];
            if (left.Length > 0)
            {
                lines.Append(CultureInfo.InvariantCulture, $"- {string.Join(", ", left)}{line[colon..]}\n");
            }
        }

        return lines.ToString();
    }

    private static string Goal(Row row) =>
        row.Goal is { } goal ? $"{(row.Better == Row.Lower ? "≤" : "≥")} {Number(goal)}{(row.Ratio is null ? " " + row.Unit : "")}" : "";

    private static string Number(double value) => value switch
    {
        0 => "0",
        >= 1000 or <= -1000 => value.ToString("#,0", CultureInfo.InvariantCulture),
        >= 10 or <= -10 => value.ToString("0.#", CultureInfo.InvariantCulture),
        _ => value.ToString("0.##", CultureInfo.InvariantCulture),
    };
}
