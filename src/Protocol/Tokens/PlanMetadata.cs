using System.Text;

namespace Tacit.Protocol;

/// <summary>
/// The public metadata of a 0xDA7A token: its plan and its deadline. Encoded as two extensions and in exactly one way, because metadata that
/// differ in a bit are different keys and different crowds:
/// 0x0001, the expiration extension (draft-ietf-privacypass-expiration-extension) with precision 86400 and the deadline as UNIX time;
/// 0xFF50, ours, with the plan id in ASCII.
/// </summary>
/// <param name="PlanId">See <see cref="Plan.IsValidId"/>.</param>
/// <param name="Deadline">Midnight UTC.</param>
public readonly record struct PlanMetadata(string PlanId, DateTimeOffset Deadline)
{
    public const ushort ExpirationExtensionType = 0x0001;
    public const ushort PlanExtensionType = 0xFF50;

    private const long SecondsPerDay = 86400;

    // The last second that a DateTimeOffset can hold.
    private const long MaxUnixTime = 253402300799;

    /// <summary>The encoded Extensions, at most 90 bytes.</summary>
    public byte[] EncodeExtensions()
    {
        long seconds = Deadline.ToUnixTimeSeconds();
        if (!Plan.IsValidId(PlanId) || seconds <= 0 || seconds % SecondsPerDay != 0 || Deadline != DateTimeOffset.FromUnixTimeSeconds(seconds))
        {
            throw new InvalidOperationException("Plan metadata are a valid plan id and a deadline at midnight UTC.");
        }

        byte[] encoded = new byte[2 + 4 + 16 + 4 + PlanId.Length];
        WireWriter writer = new(encoded);
        writer.WriteUInt16((ushort)(encoded.Length - 2));
        writer.WriteUInt16(ExpirationExtensionType);
        writer.WriteUInt16(16);
        writer.WriteUInt64((ulong)SecondsPerDay);
        writer.WriteUInt64((ulong)seconds);
        writer.WriteUInt16(PlanExtensionType);
        writer.WriteVector16(Encoding.ASCII.GetBytes(PlanId));
        return encoded;
    }

    /// <summary>Reads what <see cref="EncodeExtensions"/> writes, and nothing else.</summary>
    public static bool TryParse(ReadOnlySpan<byte> encoded, out PlanMetadata metadata)
    {
        metadata = default;
        WireReader outer = new(encoded);
        if (!outer.TryReadVector16(out ReadOnlySpan<byte> list) || !outer.AtEnd)
        {
            return false;
        }

        WireReader reader = new(list);
        if (!reader.TryReadUInt16(out ushort expirationType) || expirationType != ExpirationExtensionType
            || !reader.TryReadUInt16(out ushort expirationSize) || expirationSize != 16
            || !reader.TryReadUInt64(out ulong precision) || precision != (ulong)SecondsPerDay
            || !reader.TryReadUInt64(out ulong seconds) || seconds is 0 or > (ulong)MaxUnixTime || seconds % (ulong)SecondsPerDay != 0
            || !reader.TryReadUInt16(out ushort planType) || planType != PlanExtensionType
            || !reader.TryReadVector16(out ReadOnlySpan<byte> id) || id.Length > Plan.MaxIdLength
            || !reader.AtEnd)
        {
            return false;
        }

        Span<char> planId = stackalloc char[Plan.MaxIdLength];
        if (!Ascii.IsValid(id) || Encoding.ASCII.GetChars(id, planId) != id.Length || !Plan.IsValidId(planId[..id.Length]))
        {
            return false;
        }

        metadata = new PlanMetadata(new string(planId[..id.Length]), DateTimeOffset.FromUnixTimeSeconds((long)seconds));
        return true;
    }
}
