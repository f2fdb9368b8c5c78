using System.Security.Cryptography.X509Certificates;

namespace Tacit.Inference;

/// <summary>Which models a gateway offers and where they are served. Checked once, at start.</summary>
public sealed record InferenceOptions
{
    /// <summary>The backends; a model that several serve is asked of the one with the fewest requests, and of the next when that one fails.</summary>
    public IReadOnlyList<BackendOptions> Backends { get; init; } = [];

    /// <summary>Whether the built-in <c>tacit-demo</c> model is offered. Default: no.</summary>
    public bool DemoModel { get; init; }

    /// <summary>The pause between the demo model's events, so that a stream can be watched. Default: none.</summary>
    public TimeSpan DemoEventDelay { get; init; }

    /// <summary>The budgets of backends that set none.</summary>
    public ProviderBudgets Budgets { get; init; } = new();

    /// <summary>The most bytes a reply may have as the provider sends it, unless the caller names another limit. Default: 16 MiB.</summary>
    public int MaxReplyBytes { get; init; } = 16 << 20;

    /// <summary>The most bytes one server-sent event may have. Default: 4 MiB.</summary>
    public int MaxEventBytes { get; init; } = 4 << 20;

    /// <summary>How many provider calls one request may cause, the first included. Default: 3.</summary>
    public int MaxAttempts { get; init; } = 3;

