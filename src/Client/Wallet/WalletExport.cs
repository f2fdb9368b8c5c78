using System.Text.Json;
using Tacit.Storage;

namespace Tacit.Client;

/// <summary>
/// The content of a backup: the seed and every row of the journal that is still worth something, as JSON. Open requests, and with them all prompts, are left
/// out. What seals it lies elsewhere.
/// </summary>
internal static class WalletExport
{
    private const int Format = 1;

    /// <summary>Tables in the order in which their rows can be put back.</summary>
    private static readonly string[] s_tables = ["directory", "account", "voucher", "series", "token", "subscription", "pseudonym", "history"];

    /// <summary>Written apart: rows refer to others that may come later.</summary>
    private static readonly string[] s_links = ["predecessor_series", "predecessor_idx"];

    public static byte[] Write(Session session, string seed, bool recoverable)
    {
        using var content = new MemoryStream();
        using (var json = new Utf8JsonWriter(content))
        {
            json.WriteStartObject();
            json.WriteNumber("format"u8, Format);
            json.WriteNumber("schema"u8, WalletSchema.Migrations[^1].Version);
            json.WriteString("seed"u8, seed);
            json.WriteBoolean("recoverable"u8, recoverable);
            json.WriteStartObject("tables"u8);
            foreach (string table in s_tables)
            {
                WriteTable(session, json, table);
            }
            json.WriteEndObject();
            json.WriteEndObject();
        }
        return content.ToArray();
    }

    /// <exception cref="ClientException"><see cref="ClientError.BackupUnusable"/>.</exception>
    public static JsonDocument Parse(byte[] content, out string seed, out bool recoverable)
    {
        JsonDocument? json = null;
        try
        {
            json = JsonDocument.Parse(content);
            JsonElement root = json.RootElement;
            if (root.GetProperty("format"u8).GetInt32() == Format && root.GetProperty("schema"u8).GetInt32() <= WalletSchema.Migrations[^1].Version)
            {
                seed = root.GetProperty("seed"u8).GetString() ?? "";
                recoverable = root.GetProperty("recoverable"u8).GetBoolean();
                return json;
            }
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            // As below.
        }
        json?.Dispose();
        throw BackupErrors.Damaged();
    }

    /// <summary>
    /// Puts the rows into an empty journal. What the wallet did after the backup is not in it, so nothing of it counts as unspent: tokens are unknown until a
    /// prompt or an exchange tells, heads of chains are exchanged before a prompt is shown with them, and nothing new is bought before the issuer was asked for
    /// what was bought meanwhile.
    /// </summary>
    public static void Read(Session session, JsonDocument json)
    {
        JsonElement tables = json.RootElement.GetProperty("tables"u8);
        foreach (string table in s_tables)
        {
            if (tables.TryGetProperty(table, out JsonElement rows))
            {
                ReadTable(session, table, rows);
            }
        }
        session.Execute("UPDATE token SET batch = 0");
        session.Execute("UPDATE token SET state = 7, conversation = NULL WHERE state = 3 AND series IN (SELECT id FROM series WHERE namespace <> 1)");
        session.Execute(
            """
            UPDATE token SET state = 7 WHERE state = 4 AND series IN (SELECT id FROM series WHERE namespace <> 1)
            AND NOT EXISTS (SELECT 1 FROM token n WHERE n.predecessor_series = token.series AND n.predecessor_idx = token.idx AND n.state <> 8)
            """);
        // Links that were kept for their request only.
        session.Execute(
            """
            UPDATE token SET predecessor_series = NULL, predecessor_idx = NULL WHERE series IN (SELECT id FROM series WHERE namespace = 1)
            AND EXISTS (SELECT 1 FROM token p WHERE p.series = token.predecessor_series AND p.idx = token.predecessor_idx AND p.state = 5)
            """);
        session.Execute("DELETE FROM token WHERE state = 5 AND series IN (SELECT id FROM series WHERE namespace = 1)");
        session.Execute("UPDATE subscription SET renew_at = NULL");
        session.Execute("UPDATE wallet SET restore_due = 1 WHERE id = 1");
    }

