using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Tacit.Crypto.Interop;
using Tacit.Crypto.Rsa;

namespace Tacit.Crypto;

/// <summary>
/// Public key of blind RSA signatures (RFC 9474), 2048, 3072 or 4096 bits; also what <see cref="PartiallyBlindRsaPublicKey.DeriveKey"/>
/// gives for one metadata value. A derived key puts the metadata before every message itself, so callers treat both kinds alike.
/// </summary>
/// <remarks>Safe for use by several threads at once, disposal included.</remarks>
public sealed class BlindRsaPublicKey : IDisposable
{
    /// <summary>Size of the seed from which <see cref="Blind(BlindRsaVariant, ReadOnlySpan{byte}, ReadOnlySpan{byte}, Span{byte})"/> derives everything random.</summary>
    public const int SeedSizeInBytes = 32;

    internal const int MaxModulusSize = 512;
    private const int MaxStackMessage = 1024;

    private readonly RsaPublicNumbers _numbers;
    private readonly byte[] _messagePrefix;
    private readonly bool _isDerived;

    private BlindRsaPublicKey(RsaPublicNumbers numbers, byte[] messagePrefix, bool isDerived)
    {
        _numbers = numbers;
        _messagePrefix = messagePrefix;
        _isDerived = isDerived;
    }

    internal static BlindRsaPublicKey FromNumbers(ReadOnlySpan<byte> modulus, ReadOnlySpan<byte> exponent) =>
        new(new RsaPublicNumbers(modulus, exponent), [], isDerived: false);

    internal static BlindRsaPublicKey Derived(ReadOnlySpan<byte> modulus, ReadOnlySpan<byte> exponent, ReadOnlySpan<byte> info) =>
        new(new RsaPublicNumbers(modulus, exponent), MetadataDerivation.MessagePrefix(info), isDerived: true);

    /// <summary>Size of the modulus, of a blinded message and of a signature: 256, 384 or 512.</summary>
    public int ModulusSizeInBytes => _numbers.ModulusSize;

    /// <summary>
    /// Whether <paramref name="blindedMessage"/> has the key's size and is a number between zero and the modulus, both excluded: the part of BlindSign's check
    /// (RFC 9474, section 4.3) that a signer's client can make. By comparison only; a number that shares a factor with the modulus passes.
    /// </summary>
    public bool IsInRange(ReadOnlySpan<byte> blindedMessage) =>
        blindedMessage.Length == ModulusSizeInBytes
        && blindedMessage.ContainsAnyExcept((byte)0)
        && blindedMessage.SequenceCompareTo(_numbers.ExportModulus()) < 0;

    internal RsaPublicNumbers Numbers => _numbers;

    internal bool IsDerived => _isDerived;

    /// <summary>Reads a DER SubjectPublicKeyInfo with RSASSA-PSS, SHA-384, MGF1-SHA-384, salt 48 (RFC 9578 §6.5).</summary>
    /// <exception cref="CryptographicException">Anything else, trailing bytes included.</exception>
    public static BlindRsaPublicKey ImportSubjectPublicKeyInfo(ReadOnlySpan<byte> spki) =>
        TryImportSubjectPublicKeyInfo(spki, out BlindRsaPublicKey? key)
            ? key
            : throw new CryptographicException(
                "Not a public key that can be used here: expected DER SubjectPublicKeyInfo, RSASSA-PSS with SHA-384 and salt 48, 2048, 3072 or 4096 bits.");

    /// <summary>As <see cref="ImportSubjectPublicKeyInfo"/>, for bytes that somebody sent.</summary>
    public static bool TryImportSubjectPublicKeyInfo(ReadOnlySpan<byte> spki, [NotNullWhen(true)] out BlindRsaPublicKey? key)
    {
        key = RsaKeyEncoding.TryReadSubjectPublicKeyInfo(spki, out ReadOnlySpan<byte> modulus, out ReadOnlySpan<byte> exponent)
            && RsaPublicNumbers.IsAcceptable(modulus, exponent, RsaPublicNumbers.BlindSizes)
                ? FromNumbers(modulus, exponent)
                : null;
        return key is not null;
    }

    /// <summary>The key as <see cref="ImportSubjectPublicKeyInfo"/> reads it; the same bytes for the same key.</summary>
    /// <exception cref="InvalidOperationException">A derived key: it means nothing without its metadata.</exception>
    public byte[] ExportSubjectPublicKeyInfo() =>
        _isDerived
            ? throw new InvalidOperationException("A key derived for one metadata value has no encoding; export the key it came from.")
            : RsaKeyEncoding.WriteSubjectPublicKeyInfo(_numbers.ExportModulus(), _numbers.ExportExponent());

