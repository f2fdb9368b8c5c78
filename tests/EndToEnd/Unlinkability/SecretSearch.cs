using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Tacit.EndToEnd.Unlinkability;

/// <summary>
/// Looks for many secrets at once in everything that a side holds: each value and its SHA-256 and SHA-384, its beginning, middle and end, raw, in hexadecimal and
/// in base64 and base64url at each of the three alignments. All patterns have 16 bytes, found by a hash of their first eight at every place of the haystack.
/// </summary>
/// <remarks>
/// The weakest patterns are 16 hexadecimal digits, 64 random bits. 200,000 of them and 10^7 places that are hexadecimal at all meet by chance once in 10^7 runs.
/// </remarks>
internal sealed class SecretSearch
{
    private const int PatternSize = 16;
    private const int FilterBits = 26;

    private readonly Dictionary<(ulong First, ulong Second), int> _patterns = [];
    private readonly ulong[] _filter = new ulong[1 << (FilterBits - 6)];
    private readonly List<string> _labels = [];
    private readonly Dictionary<(string What, string Form), int> _labelIds = [];

    public int Count => _patterns.Count;

    /// <summary>A value of at least 16 random bytes, and its hashes.</summary>
    public void Add(string what, ReadOnlySpan<byte> value)
    {
        AddForms(what, value);
        AddHashes(what, value);
    }

    /// <summary>The hashes of a value that is in part public.</summary>
    public void AddHashes(string what, ReadOnlySpan<byte> value)
    {
        Span<byte> hash = stackalloc byte[SHA384.HashSizeInBytes];
        SHA256.HashData(value, hash);
        AddChunk("SHA-256 of " + what, hash[..PatternSize]);
        SHA384.HashData(value, hash);
        AddChunk("SHA-384 of " + what, hash[..PatternSize]);
    }

    /// <summary>A secret with a written form, such as an account key: the text with and without its hyphens, in either case, and their hashes.</summary>
    public void AddText(string what, string text)
    {
        foreach (string form in (string[])[text, text.Replace("-", "", StringComparison.Ordinal)])
        {
            Add(what, Encoding.UTF8.GetBytes(form));
            Add(what, Encoding.UTF8.GetBytes(form.ToLowerInvariant()));
        }
    }

    /// <summary>What of all that is in the haystack.</summary>
    public IEnumerable<string> Find(string where, ReadOnlySpan<byte> haystack)
    {
        HashSet<int>? found = null;
        for (int i = 0; i + PatternSize <= haystack.Length; i++)
        {
            ulong first = BinaryPrimitives.ReadUInt64LittleEndian(haystack[i..]);
            uint slot = Slot(first);
            if ((_filter[slot >> 6] & (1UL << (int)(slot & 63))) != 0
                && _patterns.TryGetValue((first, BinaryPrimitives.ReadUInt64LittleEndian(haystack[(i + sizeof(ulong))..])), out int label))
            {
                (found ??= []).Add(label);
            }
        }

        return found is null ? [] : [.. found.Select(label => $"{_labels[label]} is in {where}")];
    }

    private void AddForms(string what, ReadOnlySpan<byte> value)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(value.Length, PatternSize);
        AddChunk(what, value[..PatternSize]);
        AddChunk(what, value.Slice((value.Length - PatternSize) / 2, PatternSize));
        AddChunk(what, value[^PatternSize..]);
    }

    private void AddChunk(string what, ReadOnlySpan<byte> chunk)
    {
        AddPattern(what, "raw", chunk);
        Span<byte> text = stackalloc byte[PatternSize];
        Assert.True(Convert.TryToHexString(chunk[..(PatternSize / 2)], text, out _));
        AddPattern(what, "in hexadecimal", text);
        Assert.True(Convert.TryToHexStringLower(chunk[..(PatternSize / 2)], text, out _));
        AddPattern(what, "in hexadecimal", text);

        // Three bytes make four characters: what begins at the first, second or third of a group is written in three ways.
        for (int skip = 0; skip < 3; skip++)
        {
            ReadOnlySpan<byte> part = chunk.Slice(skip, PatternSize / 4 * 3);
            Base64.EncodeToUtf8(part, text, out _, out _);
            AddPattern(what, "in base64", text);
            text.Replace((byte)'+', (byte)'-');
            text.Replace((byte)'/', (byte)'_');
            AddPattern(what, "in base64url", text);
        }
    }

    private void AddPattern(string what, string form, ReadOnlySpan<byte> pattern)
    {
        if (!_labelIds.TryGetValue((what, form), out int label))
        {
            label = _labels.Count;
            _labels.Add($"{what} {form}");
            _labelIds.Add((what, form), label);
        }

        ulong first = BinaryPrimitives.ReadUInt64LittleEndian(pattern);
        _patterns.TryAdd((first, BinaryPrimitives.ReadUInt64LittleEndian(pattern[sizeof(ulong)..])), label);
        uint slot = Slot(first);
        _filter[slot >> 6] |= 1UL << (int)(slot & 63);
    }

    private static uint Slot(ulong first) => (uint)(unchecked(first * 0x9E3779B97F4A7C15) >> (64 - FilterBits));
}
