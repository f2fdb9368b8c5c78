using System.Net.Sockets;

namespace Tacit.Tests;

/// <summary>A role's page of figures, as its operator's collector reads it.</summary>
internal static class MetricsPage
{
    /// <param name="path">The Unix socket of <c>Metrics:Listen</c>.</param>
    public static async Task<string> ReadAsync(string path)
    {
        CancellationToken token = TestContext.Current.CancellationToken;
        using var client = new HttpMessageInvoker(new SocketsHttpHandler
        {
            UseProxy = false,
            ConnectCallback = async (_, cancelled) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancelled);
                return new NetworkStream(socket, ownsSocket: true);
            },
        });
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://localhost/metrics");
        using HttpResponseMessage response = await client.SendAsync(request, token);
        return await response.EnsureSuccessStatusCode().Content.ReadAsStringAsync(token);
    }

    /// <summary>Every series but those of the process, with its value, as a line each.</summary>
    public static string[] Series(string page) =>
        [.. page.Split('\n').Where(line => line.StartsWith("tacit_", StringComparison.Ordinal) && !line.StartsWith("tacit_process_", StringComparison.Ordinal))];
}