    /// <summary>Blinds a prepared message with fresh randomness (RFC 9474 §4.2).</summary>
    /// <param name="variant">The variant.</param>
    /// <param name="preparedMessage">What <see cref="BlindRsaVariant.Prepare"/> gave.</param>
    /// <param name="blindedMessage">Exactly <see cref="ModulusSizeInBytes"/>: what the signer gets.</param>
    /// <returns>What turns the signer's answer into a signature. To be disposed.</returns>
    public BlindingState Blind(BlindRsaVariant variant, ReadOnlySpan<byte> preparedMessage, Span<byte> blindedMessage)
    {
        Span<byte> seed = stackalloc byte[SeedSizeInBytes];
        RandomNumberGenerator.Fill(seed);
        try
        {
            return Blind(variant, preparedMessage, seed, blindedMessage);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(seed);
        }
    }

    /// <summary>
    /// Blinds with salt and blinding factor derived from a seed, so that a wallet can make the same request again. A seed must never
    /// serve two different messages or keys: the two requests could then be linked.
    /// </summary>
    /// <param name="variant">The variant.</param>
    /// <param name="preparedMessage">What <see cref="BlindRsaVariant.Prepare"/> gave.</param>
    /// <param name="seed">32 bytes, uniformly random or derived.</param>
    /// <param name="blindedMessage">Exactly <see cref="ModulusSizeInBytes"/>.</param>
    public BlindingState Blind(
        BlindRsaVariant variant, ReadOnlySpan<byte> preparedMessage, ReadOnlySpan<byte> seed, Span<byte> blindedMessage)
    {
        ArgumentNullException.ThrowIfNull(variant);
        ArgumentOutOfRangeException.ThrowIfNotEqual(seed.Length, SeedSizeInBytes);

        Span<byte> salt = stackalloc byte[EmsaPss.HashSize];
        salt = salt[..variant.SaltSizeInBytes];
        Span<byte> factor = stackalloc byte[MaxModulusSize];
        factor = factor[..ModulusSizeInBytes];
        SeededBlinding.DeriveSalt(seed, salt);
        try
        {
            // A candidate at or above n is rejected, not reduced: reduction would favour small values. For any honest modulus no
            // candidate ever shares a factor with n; a key for which a hundred in a row fail is none.
            for (int candidate = 0; candidate < 100; candidate++)
            {
                SeededBlinding.DeriveFactor(seed, candidate, factor);
                if (TryBlind(preparedMessage, salt, factor, blindedMessage) is { } state)
                {
                    return state;
                }
            }

            throw new CryptographicException("No blinding factor is invertible: this is no RSA modulus.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(salt);
            CryptographicOperations.ZeroMemory(factor);
        }
    }

    /// <summary>Null when the factor is out of range or, like the message, shares a factor with n.</summary>
    internal BlindingState? TryBlind(
        ReadOnlySpan<byte> preparedMessage, ReadOnlySpan<byte> salt, ReadOnlySpan<byte> factor, Span<byte> blindedMessage)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(blindedMessage.Length, ModulusSizeInBytes);
        Span<byte> encoded = stackalloc byte[MaxModulusSize];
        encoded = encoded[..ModulusSizeInBytes];
        Span<byte> hash = stackalloc byte[EmsaPss.HashSize];
        HashMessage(preparedMessage, hash);
        EmsaPss.Encode(hash, salt, encoded);
        BlindingState? state = BlindingState.TryCreate(_numbers, encoded, factor, blindedMessage);
        CryptographicOperations.ZeroMemory(encoded);
        CryptographicOperations.ZeroMemory(hash);
        return state;
    }

    /// <summary>RSASSA-PSS-VERIFY (RFC 8017 §8.1.2). Allocates nothing.</summary>
    /// <param name="variant">The variant.</param>
    /// <param name="preparedMessage">The message as it was blinded.</param>
    /// <param name="signature">Any length; only <see cref="ModulusSizeInBytes"/> can be right.</param>
    public bool Verify(BlindRsaVariant variant, ReadOnlySpan<byte> preparedMessage, ReadOnlySpan<byte> signature) =>
        VerifyCore(variant, preparedMessage, signature, upToSign: false, salt: default);

