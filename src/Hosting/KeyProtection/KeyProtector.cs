using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Tacit.Hosting.KeyProtection;

/// <summary>
/// Encrypts private keys before they reach a disk: AES-256-GCM (NIST SP 800-38D) under a key that comes from a passphrase
/// (PBKDF2-HMAC-SHA-512, RFC 8018 §5.2) or from a key file (HKDF-SHA-512, RFC 5869). A role keeps <see cref="ExportHeader"/> in one
/// row beside its keys; it tells a wrong passphrase from a right one without touching a key. Thread safe.
/// </summary>
public sealed class KeyProtector : IDisposable
{
    /// <summary>Rounds of PBKDF2-HMAC-SHA-512 for a new passphrase; nearly three times the 210,000 that OWASP asks for with SHA-512.</summary>
    public const int DefaultIterations = 600_000;

    /// <summary>The least a key file may hold, in bytes.</summary>
    public const int MinKeyFileSizeInBytes = 32;

    /// <summary>What sealing adds to a plaintext: nonce and tag, in bytes.</summary>
    public const int OverheadInBytes = NonceSize + TagSize;

    private const byte FormatVersion = 1;
    private const int SaltSize = 16;
    private const int NonceSize = 12;
    private const int TagSize = 16;
    private const int KeySize = 32;
    private const int PreambleSize = 1 + 1 + sizeof(int) + SaltSize;

    // A header is read from a file that an attacker may have written: without a bound it could keep a starting role busy for days.
    private const int MaxIterations = 50_000_000;

    private static readonly byte[] s_verifierText = Encoding.ASCII.GetBytes("tacit key protection");

    private readonly AesGcm _cipher;
    private readonly byte[] _header;

    private KeyProtector(AesGcm cipher, byte[] header)
    {
        _cipher = cipher;
        _header = header;
    }

    /// <summary>Starts a new protection: draws a salt and derives the key. With a passphrase this takes a good part of a second.</summary>
    /// <exception cref="KeyProtectionException">The secret is empty, or a key file is shorter than 32 bytes.</exception>
    public static KeyProtector Create(KeyProtectionKind kind, ReadOnlySpan<byte> secret, int iterations = DefaultIterations)
    {
        if (kind == KeyProtectionKind.Passphrase)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(iterations, DefaultIterations);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(iterations, MaxIterations);
        }

        var preamble = new byte[PreambleSize];
        preamble[0] = FormatVersion;
        preamble[1] = (byte)kind;
        BinaryPrimitives.WriteInt32BigEndian(preamble.AsSpan(2), kind == KeyProtectionKind.Passphrase ? iterations : 0);
        RandomNumberGenerator.Fill(preamble.AsSpan(2 + sizeof(int), SaltSize));

