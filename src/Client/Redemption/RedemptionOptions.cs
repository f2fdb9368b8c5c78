namespace Tacit.Client;

/// <summary>What happens to a conversation that has outgrown the plan that would pay for it.</summary>
public enum OutgrownPlan
{
    /// <summary>The next larger plan pays, and the reply says so.</summary>
    Larger,

    /// <summary>Its oldest turns are left out, and the reply says so; a larger plan pays where that does not help.</summary>
    Trim,

    /// <summary>The request is refused with an error that names the larger plan.</summary>
    Ask,
}

/// <summary>How requests to the gateway are carried.</summary>
public enum GatewayTransport
{
    /// <summary>HTTPS to the gateway, which sees the client's address; whoever ends TLS in front of it reads along.</summary>
    Direct,

    /// <summary>The same, and sealed to the gateway itself (Oblivious HTTP without a relay): what ends TLS sees neither prompt nor token.</summary>
    Sealed,

    /// <summary>Sealed, and by way of a relay: the relay sees the address, the gateway the request, and neither both.</summary>
    Ohttp,
}

/// <summary>How prompts are sent.</summary>
public sealed record RedemptionOptions
{
    /// <summary>The gateway to use, by its name in the directory; null takes the directory's first.</summary>
    public string? Gateway { get; init; }

    /// <summary>Where to reach it, if not at the address that the directory gives. The name in the challenge stays the directory's.</summary>
    public Uri? GatewayAddress { get; init; }

    /// <summary>How requests to the gateway are carried. Default: straight.</summary>
    public GatewayTransport Transport { get; init; }

    /// <summary>With <see cref="GatewayTransport.Ohttp"/>: the relay's resource for the gateway; its base address means that it knows the gateway by its canonical name.</summary>
    public Uri? Relay { get; init; }

    /// <summary>
    /// Whether an empty wallet may be filled because a prompt needs a token. That links the two by time for whoever sees both (law 6); the reply says so.
    /// Default true.
    /// </summary>
    public bool FillAtPrompt { get; init; } = true;

    /// <summary>How often the same token and body are sent again where connections break before a reply begins. Default 3 times.</summary>
    public int MaxReconnects { get; init; } = 3;

    /// <summary>
    /// How often in a row they are sent again where a reply breaks off that has begun, and nothing new comes of it. Default 8 times, about a minute.
    /// </summary>
    public int MaxResumptions { get; init; } = 8;

    /// <summary>
    /// How often for one reply in all, whatever comes of it: who cuts connections decides when this client makes new ones, and over Tor new circuits. Default 100.
    /// </summary>
    public int MaxResumptionsInAll { get; init; } = 100;

    /// <summary>The wait before the first reconnect; it doubles each time, and half of it is left to chance. Default 300 ms.</summary>
    public TimeSpan ReconnectDelay { get; init; } = TimeSpan.FromMilliseconds(300);

    /// <summary>The longest wait between two. Default 15 s.</summary>
    public TimeSpan MaxReconnectDelay { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How many tokens one prompt may try if they turn out spent, as restored ones may. Default 4.</summary>
    public int MaxTokensPerPrompt { get; init; } = 4;

    /// <summary>For how long a repetition of the same body gets the reply that was not fully delivered, without a new token. The gateway keeps it 10 minutes.</summary>
    public TimeSpan ResumeWindow { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long after its caller vanished a request goes on, waiting for a repetition. Default 15 s.</summary>
    public TimeSpan CancelGrace { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>For how long a repetition of a failed request that cost a token gets the same error instead of costing another. Default 60 s.</summary>
    public TimeSpan ErrorReplay { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long to wait for the gateway to begin an answer, all attempts together. Default 10 min: a model may think for long.</summary>
    public TimeSpan ResponseTimeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>
    /// How long to wait on one connection before the same request is sent on another, since nobody says that a connection is dead; doubles each time. Default 1 min.
    /// </summary>
    public TimeSpan FirstPatience { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>
    /// Longest silence within an answer before it is taken up on another connection. Default 1 min: in a silent stream a gateway sends a comment every 15 s.
    /// </summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>
    /// Whether a request waits for a subscription's chain that is in use; false uses another plan, at its price, meanwhile. Default true.
    /// </summary>
    public bool WaitForChain { get; init; } = true;

    /// <summary>The longest wait for a chain. Default 2 min.</summary>
    public TimeSpan ChainWait { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>How many requests may wait for a subscription's chains; further ones are refused. Default 64.</summary>
    public int MaxWaitingForChain { get; init; } = 64;

    /// <summary>What happens to a request that is larger than the plan that would pay for it. Default: a larger plan pays.</summary>
    public OutgrownPlan OutgrownPlan { get; init; } = OutgrownPlan.Larger;

    /// <summary>
    /// Whether gateways that ask for a pseudonym get one, by which they can link requests to each other. Default false: such a gateway gets nothing.
    /// </summary>
    public bool AllowPseudonyms { get; init; }

    /// <summary>The most zero bits of proof of work that this client does for a request; a gateway that asks for more gets none. Default 24: some seconds.</summary>
    public int MaxWorkBits { get; init; } = 24;

    /// <summary>Told how far a proof of work is; null for nobody.</summary>
    public IProgress<WorkProgress>? WorkProgress { get; init; }

    internal void Validate()
    {
        Check(MaxWorkBits is >= 0 and <= 40, nameof(MaxWorkBits), "0 to 40");
        Check(ChainWait > TimeSpan.Zero && ChainWait <= TimeSpan.FromMinutes(10), nameof(ChainWait), "above 0, at most 10 min");
        Check(MaxWaitingForChain is >= 0 and <= 10_000, nameof(MaxWaitingForChain), "0 to 10000");
        Check(MaxReconnects is >= 0 and <= 10, nameof(MaxReconnects), "0 to 10");
        Check(MaxTokensPerPrompt is >= 1 and <= 16, nameof(MaxTokensPerPrompt), "1 to 16");
        Check(MaxResumptions is >= 0 and <= 100, nameof(MaxResumptions), "0 to 100");
        Check(MaxResumptionsInAll is >= 0 and <= 10_000, nameof(MaxResumptionsInAll), "0 to 10000");
        Check(ReconnectDelay > TimeSpan.Zero && ReconnectDelay <= TimeSpan.FromSeconds(30), nameof(ReconnectDelay), "above 0, at most 30 s");
        Check(MaxReconnectDelay > TimeSpan.Zero && MaxReconnectDelay <= TimeSpan.FromMinutes(5), nameof(MaxReconnectDelay), "above 0, at most 5 min");
        Check(ResumeWindow >= TimeSpan.Zero && ResumeWindow <= TimeSpan.FromMinutes(10), nameof(ResumeWindow), "at most 10 minutes, which is how long a gateway keeps a reply");
        Check(CancelGrace >= TimeSpan.Zero && CancelGrace <= TimeSpan.FromMinutes(10), nameof(CancelGrace), "at most 10 minutes");
        Check(ErrorReplay >= TimeSpan.Zero && ErrorReplay <= TimeSpan.FromMinutes(10), nameof(ErrorReplay), "at most 10 minutes");
        Check(ResponseTimeout > TimeSpan.Zero, nameof(ResponseTimeout), "above 0");
        Check(FirstPatience > TimeSpan.Zero, nameof(FirstPatience), "above 0");
        Check(IdleTimeout > TimeSpan.Zero, nameof(IdleTimeout), "above 0");

        static void Check(bool fine, string name, string range)
        {
            if (!fine)
            {
                throw new ClientException(ClientError.InvalidSetting, $"The setting {name} must be {range}.");
            }
        }
    }
}
