using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Tacit.Client.Transports;

/// <summary>
/// Decides which requests may share a connection and a circuit. Requests under different keys share nothing that the other side could recognise: no connection,
/// no TLS session, no cookie, no circuit. 128 bits, meaningless outside this process. A key is of one side, by its type, and never equals one of the other.
/// </summary>
public abstract record IsolationKey
{
    private readonly UInt128 _value;

    private protected IsolationKey(ReadOnlySpan<byte> value)
    {
        _value = BinaryPrimitives.ReadUInt128LittleEndian(value);
    }

    /// <summary>Says nothing of the value, so that logs cannot tie requests together.</summary>
    public sealed override string ToString() => "[isolation]";

    private protected static byte[] Fresh() => RandomNumberGenerator.GetBytes(16);
}

/// <summary>A unit of the identity side: account calls, issuance, the issuer's own directory. None lasts longer than a call.</summary>
public sealed record IdentityUnit : IsolationKey
{
    private IdentityUnit()
        : base(Fresh())
    {
    }

    /// <summary>A unit of its own for one call.</summary>
    public static IdentityUnit ForOneCall() => new();
}

/// <summary>A unit of the anonymous side: a conversation, one prompt that belongs to none, or one background call (law 9).</summary>
public sealed record AnonymousUnit : IsolationKey
{
    private AnonymousUnit(ReadOnlySpan<byte> value)
        : base(value)
    {
    }

    /// <summary>Whether nothing comes after the one request: what it is sent on ends with it.</summary>
    internal bool IsForOneRequest { get; private init; }

    /// <summary>A unit of its own, for one request that belongs to no conversation and for each background call.</summary>
    public static AnonymousUnit ForOneRequest() => new(Fresh()) { IsForOneRequest = true };

    /// <summary>The unit of everything that one device asks: its key is on each request, and links them.</summary>
    internal static AnonymousUnit ForOneDevice() => new(Fresh());

    /// <summary>The unit of a conversation: the same for the same identifier, which is itself unguessable.</summary>
    internal static AnonymousUnit ForConversation(ReadOnlySpan<byte> identifier) => new(SHA256.HashData(identifier));
}
