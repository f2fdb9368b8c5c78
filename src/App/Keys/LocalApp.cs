namespace Tacit.App.Keys;

/// <summary>A program on this machine that asks: its counts of today are here, those of other days in <c>app.db</c>. Guarded by <see cref="LocalKeys"/>'s lock.</summary>
internal sealed class LocalApp(byte[] id, LocalAppKind kind, string name)
{
    public byte[] Id { get; } = id;

    public LocalAppKind Kind { get; } = kind;

    public string Name { get; set; } = name;

    /// <summary>Credits that it may spend in a day; null for no limit.</summary>
    public long? DailyCap { get; set; }

    /// <summary>Its key was taken back: nothing is asked with it.</summary>
    public bool IsRevoked { get; set; }

    /// <summary>The day that <see cref="SpentToday"/> is of.</summary>
    public int Today { get; set; }

    public long SpentToday { get; set; }

    /// <summary>Credits of requests that are on their way.</summary>
    public long Reserved { get; set; }

    public long SpentTotal { get; set; }

    public long Requests { get; set; }

    public int? LastUsed { get; set; }

    /// <summary>What is left of today's cap; as good as endless without one.</summary>
    public long LeftOn(int day) => DailyCap is not long cap ? long.MaxValue : Math.Max(0, cap - Reserved - (Today == day ? SpentToday : 0));

    public void Count(int day, long credits)
    {
        if (Today != day)
        {
            (Today, SpentToday) = (day, 0);
        }
        SpentToday += credits;
        SpentTotal += credits;
        Requests++;
        LastUsed = day;
    }

    public LocalKeyView View(int day) => new(
        Kind switch { LocalAppKind.Key => Convert.ToHexStringLower(Id), LocalAppKind.Page => "page", _ => "other" }, Kind, Name, DailyCap, Today == day ? SpentToday : 0, SpentTotal, Requests,
        LastUsed is int last ? DateOnly.FromDayNumber(last) : null);
}

/// <summary>A program's request is not taken: its key is none, or has spent what it may today.</summary>
internal sealed class LocalKeyException(ApiFault fault) : Exception(fault.Message)
{
    public ApiFault Fault { get; } = fault;
}
