using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Tacit.Crypto;

namespace Tacit.Protocol;

/// <summary>
/// A finished token (RFC 9577, section 2.2): 2 bytes type, 32 nonce, 32 challenge digest, 32 token key id, 256 authenticator. Whoever has it
/// can spend it: it prints as <c>[scrubbed]</c> and is wiped on dispose.
/// </summary>
public sealed class Token : IDisposable
{
    public const int NonceSizeInBytes = 32;
    public const int DigestSizeInBytes = 32;
    public const int KeyIdSizeInBytes = 32;

    /// <summary>98: what the authenticator signs.</summary>
    public const int InputSizeInBytes = 2 + NonceSizeInBytes + DigestSizeInBytes + KeyIdSizeInBytes;

    public const int AuthenticatorSizeInBytes = TokenTypes.ModulusSizeInBytes;

    /// <summary>354.</summary>
    public const int SizeInBytes = InputSizeInBytes + AuthenticatorSizeInBytes;

    public const int SpendIdSizeInBytes = SHA256.HashSizeInBytes;

    private readonly byte[] _bytes;

    private Token(byte[] bytes) => _bytes = bytes;

    public TokenType Type => (TokenType)BinaryPrimitives.ReadUInt16BigEndian(_bytes);

    public ReadOnlySpan<byte> Nonce => _bytes.AsSpan(2, NonceSizeInBytes);

    public ReadOnlySpan<byte> ChallengeDigest => _bytes.AsSpan(34, DigestSizeInBytes);

    public ReadOnlySpan<byte> TokenKeyId => _bytes.AsSpan(66, KeyIdSizeInBytes);

    public ReadOnlySpan<byte> Authenticator => _bytes.AsSpan(InputSizeInBytes);

    /// <summary>The first 98 bytes: what the authenticator signs.</summary>
    public ReadOnlySpan<byte> TokenInput => _bytes.AsSpan(0, InputSizeInBytes);

    /// <summary>All 354 bytes, without a copy.</summary>
    public ReadOnlyMemory<byte> Encoded => _bytes;

    public static bool TryParse(ReadOnlySpan<byte> encoded, [NotNullWhen(true)] out Token? token)
    {
        token = null;
        if (encoded.Length != SizeInBytes || !TokenTypes.IsKnown((TokenType)BinaryPrimitives.ReadUInt16BigEndian(encoded)))
        {
            return false;
        }

        token = new Token(encoded.ToArray());
        return true;
    }

    /// <summary>Joins a 98-byte token input and its 256-byte authenticator.</summary>
    public static Token Create(ReadOnlySpan<byte> tokenInput, ReadOnlySpan<byte> authenticator)
    {
        if (tokenInput.Length != InputSizeInBytes || authenticator.Length != AuthenticatorSizeInBytes)
        {
            throw new ArgumentException("A token is an input of 98 bytes and an authenticator of 256.");
        }

        byte[] bytes = new byte[SizeInBytes];
        tokenInput.CopyTo(bytes);
        authenticator.CopyTo(bytes.AsSpan(InputSizeInBytes));
        return TryParse(bytes, out Token? token) ? token : throw new ArgumentException("Unknown token type.", nameof(tokenInput));
    }

    /// <summary>Writes the 98 bytes that a token of these parts will be signed over (RFC 9577, section 2.2.3).</summary>
    public static void WriteInput(
        TokenType type, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> challengeDigest, ReadOnlySpan<byte> tokenKeyId, Span<byte> tokenInput)
    {
        if (nonce.Length != NonceSizeInBytes || challengeDigest.Length != DigestSizeInBytes || tokenKeyId.Length != KeyIdSizeInBytes
            || tokenInput.Length != InputSizeInBytes)
        {
            throw new ArgumentException("Nonce, challenge digest and key id have 32 bytes each, the input has 98.");
        }

        WireWriter writer = new(tokenInput);
        writer.WriteUInt16((ushort)type);
        writer.WriteBytes(nonce);
        writer.WriteBytes(challengeDigest);
        writer.WriteBytes(tokenKeyId);
    }

    public byte[] Encode() => [.. _bytes];

    /// <summary>
    /// The name under which this token is spent: SHA-256(token input ‖ extensions). Without the authenticator, so that two signatures on one
    /// input are one token (law 2).
    /// </summary>
    /// <param name="extensions">The encoded Extensions, at most <see cref="TokenExtensions.MaxSizeInBytes"/>; empty for 0x0002.</param>
    /// <param name="spendId">32 bytes.</param>
    public void SpendId(ReadOnlySpan<byte> extensions, Span<byte> spendId)
    {
        if (extensions.Length > TokenExtensions.MaxSizeInBytes)
        {
            throw new ArgumentException($"Extensions have at most {TokenExtensions.MaxSizeInBytes} bytes.", nameof(extensions));
        }

        // In one call: a hash object costs more than this hash.
        Span<byte> input = stackalloc byte[InputSizeInBytes + extensions.Length];
        TokenInput.CopyTo(input);
        extensions.CopyTo(input[InputSizeInBytes..]);
        ShortDigest.Sha256(input, spendId);
    }

    public void Dispose() => CryptographicOperations.ZeroMemory(_bytes);

    /// <summary>Says nothing of what it holds.</summary>
    public override string ToString() => "[scrubbed]";
}
