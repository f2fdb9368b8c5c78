using System.Buffers;
using System.Net.Http.Headers;
using System.Text;
using Tacit.Hosting;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests.Support;

/// <summary>What a client of <c>POST /ohttp</c> got back, opened.</summary>
internal sealed class ObliviousAnswer
{
    /// <summary>Of the outer response.</summary>
    public required int OuterStatus { get; init; }

    public required string? OuterType { get; init; }

    /// <summary>The outer response's body as it was on the wire, chunks included.</summary>
    public required byte[] Encapsulated { get; init; }

    /// <summary>Whether it is a whole and unchanged answer to the request.</summary>
    public bool IsWhole => Response is not null;

    public BinaryHttpResponse? Response { get; init; }

    public IReadOnlyList<BinaryHttpField> Trailers { get; init; } = [];

    /// <summary>Content as far as it came, also of an answer that is not whole.</summary>
    public string Text { get; init; } = "";

    /// <summary>The binary HTTP message, padding included.</summary>
    public int PlaintextSize { get; init; }

    public string? Header(string name) => Find(Response!.Headers, name);

    public string? Trailer(string name) => Find(Trailers, name);

    /// <summary>The sealed sizes of the chunks on the wire; the last one's is what follows its mark.</summary>
    public int[] ChunkSizes()
    {
        List<int> sizes = [];
        ReadOnlySpan<byte> rest = Encapsulated.AsSpan(32);
        while (true)
        {
            int length = 1 << (rest[0] >> 6);
            int value = rest[0] & 0x3f;
            for (int i = 1; i < length; i++)
            {
                value = (value << 8) | rest[i];
            }

            rest = rest[length..];
            if (value == 0)
            {
                sizes.Add(rest.Length);
                return [.. sizes];
            }

            sizes.Add(value);
            rest = rest[value..];
        }
    }

    /// <summary>Content without the comments that pad an event stream.</summary>
    public string Events() => string.Concat(Text.Split("\n\n").Where(part => part.Length > 0 && part[0] != ':').Select(part => part + "\n\n"));

    public void IsReply(string expected = StubProvider.Reply)
    {
        Assert.True(IsWhole, $"{OuterStatus} {Text}");
        Assert.Equal((200, expected), (Response!.Status, Text));
    }

    public void IsError(int status, string code, string? tokenState)
    {
        Assert.True(IsWhole);
        Assert.Equal(status, Response!.Status);
        Assert.Contains($"\"code\":\"{code}\"", Text, StringComparison.Ordinal);
        Assert.Equal(tokenState, Header(Routes.TokenStateHeader));
    }

    private static string? Find(IReadOnlyList<BinaryHttpField> fields, string name) =>
        fields.Where(field => field.Name.Equals(name, StringComparison.OrdinalIgnoreCase)).Select(field => field.Value).SingleOrDefault();
}

