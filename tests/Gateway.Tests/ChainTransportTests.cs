using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Tacit.Gateway.Tests.Support;
using Tacit.Hosting;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests;

/// <summary>The trailer as it is on the wire, in each version of HTTP.</summary>
public sealed class ChainTransportTests
{
    [Fact]
    public async Task Http11_stream_is_chunked_and_its_trailer_stands_behind_the_last_chunk()
    {
        await using TestGateway gateway = await TestChain.StartAsync();
        gateway.Provider.Answer = StubProvider.AnswerStreamAsync;
        var chain = new TestChain(gateway);
        string text = await RawHttp.ExchangeAsync(gateway.Address, Request(chain, "HTTP/1.1", TestGateway.Body(stream: true)));

        Assert.StartsWith("HTTP/1.1 200 OK\r\n", text, StringComparison.Ordinal);
        int head = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        Assert.Contains("\r\nTransfer-Encoding: chunked\r\n", text[..(head + 2)], StringComparison.OrdinalIgnoreCase);
        Assert.Contains("\r\nTrailer: Tacit-Renewal\r\n", text[..(head + 2)], StringComparison.Ordinal);
        Assert.DoesNotContain("Content-Length", text, StringComparison.OrdinalIgnoreCase);
        string body = text[(head + 4)..];
        int last = body.LastIndexOf("\r\n0\r\n", StringComparison.Ordinal);
        string[] trailer = body[(last + 5)..].Split("\r\n");
        Assert.Equal(["", ""], trailer[1..]);
        Assert.StartsWith("Tacit-Renewal: ", trailer[0], StringComparison.Ordinal);
        Assert.True(ChainHeaders.TryParseRenewal(trailer[0]["Tacit-Renewal: ".Length..], out byte[]? renewal));
        chain.Move(renewal);
    }

    [Theory]
    [InlineData("HTTP/1.0")]
    [InlineData("HTTP/1.1")]
    public async Task Reply_that_is_whole_has_its_renewal_in_the_head_and_a_length(string version)
    {
        await using TestGateway gateway = await TestChain.StartAsync();
        var chain = new TestChain(gateway);

        // Where the signer was slower than the provider the trailer has it, or for HTTP/1.0 the exchange.
        for (int tried = 1; ; tried++)
        {
            Assert.InRange(tried, 1, 100);
            string text = await RawHttp.ExchangeAsync(gateway.Address, Request(chain, version, TestGateway.Body()));
            string head = text[..(text.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 2)];
            if (head.Contains("\r\nTacit-Renewal: ", StringComparison.Ordinal))
            {
                string value = head[(head.IndexOf("\r\nTacit-Renewal: ", StringComparison.Ordinal) + "\r\nTacit-Renewal: ".Length)..];
                Assert.EndsWith(StubProvider.Reply, text, StringComparison.Ordinal);
                Assert.Contains($"\r\nContent-Length: {Encoding.UTF8.GetByteCount(StubProvider.Reply)}\r\n", head, StringComparison.Ordinal);
                Assert.DoesNotContain("chunked", head, StringComparison.OrdinalIgnoreCase);
                Assert.DoesNotContain("Trailer", head, StringComparison.OrdinalIgnoreCase);
                Assert.True(ChainHeaders.TryParseRenewal(value[..value.IndexOf('\r', StringComparison.Ordinal)], out byte[]? renewal));
                chain.Move(renewal);
                return;
            }

            chain.Move(await chain.ExchangeUntilEndedAsync());
        }
    }

    [Fact]
    public async Task Http10_stream_comes_whole_and_its_renewal_by_the_exchange()
    {
        await using TestGateway gateway = await TestChain.StartAsync();
        gateway.Provider.Answer = StubProvider.AnswerStreamAsync;
        var chain = new TestChain(gateway);
        string text = await RawHttp.ExchangeAsync(gateway.Address, Request(chain, "HTTP/1.0", TestGateway.Body(stream: true)));

        Assert.Contains("200 OK", text, StringComparison.Ordinal);
        Assert.EndsWith("data: [DONE]\n\n", text, StringComparison.Ordinal);
        Assert.DoesNotContain("chunked", text, StringComparison.OrdinalIgnoreCase);
        chain.Move(await chain.ExchangeUntilEndedAsync());
    }

