using System.Net.Sockets;
using Tacit.Tor.Socks;

namespace Tacit.Tor;

/// <summary>
/// Makes connections through Tor's SOCKS port. Names go to Tor as they are: nothing is looked up here. Needs no more than the SOCKS address, so it
/// also serves a Tor that somebody else runs.
/// </summary>
public sealed class TorConnector
{
    private readonly Func<SocksAddress> _address;

    internal TorConnector(Func<SocksAddress> address) => _address = address;

    /// <summary>The SOCKS port, as <c>unix:/path</c> or <c>host:port</c>.</summary>
    public string SocksAddress => _address().ToString();

    /// <summary>Connects to a host by name or IP literal, on a circuit that is shared with connections of the same isolation only.</summary>
    /// <param name="host">A host name, an <c>….onion</c> address, or an IP literal (of IPv6 with or without brackets).</param>
    /// <param name="port">1 to 65535.</param>
    /// <returns>The connection; closing it closes that through Tor.</returns>
    /// <exception cref="TorException"><see cref="TorError.SocksUnreachable"/>, or what the SOCKS reply says, one of the members from <see cref="TorError.ConnectionFailed"/> on.</exception>
    /// <exception cref="ArgumentException">No host or port.</exception>
    public async ValueTask<Stream> ConnectAsync(string host, int port, TorIsolation isolation, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(host);
        ArgumentNullException.ThrowIfNull(isolation);
        byte[] request = SocksHandshake.Connect(host, port) ?? throw new ArgumentException("This is no host and port that SOCKS can carry.", nameof(host));
        SocksAddress address = _address();
        Socket socket = new(address.EndPoint.AddressFamily, SocketType.Stream, address.EndPoint is UnixDomainSocketEndPoint ? ProtocolType.Unspecified : ProtocolType.Tcp);
        try
        {
            await OpenAsync(socket, address, cancellationToken);
            byte code = await ShakeHandsAsync(socket, address, request, isolation, cancellationToken);
            if (SocksHandshake.ErrorOf(code) is { } error)
            {
                throw Refused(error, host);
            }
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static async ValueTask OpenAsync(Socket socket, SocksAddress address, CancellationToken cancellationToken)
    {
        try
        {
            await socket.ConnectAsync(address.EndPoint, cancellationToken);
            if (socket.ProtocolType == ProtocolType.Tcp)
            {
                socket.NoDelay = true;
            }
        }
        catch (SocketException e)
        {
            throw new TorException(
                TorError.SocksUnreachable, $"Nothing answers at Tor's SOCKS address {address}. If that Tor is run by somebody else (setting Tor:Socks), start it.", e);
        }
    }

    private static async ValueTask<byte> ShakeHandsAsync(
        Socket socket, SocksAddress address, byte[] request, TorIsolation isolation, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[SocksHandshake.ReplyHeadSizeInBytes + SocksHandshake.MaxHostBytes + 2];
        try
        {
            // One step after the other: a proxy that does not take the credentials must not get to see the host.
            await SendAsync(socket, SocksHandshake.Greeting.ToArray(), cancellationToken);
            Memory<byte> reply = buffer.AsMemory(0, SocksHandshake.ShortReplySizeInBytes);
            await ReceiveAsync(socket, reply, cancellationToken);
            if (!SocksHandshake.MethodReply(reply.Span))
            {
                throw NotSocks(address, "does not take a user name, by which Tor keeps conversations apart");
            }
            await SendAsync(socket, SocksHandshake.Authentication(isolation.UserName, isolation.Password), cancellationToken);
            await ReceiveAsync(socket, reply, cancellationToken);
            if (!SocksHandshake.AuthenticationReply(reply.Span))
            {
                throw NotSocks(address, "refuses user names it does not know: it is no Tor");
            }
            await SendAsync(socket, request, cancellationToken);
            Memory<byte> head = buffer.AsMemory(0, SocksHandshake.ReplyHeadSizeInBytes);
            await ReceiveAsync(socket, head, cancellationToken);
            byte code = head.Span[1];
            int rest = SocksHandshake.RestOfReply(head.Span);
            if (rest < 0)
            {
                throw NotSocks(address, "does not answer as a SOCKS5 proxy does");
            }
            if (code == 0)
            {
                await ReceiveAsync(socket, buffer.AsMemory(0, rest), cancellationToken);
            }
            return code;
        }
        catch (SocketException e)
        {
            throw Broken(address, e);
        }
        catch (EndOfStreamException e)
        {
            throw Broken(address, e);
        }
    }

    private static async ValueTask SendAsync(Socket socket, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await socket.SendAsync(bytes, cancellationToken)..];
        }
    }

    private static async ValueTask ReceiveAsync(Socket socket, Memory<byte> bytes, CancellationToken cancellationToken)
    {
        while (!bytes.IsEmpty)
        {
            int received = await socket.ReceiveAsync(bytes, cancellationToken);
            if (received == 0)
            {
                throw new EndOfStreamException();
            }
            bytes = bytes[received..];
        }
    }

    private static TorException NotSocks(SocksAddress address, string what) =>
        new(TorError.SocksUnreachable, $"What answers at {address} {what}. Set Tor:Socks to the SOCKS port of a Tor, or leave it out to have one started.");

    private static TorException Broken(SocksAddress address, Exception e) =>
        new(TorError.SocksUnreachable, $"The SOCKS port at {address} ended the connection before it answered: Tor was stopped, or it is none.", e);

    private static TorException Refused(TorError error, string host)
    {
        // The host is the caller's own; an onion address is named, any other may be private to the person.
        string target = host.EndsWith(".onion", StringComparison.OrdinalIgnoreCase) ? "the onion service" : "the host";
        return new TorException(error, error switch
        {
            TorError.HostUnreachable => $"The exit relay could not find {target}, or no way to it. Check the name; another attempt goes through another exit.",
            TorError.ConnectionRefused => $"{Capital(target)} refused the connection: nothing listens on that port there.",
            TorError.TimedOut => $"The way to {target} took too long within Tor. Try again.",
            TorError.OnionNotFound => "The onion service has no descriptor in the network: it is not running, was only just started, or its address is wrong.",
            TorError.OnionInvalid => "The onion service's descriptor cannot be read. Its operator has to update its tor.",
            TorError.OnionUnreachable => "None of the onion service's introduction points took us: it has just gone, or is moving. Try again in a minute.",
            TorError.OnionRendezvousFailed => "The onion service did not come to the meeting point. Try again.",
            TorError.OnionAuthRequired => "The onion service is for authorized clients only, and no key for it is known here. Ask its operator for one.",
            TorError.OnionAuthWrong => "The onion service does not take the key that is known for it here. Ask its operator for a new one.",
            TorError.OnionAddressInvalid => "That is no onion address: a letter of it is wrong. Copy it again.",
            TorError.OnionTimedOut => "The onion service's introduction points took too long. Try again.",
            _ => $"Tor could not connect to {target}. Its status tells whether it is in the network at all; else try again.",
        });
    }

    private static string Capital(string text) => char.ToUpperInvariant(text[0]) + text[1..];
}
