using System.Security.Cryptography;
using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>
/// The seed and what is derived from it for the wallet's own disk: HKDF-SHA256 (RFC 5869) with one label per use, apart from every derivation that ends on
/// the wire. Wiped on dispose.
/// </summary>
internal sealed class WalletKeys : IDisposable
{
    private const int KeySizeInBytes = LocalCipher.KeySizeInBytes;

    private readonly byte[] _storageKey;
    private readonly byte[] _requestTagKey;
    private readonly byte[] _conversationKey;
    private readonly LocalCipher _cipher;

    public WalletKeys(WalletSeed seed)
    {
        Seed = seed;
        _storageKey = Derive("tacit wallet storage 1"u8);
        _requestTagKey = Derive("tacit wallet request tag 1"u8);
        _conversationKey = Derive("tacit wallet conversation 1"u8);
        SeedCheck = Derive("tacit wallet seed check 1"u8);
        _cipher = new LocalCipher(_storageKey);
    }

    public WalletSeed Seed { get; }

    /// <summary>Tells whether a database belongs to this seed; says nothing else about it.</summary>
    public byte[] SeedCheck { get; }

    public ReadOnlySpan<byte> ConversationKey => _conversationKey;

    /// <summary>The name under which a request is found again: keyed, so that the journal confirms no guessed prompt.</summary>
    public byte[] RequestTag(PromptOperation operation, ReadOnlySpan<byte> conversationName, ReadOnlySpan<byte> body)
    {
        using IncrementalHash mac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, _requestTagKey);
        mac.AppendData([(byte)operation, .. BitConverter.GetBytes(conversationName.Length)]);
        mac.AppendData(conversationName);
        mac.AppendData(body);
        return mac.GetHashAndReset();
    }

    /// <inheritdoc cref="LocalCipher.Seal"/>
    public byte[] Seal(ReadOnlySpan<byte> value, ReadOnlySpan<byte> place) => _cipher.Seal(value, place);

    /// <exception cref="ClientException"><see cref="ClientError.JournalCorrupt"/>: changed, moved, or sealed under another seed.</exception>
    public byte[] Open(ReadOnlySpan<byte> box, ReadOnlySpan<byte> place) => _cipher.TryOpen(box, place)
        ?? throw new ClientException(ClientError.JournalCorrupt, "A sealed entry of the wallet does not open: the database was damaged or altered.");

    /// <summary>A key for what a program keeps beside the wallet.</summary>
    public LocalKey DeriveLocalKey(string purpose) => LocalKey.Derive(Seed.Bytes, "wallet", purpose);

    public void Dispose()
    {
        _cipher.Dispose();
        CryptographicOperations.ZeroMemory(_storageKey);
        CryptographicOperations.ZeroMemory(_requestTagKey);
        CryptographicOperations.ZeroMemory(_conversationKey);
        Seed.Dispose();
    }

    private byte[] Derive(ReadOnlySpan<byte> label)
    {
        byte[] key = new byte[KeySizeInBytes];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, Seed.Bytes, key, [], label);
        return key;
    }
}
