using System.Collections.Concurrent;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Tacit.Crypto;
using Tacit.Protocol;

namespace Tacit.Signer;

/// <summary>What came of a batch: all its signatures, one after the other, or none.</summary>
internal readonly record struct SigningResult(BlindSignStatus Status, byte[] Signatures, int FailedIndex);

/// <summary>
/// The dear part: a fixed number of threads that sign, behind a queue with a bound in elements. Batches are cut into pieces so that one of a thousand
/// uses all threads and holds up nobody for its whole length.
/// </summary>
internal sealed partial class SigningQueue : IDisposable
{
    // Large enough that the one check of a product that a batch gets is cheap beside its signatures, small enough to share a queue fairly.
    private const int PieceSize = 100;

    private readonly BlockingCollection<Piece> _pieces = [];
    private readonly Thread[] _threads;
    private readonly int _maxQueued;
    private readonly ILogger _log;
    private int _queued;

    public SigningQueue(int threads, int maxQueuedElements, ILogger log)
    {
        _maxQueued = maxQueuedElements;
        _log = log;
        _threads = new Thread[threads];
        for (int i = 0; i < threads; i++)
        {
            _threads[i] = new Thread(Work) { IsBackground = true, Name = $"signing {i}" };
            _threads[i].Start();
        }
    }

    /// <summary>Elements that wait or are being signed.</summary>
    public int Queued => Volatile.Read(ref _queued);

    /// <summary>Takes a batch in, or returns null if too much waits already.</summary>
    /// <param name="key">Leased by the caller, who releases it when the task has ended.</param>
    /// <param name="blinded">One or more blinded elements.</param>
    /// <param name="cancellationToken">Drops what was not begun.</param>
    public Task<SigningResult>? TrySign(LeasedKey key, IReadOnlyList<ReadOnlyMemory<byte>> blinded, CancellationToken cancellationToken)
    {
        if (Interlocked.Add(ref _queued, blinded.Count) > _maxQueued)
        {
            Interlocked.Add(ref _queued, -blinded.Count);
            return null;
        }

        int pieceSize = Math.Clamp((blinded.Count + _threads.Length - 1) / _threads.Length, PieceSize / 2, PieceSize);
        int count = (blinded.Count + pieceSize - 1) / pieceSize;
        var batch = new Batch(key, blinded, count, cancellationToken);
        for (int i = 0; i < count; i++)
        {
            int offset = i * pieceSize;
            _pieces.Add(new Piece(batch, offset, Math.Min(pieceSize, blinded.Count - offset)), CancellationToken.None);
        }

        return batch.Completion;
    }

    /// <summary>Signs what waits, then stops.</summary>
    public void Dispose()
    {
        _pieces.CompleteAdding();
        foreach (Thread thread in _threads)
        {
            thread.Join();
        }

        _pieces.Dispose();
    }

    private void Work()
    {
        foreach (Piece piece in _pieces.GetConsumingEnumerable())
        {
            BlindSignStatus? status = null;
            int failedIndex = -1;
            try
            {
                if (piece.Batch.IsWanted)
                {
                    status = piece.Sign(out failedIndex);
                }
            }
            catch (Exception e)
            {
                // A thread that dies would take the signer's strength with it; whatever it was, nothing leaves.
                LogFailure(_log, e.GetType().Name);
                status = BlindSignStatus.FaultDetected;
            }

            Interlocked.Add(ref _queued, -piece.Count);
            piece.Batch.Finish(status, piece.Offset + failedIndex);
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Signing failed: {Exception}. Nothing was sent.")]
    private static partial void LogFailure(ILogger logger, string exception);

    private sealed record Piece(Batch Batch, int Offset, int Count)
    {
        public BlindSignStatus Sign(out int failedIndex)
        {
            var elements = new ReadOnlyMemory<byte>[Count];
            for (int i = 0; i < Count; i++)
            {
                elements[i] = Batch.Blinded[Offset + i];
            }

            Span<byte> signatures = Batch.Signatures.AsSpan(Offset * TokenTypes.ModulusSizeInBytes, Count * TokenTypes.ModulusSizeInBytes);
            return Batch.Key.Key.BlindSignBatch(elements, signatures, out failedIndex);
        }
    }

    private sealed class Batch
    {
        private readonly TaskCompletionSource<SigningResult> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly CancellationToken _cancellationToken;
        private readonly Lock _gate = new();
        private int _open;
        private BlindSignStatus _status = BlindSignStatus.Success;
        private int _failedIndex = -1;
        private bool _skipped;

        public Batch(LeasedKey key, IReadOnlyList<ReadOnlyMemory<byte>> blinded, int pieces, CancellationToken cancellationToken)
        {
            Key = key;
            Blinded = blinded;
            _open = pieces;
            _cancellationToken = cancellationToken;
            Signatures = new byte[blinded.Count * TokenTypes.ModulusSizeInBytes];
        }

        public LeasedKey Key { get; }

        public IReadOnlyList<ReadOnlyMemory<byte>> Blinded { get; }

        public byte[] Signatures { get; }

        public Task<SigningResult> Completion => _completion.Task;

        /// <summary>False once nobody waits for the batch, or it can't succeed any more.</summary>
        public bool IsWanted
        {
            get
            {
                lock (_gate)
                {
                    return _status == BlindSignStatus.Success && !_cancellationToken.IsCancellationRequested;
                }
            }
        }

        /// <param name="status">What came of a piece; null if it was skipped.</param>
        /// <param name="failedIndex">For an invalid element, its place in the batch.</param>
        public void Finish(BlindSignStatus? status, int failedIndex)
        {
            lock (_gate)
            {
                _skipped |= status is null;
                if (status == BlindSignStatus.FaultDetected)
                {
                    _status = BlindSignStatus.FaultDetected;
                    _failedIndex = -1;
                }
                else if (status == BlindSignStatus.InvalidInput && _status == BlindSignStatus.Success)
                {
                    _status = BlindSignStatus.InvalidInput;
                    _failedIndex = failedIndex;
                }

                if (--_open > 0)
                {
                    return;
                }
            }

            if (_status == BlindSignStatus.Success && !_skipped)
            {
                _completion.TrySetResult(new SigningResult(BlindSignStatus.Success, Signatures, -1));
                return;
            }

            CryptographicOperations.ZeroMemory(Signatures);
            if (_status == BlindSignStatus.Success)
            {
                _completion.TrySetCanceled(_cancellationToken);
            }
            else
            {
                _completion.TrySetResult(new SigningResult(_status, [], _failedIndex));
            }
        }
    }
}
