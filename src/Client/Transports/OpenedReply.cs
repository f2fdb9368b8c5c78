using System.Net;
using Tacit.Protocol;

namespace Tacit.Client.Transports;

/// <summary>The answer inside a sealed one, opened as it comes: its head, then its content as a stream, whose end is reached only if the last chunk was marked.</summary>
internal sealed class OpenedReply : Stream
{
    private const int BlockBytes = 16 * 1024;

    private readonly ObliviousClientExchange _exchange;
    private readonly HttpResponseMessage _sealed;
    private readonly Stream _source;
    private readonly ObliviousResponseReader _chunks;
    private readonly BinaryHttpReader _reader = new(BinaryHttpKind.Response);
    private readonly byte[] _block = new byte[BlockBytes];
    private readonly SensitiveBuffer _plaintext = new(BlockBytes);
    private readonly SensitiveBuffer _content = new(BlockBytes);
    private readonly PromptTrace? _trace;
    private HttpResponseMessage? _response;
    private bool _ended;

    /// <param name="exchange">Owned, as are the answer and its stream.</param>
    /// <param name="trace">Told how much comes; null as a rule.</param>
    public OpenedReply(ObliviousClientExchange exchange, HttpResponseMessage answer, Stream source, PromptTrace? trace = null)
    {
        _trace = trace;
        _exchange = exchange;
        _sealed = answer;
        _source = source;
        _chunks = exchange.ReadResponse();
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>Reads until the inner head is there.</summary>
    /// <exception cref="IOException">The answer was cut off or changed on its way.</exception>
    public async Task<HttpResponseMessage> ReadHeadAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            while (_reader.Response is null && await FillAsync(cancellationToken))
            {
            }

            BinaryHttpResponse head = _reader.Response ?? throw Broken();
            _response = new HttpResponseMessage((HttpStatusCode)head.Status) { RequestMessage = request, Version = HttpVersion.Version20, Content = new StreamContent(this) };
            foreach (BinaryHttpField field in head.Headers)
            {
                if (!_response.Headers.TryAddWithoutValidation(field.Name, field.Value))
                {
                    _response.Content.Headers.TryAddWithoutValidation(field.Name, field.Value);
                }
            }

            if (_ended)
            {
                // A short answer is one chunk, all of which opened at once.
                AddTrailers();
            }

            return _response;
        }
        catch
        {
            await DisposeAsync();
            throw;
        }
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (_content.WrittenCount == 0)
        {
            if (!await FillAsync(cancellationToken))
            {
                return 0;
            }
        }

        int count = Math.Min(buffer.Length, _content.WrittenCount);
        _content.WrittenSpan[..count].CopyTo(buffer.Span);
        _content.RemoveFirst(count);
        return count;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("This stream is read asynchronously.");

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _source.Dispose();
            _sealed.Dispose();
            _reader.Dispose();
            _chunks.Dispose();
            _exchange.Dispose();
            _plaintext.Dispose();
            _content.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>Opens what comes next; false at the marked end.</summary>
    private async ValueTask<bool> FillAsync(CancellationToken cancellationToken)
    {
        if (_ended)
        {
            return false;
        }

        int read = await _source.ReadAsync(_block, cancellationToken);
        _trace?.SealedCame(read);
        _plaintext.Clear();
        bool isValid = read > 0 ? _chunks.TryRead(_block.AsSpan(0, read), _plaintext) : _chunks.TryEnd(_plaintext);
        if (!isValid || !_reader.TryRead(_plaintext.WrittenSpan, _content) || (read == 0 && !_reader.TryEnd()))
        {
            throw Broken();
        }

        if (read == 0)
        {
            _ended = true;
            AddTrailers();
        }

        return read > 0 || _content.WrittenCount > 0 || _response is null;
    }

    private void AddTrailers()
    {
        foreach (BinaryHttpField field in _reader.Trailers)
        {
            _response?.TrailingHeaders.TryAddWithoutValidation(field.Name, field.Value);
        }
    }

    private static IOException Broken() => new("The sealed answer was cut off, or changed on its way.");
}
