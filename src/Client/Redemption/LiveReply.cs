using System.Security.Cryptography;
using Tacit.Client.Transports;

namespace Tacit.Client;

/// <summary>
/// A reply that is coming in. Where its connection breaks, or says nothing for too long, the same request is sent on another: the gateway keeps the reply and
/// sends it from its beginning. It goes on only if what was delivered already is, byte for byte, how the new one begins. Of what was delivered only a hash is kept.
/// </summary>
/// <param name="body">What was asked; disposed with this.</param>
/// <param name="trace">Told how it goes; null as a rule.</param>
internal sealed class LiveReply(IReplyOwner owner, PromptBody body, RepeatedRequest request, GatewayAnswer answer, PromptTrace? trace = null) : IDisposable
{
    private readonly IncrementalHash _delivered = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private CommentFilter _comments = new();
    private long _deliveredBytes;

    public GatewayAnswer Answer { get; private set; } = answer;

    /// <summary>Whether the request has ended, in a way that leaves nothing to deliver.</summary>
    public bool IsSettled { get; private set; }

    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        while (true)
        {
            int read;
            try
            {
                read = await ReadOnceAsync(buffer, cancellationToken);
            }
            catch (Exception e) when (ServiceCaller.IsTransportFailure(e, cancellationToken))
            {
                try
                {
                    await ResumeAsync(e, cancellationToken);
                }
                catch (Exception failure) when (trace is not null)
                {
                    trace.Failed(failure);
                    throw;
                }
                trace?.Resumed(_deliveredBytes);
                continue;
            }
            if (read == 0)
            {
                trace?.Ended(_deliveredBytes);
                owner.EndOfReply(Answer);
                return 0;
            }
            _delivered.AppendData(buffer.Span[..read]);
            _deliveredBytes += read;
            trace?.Came(_deliveredBytes);
            request.Progress();
            return read;
        }
    }

    public Task CompleteAsync(CancellationToken cancellationToken) => owner.CompleteAsync(cancellationToken);

    public Task CancelAsync()
    {
        trace?.Cancelled();
        return owner.CancelAsync();
    }

    public void Abandon() => owner.Abandon();

    public void Dispose()
    {
        Answer.Dispose();
        _delivered.Dispose();
        body.Dispose();
    }

    /// <summary>The next bytes of the reply; a comment is none, but a sign of life.</summary>
    private async ValueTask<int> ReadOnceAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        while (true)
        {
            using var deadline = new CancellationTokenSource(owner.Options.IdleTimeout, owner.Time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
            int read = await Answer.Stream.ReadAsync(buffer, either.Token);
            if (read == 0 || !Answer.IsEventStream)
            {
                return read;
            }
            int kept = _comments.Cut(buffer.Span[..read]);
            if (kept > 0)
            {
                return kept;
            }
        }
    }

    private async Task ResumeAsync(Exception cause, CancellationToken cancellationToken)
    {
        while (true)
        {
            Answer.Discard();
            bool isEventStream = Answer.IsEventStream;
            // Only our own patience ends a wait without the caller's having ended it.
            GatewayAnswer? again = await request.TakeUpAsync(cause, wasSilent: cause is OperationCanceledException, cancellationToken);
            if (again is null)
            {
                throw new ClientException(
                    ClientError.ReplyInterrupted,
                    $"The reply broke off and could not be taken up again. {request.Failure} The same request, repeated soon, costs no further token.", inner: request.Cause);
            }
            (Answer, _comments) = (again, new CommentFilter());
            if (!again.IsSuccess)
            {
                await EndAsync(again);
            }
            try
            {
                if (again.IsEventStream == isEventStream && await SkipDeliveredAsync(cancellationToken))
                {
                    return;
                }
            }
            catch (Exception e) when (ServiceCaller.IsTransportFailure(e, cancellationToken))
            {
                cause = e;
                continue;
            }
            throw new ClientException(
                ClientError.ReplyInterrupted,
                "The reply broke off, and the gateway had to ask for it anew: what comes now is not how it began. The same request, repeated soon, gets the new one and costs no further token.");
        }
    }

    /// <summary>The gateway has no such reply any more: what it says of the token is the end of the request.</summary>
    private async Task EndAsync(GatewayAnswer last)
    {
        TokenOutcome outcome = await owner.SettleAsync(last);
        IsSettled = true;
        throw outcome == TokenOutcome.Spent
            ? new ClientException(
                ClientError.TokenSpent,
                $"The reply broke off, and the gateway keeps it no longer ({last.Status}); its token is spent. Asking again costs another token.", "reply_lost")
            : new ClientException(ClientError.ReplyInterrupted, $"The reply broke off, and the gateway could not get it again ({last.Status}). Its token was given back.");
    }

    private async Task<bool> SkipDeliveredAsync(CancellationToken cancellationToken)
    {
        using IncrementalHash again = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] block = new byte[16 * 1024];
        try
        {
            for (long left = _deliveredBytes; left > 0;)
            {
                int read = await ReadOnceAsync(block.AsMemory(0, (int)Math.Min(left, block.Length)), cancellationToken);
                if (read == 0)
                {
                    return false;
                }
                again.AppendData(block, 0, read);
                left -= read;
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(block);
        }
        return IsSame(_delivered, again);
    }

    private static bool IsSame(IncrementalHash one, IncrementalHash other)
    {
        Span<byte> first = stackalloc byte[SHA256.HashSizeInBytes];
        Span<byte> second = stackalloc byte[SHA256.HashSizeInBytes];
        one.GetCurrentHash(first);
        other.GetCurrentHash(second);
        return first.SequenceEqual(second);
    }
}
