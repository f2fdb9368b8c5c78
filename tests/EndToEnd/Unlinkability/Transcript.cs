using Tacit.Protocol;

namespace Tacit.EndToEnd.Unlinkability;

/// <summary>One blinded element that was signed, as the side that signed it knows it. An element that is asked for again is one issuance.</summary>
internal sealed record Issuance
{
    /// <summary>The issuer's key and metadata, which tokens and elements show alike: only within one can there be anything to link.</summary>
    public required string Crowd { get; init; }

    public required byte[] Blinded { get; init; }

    public required byte[] BlindSignature { get; init; }

    /// <summary>Everything that was seen or stored of it, by name: order, batch, place, sizes, each column of each row.</summary>
    public required IReadOnlyDictionary<string, Feature> Seen { get; init; }

    /// <summary>Who bought it, by the credential in the request; empty for a successor.</summary>
    public string Account { get; init; } = "";
}

/// <summary>A token as the gateway knows it, at its first showing.</summary>
internal sealed record Redemption
{
    public required string Crowd { get; init; }

    public required Token Token { get; init; }

    public required byte[] SpendId { get; init; }

    public required IReadOnlyDictionary<string, Feature> Seen { get; init; }
}

/// <summary>Something known of an issuance or a redemption, as a number to be ordered by.</summary>
internal readonly record struct Feature(double Value)
{
    public static implicit operator Feature(double value) => new(value);

    /// <summary>The head of a byte string; its order is that of the strings but for their tails.</summary>
    public static Feature Of(ReadOnlySpan<byte> bytes)
    {
        Span<byte> head = stackalloc byte[sizeof(ulong)];
        head.Clear();
        bytes[..Math.Min(bytes.Length, head.Length)].CopyTo(head);
        return System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(head);
    }

    /// <summary>The tail of a byte string.</summary>
    public static Feature OfTail(ReadOnlySpan<byte> bytes) => Of(bytes[Math.Max(0, bytes.Length - sizeof(ulong))..]);
}

/// <summary>What belongs together, as only the wallets know.</summary>
/// <param name="BlindingSeed">What the factor is derived from.</param>
/// <param name="IsOrdinary">Whether when its wallet asked was drawn at random among others of its kind; else the test itself would link by time.</param>
internal sealed record TruePair(Issuance Issuance, Redemption Redemption, string Wallet, byte[] BlindingSeed, bool IsOrdinary = true);

/// <summary>
/// What both sides hold when they put everything together, what passed over the wire and what their databases say; and which belongs to which, the truth that
/// only the wallets know.
/// </summary>
internal sealed class Transcript : IDisposable
{
    public List<TruePair> Pairs { get; } = [];

    /// <summary>The issuer's public keys by crowd. The private operation needs none: the signer's answers are its results.</summary>
    public Dictionary<string, KeyArithmetic> Keys { get; } = [];

    public void Dispose()
    {
        foreach (KeyArithmetic key in Keys.Values)
        {
            key.Dispose();
        }
    }
}
