using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Chains;
using Tacit.Protocol;

namespace Tacit.Gateway.Replies;

/// <summary>Why a reply was ended before its provider did.</summary>
internal enum StopReason
{
    None,

    /// <summary>The holder of the token asked for it. The token stays spent.</summary>
    Cancelled,

    /// <summary>This instance goes down.</summary>
    ShuttingDown,
}

/// <summary>
/// The one reply to one spent token: claimed, produced, and then kept for whoever presents the same token with the same body. It is written by its producer
/// and read by any number of readers, none of which can slow it down or stop it.
/// </summary>
/// <remarks>
/// What is not an event stream is handed out whole and only when it has ended well or badly, so all its readers get the same. Of the readers of a live
/// stream the newest wins; one that loses before its first byte waits for the whole reply instead, one that has begun is cut off.
/// <para>Thousands of ended ones stay for minutes, so what only a live one needs is held apart and dropped at its end, and it locks itself.</para>
/// </remarks>
[SuppressMessage("Reliability", "CA2002", Justification = "Internal and never handed out: nobody else locks it.")]
internal sealed class Reply
{
    /// <summary>
    /// How often a reply is sent over from its beginning, counted in its own length, and how many bytes of a short one in any case. Whoever has the token could else
    /// have megabytes sent for each request of some hundred bytes, without end; a client that resumes a hundred times, at all points of a reply, needs fifty lengths.
    /// </summary>
    internal const int MaxLengthsSent = 64;

    /// <inheritdoc cref="MaxLengthsSent"/>
    internal const int FreeBytesSent = 1 << 20;

    private const int TagAt = 0;
    private const int SaltAt = TokenKeys.RequestTagSizeInBytes;

    // Unique in this process is enough: the key also depends on the token.
    private static readonly byte[] s_saltOfProcess = RandomNumberGenerator.GetBytes(8);
    private static long s_salts;

    private readonly SealedBlocks _blocks;
    private readonly byte[] _marks = new byte[SaltAt + TokenKeys.ReplySaltSizeInBytes];
    private SealedLog _log;
    private LiveParts? _live = new();
    private MemoryRoom? _room;
    private long _sent;
    private int _readers;
    private bool _begun;
    private bool _released;
    private bool _refused;

    public Reply(SpendId id, ReadOnlySpan<byte> requestTag, ReadOnlySpan<byte> pseudorandomKey, long reserved, SealedBlocks blocks, ChainLink? link = null)
    {
        Id = id;
        Renewal = link is null ? null : new ReplyRenewal(link.Hash);
        Reserved = reserved;
        _blocks = blocks;
        requestTag.CopyTo(_marks.AsSpan(TagAt));
        s_saltOfProcess.CopyTo(_marks, SaltAt);
        BinaryPrimitives.WriteInt64BigEndian(_marks.AsSpan(SaltAt + 8), Interlocked.Increment(ref s_salts));
        _log = new SealedLog(pseudorandomKey, Salt);
    }

    public SpendId Id { get; }

    /// <summary>The form of an error that ends it.</summary>
    public ApiDialect Dialect { get; init; }

    /// <summary>For a chain token, what follows the reply's end; null for a token of a request plan.</summary>
    public ReplyRenewal? Renewal { get; }

    /// <summary>Whether the chain's next token follows this reply.</summary>
    public bool HasRenewal => Renewal is not null && !_refused;

    /// <summary>Bytes of <see cref="MemoryRoom"/> that are counted for this reply.</summary>
    public long Reserved { get; set; }

    /// <summary>Whether this reply got the token. False only after the reply was forgotten.</summary>
    public Task<bool> Claimed => _live?.Claim.Task ?? Task.FromResult(!_refused);

    /// <summary>Cancelled by the holder of the token or by the end of the drain, never by a connection that went away. Asked for once, by the producer.</summary>
    public CancellationToken Stopped => _live?.Stop.Token ?? CancellationToken.None;

    public StopReason StopReason { get; private set; }

    public ReadOnlySpan<byte> Salt => _marks.AsSpan(SaltAt, TokenKeys.ReplySaltSizeInBytes);

    public int Status { get; private set; } = 200;

