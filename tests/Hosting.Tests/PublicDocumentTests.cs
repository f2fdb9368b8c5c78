using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Tacit.Hosting.Tests;

public sealed class PublicDocumentTests
{
    private const int MaxBytes = 1000;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Document_is_fetched_up_to_its_largest_size()
    {
        foreach (string document in (string[])["", "a document", new('x', MaxBytes)])
        {
            Assert.Equal(document, Encoding.UTF8.GetString(await AskAsync($"HTTP/1.1 200 OK\r\nContent-Length: {document.Length}\r\nConnection: close\r\n\r\n{document}")));
        }
    }

    [Theory]
    [InlineData("HTTP/1.1 500 Oops\r\nContent-Length: 6\r\n\r\nsecret", "it answers with status 500")]
    [InlineData("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/secret\r\nContent-Length: 0\r\n\r\n", "it answers with status 302")]
    [InlineData("HTTP/1.1 204 No Content\r\n\r\n", "it answers with status 204")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\nsecret", "it answers with more than the document can have")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nsecret", "the connection to it broke off")]
    [InlineData("", "the connection to it broke off")]
    [InlineData("SSH-2.0-secret\r\n\r\n", "what it answers is not HTTP")]
    public async Task Fault_is_said_in_words_that_quote_nothing(string answer, string fault)
    {
        Assert.Equal(fault, await FaultAsync(() => AskAsync(answer)));
    }

    [Fact]
    public async Task Document_that_is_not_told_to_be_too_large_is_cut_off_there()
    {
        string chunk = "FA\r\n" + new string('x', 250) + "\r\n";
        string answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + string.Concat(Enumerable.Repeat(chunk, 5)) + "0\r\n\r\n";
        Assert.Equal("it answers with more than the document can have", await FaultAsync(() => AskAsync(answer)));
    }

    [Fact]
    public async Task Server_without_certificate_is_told_from_one_that_is_not_there_and_one_that_is_silent()
    {
        Assert.Equal(
            "no secure connection to it: its certificate is not valid here, or TLS is older than 1.2",
            await FaultAsync(() => AskAsync("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "https")));

        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var address = new Uri($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/secret");
        using (var patience = CancellationTokenSource.CreateLinkedTokenSource(Ct))
        {
            Task<string> silent = FaultAsync(() => PublicDocument.FetchAsync(address, MaxBytes, TimeSpan.FromMinutes(1), patience.Token));
            using (await listener.AcceptTcpClientAsync(Ct))
            {
                await patience.CancelAsync();
                Assert.Equal("it does not answer in time", await silent);
            }
        }

        listener.Stop();
        Assert.Equal("nothing listens at its address", await FaultAsync(() => PublicDocument.FetchAsync(address, MaxBytes, TimeSpan.FromMinutes(1), Ct)));
    }

    [Fact]
    public void Names_that_cannot_be_resolved_and_what_nobody_foresaw_are_told_too()
    {
        // As the runtime reports it; a test asks no resolver.
        Assert.Equal("its name could not be resolved", PublicDocument.FaultOf(new HttpRequestException(HttpRequestError.NameResolutionError, "secret.example")));
        Assert.Equal("System.NotSupportedException", PublicDocument.FaultOf(new NotSupportedException("secret")));
    }

    /// <summary>Asks a server that answers each request with these bytes and hangs up: a client may ask again where it was hung up on without a byte.</summary>
    private static async Task<byte[]> AskAsync(string answer, string scheme = "http")
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        listener.Start();
        Task server = AnswerAsync();
        try
        {
            return await PublicDocument.FetchAsync(
                new Uri($"{scheme}://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/secret"), MaxBytes, TimeSpan.FromMinutes(1), Ct);
        }
        finally
        {
            await end.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => server);
        }

        async Task AnswerAsync()
        {
            while (true)
            {
                using TcpClient client = await listener.AcceptTcpClientAsync(end.Token);
                _ = await client.Client.ReceiveAsync(new byte[4096], end.Token);
                _ = await client.Client.SendAsync(Encoding.ASCII.GetBytes(answer), end.Token);
                client.Client.Shutdown(SocketShutdown.Send);
            }
        }
    }

    private static async Task<string> FaultAsync(Func<Task<byte[]>> fetch) => PublicDocument.FaultOf(await Assert.ThrowsAnyAsync<Exception>(fetch));
}
