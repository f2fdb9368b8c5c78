namespace Tacit.Protocol;

/// <summary>A field line of a binary HTTP message (RFC 9292, section 3.6): a name of HTTP's token characters and a value, Latin-1.</summary>
public readonly record struct BinaryHttpField(string Name, string Value)
{
    /// <summary>Values of fields are tokens and the like: only the name is told.</summary>
    public override string ToString() => Name;
}

/// <summary>Control data and header section of a request (RFC 9292, section 3.4).</summary>
public sealed class BinaryHttpRequest
{
    public required string Method { get; init; }

    /// <summary><c>https</c>, as a rule.</summary>
    public required string Scheme { get; init; }

    /// <summary>Empty where the request has none, or says it in a <c>host</c> field.</summary>
    public string Authority { get; init; } = "";

    /// <summary>Path and query, from the first slash on; or an asterisk.</summary>
    public required string Path { get; init; }

    public IReadOnlyList<BinaryHttpField> Headers { get; init; } = [];
}

/// <summary>Control data and header section of a response (RFC 9292, section 3.5), final or informational.</summary>
public sealed class BinaryHttpResponse
{
    /// <summary>200 to 599; 100 to 199 if it is informational.</summary>
    public required int Status { get; init; }

    public IReadOnlyList<BinaryHttpField> Headers { get; init; } = [];
}

/// <summary>What a <see cref="BinaryHttpReader"/> takes at most: one message of a stranger costs no more memory than this and its content.</summary>
public sealed record BinaryHttpLimits
{
    /// <summary>Bytes of control data and field sections together, trailers included. Default 64 KiB.</summary>
    public int MaxHeadBytes { get; init; } = 64 * 1024;

    /// <summary>Field lines of all sections together. Default 128.</summary>
    public int MaxFields { get; init; } = 128;

    /// <summary>Informational responses before the final one. Default 8.</summary>
    public int MaxInformational { get; init; } = 8;

    /// <summary>Bytes of content. Default: no bound but what the caller feeds.</summary>
    public long MaxContentBytes { get; init; } = long.MaxValue;
}
