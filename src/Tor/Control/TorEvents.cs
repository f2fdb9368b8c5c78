namespace Tacit.Tor.Control;

/// <summary>Circuits and streams out of lines, which are the same in events (behind their first word) and in GETINFO circuit-status and stream-status.</summary>
internal static class TorEvents
{
    /// <param name="line">Behind <c>CIRC</c>.</param>
    /// <returns>Null if it has no id and status.</returns>
    public static TorCircuit? Circuit(string line)
    {
        ControlWords words = ControlWords.Parse(line);
        return words.Plain.Count < 2 ? null : new TorCircuit
        {
            Id = words.At(0),
            Status = words.At(1),
            Path = [.. words.At(2).Split(',', StringSplitOptions.RemoveEmptyEntries).Select(Hop)],
            Purpose = words["PURPOSE"] ?? "",
            OnionState = words["HS_STATE"] ?? "",
            OnionAddress = words["REND_QUERY"] is { Length: > 0 } onion ? onion + ".onion" : null,
            SocksUserName = words["SOCKS_USERNAME"],
            Reason = words["REASON"],
        };
    }

    /// <param name="line">Behind <c>STREAM</c>.</param>
    public static TorConnection? Connection(string line)
    {
        ControlWords words = ControlWords.Parse(line);
        return words.Plain.Count < 4 ? null : new TorConnection
        {
            Id = words.At(0),
            Status = words.At(1),
            CircuitId = words.At(2),
            Target = words.At(3),
            SocksUserName = words["SOCKS_USERNAME"],
            Purpose = words["PURPOSE"] ?? "",
            Reason = words["REASON"],
        };
    }

    /// <summary><c>$FINGERPRINT~NICKNAME</c>, the nickname being optional (control-spec, section 2.4).</summary>
    private static TorHop Hop(string longName)
    {
        int mark = longName.AsSpan().IndexOfAny('~', '=');
        return mark < 0 ? new TorHop(longName.TrimStart('$'), "") : new TorHop(longName[..mark].TrimStart('$'), longName[(mark + 1)..]);
    }
}
