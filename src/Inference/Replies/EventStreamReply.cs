using System.Runtime.CompilerServices;
using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>A reply in server-sent events, handed on event by event as they complete.</summary>
internal sealed class EventStreamReply : HttpReply
{
    private readonly EventParser _parser;
    private readonly int _maxEventBytes;
    private readonly bool _isFramed;
    private bool _isEnd;

    public EventStreamReply(ProviderCall call, HttpResponseMessage response, Stream body, int maxEventBytes, ReplyMeter? meter)
        : base(call, response, body, 4096, meter)
    {
        _parser = new EventParser(ReplyShapes.OfEvent(call.Operation));
        _maxEventBytes = maxEventBytes;
        _isFramed = response.Version.Major > 1 || response.Headers.TransferEncodingChunked == true || response.Content.Headers.ContentLength is not null;
    }

    public override bool IsEventStream => true;

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public override async ValueTask<bool> ReadAsync(SensitiveBuffer into, CancellationToken cancellationToken)
    {
        while (true)
        {
            int before = into.WrittenCount;
            _parser.TakeWhole(Pending, into, _isEnd);
            if (into.WrittenCount > before)
            {
                IsBegun = true;
                Meter?.SeeEvents(into.WrittenSpan[before..]);
                return true;
            }

            if (_parser.IsDone)
            {
                return false;
            }

            // An event begun must end. And where only the connection's end marks the reply's, a lost connection looks the same:
            // there the last event has to say so.
            if (_parser.IsBroken || (_isEnd && (Pending.WrittenCount > 0 || !IsBegun || !_isFramed)))
            {
                throw Failures.Broken(IsBegun);
            }

            if (_isEnd)
            {
                return false;
            }

            if (Pending.WrittenCount > _maxEventBytes)
            {
                throw Failures.TooLarge(_maxEventBytes);
            }

            _isEnd = !await ReceiveAsync(IsBegun ? CallPhase.Idle : CallPhase.FirstByte, cancellationToken);
        }
    }
}
