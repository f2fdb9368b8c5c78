using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace Tacit.Bench.Paper;

/// <summary>
/// The client's side of TLS, apart from the client: takes plain connections on loopback, carries each over a TLS connection of its own to one server, and counts what
/// passes. So every client is counted in the same way, the wallet's own with its headers and all, and none has to trust a certificate made a moment ago.
/// </summary>
/// <remarks>Counted are the bytes inside TLS, which are those of HTTP/1.1: start lines, headers, bodies, chunk framing and trailers.</remarks>
internal sealed class Tunnel : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Uri _server;
    private readonly X509Certificate2 _certificate;
    private Task _accepting = Task.CompletedTask;
    private long _sent;
    private long _received;

    private Tunnel(Uri server, X509Certificate2 certificate)
    {
        _server = server;
        _certificate = certificate;
    }

    /// <summary>Where clients find the server without TLS.</summary>
    internal Uri Address => new("http://127.0.0.1:" + ((IPEndPoint)_listener.LocalEndpoint).Port.ToString(CultureInfo.InvariantCulture));

    internal Traffic Passed => new(Interlocked.Read(ref _sent), Interlocked.Read(ref _received));

    internal static Tunnel Start(Uri server, X509Certificate2 certificate)
    {
        var tunnel = new Tunnel(server, certificate);
        tunnel._listener.Start();
        tunnel._accepting = tunnel.AcceptAsync();
        return tunnel;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        await _accepting;
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        List<Task> connections = [];
        try
        {
            while (true)
            {
                connections.Add(CarryAsync(await _listener.AcceptTcpClientAsync(_stop.Token)));
            }
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(connections);
        }
    }

    private async Task CarryAsync(TcpClient client)
    {
        using TcpClient near = client;
        using var far = new TcpClient();
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        near.NoDelay = true;
        far.NoDelay = true;
        try
        {
            await far.ConnectAsync(IPAddress.Loopback, _server.Port, ended.Token);
            await using var secure = new SslStream(far.GetStream());
            await secure.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    TargetHost = _server.Host,
                    EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
                    ApplicationProtocols = [SslApplicationProtocol.Http11],
                    AllowTlsResume = false, // As the wallet's own connections: law 9.
                    CertificateChainPolicy = new X509ChainPolicy
                    {
                        TrustMode = X509ChainTrustMode.CustomRootTrust,
                        CustomTrustStore = { _certificate },
                        RevocationMode = X509RevocationMode.NoCheck,
                        DisableCertificateDownloads = true,
                    },
                },
                ended.Token);
            await Task.WhenAny(
                CopyAsync(near.GetStream(), secure, bytes => Interlocked.Add(ref _sent, bytes), ended.Token),
                CopyAsync(secure, near.GetStream(), bytes => Interlocked.Add(ref _received, bytes), ended.Token));
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or AuthenticationException)
        {
            // The client sees its connection end, and what it measured fails.
        }
        finally
        {
            await ended.CancelAsync();
        }
    }

    private static async Task CopyAsync(Stream from, Stream to, Action<int> count, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[16 * 1024];
        try
        {
            int read;
            while ((read = await from.ReadAsync(buffer, cancellationToken)) > 0)
            {
                count(read); // Before it is passed on: who has it all can ask for the count.
                await to.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
        {
            // Either end is gone.
        }
    }
}

/// <summary>Bytes that went from client to server and back.</summary>
internal readonly record struct Traffic(long Sent, long Received)
{
    public static Traffic operator -(Traffic after, Traffic before) => new(after.Sent - before.Sent, after.Received - before.Received);

    public static Traffic operator +(Traffic one, Traffic other) => new(one.Sent + other.Sent, one.Received + other.Received);
}
