using System.Collections;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;

namespace Tacit.Hosting;

/// <summary>
/// Brings together what a role is told: its JSON file (<c>--config</c>), the environment (<c>TACIT__Section__Key</c>), flags; later wins. Names are
/// matched without regard to case. An unknown key, a value of the wrong kind and a key given twice are errors that name the key.
/// </summary>
public sealed class SettingsLoader
{
    private readonly JsonObject _tree;
    private readonly SettingsValidation _validation;

    /// <summary>What a key was set by, for the errors: <c>Providers:0:BaseUrl</c> → <c>TACIT__Gateway__Providers__0__BaseUrl</c>.</summary>
    private readonly Dictionary<string, string> _origins;

    /// <summary>Where this group of settings stands in the whole: empty, or <c>Signer:</c>.</summary>
    private readonly string _prefix;

    public SettingsLoader()
        : this([], new SettingsValidation(), new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase), "")
    {
    }

    private SettingsLoader(JsonObject tree, SettingsValidation validation, Dictionary<string, string> origins, string prefix)
    {
        _tree = tree;
        _validation = validation;
        _origins = origins;
        _prefix = prefix;
    }

    /// <summary>Takes a JSON file; comments and trailing commas are allowed, keys given twice are not.</summary>
    public SettingsLoader AddFile(string? path)
    {
        if (path is null)
        {
            return this;
        }
        try
        {
            using FileStream file = File.OpenRead(path);
            JsonNode? root = JsonNode.Parse(
                file,
                new JsonNodeOptions { PropertyNameCaseInsensitive = true },
                new JsonDocumentOptions { AllowDuplicateProperties = false, CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true, MaxDepth = 16 });
            if (root is JsonObject settings)
            {
                Merge(_tree, settings, "", path);
            }
            else
            {
                _validation.Add("--config", $"{path} does not hold a JSON object", "Write the settings as { \"Key\": value }.");
            }
        }
        catch (JsonException e)
        {
            _validation.Add("--config", $"{path} is no valid JSON at line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}, or has a key twice", "Put that line right.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _validation.Add("--config", $"{path} cannot be read", "Name a file that this user can read.");
        }
        return this;
    }

    /// <summary>Takes the variables that start with <c>TACIT__&lt;section&gt;__</c>.</summary>
    /// <param name="section">The role: <c>Issuer</c>, <c>Gateway</c> …</param>
    /// <param name="environment">The process's own if null.</param>
    public SettingsLoader AddEnvironment(string section, IDictionary? environment = null)
    {
        string prefix = $"TACIT__{section}__";
        List<KeyValuePair<string, string>> found = [];
        foreach (DictionaryEntry entry in environment ?? Environment.GetEnvironmentVariables())
        {
            if (entry.Key is string name && entry.Value is string value && name.StartsWith(prefix, StringComparison.OrdinalIgnoreCase))
            {
                found.Add(new(name, value));
            }
        }
        // In order of name, so that list items come by index and the result does not depend on the table's order.
        foreach ((string name, string value) in found.OrderBy(entry => entry.Key, StringComparer.OrdinalIgnoreCase))
        {
            Set(name[prefix.Length..].Replace("__", ":", StringComparison.Ordinal), value, name);
        }
        return this;
    }

    /// <summary>Takes one flag if it was given.</summary>
    /// <param name="key">The setting it stands for, nested with colons: <c>Listen</c>, <c>Providers:0:BaseUrl</c>.</param>
    /// <param name="flag">The flag as written, for errors.</param>
    public SettingsLoader AddFlag(string key, string? value, string flag)
    {
        if (value is not null)
        {
            Set(key, value, flag);
        }
        return this;
    }

    /// <summary>
    /// Takes a group of settings out, for options of their own: what is left loads as if it had not been there. Empty if the group was not given.
    /// </summary>
    public SettingsLoader TakeSection(string name)
    {
        KeyValuePair<string, JsonNode?> found = _tree.FirstOrDefault(p => p.Key.Equals(name, StringComparison.OrdinalIgnoreCase));
        if (found.Key is not null)
        {
            _tree.Remove(found.Key);
        }
        if (found.Value is not null and not JsonObject)
        {
            _validation.Add(OriginOf(name), "a group of settings is wanted here, not one value", "Write { \"Key\": value }.");
        }
        return new SettingsLoader(found.Value as JsonObject ?? [], _validation, _origins, $"{_prefix}{name}:");
    }

    /// <summary>Whether anything was set here.</summary>
    public bool IsEmpty => _tree.Count == 0;

    /// <summary>Makes the options, and checks them if they can check themselves.</summary>
    /// <exception cref="SettingsException">Holds everything that is wrong.</exception>
    public T Load<T>(JsonTypeInfo<T> type)
    {
        ArgumentNullException.ThrowIfNull(type);
        SettingsShape shape = new(_validation, OriginOf);
        JsonNode? shaped = shape.Fit(_tree, type, "");
        _validation.ThrowIfAny();
        T? options;
        try
        {
            options = shaped.Deserialize(type);
        }
        catch (JsonException e)
        {
            // A converter's own message says what form is wanted and never quotes the value; the parser's might, so it is not repeated.
            string key = (e.Path ?? "$").TrimStart('$', '.');
            string fix = e.InnerException is null && e.Message.StartsWith("A ", StringComparison.Ordinal) ? e.Message.Split(" Path:")[0] : "See docs/operating.md for its form.";
            throw new SettingsException(new SettingsProblem(OriginOf(key), "the value has not the form that is wanted", fix));
        }
        if (options is IValidatedSettings validated)
        {
            SettingsValidation own = new();
            validated.Validate(own);
            foreach (SettingsProblem problem in own.Problems)
            {
                _validation.Add(OriginOf(problem.Key), problem.Problem, problem.Fix);
            }
            _validation.ThrowIfAny();
        }
        return options!;
    }

    private string OriginOf(string path)
    {
        string normal = _prefix + path.Replace('.', ':').Replace("[", ":", StringComparison.Ordinal).Replace("]", "", StringComparison.Ordinal);
        return _origins.TryGetValue(normal, out string? origin) ? $"{normal} ({origin})" : normal;
    }

    private void Merge(JsonObject into, JsonObject from, string path, string origin)
    {
        foreach ((string name, JsonNode? value) in from)
        {
            string key = path.Length == 0 ? name : path + ":" + name;
            if (value is JsonObject nested && into.FirstOrDefault(p => p.Key.Equals(name, StringComparison.OrdinalIgnoreCase)).Value is JsonObject existing)
            {
                Merge(existing, nested, key, origin);
            }
            else
            {
                Replace(into, name, value?.DeepClone());
            }
            _origins[key] = origin;
        }
    }

    private void Set(string key, string value, string origin)
    {
        string[] steps = key.Split(':');
        JsonObject at = _tree;
        foreach (string step in steps[..^1])
        {
            JsonNode? next = at.FirstOrDefault(p => p.Key.Equals(step, StringComparison.OrdinalIgnoreCase)).Value;
            JsonObject nested = next switch
            {
                JsonObject o => o,
                JsonArray list => Indexed(list),
                _ => [],
            };
            if (!ReferenceEquals(nested, next))
            {
                Replace(at, step, nested);
            }
            at = nested;
        }
        Replace(at, steps[^1], JsonValue.Create(value));
        _origins[key] = origin;
    }

    /// <summary>A list as an object by index, so that the environment can change one item of it.</summary>
    private static JsonObject Indexed(JsonArray list)
    {
        JsonObject indexed = [];
        for (int i = 0; i < list.Count; i++)
        {
            indexed[i.ToString(CultureInfo.InvariantCulture)] = list[i]?.DeepClone();
        }
        return indexed;
    }

    private static void Replace(JsonObject target, string name, JsonNode? value)
    {
        string? existing = target.Select(p => p.Key).FirstOrDefault(k => k.Equals(name, StringComparison.OrdinalIgnoreCase));
        if (existing is not null)
        {
            target.Remove(existing);
        }
        target[name] = value;
    }
}
