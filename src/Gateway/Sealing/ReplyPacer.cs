using System.IO.Pipelines;
using Microsoft.AspNetCore.Http;
using Tacit.Protocol;

namespace Tacit.Gateway.Sealing;

/// <summary>
/// A reply in sealed chunks whose lengths and times tell nothing of what is in them. What a stream brings is gathered until the next tick of the <see cref="PaceClock"/> and
/// leaves as one chunk, padded to a bucket (<see cref="PaddingBuckets"/>). Within one reply buckets never shrink (up to <see cref="LargestFloor"/>), so that a stream whose
/// parts are about as large as a bucket does not tell by going back and forth which of them were a little longer.
/// </summary>
/// <remarks>
/// A client that reads slowly holds its own reply back: beyond one chunk that waits and what the connection has in its buffers nothing is taken from the handler. The
/// handler writes to <see cref="_incoming"/>, which nobody else touches; all else is under the lock, which is never held while waiting.
/// </remarks>
internal sealed class ReplyPacer : InnerReply
{
    /// <summary>A burst that needed the largest bucket does not make all that follow as large.</summary>
    private const int LargestFloor = 4096;

    private readonly ReplyFraming _framing;
    private readonly PipeWriter _output;
    private readonly PaceClock _clock;
    private readonly Lock _gate = new();
    private readonly SensitiveBuffer _plaintext = new(PaddingBuckets.Smallest);
    private SensitiveBuffer _incoming = new(PaddingBuckets.Smallest);
    private SensitiveBuffer _waiting = new(PaddingBuckets.Smallest);
    private TaskCompletionSource? _taken;
    private int _floor;
    private bool _isOnClock;
    private bool _isSending;
    private bool _isGone;
    private bool _isOver;

    /// <param name="framing">Owned from here on.</param>
    /// <param name="output">The outer response's body.</param>
    /// <param name="clock">Says when.</param>
    public ReplyPacer(ReplyFraming framing, PipeWriter output, PaceClock clock)
    {
        _framing = framing;
        _output = output;
        _clock = clock;
    }

    public override void Begin(int status, IHeaderDictionary headers) => _framing.WriteHead(status, headers, _plaintext);

    public override void Advance(int bytes) => _incoming.Advance(bytes);

    public override Memory<byte> GetMemory(int sizeHint = 0) => _incoming.GetMemory(sizeHint);

    public override Span<byte> GetSpan(int sizeHint = 0) => _incoming.GetSpan(sizeHint);

    /// <summary>Completes at once unless a whole chunk waits already and the connection does not take it.</summary>
    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        lock (_gate)
        {
            Gather();
            if (TrySend())
            {
                return new ValueTask<FlushResult>(new FlushResult(isCanceled: false, isCompleted: _isGone));
            }
        }

