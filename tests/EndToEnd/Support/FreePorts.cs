using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Tacit.EndToEnd.Support;

internal static class FreePorts
{
    /// <summary>The first of so many ports in a row that are free now, outside the range that the system hands out by itself.</summary>
    public static int Take(int count)
    {
        while (true)
        {
            int first = RandomNumberGenerator.GetInt32(12_000, 32_000);
            if (Enumerable.Range(first, count).All(IsFree))
            {
                return first;
            }
        }
    }

    public static bool IsFree(int port)
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            probe.Bind(new IPEndPoint(IPAddress.Loopback, port));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