    /// <summary>
    /// The longest wait before a request asks the backends that failed it a second time, once all were asked; twice as long before a third, and so on, each time at
    /// least half of it by chance. Zero: none is asked twice. Default: 500 milliseconds.
    /// </summary>
    public TimeSpan Backoff { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>The most that such a wait grows to. Default: 5 seconds.</summary>
    public TimeSpan BackoffAtMost { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The circuit breaker of backends that set none.</summary>
    public BreakerOptions Breaker { get; init; } = new();

    /// <summary>What is judged before a provider sees it. Default: nothing.</summary>
    public ModerationOptions Moderation { get; init; } = new();

    /// <summary>Where to keep what the keys have used over restarts, if any has a budget. Null: nowhere.</summary>
    public string? UsagePath { get; init; }

    /// <summary>
    /// Called with each body as it goes to a provider, before it goes. For the demo, which shows its user what is passed on of theirs; no setting leads here.
    /// The memory is only valid during the call.
    /// </summary>
    public Action<Operation, string, ReadOnlyMemory<byte>>? Observer { get; init; }

    /// <summary>Checks the settings, and reads the certificate files that they name.</summary>
    /// <exception cref="ArgumentException">A setting is wrong; the message names it and the fix.</exception>
    public void Validate()
    {
        Require(MaxReplyBytes is >= 1024 and <= 1 << 30, "MaxReplyBytes", "set 1 KiB to 1 GiB");
        Require(MaxEventBytes is >= 1024 and <= 1 << 30, "MaxEventBytes", "set 1 KiB to 1 GiB");
        Require(MaxAttempts is >= 1 and <= 10, "MaxAttempts", "set 1 to 10");
        Require(DemoEventDelay >= TimeSpan.Zero && DemoEventDelay <= TimeSpan.FromSeconds(10), "DemoEventDelay", "set 0 to 10 seconds");
        Require(Backoff >= TimeSpan.Zero && Backoff <= TimeSpan.FromMinutes(1), "Backoff", "set 0 to 1 minute");
        Require(BackoffAtMost >= Backoff && BackoffAtMost <= TimeSpan.FromMinutes(10), "BackoffAtMost", "set no less than Backoff and at most 10 minutes");
        Require(Backends.Count <= 60, "Backends", "list at most 60");
        Budgets.Validate("Budgets");
        Breaker.Validate("Breaker");
        Moderation.Validate();
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (int i = 0; i < Backends.Count; i++)
        {
            Backends[i].Validate($"Backends:{i}");
            Require(names.Add(Backends[i].Name), $"Backends:{i}:Name", "give each backend its own name");
        }
    }

    internal static void Require(bool condition, string setting, string fix)
    {
        if (!condition)
        {
            throw new ArgumentException($"Inference setting {setting} is wrong: {fix}.");
        }
    }
}

/// <summary>A server that runs models, and the keys it may be asked with.</summary>
public sealed record BackendOptions
{
    /// <summary>What logs call it.</summary>
    public required string Name { get; init; }

    /// <summary>Which API it speaks. Default: OpenAI's.</summary>
    public BackendKind Kind { get; init; }

    /// <summary>Up to and with the version, as SDKs take it: <c>https://api.openai.com/v1</c>. Or <c>unix:/path</c>, with the API at <c>/v1</c> there.</summary>
    public required Uri BaseUrl { get; init; }

    /// <summary>The keys, used in turn. None: requests carry no Authorization, as own servers allow.</summary>
    public IReadOnlyList<ProviderKey> Keys { get; init; } = [];

    /// <summary>Public model name → the backend's own.</summary>
    public required IReadOnlyDictionary<string, string> Models { get; init; }

    /// <summary>
    /// The one member this backend reads a chat completion's output cap from, <c>max_tokens</c> or <c>max_completion_tokens</c>; the cap is
    /// renamed to it. Null: the request's own member goes through, <c>max_completion_tokens</c> where it has none. An older server that
    /// knows only <c>max_tokens</c> needs this set: it would ignore the other, and the plan's cap with it.
    /// </summary>
    public string? OutputCapMember { get; init; }

    /// <summary>The certificates of both sides, where <see cref="BaseUrl"/> is <c>https</c>. Null: the system's roots, and none of our own.</summary>
    public BackendTls? Tls { get; init; }

    /// <summary>The only root this backend's certificate may lead to, where <see cref="Tls"/> names no file. Null: those of the system.</summary>
    public X509Certificate2? TrustedRoot { get; init; }

    /// <summary>What each key may use up. Null: as much as the provider lets it.</summary>
    public KeyBudget? KeyBudget { get; init; }

    /// <summary>What a million tokens cost, by the backend's own name of a model; needed for a budget of money.</summary>
    public IReadOnlyDictionary<string, TokenPrice> Prices { get; init; } = new Dictionary<string, TokenPrice>();

    /// <summary>Of the backends that are well, those of the lowest number are asked first; those of one number share the load. Default: 0.</summary>
    public int Priority { get; init; }

    /// <summary>How many requests it is given at once. Null: no bound.</summary>
    public int? MaxConcurrency { get; init; }

    /// <summary>How many may wait for a place. Default: 64.</summary>
    public int QueueLength { get; init; } = 64;

    /// <summary>How long one waits. Default: 30 seconds.</summary>
    public TimeSpan QueueTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How its health is checked. Null: not at all; then only what becomes of requests tells.</summary>
    public HealthOptions? Health { get; init; }

    /// <summary>This backend's circuit breaker, or null for the common one.</summary>
    public BreakerOptions? Breaker { get; init; }

    /// <summary>This backend's budgets, or null for the common ones.</summary>
    public ProviderBudgets? Budgets { get; init; }

    internal void Validate(string at)
    {
        InferenceOptions.Require(!string.IsNullOrWhiteSpace(Name) && Name.Length <= 64, $"{at}:Name", "give a name of 1 to 64 characters");
        InferenceOptions.Require(
            BackendAddress.IsValid(BaseUrl),
            $"{at}:BaseUrl",
            "give an absolute http or https URL without user, query and fragment, such as https://api.openai.com/v1, or unix: and the path of a socket of at most 107 bytes");
        InferenceOptions.Require(Tls is null || BaseUrl.Scheme == Uri.UriSchemeHttps, $"{at}:Tls", "it is for https; give such a BaseUrl, or leave it out");
        Tls?.Validate($"{at}:Tls");
        InferenceOptions.Require(Models is { Count: > 0 }, $"{at}:Models", "name at least one model");
        foreach ((string name, string upstream) in Models)
        {
            InferenceOptions.Require(IsModelName(name) && IsModelName(upstream), $"{at}:Models", "model names are 1 to 256 printable characters without quotes and backslashes");
            InferenceOptions.Require(name != InferenceRouter.DemoModelName, $"{at}:Models", $"{InferenceRouter.DemoModelName} is built in; choose another name");
        }

        InferenceOptions.Require(Enum.IsDefined(Kind), $"{at}:Kind", "set openai or anthropic");
        InferenceOptions.Require(Kind == BackendKind.OpenAI || OutputCapMember is null, $"{at}:OutputCapMember", "it is for servers that speak OpenAI's API; leave it out");
        InferenceOptions.Require(OutputCapMember is null or "max_tokens" or "max_completion_tokens", $"{at}:OutputCapMember", "set max_tokens or max_completion_tokens, or leave it out");
        InferenceOptions.Require(Priority is >= 0 and <= 1000, $"{at}:Priority", "set 0 to 1000");
        InferenceOptions.Require(MaxConcurrency is null or (>= 1 and <= 100_000), $"{at}:MaxConcurrency", "set 1 to 100000, or leave it out");
        InferenceOptions.Require(QueueLength is >= 0 and <= 100_000, $"{at}:QueueLength", "set 0 to 100000");
        InferenceOptions.Require(QueueTimeout > TimeSpan.Zero && QueueTimeout <= TimeSpan.FromHours(1), $"{at}:QueueTimeout", "set more than 0 and at most 1 hour");
        Health?.Validate($"{at}:Health");
        Breaker?.Validate($"{at}:Breaker");
        Budgets?.Validate($"{at}:Budgets");
        KeyBudget?.Validate($"{at}:KeyBudget");
        foreach ((string name, TokenPrice price) in Prices)
        {
            price.Validate($"{at}:Prices:{name}");
        }

        foreach (string name in Models.Values)
        {
            InferenceOptions.Require(KeyBudget?.HasMoney != true || Prices.ContainsKey(name), $"{at}:Prices", $"a budget of money needs the price of {name}");
        }
    }

    internal static bool IsModelName(string name) =>
        name.Length is > 0 and <= 256 && !name.Any(c => char.IsControl(c) || char.IsSurrogate(c) || c is '"' or '\\');
}

/// <summary>How long a provider may take.</summary>
public sealed record ProviderBudgets
{
    /// <summary>To connect, TLS included. Default: 5 seconds.</summary>
    public TimeSpan Connect { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>From the request to a stream's first event. Default: 2 minutes.</summary>
    public TimeSpan FirstByte { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>From the request to the first byte of an unstreamed reply, which comes only when all of it is made. Default: 5 minutes.</summary>
    public TimeSpan FirstByteUnstreamed { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Between two reads once the reply has begun. Default: 1 minute.</summary>
    public TimeSpan Idle { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>For everything together from the first call on, failover included. Default: 10 minutes.</summary>
    public TimeSpan Total { get; init; } = TimeSpan.FromMinutes(10);

    internal void Validate(string at)
    {
        Check(Connect, "Connect");
        Check(FirstByte, "FirstByte");
        Check(FirstByteUnstreamed, "FirstByteUnstreamed");
        Check(Idle, "Idle");
        Check(Total, "Total");

        void Check(TimeSpan budget, string name) =>
            InferenceOptions.Require(budget > TimeSpan.Zero && budget <= TimeSpan.FromHours(24), $"{at}:{name}", "set more than 0 and at most 24 hours");
    }
}
