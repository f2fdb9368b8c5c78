using System.Diagnostics.CodeAnalysis;

namespace Tacit.Protocol;

/// <summary>
/// The request header <c>Tacit-Pseudonym</c>: one or two PrivateToken credentials (RFC 9577, section 2.2.2) of one parameter each, with a comma between
/// them or in fields of their own.
/// </summary>
public static class PseudonymHeader
{
    /// <summary>One of each kind.</summary>
    public const int MaxTokens = 2;

    private const int MaxLength = 2 * 1024;

    /// <summary>The header's value.</summary>
    /// <param name="tokens">Encoded tokens, 354 bytes each.</param>
    public static string Format(IEnumerable<ReadOnlyMemory<byte>> tokens) =>
        string.Join(", ", tokens.Select(token => PrivateTokenHeader.FormatAuthorization(token.Span)));

    /// <summary>Reads all fields of the header. The tokens are still to be parsed.</summary>
    public static bool TryParse(IEnumerable<string?> values, [NotNullWhen(true)] out IReadOnlyList<byte[]>? tokens)
    {
        tokens = null;
        var read = new List<byte[]>(MaxTokens);
        foreach (string? value in values)
        {
            if (value is null || value.Length > MaxLength)
            {
                return false;
            }

            // base64url has no comma, and there is one parameter to each scheme.
            foreach (string part in value.Split(',', MaxTokens + 1))
            {
                if (read.Count == MaxTokens || !PrivateTokenHeader.TryParseAuthorization(part.Trim(), out PrivateTokenCredentials? credentials)
                    || credentials.Extensions is not null)
                {
                    return false;
                }

                read.Add(credentials.Token);
            }
        }

        tokens = read;
        return read.Count > 0;
    }
}
