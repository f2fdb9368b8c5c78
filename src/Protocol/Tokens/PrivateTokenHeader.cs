using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;

namespace Tacit.Protocol;

/// <summary>
/// What an Authorization header of the scheme PrivateToken carries: the bytes of a token, still to be parsed, and of its extensions.
/// </summary>
public sealed record PrivateTokenCredentials(byte[] Token, byte[]? Extensions)
{
    /// <summary>
    /// The PSS salt that a 0xDA7A token is said to be made with, or null. Tacit's own parameter: it makes many tokens cheap to check together and
    /// decides about none.
    /// </summary>
    public byte[]? Salt { get; init; }

    /// <summary>Says nothing of what it holds.</summary>
    public override string ToString() => "[scrubbed]";
}

/// <summary>One PrivateToken challenge of a WWW-Authenticate header.</summary>
public sealed record PrivateTokenChallenge
{
    /// <summary>The bytes of the TokenChallenge, of whatever token type: a token is bound to exactly these.</summary>
    public required byte[] ChallengeBytes { get; init; }

    /// <summary>The challenge, or null if its type is none of ours or it cannot be read: such a one is passed over (RFC 9577, section 2.1).</summary>
    public TokenChallenge? Challenge { get; init; }

    /// <summary>The issuer's public key, or null. Tacit's wallet takes keys from the directory only.</summary>
    public byte[]? TokenKey { get; init; }

    /// <summary>For how many seconds the origin takes the challenge, or null.</summary>
    public long? MaxAge { get; init; }
}

/// <summary>The PrivateToken authentication scheme (RFC 9577; <c>extensions</c> by draft-ietf-privacypass-auth-scheme-extensions).</summary>
public static class PrivateTokenHeader
{
    public const string Scheme = "PrivateToken";

    /// <summary>The longest header value that is read, in characters.</summary>
    public const int MaxLength = 64 * 1024;

    private const int MaxChallenges = 32;
    private const int MaxTokenBytes = 4096;
    private const int MaxChallengeBytes = 2048;
    private const int MaxTokenKeyBytes = 4096;

