using System.Security.Cryptography;

namespace Tacit.Tor.Control;

/// <summary>
/// Proof to tor that we can read its cookie file, and to us that it can, without either showing the cookie (control-spec, section 3.24): what sits at the
/// socket in tor's place learns nothing it could use.
/// </summary>
internal static class SafeCookie
{
    public const int CookieSizeInBytes = 32;

    public const int NonceSizeInBytes = 32;

    /// <summary>HMAC-SHA256: 32 bytes.</summary>
    public static byte[] ServerHash(ReadOnlySpan<byte> cookie, ReadOnlySpan<byte> clientNonce, ReadOnlySpan<byte> serverNonce) =>
        Hash("Tor safe cookie authentication server-to-controller hash"u8, cookie, clientNonce, serverNonce);

    /// <summary>HMAC-SHA256: 32 bytes.</summary>
    public static byte[] ClientHash(ReadOnlySpan<byte> cookie, ReadOnlySpan<byte> clientNonce, ReadOnlySpan<byte> serverNonce) =>
        Hash("Tor safe cookie authentication controller-to-server hash"u8, cookie, clientNonce, serverNonce);

    private static byte[] Hash(ReadOnlySpan<byte> label, ReadOnlySpan<byte> cookie, ReadOnlySpan<byte> clientNonce, ReadOnlySpan<byte> serverNonce)
    {
        using var mac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, label);
        mac.AppendData(cookie);
        mac.AppendData(clientNonce);
        mac.AppendData(serverNonce);
        return mac.GetHashAndReset();
    }
}
