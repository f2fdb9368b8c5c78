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

    public TimeSpan Backoff { get; init; } = TimeSpan.FromMilliseconds(500);

    public TimeSpan BackoffAtMost { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The circuit breaker of backends that set none.</summary>
    public BreakerOptions Breaker { get; init; } = new();

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
            Backoff = Backoff,
            BackoffAtMost = BackoffAtMost,
            Breaker = Breaker,
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

/// <summary>A server that runs models.</summary>
internal sealed record BackendSettings
{
    public required string Name { get; init; }

    public BackendKind Kind { get; init; }

    /// <summary>Up to and with the version: <c>https://api.openai.com/v1</c>; or <c>unix:/path</c>.</summary>
    public required Uri BaseUrl { get; init; }

    /// <summary>References to its keys, used in turn.</summary>
    public IReadOnlyList<SecretReference> Keys { get; init; } = [];

    /// <summary>Public model name → the backend's own.</summary>
    public required IReadOnlyDictionary<string, string> Models { get; init; }

    public string? OutputCapMember { get; init; }

    /// <summary>The certificates of both sides.</summary>
    public BackendTlsSettings? Tls { get; init; }

    /// <summary>Lower numbers are asked first; those of one number share the load.</summary>
    public int Priority { get; init; }

    /// <summary>How many requests it is given at once.</summary>
    public int? MaxConcurrency { get; init; }

    public int QueueLength { get; init; } = 64;

    public TimeSpan QueueTimeout { get; init; } = TimeSpan.FromSeconds(30);

    public HealthOptions? Health { get; init; }

    public BreakerOptions? Breaker { get; init; }

    public ProviderBudgets? Budgets { get; init; }

    /// <summary>What each key may use up in a day and a month.</summary>
    public KeyBudget? KeyBudget { get; init; }

    /// <summary>What a million tokens cost, by the backend's own name of a model.</summary>
    public IReadOnlyDictionary<string, TokenPrice> Prices { get; init; } = new Dictionary<string, TokenPrice>();

    public BackendOptions Load(int index) => new()
    {
        Name = Name,
        Kind = Kind,
        BaseUrl = BaseUrl,
        Tls = Tls?.Load($"Inference:Backends:{index}:Tls"),
        Keys = [.. Keys.Select((reference, i) => LoadKey(reference, $"Inference:Backends:{index}:Keys:{i}"))],
        Models = Models,
        OutputCapMember = OutputCapMember,
        Priority = Priority,
        MaxConcurrency = MaxConcurrency,
        QueueLength = QueueLength,
        QueueTimeout = QueueTimeout,
        Health = Health,
        Breaker = Breaker,
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

/// <summary>Whom a backend behind <c>https</c> is believed to be, and who the gateway is to it.</summary>
internal sealed record BackendTlsSettings
{
    /// <summary>PEM file with the only roots its certificate may lead to.</summary>
    public string? CaFile { get; init; }

    /// <summary>PEM file with the gateway's own certificate, then those above it.</summary>
    public string? ClientCertificate { get; init; }

    /// <summary>Reference to its private key in PEM.</summary>
    public SecretReference? ClientKey { get; init; }

    /// <exception cref="SettingsException">The key cannot be read.</exception>
    public BackendTls Load(string setting)
    {
        // Once at start, so that a key that cannot be read is told with the other settings.
        ClientKey?.Load($"{setting}:ClientKey").Dispose();
        return new BackendTls { CaFile = CaFile, ClientCertificateFile = ClientCertificate, ClientKey = ClientKey is null ? null : LoadKey };

        byte[] LoadKey()
        {
            try
            {
                using SecretBytes key = ClientKey.Load($"{setting}:ClientKey");
                return key.Span.ToArray();
            }
            catch (SettingsException e)
            {
                // It was there at the start: whoever renews it is at work, and it is tried again.
                throw new ArgumentException(e.Message, e);
            }
        }
    }
}
