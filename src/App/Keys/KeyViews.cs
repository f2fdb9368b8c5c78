using System.Text.Json.Serialization;

namespace Tacit.App.Keys;

/// <summary>Who asks.</summary>
[JsonConverter(typeof(PageEnum<LocalAppKind>))]
internal enum LocalAppKind
{
    /// <summary>A program with a key of its own.</summary>
    Key,

    /// <summary>All that send no key that is known.</summary>
    Other,

    /// <summary>The app's own page.</summary>
    Page,
}

/// <summary>What a program on this machine has asked and spent: by the day, never finer.</summary>
/// <param name="DailyCap">Credits that it may spend in a day (UTC); null for no limit.</param>
/// <param name="Requests">In all.</param>
/// <param name="LastUsed">The day.</param>
internal sealed record LocalKeyView(string Id, LocalAppKind Kind, string Name, long? DailyCap, long SpentToday, long SpentTotal, long Requests, DateOnly? LastUsed);

/// <param name="DailyCap">Credits a day; null for no limit.</param>
internal sealed record LocalKeyRequest(string Name, long? DailyCap = null);

/// <param name="Key">Shown this once; only a hash of it is kept.</param>
internal sealed record NewLocalKey(string Id, string Key)
{
    public override string ToString() => "[scrubbed]";
}
