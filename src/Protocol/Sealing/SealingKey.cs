using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Tacit.Crypto;

namespace Tacit.Protocol;

/// <summary>What attests that a sealing key was made inside a certain machine, as its gateway says. Whether it proves that, its reader judges.</summary>
/// <param name="Format">What the bytes are: 1 to 64 of <c>a-z 0-9 - . _</c>, such as <c>sev-snp</c>.</param>
/// <param name="Bytes">At most <see cref="MaxSizeInBytes"/>.</param>
public sealed record KeyEvidence(string Format, ReadOnlyMemory<byte> Bytes)
{
    /// <summary>8 KiB: a report and the certificates that sign it.</summary>
    public const int MaxSizeInBytes = 8192;

    public const int MaxFormatLength = 64;

    /// <summary>What is wrong, or null.</summary>
    public string? FindFault() => !Plan.IsValidId(Format) || Bytes.Length is 0 or > MaxSizeInBytes
        ? $"evidence has a format of 1 to {MaxFormatLength} of a-z, 0-9, '-', '.' and '_', and 1 to {MaxSizeInBytes} bytes"
        : null;
}

/// <summary>
/// What is said of a key that requests to a gateway are sealed with: whose it is, the key itself, and when it is to be used. The keys of a gateway follow each other
/// without gap or overlap, one for each KEM, so that at any moment everybody seals with the same one; a gateway opens what comes somewhat early or late.
/// </summary>
public sealed record SealingKey
{
    /// <summary>A KEM whose keys Tacit knows: DHKEM(X25519, HKDF-SHA256) (RFC 9180, section 7.1).</summary>
    public const ushort X25519 = 0x0020;

    /// <summary>The hybrid one with ML-KEM-768 (draft-ietf-hpke-pq), which not every machine has.</summary>
    public const ushort MLKem768X25519 = 0x647a;

    /// <summary>The longest configuration that is read, in bytes: a hybrid key has about 1,250.</summary>
    public const int MaxConfigSizeInBytes = 2048;

    /// <summary>The longest that one key may be in use.</summary>
    public static readonly TimeSpan LongestValidity = TimeSpan.FromDays(31);

    private const int HybridPublicKeySize = 1216;

    /// <summary>Key id, KEM, a public key of one byte, one pair of algorithms.</summary>
    private const int MinConfigSize = 10;

    // In the gateway's order of preference (RFC 9458, section 3.1): ChaCha20-Poly1305 needs no AES instructions to be fast and constant in time.
    private static readonly ObliviousAlgorithms[] s_algorithms = [new(0x0001, 0x0003), new(0x0001, 0x0001), new(0x0001, 0x0002)];

    private static readonly byte[] s_label = Encoding.ASCII.GetBytes("tacit sealing key v1\0");

    /// <summary>The gateway's one canonical name.</summary>
    public required string Gateway { get; init; }

    /// <summary>The key configuration of RFC 9458, section 3.1: key id, KEM, public key, pairs of KDF and AEAD.</summary>
    public required byte[] Config { get; init; }

    /// <summary>First moment at which it is used; whole seconds.</summary>
    public required DateTimeOffset NotBefore { get; init; }

    /// <summary>First moment at which it is used no more; whole seconds.</summary>
    public required DateTimeOffset NotAfter { get; init; }

    public KeyEvidence? Evidence { get; init; }

    /// <summary>By which requests name it. No two keys of a gateway that are in use have the same.</summary>
    public byte KeyId => Config[0];

    public ushort KemId => BinaryPrimitives.ReadUInt16BigEndian(Config.AsSpan(1));

    /// <summary>The public key, also of a KEM that this machine lacks; empty for one that is not known.</summary>
    public ReadOnlySpan<byte> PublicKey => PublicKeySize(KemId) is int size && Config.Length >= 3 + size ? Config.AsSpan(3, size) : default;

    public bool IsCurrentAt(DateTimeOffset time) => time >= NotBefore && time < NotAfter;

