using System.Net.Sockets;
using System.Text;

namespace Tacit.EndToEnd.Canary;

/// <summary>An answer as its bytes.</summary>
internal sealed record RawReply(int Status, string Head, byte[] Body);

/// <summary>HTTP by hand: nothing in between that adds, traces or measures something of its own, and anything can be sent.</summary>
internal static class RawRequest
{
    /// <param name="server">Where to.</param>
    /// <param name="start">Method and path, or whatever is to stand there.</param>
    /// <param name="headers">Without Host and Content-Length.</param>
    /// <param name="body">Null for none.</param>
    /// <param name="readFor">How many bytes of the answer to wait for before hanging up; null: all.</param>
    public static async Task<RawReply> SendAsync(Uri server, string start, IEnumerable<(string Name, string Value)> headers, byte[]? body, int? readFor = null)
    {
        var head = new StringBuilder($"{start} HTTP/1.1\r\nHost: {server.Authority}\r\nConnection: close\r\n");
        foreach ((string name, string value) in headers)
        {
            head.Append($"{name}: {value}\r\n");
        }

        if (body is not null)
        {
            head.Append($"Content-Length: {body.Length}\r\n");
        }

        using var client = new TcpClient();
        await client.ConnectAsync(server.Host, server.Port);
        NetworkStream stream = client.GetStream();
        using var answer = new MemoryStream();
        try
        {
            await stream.WriteAsync(Encoding.Latin1.GetBytes(head.Append("\r\n").ToString()));
            await stream.WriteAsync(body ?? []);
            byte[] block = new byte[8192];
            int read;
            while (answer.Length < (readFor ?? int.MaxValue) && (read = await stream.ReadAsync(block)) > 0)
            {
                answer.Write(block, 0, read);
            }
        }
        catch (IOException)
        {
            // Reset: what came before is the answer.
        }

        byte[] bytes = answer.ToArray();
        int end = bytes.AsSpan().IndexOf("\r\n\r\n"u8);
        string text = Encoding.Latin1.GetString(bytes, 0, end < 0 ? bytes.Length : end);
        int status = text.Length > 12 && int.TryParse(text.AsSpan(9, 3), out int parsed) ? parsed : 0;
        return new RawReply(status, text, end < 0 ? [] : bytes[(end + 4)..]);
    }
}