/// <summary>Speaks Oblivious HTTP to a gateway, as a client behind a relay that changes nothing, or that changes what a test says.</summary>
internal sealed class ObliviousClient : IDisposable
{
    private readonly TestGateway _gateway;
    private readonly HttpMessageInvoker _http = new(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false, MaxConnectionsPerServer = 1000 });

    private ObliviousClient(TestGateway gateway, ObliviousKeyConfiguration configuration) => (_gateway, Configuration) = (gateway, configuration);

    public ObliviousKeyConfiguration Configuration { get; set; }

    /// <summary>Turns sealing on in a gateway that is about to be started; chunks leave as soon as something is there.</summary>
    public static GatewayOptions Sealed(GatewayOptions options, TimeSpan interval = default)
    {
        string file = Path.Combine(options.DataDirectory, "sealing.key");
        File.WriteAllBytes(file, [.. Enumerable.Range(0, 32).Select(i => (byte)i)]);
        return options with
        {
            Sealing = options.Sealing with { KeyFile = SecretReference.Parse("file:" + file), SignedBy = Gateway.Sealing.SealingSignatory.Gateway, ReplyInterval = interval },
        };
    }

    public static async Task<ObliviousClient> ConnectAsync(TestGateway gateway)
    {
        using HttpResponseMessage response = await gateway.SendAsync(HttpMethod.Get, Routes.ObliviousKeys);
        byte[] list = await response.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken);
        Assert.True(ObliviousKeyConfiguration.TryParseList(list, out IReadOnlyList<ObliviousKeyConfiguration> configurations));
        return new ObliviousClient(gateway, configurations[0]);
    }

    public Task<ObliviousAnswer> AskAsync(TestToken token, string? body = null, bool isChunked = true, string path = Routes.ChatCompletions) =>
        SendAsync("POST", path, body ?? TestGateway.Body(), [new("authorization", token.Header)], isChunked);

    public async Task<ObliviousAnswer> SendAsync(
        string method, string path, string? body = null, IReadOnlyList<BinaryHttpField>? headers = null, bool isChunked = true,
        Func<byte[], byte[]>? change = null)
    {
        using ObliviousClientExchange exchange = ObliviousClientExchange.TryCreate(Configuration, isChunked)!;
        byte[] request = SealRequest(exchange, method, path, body, headers ?? []);
        using HttpResponseMessage response = await PostAsync(change?.Invoke(request) ?? request, isChunked, TestContext.Current.CancellationToken);
        return await ReadAsync(exchange, response);
    }

    public static byte[] SealRequest(ObliviousClientExchange exchange, string method, string path, string? body, IReadOnlyList<BinaryHttpField> headers)
    {
        ArrayBufferWriter<byte> message = new();
        BinaryHttpWriter.WriteRequest(
            message, new BinaryHttpRequest { Method = method, Scheme = "https", Authority = TestIssuer.GatewayName, Path = path, Headers = headers },
            Encoding.UTF8.GetBytes(body ?? ""));
        BinaryHttpWriter.WritePadding(message, PaddingBuckets.Round(message.WrittenCount) - message.WrittenCount);
        ArrayBufferWriter<byte> encapsulated = new();
        if (!exchange.IsChunked)
        {
            exchange.SealRequest(message.WrittenSpan, encapsulated);
            return encapsulated.WrittenSpan.ToArray();
        }

        ReadOnlySpan<byte> rest = message.WrittenSpan;
        while (rest.Length > ObliviousChunkReader.MaxChunkSize)
        {
            exchange.SealChunk(rest[..ObliviousChunkReader.MaxChunkSize], isFinal: false, encapsulated);
            rest = rest[ObliviousChunkReader.MaxChunkSize..];
        }

        exchange.SealChunk(rest, isFinal: true, encapsulated);
        return encapsulated.WrittenSpan.ToArray();
    }

    public async Task<HttpResponseMessage> PostAsync(byte[] encapsulated, bool isChunked, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(_gateway.Address, Routes.Oblivious)) { Content = new ByteArrayContent(encapsulated) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue(isChunked ? MediaTypes.ObliviousChunkedRequest : MediaTypes.ObliviousRequest);
        return await _http.SendAsync(request, cancellationToken);
    }

    /// <summary>Reads to the end, or to where the connection broke.</summary>
    public static async Task<ObliviousAnswer> ReadAsync(ObliviousClientExchange exchange, HttpResponseMessage response, Action<string>? seen = null)
    {
        ArrayBufferWriter<byte> encapsulated = new();
        bool isCut = false;
        using ObliviousResponseReader? chunks = exchange.IsChunked && response.IsSuccessStatusCode ? exchange.ReadResponse() : null;
        ArrayBufferWriter<byte> message = new();
        ArrayBufferWriter<byte> content = new();
        using var reader = new BinaryHttpReader(BinaryHttpKind.Response);
        bool isValid = true;
        try
        {
            await using Stream stream = await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken);
            byte[] buffer = new byte[8192];
            int count;
            while ((count = await stream.ReadAsync(buffer, TestContext.Current.CancellationToken)) > 0)
            {
                encapsulated.Write(buffer.AsSpan(0, count));
                int before = message.WrittenCount;
                isValid = isValid && chunks?.TryRead(buffer.AsSpan(0, count), message) != false && reader.TryRead(message.WrittenSpan[before..], content);
                seen?.Invoke(Encoding.UTF8.GetString(content.WrittenSpan));
            }
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            isCut = true;
        }

        bool isWhole = false;
        if (response.IsSuccessStatusCode && !isCut)
        {
            int before = message.WrittenCount;
            isWhole = isValid && (chunks?.TryEnd(message) ?? exchange.TryOpenResponse(encapsulated.WrittenSpan, message))
                && reader.TryRead(message.WrittenSpan[before..], content) && reader.TryEnd();
        }

        return new ObliviousAnswer
        {
            OuterStatus = (int)response.StatusCode,
            OuterType = response.Content.Headers.ContentType?.ToString(),
            Encapsulated = encapsulated.WrittenSpan.ToArray(),
            Response = isWhole ? reader.Response : null,
            Trailers = reader.Trailers,
            Text = Encoding.UTF8.GetString(content.WrittenSpan),
            PlaintextSize = message.WrittenCount,
        };
    }

    public void Dispose() => _http.Dispose();
}