    /// <summary>The configuration of a key with the algorithms that every gateway takes.</summary>
    /// <param name="keyId">By which requests name it.</param>
    /// <param name="publicKey">Of <paramref name="kemId"/>; 32 bytes for X25519.</param>
    /// <param name="kemId">The KEM.</param>
    public static byte[] EncodeConfig(byte keyId, ReadOnlySpan<byte> publicKey, ushort kemId = X25519) =>
        new ObliviousKeyConfiguration { KeyId = keyId, KemId = kemId, PublicKey = publicKey.ToArray(), Algorithms = s_algorithms }.Encode();

    /// <summary>What is wrong with it by itself, or null.</summary>
    public string? FindFault()
    {
        if (Gateway.Length is 0 or > 255 || Gateway.AsSpan().ContainsAnyExceptInRange('!', '~') || Gateway.Contains(',', StringComparison.Ordinal))
        {
            return "a sealing key names its gateway by 1 to 255 printable ASCII characters without commas";
        }

        // One set of algorithms for all: a choice of them would be a mark.
        if (Config.Length is < MinConfigSize or > MaxConfigSizeInBytes
            || (PublicKeySize(KemId) is int size && (PublicKey.Length != size || !Config.AsSpan().SequenceEqual(EncodeConfig(KeyId, PublicKey, KemId)))))
        {
            return $"the configuration of a sealing key of {Gateway} is none that there is";
        }

        if (NotBefore.Ticks % TimeSpan.TicksPerSecond != 0 || NotAfter.Ticks % TimeSpan.TicksPerSecond != 0 || NotBefore < DateTimeOffset.UnixEpoch
            || NotAfter <= NotBefore || NotAfter - NotBefore > LongestValidity)
        {
            return $"a sealing key of {Gateway} is used for more than 0 seconds and at most {LongestValidity.Days} days";
        }

        return Evidence?.FindFault();
    }

    /// <summary>Of the KEMs that are known, whether or not this machine has them; else null.</summary>
    private static int? PublicKeySize(ushort kemId) => kemId switch
    {
        X25519 => 32,
        MLKem768X25519 => HybridPublicKeySize,
        _ => null,
    };

    /// <summary>
    /// What a signature covers: label, name, configuration, times in seconds since 1970 (8 bytes each), and of the evidence its format and SHA-256; an empty format
    /// where there is none. Names, formats and configurations have a length of one or two bytes before them.
    /// </summary>
    public byte[] SignedBytes()
    {
        int evidenceSize = 1 + (Evidence is null ? 0 : Evidence.Format.Length + SHA256.HashSizeInBytes);
        byte[] bytes = new byte[s_label.Length + 1 + Gateway.Length + sizeof(ushort) + Config.Length + (2 * sizeof(long)) + evidenceSize];
        WireWriter writer = new(bytes);
        writer.WriteBytes(s_label);
        writer.WriteVector8(Encoding.ASCII.GetBytes(Gateway));
        writer.WriteVector16(Config);
        writer.WriteInt64(NotBefore.ToUnixTimeSeconds());
        writer.WriteInt64(NotAfter.ToUnixTimeSeconds());
        if (Evidence is null)
        {
            writer.WriteByte(0);
        }
        else
        {
            writer.WriteVector8(Encoding.ASCII.GetBytes(Evidence.Format));
            writer.WriteBytes(SHA256.HashData(Evidence.Bytes.Span));
        }

        return bytes;
    }

    /// <summary>Signs with a directory key.</summary>
    /// <param name="sign">Ed25519: the message; a signature of 64 bytes.</param>
    public SignedSealingKey Sign(Func<ReadOnlyMemory<byte>, byte[]> sign)
    {
        ArgumentNullException.ThrowIfNull(sign);
        return FindFault() is string fault ? throw new InvalidOperationException($"This sealing key cannot be signed: {fault}.") : new SignedSealingKey(this, sign(SignedBytes()));
    }

    /// <summary>Whether both are the same key of the same gateway for the same time, whatever the evidence.</summary>
    public bool IsSameKey(SealingKey? other) =>
        other is not null && Gateway == other.Gateway && NotBefore == other.NotBefore && NotAfter == other.NotAfter && Config.AsSpan().SequenceEqual(other.Config);

