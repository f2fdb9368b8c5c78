using System.Security.Cryptography;

namespace Tacit.Hosting;

/// <summary>The bytes of a secret, on the pinned heap so that the collector leaves no copies behind, and wiped on disposal.</summary>
public sealed class SecretBytes : IDisposable
{
    private readonly byte[] bytes;
    private bool disposed;

    public SecretBytes(ReadOnlySpan<byte> value)
    {
        bytes = GC.AllocateUninitializedArray<byte>(value.Length, pinned: true);
        value.CopyTo(bytes);
    }

    public int Length => bytes.Length;

    /// <exception cref="ObjectDisposedException">The secret was wiped.</exception>
    public ReadOnlySpan<byte> Span
    {
        get
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            return bytes;
        }
    }

    /// <inheritdoc cref="Span"/>
    public ReadOnlyMemory<byte> Memory
    {
        get
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            return bytes;
        }
    }

    /// <summary>An independent copy, for a second owner.</summary>
    public SecretBytes Copy() => new(Span);

    public void Dispose()
    {
        disposed = true;
        CryptographicOperations.ZeroMemory(bytes);
    }

    public override string ToString() => "[scrubbed]";
}
