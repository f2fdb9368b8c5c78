using System.Security.Cryptography;
using Tacit.Client.Transports;

namespace Tacit.Client;

/// <summary>
/// The reply to a prompt. Read it to its end and say so with <see cref="CompleteAsync"/>: only then has the request ended. Disposed before, it waits a moment
/// for a repetition of the same request and is then cancelled. A connection that breaks meanwhile is made again and the reply goes on where it was. Not
/// thread safe.
/// </summary>
public sealed class PromptReply : IAsyncDisposable
{
    private readonly LiveReply? _live;
    private readonly MemoryStream? _settled;
    private bool _ended;

    internal PromptReply(DeliveredError error, string plan, TokenOutcome token)
    {
        Status = error.Status;
        Plan = plan;
        Token = token;
        _settled = new MemoryStream(error.Body, writable: false);
    }

    internal PromptReply(LiveReply live, string plan)
    {
        Status = live.Answer.Status;
        IsEventStream = live.Answer.IsEventStream;
        Plan = plan;
        Token = TokenOutcome.Spent;
        _live = live;
    }

    /// <summary>The gateway's HTTP status.</summary>
    public int Status { get; }

    /// <summary>Whether it is a stream of server-sent events; it is JSON otherwise.</summary>
    public bool IsEventStream { get; }

    /// <summary>The plan that paid.</summary>
    public string Plan { get; }

    /// <summary>What became of the token.</summary>
    public TokenOutcome Token { get; }

    /// <summary>Whether the wallet had to be filled for this prompt, which links the two by time (law 6).</summary>
    public bool FilledAtPrompt { get; internal init; }

    /// <summary>Whether this is an earlier request's reply, which cost no further token.</summary>
    public bool IsRepetition { get; internal init; }

    /// <summary>The plan that would have paid had the request been smaller; null where the request fits it.</summary>
    public string? Outgrown { get; internal set; }

    /// <summary>How many of the oldest messages were left out for the request to fit its plan.</summary>
    public int TrimmedMessages { get; internal set; }

    /// <summary>
    /// By what the gateway can link requests to each other: a pseudonym (<c>transient</c>, <c>permanent</c> or <c>both</c>), or this <c>device</c>'s key; null for nothing.
    /// </summary>
    public string? Linkable { get; internal set; }

    /// <summary>How many further requests the plan's tokens pay for; null if it is a subscription, which does not count them.</summary>
    public long? PlanLeft { get; internal set; }

    /// <summary>The deadline of what paid: the end of its period. Null for a repetition.</summary>
    public DateTimeOffset? PlanUntil { get; internal set; }

    /// <summary>When to try again, as the gateway said it; or null.</summary>
    public string? RetryAfter { get; internal init; }

    /// <summary>Reads some of the reply; 0 at its end.</summary>
    /// <exception cref="ClientException"><see cref="ClientError.ReplyInterrupted"/>.</exception>
    public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        _live is null ? _settled!.ReadAsync(buffer, cancellationToken) : _live.ReadAsync(buffer, cancellationToken);

    /// <summary>The reply has been delivered: the request ends and its body leaves the journal.</summary>
    public async Task CompleteAsync(CancellationToken cancellationToken = default)
    {
        if (!_ended && _live is not null)
        {
            await _live.CompleteAsync(cancellationToken);
        }
        _ended = true;
    }

    /// <summary>Nobody wants the rest: the gateway is told to stop. The token stays spent.</summary>
    public async Task CancelAsync()
    {
        if (!_ended && _live is not null)
        {
            _ended = true;
            await _live.CancelAsync();
        }
    }

    public ValueTask DisposeAsync()
    {
        if (_live is not null)
        {
            if (!_ended)
            {
                _ended = true;
                _live.Abandon();
            }
            _live.Dispose();
        }
        _settled?.Dispose();
        return ValueTask.CompletedTask;
    }
}

/// <summary>A reply that is coming in, and how to get it again where its connection breaks.</summary>
internal sealed class LiveReply(IReplyOwner owner, PromptBody body, Func<CancellationToken, Task<GatewayAnswer>> repeat, GatewayAnswer answer)
    : IDisposable
{
    private readonly IncrementalHash _delivered = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private long _deliveredBytes;
    private int _reconnects;

    public GatewayAnswer Answer { get; private set; } = answer;

    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                int read = await ReadOnceAsync(buffer, cancellationToken);
                if (read == 0)
                {
                    await owner.EndOfReplyAsync(Answer, cancellationToken);
                    return 0;
                }
                _delivered.AppendData(buffer.Span[..read]);
                _deliveredBytes += read;
                return read;
            }
            catch (Exception e) when (ServiceCaller.IsTransportFailure(e, cancellationToken))
            {
                await ResumeAsync(e, cancellationToken);
            }
        }
    }

    public Task CompleteAsync(CancellationToken cancellationToken) => owner.CompleteAsync(cancellationToken);

    public Task CancelAsync() => owner.CancelAsync();

    public void Abandon() => owner.Abandon();

    public void Dispose()
    {
        Answer.Dispose();
        _delivered.Dispose();
        body.Dispose();
    }

    private async ValueTask<int> ReadOnceAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(owner.Options.IdleTimeout, owner.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        return await Answer.Stream.ReadAsync(buffer, either.Token);
    }

    /// <summary>
    /// Asks again with the same token and body: the gateway keeps the reply and sends it from its beginning. It goes on only if what was delivered already is,
    /// byte for byte, how the new one begins.
    /// </summary>
    private async Task ResumeAsync(Exception cause, CancellationToken cancellationToken)
    {
        while (_reconnects++ < owner.Options.MaxReconnects)
        {
            Answer.Dispose();
            try
            {
                Answer = await repeat(cancellationToken);
                if (Answer.Status is < 200 or >= 300 || !await SkipDeliveredAsync(cancellationToken))
                {
                    break;
                }
                return;
            }
            catch (Exception e) when (e is TransportException || ServiceCaller.IsTransportFailure(e, cancellationToken))
            {
                cause = e;
            }
        }
        throw new ClientException(
            ClientError.ReplyInterrupted, "The reply broke off and could not be taken up again. The same request, repeated soon, costs no further token.", inner: cause);
    }

    private async Task<bool> SkipDeliveredAsync(CancellationToken cancellationToken)
    {
        using IncrementalHash again = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] block = new byte[16 * 1024];
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
        CryptographicOperations.ZeroMemory(block);
        Span<byte> before = stackalloc byte[SHA256.HashSizeInBytes];
        Span<byte> now = stackalloc byte[SHA256.HashSizeInBytes];
        _delivered.GetCurrentHash(before);
        again.GetCurrentHash(now);
        return before.SequenceEqual(now);
    }
}
