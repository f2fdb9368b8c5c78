using Tacit.Crypto.Interop;

namespace Tacit.Crypto;

/// <summary>A secret that both sides had before (RFC 9180 §5.1.2), in locked memory.</summary>
public sealed class HpkePsk : IDisposable
{
    /// <summary>So much entropy is asked for (RFC 9180 §9.5). Length is all that can be checked.</summary>
    public const int MinSizeInBytes = 32;
    public const int MaxSizeInBytes = LockedBytes.Capacity;

    private readonly byte[] _id;
    private readonly LockedBytes _secret;

    /// <param name="id">Names the secret to the other side; at least one byte.</param>
    /// <param name="secret">32 to 128 bytes. Copied.</param>
    public HpkePsk(ReadOnlySpan<byte> id, ReadOnlySpan<byte> secret)
    {
        ArgumentOutOfRangeException.ThrowIfZero(id.Length);
        ArgumentOutOfRangeException.ThrowIfLessThan(secret.Length, MinSizeInBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(secret.Length, MaxSizeInBytes);
        _id = id.ToArray();
        SizeInBytes = secret.Length;
        _secret = new LockedBytes();
        using LockedBytes.Lease lease = _secret.Use();
        secret.CopyTo(lease.Bytes);
    }

    public ReadOnlySpan<byte> Id => _id;

    internal int SizeInBytes { get; }

    internal LockedBytes.Lease Use() => _secret.Use();

    public void Dispose() => _secret.Dispose();
}