    /// <summary>Whether these are two different keys that one gateway cannot have: of one KEM, for times that overlap.</summary>
    public bool Contradicts(SealingKey other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return string.Equals(Gateway, other.Gateway, StringComparison.OrdinalIgnoreCase) && KemId == other.KemId
            && NotBefore < other.NotAfter && other.NotBefore < NotAfter && !Config.AsSpan().SequenceEqual(other.Config);
    }
}

/// <summary>A sealing key with the signature of a directory key: of an issuer, or of a gateway that has none.</summary>
/// <param name="Key">What is said.</param>
/// <param name="Signature">Ed25519 over <see cref="SealingKey.SignedBytes"/>, 64 bytes.</param>
public sealed record SignedSealingKey(SealingKey Key, byte[] Signature)
{
    /// <param name="verify">Verifies with the pinned directory key: message, signature.</param>
    public bool Verify(Func<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>, bool> verify)
    {
        ArgumentNullException.ThrowIfNull(verify);
        return verify(Key.SignedBytes(), Signature);
    }
}

/// <summary>The sealing keys of one gateway.</summary>
public static class SealingKeyList
{
    /// <summary>Of one gateway: the current key and the next, of each of two KEMs.</summary>
    public const int MaxKeys = 4;

    /// <summary>What is wrong with them together or one by one, or null. They are one for each moment and KEM, in ascending order.</summary>
    public static string? FindFault(string gateway, IReadOnlyList<SealingKey> keys)
    {
        ArgumentNullException.ThrowIfNull(keys);
        if (keys.Count > MaxKeys)
        {
            return $"gateway {gateway} has more than {MaxKeys} sealing keys";
        }

        for (int i = 0; i < keys.Count; i++)
        {
            if (keys[i].FindFault() is string fault)
            {
                return fault;
            }

            if (keys[i].Gateway != gateway)
            {
                return $"a sealing key of {gateway} names another gateway";
            }

            for (int j = 0; j < i; j++)
            {
                if (keys[i].KeyId == keys[j].KeyId || keys[i].NotBefore < keys[j].NotBefore
                    || (keys[i].KemId == keys[j].KemId && keys[i].NotBefore < keys[j].NotAfter))
                {
                    return $"the sealing keys of {gateway} are not one for each time, in ascending order, with ids of their own";
                }
            }
        }

        return null;
    }

    /// <summary>The content of <c>application/ohttp-keys</c> (RFC 9458, section 3.2): each configuration with its length of two bytes before it.</summary>
    public static byte[] EncodeConfigs(IEnumerable<SealingKey> keys)
    {
        byte[][] configs = [.. keys.Select(key => key.Config)];
        byte[] encoded = new byte[configs.Sum(config => sizeof(ushort) + config.Length)];
        WireWriter writer = new(encoded);
        foreach (byte[] config in configs)
        {
            writer.WriteVector16(config);
        }

        return encoded;
    }

    /// <summary>The X25519 key that is to be used at <paramref name="time"/>; null if there is none.</summary>
    public static SignedSealingKey? FindCurrent(IEnumerable<SignedSealingKey> keys, DateTimeOffset time) => FindCurrent(keys, time, SealingKey.X25519);

    /// <summary>The key to seal with at <paramref name="time"/>: the hybrid one where the gateway has one and this machine can use it, else the X25519 key.</summary>
    public static SignedSealingKey? FindBest(IEnumerable<SignedSealingKey> keys, DateTimeOffset time) =>
        (HpkeSuite.MLKem768X25519ChaCha20Poly1305.IsSupported ? FindCurrent(keys, time, SealingKey.MLKem768X25519) : null) ?? FindCurrent(keys, time);

    private static SignedSealingKey? FindCurrent(IEnumerable<SignedSealingKey> keys, DateTimeOffset time, ushort kem) =>
        keys.FirstOrDefault(entry => entry.Key.KemId == kem && entry.Key.IsCurrentAt(time));
}
