using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;

namespace Tacit.Hosting;

/// <summary>
/// Gives the collected settings the shape that the options' type wants: names in its spelling, text from the environment and flags as numbers, truth values
/// and lists (<c>a,b</c> or by index). Reports what the type does not know.
/// </summary>
internal sealed class SettingsShape(SettingsValidation validation, Func<string, string> originOf)
{
    public JsonNode? Fit(JsonNode? node, JsonTypeInfo type, string path)
    {
        return type.Kind switch
        {
            JsonTypeInfoKind.Object => FitObject(node, type, path),
            JsonTypeInfoKind.Enumerable => FitList(node, type, path),
            JsonTypeInfoKind.Dictionary => FitDictionary(node, type, path),
            _ => FitScalar(node, Nullable.GetUnderlyingType(type.Type) ?? type.Type, path),
        };
    }

    private JsonObject? FitObject(JsonNode? node, JsonTypeInfo type, string path)
    {
        if (node is null)
        {
            return null;
        }
        if (node is not JsonObject from)
        {
            validation.Add(originOf(path), "a group of settings is wanted here, not one value", "Write { \"Key\": value }.");
            return null;
        }
        JsonObject fitted = [];
        foreach ((string name, JsonNode? value) in from)
        {
            string key = path.Length == 0 ? name : path + ":" + name;
            JsonPropertyInfo? property = type.Properties.FirstOrDefault(p => p.Name.Equals(name, StringComparison.OrdinalIgnoreCase));
            if (property is null || property.Set is null)
            {
                IEnumerable<string> known = type.Properties.Where(p => p.Set is not null).Select(p => p.Name);
                validation.Add(originOf(key), "there is no such setting", $"Known here: {string.Join(", ", known.Order(StringComparer.OrdinalIgnoreCase))}.");
                continue;
            }
            fitted[property.Name] = Fit(value, type.Options.GetTypeInfo(property.PropertyType), key);
        }
        AddDefaults(fitted, type, path);
        return fitted;
    }

    /// <summary>
    /// Writes out the defaults of what was not given: source-generated deserialization sets every init-only property, and one that is missing to zero
    /// or null, not to what its initializer says.
    /// </summary>
    private void AddDefaults(JsonObject fitted, JsonTypeInfo type, string path)
    {
        object? defaults = type.Type.GetConstructor(Type.EmptyTypes) is null ? null : Activator.CreateInstance(type.Type);
        foreach (JsonPropertyInfo property in type.Properties)
        {
            if (property.Set is null || fitted.ContainsKey(property.Name))
            {
                continue;
            }
            if (property.IsRequired)
            {
                validation.Add(originOf(path.Length == 0 ? property.Name : path + ":" + property.Name), "this setting is missing", "It has no default: set it.");
            }
            else if (defaults is not null && property.Get?.Invoke(defaults) is object value)
            {
                fitted[property.Name] = JsonSerializer.SerializeToNode(value, type.Options.GetTypeInfo(property.PropertyType));
            }
        }
    }

    private JsonArray? FitList(JsonNode? node, JsonTypeInfo type, string path)
    {
        JsonTypeInfo element = type.Options.GetTypeInfo(type.ElementType!);
        JsonArray fitted = [];
        switch (node)
        {
            case null:
                return null;
            case JsonArray list:
                for (int i = 0; i < list.Count; i++)
                {
                    fitted.Add(Fit(list[i], element, $"{path}:{i}"));
                }
                return fitted;
            case JsonObject indexed:
                foreach ((string name, JsonNode? value) in indexed.OrderBy(p => int.TryParse(p.Key, NumberStyles.None, CultureInfo.InvariantCulture, out int i) ? i : int.MaxValue))
                {
                    if (name != fitted.Count.ToString(CultureInfo.InvariantCulture))
                    {
                        validation.Add(originOf($"{path}:{name}"), "list items are numbered from 0 without a gap", $"Number the next one {fitted.Count}.");
                        break;
                    }
                    fitted.Add(Fit(value, element, $"{path}:{name}"));
                }
                return fitted;
            case JsonValue text when text.GetValueKind() == JsonValueKind.String && element.Kind == JsonTypeInfoKind.None:
                foreach (string item in text.GetValue<string>().Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
                {
                    fitted.Add(FitScalar(JsonValue.Create(item), element.Type, path));
                }
                return fitted;
            default:
                validation.Add(originOf(path), "a list is wanted here", "Write [ … ].");
                return null;
        }
    }

    private JsonObject? FitDictionary(JsonNode? node, JsonTypeInfo type, string path)
    {
        if (node is not JsonObject from)
        {
            if (node is not null)
            {
                validation.Add(originOf(path), "a group of settings is wanted here", "Write { \"Name\": value }.");
            }
            return null;
        }
        JsonObject fitted = [];
        foreach ((string name, JsonNode? value) in from)
        {
            fitted[name] = Fit(value, type.Options.GetTypeInfo(type.ElementType!), path + ":" + name);
        }
        return fitted;
    }

    private JsonNode? FitScalar(JsonNode? node, Type type, string path)
    {
        if (node is null)
        {
            return null;
        }
        if (node is not JsonValue value)
        {
            validation.Add(originOf(path), "one value is wanted here, not a group or a list", "Write it as \"Key\": value.");
            return null;
        }
        if (value.GetValueKind() != JsonValueKind.String)
        {
            return value.DeepClone();
        }
        string text = value.GetValue<string>();
        if (type == typeof(bool))
        {
            return bool.TryParse(text, out bool truth) ? JsonValue.Create(truth) : Wrong(path, "true or false");
        }
        if (type == typeof(int) || type == typeof(long) || type == typeof(short) || type == typeof(ushort) || type == typeof(uint))
        {
            return long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) ? JsonValue.Create(number) : Wrong(path, "a whole number");
        }
        if (type == typeof(double) || type == typeof(decimal))
        {
            return decimal.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out decimal number) ? JsonValue.Create(number) : Wrong(path, "a number");
        }
        if (type == typeof(TimeSpan) && !TimeSpan.TryParseExact(text, "c", CultureInfo.InvariantCulture, out _))
        {
            return Wrong(path, "a duration, hh:mm:ss or d.hh:mm:ss");
        }
        return value.DeepClone();
    }

    private JsonNode? Wrong(string path, string wanted)
    {
        // The value is not repeated: a secret put into the wrong place must not end up in a log.
        validation.Add(originOf(path), "the value has not the form that is wanted", $"Write {wanted}.");
        return null;
    }
}
