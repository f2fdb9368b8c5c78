using Tacit.Hosting;
using Tacit.Inference;

namespace Tacit.Cli.Settings;

/// <summary>The models a gateway offers: the group <c>Inference</c> of its settings. Keys are references here and loaded once, at start.</summary>
internal sealed record InferenceSettings
{
    public IReadOnlyList<BackendSettings> Backends { get; init; } = [];

    /// <summary>Whether the built-in <c>tacit-demo</c> is offered.</summary>
    public bool DemoModel { get; init; }

    public TimeSpan DemoEventDelay { get; init; }

    public ProviderBudgets Budgets { get; init; } = new();

    public ModerationSettings Moderation { get; init; } = new();

    public int MaxReplyBytes { get; init; } = 16 << 20;

    public int MaxEventBytes { get; init; } = 4 << 20;

    public int MaxAttempts { get; init; } = 3;

    /// <exception cref="SettingsException">A value is wrong or a key cannot be read.</exception>
    public InferenceOptions Load()
    {
        InferenceOptions options = new()
        {
            Backends = [.. Backends.Select((backend, i) => backend.Load(i))],
            DemoModel = DemoModel,
            DemoEventDelay = DemoEventDelay,
            Budgets = Budgets,
            Moderation = Moderation.Load(),
            MaxReplyBytes = MaxReplyBytes,
            MaxEventBytes = MaxEventBytes,
            MaxAttempts = MaxAttempts,
        };
        try
        {
            options.Validate();
        }
        catch (ArgumentException e)
        {
            throw new SettingsException(new SettingsProblem("Inference", e.Message.TrimEnd('.'), "See docs/operating.md."));
        }
        return Backends.Count > 0 || DemoModel
            ? options
            : throw new SettingsException(new SettingsProblem("Inference:Backends", "no model is offered", "List at least one backend, or set Inference:DemoModel to true."));
    }
}

/// <summary>An OpenAI-compatible server.</summary>
internal sealed record BackendSettings
{
    public required string Name { get; init; }

    /// <summary>Up to and with the version: <c>https://api.openai.com/v1</c>.</summary>
    public required Uri BaseUrl { get; init; }

    /// <summary>References to its keys, used in turn.</summary>
    public IReadOnlyList<SecretReference> Keys { get; init; } = [];

    /// <summary>Public model name → the backend's own.</summary>
    public required IReadOnlyDictionary<string, string> Models { get; init; }

    public string? OutputCapMember { get; init; }

    public ProviderBudgets? Budgets { get; init; }

    /// <summary>What each key may use up in a day and a month.</summary>
    public KeyBudget? KeyBudget { get; init; }

    /// <summary>What a million tokens cost, by the backend's own name of a model.</summary>
    public IReadOnlyDictionary<string, TokenPrice> Prices { get; init; } = new Dictionary<string, TokenPrice>();

    public BackendOptions Load(int index) => new()
    {
        Name = Name,
        BaseUrl = BaseUrl,
        Keys = [.. Keys.Select((reference, i) => LoadKey(reference, $"Inference:Backends:{index}:Keys:{i}"))],
        Models = Models,
        OutputCapMember = OutputCapMember,
        Budgets = Budgets,
        KeyBudget = KeyBudget,
        Prices = Prices,
    };

    public static ProviderKey LoadKey(SecretReference reference, string setting)
    {
        using SecretBytes key = reference.Load(setting);
        try
        {
            return new ProviderKey(key.Span);
        }
        catch (ArgumentException)
        {
            throw new SettingsException(new SettingsProblem(setting, $"the secret {reference} is no provider key", "A key is 1 to 4096 visible ASCII characters."));
        }
    }
}
