using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Tacit.Crypto;
using Tacit.Gateway.Sealing;
using Tacit.Gateway.Tests.Support;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests;

/// <summary>When chunks of a sealed reply leave, and how large they are, whatever is in them.</summary>
public sealed class ReplyPacerTests : IDisposable
{
    private static readonly int[] s_buckets = [256, 1024, 4096, 16384];
    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(50);

    private readonly HpkePrivateKey _key = HpkePrivateKey.Generate(HpkeSuite.X25519ChaCha20Poly1305);
    private readonly ObliviousClientExchange _client;
    private readonly ObliviousGatewayExchange _gateway;
    private readonly FakeTime _time = new(TestGateway.Start);
    private readonly PaceClock _clock;

    public ReplyPacerTests()
    {
        _clock = new PaceClock(s_interval, _time);
        _client = ObliviousClientExchange.TryCreate(
            new ObliviousKeyConfiguration { KeyId = 1, KemId = 0x0020, PublicKey = _key.PublicKey.Export(), Algorithms = [new(0x0001, 0x0003)] }, isChunked: true)!;
        ArrayBufferWriter<byte> request = new();
        _client.SealChunk("GET"u8, isFinal: true, request);
        _gateway = ObliviousGatewayExchange.TryBegin(_key, request.WrittenSpan, isChunked: true, out _)!;
    }

    public void Dispose()
    {
        _client.Dispose();
        _gateway.Dispose();
        _key.Dispose();
    }

    [Fact]
    public async Task What_comes_between_two_ticks_leaves_as_one_chunk_at_the_tick()
    {
        var pipe = new Pipe();
        using ReplyPacer pacer = Create(pipe.Writer, MediaTypes.EventStream);
        for (int i = 0; i < 3; i++)
        {
            Assert.False((await pacer.WriteAsync(Event(40))).IsCompleted);
            _time.Advance(s_interval / 4);
        }

        Assert.False(pipe.Reader.TryRead(out _));
        _time.Advance(s_interval / 4);
        Assert.Equal(256 + 16, Assert.Single(ReadSoFar(pipe).ChunkSizes()));

        // With nothing to say nothing leaves, however long it takes.
        _time.Advance(s_interval * 10);
        Assert.Equal(1, Count(ReadSoFar(pipe)));
        await pacer.WriteAsync(Event(40));
        _time.Advance(s_interval);
        Assert.Equal(2, Count(ReadSoFar(pipe)));
        await pacer.EndAsync(new HeaderDictionary(), default);
        ObliviousAnswer answer = ReadSoFar(pipe);
        Assert.True(answer.IsWhole);
        Assert.Equal(string.Concat(Enumerable.Repeat(Encoding.UTF8.GetString(Event(40)), 4)), answer.Events());
        static int Count(ObliviousAnswer answer) => answer.ChunkSizes().Length;
    }

    [Fact]
    public async Task Any_content_comes_out_as_it_went_in_and_every_chunk_has_the_size_of_a_bucket()
    {
        var random = new Seeded(20261121);
        for (int run = 0; run < (Environment.GetEnvironmentVariable("TACIT_SOAK") == "1" ? 3000 : 60); run++)
        {
            bool isStream = random.Next(4) > 0;
            var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 0));
            using ReplyPacer pacer = Create(pipe.Writer, isStream ? "text/event-stream; charset=utf-8" : MediaTypes.Json);
            StringBuilder expected = new();
            for (int i = random.Next(12); i > 0; i--)
            {
                // Sizes around those of buckets as well, where padding of one or two bytes is due; sometimes half an event first.
                int size = random.Next(3) switch { 0 => random.Next(60), 1 => PaddingBuckets.Round(random.Next(5000)) - 100 + random.Next(100), _ => random.Next(40_000) };
                byte[] bytes = Event(size);
                expected.Append(Encoding.UTF8.GetString(bytes));
                int cut = random.Next(3) == 0 ? random.Next(bytes.Length) : 0;
                await pacer.WriteAsync(bytes.AsMemory(0, cut));
                if (random.Next(2) == 0)
                {
                    _time.Advance(s_interval);
                }

                await pacer.WriteAsync(bytes.AsMemory(cut));
                if (random.Next(2) == 0)
                {
                    _time.Advance(s_interval);
                }
            }

