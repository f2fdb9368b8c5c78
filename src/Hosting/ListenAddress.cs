using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Tacit.Hosting;

/// <summary>
/// Where a server listens: <c>127.0.0.1:8225</c>, <c>[::1]:8225</c> or <c>unix:/path/to.sock</c>. Port 0 takes a free port.
/// An address is numeric: a host name would be looked up, and could lead elsewhere. Or <c>systemd</c>, the socket that came with the process, and
/// <c>systemd:NAME</c>, the one of that name (FileDescriptorName=) among several; end point or path are then those of that socket.
/// </summary>
[JsonConverter(typeof(JsonForm))]
public sealed record ListenAddress
{
    private readonly string? _passed;

    private ListenAddress(IPEndPoint? endPoint, string? socketPath)
    {
        EndPoint = endPoint;
        SocketPath = socketPath;
    }

    private ListenAddress(string text, PassedSocket? passed)
    {
        _passed = text;
        Descriptor = passed?.Descriptor;
        SocketPath = passed?.EndPoint is UnixDomainSocketEndPoint unix ? unix.ToString() : null;
        EndPoint = SocketPath is null ? passed?.EndPoint as IPEndPoint ?? new IPEndPoint(IPAddress.Loopback, 0) : null;
    }

    public IPEndPoint? EndPoint { get; }

    public string? SocketPath { get; }

    [MemberNotNullWhen(true, nameof(SocketPath))]
    [MemberNotNullWhen(false, nameof(EndPoint))]
    public bool IsUnixSocket => SocketPath is not null;

    public bool IsLoopback => IsUnixSocket || IPAddress.IsLoopback(EndPoint.Address);

    /// <summary>The descriptor of a socket that was passed and listens there.</summary>
    internal int? Descriptor { get; }

    /// <summary>Whether a passed socket is meant and there is none. Settings may be checked all the same; a server can't start.</summary>
    internal bool IsMissing => _passed is not null && Descriptor is null;

    public static ListenAddress Loopback(int port) => new(new IPEndPoint(IPAddress.Loopback, port), null);

    public static ListenAddress UnixSocket(string path) => new(null, Path.GetFullPath(path));

    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out ListenAddress? address)
    {
        address = null;
        if (text is null)
        {
            return false;
        }
        if (text.StartsWith("unix:", StringComparison.Ordinal))
        {
            address = text.Length > 5 ? UnixSocket(text[5..]) : null;
        }
        else if (text is Passed || (text.StartsWith(Passed + ":", StringComparison.Ordinal) && text.Length > Passed.Length + 1))
        {
            address = new ListenAddress(text, PassedSocket.Find(text.Length > Passed.Length ? text[(Passed.Length + 1)..] : null, Environment.GetEnvironmentVariable));
        }
        else if (text.StartsWith("localhost:", StringComparison.OrdinalIgnoreCase))
        {
            address = ushort.TryParse(text.AsSpan(10), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port) ? Loopback(port) : null;
        }
        // IPEndPoint takes an address without a port, and then means port 0; here a port has to be written.
        else if (text.LastIndexOf(':') > text.LastIndexOf(']') && text.LastIndexOf(':') > 0
            && IPEndPoint.TryParse(text, out IPEndPoint? endPoint)
            && (endPoint.AddressFamily == AddressFamily.InterNetwork || text[0] == '['))
        {
            address = new ListenAddress(endPoint, null);
        }
        return address is not null;
    }

    /// <exception cref="FormatException">Neither form.</exception>
    public static ListenAddress Parse(string text) => TryParse(text, out ListenAddress? address) ? address : throw new FormatException(Malformed);

    internal const string Malformed = "An address to listen on is written 127.0.0.1:8225, [::1]:8225, unix:/path/to.sock or systemd.";

    private const string Passed = "systemd";

    public override string ToString() => _passed ?? (IsUnixSocket ? "unix:" + SocketPath : EndPoint.ToString());

    /// <summary>Its text form in settings.</summary>
    public sealed class JsonForm : JsonConverter<ListenAddress>
    {
        public override ListenAddress Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            reader.TokenType == JsonTokenType.String && TryParse(reader.GetString(), out ListenAddress? address)
                ? address
                : throw new JsonException(Malformed);

        public override void Write(Utf8JsonWriter writer, ListenAddress value, JsonSerializerOptions options) =>
            writer.WriteStringValue(value.ToString());
    }
}
