using System.Runtime.CompilerServices;
using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>What both kinds of a server's reply share: reading under the call's clock, within a size, and giving the connection back.</summary>
internal abstract class HttpReply : ReplySource
{
    private readonly HttpResponseMessage _response;
    private readonly Stream _body;
    private readonly CallClock _clock;
    private readonly int _limit;
    private int _received;

    protected HttpReply(ProviderCall call, HttpResponseMessage response, Stream body, int firstCapacity, ReplyMeter? meter)
    {
        Meter = meter;
        _response = response;
        _body = body;
        _clock = call.Clock;
        _limit = call.MaxReplyBytes;
        Pending = new SensitiveBuffer(firstCapacity);
    }

    /// <summary>Null where nobody wants to know what the reply cost.</summary>
    protected ReplyMeter? Meter { get; }

    /// <summary>What was received and not yet handed on.</summary>
    protected SensitiveBuffer Pending { get; }

    /// <summary>Whether something was handed on, which makes a later failure an interruption.</summary>
    protected bool IsBegun { get; set; }

    public override ValueTask DisposeAsync()
    {
        // The response before the clock: its connection's reads are registered with the clock's token.
        Abandon();
        _clock.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>Gives up a reply that did not begin. The call goes on, elsewhere.</summary>
    public virtual void Abandon()
    {
        Meter?.Finish();
        _response.Dispose();
        Pending.Dispose();
    }

    /// <summary>Receives more into <see cref="Pending"/>.</summary>
    /// <returns>False at the end.</returns>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    protected async ValueTask<bool> ReceiveAsync(CallPhase phase, CancellationToken caller)
    {
        try
        {
            ValueTask<int> read = _body.ReadAsync(Pending.GetMemory(1024), _clock.Token);
            int count;
            if (read.IsCompletedSuccessfully)
            {
                count = read.Result;
            }
            else
            {
                // A first byte's budget has been running since the request went out; the others begin with each wait.
                if (phase != CallPhase.FirstByte)
                {
                    _clock.Enter(phase);
                }

                using CancellationTokenRegistration registration = _clock.Follow(caller);
                count = await read;
            }

            if (count > _limit - _received)
            {
                throw Failures.TooLarge(_limit);
            }

            _received += count;
            Pending.Advance(count);
            return count > 0;
        }
        catch (OperationCanceledException)
        {
            caller.ThrowIfCancellationRequested();
            throw Failures.TimedOut(_clock);
        }
        catch (Exception failure) when (failure is IOException or HttpRequestException)
        {
            caller.ThrowIfCancellationRequested();
            throw _clock.Token.IsCancellationRequested ? Failures.TimedOut(_clock) : Broken(IsBegun);
        }
    }

    protected ProviderException Broken(bool begun)
    {
        Lease?.BrokeOff();
        return Failures.Broken(begun);
    }

    protected ProviderException TooLarge() => Failures.TooLarge(_limit);

    protected int Limit => _limit;
}

/// <summary>A reply in one JSON object. It is received whole before any of it is handed on, so that a broken one is a clean error.</summary>
internal sealed class JsonReply : HttpReply
{
    private readonly Shape _shape;
    private readonly long? _length;
    private bool _done;

    public JsonReply(ProviderCall call, HttpResponseMessage response, Stream body, long? length, ReplyMeter? meter)
        : base(call, response, body, (int)Math.Clamp(length ?? 4096, 1024, 64 << 10), meter)
    {
        _shape = ReplyShapes.OfReply(call.Operation);
        _length = length;
    }

    public override bool IsEventStream => false;

    public override async ValueTask<bool> ReadAsync(SensitiveBuffer into, CancellationToken cancellationToken)
    {
        if (_done)
        {
            return false;
        }

        if (_length > Limit)
        {
            throw TooLarge();
        }

        while (await ReceiveAsync(CallPhase.Idle, cancellationToken))
        {
        }

        _done = true;
        Meter?.SeeJson(Pending.WrittenSpan);
        if (!ReplyFilter.TryFilter(Pending.WrittenSpan, _shape, into))
        {
            throw Broken(begun: false);
        }

        return true;
    }
}
