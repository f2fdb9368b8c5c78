using System.Buffers;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Connections;

namespace Tacit.Hosting;

/// <summary>
/// The blocks that Kestrel reads requests into and writes replies from, cleared when they come back: what a prompt passed through does not keep it
/// (law 4). The framework's own pool returns blocks as they are.
/// </summary>
internal sealed class ClearingMemoryPool : MemoryPool<byte>
{
    /// <summary>The size Kestrel counts on.</summary>
    private const int BlockSize = 4096;

    /// <summary>Idle blocks kept, 16 MiB; a burst above it goes back to the collector.</summary>
    private const int MaxIdleBlocks = 4096;

    private readonly ConcurrentQueue<Block> _idle = new();
    private int _idleCount;
    private volatile bool _disposed;

    public override int MaxBufferSize => BlockSize;

    public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(minBufferSize, BlockSize);
        if (_idle.TryDequeue(out Block? block))
        {
            Interlocked.Decrement(ref _idleCount);
            block.Lend();
            return block;
        }
        return new Block(this);
    }

    protected override void Dispose(bool disposing)
    {
        _disposed = true;
        _idle.Clear();
    }

    private void Return(Block block)
    {
        if (_disposed || Interlocked.Increment(ref _idleCount) > MaxIdleBlocks)
        {
            Interlocked.Decrement(ref _idleCount);
            return;
        }
        _idle.Enqueue(block);
    }

    private sealed class Block : IMemoryOwner<byte>
    {
        private readonly ClearingMemoryPool _pool;
        private readonly byte[] _array;
        private int _lent = 1;

        public Block(ClearingMemoryPool pool)
        {
            _pool = pool;
            // Pinned, as sockets want it, and so that the collector leaves no copies.
            _array = GC.AllocateUninitializedArray<byte>(BlockSize, pinned: true);
            Memory = _array;
        }

        public Memory<byte> Memory { get; }

        public void Lend() => Volatile.Write(ref _lent, 1);

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _lent, 0) == 1)
            {
                CryptographicOperations.ZeroMemory(_array);
                _pool.Return(this);
            }
        }
    }

    internal sealed class Factory : IMemoryPoolFactory<byte>
    {
        public MemoryPool<byte> Create(MemoryPoolOptions? options = null) => new ClearingMemoryPool();
    }
}
