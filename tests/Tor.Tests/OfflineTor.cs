using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Tacit.Tor;

namespace Tacit.Tests;

/// <summary>
/// For roles with an onion service: settings of a real tor whose one directory authority is a port of this machine that says nothing, so that nothing leaves it and no
/// service is ever published; and a client that comes to a role's onion socket as tor would.
/// </summary>
internal sealed class OfflineTor : IDisposable
{
    private readonly TcpListener _silent = new(IPAddress.Loopback, 0);
    private readonly string _configuration = Path.GetTempFileName();

    /// <summary>Skips the test where there is no tor.</summary>
    public OfflineTor()
    {
        Assert.SkipWhen(
            !(Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Append("/usr/sbin").Any(folder => File.Exists(Path.Combine(folder, "tor"))),
            "There is no tor here (Debian package tor).");
        _silent.Start();
        int port = ((IPEndPoint)_silent.LocalEndpoint).Port;
        File.WriteAllText(_configuration, string.Create(CultureInfo.InvariantCulture,
            $"""
            TestingTorNetwork 1
            DirAuthority silent orport={port} no-v2 v3ident=0123456789ABCDEF0123456789ABCDEF01234567 127.0.0.1:{port} FEDCBA9876543210FEDCBA9876543210FEDCBA98

            """));
    }

    public TorOptions Options => new() { Configuration = _configuration };

    /// <summary>Whatever host is asked for, it is the one behind this socket.</summary>
    public static HttpMessageInvoker ClientOf(string socketPath) => new(new SocketsHttpHandler
    {
        UseCookies = false,
        AllowAutoRedirect = false,
        ConnectCallback = async (_, cancellationToken) =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        },
    });

    public void Dispose()
    {
        _silent.Dispose();
        File.Delete(_configuration);
    }
}
