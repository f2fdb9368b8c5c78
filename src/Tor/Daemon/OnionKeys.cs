using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Tacit.Tor.Daemon;

/// <summary>Keys in commands. They are made and kept here, so that tor never has to send one back, and they stand in bytes that are overwritten, in no string.</summary>
internal static class OnionKeys
{
    public const int ClientKeySizeInBytes = 32;

    /// <summary>
    /// A new expanded Ed25519 key: SHA-512 of a random seed, the first half clamped (RFC 8032, section 5.1.5), which is the form tor takes (control-spec, section 3.27).
    /// </summary>
    public static byte[] Create()
    {
        Span<byte> seed = stackalloc byte[32];
        RandomNumberGenerator.Fill(seed);
        byte[] key = SHA512.HashData(seed);
        CryptographicOperations.ZeroMemory(seed);
        key[0] &= 248;
        key[31] &= 63;
        key[31] |= 64;
        return key;
    }

    /// <summary>Whether the scalar is clamped; tor would take another and derive an address nobody meant.</summary>
    public static bool IsKey(ReadOnlySpan<byte> key) =>
        key.Length == OnionServiceOptions.PrivateKeySizeInBytes && (key[0] & 7) == 0 && (key[31] & 192) == 64;

    /// <summary>A command line with a key in base64 between two texts, CRLF included. The caller overwrites it.</summary>
    public static byte[] Command(string before, ReadOnlySpan<byte> key, string after)
    {
        byte[] command = new byte[before.Length + Base64.GetMaxEncodedToUtf8Length(key.Length) + after.Length + 2];
        int at = Encoding.ASCII.GetBytes(before, command);
        Base64.EncodeToUtf8(key, command.AsSpan(at), out _, out int written);
        at += written;
        at += Encoding.ASCII.GetBytes(after, command.AsSpan(at));
        "\r\n"u8.CopyTo(command.AsSpan(at));
        return command;
    }

    /// <summary>
    /// Whether that is an X25519 public key in base32: 52 characters, the last of which holds one bit. All zeros is none; tor takes it, and then never has a descriptor.
    /// </summary>
    public static bool IsClientName(string key) =>
        key.Length == 52 && key.All(c => char.IsAsciiLetter(c) || c is >= '2' and <= '7') && key[^1] is ('A' or 'a' or 'Q' or 'q') && key.Any(c => c is not ('A' or 'a'));

    /// <summary>The address without <c>.onion</c> in lower case, if it has the form of one (rend-spec-v3, section 6); tor checks the checksum.</summary>
    public static string? ServiceId(string onionAddress)
    {
        const string Suffix = ".onion";
        string address = onionAddress.ToLowerInvariant();
        return address.Length == 56 + Suffix.Length && address.EndsWith(Suffix, StringComparison.Ordinal)
            && address[..56].All(c => char.IsAsciiLetterLower(c) || c is >= '2' and <= '7') ? address[..56] : null;
    }
}