    /// <summary>
    /// Reads an Authorization header value. Unknown parameters are ignored, a repeated token or extensions are refused; a salt that cannot be read, or
    /// stands there twice, is as good as none.
    /// </summary>
    public static bool TryParseAuthorization(string? value, [NotNullWhen(true)] out PrivateTokenCredentials? credentials)
    {
        credentials = null;
        if (!IsReadable(value))
        {
            return false;
        }

        ChallengeScanner scanner = new(value);
        byte[]? token = null;
        byte[]? extensions = null;
        byte[]? salt = null;
        bool hasSalt = false;
        if (scanner.Read() != ScannedPart.Scheme || !scanner.Name.Equals(Scheme, StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }

        while (true)
        {
            switch (scanner.Read())
            {
                case ScannedPart.Parameter when scanner.Name.Equals("token", StringComparison.OrdinalIgnoreCase):
                    if (token is not null || !scanner.TryDecodeValue(MaxTokenBytes, out token))
                    {
                        return false;
                    }

                    break;
                case ScannedPart.Parameter when scanner.Name.Equals("extensions", StringComparison.OrdinalIgnoreCase):
                    if (extensions is not null || !scanner.TryDecodeValue(TokenExtensions.MaxSizeInBytes, out extensions))
                    {
                        return false;
                    }

                    break;
                case ScannedPart.Parameter when scanner.Name.Equals("salt", StringComparison.OrdinalIgnoreCase):
                    if (hasSalt || !scanner.TryDecodeValue(TokenTypes.SaltSizeInBytes, out salt) || salt.Length != TokenTypes.SaltSizeInBytes)
                    {
                        salt = null;
                    }

                    hasSalt = true;
                    break;
                case ScannedPart.Parameter:
                    break;
                case ScannedPart.End when token is not null:
                    credentials = new PrivateTokenCredentials(token, extensions) { Salt = salt };
                    return true;
                default:
                    // A second scheme has no place in Authorization (RFC 9110, section 11.6.2).
                    return false;
            }
        }
    }

    /// <summary>
    /// The Authorization header value for a token and, for 0xDA7A, its encoded extensions and its salt; quoted and padded as RFC 9577 asks.
    /// </summary>
    public static string FormatAuthorization(ReadOnlySpan<byte> token, ReadOnlySpan<byte> extensions = default, ReadOnlySpan<byte> salt = default)
    {
        string text = $"{Scheme} token=\"{Base64UrlText.EncodePadded(token)}\"";
        text = extensions.IsEmpty ? text : $"{text}, extensions=\"{Base64UrlText.EncodePadded(extensions)}\"";
        return salt.IsEmpty ? text : $"{text}, salt=\"{Base64UrlText.EncodePadded(salt)}\"";
    }

    /// <summary>
    /// Reads the PrivateToken challenges of one WWW-Authenticate value, in order. Other schemes are passed over, and so is a PrivateToken
    /// challenge without a readable <c>challenge</c>. False if the value does not follow the grammar of RFC 9110, section 11.6.1.
    /// </summary>
    public static bool TryParseChallenges(string? value, out IReadOnlyList<PrivateTokenChallenge> challenges)
    {
        challenges = [];
        if (!IsReadable(value))
        {
            return false;
        }

        List<PrivateTokenChallenge> found = [];
        ChallengeScanner scanner = new(value);
        ChallengeParts? current = null;
        while (true)
        {
            switch (scanner.Read())
            {
                case ScannedPart.Scheme:
                    current?.AddTo(found);
                    current = scanner.Name.Equals(Scheme, StringComparison.OrdinalIgnoreCase) ? new ChallengeParts() : null;
                    break;
                case ScannedPart.Token68:
                    current = null;
                    break;
                case ScannedPart.Parameter:
                    current?.Take(ref scanner);
                    break;
                case ScannedPart.End:
                    current?.AddTo(found);
                    challenges = found;
                    return true;
                default:
                    return false;
            }

            if (found.Count > MaxChallenges)
            {
                return false;
            }
        }
    }

    /// <summary>Reads several WWW-Authenticate values; a value that cannot be read adds nothing.</summary>
    public static IReadOnlyList<PrivateTokenChallenge> ParseChallenges(IEnumerable<string?> values)
    {
        List<PrivateTokenChallenge> all = [];
        foreach (string? value in values)
        {
            if (all.Count < MaxChallenges && TryParseChallenges(value, out IReadOnlyList<PrivateTokenChallenge> some))
            {
                all.AddRange(some);
            }
        }

        return all;
    }

    /// <summary>One WWW-Authenticate value with these challenges.</summary>
    public static string FormatChallenges(IEnumerable<PrivateTokenChallenge> challenges)
    {
        StringBuilder text = new();
        foreach (PrivateTokenChallenge challenge in challenges)
        {
            text.Append(text.Length == 0 ? "" : ", ").Append(Scheme);
            text.Append(" challenge=\"").Append(Base64UrlText.EncodePadded(challenge.ChallengeBytes)).Append('"');
            if (challenge.TokenKey is not null)
            {
                text.Append(", token-key=\"").Append(Base64UrlText.EncodePadded(challenge.TokenKey)).Append('"');
            }

            if (challenge.MaxAge is long maxAge)
            {
                text.Append(", max-age=").Append(maxAge.ToString(CultureInfo.InvariantCulture));
            }
        }

        return text.ToString();
    }

    /// <summary>The challenge of <paramref name="challenge"/> with the issuer's key beside it.</summary>
    public static string FormatChallenge(TokenChallenge challenge, ReadOnlySpan<byte> tokenKey = default) =>
        FormatChallenges([new PrivateTokenChallenge
        {
            ChallengeBytes = challenge.Encode(),
            Challenge = challenge,
            TokenKey = tokenKey.IsEmpty ? null : tokenKey.ToArray(),
        }]);

    private static bool IsReadable([NotNullWhen(true)] string? value) => value is { Length: > 0 and <= MaxLength };

    private sealed class ChallengeParts
    {
        private byte[]? _challenge;
        private byte[]? _tokenKey;
        private long? _maxAge;
        private bool _broken;

        public void Take(ref ChallengeScanner scanner)
        {
            if (scanner.Name.Equals("challenge", StringComparison.OrdinalIgnoreCase))
            {
                _broken |= _challenge is not null || !scanner.TryDecodeValue(MaxChallengeBytes, out _challenge);
            }
            else if (scanner.Name.Equals("token-key", StringComparison.OrdinalIgnoreCase))
            {
                _broken |= _tokenKey is not null || !scanner.TryDecodeValue(MaxTokenKeyBytes, out _tokenKey);
            }
            else if (scanner.Name.Equals("max-age", StringComparison.OrdinalIgnoreCase))
            {
                _broken |= _maxAge is not null;
                if (long.TryParse(scanner.ReadValue(), NumberStyles.None, CultureInfo.InvariantCulture, out long seconds))
                {
                    _maxAge = seconds;
                }
                else
                {
                    _broken = true;
                }
            }
        }

        public void AddTo(List<PrivateTokenChallenge> found)
        {
            if (_challenge is not null && !_broken)
            {
                _ = TokenChallenge.TryParse(_challenge, out TokenChallenge? challenge);
                found.Add(new PrivateTokenChallenge
                {
                    ChallengeBytes = _challenge, Challenge = challenge, TokenKey = _tokenKey, MaxAge = _maxAge,
                });
            }
        }
    }
}
