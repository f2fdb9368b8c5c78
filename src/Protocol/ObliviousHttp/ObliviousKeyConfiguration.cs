using System.Diagnostics.CodeAnalysis;
using Tacit.Crypto;

namespace Tacit.Protocol;

/// <summary>A pair of HPKE's KDF and AEAD that a gateway takes (RFC 9458, section 3.1).</summary>
public readonly record struct ObliviousAlgorithms(ushort KdfId, ushort AeadId);

/// <summary>A key that requests are encapsulated to, with what may be used beside it: a key configuration (RFC 9458, section 3.1).</summary>
public sealed class ObliviousKeyConfiguration
{
    private const int PairSize = 4;

    /// <summary>By which requests name it.</summary>
    public required byte KeyId { get; init; }

    /// <summary>Of a KEM that <see cref="HpkeSuite"/> has; others are not read, since the size of their keys is not known.</summary>
    public required ushort KemId { get; init; }

    public required ReadOnlyMemory<byte> PublicKey { get; init; }

    /// <summary>At least one, in the gateway's order of preference.</summary>
    public required IReadOnlyList<ObliviousAlgorithms> Algorithms { get; init; }

    /// <summary>The first suite of the gateway's that this machine has; null if there is none.</summary>
    public HpkeSuite? FindSuite()
    {
        foreach (ObliviousAlgorithms pair in Algorithms)
        {
            if (HpkeSuite.TryFind(KemId, pair.KdfId, pair.AeadId, out HpkeSuite? suite))
            {
                return suite;
            }
        }

        return null;
    }

    public static bool TryParse(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out ObliviousKeyConfiguration? configuration)
    {
        configuration = null;
        WireReader reader = new(bytes);
        if (!reader.TryReadByte(out byte keyId) || !reader.TryReadUInt16(out ushort kemId) || PublicKeySize(kemId) is not int size
            || !reader.TryReadBytes(size, out ReadOnlySpan<byte> publicKey) || !reader.TryReadVector16(out ReadOnlySpan<byte> pairs)
            || !reader.AtEnd || pairs.IsEmpty || pairs.Length % PairSize != 0)
        {
            return false;
        }

        ObliviousAlgorithms[] algorithms = new ObliviousAlgorithms[pairs.Length / PairSize];
        WireReader list = new(pairs);
        for (int i = 0; i < algorithms.Length; i++)
        {
            _ = list.TryReadUInt16(out ushort kdf);
            _ = list.TryReadUInt16(out ushort aead);
            algorithms[i] = new ObliviousAlgorithms(kdf, aead);
        }

        configuration = new ObliviousKeyConfiguration { KeyId = keyId, KemId = kemId, PublicKey = publicKey.ToArray(), Algorithms = algorithms };
        return true;
    }

    public byte[] Encode()
    {
        byte[] bytes = new byte[1 + 2 + PublicKey.Length + 2 + (Algorithms.Count * PairSize)];
        WireWriter writer = new(bytes);
        writer.WriteByte(KeyId);
        writer.WriteUInt16(KemId);
        writer.WriteBytes(PublicKey.Span);
        writer.WriteUInt16((ushort)(Algorithms.Count * PairSize));
        foreach ((ushort kdf, ushort aead) in Algorithms)
        {
            writer.WriteUInt16(kdf);
            writer.WriteUInt16(aead);
        }

        return bytes;
    }

    /// <summary>
    /// Reads a list of media type <c>application/ohttp-keys</c> (RFC 9458, section 3.2). Configurations of a KEM that is not known here are passed over.
    /// </summary>
    public static bool TryParseList(ReadOnlySpan<byte> bytes, out IReadOnlyList<ObliviousKeyConfiguration> configurations)
    {
        configurations = [];
        List<ObliviousKeyConfiguration> read = [];
        WireReader reader = new(bytes);
        while (!reader.AtEnd)
        {
            if (!reader.TryReadVector16(out ReadOnlySpan<byte> one) || one.Length < 3)
            {
                return false;
            }

            if (TryParse(one, out ObliviousKeyConfiguration? configuration))
            {
                read.Add(configuration);
            }
            else if (PublicKeySize((ushort)((one[1] << 8) | one[2])) is not null)
            {
                return false;
            }
        }

        configurations = read;
        return true;
    }

    /// <summary>Null for a KEM that is not known.</summary>
    private static int? PublicKeySize(ushort kemId) =>
        HpkeSuite.TryFind(kemId, ObliviousSecrets.HkdfSha256, 0x0001, out HpkeSuite? suite)
        || HpkeSuite.TryFind(kemId, ObliviousSecrets.HkdfSha256, 0x0003, out suite)
            ? suite.PublicKeySizeInBytes
            : null;
}

/// <summary>What stands before every encapsulated request, in the clear: which key, and which algorithms (RFC 9458, section 4.1).</summary>
public readonly record struct ObliviousRequestHeader(byte KeyId, ushort KemId, ushort KdfId, ushort AeadId)
{
    public const int SizeInBytes = 7;

    public static bool TryRead(ReadOnlySpan<byte> request, out ObliviousRequestHeader header)
    {
        WireReader reader = new(request);
        bool read = reader.TryReadByte(out byte keyId) & reader.TryReadUInt16(out ushort kemId) & reader.TryReadUInt16(out ushort kdfId) & reader.TryReadUInt16(out ushort aeadId);
        header = read ? new ObliviousRequestHeader(keyId, kemId, kdfId, aeadId) : default;
        return read;
    }

    internal void Write(Span<byte> destination)
    {
        WireWriter writer = new(destination);
        writer.WriteByte(KeyId);
        writer.WriteUInt16(KemId);
        writer.WriteUInt16(KdfId);
        writer.WriteUInt16(AeadId);
    }
}
