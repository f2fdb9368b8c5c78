using System.Buffers;
using System.Net.Http.Headers;
using System.Text;
using Tacit.Crypto;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests.Support;

/// <summary>A sealed request that is ready to be sent, as often as a test likes, and what opens its reply.</summary>
internal sealed record SealedMessage(byte[] Json, SealedReplySecret Secret) : IDisposable
{
    public void Dispose() => Secret.Dispose();
}

/// <summary>What came back for a sealed request, opened.</summary>
internal sealed class SealedAnswer
{
    /// <summary>Of the outer response.</summary>
    public required int OuterStatus { get; init; }

    /// <summary>The outer response's body as it was on the wire.</summary>
    public required string Wire { get; init; }

    public SealedReplyError Error { get; init; }

    public int? Status { get; init; }

    public IReadOnlyDictionary<string, string> Headers { get; init; } = new Dictionary<string, string>();

    public IReadOnlyDictionary<string, string>? Trailers { get; init; }

    /// <summary>As far as it came.</summary>
    public string Text { get; init; } = "";

    /// <param name="withSignsOfLife">Whether the stream was silent for so long that comments may stand in it.</param>
    public void IsReply(string expected = StubProvider.Reply, bool withSignsOfLife = false)
    {
        Assert.True(OuterStatus == 200, Wire);
        Assert.Equal((SealedReplyError.None, 200, expected), (Error, Status, withSignsOfLife ? Text.Replace(":\n\n", "", StringComparison.Ordinal) : Text));
    }

    /// <summary>An error that came sealed.</summary>
    public void IsError(int status, string code)
    {
        Assert.True(OuterStatus == 200, Wire);
        Assert.Equal((SealedReplyError.None, status), (Error, Status));
        Assert.Contains($"\"code\":\"{code}\"", Text, StringComparison.Ordinal);
    }

    /// <summary>An error from before the request was opened.</summary>
    public void IsRefused(int status, string code)
    {
        Assert.Equal((status, true), (OuterStatus, Wire.Contains($"\"code\":\"{code}\"", StringComparison.Ordinal)));
    }

    /// <summary>The lengths of the events with chunks.</summary>
    public int[] ChunkLengths() => [.. Wire.Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Skip(1).Select(part => part.Length)];
}

/// <summary>Speaks sealed chat to a gateway.</summary>
internal sealed class SealedClient : IDisposable
{
    private readonly HttpMessageInvoker _http = new(new SocketsHttpHandler { UseCookies = false, UseProxy = false, AllowAutoRedirect = false, MaxConnectionsPerServer = 1000 });
    private readonly Func<DateTimeOffset> _now;

    public SealedClient(Uri address, SealingKey key, Func<DateTimeOffset> now) => (Address, Key, _now) = (address, key, now);

    public Uri Address { get; set; }

    public SealingKey Key { get; set; }

    public static async Task<SealedClient> ConnectAsync(TestGateway gateway)
    {
        SealingKeyDocument keys = await KeysAsync(gateway.Address);
        return new SealedClient(gateway.Address, SealingKeyList.FindCurrent(keys.Keys, gateway.Time.GetUtcNow())!.Key, gateway.Time.GetUtcNow);
    }

    public static async Task<SealingKeyDocument> KeysAsync(Uri address)
    {
        using var http = new HttpMessageInvoker(new SocketsHttpHandler { UseProxy = false });
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(address, Routes.SealingKeys));
        using HttpResponseMessage response = await http.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.True(SealingKeyDocument.TryParse(await response.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken), out SealingKeyDocument? document, out string? error), error);
        return document;
    }

    public SealedMessage Seal(SealedInnerRequest request, TimeSpan ahead = default, byte[]? config = null, Func<byte[], byte[], string>? work = null)
    {
        Assert.True(SealedRequest.TryFindSuite(Key.KemId, out HpkeSuite? suite));
        Assert.True(HpkePublicKey.TryImport(suite, Key.PublicKey, out HpkePublicKey? key));
        using HpkePublicKey owned = key;
        var json = new ArrayBufferWriter<byte>();
        SealedReplySecret secret = SealedRequest.Seal(suite, owned, config ?? Key.Config, _now() + ahead, request, json, work);
        return new SealedMessage(json.WrittenSpan.ToArray(), secret);
    }

    public SealedMessage Prompt(TestToken? token, string? body = null, string path = Routes.ChatCompletions, params KeyValuePair<string, string>[] headers) => Seal(
        new SealedInnerRequest("POST", path, token is null ? headers : [new("authorization", token.Header), .. headers], Encoding.UTF8.GetBytes(body ?? TestGateway.Body())));

    public async Task<SealedAnswer> AskAsync(TestToken? token, string? body = null, string path = Routes.ChatCompletions, params KeyValuePair<string, string>[] headers)
    {
        using SealedMessage message = Prompt(token, body, path, headers);
        return await SendAsync(message);
    }

    public async Task<SealedAnswer> SendAsync(
        SealedMessage message, Action<HttpRequestHeaders>? headers = null, string path = Routes.SealedChat, Action<string>? seen = null, byte[]? json = null)
    {
        using HttpResponseMessage response = await PostAsync(json ?? message.Json, headers, path);
        using var reader = new SealedReplyReader(message.Secret);
        var wire = new StringBuilder();
        try
        {
            await using Stream stream = await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken);
            byte[] buffer = new byte[8192];
            int count;
            while ((count = await stream.ReadAsync(buffer, TestContext.Current.CancellationToken)) > 0)
            {
                wire.Append(Encoding.ASCII.GetString(buffer, 0, count));
                if (response.IsSuccessStatusCode)
                {
                    reader.Push(buffer.AsSpan(0, count));
                    seen?.Invoke(Encoding.UTF8.GetString(reader.Body.WrittenSpan));
                }
            }
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            // Cut off: what came is what there is.
        }

        return new SealedAnswer
        {
            OuterStatus = (int)response.StatusCode,
            Wire = wire.ToString(),
            Error = reader.Complete(),
            Status = reader.Status,
            Headers = reader.Headers,
            Trailers = reader.Trailers,
            Text = Encoding.UTF8.GetString(reader.Body.WrittenSpan),
        };
    }

    public async Task<HttpResponseMessage> PostAsync(byte[] json, Action<HttpRequestHeaders>? headers = null, string path = Routes.SealedChat, string mediaType = MediaTypes.Json)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(Address, path)) { Content = new ByteArrayContent(json) };
        request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(mediaType);
        headers?.Invoke(request.Headers);
        return await _http.SendAsync(request, TestContext.Current.CancellationToken);
    }

    public void Dispose() => _http.Dispose();
}