    /// <summary>
    /// As <see cref="Verify"/>, but n − s passes wherever s does: what <see cref="BlindRsaBatchVerifier"/> says of a signature, said of one alone.
    /// </summary>
    /// <remarks>Whoever has one of the two has the other, so this lets nobody sign more messages. It does mean two signatures on one message.</remarks>
    /// <param name="variant">The variant.</param>
    /// <param name="preparedMessage">The message as it was blinded.</param>
    /// <param name="signature">Any length; only <see cref="ModulusSizeInBytes"/> can be right.</param>
    public bool VerifyUpToSign(BlindRsaVariant variant, ReadOnlySpan<byte> preparedMessage, ReadOnlySpan<byte> signature) =>
        VerifyCore(variant, preparedMessage, signature, upToSign: true, salt: default);

    /// <param name="variant">The variant.</param>
    /// <param name="preparedMessage">The message as it was blinded.</param>
    /// <param name="signature">Any length.</param>
    /// <param name="salt">As long as the variant's: gets the salt that the signature was made with, if it is one.</param>
    internal bool VerifyUpToSign(BlindRsaVariant variant, ReadOnlySpan<byte> preparedMessage, ReadOnlySpan<byte> signature, Span<byte> salt) =>
        VerifyCore(variant, preparedMessage, signature, upToSign: true, salt);

    /// <summary>EMSA-PSS of a message with a given salt.</summary>
    internal void Encode(ReadOnlySpan<byte> preparedMessage, ReadOnlySpan<byte> salt, Span<byte> encoded)
    {
        Span<byte> hash = stackalloc byte[EmsaPss.HashSize];
        HashMessage(preparedMessage, hash);
        EmsaPss.Encode(hash, salt, encoded);
    }

    /// <summary>The salt that <see cref="Blind(BlindRsaVariant, ReadOnlySpan{byte}, ReadOnlySpan{byte}, Span{byte})"/> takes from this seed.</summary>
    /// <remarks>Secret until the signature is shown; from then on whoever has the public key can compute it from the signature.</remarks>
    /// <param name="seed">32 bytes.</param>
    /// <param name="salt">As long as the variant's.</param>
    public static void DeriveSalt(ReadOnlySpan<byte> seed, Span<byte> salt)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(seed.Length, SeedSizeInBytes);
        SeededBlinding.DeriveSalt(seed, salt);
    }

    public void Dispose() => _numbers.Dispose();

    private bool VerifyCore(
        BlindRsaVariant variant, ReadOnlySpan<byte> preparedMessage, ReadOnlySpan<byte> signature, bool upToSign, Span<byte> salt)
    {
        ArgumentNullException.ThrowIfNull(variant);
        if (signature.Length != ModulusSizeInBytes)
        {
            return false;
        }

        Span<byte> encoded = stackalloc byte[MaxModulusSize];
        encoded = encoded[..ModulusSizeInBytes];
        using (_numbers.Use())
        {
            ThreadScratch scratch = ThreadScratch.Current;
            scratch.A.Read(signature);

            // No greatest common divisor here: a signature that shares a prime with n comes from somebody who can factor n.
            if (scratch.A.IsZero() || !scratch.A.IsBelow(_numbers.N))
            {
                return false;
            }

            _numbers.Power(scratch.B, scratch.A, scratch.Context);

            // An encoded message ends in bc, so it is even, and n minus it is odd: the parity tells which of the two this can be.
            if (upToSign && scratch.B.IsOdd())
            {
                LibCrypto.Check(LibCrypto.BN_sub(scratch.B, _numbers.N, scratch.B));
            }

            scratch.B.Write(encoded);
        }

        Span<byte> hash = stackalloc byte[EmsaPss.HashSize];
        HashMessage(preparedMessage, hash);
        if (!EmsaPss.Verify(hash, variant.SaltSizeInBytes, encoded))
        {
            return false;
        }

        EmsaPss.SaltOfVerified(encoded, salt.Length).CopyTo(salt);
        return true;
    }

    private void HashMessage(ReadOnlySpan<byte> preparedMessage, Span<byte> hash)
    {
        if (_messagePrefix.Length == 0)
        {
            ShortDigest.Sha384(preparedMessage, hash);
            return;
        }

        int length = _messagePrefix.Length + preparedMessage.Length;
        byte[]? rented = length > MaxStackMessage ? ArrayPool<byte>.Shared.Rent(length) : null;
        Span<byte> message = rented is null ? stackalloc byte[MaxStackMessage] : rented;
        message = message[..length];
        _messagePrefix.CopyTo(message);
        preparedMessage.CopyTo(message[_messagePrefix.Length..]);
        ShortDigest.Sha384(message, hash);
        CryptographicOperations.ZeroMemory(message);
        if (rented is not null)
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }
}
