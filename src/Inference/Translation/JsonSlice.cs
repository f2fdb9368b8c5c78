using System.Text.Json;

namespace Tacit.Inference;

/// <summary>
/// One value inside JSON that is known to be well-formed, as the bytes it is written in: what is looked at is read in place, and what goes on is copied as it
/// stands, escapes included. Nothing of it becomes a string (law 4).
/// </summary>
internal readonly ref struct JsonSlice(ReadOnlySpan<byte> raw)
{
    /// <summary>As deep as a reply may be; a request's filter allows less.</summary>
    public static readonly JsonReaderOptions Options = new() { MaxDepth = 128 };

    public ReadOnlySpan<byte> Raw { get; } = raw;

    /// <summary>Null asks for nothing, so it counts as not there.</summary>
    public bool IsAbsent => Raw.IsEmpty || Raw[0] == 'n';

    public bool IsString => !Raw.IsEmpty && Raw[0] == '"';

    public bool IsObject => !Raw.IsEmpty && Raw[0] == '{';

    public bool IsArray => !Raw.IsEmpty && Raw[0] == '[';

    public bool IsTrue => !Raw.IsEmpty && Raw[0] == 't';

    public bool IsFalse => !Raw.IsEmpty && Raw[0] == 'f';

    public bool IsNumber => !Raw.IsEmpty && Raw[0] is (byte)'-' or >= (byte)'0' and <= (byte)'9';

    /// <summary>What stands between a string's quotes, escapes as they are; empty if this is none.</summary>
    public ReadOnlySpan<byte> Escaped => IsString ? Raw[1..^1] : default;

    /// <summary>Whether this is that string, however it is escaped.</summary>
    public bool Is(ReadOnlySpan<byte> text)
    {
        if (!IsString || !Escaped.Contains((byte)'\\'))
        {
            return IsString && Escaped.SequenceEqual(text);
        }

        var reader = new Utf8JsonReader(Raw);
        try
        {
            return reader.Read() && reader.ValueTextEquals(text);
        }
        catch (InvalidOperationException)
        {
            // Half a surrogate pair, which is JSON and no text.
            return false;
        }
    }

    /// <summary>A whole number of at least zero, or -1.</summary>
    public long Count()
    {
        if (!IsNumber)
        {
            return -1;
        }

        var reader = new Utf8JsonReader(Raw);
        return reader.Read() && reader.TryGetInt64(out long value) && value >= 0 ? value : -1;
    }

    /// <summary>The value of an object's member; absent if there is none, or if this is no object.</summary>
    public JsonSlice this[ReadOnlySpan<byte> name]
    {
        get
        {
            foreach (JsonMember member in Members)
            {
                if (member.Is(name))
                {
                    return member.Value;
                }
            }

            return default;
        }
    }

    /// <summary>The members of an object; none if this is none.</summary>
    public JsonMembers Members => new(IsObject ? Raw : default);

    /// <summary>The elements of a list; none if this is none.</summary>
    public JsonElements Elements => new(IsArray ? Raw : default);
}

/// <summary>A member of an object.</summary>
internal readonly ref struct JsonMember(ReadOnlySpan<byte> quotedName, ReadOnlySpan<byte> value)
{
    private readonly ReadOnlySpan<byte> _name = quotedName;

    public JsonSlice Value { get; } = new(value);

    /// <summary>The name as it is written, without its quotes.</summary>
    public ReadOnlySpan<byte> Name => _name[1..^1];

    public bool Is(ReadOnlySpan<byte> name) => Name.SequenceEqual(name) || (Name.Contains((byte)'\\') && new JsonSlice(_name).Is(name));
}

internal ref struct JsonMembers
{
    private readonly ReadOnlySpan<byte> _json;
    private Utf8JsonReader _reader;
    private JsonMember _current;

    public JsonMembers(ReadOnlySpan<byte> json)
    {
        _json = json;
        _reader = new Utf8JsonReader(json, JsonSlice.Options);
        if (!json.IsEmpty)
        {
            _reader.Read();
        }
    }

    public readonly JsonMember Current => _current;

    public readonly JsonMembers GetEnumerator() => this;

    public bool MoveNext()
    {
        if (_json.IsEmpty || !_reader.Read() || _reader.TokenType != JsonTokenType.PropertyName)
        {
            return false;
        }

        // The token of a name ends with its closing quote; the colon comes after it, or after white space.
        int start = (int)_reader.TokenStartIndex;
        ReadOnlySpan<byte> name = _json.Slice(start, _reader.ValueSpan.Length + 2);
        _reader.Read();
        start = (int)_reader.TokenStartIndex;
        _reader.Skip();
        _current = new JsonMember(name, _json[start..(int)_reader.BytesConsumed]);
        return true;
    }
}

internal ref struct JsonElements
{
    private readonly ReadOnlySpan<byte> _json;
    private Utf8JsonReader _reader;
    private JsonSlice _current;

    public JsonElements(ReadOnlySpan<byte> json)
    {
        _json = json;
        _reader = new Utf8JsonReader(json, JsonSlice.Options);
        if (!json.IsEmpty)
        {
            _reader.Read();
        }
    }

    public readonly JsonSlice Current => _current;

    public readonly JsonElements GetEnumerator() => this;

    public bool MoveNext()
    {
        if (_json.IsEmpty || !_reader.Read() || _reader.TokenType == JsonTokenType.EndArray)
        {
            return false;
        }

        int start = (int)_reader.TokenStartIndex;
        _reader.Skip();
        _current = new JsonSlice(_json[start..(int)_reader.BytesConsumed]);
        return true;
    }
}