        return WaitAsync(cancellationToken);
    }

    public override async ValueTask EndAsync(IHeaderDictionary trailers, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task taken;
            lock (_gate)
            {
                Gather();
                if (!_isSending && !_isOver)
                {
                    _isOver = true;
                    SendEnd(trailers);
                }

                if (!_isSending)
                {
                    return;
                }

                taken = TakenAsync();
            }

            await taken.WaitAsync(cancellationToken);
        }
    }

    public override void Abort()
    {
        lock (_gate)
        {
            _isOver = true;
            _waiting.Truncate(0);
            _plaintext.Truncate(0);
        }
    }

    /// <summary>The clock's: sends what has gathered.</summary>
    public void OnTick()
    {
        lock (_gate)
        {
            _isOnClock = false;
            SendGathered();
        }
    }

    public override void Dispose()
    {
        lock (_gate)
        {
            _isOver = true;
            _incoming.Dispose();
            _waiting.Dispose();
            _plaintext.Dispose();
            _framing.Dispose();
        }
    }

    private async ValueTask<FlushResult> WaitAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            Task taken;
            lock (_gate)
            {
                if (TrySend())
                {
                    return new FlushResult(isCanceled: false, isCompleted: _isGone);
                }

                taken = TakenAsync();
            }

            await taken.WaitAsync(cancellationToken);
        }
    }

    private void Gather()
    {
        if (_waiting.WrittenCount == 0)
        {
            (_waiting, _incoming) = (_incoming, _waiting);
            return;
        }

        _waiting.Write(_incoming.WrittenSpan);
        _incoming.Truncate(0);
    }

    /// <summary>True if the handler may go on: what waits is sent, or less than a chunk and due at the next tick.</summary>
    private bool TrySend()
    {
        if (_isGone || _isOver)
        {
            _waiting.Truncate(0);
            return true;
        }

        if (_waiting.WrittenCount >= PaddingBuckets.Largest)
        {
            if (_isSending)
            {
                return false;
            }

            Send(isTick: false);
        }

        if (!_clock.IsOn && !_isSending)
        {
            Send(isTick: true);
        }

        Schedule();
        return true;
    }

    private void Schedule()
    {
        if (_clock.IsOn && _waiting.WrittenCount > 0 && !_isOnClock && !_isSending && !_isGone && !_isOver)
        {
            _isOnClock = true;
            _clock.Add(this);
        }
    }

    private void SendGathered()
    {
        if (_isOver || _isGone || _isSending)
        {
            return;
        }

        try
        {
            Send(isTick: true);
        }
#pragma warning disable CA1031 // The clock's thread serves all replies, and has nobody above it.
        catch (Exception)
#pragma warning restore CA1031
        {
            // The connection is gone, as its handler will hear by itself; nobody else is to hear it on this thread.
            _isGone = true;
        }
    }

    /// <param name="isTick">Also what does not fill a chunk.</param>
    private void Send(bool isTick)
    {
        int sent = SendFullChunks();
        ReadOnlySpan<byte> rest = _waiting.WrittenSpan[sent..];
        int cut = isTick && !rest.IsEmpty ? _framing.FindCut(rest) : 0;
        if (cut > 0)
        {
            SendPadded(rest[..cut]);
            sent += cut;
        }

        if (sent > 0)
        {
            _waiting.RemoveFirst(sent);
            Flush();
        }
    }

    private void SendEnd(IHeaderDictionary trailers)
    {
        using var end = new SensitiveBuffer(64);
        _framing.WriteEnd(trailers, end);
        ReadOnlySpan<byte> rest = _waiting.WrittenSpan[SendFullChunks()..];
        if (Size(rest) + end.WrittenCount > PaddingBuckets.Largest && !rest.IsEmpty && _framing.FindCut(rest) == rest.Length)
        {
            SendPadded(rest);
            rest = default;
        }

        if (!rest.IsEmpty)
        {
            _framing.WriteContent(rest, _plaintext);
        }

        _plaintext.Write(end.WrittenSpan);
        _waiting.Truncate(0);
        int whole = _plaintext.WrittenCount > PaddingBuckets.Largest ? PaddingBuckets.Largest : 0;
        if (whole > 0)
        {
            _floor = LargestFloor;
            _framing.Seal(_plaintext.WrittenSpan[..whole], isFinal: false, _output);
            _plaintext.RemoveFirst(whole);
        }

        BinaryHttpWriter.WritePadding(_plaintext, Bucket(_plaintext.WrittenCount) - _plaintext.WrittenCount);
        Seal(isFinal: true);
        Flush();
    }

    /// <summary>Chunks that need no padding; how many bytes of what waits they took.</summary>
    private int SendFullChunks()
    {
        // A head that leaves no room for content, such as one with a challenge for each of many plans, goes ahead of it.
        while (_framing.CutsAnywhere && _plaintext.WrittenCount + _framing.ContentOverhead >= PaddingBuckets.Largest)
        {
            _floor = LargestFloor;
            _framing.Seal(_plaintext.WrittenSpan[..LargestFloor], isFinal: false, _output);
            _plaintext.RemoveFirst(LargestFloor);
        }

        int sent = 0;
        while (Size(_waiting.WrittenSpan[sent..]) > PaddingBuckets.Largest)
        {
            int count = PaddingBuckets.Largest - _plaintext.WrittenCount - _framing.ContentOverhead;
            _framing.WriteContent(_waiting.WrittenSpan.Slice(sent, count), _plaintext);
            _floor = LargestFloor;
            Seal(isFinal: false);
            sent += count;
        }

        return sent;
    }

    private void SendPadded(ReadOnlySpan<byte> content)
    {
        _framing.WritePaddedContent(content, Bucket(Size(content)) - _plaintext.WrittenCount, _plaintext);
        Seal(isFinal: false);
    }

    private int Size(ReadOnlySpan<byte> content) => _plaintext.WrittenCount + (content.IsEmpty ? 0 : _framing.ContentOverhead + content.Length);

    private int Bucket(int size)
    {
        int bucket = PaddingBuckets.Round(size, _floor);
        _floor = Math.Max(_floor, Math.Min(bucket, LargestFloor));
        return bucket;
    }

    private void Seal(bool isFinal)
    {
        _framing.Seal(_plaintext.WrittenSpan, isFinal, _output);
        _plaintext.Truncate(0);
    }

    private void Flush()
    {
        ValueTask<FlushResult> flushed = _output.FlushAsync();
        if (flushed.IsCompletedSuccessfully)
        {
            FlushResult result = flushed.Result;
            _isGone |= result.IsCompleted || result.IsCanceled;
            return;
        }

        _isSending = true;
        _ = FinishAsync(flushed);
    }

    private async Task FinishAsync(ValueTask<FlushResult> flushed)
    {
        bool isGone = true;
        try
        {
            FlushResult result = await flushed;
            isGone = result.IsCompleted || result.IsCanceled;
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or InvalidOperationException)
        {
            // The connection is gone, as its handler will hear by itself.
        }

        lock (_gate)
        {
            _isSending = false;
            _isGone |= isGone;
            _taken?.SetResult();
            _taken = null;
            if (!_clock.IsOn)
            {
                SendGathered();
            }

            Schedule();
        }
    }

    private Task TakenAsync() => (_taken ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
}
