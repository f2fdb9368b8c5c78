using System.Buffers;
using System.IO.Pipelines;
using System.Security.Cryptography;
using System.Threading.Tasks.Sources;

namespace Tacit.Gateway.Replies;

/// <summary>
/// One connection that reads a <see cref="Reply"/>. Used by one request at a time: wait for the start, send headers, then copy until the end.
/// </summary>
internal sealed class ReplyReader : IValueTaskSource, IDisposable
{
    /// <summary>How much is copied before the connection is asked to take it: who replays a long reply and reads none of it costs this much memory, not the reply's length.</summary>
    private const int MaxUnflushed = 16 * SealedLog.BlockSize;

    private readonly Reply _reply;
    private ManualResetValueTaskSourceCore<bool> _wake;
    private AesGcm? _cipher;

    public ReplyReader(Reply reply) => _reply = reply;

    public long Position { get; private set; }

    /// <summary>Guarded by the reply's lock, as are the three below.</summary>
    public bool HasStarted { get; set; }

    /// <summary>The reply was sent as often as it is; this reader gets none of it.</summary>
    public bool IsRefused { get; set; }

    /// <summary>A newer reader of the same live stream has taken over.</summary>
    public bool IsSuperseded { get; set; }

    /// <summary>The connection is gone.</summary>
    public bool IsAborted { get; set; }

    /// <summary>Nothing came for so long that it has to say that it is still there.</summary>
    public bool IsReminded { get; set; }

    /// <summary>Where it was when it was last asked whether it is silent.</summary>
    public long RemindedAt { get; set; } = -1;

    /// <summary>Waits until headers can be sent; false if the connection went away before.</summary>
    public async ValueTask<bool> WaitForStartAsync()
    {
        while (true)
        {
            await WaitAsync();
            if (IsAborted)
            {
                return false;
            }

            if (_reply.TryStart(this))
            {
                return true;
            }
        }
    }

    /// <summary>
    /// Copies the reply to <paramref name="output"/> until its end. False if it could not be: the connection went away, or a newer reader took over, and what
    /// was sent must not look like a whole reply.
    /// </summary>
    /// <param name="output">Where to.</param>
    /// <param name="pseudorandomKey">Of the token.</param>
    /// <param name="signs">Brings the moments at which an event stream that is silent gets a comment.</param>
    /// <param name="cancellationToken">The connection's.</param>
    public async ValueTask<bool> CopyAsync(PipeWriter output, byte[] pseudorandomKey, SignsOfLife signs, CancellationToken cancellationToken)
    {
        using ITimer? timer = _reply is { IsEventStream: true, HasEnded: false } ? signs.Every(this) : null;
        while (true)
        {
            long from = Position;
            bool ended = false;
            bool more;
            do
            {
                more = CopyBlock(output, pseudorandomKey, out ended);
            }
            while (more && Position - from < MaxUnflushed);

            if (Position > from)
            {
                FlushResult flushed = await output.FlushAsync(cancellationToken);
                if (flushed.IsCompleted || flushed.IsCanceled)
                {
                    return false;
                }
            }

            if (more)
            {
                continue;
            }

            if (ended)
            {
                return true;
            }

            await WaitAsync();
            if (IsAborted || (IsSuperseded && !_reply.HasEnded))
            {
                return false;
            }

            if (IsReminded)
            {
                // The log has whole events only, so this stands between two.
                IsReminded = false;
                output.Write(SignsOfLife.Comment);
                FlushResult flushed = await output.FlushAsync(cancellationToken);
                if (flushed.IsCompleted || flushed.IsCanceled)
                {
                    return false;
                }
            }
        }
    }

    /// <summary>Asked every so often: a reader that has had nothing to send since it was last asked sends a comment. Safe to call from any thread.</summary>
    public void Remind() => _reply.TakeIfSilent(this)?.Wake();

    /// <summary>The connection went away: whatever waits comes back at once. Safe to call from any thread, also after the end.</summary>
    public void Abort() => _reply.TakeForAbort(this)?.Wake();

    public void Wake() => _wake.SetResult(true);

    public void Dispose()
    {
        _reply.Detach(this);
        _cipher?.Dispose();
    }

    void IValueTaskSource.GetResult(short token) => _wake.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _wake.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _wake.OnCompleted(continuation, state, token, flags);

    private ValueTask WaitAsync()
    {
        // Reset first: once the reply knows that this reader waits, the wake can come at any moment.
        _wake.Reset();
        short version = _wake.Version;
        return _reply.HasNewsOrWaits(this) ? ValueTask.CompletedTask : new ValueTask(this, version);
    }

    private bool CopyBlock(PipeWriter output, byte[] pseudorandomKey, out bool ended)
    {
        int count = _reply.Read(Position, output, out SealedBlock block, out ended);
        if (count > 0 && !block.IsNone)
        {
            _cipher ??= SealedLog.CreateCipher(pseudorandomKey, _reply.Salt);
            SealedLog.Open(block, Position, _cipher, output);
        }

        Position += count;
        return count > 0;
    }
}
