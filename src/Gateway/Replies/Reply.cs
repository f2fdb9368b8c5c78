using System.Buffers;
using System.Security.Cryptography;
using Tacit.Gateway.Admission;
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
/// </remarks>
internal sealed class Reply : IDisposable
{
    private readonly Lock _gate = new();
    private readonly byte[] _requestTag;
    private readonly SealedLog _log;
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource<bool> _claim = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<ReplyReader> _waiting = [];
    private ReplyReader? _streamReader;
    private bool _begun;
    private bool _ended;
    private bool _disposed;

    public Reply(SpendId id, byte[] requestTag, ReadOnlySpan<byte> pseudorandomKey, long reserved)
    {
        Id = id;
        _requestTag = requestTag;
        _log = new SealedLog(pseudorandomKey);
        Reserved = reserved;
        Stopped = _stop.Token;
    }

    public SpendId Id { get; }

    /// <summary>Bytes of <see cref="MemoryRoom"/> that are counted for this reply.</summary>
    public long Reserved { get; set; }

    /// <summary>Whether this reply got the token. False only after the reply was forgotten.</summary>
    public Task<bool> Claimed => _claim.Task;

    /// <summary>Cancelled by the holder of the token or by the end of the drain, never by a connection that went away.</summary>
    public CancellationToken Stopped { get; }

    public StopReason StopReason { get; private set; }

    public byte[] Salt => _log.Salt;

    public int Status { get; private set; } = 200;

    public string ContentType { get; private set; } = MediaTypes.Json;

    public bool IsEventStream { get; private set; }

    /// <summary>What became of the token, as the response header says it.</summary>
    public string TokenState { get; private set; } = Routes.TokenSpent;

    /// <summary>Whether the end was the provider's own, so that an event stream is whole.</summary>
    public bool HasEnded
    {
        get
        {
            lock (_gate)
            {
                return _ended;
            }
        }
    }

    public long Length => _log.Length;

    public long MemoryInBytes => _log.MemoryInBytes;

    /// <summary>Whether something has been, or may be, passed on to a reader. Only the producer asks, between its own writes.</summary>
    public bool HasPassedOn => IsEventStream && _log.Length > 0;

    /// <summary>Whether this is the key of the token that the reply belongs to.</summary>
    public bool IsPresenter(ReadOnlySpan<byte> pseudorandomKey) => _log.IsPresenter(pseudorandomKey);

    public bool IsFor(ReadOnlySpan<byte> requestTag) => CryptographicOperations.FixedTimeEquals(_requestTag, requestTag);

    /// <summary>Tells whoever waits with another body whether the token went to this one.</summary>
    public void SetClaimed(bool claimed) => _claim.TrySetResult(claimed);

    /// <summary>Ends the reply before its time; false if there is nothing to end.</summary>
    public bool Stop(StopReason reason)
    {
        lock (_gate)
        {
            if (_disposed || _ended || StopReason != StopReason.None)
            {
                return false;
            }

            StopReason = reason;
        }

        _stop.Cancel();
        return true;
    }

    /// <summary>The provider began to answer; an event stream reaches its reader from here on.</summary>
    public void Begin(int status, string contentType, bool isEventStream)
    {
        lock (_gate)
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
        lock (_gate)
        {
            _log.Append(bytes);
            reader = IsEventStream ? TakeIfWaiting(_streamReader) : null;
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
        error.WriteTo(body);
        End(error.Status, body.WrittenSpan, tokenState);
    }

    /// <summary>A new reader; of a live event stream it becomes the one that is served.</summary>
    public ReplyReader Attach()
    {
        var reader = new ReplyReader(this);
        ReplyReader? older;
        lock (_gate)
        {
            older = _streamReader;
            _streamReader = reader;
            if (older is not null)
            {
                older.IsSuperseded = true;
                older = TakeIfWaiting(older);
            }
        }

        older?.Wake();
        return reader;
    }

    internal void Detach(ReplyReader reader)
    {
        lock (_gate)
        {
            _waiting.Remove(reader);
            if (ReferenceEquals(_streamReader, reader))
            {
                _streamReader = null;
            }
        }
    }

    /// <summary>Whether <paramref name="reader"/> has something to do; else it is put among those to be woken.</summary>
    internal bool HasNewsOrWaits(ReplyReader reader)
    {
        lock (_gate)
        {
            if (_ended || reader.IsAborted || (reader.HasStarted ? reader.IsSuperseded || _log.Length > reader.Position : CanStart(reader)))
            {
                return true;
            }

            _waiting.Add(reader);
            return false;
        }
    }

    /// <summary>Takes a reader that waits off the list; null if it does not wait.</summary>
    internal ReplyReader? TakeForAbort(ReplyReader reader)
    {
        lock (_gate)
        {
            reader.IsAborted = true;
            return TakeIfWaiting(reader);
        }
    }

    internal int Read(long position, IBufferWriter<byte> destination, out byte[]? sealedBlock)
    {
        lock (_gate)
        {
            return _log.Read(position, destination, out sealedBlock);
        }
    }

    /// <summary>Marks the reader as one that sends, if it may.</summary>
    internal bool TryStart(ReplyReader reader)
    {
        lock (_gate)
        {
            if (!CanStart(reader))
            {
                return false;
            }

            reader.MarkStarted();
            return true;
        }
    }

    /// <summary>Whether the reader may send headers now: the reply is whole, or a stream that is this reader's has begun.</summary>
    private bool CanStart(ReplyReader reader) => _ended || (_begun && IsEventStream && _log.Length > 0 && !reader.IsSuperseded);

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            _log.Dispose();
        }

        _stop.Dispose();
    }

    private void End(int? errorStatus, ReadOnlySpan<byte> errorBody, string tokenState)
    {
        ReplyReader[] readers;
        lock (_gate)
        {
            _ended = true;
            TokenState = tokenState;
            if (errorStatus is int status)
            {
                Status = status;
                ContentType = MediaTypes.Json;
                IsEventStream = false;
                _log.Append(errorBody);
            }

            readers = [.. _waiting];
            _waiting.Clear();
        }

        // The first on this thread, while the last block is still in the clear; a crowd of them elsewhere, so that the producer gets on.
        for (int i = 1; i < readers.Length; i++)
        {
            ThreadPool.UnsafeQueueUserWorkItem(static reader => reader.Wake(), readers[i], preferLocal: false);
        }

        if (readers.Length > 0)
        {
            readers[0].Wake();
        }

        lock (_gate)
        {
            _log.Seal();
        }
    }

    private ReplyReader? TakeIfWaiting(ReplyReader? reader) => reader is not null && _waiting.Remove(reader) ? reader : null;
}
