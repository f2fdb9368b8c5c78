namespace Tacit.Tor.Control;

/// <summary>One line of a reply: what follows the status code, and the data block behind it, if there is one (control-spec, section 2.3).</summary>
internal sealed record ControlLine(string Text, string? Data);

/// <summary>A reply to a command, or an event that came by itself. Text is Latin-1: the protocol allows any byte.</summary>
internal sealed record ControlReply(int Status, IReadOnlyList<ControlLine> Lines)
{
    /// <summary>Status codes 6xx: an event (control-spec, section 4).</summary>
    public bool IsEvent => Status is >= 600 and < 700;

    /// <summary>Status codes 2xx: the command was carried out.</summary>
    public bool IsPositive => Status is >= 200 and < 300;

    /// <summary>The value of a <c>key=value</c> line, from behind the sign or from the data block (GETINFO, ADD_ONION); null if there is no such line.</summary>
    public string? Value(string key)
    {
        foreach (ControlLine line in Lines)
        {
            if (line.Text.Length > key.Length && line.Text[key.Length] == '=' && line.Text.StartsWith(key, StringComparison.Ordinal))
            {
                return line.Data ?? line.Text[(key.Length + 1)..];
            }
        }
        return null;
    }
}