    public string ContentType { get; private set; } = MediaTypes.Json;

    public bool IsEventStream { get; private set; }

    /// <summary>What became of the token, as the response header says it.</summary>
    public string TokenState { get; private set; } = Routes.TokenSpent;

    public bool HasEnded { get; private set; }

    public long Length => _log.Length;

    /// <summary>Whether something has been, or may be, passed on to a reader. Only the producer asks, between its own writes.</summary>
    public bool HasPassedOn => IsEventStream && _log.Length > 0;

    public bool IsFor(ReadOnlySpan<byte> requestTag, ChainLink? link = null) =>
        CryptographicOperations.FixedTimeEquals(_marks.AsSpan(TagAt, TokenKeys.RequestTagSizeInBytes), requestTag)
        && ChainLink.IsSame(Renewal?.SuccessorHash, link?.Hash);

    /// <summary>The address of the instance that has the reply to this request, where it is not this one. Set before <see cref="Claimed"/> completes.</summary>
    public string? Owner { get; private set; }

    /// <summary>Tells whoever waits whether the token went to this request, here.</summary>
    /// <param name="claimed">It did.</param>
    /// <param name="owner">It did at another instance.</param>
    public void SetClaimed(bool claimed, string? owner = null)
    {
        _refused = !claimed;
        Owner = owner;
        if (_refused)
        {
            Renewal?.Complete(null);
        }

        _live?.Claim.TrySetResult(claimed);
    }

    /// <summary>Ends the reply before its time; false if there is nothing to end.</summary>
    public bool Stop(StopReason reason)
    {
        CancellationTokenSource stop;
        lock (this)
        {
            if (_live is null || StopReason != StopReason.None)
            {
                return false;
            }

            StopReason = reason;
            stop = _live.Stop;
        }

        stop.Cancel();
        return true;
    }

    /// <summary>The provider began to answer; an event stream reaches its reader from here on.</summary>
    public void Begin(int status, string contentType, bool isEventStream)
    {
        lock (this)
        {
            _begun = true;
            Status = status;
            ContentType = contentType;
            IsEventStream = isEventStream;
        }
    }

    public void Append(ReadOnlySpan<byte> bytes)
    {
        ReplyReader? reader;
        lock (this)
        {
            _log.Append(bytes, _blocks);
            reader = IsEventStream ? TakeIfWaiting(_live!.StreamReader) : null;
        }

        // Outside the lock, and on this thread: the reader copies and comes back when it would have to wait.
        reader?.Wake();
    }

    /// <summary>The reply is whole, or as whole as it will be.</summary>
    public void End() => End(null, default, Routes.TokenSpent);

    /// <summary>There is no reply: all readers get this error. Only before something was passed on.</summary>
    public void EndWith(ApiError error, string tokenState)
    {
        // Through the log like any reply, and so kept sealed: what a provider says about a request can quote it.
        using var body = new SensitiveBuffer(512);
        error.WriteTo(body, Dialect);
        End(error.Status, body.WrittenSpan, tokenState);
    }

    /// <summary>A new reader; of a live event stream it becomes the one that is served. Null if the reply was let go meanwhile.</summary>
    public ReplyReader? Attach()
    {
        var reader = new ReplyReader(this);
        ReplyReader? older = null;
        lock (this)
        {
            if (_released)
            {
                return null;
            }

            _readers++;
            if (_live is { } live)
            {
                older = live.StreamReader;
                live.StreamReader = reader;
                if (older is not null)
                {
                    older.IsSuperseded = true;
                    older = TakeIfWaiting(older);
                }
            }
        }

        older?.Wake();
        return reader;
    }

    /// <summary>Lets the reply's memory go once its last reader has.</summary>
    /// <param name="room">What <see cref="Reserved"/> is given back to with it; null if that was done.</param>
    public void Release(MemoryRoom? room = null)
    {
        lock (this)
        {
            _released = true;
            _room = room;
            if (_readers == 0)
            {
                LetGo();
            }
        }
    }

    /// <summary>Wipes what is in the clear; at the end of the process.</summary>
    public void Wipe()
    {
        lock (this)
        {
            _log.Wipe();
        }
    }

