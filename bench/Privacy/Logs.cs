namespace Tacit.Bench.Privacy;

/// <summary>A line of the issuer's log. The account is whose log it is in.</summary>
/// <param name="Count">How many tokens; 0 for a restore.</param>
internal readonly record struct Issuance(long At, int Plan, int Key, int Count)
{
    public bool IsRestore => Count == 0;
}

/// <summary>
/// A conversation in the gateway's log: its requests repeat each other's text, so the gateway joins them by itself. What it must not know stands beside it.
/// </summary>
/// <param name="Account">Who it was; told for the half of the people that a matcher learns from.</param>
/// <param name="Key">The key of its first token.</param>
/// <param name="Turns">How many requests.</param>
/// <param name="SpentTries">How many tokens turned out spent, as restored ones do.</param>
/// <param name="ExchangedAt">When a token that was returned in it was exchanged; 0 if none was.</param>
internal readonly record struct Sighting(int Account, long At, int Plan, int Key, int Turns, int SpentTries, long ExchangedAt);

/// <summary>What the simulation keeps of one wallet.</summary>
internal sealed class Account
{
    private readonly List<(long At, bool Has)>[] _holdings;
    private readonly bool[] _used;

    public Account(int id, int zone, long joined, int keys)
    {
        Id = id;
        Zone = zone;
        Joined = joined;
        _used = new bool[World.Plans * keys];
        _holdings = new List<(long, bool)>[World.Plans * keys];
    }

    public int Id { get; }

    /// <summary>Public: the issuer is paid from somewhere.</summary>
    public int Zone { get; }

    /// <summary>Public: when the account was made, and paid for, by hand.</summary>
    public long Joined { get; }

    /// <summary>The end of what is simulated.</summary>
    public required long Until { get; init; }

    /// <summary>The issuer's log, by time.</summary>
    public List<Issuance> Issuances { get; } = [];

    /// <summary>A fair sample of its conversations, as many of each key.</summary>
    public List<Sighting> Sample { get; } = [];

    public Usability Usability { get; } = new();

    public void Holds(long at, int plan, int key, bool has) => (_holdings[(key * World.Plans) + plan] ??= []).Add((at, has));

    public void Uses(int plan, int key) => _used[(key * World.Plans) + plan] = true;

    /// <summary>
    /// Whether the account belongs to the crowd that a token hides in: those who held one of its key at that moment, and who used one of it at any time. Who
    /// holds tokens and asks nothing covers nobody.
    /// </summary>
    public bool IsInCrowd(long at, int plan, int key)
    {
        if (!_used[(key * World.Plans) + plan])
        {
            return false;
        }
        List<(long At, bool Has)>? changes = _holdings[(key * World.Plans) + plan];
        bool has = false;
        for (int i = 0; changes is not null && i < changes.Count && changes[i].At <= at; i++)
        {
            has = changes[i].Has;
        }
        return has;
    }
}

/// <summary>What a policy costs its user.</summary>
internal sealed class Usability
{
    public long Prompts { get; set; }

    /// <summary>Prompts that found no token and bought one.</summary>
    public long BoughtAtPrompt { get; set; }

    /// <summary>Prompts that found no token and got none.</summary>
    public long Refused { get; set; }

    public long Bought { get; set; }

    public long Purchases { get; set; }

    /// <summary>Tokens whose grace ended unspent.</summary>
    public long Lost { get; set; }

    public long Exchanged { get; set; }

    public void Add(Usability other)
    {
        Prompts += other.Prompts;
        BoughtAtPrompt += other.BoughtAtPrompt;
        Refused += other.Refused;
        Bought += other.Bought;
        Purchases += other.Purchases;
        Lost += other.Lost;
        Exchanged += other.Exchanged;
    }
}
