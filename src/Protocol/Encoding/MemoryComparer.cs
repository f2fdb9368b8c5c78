namespace Tacit.Protocol;

/// <summary>Compares bytes by content. Its hash is the runtime's randomised one, so that nobody can choose bytes that collide.</summary>
internal sealed class MemoryComparer : IEqualityComparer<ReadOnlyMemory<byte>>
{
    public static MemoryComparer Instance { get; } = new();

    public bool Equals(ReadOnlyMemory<byte> x, ReadOnlyMemory<byte> y) => x.Span.SequenceEqual(y.Span);

    public int GetHashCode(ReadOnlyMemory<byte> obj)
    {
        HashCode hash = default;
        hash.AddBytes(obj.Span);
        return hash.ToHashCode();
    }
}
