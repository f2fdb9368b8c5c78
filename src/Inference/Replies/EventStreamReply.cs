using System.Runtime.CompilerServices;
using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>A reply in server-sent events, handed on event by event as they complete.</summary>
internal sealed class EventStreamReply : HttpReply
{
    private readonly EventParser _parser;
    private readonly int _maxEventBytes;
    private readonly bool _isFramed;
    private readonly bool _isMessages;
    private SensitiveBuffer? _opening;
    private bool _isEnd;

    public EventStreamReply(ProviderCall call, HttpResponseMessage response, Stream body, int maxEventBytes, ReplyMeter? meter)
        : base(call, response, body, 4096, meter)
    {
        _isMessages = call.Operation == Operation.Messages;
        _parser = new EventParser(ReplyShapes.OfEvent(call.Operation), _isMessages);
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
            if (!_parser.HasContent || _opening is not null)
            {
                HoldOpening(into, before);
            }

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
            // there the last event has to say so. Anthropic's streams always say so.
            if (_parser.IsBroken || (_isEnd && (Pending.WrittenCount > 0 || !IsBegun || !_isFramed || _isMessages)))
            {
                throw Failures.Broken(IsBegun);
            }

            if (_isEnd)
            {
                return false;
            }

            if (Pending.WrittenCount + (_opening?.WrittenCount ?? 0) > _maxEventBytes)
            {
                throw Failures.TooLarge(_maxEventBytes);
            }

            _isEnd = !await ReceiveAsync(IsBegun ? CallPhase.Idle : CallPhase.FirstByte, cancellationToken);
        }
    }

    public override ValueTask DisposeAsync()
    {
        _opening?.Dispose();
        return base.DisposeAsync();
    }

    /// <summary>
    /// Holds back the events without content that a stream opens with, until one with content follows: up to then an error is the provider's failure before a
    /// byte, which another backend can make good and which gives the token back.
    /// </summary>
    private void HoldOpening(SensitiveBuffer into, int before)
    {
        if (!_parser.HasContent)
        {
            _opening ??= new SensitiveBuffer();
            _opening.Write(into.WrittenSpan[before..]);
            into.Truncate(before);
            return;
        }

        // What came now goes behind what was held.
        _opening!.Write(into.WrittenSpan[before..]);
        into.Truncate(before);
        into.Write(_opening.WrittenSpan);
        _opening.Dispose();
        _opening = null;
    }
}