    /// <summary>The name of the issuer whose directory key is pinned.</summary>
    public static string? FindIssuer(JsonDocument json)
    {
        try
        {
            JsonElement directory = json.RootElement.GetProperty("tables"u8).GetProperty("directory"u8);
            int column = directory.GetProperty("columns"u8).EnumerateArray().Select(name => name.GetString()).ToList().IndexOf("issuer");
            return directory.GetProperty("rows"u8).EnumerateArray().Select(row => row[column].GetString()).FirstOrDefault();
        }
        catch (Exception e) when (e is KeyNotFoundException or InvalidOperationException or IndexOutOfRangeException)
        {
            throw BackupErrors.Damaged();
        }
    }

    private static void WriteTable(Session session, Utf8JsonWriter json, string table)
    {
        IReadOnlyList<(string Name, string Type)> columns = Columns(session, table);
        json.WriteStartObject(table);
        json.WriteStartArray("columns"u8);
        foreach ((string name, _) in columns)
        {
            json.WriteStringValue(name);
        }
        json.WriteEndArray();
        json.WriteStartArray("rows"u8);
        session.Query(
            $"SELECT {string.Join(", ", columns.Select(column => column.Name))} FROM {table}",
            row =>
            {
                json.WriteStartArray();
                for (int i = 0; i < columns.Count; i++)
                {
                    if (row.IsNull(i))
                    {
                        json.WriteNullValue();
                    }
                    else if (columns[i].Type == "BLOB")
                    {
                        json.WriteBase64StringValue(row.BlobSpan(i));
                    }
                    else if (columns[i].Type == "TEXT")
                    {
                        json.WriteStringValue(row.Text(i));
                    }
                    else
                    {
                        json.WriteNumberValue(row.Int64(i));
                    }
                }
                json.WriteEndArray();
                return 0;
            });
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void ReadTable(Session session, string table, JsonElement content)
    {
        Dictionary<string, string> types = Columns(session, table).ToDictionary(column => column.Name, column => column.Type, StringComparer.Ordinal);
        string[] columns = [.. content.GetProperty("columns"u8).EnumerateArray().Select(name => name.GetString()!)];
        if (!columns.All(types.ContainsKey))
        {
            throw BackupErrors.Damaged();
        }
        string[] direct = [.. columns.Except(s_links)];
        string insert = $"INSERT INTO {table} ({string.Join(", ", direct)}) VALUES ({string.Join(", ", direct.Select((_, i) => $"${i + 1}"))})";
        List<SqlValue[]> links = [];
        foreach (JsonElement row in content.GetProperty("rows"u8).EnumerateArray())
        {
            SqlValue Of(string column)
            {
                JsonElement value = row[Array.IndexOf(columns, column)];
                return value.ValueKind switch
                {
                    JsonValueKind.Null => (byte[]?)null,
                    JsonValueKind.Number => value.GetInt64(),
                    _ => types[column] == "BLOB" ? value.GetBytesFromBase64() : value.GetString(),
                };
            }
            session.Execute(insert, [.. direct.Select(Of)]);
            if (table == "token" && row[Array.IndexOf(columns, s_links[0])].ValueKind == JsonValueKind.Number)
            {
                links.Add([Of("series"), Of("idx"), Of(s_links[0]), Of(s_links[1])]);
            }
        }
        foreach (SqlValue[] link in links)
        {
            session.Execute("UPDATE token SET predecessor_series = $3, predecessor_idx = $4 WHERE series = $1 AND idx = $2", link);
        }
    }

    private static IReadOnlyList<(string Name, string Type)> Columns(Session session, string table) =>
        session.Query($"SELECT name, type FROM pragma_table_info('{table}') ORDER BY cid", row => (row.Text(0), row.Text(1).ToUpperInvariant()));
}
