using Tacit.Crypto;
using Tacit.Protocol;

namespace Tacit.Gateway.Sealing;

/// <summary>A sealing key whose private half this instance has. Kept for some time after it ended, so that whoever has just found it may finish with it.</summary>
internal sealed class SealingKeyPair : IDisposable
{
    public SealingKeyPair(SealingKey key, HpkePrivateKey privateKey)
    {
        Key = key;
        PrivateKey = privateKey;
    }

    /// <summary>What is said of it.</summary>
    public SealingKey Key { get; }

    /// <summary>In locked memory. Not the finder's to dispose of.</summary>
    public HpkePrivateKey PrivateKey { get; }

    public byte KeyId => Key.KeyId;

    /// <summary>The key configuration (RFC 9458, section 3.1), which goes into the <c>info</c> of both sealed protocols.</summary>
    public ReadOnlyMemory<byte> Config => Key.Config;

    /// <summary>Whether requests that were sealed with it are opened at <paramref name="time"/>.</summary>
    public bool OpensAt(DateTimeOffset time) => time >= Key.NotBefore - SealingSchedule.Skew && time < Key.NotAfter + SealingSchedule.Grace;

    public void Dispose() => PrivateKey.Dispose();
}
