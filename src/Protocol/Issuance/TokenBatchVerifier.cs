using Tacit.Crypto;

namespace Tacit.Protocol;

/// <summary>A 0xDA7A token and the salt that was sent beside it.</summary>
public readonly record struct SaltedToken(Token Token, ReadOnlyMemory<byte> Salt);

/// <summary>
/// Checks 0xDA7A tokens of one plan and period together, each with the outcome that <see cref="TokenPublicKey.Verify"/> gives it alone. Remembers
/// how many were false of late, and how many to check together follows from that. Safe for several threads; does not own the key.
/// </summary>
public sealed class TokenBatchVerifier
{
    /// <summary>Most tokens that are checked together.</summary>
    public const int MaxCount = BlindRsaBatchVerifier.MaxCount;

    private readonly TokenPublicKey _key;
    private readonly BlindRsaBatchVerifier _verifier;

    /// <exception cref="ArgumentException">The key is for tokens of another type.</exception>
    public TokenBatchVerifier(TokenPublicKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        _key = key;
        _verifier = new BlindRsaBatchVerifier(key.Key, BlindRsaVariant.DeterministicPss);
    }

    /// <summary>How many to check together now, from 1 to <see cref="MaxCount"/>; 1 while false ones are frequent.</summary>
    public int PreferredCount => _verifier.PreferredCount;

    /// <param name="tokens">At most <see cref="MaxCount"/>.</param>
    /// <param name="verdicts">As many.</param>
    public void Verify(ReadOnlySpan<SaltedToken> tokens, Span<BatchVerdict> verdicts)
    {
        SaltedSignature[] signatures = new SaltedSignature[tokens.Length];
        for (int i = 0; i < tokens.Length; i++)
        {
            ReadOnlyMemory<byte> encoded = tokens[i].Token.Encoded;
            signatures[i] = new SaltedSignature(
                encoded[..Token.InputSizeInBytes], _key.IsFor(tokens[i].Token) ? encoded[Token.InputSizeInBytes..] : default, tokens[i].Salt);
        }

        _verifier.Verify(signatures, verdicts);
    }
}
