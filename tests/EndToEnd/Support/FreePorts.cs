using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Tacit.EndToEnd.Support;

/// <summary>Ports for servers whose address others are told before they listen, and that listen there again after a restart.</summary>
internal static class FreePorts
{
    // Until this process ends. UDP has ports of its own: none of the servers is in the way of it, and no other test takes the same ports, in whatever process.
    private static readonly ConcurrentBag<Socket> s_held = [];

    /// <summary>The first of so many ports in a row that are free and nobody else's, outside the range that the system hands out by itself.</summary>
    public static int Take(int count)
    {
        while (true)
        {
            int first = RandomNumberGenerator.GetInt32(12_000, 32_000);
            Socket[] held = [.. Enumerable.Range(first, count).TakeWhile(IsFree).Select(TryHold).TakeWhile(socket => socket is not null).OfType<Socket>()];
            if (held.Length == count)
            {
                Array.ForEach(held, s_held.Add);
                return first;
            }

            Array.ForEach(held, socket => socket.Dispose());
        }
    }

    public static bool IsFree(int port)
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        return TryBind(probe, port);
    }

    private static Socket? TryHold(int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        if (TryBind(socket, port))
        {
            return socket;
        }

        socket.Dispose();
        return null;
    }

    private static bool TryBind(Socket socket, int port)
    {
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