            var trailers = new HeaderDictionary { ["tacit-renewal"] = new string('r', random.Next(3) * 340) };
            await pacer.EndAsync(trailers, default);
            ObliviousAnswer answer = ReadSoFar(pipe);
            Assert.True(answer.IsWhole);
            Assert.Equal(expected.ToString(), isStream ? answer.Events() : answer.Text);
            Assert.Equal(trailers["tacit-renewal"].ToString(), answer.Trailer("tacit-renewal"));
            int[] sizes = answer.ChunkSizes();
            Assert.All(sizes, size => Assert.Contains(size - 16, s_buckets));
            // Below the largest floor a stream never goes back to a smaller bucket.
            Assert.All(sizes.Zip(sizes.Skip(1)), pair => Assert.True(pair.Second >= Math.Min(pair.First, 4096 + 16)));
        }
    }

    [Fact]
    public async Task End_that_does_not_fit_beside_what_is_left_of_an_event_goes_into_no_smaller_bucket_than_before()
    {
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 0));
        using ReplyPacer pacer = Create(pipe.Writer, MediaTypes.EventStream);
        using var head = new SensitiveBuffer();
        new ObliviousFraming(_gateway.CreateResponse()).WriteHead(200, Head(MediaTypes.EventStream), head);
        // With the length before it and no line's end behind it: a chunk to the last byte, into which the trailers go no more.
        await pacer.WriteAsync(Event(20_000).AsMemory(0, PaddingBuckets.Largest - head.WrittenCount - 4));
        await pacer.EndAsync(new HeaderDictionary { ["tacit-renewal"] = new string('r', 340) }, default);
        ObliviousAnswer answer = ReadSoFar(pipe);
        Assert.True(answer.IsWhole);
        Assert.Equal([PaddingBuckets.Largest + 16, 4096 + 16], answer.ChunkSizes());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task Padding_of_a_few_bytes_fits_as_well(int missing)
    {
        var pipe = new Pipe();
        using ReplyPacer pacer = Create(pipe.Writer, MediaTypes.EventStream);
        using var head = new SensitiveBuffer();
        new ObliviousFraming(_gateway.CreateResponse()).WriteHead(200, Head(MediaTypes.EventStream), head);
        byte[] content = Event(256 - head.WrittenCount - 4 - missing - Event(0).Length);
        await pacer.WriteAsync(content);
        _time.Advance(s_interval);
        Assert.Equal(256 + 16, Assert.Single(ReadSoFar(pipe).ChunkSizes()));
        await pacer.EndAsync(new HeaderDictionary(), default);
        ObliviousAnswer answer = ReadSoFar(pipe);
        Assert.True(answer.IsWhole);
        Assert.Equal(Encoding.UTF8.GetString(content), answer.Events());
    }

    [Theory]
    [InlineData("\n")]
    [InlineData("\r\n")]
    [InlineData("\r")]
    public async Task Whole_events_leave_at_the_tick_whichever_line_ends_they_have_and_half_ones_wait(string lineEnd)
    {
        var pipe = new Pipe();
        using ReplyPacer pacer = Create(pipe.Writer, MediaTypes.EventStream);
        byte[] one = Encoding.ASCII.GetBytes($"event: a{lineEnd}data: one{lineEnd}{lineEnd}");
        await pacer.WriteAsync((byte[])[.. one, .. one[..12]]);
        _time.Advance(s_interval);
        ObliviousAnswer part = ReadSoFar(pipe);
        Assert.Single(part.ChunkSizes());
        Assert.StartsWith(Encoding.ASCII.GetString(one) + ":", part.Text, StringComparison.Ordinal);
        Assert.EndsWith(" \n\n", part.Text, StringComparison.Ordinal);

        await pacer.WriteAsync(one.AsMemory(12));
        _time.Advance(s_interval);
        Assert.Equal(2, ReadSoFar(pipe).ChunkSizes().Length);
    }

    [Fact]
    public async Task Reader_that_does_not_read_holds_back_its_own_reply()
    {
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 64 * 1024, resumeWriterThreshold: 32 * 1024));
        using ReplyPacer pacer = Create(pipe.Writer, MediaTypes.EventStream);
        byte[] content = Event(10_000);
        int taken = 0;
        Task<FlushResult> flush = Task.FromResult(default(FlushResult));
        while (flush.IsCompleted)
        {
            Assert.True(++taken < 40, "more was taken than a connection and a chunk hold");
            flush = pacer.WriteAsync(content).AsTask();
            _time.Advance(s_interval);
        }

        // Time alone changes nothing; the reader does.
        _time.Advance(s_interval * 100);
        Assert.False(flush.IsCompleted);
        Task<ObliviousAnswer> reading = ReadAllAsync(pipe);
        Assert.False((await flush).IsCompleted);
        await pacer.EndAsync(new HeaderDictionary(), TestContext.Current.CancellationToken);
        await pipe.Writer.CompleteAsync();
        ObliviousAnswer answer = await reading;
        Assert.True(answer.IsWhole);
        Assert.Equal(taken * content.Length, answer.Events().Length);
    }

    [Fact]
    public async Task Connection_that_has_gone_is_told_to_the_handler_and_ends_nothing_else()
    {
        var pipe = new Pipe();
        using ReplyPacer pacer = Create(pipe.Writer, MediaTypes.EventStream);
        await pipe.Reader.CompleteAsync();
        await pacer.WriteAsync(Event(40));
        _time.Advance(s_interval);
        Assert.True((await pacer.WriteAsync(Event(40))).IsCompleted);
        await pipe.Writer.CompleteAsync();
        _time.Advance(s_interval);
        Assert.True((await pacer.WriteAsync(Event(40))).IsCompleted);
    }

    [Fact]
    public async Task Head_that_fills_a_chunk_or_more_goes_ahead_of_the_content()
    {
        byte[] content = Encoding.ASCII.GetBytes(new string('x', 300));
        foreach (int size in Enumerable.Range(16_200, 200).Append(5_000).Append(40_000))
        {
            var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 0));
            using var pacer = new ReplyPacer(new ObliviousFraming(_gateway.CreateResponse()), pipe.Writer, _clock);
            IHeaderDictionary headers = Head(MediaTypes.Json);
            headers.WWWAuthenticate = new string('c', size);
            pacer.Begin(401, headers);
            await pacer.WriteAsync(content);
            _time.Advance(s_interval);
            await pacer.EndAsync(new HeaderDictionary(), default);

            ObliviousAnswer answer = ReadSoFar(pipe);
            Assert.True(answer.IsWhole, $"{size}");
            Assert.Equal(Encoding.ASCII.GetString(content), answer.Text);
            Assert.Equal(size, answer.Header("WWW-Authenticate")!.Length);
            Assert.All(answer.ChunkSizes(), chunk => Assert.Contains(chunk - 16, s_buckets));
        }
    }

    [Fact]
    public async Task Aborted_reply_has_no_end()
    {
        var pipe = new Pipe();
        using ReplyPacer pacer = Create(pipe.Writer, MediaTypes.EventStream);
        await pacer.WriteAsync(Event(40));
        _time.Advance(s_interval);
        await pacer.WriteAsync(Event(40));
        pacer.Abort();
        _time.Advance(s_interval);
        ObliviousAnswer answer = ReadSoFar(pipe);
        Assert.False(answer.IsWhole);
        Assert.Single(answer.ChunkSizes());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Handler_that_gives_up_cuts_the_outer_connection_whether_a_reply_had_begun_or_not(bool hasBegun)
    {
        var pipe = new Pipe();
        var connection = new Lifetime();
        var outer = new DefaultHttpContext();
        outer.Features.Set<IHttpRequestLifetimeFeature>(connection);
        using ReplyPacer pacer = new(new ObliviousFraming(_gateway.CreateResponse()), pipe.Writer, _clock);
        var request = new InnerRequest { Method = "GET", Target = "/", Headers = [], Body = new SensitiveBuffer() };

        await request.RunAsync(
            async context =>
            {
                if (hasBegun)
                {
                    await context.Response.BodyWriter.WriteAsync(Event(40));
                }

                context.Abort();
            },
            outer, pacer);

        Assert.True(connection.IsAborted);
        Assert.False(ReadSoFar(pipe).IsWhole);
    }

    [Fact]
    public async Task Openings_beyond_the_bound_are_refused_and_those_within_it_wait_their_turn()
    {
        await using var gate = new OpeningGate(concurrent: 1, waiting: 1);
        Assert.True(await gate.TryEnterAsync(default));
        ValueTask<bool> second = gate.TryEnterAsync(default);
        Assert.False(second.IsCompleted);
        Assert.False(await gate.TryEnterAsync(default));
        gate.Leave();
        Assert.True(await second);
        gate.Leave();
        Assert.True(await gate.TryEnterAsync(default));
    }

    private static byte[] Event(int size) => Encoding.ASCII.GetBytes($"data: {new string('x', size)}\n\n");

    private static HeaderDictionary Head(string contentType) => new() { ["Content-Type"] = contentType, ["Cache-Control"] = "no-store", ["Connection"] = "close" };

    private ReplyPacer Create(PipeWriter output, string contentType)
    {
        var pacer = new ReplyPacer(new ObliviousFraming(_gateway.CreateResponse()), output, _clock);
        pacer.Begin(200, Head(contentType));
        return pacer;
    }

    private ObliviousAnswer ReadSoFar(Pipe pipe)
    {
        byte[] bytes = [];
        if (pipe.Reader.TryRead(out ReadResult result))
        {
            bytes = result.Buffer.ToArray();
            pipe.Reader.AdvanceTo(result.Buffer.Start, result.Buffer.Start);
        }

        return ObliviousClient.Read(_client, bytes);
    }

    private async Task<ObliviousAnswer> ReadAllAsync(Pipe pipe)
    {
        using var all = new MemoryStream();
        await pipe.Reader.CopyToAsync(all, TestContext.Current.CancellationToken);
        return ObliviousClient.Read(_client, all.ToArray());
    }

    private sealed class Lifetime : IHttpRequestLifetimeFeature
    {
        public bool IsAborted { get; private set; }

        public CancellationToken RequestAborted { get; set; }

        public void Abort() => IsAborted = true;
    }

    /// <summary>Numbers that are the same in every run.</summary>
    private sealed class Seeded(uint state)
    {
        public int Next(int below)
        {
            state = unchecked((state * 1664525) + 1013904223);
            return (int)((state >> 8) % (uint)Math.Max(below, 1));
        }
    }
}
