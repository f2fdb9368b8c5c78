using System.Net;
using System.Net.Sockets;

namespace Tacit.Tor.Tests;

/// <summary>A port that takes connections and says nothing: where a captive portal or a censor leaves a tor.</summary>
internal sealed class SilentAuthority : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);

    public SilentAuthority() => _listener.Start();

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public void Dispose() => _listener.Dispose();
}
