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
    public int[] ChunkSizes() => [.. Chunks().Select(chunk => chunk.Size)];

    /// <summary>The parts of a chunked response that can be told apart without its key: its nonce, its chunks with their lengths before them.</summary>
    public byte[][] Parts()
    {
        int at = 32;
        List<byte[]> parts = [Encapsulated[..at]];
        foreach ((int length, int size) in Chunks())
        {
            parts.Add(Encapsulated[at..(at + length + size)]);
            at += length + size;
        }

        return [.. parts];
    }

    private List<(int Length, int Size)> Chunks()
    {
        List<(int Length, int Size)> sizes = [];
        ReadOnlySpan<byte> rest = Encapsulated.AsSpan(Math.Min(32, Encapsulated.Length));
        while (!rest.IsEmpty)
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
                sizes.Add((length, rest.Length));
                return sizes;
            }

            sizes.Add((length, value));
            rest = rest[value..];
        }

        return sizes;
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
    private readonly Func<Uri> _address;
    private readonly HttpMessageInvoker _http = new(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false, MaxConnectionsPerServer = 1000 });

    private ObliviousClient(Func<Uri> address) => _address = address;

    public ObliviousKeyConfiguration Configuration { get; set; } = null!;

    /// <summary>Turns sealing on in a gateway that is about to be started; chunks leave as soon as something is there.</summary>
    public static GatewayOptions Sealed(GatewayOptions options, TimeSpan interval = default)
    {
        Directory.CreateDirectory(options.DataDirectory);
        string file = Path.Combine(options.DataDirectory, "sealing.key");
        File.WriteAllBytes(file, [.. Enumerable.Range(0, 32).Select(i => (byte)i)]);
        return options with
        {
            Sealing = options.Sealing with { KeyFile = SecretReference.Parse("file:" + file), SignedBy = Gateway.Sealing.SealingSignatory.Gateway, ReplyInterval = interval },
        };
    }

    public static Task<ObliviousClient> ConnectAsync(TestGateway gateway) => ConnectAsync(() => gateway.Address);

    public static async Task<ObliviousClient> ConnectAsync(Func<Uri> address)
    {
        var client = new ObliviousClient(address);
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(address(), Routes.ObliviousKeys));
        using HttpResponseMessage response = await client._http.SendAsync(request, TestContext.Current.CancellationToken);
        byte[] list = await response.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken);
        Assert.True(ObliviousKeyConfiguration.TryParseList(list, out IReadOnlyList<ObliviousKeyConfiguration> configurations));
        client.Configuration = configurations[0];
        return client;
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

    public async Task<HttpResponseMessage> PostAsync(byte[] encapsulated, bool isChunked, CancellationToken cancellationToken, string? work = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(_address(), Routes.Oblivious)) { Content = new ByteArrayContent(encapsulated) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue(isChunked ? MediaTypes.ObliviousChunkedRequest : MediaTypes.ObliviousRequest);
        if (work is not null)
        {
            request.Headers.Add(Routes.WorkHeader, work);
        }

        return await _http.SendAsync(request, cancellationToken);
    }

    /// <summary>Reads to the end, or to where the connection broke.</summary>
    /// <param name="seen">Gets the content so far whenever more of it came.</param>
    public static async Task<ObliviousAnswer> ReadAsync(ObliviousClientExchange exchange, HttpResponseMessage response, Action<string>? seen = null)
    {
        using var opening = new Opening(exchange, isChunked: exchange.IsChunked && response.IsSuccessStatusCode);
        bool isCut = false;
        try
        {
            await using Stream stream = await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken);
            byte[] buffer = new byte[8192];
            int count;
            while ((count = await stream.ReadAsync(buffer, TestContext.Current.CancellationToken)) > 0)
            {
                opening.Read(buffer.AsSpan(0, count));
                seen?.Invoke(opening.Text);
            }
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            isCut = true;
        }

        return opening.End((int)response.StatusCode, response.Content.Headers.ContentType?.ToString(), isCut || !response.IsSuccessStatusCode);
    }

    /// <summary>What a client makes of a response that consists of these bytes.</summary>
    public static ObliviousAnswer Read(ObliviousClientExchange exchange, byte[] encapsulated)
    {
        using var opening = new Opening(exchange, exchange.IsChunked);
        opening.Read(encapsulated);
        return opening.End(200, null, isCut: false);
    }

    public void Dispose() => _http.Dispose();

    private sealed class Opening(ObliviousClientExchange exchange, bool isChunked) : IDisposable
    {
        private readonly ArrayBufferWriter<byte> _encapsulated = new();
        private readonly ArrayBufferWriter<byte> _message = new();
        private readonly ArrayBufferWriter<byte> _content = new();
        private readonly BinaryHttpReader _reader = new(BinaryHttpKind.Response);
        private readonly ObliviousResponseReader? _chunks = isChunked ? exchange.ReadResponse() : null;
        private bool _isValid = true;

        public string Text => Encoding.UTF8.GetString(_content.WrittenSpan);

        public void Read(ReadOnlySpan<byte> bytes)
        {
            _encapsulated.Write(bytes);
            int before = _message.WrittenCount;
            _isValid = _isValid && _chunks?.TryRead(bytes, _message) != false && _reader.TryRead(_message.WrittenSpan[before..], _content);
        }

        public ObliviousAnswer End(int status, string? type, bool isCut)
        {
            int before = _message.WrittenCount;
            bool isWhole = !isCut && _isValid && (_chunks?.TryEnd(_message) ?? exchange.TryOpenResponse(_encapsulated.WrittenSpan, _message))
                && _reader.TryRead(_message.WrittenSpan[before..], _content) && _reader.TryEnd();
            return new ObliviousAnswer
            {
                OuterStatus = status,
                OuterType = type,
                Encapsulated = _encapsulated.WrittenSpan.ToArray(),
                Response = isWhole ? _reader.Response : null,
                Trailers = _reader.Trailers,
                Text = Text,
                PlaintextSize = _message.WrittenCount,
            };
        }

        public void Dispose()
        {
            _reader.Dispose();
            _chunks?.Dispose();
        }
    }
}
