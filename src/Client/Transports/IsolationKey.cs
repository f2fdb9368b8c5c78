using System.Security.Cryptography;

namespace Tacit.Client.Transports;

/// <summary>
/// Decides which requests may share a connection (later: a circuit). Requests under different keys share nothing that the other side could recognise:
/// no connection, no TLS session, no cookie. 128 bits, meaningless outside this process.
/// </summary>
public readonly record struct IsolationKey
{
    private readonly UInt128 _value;

    private IsolationKey(UInt128 value)
    {
        _value = value;
    }

    /// <summary>A unit of its own, for one request that belongs to no conversation and for each background call (law 9).</summary>
    public static IsolationKey ForOneRequest()
    {
        Span<byte> value = stackalloc byte[16];
        RandomNumberGenerator.Fill(value);
        return new IsolationKey(System.Buffers.Binary.BinaryPrimitives.ReadUInt128LittleEndian(value));
    }

    /// <summary>The unit of a conversation: the same for the same identifier, which is itself unguessable.</summary>
    internal static IsolationKey ForConversation(ReadOnlySpan<byte> identifier) =>
        new(System.Buffers.Binary.BinaryPrimitives.ReadUInt128LittleEndian(SHA256.HashData(identifier)));

    /// <summary>Says nothing of the value, so that logs cannot tie requests together.</summary>
    public override string ToString() => "[isolation]";
}
