using Tacit.Hosting;
using Tacit.Inference;

namespace Tacit.Cli.Settings;

/// <summary>What judges prompts: the group <c>Inference:Moderation</c>. Keys are references here and loaded once, at start.</summary>
internal sealed record ModerationSettings
{
    public IReadOnlyList<ModerationPolicySettings> Policies { get; init; } = [];

    public string? Default { get; init; }

    public IReadOnlyDictionary<string, string> Plans { get; init; } = new Dictionary<string, string>();

    /// <exception cref="SettingsException">A key or a file of rules cannot be read.</exception>
    public ModerationOptions Load() => new() { Policies = [.. Policies.Select((policy, i) => policy.Load(i))], Default = Default, Plans = Plans };
}

/// <summary>One way to judge prompts.</summary>
internal sealed record ModerationPolicySettings
{
    public required string Name { get; init; }

    public IReadOnlyList<string> Rules { get; init; } = [];

    /// <summary>A file with a rule on each line; empty lines and those that begin with # are skipped.</summary>
    public string? RulesFile { get; init; }

    public TimeSpan RuleTimeout { get; init; } = TimeSpan.FromMilliseconds(100);

    public ModerationServiceSettings? Service { get; init; }

    public ModerationFailure OnFailure { get; init; } = ModerationFailure.Refuse;

    public ModerationFailure OnUnchecked { get; init; } = ModerationFailure.Refuse;

    public bool ReturnToken { get; init; }

    public bool EndChain { get; init; }

    public ModerationPolicy Load(int index) => new()
    {
        Name = Name,
        Rules = [.. Rules, .. ReadRules($"Inference:Moderation:Policies:{index}:RulesFile")],
        RuleTimeout = RuleTimeout,
        Service = Service?.Load($"Inference:Moderation:Policies:{index}:Service"),
        OnFailure = OnFailure,
        OnUnchecked = OnUnchecked,
        ReturnToken = ReturnToken,
        EndChain = EndChain,
    };

    private string[] ReadRules(string setting)
    {
        if (RulesFile is null)
        {
            return [];
        }
        try
        {
            return [.. File.ReadLines(RulesFile).Where(line => line.Length > 0 && line[0] != '#')];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SettingsException(new SettingsProblem(setting, $"the file {RulesFile} cannot be read", "Name a text file with a regular expression on each line."));
        }
    }
}

/// <summary>A service of OpenAI's moderation API.</summary>
internal sealed record ModerationServiceSettings
{
    public required Uri BaseUrl { get; init; }

    public SecretReference? Key { get; init; }

    public string Model { get; init; } = "omni-moderation-latest";

    public IReadOnlyList<string> Categories { get; init; } = [];

    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(10);

    public int MaxInputBytes { get; init; } = 16 << 10;

    public int MaxImages { get; init; } = 32;

    public ModerationServiceOptions Load(string at) => new()
    {
        BaseUrl = BaseUrl,
        Key = Key is null ? null : BackendSettings.LoadKey(Key, at + ":Key"),
        Model = Model,
        Categories = Categories,
        Timeout = Timeout,
        MaxInputBytes = MaxInputBytes,
        MaxImages = MaxImages,
    };
}
