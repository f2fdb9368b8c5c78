using System.Security.Cryptography;
using System.Text;

namespace Tacit.Client;

/// <summary>
/// A key for what a program keeps on this machine beside the wallet, such as conversations: derived from the wallet's seed or the device's key for one purpose
/// (HKDF-SHA256, RFC 5869), apart from every derivation that ends on the wire and from the wallet's own. Who has the seed has it. Thread safe.
/// </summary>
public sealed class LocalKey : IDisposable
{
    private static readonly byte[] Label = "tacit local key 1"u8.ToArray();

    private readonly byte[] _macKey;
    private readonly LocalCipher _cipher;

    private LocalKey(ReadOnlySpan<byte> secret)
    {
        _macKey = new byte[LocalCipher.KeySizeInBytes];
        Check = new byte[LocalCipher.KeySizeInBytes];
        HKDF.Expand(HashAlgorithmName.SHA256, secret, _macKey, "mac"u8);
        HKDF.Expand(HashAlgorithmName.SHA256, secret, Check, "check"u8);
        Span<byte> sealing = stackalloc byte[LocalCipher.KeySizeInBytes];
        HKDF.Expand(HashAlgorithmName.SHA256, secret, sealing, "seal"u8);
        _cipher = new LocalCipher(sealing);
        CryptographicOperations.ZeroMemory(sealing);
    }

    /// <summary>Tells whether something was kept under this key; says nothing else about it. 32 bytes.</summary>
    public byte[] Check { get; }

    /// <summary>Seals a value (AES-256-GCM, 28 bytes longer).</summary>
    /// <param name="place">What the value belongs to; a value moved to another place does not open.</param>
    public byte[] Seal(ReadOnlySpan<byte> value, ReadOnlySpan<byte> place) => _cipher.Seal(value, place);

    /// <returns>The value; null if it was changed, moved, or sealed under another key.</returns>
    public byte[]? TryOpen(ReadOnlySpan<byte> box, ReadOnlySpan<byte> place) => _cipher.TryOpen(box, place);

    /// <summary>A keyed name (HMAC-SHA256) under which a secret is found again without being kept.</summary>
    public byte[] Hash(ReadOnlySpan<byte> value) => HMACSHA256.HashData(_macKey, value);

    public void Dispose()
    {
        _cipher.Dispose();
        CryptographicOperations.ZeroMemory(_macKey);
    }

    /// <param name="root">The seed or private key.</param>
    /// <param name="origin">Which of the two, so that equal bytes give different keys.</param>
    /// <param name="purpose">What the key is for.</param>
    internal static LocalKey Derive(ReadOnlySpan<byte> root, string origin, string purpose)
    {
        ArgumentException.ThrowIfNullOrEmpty(purpose);
        // Origins are words of ours without a zero byte, so that no two pairs give the same label.
        byte[] info = [.. Label, 0, .. Encoding.UTF8.GetBytes(origin), 0, .. Encoding.UTF8.GetBytes(purpose)];
        Span<byte> secret = stackalloc byte[LocalCipher.KeySizeInBytes];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, root, secret, [], info);
        try
        {
            return new LocalKey(secret);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }
}
