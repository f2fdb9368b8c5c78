using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Tacit.Cli.Tests;

internal static class Ports
{
    /// <summary>The first of three ports in a row that are free now, outside the range that the system hands out by itself.</summary>
    public static int FindThree()
    {
        while (true)
        {
            int first = RandomNumberGenerator.GetInt32(12_000, 32_000);
            if (Enumerable.Range(first, 3).All(IsFree))
            {
                return first;
            }
        }
    }

    private static bool IsFree(int port)
    {
        using Socket probe = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
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
