using System.Globalization;

namespace Tacit.EndToEnd.TorNetwork;

/// <summary>A stream as tor tells of it (control-spec, "Stream status changed").</summary>
/// <param name="Circuit">The circuit it is attached to; 0 while it is to none.</param>
/// <param name="Target">Host and port that were asked for.</param>
/// <param name="User">The isolation's name, or empty.</param>
/// <param name="Purpose">USER for what came by the SOCKS port; said of new streams only.</param>
/// <param name="IsolatedBy">The fields by which tor itself keeps it apart from others.</param>
internal sealed record TorStreamEvent(int Id, string Status, int Circuit, string Target, string User, string Purpose, string IsolatedBy)
{
    /// <summary>When it was told (<see cref="System.Diagnostics.Stopwatch"/>).</summary>
    public long Seen { get; } = System.Diagnostics.Stopwatch.GetTimestamp();

    public string Host => Target[..Target.LastIndexOf(':')];

    public static TorStreamEvent? TryParse(string line)
    {
        string[] words = line.Split(' ');
        return words is ["STREAM", var id, var status, var circuit, var target, ..]
            ? new TorStreamEvent(Number(id), status, Number(circuit), target, Of(words, "SOCKS_USERNAME") + "/" + Of(words, "SOCKS_PASSWORD"), Of(words, "PURPOSE"), Of(words, "ISO_FIELDS"))
            : null;
    }

    internal static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    internal static string Of(string[] words, string name) =>
        words.FirstOrDefault(word => word.StartsWith(name + "=", StringComparison.Ordinal))?[(name.Length + 1)..].Trim('"') ?? "";
}

/// <summary>A circuit as tor tells of it (control-spec, "Circuit status changed").</summary>
/// <param name="Path">Fingerprints of its relays, the guard first.</param>
/// <param name="Service">The onion service it is for, without <c>.onion</c>; or empty.</param>
internal sealed record TorCircuitEvent(int Id, string Status, IReadOnlyList<string> Path, string Purpose, string Service)
{
    public static TorCircuitEvent? TryParse(string line)
    {
        string[] words = line.Split(' ');
        if (words is not ["CIRC", { Length: > 0 } id, var status, ..])
        {
            return null;
        }

        // "$fingerprint~nickname,…", where there is a path yet.
        string[] path = words is [_, _, _, var relays, ..] && relays.StartsWith('$') ? [.. relays.Split(',').Select(relay => relay[1..41])] : [];
        return new TorCircuitEvent(TorStreamEvent.Number(id), status, path, TorStreamEvent.Of(words, "PURPOSE"), TorStreamEvent.Of(words, "REND_QUERY"));
    }
}

/// <summary>Judges from events which streams shared a circuit.</summary>
internal static class Isolation
{
    /// <summary>The streams of programs (not of tor itself) that were attached to circuits, by circuit. A stream that was moved to another counts at both.</summary>
    public static ILookup<int, TorStreamEvent> ByCircuit(IEnumerable<TorStreamEvent> events)
    {
        List<TorStreamEvent> all = [.. events];
        HashSet<int> programs = [.. all.Where(stream => stream.Purpose == "USER").Select(stream => stream.Id)];
        return all.Where(stream => stream.Circuit != 0 && programs.Contains(stream.Id)).ToLookup(stream => stream.Circuit);
    }

    /// <summary>Circuits that carried more than one isolation's streams.</summary>
    public static IReadOnlyList<string> Mixed(IEnumerable<TorStreamEvent> events) =>
    [
        .. ByCircuit(events).Where(circuit => circuit.Select(stream => stream.User).Distinct().Count() > 1)
            .Select(circuit => $"circuit {circuit.Key}: {string.Join(", ", circuit.Select(stream => $"{stream.Target} as {stream.User}").Distinct())}"),
    ];
}