    internal void Detach(ReplyReader reader)
    {
        lock (this)
        {
            if (_live is { } live)
            {
                live.Waiting.Remove(reader);
                if (ReferenceEquals(live.StreamReader, reader))
                {
                    live.StreamReader = null;
                }
            }

            if (--_readers == 0 && _released)
            {
                LetGo();
            }
        }
    }

    /// <summary>Whether <paramref name="reader"/> has something to do; else it is put among those to be woken.</summary>
    internal bool HasNewsOrWaits(ReplyReader reader)
    {
        lock (this)
        {
            if (HasEnded || reader.IsAborted || (reader.HasStarted ? reader.IsSuperseded || _log.Length > reader.Position : CanStart(reader)))
            {
                return true;
            }

            _live!.Waiting.Add(reader);
            return false;
        }
    }

    /// <summary>Takes a reader that waits off the list; null if it does not wait.</summary>
    internal ReplyReader? TakeForAbort(ReplyReader reader)
    {
        lock (this)
        {
            reader.IsAborted = true;
            return TakeIfWaiting(reader);
        }
    }

    /// <summary>Takes a reader that waits where it waited before off the list, for it to say so; null if it has news, or had any meanwhile.</summary>
    internal ReplyReader? TakeIfSilent(ReplyReader reader)
    {
        lock (this)
        {
            bool isSilent = reader.RemindedAt == reader.Position;
            reader.RemindedAt = reader.Position;
            if (!isSilent || TakeIfWaiting(reader) is null)
            {
                return null;
            }

            reader.IsReminded = true;
            return reader;
        }
    }

    /// <summary>Marks the reader as one that sends, if it may; or as one that is to be refused, since all this was sent too often already.</summary>
    internal bool TryStart(ReplyReader reader)
    {
        lock (this)
        {
            if (!CanStart(reader))
            {
                return false;
            }

            // What is there now is what others may have had. What a stream still brings goes to one reader only.
            long length = _log.Length;
            reader.HasStarted = true;
            reader.IsRefused = _sent > ((MaxLengthsSent - 1) * length) + FreeBytesSent;
            _sent += reader.IsRefused ? 0 : length;
            return true;
        }
    }

    internal int Read(long position, IBufferWriter<byte> destination, out SealedBlock block, out bool ended)
    {
        lock (this)
        {
            ended = HasEnded;
            return _log.Read(position, destination, out block);
        }
    }

    /// <summary>Whether the reader may send headers now: the reply is whole, or a stream that is this reader's has begun.</summary>
    private bool CanStart(ReplyReader reader) => HasEnded || (_begun && IsEventStream && _log.Length > 0 && !reader.IsSuperseded);

    private void End(int? errorStatus, ReadOnlySpan<byte> errorBody, string tokenState)
    {
        LiveParts live;
        lock (this)
        {
            live = _live!;
            HasEnded = true;
            TokenState = tokenState;
            if (errorStatus is int status)
            {
                Status = status;
                ContentType = MediaTypes.Json;
                IsEventStream = false;
                _log.Append(errorBody, _blocks);
            }

            _live = null;
        }

        // The first on this thread, while the last block is still in the clear; a crowd of them elsewhere, so that the producer gets on.
        for (int i = 1; i < live.Waiting.Count; i++)
        {
            ThreadPool.UnsafeQueueUserWorkItem(static reader => reader.Wake(), live.Waiting[i], preferLocal: false);
        }

        if (live.Waiting.Count > 0)
        {
            live.Waiting[0].Wake();
        }

        lock (this)
        {
            _log.Seal(_blocks);
        }
    }

    private void LetGo()
    {
        _log.Release(_blocks);
        _room?.Release(Reserved);
    }

    private ReplyReader? TakeIfWaiting(ReplyReader? reader) => reader is not null && _live?.Waiting.Remove(reader) == true ? reader : null;

    /// <summary>What a reply needs until its end.</summary>
    private sealed class LiveParts
    {
        public CancellationTokenSource Stop { get; } = new();

        public TaskCompletionSource<bool> Claim { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public List<ReplyReader> Waiting { get; } = [];

        public ReplyReader? StreamReader { get; set; }
    }
}