    [Fact]
    public async Task Connection_serves_several_requests_of_a_chain_in_turn()
    {
        await using TestGateway gateway = await TestChain.StartAsync();
        gateway.Provider.Answer = async context =>
        {
            // Long enough for several blocks, and so for several chunks.
            await StubProvider.BeginStreamAsync(context);
            for (int i = 0; i < 200; i++)
            {
                await StubProvider.SendEventAsync(context, new string((char)('a' + (i % 26)), 400));
            }

            await StubProvider.EndStreamAsync(context);
        };
        using var client = new HttpMessageInvoker(new SocketsHttpHandler { MaxConnectionsPerServer = 1 });
        string expected = string.Concat(Enumerable.Range(0, 200).Select(i => StubProvider.Event(new string((char)('a' + (i % 26)), 400)))) + "data: [DONE]\n\n";
        var chain = new TestChain(gateway);
        for (int i = 0; i < 3; i++)
        {
            using HttpResponseMessage response = await SendAsync(client, gateway.Address, chain, HttpVersion.Version11, TestGateway.Body(stream: true, more: ",\"max_tokens\":100"));
            Assert.Equal(expected, await response.TextAsync());
            chain.Move(TestChain.RenewalOf(response));
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Http2_reply_has_its_renewal(bool stream)
    {
        string folder = Directory.CreateTempSubdirectory("tacit-tls-").FullName;
        WriteCertificate(folder);
        await using TestGateway gateway = await TestChain.StartAsync(gateway => gateway.Configure = options => options with
        {
            Tls = new TlsOptions { Certificate = Path.Combine(folder, "tls.crt"), Key = SecretReference.FromFile(Path.Combine(folder, "tls.key")) },
        });
        if (stream)
        {
            gateway.Provider.Answer = StubProvider.AnswerStreamAsync;
        }

        using var handler = new SocketsHttpHandler { SslOptions = new SslClientAuthenticationOptions { RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate?.Subject == "CN=gateway" } };
        using var client = new HttpMessageInvoker(handler);
        var chain = new TestChain(gateway);
        for (int i = 0; i < 2; i++)
        {
            using HttpResponseMessage response = await SendAsync(client, gateway.Address, chain, HttpVersion.Version20, TestGateway.Body(stream: stream));
            Assert.Equal(HttpVersion.Version20, response.Version);
            Assert.True(response.Headers.Contains("Tacit-Renewal") ? !stream : response.Headers.Trailer.Contains("Tacit-Renewal"));
            string text = await response.TextAsync();
            Assert.Contains(stream ? "[DONE]" : "four", text, StringComparison.Ordinal);
            chain.Move(TestChain.RenewalOf(response));
        }

        gateway.Provider.Answer = context => StubProvider.WriteJsonAsync(context, "{}", 500);
        using HttpResponseMessage failed = await SendAsync(client, gateway.Address, chain, HttpVersion.Version20, TestGateway.Body());
        await failed.TextAsync();
        Assert.Equal(502, (int)failed.StatusCode);
        chain.Move(TestChain.RenewalOf(failed));
        await gateway.StopAsync();
        Directory.Delete(folder, recursive: true);
    }

    private static async Task<HttpResponseMessage> SendAsync(HttpMessageInvoker client, Uri address, TestChain chain, Version version, string body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(address, Routes.ChatCompletions))
        {
            Version = version,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new StringContent(body, Encoding.UTF8, "application/json"),
        };
        request.Headers.TryAddWithoutValidation("Authorization", chain.Token.Header);
        request.Headers.Add(Routes.SuccessorHeader, ChainHeaders.FormatSuccessor(chain.Successor));
        return await client.SendAsync(request, TestContext.Current.CancellationToken);
    }

    private static string Request(TestChain chain, string version, string body) =>
        $"POST {Routes.ChatCompletions} {version}\r\nHost: gateway\r\nConnection: close\r\nContent-Type: application/json\r\nAuthorization: {chain.Token.Header}\r\n"
        + $"Tacit-Successor: {ChainHeaders.FormatSuccessor(chain.Successor)}\r\nContent-Length: {body.Length}\r\n\r\n{body}";

    private static void WriteCertificate(string folder)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=gateway", key, HashAlgorithmName.SHA256);
        using X509Certificate2 certificate = request.CreateSelfSigned(new DateTimeOffset(2020, 1, 1, 0, 0, 0, TimeSpan.Zero), new DateTimeOffset(2040, 1, 1, 0, 0, 0, TimeSpan.Zero));
        File.WriteAllText(Path.Combine(folder, "tls.crt"), certificate.ExportCertificatePem());
        string path = Path.Combine(folder, "tls.key");
        File.WriteAllText(path, key.ExportPkcs8PrivateKeyPem());
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }
}
