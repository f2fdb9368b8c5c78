using System.Text.Json;
using System.Text.Json.Nodes;
using Tacit.Client;
using Tacit.Client.Transports;
using Tacit.Hosting;

namespace Tacit.App.Wallets;

/// <summary>A setting that the page changes.</summary>
/// <param name="Key">Where it stands in the settings file.</param>
/// <param name="Apply">Puts a value into the options. <see cref="JsonException"/>, <see cref="InvalidOperationException"/> or <see cref="FormatException"/>: it is none.</param>
/// <param name="Reopens">Whether the client is opened anew for it.</param>
internal sealed record SettingMember(string Key, Func<AppOptions, JsonElement, AppOptions> Apply, bool Reopens);

/// <summary>The settings by the names that the page has for them. Their values are written to the file as they come.</summary>
internal static class SettingMembers
{
    private static readonly Dictionary<string, SettingMember> s_members = new(StringComparer.Ordinal)
    {
        ["theme"] = new(nameof(AppOptions.Theme), (o, v) => o with { Theme = Word<PageTheme>(v) }, false),
        ["keepChats"] = new(nameof(AppOptions.KeepChats), (o, v) => o with { KeepChats = v.GetBoolean() }, false),
        ["defaultModel"] = new(nameof(AppOptions.DefaultModel), (o, v) => o with { DefaultModel = Text(v) }, false),
        ["defaultPlan"] = new(nameof(AppOptions.DefaultPlan), (o, v) => o with { DefaultPlan = Text(v) }, false),
        ["defaultSystem"] = new(nameof(AppOptions.DefaultSystem), (o, v) => o with { DefaultSystem = Text(v) }, false),
        ["requireLocalKeys"] = new(nameof(AppOptions.RequireLocalKeys), (o, v) => o with { RequireLocalKeys = v.GetBoolean() }, false),
        ["otherUsers"] = new(nameof(AppOptions.OtherUsers), (o, v) => o with { OtherUsers = Word<OtherUsers>(v) }, false),
        ["minCrowd"] = new(nameof(AppOptions.MinCrowd), (o, v) => o with { MinCrowd = v.GetInt64() }, true),
        ["autoFill"] = new(nameof(AppOptions.AutoFill), (o, v) => o with { AutoFill = v.GetBoolean() }, true),
        ["fillAtPrompt"] = new(nameof(AppOptions.FillAtPrompt), (o, v) => o with { FillAtPrompt = v.GetBoolean() }, true),
        ["lowWater"] = new(nameof(AppOptions.LowWater), (o, v) => o with { LowWater = v.GetInt32() }, true),
        ["batchSize"] = new(nameof(AppOptions.BatchSize), (o, v) => o with { BatchSize = v.GetInt32() }, true),
        ["fillPlans"] = new(nameof(AppOptions.FillPlans), (o, v) => o with { FillPlans = v.ValueKind == JsonValueKind.Null ? null : List(v) }, true),
        ["outgrownPlan"] = new(nameof(AppOptions.OutgrownPlan), (o, v) => o with { OutgrownPlan = Word<OutgrownPlan>(v) }, true),
        ["waitForSubscription"] = new(nameof(AppOptions.WaitForSubscription), (o, v) => o with { WaitForSubscription = v.GetBoolean() }, true),
        ["allowPseudonyms"] = new(nameof(AppOptions.AllowPseudonyms), (o, v) => o with { AllowPseudonyms = v.GetBoolean() }, true),
        ["transport"] = new(nameof(AppOptions.Transport), (o, v) => o with { Transport = Transport(v) }, true),
        ["relay"] = new(nameof(AppOptions.Relay), (o, v) => o with { Relay = Text(v) is string relay ? new Uri(relay, UriKind.Absolute) : null }, true),
        ["torExits"] = new($"{nameof(AppOptions.Tor)}:{nameof(TorSettings.Exits)}", (o, v) => o with { Tor = o.Tor with { Exits = v.GetBoolean() } }, true),
        ["torSocks"] = new($"{nameof(AppOptions.Tor)}:{nameof(TorSettings.Socks)}", (o, v) => o with { Tor = o.Tor with { Socks = Text(v) } }, true),
        ["bridges"] = new($"{nameof(AppOptions.Tor)}:{nameof(TorSettings.Bridges)}", (o, v) => o with { Tor = o.Tor with { Bridges = List(v) } }, true),
    };

    /// <summary>The options with these values in them.</summary>
    /// <param name="values">An object: what it has is changed, null brings back the default of what may be absent.</param>
    /// <param name="changes">What to write to the file.</param>
    /// <param name="reopens">Whether the client is opened anew for it.</param>
    /// <exception cref="PageException">A member is unknown, or its value cannot be one.</exception>
    public static AppOptions Apply(AppOptions options, JsonElement values, out List<SettingsChange> changes, out bool reopens)
    {
        (changes, reopens) = ([], false);
        if (values.ValueKind != JsonValueKind.Object)
        {
            throw new PageException(PageProblem.Malformed("Settings come as an object with those that are to change."));
        }
        foreach (JsonProperty value in values.EnumerateObject())
        {
            if (value.Name == "plugins")
            {
                // Each is a program that our Tor runs as this user: a script that got into the page must not choose one.
                throw Invalid(value.Name, "The page names no programs: put it into the settings file (Tor:Plugins), or install the bridge's usual one, which is found by itself.");
            }
            if (!s_members.TryGetValue(value.Name, out SettingMember? member))
            {
                throw Invalid(value.Name, "There is no such setting.");
            }
            AppOptions changed;
            try
            {
                changed = member.Apply(options, value.Value);
            }
            catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
            {
                throw Invalid(value.Name, "The value is not of the form that this setting takes.");
            }
            // Records compare lists by reference: that a list is the same is seen in the file.
            reopens |= member.Reopens && changed != options;
            options = changed;
            changes.Add(new SettingsChange(member.Key, value.Value.ValueKind == JsonValueKind.Null ? null : JsonNode.Parse(value.Value.GetRawText())));
        }
        var validation = new SettingsValidation();
        options.Validate(validation);
        if (validation.Problems is [SettingsProblem problem, ..])
        {
            throw Invalid(NameOf(problem.Key), $"{char.ToUpperInvariant(problem.Problem[0])}{problem.Problem[1..]}. {problem.Fix}");
        }
        return options;
    }

    public static PageException Invalid(string member, string why) =>
        new(PageProblem.Of(400, "invalid-setting", "The setting cannot be that.", why) with { Member = member });

    /// <summary>The page's name for a setting.</summary>
    private static string NameOf(string key) =>
        s_members.FirstOrDefault(entry => entry.Value.Key == key).Key ?? (key.Length == 0 ? key : char.ToLowerInvariant(key[0]) + key[1..]);

    private static T Word<T>(JsonElement value)
        where T : struct, Enum => Enum.TryParse(value.GetString(), ignoreCase: true, out T word) && Enum.IsDefined(word) && !int.TryParse(value.GetString(), out _)
        ? word
        : throw new FormatException();

    private static TransportSetting? Transport(JsonElement value) => value.GetString() is not string word
        ? null
        : Enum.GetValues<TransportSetting>().Where(setting => setting.Word() == word).Select(setting => (TransportSetting?)setting).FirstOrDefault() ?? throw new FormatException();

    private static string? Text(JsonElement value) => value.GetString() is string text && text.Trim().Length > 0 ? text : null;

    private static string[] List(JsonElement value) =>
        [.. value.EnumerateArray().Select(item => item.GetString()?.Trim() ?? throw new FormatException()).Where(item => item.Length > 0)];
}