        AesGcm cipher = DeriveCipher(kind, secret, preamble);
        byte[] verifier = Seal(cipher, s_verifierText, preamble);
        return new KeyProtector(cipher, [.. preamble, .. verifier]);
    }

    /// <summary>Derives the key again from a kept header and checks it against the header's verifier.</summary>
    /// <exception cref="KeyProtectionException">The secret is wrong, of the other kind, empty or too short, or the header is damaged.</exception>
    public static KeyProtector Open(KeyProtectionKind kind, ReadOnlySpan<byte> secret, ReadOnlySpan<byte> header)
    {
        if (header.Length != PreambleSize + s_verifierText.Length + OverheadInBytes || header[0] != FormatVersion
            || !Enum.IsDefined((KeyProtectionKind)header[1]))
        {
            throw new KeyProtectionException(KeyProtectionError.Damaged);
        }

        if ((KeyProtectionKind)header[1] != kind)
        {
            throw new KeyProtectionException(
                kind == KeyProtectionKind.Passphrase ? KeyProtectionError.KeyFileExpected : KeyProtectionError.PassphraseExpected);
        }

        ReadOnlySpan<byte> preamble = header[..PreambleSize];
        int iterations = BinaryPrimitives.ReadInt32BigEndian(preamble[2..]);
        if (kind == KeyProtectionKind.Passphrase && iterations is < DefaultIterations or > MaxIterations)
        {
            throw new KeyProtectionException(KeyProtectionError.Damaged);
        }

        AesGcm cipher = DeriveCipher(kind, secret, preamble);
        byte[] text = new byte[s_verifierText.Length];
        if (!TryUnseal(cipher, header[PreambleSize..], preamble, text))
        {
            cipher.Dispose();
            throw new KeyProtectionException(KeyProtectionError.WrongSecret);
        }

        return new KeyProtector(cipher, header.ToArray());
    }

    /// <summary>What a role keeps to open its keys again: version, kind, rounds, salt and the verifier. Not secret.</summary>
    public byte[] ExportHeader() => [.. _header];

    /// <summary>Encrypts under a fresh random nonce, which the result begins with.</summary>
    /// <param name="plaintext">The private key.</param>
    /// <param name="associatedData">Ties the result to its row, such as the key's id; the same is needed to open it.</param>
    public byte[] Seal(ReadOnlySpan<byte> plaintext, ReadOnlySpan<byte> associatedData)
    {
        // One cipher context serves one call at a time.
        lock (_cipher)
        {
            return Seal(_cipher, plaintext, associatedData);
        }
    }

    /// <summary>Decrypts. The caller wipes the result.</summary>
    /// <exception cref="KeyProtectionException">The bytes were damaged, moved to another row, or sealed under another secret.</exception>
    public byte[] Unseal(ReadOnlySpan<byte> sealedKey, ReadOnlySpan<byte> associatedData)
    {
        if (sealedKey.Length < OverheadInBytes)
        {
            throw new KeyProtectionException(KeyProtectionError.Damaged);
        }

        byte[] plaintext = GC.AllocateUninitializedArray<byte>(sealedKey.Length - OverheadInBytes, pinned: true);
        lock (_cipher)
        {
            if (!TryUnseal(_cipher, sealedKey, associatedData, plaintext))
            {
                throw new KeyProtectionException(KeyProtectionError.Damaged);
            }
        }

        return plaintext;
    }

    public void Dispose() => _cipher.Dispose();

    private static AesGcm DeriveCipher(KeyProtectionKind kind, ReadOnlySpan<byte> secret, ReadOnlySpan<byte> preamble)
    {
        // White space around a passphrase is nobody's intention; in a key file every byte counts.
        if (kind == KeyProtectionKind.Passphrase)
        {
            secret = secret.Trim(" \t\r\n"u8);
        }

        if (secret.IsEmpty)
        {
            throw new KeyProtectionException(KeyProtectionError.EmptySecret);
        }

        Span<byte> key = stackalloc byte[KeySize];
        ReadOnlySpan<byte> salt = preamble.Slice(2 + sizeof(int), SaltSize);
        try
        {
            if (kind == KeyProtectionKind.Passphrase)
            {
                int iterations = BinaryPrimitives.ReadInt32BigEndian(preamble[2..]);
                Rfc2898DeriveBytes.Pbkdf2(secret, salt, key, iterations, HashAlgorithmName.SHA512);
            }
            else
            {
                if (secret.Length < MinKeyFileSizeInBytes)
                {
                    throw new KeyProtectionException(KeyProtectionError.KeyFileTooShort);
                }

                HKDF.DeriveKey(HashAlgorithmName.SHA512, secret, key, salt, "tacit key file"u8);
            }

            return new AesGcm(key, TagSize);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    private static byte[] Seal(AesGcm cipher, ReadOnlySpan<byte> plaintext, ReadOnlySpan<byte> associatedData)
    {
        var result = new byte[OverheadInBytes + plaintext.Length];
        Span<byte> nonce = result.AsSpan(0, NonceSize);
        // Random nonces are safe for 2^32 uses of one key (SP 800-38D §8.3); a role seals a few keys a period.
        RandomNumberGenerator.Fill(nonce);
        cipher.Encrypt(nonce, plaintext, result.AsSpan(NonceSize, plaintext.Length), result.AsSpan(NonceSize + plaintext.Length), associatedData);
        return result;
    }

    private static bool TryUnseal(AesGcm cipher, ReadOnlySpan<byte> sealedKey, ReadOnlySpan<byte> associatedData, Span<byte> plaintext)
    {
        try
        {
            cipher.Decrypt(sealedKey[..NonceSize], sealedKey[NonceSize..^TagSize], sealedKey[^TagSize..], plaintext, associatedData);
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
    }
}
