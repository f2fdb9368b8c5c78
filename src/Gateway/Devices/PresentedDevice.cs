using System.Security.Cryptography;
using Tacit.Crypto;
using Tacit.Gateway.Admission;
using Tacit.Protocol;

namespace Tacit.Gateway.Devices;

/// <summary>A device's signature on a request, which passed every check that costs nothing.</summary>
internal sealed class PresentedDevice : PresentedCredential
{
    private DateTimeOffset _deadline;

    public PresentedDevice(DeviceSignature signature, Plan plan)
        : base(IdOf(signature))
    {
        Signature = signature;
        Plan = plan;
        _deadline = DevicePeriod.DeadlineOf(DateTimeOffset.FromUnixTimeSeconds(signature.Created));
    }

    public DeviceSignature Signature { get; }

    public override Plan Plan { get; }

    public override DateTimeOffset Deadline => _deadline;

    /// <summary>The period before, where a repetition's first may have its row; null if it is long over.</summary>
    public DateTimeOffset? DeadlineBefore =>
        DateTimeOffset.FromUnixTimeSeconds(Signature.Created) - _deadline.AddDays(-1) < DevicePeriod.LookBack ? _deadline.AddDays(-1) : null;

    /// <summary>The request's first was made in the period before.</summary>
    public void BelongsBefore() => _deadline = _deadline.AddDays(-1);

    /// <summary>
    /// Derives the keys from key and nonce, once the signature is known to be right. From the nonce, which is random and stored nowhere, so that the disk confirms
    /// no guessed prompt; and not from the signature, so that a repetition may be signed anew.
    /// </summary>
    public void Accept()
    {
        Span<byte> secret = stackalloc byte[DeviceKeyId.KeySizeInBytes + DeviceSignature.NonceSizeInBytes];
        Signature.PublicKey.CopyTo(secret);
        Signature.Nonce.CopyTo(secret[DeviceKeyId.KeySizeInBytes..]);
        ShortDigest.HmacSha256("tacit gateway device v1"u8, secret, PseudorandomKey);
        CryptographicOperations.ZeroMemory(secret);
    }

    public override ApiError Explain(SpendVerdict verdict) => verdict switch
    {
        SpendVerdict.PeriodOver => ApiError.Create(ErrorCodes.SignatureExpired, "The signature is of a period that is over.", DeviceSignature.InputHeader),
        SpendVerdict.ReplyGone => ApiError.Create(ErrorCodes.NonceUsed, "This request was answered, and its reply is no longer kept.", DeviceSignature.InputHeader),
        SpendVerdict.OwnedElsewhere => OwnedElsewhere(),
        _ => ApiError.Create(ErrorCodes.NonceUsed, "The nonce was used for another request of this device.", DeviceSignature.InputHeader),
    };

    private static SpendId IdOf(DeviceSignature signature)
    {
        Span<byte> id = stackalloc byte[SpendId.SizeInBytes];
        signature.RequestId(id);
        return new SpendId(id);
    }
}
