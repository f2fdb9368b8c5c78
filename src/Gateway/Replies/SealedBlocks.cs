namespace Tacit.Gateway.Replies;

/// <summary>
/// Where sealed blocks lie: slabs of 1 MiB, filled from front to back and used again when all in them has been let go. Kept replies live for minutes, and
/// a block each on the collected heap would be copied twice before the collector believed that; replies end and expire in much the same order,
/// so slabs empty one after the other.
/// </summary>
internal sealed class SealedBlocks
{
    private const int SlabSize = 1 << 20;

    /// <summary>Empty slabs held for the next replies; more than these go to the collector.</summary>
    private const int MaxIdle = 64;

    private readonly Lock _gate = new();
    private readonly Stack<Slab> _idle = new();
    private Slab _current = new();

    /// <summary>Room for one block. Let go by <see cref="Release"/>.</summary>
    public SealedBlock Rent(int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, SlabSize);
        lock (_gate)
        {
            if (_current.Used + length > SlabSize)
            {
                Slab full = _current;
                _current = _idle.TryPop(out Slab? empty) ? empty : new Slab();
                if (full.Blocks == 0)
                {
                    Recycle(full);
                }
            }

            var block = new SealedBlock(_current, _current.Used, length);
            _current.Used += length;
            _current.Blocks++;
            return block;
        }
    }

    public void Release(SealedBlock block)
    {
        lock (_gate)
        {
            if (--block.Slab.Blocks == 0 && !ReferenceEquals(block.Slab, _current))
            {
                Recycle(block.Slab);
            }
        }
    }

    private void Recycle(Slab slab)
    {
        slab.Used = 0;
        if (_idle.Count < MaxIdle)
        {
            _idle.Push(slab);
        }
    }

    internal sealed class Slab
    {
        public byte[] Bytes { get; } = GC.AllocateUninitializedArray<byte>(SlabSize);

        public int Used { get; set; }

        public int Blocks { get; set; }
    }
}

/// <summary>A block of ciphertext and its tag, in a slab.</summary>
internal readonly record struct SealedBlock(SealedBlocks.Slab Slab, int Offset, int Length)
{
    public bool IsNone => Slab is null;

    public Span<byte> Span => Slab.Bytes.AsSpan(Offset, Length);
}
