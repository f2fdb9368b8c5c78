using System.Security.Cryptography;
using Tacit.Gateway.Admission;

namespace Tacit.Gateway.Replies;

/// <summary>
/// Tells the lines of one request from those of others in a log at debug level: 64 bits of HMAC-SHA-256 over the spend id, under a key that this process drew at its
/// start and never shows. Nobody who has a token, the database or another log can find its lines, and after a restart nobody at all.
/// </summary>
internal static class CorrelationId
{
    private const int SizeInBytes = 8;

    private static readonly byte[] s_key = RandomNumberGenerator.GetBytes(HMACSHA256.HashSizeInBytes);

    public static string Of(SpendId id) => Convert.ToHexStringLower(HMACSHA256.HashData(s_key, id.ToArray()).AsSpan(0, SizeInBytes));
}
