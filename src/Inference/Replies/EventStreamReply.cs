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
    private SensitiveBuffer? _first;

    public EventStreamReply(ProviderCall call, HttpResponseMessage response, Stream body, int maxEventBytes, ReplyMeter? meter)
        : base(call, response, body, 4096, meter)
    {
        _isMessages = call.Operation == Operation.Messages;
        _parser = new EventParser(ReplyShapes.OfEvent(call.Operation), _isMessages);
        _maxEventBytes = maxEventBytes;
        _isFramed = response.Version.Major > 1 || response.Headers.TransferEncodingChunked == true || response.Content.Headers.ContentLength is not null;
    }

    public override bool IsEventStream => true;

    /// <summary>
    /// Waits for the first event, which is where a reply begins: of a backend that answers with a head and dies, or never goes on, another can still be asked.
    /// </summary>
    /// <returns>Why there is none, or null.</returns>
    public async ValueTask<ProviderException?> ReceiveFirstAsync()
    {
        _first = new SensitiveBuffer(1024);
        try
        {
            return await ReceiveEventsAsync(_first, CancellationToken.None) ? null : Failures.Broken(begun: false);
        }
        catch (ProviderException failure)
        {
            return failure;
        }
    }

    public override void Abandon()
    {
        _first?.Dispose();
        _opening?.Dispose();
        base.Abandon();
    }

    public override ValueTask<bool> ReadAsync(SensitiveBuffer into, CancellationToken cancellationToken)
    {
        if (_first is not { } first)
        {
            return ReceiveEventsAsync(into, cancellationToken);
        }

        into.Write(first.WrittenSpan);
        first.Dispose();
        _first = null;
        return new ValueTask<bool>(true);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<bool> ReceiveEventsAsync(SensitiveBuffer into, CancellationToken cancellationToken)
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
                throw Broken(IsBegun);
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
