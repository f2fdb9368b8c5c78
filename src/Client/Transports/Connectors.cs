using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Tacit.Tor;

namespace Tacit.Client.Transports;

/// <summary>What makes a unit's connections: HTTP's part is the same whatever carries them.</summary>
internal sealed class Connectors(TransportOptions options, TorCarrier? tor, TimeProvider time)
{
    /// <param name="way">What the unit's connections have in common.</param>
    /// <remarks>Nothing that a request did not put there itself: no cookies, redirects, proxies of the environment, trace headers, or resumed TLS sessions (law 9).</remarks>
    public SocketsHttpHandler Make(ConnectionWay way) => new()
    {
        UseCookies = false,
        AllowAutoRedirect = false,
        UseProxy = false,
        AutomaticDecompression = DecompressionMethods.None,
        ActivityHeadersPropagator = null,
        PreAuthenticate = false,
        Credentials = null,
        // Over Tor that time is counted where the connection is made, so that TLS comes on top.
        ConnectTimeout = way.Circuit is null ? options.ConnectTimeout : options.Tor.ConnectTimeout + options.ConnectTimeout,
        ConnectCallback = (context, cancelled) => ConnectAsync(context, way, cancelled),
        PooledConnectionIdleTimeout = options.IdleTimeout,
        MaxResponseHeadersLength = 64,
        // A reply that nobody wants is not read to its end first: the connection goes, and with it the unit's trace.
        MaxResponseDrainSize = 0,
        SslOptions = Tls(),
    };

    /// <summary>Makes the unit's first connection before a request asks for it, TLS included where the server has it.</summary>
    public async Task<Stream> ConnectEarlyAsync(Uri server, ConnectionWay way, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(options.ConnectTimeout + (way.Circuit is null ? TimeSpan.Zero : options.Tor.ConnectTimeout), time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        Stream made = await ConnectAsync(new DnsEndPoint(server.IdnHost, server.Port), way, either.Token);
        if (server.Scheme != Uri.UriSchemeHttps)
        {
            return made;
        }
        var secure = new SslStream(made, leaveInnerStreamOpen: false);
        try
        {
            SslClientAuthenticationOptions tls = Tls();
            tls.TargetHost = server.IdnHost;
            await secure.AuthenticateAsClientAsync(tls, either.Token);
            return secure;
        }
        catch
        {
            await secure.DisposeAsync();
            throw;
        }
    }

    private SslClientAuthenticationOptions Tls() => new()
    {
        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
        AllowTlsResume = false,
        AllowRenegotiation = false,
        RemoteCertificateValidationCallback = options.PinnedKey.IsEmpty ? null : IsPinned,
        // A certificate names places to fetch its issuer's from (RFC 5280, section 4.2.2.1) and to ask whether it was revoked. Going there would be a connection, and a look-up, of
        // the server's choice, beside Tor and outside the unit: who has no complete chain is not believed.
        CertificateChainPolicy = new X509ChainPolicy { DisableCertificateDownloads = true, RevocationMode = X509RevocationMode.NoCheck },
    };

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, ConnectionWay way, CancellationToken cancellationToken)
    {
        PromptTrace? trace = context.InitialRequestMessage.Options.TryGetValue(PromptTrace.Option, out PromptTrace? observer) ? observer : null;
        trace?.Connecting($"{context.DnsEndPoint.Host}:{context.DnsEndPoint.Port}");
        // A stream that has its TLS is taken as it is by the handler. What was begun is for the one server that a unit has.
        Stream? made = way.TakeBegun() is EarlyConnection early ? await early.FinishAsync(cancellationToken) : null;
        made ??= await ConnectAsync(context.DnsEndPoint, way, cancellationToken);
        trace?.Connected(way);
        return made;
    }

    private async ValueTask<Stream> ConnectAsync(DnsEndPoint server, ConnectionWay way, CancellationToken cancellationToken) =>
        way.Circuit is TorIsolation identity ? await ConnectByTorAsync(server, identity, cancellationToken)
        : way.Made(await (tor is not null ? ConnectHereAsync(server, cancellationToken) : ConnectAnywhereAsync(server, cancellationToken)));

    private async ValueTask<Stream> ConnectByTorAsync(DnsEndPoint server, TorIsolation identity, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(options.Tor.ConnectTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            // The root's dot says nothing, and with it Tor may take an onion address for a name to be looked up at an exit.
            return await tor!.ConnectAsync(server.Host.TrimEnd('.'), server.Port, identity, either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException("Tor made no connection in time.");
        }
    }

    /// <summary>To this machine and by number: where Tor is to be used, not even <c>localhost</c> is looked up.</summary>
    private static async ValueTask<Socket> ConnectHereAsync(DnsEndPoint server, CancellationToken cancellationToken)
    {
        IPAddress[] addresses = IPAddress.TryParse(server.Host, out IPAddress? number) ? [number.IsIPv4MappedToIPv6 ? number.MapToIPv4() : number] : [IPAddress.Loopback, IPAddress.IPv6Loopback];
        if (!addresses.All(IPAddress.IsLoopback))
        {
            throw new InvalidOperationException("Nothing but this machine is connected to without Tor.");
        }
        for (int tried = 0; ; tried++)
        {
            var socket = new Socket(addresses[tried].AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(addresses[tried], server.Port, cancellationToken);
                return socket;
            }
            catch (SocketException) when (tried + 1 < addresses.Length)
            {
                socket.Dispose();
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }
    }

    /// <summary>As the framework does it by itself, which does not tell what was connected to.</summary>
    private static async ValueTask<Socket> ConnectAnywhereAsync(DnsEndPoint server, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(server, cancellationToken);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private bool IsPinned(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (certificate is not X509Certificate2 shown)
        {
            return false;
        }
        byte[] key = SHA256.HashData(shown.PublicKey.ExportSubjectPublicKeyInfo());
        return CryptographicOperations.FixedTimeEquals(key, options.PinnedKey.Span);
    }
}
