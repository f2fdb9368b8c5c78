using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Http;
using Tacit.Gateway.Admission;
using Tacit.Protocol;

namespace Tacit.Gateway.Sealing;

/// <summary>A reply that is sealed in one piece when it has ended, padded to a bucket: for <c>message/ohttp-req</c>. Until then it is held in memory that is counted.</summary>
internal sealed class WholeReply(ObliviousGatewayExchange exchange, HttpContext outer, MemoryRoom room) : InnerReply
{
    /// <summary>As it came, as a message, and sealed.</summary>
    private const int Copies = 3;

    private readonly SensitiveBuffer _content = new();
    private BinaryHttpResponse? _head;
    private long _taken;
    private bool _isAborted;

    public override void Begin(int status, IHeaderDictionary headers) => _head = new BinaryHttpResponse { Status = status, Headers = InnerFields.Of(headers) };

    public override void Advance(int bytes) => _content.Advance(bytes);

    public override Memory<byte> GetMemory(int sizeHint = 0) => _content.GetMemory(sizeHint);

    public override Span<byte> GetSpan(int sizeHint = 0) => _content.GetSpan(sizeHint);

    /// <summary>To the handler, a reply that there is no room for is a connection that has gone: the reply is kept, and the client may come back for it.</summary>
    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        long more = (_content.WrittenCount * (long)Copies) - _taken;
        bool hasRoom = !_isAborted && room.TryReserve(more);
        if (hasRoom)
        {
            _taken += more;
        }

        return new ValueTask<FlushResult>(new FlushResult(isCanceled: false, isCompleted: !hasRoom));
    }

    public override async ValueTask EndAsync(IHeaderDictionary trailers, CancellationToken cancellationToken)
    {
        using var plaintext = new SensitiveBuffer(_content.WrittenCount + 1024);
        BinaryHttpWriter.WriteResponse(plaintext, _head!, _content.WrittenSpan, InnerFields.Of(trailers));
        _content.Truncate(0);
        BinaryHttpWriter.WritePadding(plaintext, PaddingBuckets.Round(plaintext.WrittenCount) - plaintext.WrittenCount);
        ArrayBufferWriter<byte> encapsulated = new(plaintext.WrittenCount + 64);
        exchange.SealResponse(plaintext.WrittenSpan, encapsulated);
        outer.Response.ContentLength = encapsulated.WrittenCount;
        await outer.Response.BodyWriter.WriteAsync(encapsulated.WrittenMemory, cancellationToken);
    }

    public override void Abort() => _isAborted = true;

    public override void Dispose()
    {
        _content.Dispose();
        room.Release(_taken);
        _taken = 0;
    }
}
