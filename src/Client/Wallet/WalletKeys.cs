using System.Security.Cryptography;
using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>
/// The seed and what is derived from it for the wallet's own disk: HKDF-SHA256 (RFC 5869) with one label per use, apart from every derivation that ends on
/// the wire. Wiped on dispose.
/// </summary>
internal sealed class WalletKeys : IDisposable
{
    private const int KeySizeInBytes = 32;
    private const int NonceSizeInBytes = 12;
    private const int TagSizeInBytes = 16;

    private readonly byte[] _storageKey;
    private readonly byte[] _requestTagKey;
    private readonly byte[] _conversationKey;
    private readonly AesGcm _cipher;

    public WalletKeys(WalletSeed seed)
    {
        Seed = seed;
        _storageKey = Derive("tacit wallet storage 1"u8);
        _requestTagKey = Derive("tacit wallet request tag 1"u8);
        _conversationKey = Derive("tacit wallet conversation 1"u8);
        SeedCheck = Derive("tacit wallet seed check 1"u8);
        _cipher = new AesGcm(_storageKey, TagSizeInBytes);
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

    /// <summary>AES-256-GCM: nonce ‖ ciphertext ‖ tag.</summary>
    /// <param name="place">What the value belongs to; a value moved to another place does not open.</param>
    public byte[] Seal(ReadOnlySpan<byte> value, ReadOnlySpan<byte> place)
    {
        byte[] box = new byte[NonceSizeInBytes + value.Length + TagSizeInBytes];
        Span<byte> nonce = box.AsSpan(0, NonceSizeInBytes);
        RandomNumberGenerator.Fill(nonce);
        lock (_cipher)
        {
            _cipher.Encrypt(nonce, value, box.AsSpan(NonceSizeInBytes, value.Length), box.AsSpan(NonceSizeInBytes + value.Length), place);
        }
        return box;
    }

    /// <exception cref="ClientException"><see cref="ClientError.JournalCorrupt"/>: changed, moved, or sealed under another seed.</exception>
    public byte[] Open(ReadOnlySpan<byte> box, ReadOnlySpan<byte> place)
    {
        if (box.Length >= NonceSizeInBytes + TagSizeInBytes)
        {
            byte[] value = new byte[box.Length - NonceSizeInBytes - TagSizeInBytes];
            try
            {
                lock (_cipher)
                {
                    _cipher.Decrypt(box[..NonceSizeInBytes], box[NonceSizeInBytes..^TagSizeInBytes], box[^TagSizeInBytes..], value, place);
                }
                return value;
            }
            catch (AuthenticationTagMismatchException)
            {
                CryptographicOperations.ZeroMemory(value);
            }
        }
        throw new ClientException(ClientError.JournalCorrupt, "A sealed entry of the wallet does not open: the database was damaged or altered.");
    }

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
