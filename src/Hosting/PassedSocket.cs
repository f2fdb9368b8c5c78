using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Tacit.Hosting;

/// <summary>
/// A socket that listens already and came with the process, as systemd's socket units pass them (sd_listen_fds(3)): from descriptor 3 on, <c>LISTEN_FDS</c>
/// of them, meant for this process if <c>LISTEN_PID</c> says so, with names in <c>LISTEN_FDNAMES</c>. A role then needs no right to bind its port, and while it
/// is restarted connections wait in the socket instead of being refused.
/// </summary>
internal sealed record PassedSocket(int Descriptor, string Name, EndPoint EndPoint)
{
    private const int First = 3;

    /// <summary>The socket of that name, or without one the only socket there is; null if there is none such.</summary>
    public static PassedSocket? Find(string? name, Func<string, string?> environment)
    {
        if (environment("LISTEN_PID") is not string process || process != Environment.ProcessId.ToString(CultureInfo.InvariantCulture)
            || !int.TryParse(environment("LISTEN_FDS"), NumberStyles.None, CultureInfo.InvariantCulture, out int count) || count is < 1 or > 64)
        {
            return null;
        }

        string[] names = (environment("LISTEN_FDNAMES") ?? "").Split(':');
        int index = name is null ? (count == 1 ? 0 : -1) : Array.IndexOf(names, name, 0, Math.Min(names.Length, count));
        if (index < 0)
        {
            return null;
        }

        return EndPointOf(First + index) is EndPoint endPoint ? new PassedSocket(First + index, name ?? "", endPoint) : null;
    }

    private static EndPoint? EndPointOf(int descriptor)
    {
        // Only looked at here: the server that listens on it owns it.
        using SafeSocketHandle handle = new(descriptor, ownsHandle: false);
        try
        {
            using Socket socket = new(handle);
            return socket.LocalEndPoint;
        }
        catch (SocketException)
        {
            return null;
        }
    }
}
