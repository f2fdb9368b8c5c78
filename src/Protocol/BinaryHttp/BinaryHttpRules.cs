using System.Buffers;

namespace Tacit.Protocol;

/// <summary>Which bytes may stand where (RFC 9292, sections 3.4 and 3.6, and the sections of HTTP and HTTP/2 they point to). The same for reader and writer.</summary>
internal static class BinaryHttpRules
{
    private static readonly SearchValues<byte> s_token =
        SearchValues.Create("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);

    private static readonly SearchValues<byte> s_scheme = SearchValues.Create("+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);

    private static readonly SearchValues<byte> s_notInValue = SearchValues.Create(0, (byte)'\r', (byte)'\n');

    public static bool IsMethod(ReadOnlySpan<byte> value) => IsToken(value);

    public static bool IsScheme(ReadOnlySpan<byte> value) =>
        !value.IsEmpty && char.IsAsciiLetter((char)value[0]) && !value.ContainsAnyExcept(s_scheme);

    public static bool IsAuthority(ReadOnlySpan<byte> value) => !value.ContainsAnyExceptInRange((byte)'!', (byte)'~');

    /// <summary>RFC 9113, section 8.3.1: never empty for http and https, and an asterisk for OPTIONS alone.</summary>
    public static bool IsPath(ReadOnlySpan<byte> value) =>
        (value.StartsWith("/"u8) || value.SequenceEqual("*"u8)) && !value.ContainsAnyExceptInRange((byte)'!', (byte)'~');

    public static bool IsName(ReadOnlySpan<byte> value) => IsToken(value);

    /// <summary>A pseudo-field of some extension; those that the control data replaces are none (RFC 9292, section 3.6).</summary>
    public static bool IsPseudoName(ReadOnlySpan<byte> value) =>
        value.StartsWith(":"u8) && IsToken(value[1..])
        && !(value.SequenceEqual(":method"u8) || value.SequenceEqual(":scheme"u8) || value.SequenceEqual(":authority"u8)
            || value.SequenceEqual(":path"u8) || value.SequenceEqual(":status"u8));

    /// <summary>RFC 9113, section 8.2.1.</summary>
    public static bool IsValue(ReadOnlySpan<byte> value) =>
        value.IsEmpty || (!value.ContainsAny(s_notInValue) && !IsBlank(value[0]) && !IsBlank(value[^1]));

    private static bool IsToken(ReadOnlySpan<byte> value) => !value.IsEmpty && !value.ContainsAnyExcept(s_token);

    private static bool IsBlank(byte value) => value is (byte)' ' or (byte)'\t';
}
