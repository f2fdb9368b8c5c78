using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Tacit.Hosting;

/// <summary>A member of a settings file and what it is to be.</summary>
/// <param name="Key">Nested with colons: <c>Tor:Bridges</c>. Matched without regard to case, as settings are read.</param>
/// <param name="Value">Null takes the member out.</param>
public sealed record SettingsChange(string Key, JsonNode? Value);

/// <summary>
/// Changes members of a JSON settings file where they stand. Everything else stays byte for byte, comments and members that nobody here knows included: people
/// write such files by hand. The file is replaced as a whole, so that a crash leaves the old one or the new one.
/// </summary>
public static class SettingsFile
{
    private static readonly JsonReaderOptions s_lenient = new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true, MaxDepth = 16 };

    // No page is ever made of a settings file, and "tor+sealed" is to be legible.
    private static readonly JsonWriterOptions s_legible = new() { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Makes the changes; the file is made if it is not there, for its owner only.</summary>
    /// <exception cref="SettingsException">The file is no JSON object.</exception>
    /// <exception cref="IOException">It cannot be read or written.</exception>
    public static void Change(string path, IReadOnlyList<SettingsChange> changes)
    {
        ArgumentNullException.ThrowIfNull(changes);
        bool isNew = !File.Exists(path);
        byte[] before = isNew ? "{\n}\n"u8.ToArray() : File.ReadAllBytes(path);
        byte[] text = before;
        try
        {
            foreach (SettingsChange change in changes)
            {
                text = Change(text, change.Key.Split(':'), change.Value);
            }
        }
        catch (JsonException e)
        {
            throw new SettingsException(new SettingsProblem(path, $"it is no valid JSON object at line {e.LineNumber + 1}", "Put that line right, or take the file away."));
        }
        if (isNew || !text.AsSpan().SequenceEqual(before))
        {
            Replace(path, text, isNew);
        }
    }

    private static byte[] Change(byte[] text, ReadOnlySpan<string> path, JsonNode? value)
    {
        int at = text.AsSpan().StartsWith("\uFEFF"u8) ? 3 : 0;
        for (int depth = 1; ; depth++)
        {
            Block block = Scan(text, at);
            string name = path[0];
            Member? found = block.Members.Find(member => member.Name.Equals(name, StringComparison.OrdinalIgnoreCase));
            if (found is not null && path.Length > 1 && text[found.ValueStart] == (byte)'{')
            {
                at = found.ValueStart;
                path = path[1..];
                continue;
            }
            if (value is null)
            {
                return found is null || path.Length > 1 ? text : Remove(text, block, found);
            }
            JsonNode written = value.DeepClone();
            for (int i = path.Length - 1; i > 0; i--)
            {
                written = new JsonObject { [path[i]] = written };
            }
            if (found is null)
            {
                return Insert(text, block, name, written, depth);
            }
            ReadOnlySpan<byte> there = text.AsSpan(found.ValueStart, found.End - found.ValueStart);
            return JsonNode.DeepEquals(JsonNode.Parse(there, null, new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true }), written)
                ? text
                : Splice(text, found.ValueStart, found.End, Write(written, IndentOf(text, block, depth)));
        }
    }

    private static byte[] Insert(byte[] text, Block block, string name, JsonNode value, int depth)
    {
        string indent = IndentOf(text, block, depth);
        string member = $"\"{JsonEncodedText.Encode(name)}\": {Encoding.UTF8.GetString(Write(value, indent))}";
        if (block.Members.Count == 0)
        {
            string outer = indent.Length >= 2 ? indent[..^2] : "";
            return Splice(text, block.Open + 1, block.Close, Encoding.UTF8.GetBytes($"\n{indent}{member}\n{outer}"));
        }
        // Behind the last value and before whatever comma or comment follows it.
        int end = block.Members[^1].End;
        return Splice(text, end, end, Encoding.UTF8.GetBytes(IsOnOneLine(text, block) ? $", {member}" : $",\n{indent}{member}"));
    }

    private static byte[] Remove(byte[] text, Block block, Member member)
    {
        int place = block.Members.IndexOf(member);
        return place > 0 ? Splice(text, block.Members[place - 1].End, member.End, [])
            : block.Members.Count > 1 ? Splice(text, member.Start, block.Members[1].Start, [])
            : Splice(text, block.Open + 1, block.Close, []);
    }

    private static Block Scan(byte[] text, int open)
    {
        var reader = new Utf8JsonReader(text.AsSpan(open), s_lenient);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
        {
            throw new JsonException("An object is wanted.", null, 0, 0);
        }
        int first = open + (int)reader.TokenStartIndex;
        List<Member> members = [];
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            int start = open + (int)reader.TokenStartIndex;
            string name = reader.GetString()!;
            reader.Read();
            int value = open + (int)reader.TokenStartIndex;
            reader.Skip();
            members.Add(new Member(name, start, value, open + (int)reader.BytesConsumed));
        }
        return new Block(first, open + (int)reader.TokenStartIndex, members);
    }

    private static bool IsOnOneLine(byte[] text, Block block) => !text.AsSpan(block.Open, block.Close - block.Open).Contains((byte)'\n');

    private static string IndentOf(byte[] text, Block block, int depth)
    {
        if (block.Members.Count > 0)
        {
            int start = block.Members[0].Start;
            ReadOnlySpan<byte> line = text.AsSpan(0, start);
            line = line[(line.LastIndexOf((byte)'\n') + 1)..];
            if (line.Length < start && line.IndexOfAnyExcept((byte)' ', (byte)'\t') < 0)
            {
                return Encoding.UTF8.GetString(line);
            }
        }
        return new string(' ', 2 * depth);
    }

    private static byte[] Write(JsonNode value, string indent)
    {
        var written = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(written, s_legible))
        {
            value.WriteTo(json);
        }
        return Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(written.WrittenSpan).Replace("\n", "\n" + indent, StringComparison.Ordinal));
    }

    private static byte[] Splice(byte[] text, int from, int to, ReadOnlySpan<byte> instead) => [.. text.AsSpan(0, from), .. instead, .. text.AsSpan(to)];

    private static void Replace(string path, byte[] text, bool isNew)
    {
        string temporary = path + ".new";
        File.Delete(temporary);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = isNew ? UnixFileMode.UserRead | UnixFileMode.UserWrite : File.GetUnixFileMode(path);
        }
        using (var file = new FileStream(temporary, options))
        {
            file.Write(text);
            file.Flush(flushToDisk: true);
        }
        File.Move(temporary, path, overwrite: true);
    }

    /// <param name="Open">Where its brace stands.</param>
    /// <param name="Close">Where its other brace stands.</param>
    private sealed record Block(int Open, int Close, List<Member> Members);

    /// <param name="Start">Where its name begins.</param>
    /// <param name="End">Behind its value.</param>
    private sealed record Member(string Name, int Start, int ValueStart, int End);
}
