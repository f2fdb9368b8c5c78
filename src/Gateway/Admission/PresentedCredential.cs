using System.Security.Cryptography;
using Tacit.Protocol;

namespace Tacit.Gateway.Admission;

/// <summary>
/// What admits a request: a token, or the signature of a device. From here on both go the same way: one row in the record of spends, one reply, to which a
/// repetition attaches.
/// </summary>
internal abstract class PresentedCredential(SpendId id) : IDisposable
{
    public SpendId Id => id;

    /// <summary>What the request may be and cost.</summary>
    public abstract Plan Plan { get; }

    /// <summary>The period in whose table its row is.</summary>
    public abstract DateTimeOffset Deadline { get; }

    /// <summary>Keys the request's tag and the kept reply; never stored. Meaningful once the credential was found to be right.</summary>
    public byte[] PseudorandomKey { get; } = new byte[TokenKeys.KeySizeInBytes];

    /// <summary>The error for a request whose row says no.</summary>
    public abstract ApiError Explain(SpendVerdict verdict);

    protected static ApiError OwnedElsewhere() =>
        ApiError.Create(ErrorCodes.GatewayBusy, "Another instance of this gateway is answering this request; try again in a moment.");

    public virtual void Dispose() => CryptographicOperations.ZeroMemory(PseudorandomKey);
}
