using System.Security.Cryptography;

namespace Tacit.Protocol;

/// <summary>
/// The nonce of a transient pseudonym commits to the one that may take its place: SHA-256(label ‖ nonce of the rotated one ‖ opening). Whoever sees the pseudonym
/// learns nothing of it, and whoever steals it can name no successor but the owner's, whatever accounts the thief has (ADR "Pseudonyms").
/// </summary>
public static class PseudonymNonce
{
    /// <summary>32 uniform bytes, known to the owner alone until the rotation.</summary>
    public const int OpeningSizeInBytes = 32;

    private static ReadOnlySpan<byte> Label => "tacit pseudonym 1"u8;

    /// <param name="rotatedNonce">32 bytes, the nonce of the pseudonym under the rotated key of the same epoch.</param>
    /// <param name="opening">32 bytes.</param>
    /// <param name="nonce">Receives 32 bytes.</param>
    public static void Commit(ReadOnlySpan<byte> rotatedNonce, ReadOnlySpan<byte> opening, Span<byte> nonce)
    {
        if (rotatedNonce.Length != Token.NonceSizeInBytes || opening.Length != OpeningSizeInBytes)
        {
            throw new ArgumentException("A nonce and an opening have 32 bytes.");
        }

        Span<byte> input = stackalloc byte[Label.Length + Token.NonceSizeInBytes + OpeningSizeInBytes];
        Label.CopyTo(input);
        rotatedNonce.CopyTo(input[Label.Length..]);
        opening.CopyTo(input[(Label.Length + Token.NonceSizeInBytes)..]);
        SHA256.HashData(input, nonce);
    }

    /// <summary>Whether <paramref name="old"/> was made with <paramref name="rotated"/> in mind.</summary>
    public static bool Opens(Token old, Token rotated, ReadOnlySpan<byte> opening)
    {
        ArgumentNullException.ThrowIfNull(old);
        ArgumentNullException.ThrowIfNull(rotated);
        if (opening.Length != OpeningSizeInBytes)
        {
            return false;
        }

        Span<byte> nonce = stackalloc byte[Token.NonceSizeInBytes];
        Commit(rotated.Nonce, opening, nonce);
        return CryptographicOperations.FixedTimeEquals(nonce, old.Nonce);
    }
}
