using System.Net;
using System.Text;
using Tacit.Client.Tests.Support;
using Tacit.Client.Transports;
using Tacit.Gateway.Tests.Support;
using Tacit.Protocol;

namespace Tacit.Client.Tests;

/// <summary>When a reply that is coming in is believed dead, by a clock that the test moves.</summary>
public sealed class LiveReplyTests : IDisposable
{
    private static readonly Route There = Route.Direct(new Uri("http://127.0.0.1:1"));

    private readonly FakeTime _time = new(new DateTimeOffset(2026, 3, 10, 12, 0, 0, TimeSpan.Zero));
    private readonly RedemptionOptions _options = new() { ReconnectDelay = TimeSpan.FromTicks(1), MaxReconnectDelay = TimeSpan.FromTicks(1) };
    private readonly TransportPool _pool;
    private readonly Owner _owner;
    private int _sent;

    public LiveReplyTests()
    {
        _pool = new TransportPool(new TransportOptions(), _time);
        _owner = new Owner(_options, _time);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _pool.Dispose();

    [Fact]
    public async Task Comments_keep_a_silent_stream_alive_and_reach_nobody()
    {
        using LiveReply reply = Reply(
            new Script(_time, "data: a\n\n", 50, ":\n\n", 50, ":\n\n", 50, ":", 50, "\n\n", 50, "data: b\n\n"));

        Assert.Equal("data: a\n\ndata: b\n\n", await ReadAsync(reply));
        Assert.Equal((0, 1), (_sent, _owner.Ended));
    }

    [Fact]
    public async Task Silence_of_a_minute_is_a_dead_connection_and_a_second_less_is_none()
    {
        using LiveReply reply = Reply(new Script(_time, "data: a\n\n", 59, "data: b\n\n", 61, "never"), new Script(_time, "data: a\n\ndata: b\n\ndata: c\n\n"));

        Assert.Equal("data: a\n\ndata: b\n\ndata: c\n\n", await ReadAsync(reply));
        Assert.Equal((1, 1), (_sent, _owner.Ended));
    }

    [Fact]
    public async Task Comments_before_the_place_where_it_broke_off_do_not_count_as_bytes_of_it()
    {
        using LiveReply reply = Reply(
            new Script(_time, ":\n\n", "data: a\n\n", ":   \n\n", "data: b", 61), new Script(_time, "data: a\n\n:\n", "\ndata", ": b\n\n", ":\n\n", "data: c\n\n"));

        Assert.Equal("data: a\n\ndata: b\n\ndata: c\n\n", await ReadAsync(reply));
    }

    [Theory]
    [InlineData("\n")]
    [InlineData("\r\n")]
    [InlineData("\r")]
    public async Task Comments_are_no_part_of_a_reply_whose_lines_end_as_its_provider_ends_them(string end)
    {
        string first = $"event: x{end}data: a{end}{end}";
        string second = $"data: b{end}{end}";
        using LiveReply reply = Reply(
            new Script(_time, first, ":\n\n", second[..^1], 61), new Script(_time, ":\n\n", first, ":   \n\n", second, ":\n\n", "data: c\n\n"));

        Assert.Equal(first + second + "data: c\n\n", await ReadAsync(reply));
        Assert.Equal((1, 1), (_sent, _owner.Ended));
    }

    [Fact]
    public async Task Gateway_that_attaches_and_then_says_nothing_is_given_up_after_the_time_for_which_replies_are_kept()
    {
        using LiveReply reply = Reply([.. Enumerable.Range(0, 20).Select(_ => new Script(_time, "data: a\n\n", 61))]);

        ClientException e = await Assert.ThrowsAsync<ClientException>(() => ReadAsync(reply));

        Assert.Equal(ClientError.ReplyInterrupted, e.Error);
        // Silences of a minute in ten.
        Assert.InRange(_sent, 8, 10);
    }

    [Fact]
    public async Task Attempts_are_counted_in_a_row_only()
    {
        Script[] scripts = [.. Enumerable.Range(1, 100).Select(i => new Script(_time, new string('x', i)) { Breaks = true })];
        using LiveReply reply = Reply([.. scripts, new Script(_time, new string('x', 100) + "!")]);

        Assert.Equal(new string('x', 100) + "!", await ReadAsync(reply));
        Assert.Equal(100, _sent);
    }

    [Fact]
    public async Task Attempts_that_bring_nothing_new_come_to_an_end()
    {
        using LiveReply reply = Reply([.. Enumerable.Range(0, 20).Select(_ => new Script(_time, "xxx") { Breaks = true })]);

        Assert.Equal(ClientError.ReplyInterrupted, (await Assert.ThrowsAsync<ClientException>(() => ReadAsync(reply))).Error);
        Assert.Equal(_options.MaxResumptions, _sent);
    }

    [Fact]
    public async Task Gateway_that_cuts_after_every_byte_has_so_many_connections_made_and_no_more()
    {
        using LiveReply reply = Reply([.. Enumerable.Range(1, 200).Select(i => new Script(_time, new string('x', i)) { Breaks = true })]);

        Assert.Equal(ClientError.ReplyInterrupted, (await Assert.ThrowsAsync<ClientException>(() => ReadAsync(reply))).Error);
        Assert.Equal(_options.MaxResumptionsInAll, _sent);
    }

    private LiveReply Reply(params Script[] scripts)
    {
        var request = new RepeatedRequest(
            (_, _) => Task.FromResult(Answer(scripts[++_sent])), 0, _ => true, new GatewayConnection(_pool, null, _options, _time), _options, _time);
        return new LiveReply(_owner, PromptBody.Parse(Prompts.Chat("x"), new byte[32]), request, Answer(scripts[0]));
    }

    private GatewayAnswer Answer(Script script)
    {
        var response = new HttpResponseMessage(HttpStatusCode.OK) { Content = new ByteArrayContent([]) };
        response.Content.Headers.ContentType = new System.Net.Http.Headers.MediaTypeHeaderValue(MediaTypes.EventStream);
        return new GatewayAnswer(response, _pool.Lease(There, AnonymousUnit.ForOneRequest(), keep: false), script);
    }

    /// <summary>The pauses between attempts are on the test's clock, too: it moves whenever nothing else happens.</summary>
    private async Task<string> ReadAsync(LiveReply reply)
    {
        var text = new StringBuilder();
        byte[] block = new byte[16];
        while (true)
        {
            Task<int> reading = reply.ReadAsync(block, Token).AsTask();
            while (!reading.IsCompleted)
            {
                _time.Advance(TimeSpan.FromTicks(1));
                await Task.Yield();
            }
            int read = await reading;
            if (read == 0)
            {
                return text.ToString();
            }
            text.Append(Encoding.UTF8.GetString(block, 0, read));
        }
    }

    /// <summary>A stream of pieces and of seconds that pass before the next.</summary>
    private sealed class Script(FakeTime time, params object[] parts) : Stream
    {
        private readonly Queue<object> _parts = new(parts);
        private byte[] _piece = [];

        /// <summary>It breaks off where the parts end.</summary>
        public bool Breaks { get; init; }

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            while (_piece.Length == 0)
            {
                if (!_parts.TryDequeue(out object? part))
                {
                    return Breaks ? throw new IOException("It broke off.") : ValueTask.FromResult(0);
                }
                if (part is int seconds)
                {
                    time.Advance(TimeSpan.FromSeconds(seconds));
                    cancellationToken.ThrowIfCancellationRequested();
                    continue;
                }
                _piece = Encoding.UTF8.GetBytes((string)part);
            }
            int count = Math.Min(buffer.Length, _piece.Length);
            _piece.AsSpan(0, count).CopyTo(buffer.Span);
            _piece = _piece[count..];
            return ValueTask.FromResult(count);
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }

    private sealed class Owner(RedemptionOptions options, TimeProvider time) : IReplyOwner
    {
        public RedemptionOptions Options => options;

        public TimeProvider Time => time;

        public int Ended { get; private set; }

        public void EndOfReply(GatewayAnswer answer) => Ended++;

        public Task<TokenOutcome> SettleAsync(GatewayAnswer answer) => Task.FromResult(TokenOutcome.Spent);

        public Task CompleteAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task CancelAsync() => Task.CompletedTask;

        public void Abandon()
        {
        }
    }
}
