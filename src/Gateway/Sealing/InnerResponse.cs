using System.IO.Pipelines;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Tacit.Gateway.Sealing;

/// <summary>What a handler sees of the response to an <see cref="InnerRequest"/>: it begins with the first flush and ends when the handler has returned.</summary>
internal sealed class InnerResponse(HttpContext outer, InnerReply reply)
    : IHttpResponseFeature, IHttpResponseBodyFeature, IHttpResponseTrailersFeature, IHttpRequestLifetimeFeature
{
    private readonly List<(Func<object, Task> Callback, object State)> _starting = [];
    private readonly List<(Func<object, Task> Callback, object State)> _completed = [];
    private PipeWriter? _writer;
    private bool _isAborted;

    public int StatusCode { get; set; } = StatusCodes.Status200OK;

    public string? ReasonPhrase { get; set; }

    public IHeaderDictionary Headers { get; set; } = new HeaderDictionary();

    public IHeaderDictionary Trailers { get; set; } = new HeaderDictionary();

    public bool HasStarted { get; private set; }

    public CancellationToken RequestAborted { get; set; } = outer.RequestAborted;

    public PipeWriter Writer => _writer ??= new BodyWriter(this);

    public Stream Stream => Writer.AsStream(leaveOpen: true);

    Stream IHttpResponseFeature.Body
    {
        get => Stream;
        set => throw new NotSupportedException();
    }

    public void OnStarting(Func<object, Task> callback, object state) => _starting.Add((callback, state));

    public void OnCompleted(Func<object, Task> callback, object state) => _completed.Add((callback, state));

    public async Task StartAsync(CancellationToken cancellationToken = default)
    {
        if (HasStarted)
        {
            return;
        }

        for (int i = _starting.Count - 1; i >= 0; i--)
        {
            await _starting[i].Callback(_starting[i].State);
        }

        HasStarted = true;
        reply.Begin(StatusCode, Headers);
    }

    /// <summary>The handler has returned.</summary>
    public async Task EndAsync()
    {
        if (!_isAborted)
        {
            await StartAsync();
            await reply.EndAsync(Trailers, outer.RequestAborted);
        }

        for (int i = _completed.Count - 1; i >= 0; i--)
        {
            await _completed[i].Callback(_completed[i].State);
        }
    }

    /// <summary>What the handler wrote is not a whole reply, and not even the outer one may look like one.</summary>
    public void Abort()
    {
        if (!_isAborted)
        {
            _isAborted = true;
            reply.Abort();
            outer.Abort();
        }
    }

    /// <summary>The handler failed: what it wrote is no reply. If nothing of one has begun, the server can still say so in the clear.</summary>
    public void Fail()
    {
        if (HasStarted)
        {
            Abort();
        }
        else
        {
            _isAborted = true;
            reply.Abort();
        }
    }

    public void DisableBuffering()
    {
        // How long what was written may wait is the reply's to say.
    }

    public Task CompleteAsync() => StartAsync();

    public Task SendFileAsync(string path, long offset, long? count, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    private sealed class BodyWriter(InnerResponse response) : PipeWriter
    {
        private readonly InnerReply _reply = response.Reply;

        public override void Advance(int bytes) => _reply.Advance(bytes);

        public override Memory<byte> GetMemory(int sizeHint = 0) => _reply.GetMemory(sizeHint);

        public override Span<byte> GetSpan(int sizeHint = 0) => _reply.GetSpan(sizeHint);

        public override void CancelPendingFlush() => _reply.CancelPendingFlush();

        public override void Complete(Exception? exception = null)
        {
            // Ended when the handler has returned.
        }

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) =>
            response._isAborted ? new ValueTask<FlushResult>(new FlushResult(isCanceled: false, isCompleted: true))
            : response.HasStarted ? _reply.FlushAsync(cancellationToken)
            : StartAndFlushAsync(cancellationToken);

        private async ValueTask<FlushResult> StartAndFlushAsync(CancellationToken cancellationToken)
        {
            await response.StartAsync(cancellationToken);
            return await _reply.FlushAsync(cancellationToken);
        }
    }

    private InnerReply Reply => reply;
}
