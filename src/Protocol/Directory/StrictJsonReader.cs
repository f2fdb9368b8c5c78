using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Tacit.Protocol;

/// <summary>Reads the members of a document one by one, each of exactly the type that is asked for; the first that does not fit becomes <see cref="Fault"/>.</summary>
internal class StrictJsonReader(string fault)
{
    private const long LastSecond = 221845392000;

    public string Fault { get; private set; } = fault;

    public bool ReadText(JsonElement element, out string? text)
    {
        text = element.ValueKind == JsonValueKind.String ? element.GetString() : null;
        return text is not null || Fail("a list of names holds something else");
    }

    public delegate bool ItemReader<T>(JsonElement element, out T? item);

    public bool TryList<T>(JsonElement element, string name, int max, ItemReader<T> read, [NotNullWhen(true)] out List<T?>? list)
    {
        list = null;
        if (!TryGet(element, name, JsonValueKind.Array, out JsonElement array))
        {
            return false;
        }

        if (array.GetArrayLength() > max)
        {
            return Fail($"{name} has more than {max} entries");
        }

        List<T?> items = [];
        foreach (JsonElement entry in array.EnumerateArray())
        {
            if (!read(entry, out T? item))
            {
                return false;
            }

            items.Add(item);
        }

        list = items;
        return true;
    }

    public bool TryText(JsonElement element, string name, [NotNullWhen(true)] out string? text)
    {
        text = TryGet(element, name, JsonValueKind.String, out JsonElement value) ? value.GetString() : null;
        return text is not null;
    }

    /// <summary>Null where there is none.</summary>
    public bool TryOptionalText(JsonElement element, string name, out string? text)
    {
        text = null;
        return !element.TryGetProperty(name, out _) || TryText(element, name, out text);
    }

    public bool TryNumber(JsonElement element, string name, out long number)
    {
        number = 0;
        return TryGet(element, name, JsonValueKind.Number, out JsonElement value) && value.TryGetInt64(out number);
    }

    public bool TryTime(JsonElement element, string name, out DateTimeOffset time)
    {
        time = default;
        if (!TryNumber(element, name, out long seconds))
        {
            return false;
        }

        if (seconds is < 0 or > LastSecond)
        {
            return Fail($"{name} is out of range");
        }

        time = DateTimeOffset.FromUnixTimeSeconds(seconds);
        return true;
    }

    public bool TryOptionalBytes(JsonElement element, string name, int max, out byte[]? bytes)
    {
        bytes = null;
        if (element.ValueKind != JsonValueKind.Object || !element.TryGetProperty(name, out _))
        {
            return true;
        }

        return TryText(element, name, out string? text)
            && (Base64UrlText.TryDecode(text, max, out bytes) || Fail($"{name} is not base64url of at most {max} bytes"));
    }

    public bool TryGet(JsonElement element, string name, JsonValueKind kind, out JsonElement value)
    {
        value = default;
        if (element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out value) && value.ValueKind == kind)
        {
            return true;
        }

        return Fail($"{name} is missing or of the wrong type");
    }

    public bool Fail(string fault)
    {
        Fault = fault;
        return false;
    }
}
