using System.Security.Cryptography;
using Tacit.Crypto;
using Tacit.Protocol;

namespace Tacit.Signer;

/// <summary>A decrypted private key, and for 0xDA7A the keys derived from it for the metadata in use: deriving one costs as much as several signatures.</summary>
internal sealed class SigningKey : IDisposable
{
    private readonly Dictionary<byte[], LeasedKey> _derived = new(BytesComparer.Instance);
    private readonly PartiallyBlindRsaPrivateKey? _partiallyBlind;
    private readonly LeasedKey? _plain;

    private SigningKey(StoredKey stored, PartiallyBlindRsaPrivateKey? partiallyBlind, LeasedKey? plain)
    {
        Stored = stored;
        _partiallyBlind = partiallyBlind;
        _plain = plain;
    }

    public StoredKey Stored { get; }

    /// <param name="stored">Its row.</param>
    /// <param name="pkcs8">The private key; wiped here.</param>
    public static SigningKey Load(StoredKey stored, byte[] pkcs8)
    {
        try
        {
            return stored.TokenType == TokenType.BlindRsa
                ? new SigningKey(stored, null, new LeasedKey(BlindRsaPrivateKey.ImportPkcs8(pkcs8)))
                : new SigningKey(stored, PartiallyBlindRsaPrivateKey.ImportPkcs8(pkcs8), null);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(pkcs8);
        }
    }

    /// <summary>The key that signs under these extensions. Not thread safe: called only while keys are rotated.</summary>
    public LeasedKey KeyFor(byte[]? extensions)
    {
        if (_plain is not null)
        {
            return _plain;
        }

        byte[] info = extensions ?? throw new ArgumentNullException(nameof(extensions));
        if (!_derived.TryGetValue(info, out LeasedKey? derived))
        {
            derived = new LeasedKey(_partiallyBlind!.DeriveKey(info));
            _derived.Add(info, derived);
        }

        return derived;
    }

    /// <summary>Wipes derived keys whose plan and deadline are no longer in use.</summary>
    public void KeepOnly(IReadOnlySet<byte[]> extensions)
    {
        foreach (byte[] info in _derived.Keys.Where(info => !extensions.Contains(info)).ToList())
        {
            _derived.Remove(info, out LeasedKey? derived);
            derived?.Release();
        }
    }

    /// <summary>Wipes the key once the signatures under way with it have ended.</summary>
    public void Dispose()
    {
        _plain?.Release();
        foreach (LeasedKey derived in _derived.Values)
        {
            derived.Release();
        }

        _derived.Clear();
        _partiallyBlind?.Dispose();
    }
}
