using System.Net.Sockets;
using System.Text;

namespace Tacit.Gateway.Tests.Support;

/// <summary>HTTP/1.1 by hand, for what no client library would send.</summary>
internal static class RawHttp
{
    /// <summary>Sends bytes as they are and reads until the other side stops or closes.</summary>
    public static async Task<string> ExchangeAsync(Uri address, string request)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(address.Host, address.Port, TestContext.Current.CancellationToken);
        await using NetworkStream stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(request), TestContext.Current.CancellationToken);
        return await ReadAsync(stream);
    }

    /// <summary>Reads one response with a Content-Length, or whatever comes before the connection closes.</summary>
    public static async Task<string> ReadAsync(NetworkStream stream)
    {
        var text = new StringBuilder();
        byte[] buffer = new byte[4096];
        try
        {
            int read;
            while ((read = await stream.ReadAsync(buffer, TestContext.Current.CancellationToken)) > 0)
            {
                text.Append(Encoding.Latin1.GetString(buffer, 0, read));
                if (IsWhole(text.ToString()))
                {
                    break;
                }
            }
        }
        catch (IOException)
        {
            // Cut off: what came is what there is.
        }

        return text.ToString();
    }

    private static bool IsWhole(string text)
    {
        int end = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        int length = text.IndexOf("Content-Length: ", StringComparison.OrdinalIgnoreCase);
        return end > 0 && length > 0 && length < end
            && text.Length >= end + 4 + int.Parse(text.AsSpan(length + 16, text.IndexOf('\r', length) - length - 16), null);
    }
}
