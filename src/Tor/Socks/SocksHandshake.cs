using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Tacit.Tor.Socks;

/// <summary>The messages of SOCKS5 (RFC 1928) with user name and password (RFC 1929), and Tor's further replies (tor(1), ExtendedErrors). Does no I/O.</summary>
internal static class SocksHandshake
{
    /// <summary>Most bytes of a host name in a request: its length is one byte.</summary>
    public const int MaxHostBytes = 255;

    /// <summary>Bytes of <see cref="MethodReply"/> and <see cref="AuthenticationReply"/>.</summary>
    public const int ShortReplySizeInBytes = 2;

    /// <summary>Bytes of a reply up to and including the first byte of its address, which tells how many follow.</summary>
    public const int ReplyHeadSizeInBytes = 5;

    private const byte Version = 5;
    private const byte UserNameAndPassword = 2;
    private const byte AuthenticationVersion = 1;

    /// <summary>
    /// Method selection: user name and password, and nothing else. A proxy that would also take us without would put all conversations on one circuit.
    /// </summary>
    public static ReadOnlySpan<byte> Greeting => [Version, 1, UserNameAndPassword];

    /// <summary>RFC 1929, section 2. Both are 1 to 255 ASCII characters.</summary>
    public static byte[] Authentication(string userName, string password) =>
        [AuthenticationVersion, (byte)userName.Length, .. Encoding.ASCII.GetBytes(userName), (byte)password.Length, .. Encoding.ASCII.GetBytes(password)];

    /// <summary>CONNECT (RFC 1928, section 4): an IP literal as such, everything else as a name, which the exit looks up.</summary>
    /// <returns>Null if <paramref name="host"/> is no host or <paramref name="port"/> no port.</returns>
    public static byte[]? Connect(string host, int port)
    {
        if (port is < 1 or > 65535)
        {
            return null;
        }
        byte[] address;
        string literal = host.StartsWith('[') && host.EndsWith(']') ? host[1..^1] : host;
        if (IsLiteral(literal, out IPAddress? ip))
        {
            address = [ip.AddressFamily == AddressFamily.InterNetwork ? (byte)1 : (byte)4, .. ip.GetAddressBytes()];
        }
        else if (IsName(host))
        {
            address = [3, (byte)host.Length, .. Encoding.ASCII.GetBytes(host)];
        }
        else
        {
            return null;
        }
        byte[] request = [Version, 1, 0, .. address, 0, 0];
        BinaryPrimitives.WriteUInt16BigEndian(request.AsSpan(request.Length - 2), (ushort)port);
        return request;
    }

    /// <summary>Whether the proxy took user name and password as the method.</summary>
    public static bool MethodReply(ReadOnlySpan<byte> reply) => reply is [Version, UserNameAndPassword];

    public static bool AuthenticationReply(ReadOnlySpan<byte> reply) => reply is [AuthenticationVersion, 0];

    /// <summary>How many bytes follow the head of a reply: the rest of address and port. -1 if it is no reply.</summary>
    public static int RestOfReply(ReadOnlySpan<byte> head) => head switch
    {
        [Version, _, 0, 1, _] => 3 + 2,
        [Version, _, 0, 4, _] => 15 + 2,
        [Version, _, 0, 3, byte length] => length + 2,
        _ => -1,
    };

    /// <summary>What a reply code means; null for success.</summary>
    public static TorError? ErrorOf(byte code) => code switch
    {
        0x00 => null,
        0x04 => TorError.HostUnreachable,
        0x05 => TorError.ConnectionRefused,
        0x06 => TorError.TimedOut,
        0xF0 => TorError.OnionNotFound,
        0xF1 => TorError.OnionInvalid,
        0xF2 => TorError.OnionUnreachable,
        0xF3 => TorError.OnionRendezvousFailed,
        0xF4 => TorError.OnionAuthRequired,
        0xF5 => TorError.OnionAuthWrong,
        0xF6 => TorError.OnionAddressInvalid,
        0xF7 => TorError.OnionTimedOut,
        _ => TorError.ConnectionFailed,
    };

    private static bool IsLiteral(string host, out IPAddress address)
    {
        // Only whole literals: the parser also takes "1" and "0x7f.1", which are names here, and scopes, which mean something on this machine alone.
        bool isLiteral = IPAddress.TryParse(host, out IPAddress? parsed)
            && (parsed.AddressFamily == AddressFamily.InterNetworkV6 ? !host.Contains('%', StringComparison.Ordinal) : parsed.ToString() == host);
        address = isLiteral ? parsed! : IPAddress.None;
        return isLiteral;
    }

    private static bool IsName(string host) =>
        host.Length is > 0 and <= MaxHostBytes && host.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_');
}
