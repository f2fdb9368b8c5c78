using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Tacit.Protocol;

/// <summary>
/// The bytes between a role and its signer, internal to Tacit: version, operation, content. The channel that carries them authenticates both
/// ends; still every byte is taken as hostile. Big-endian; a vector has its length before it.
/// </summary>
public static partial class SignerWire
{
    /// <summary>The largest request: 1,000 blinded messages.</summary>
    public const int MaxRequestSizeInBytes = 2 + 1 + 32 + 1 + TokenExtensions.MaxSizeInBytes + 2 + (MaxMessages * MessageSize);

    /// <summary>The largest response.</summary>
    public const int MaxResponseSizeInBytes = 1 << 20;

    internal const int MaxMessages = GenericBatchRequest.MaxRequests;
    internal const int MessageSize = TokenTypes.ModulusSizeInBytes;

    private const byte Version = 1;
    private const byte OperationKeys = 1;
    private const byte OperationSign = 2;
    private const byte OperationRefused = 0;
    private const ushort NoIndex = 0xffff;
    private const int MaxKeys = 1024;
    private const int MaxPlansPerKey = 1024;

    /// <summary>
    /// Answers one request for <paramref name="signer"/>. A request that cannot be read gets an answer that says so; only what the signer itself
    /// throws comes out.
    /// </summary>
    public static async ValueTask<byte[]> DispatchAsync(ReadOnlyMemory<byte> request, ISigner signer, CancellationToken cancellationToken)
    {
        if (IsKeysRequest(request.Span))
        {
            return EncodeKeys(await signer.GetKeysAsync(cancellationToken));
        }

        if (TryDecodeSignRequest(request.Span, out SignRequest? sign))
        {
            return EncodeSignResponse(await signer.SignAsync(sign, cancellationToken));
        }

        return [Version, OperationRefused];
    }

    internal static byte[] EncodeKeysRequest() => [Version, OperationKeys];

    internal static bool IsKeysRequest(ReadOnlySpan<byte> request) => request is [Version, OperationKeys];

    internal static byte[] EncodeSignRequest(SignRequest request)
    {
        int extensionsSize = request.Extensions?.Length ?? 0;
        byte[] encoded = new byte[2 + 1 + 32 + 1 + (request.Extensions is null ? 0 : 2 + extensionsSize) + 2
            + (request.BlindedMessages.Count * MessageSize)];
        WireWriter writer = new(encoded);
        writer.WriteByte(Version);
        writer.WriteByte(OperationSign);
        writer.WriteByte((byte)request.Purpose);
        writer.WriteBytes(request.TokenKeyId);
        WriteOptional(ref writer, request.Extensions);
        writer.WriteUInt16(checked((ushort)request.BlindedMessages.Count));
        foreach (ReadOnlyMemory<byte> message in request.BlindedMessages)
        {
            writer.WriteBytes(message.Span);
        }

        return encoded;
    }

    internal static bool TryDecodeSignRequest(ReadOnlySpan<byte> encoded, [NotNullWhen(true)] out SignRequest? request)
    {
        request = null;
        WireReader reader = new(encoded);
        if (!reader.TryReadByte(out byte version) || version != Version
            || !reader.TryReadByte(out byte operation) || operation != OperationSign
            || !reader.TryReadByte(out byte purpose) || !Enum.IsDefined((SigningPurpose)purpose)
            || !reader.TryReadBytes(32, out ReadOnlySpan<byte> keyId)
            || !TryReadOptional(ref reader, out byte[]? extensions)
            || !reader.TryReadUInt16(out ushort count) || count is 0 or > MaxMessages
            || reader.Remaining != count * MessageSize)
        {
            return false;
        }

        ReadOnlyMemory<byte>[] messages = new ReadOnlyMemory<byte>[count];
        for (int i = 0; i < count; i++)
        {
            _ = reader.TryReadBytes(MessageSize, out ReadOnlySpan<byte> message);
            messages[i] = message.ToArray();
        }

        request = new SignRequest
        {
            TokenKeyId = keyId.ToArray(), Extensions = extensions, BlindedMessages = messages, Purpose = (SigningPurpose)purpose,
        };
        return true;
    }

    internal static byte[] EncodeSignResponse(SignResponse response)
    {
        byte[] encoded = new byte[2 + 1 + 2 + 2 + (response.BlindSignatures.Count * MessageSize)];
        WireWriter writer = new(encoded);
        writer.WriteByte(Version);
        writer.WriteByte(OperationSign);
        writer.WriteByte((byte)response.Status);
        writer.WriteUInt16(response.FailedIndex < 0 ? NoIndex : checked((ushort)response.FailedIndex));
        writer.WriteUInt16(checked((ushort)response.BlindSignatures.Count));
        foreach (byte[] signature in response.BlindSignatures)
        {
            writer.WriteBytes(signature);
        }

        return encoded;
    }

    // A successful response has as many signatures as the request had messages, another has none.
    internal static bool TryDecodeSignResponse(ReadOnlySpan<byte> encoded, int messageCount, [NotNullWhen(true)] out SignResponse? response)
    {
        response = null;
        WireReader reader = new(encoded);
        if (!reader.TryReadByte(out byte version) || version != Version
            || !reader.TryReadByte(out byte operation) || operation != OperationSign
            || !reader.TryReadByte(out byte status) || !Enum.IsDefined((SignStatus)status)
            || !reader.TryReadUInt16(out ushort failedIndex)
            || !reader.TryReadUInt16(out ushort count) || count != ((SignStatus)status is SignStatus.Success ? messageCount : 0)
            || reader.Remaining != count * MessageSize)
        {
            return false;
        }

        bool namesMessage = (SignStatus)status is SignStatus.InvalidBlindedMessage;
        if (failedIndex != NoIndex && (!namesMessage || failedIndex >= messageCount))
        {
            return false;
        }

        byte[][] signatures = new byte[count][];
        for (int i = 0; i < count; i++)
        {
            _ = reader.TryReadBytes(MessageSize, out ReadOnlySpan<byte> signature);
            signatures[i] = signature.ToArray();
        }

        response = new SignResponse
        {
            Status = (SignStatus)status, BlindSignatures = signatures, FailedIndex = failedIndex == NoIndex ? -1 : failedIndex,
        };
        return true;
    }

    internal static byte[] EncodeKeys(IReadOnlyList<SignerKey> keys)
    {
        byte[] encoded = new byte[2 + 2 + keys.Sum(key => 2 + 32 + 2 + key.SubjectPublicKeyInfo.Length + 8 + 2 + key.Plans.Sum(SizeOf) + SizeOfPseudonym(key.Pseudonym))];
        WireWriter writer = new(encoded);
        writer.WriteByte(Version);
        writer.WriteByte(OperationKeys);
        writer.WriteUInt16(checked((ushort)keys.Count));
        foreach (SignerKey key in keys)
        {
            writer.WriteUInt16((ushort)key.Type);
            writer.WriteBytes(key.TokenKeyId);
            writer.WriteVector16(key.SubjectPublicKeyInfo);
            writer.WriteInt64(key.NotBefore.ToUnixTimeSeconds());
            writer.WriteUInt16(checked((ushort)key.Plans.Count));
            foreach (PlanKey plan in key.Plans)
            {
                writer.WriteVector8(Encoding.ASCII.GetBytes(plan.PlanId));
                writer.WriteByte((byte)plan.Period.Kind);
                writer.WriteInt64(plan.Start.ToUnixTimeSeconds());
                writer.WriteInt64(plan.NotBefore.ToUnixTimeSeconds());
                WriteOptional(ref writer, plan.Extensions);
            }

            WritePseudonym(ref writer, key.Pseudonym);
        }

        return encoded;

        static int SizeOf(PlanKey plan) => 1 + plan.PlanId.Length + 1 + 8 + 8 + 1 + (plan.Extensions is null ? 0 : 2 + plan.Extensions.Length);
    }

    internal static bool TryDecodeKeys(ReadOnlySpan<byte> encoded, [NotNullWhen(true)] out IReadOnlyList<SignerKey>? keys)
    {
        keys = null;
        WireReader reader = new(encoded);
        if (!reader.TryReadByte(out byte version) || version != Version
            || !reader.TryReadByte(out byte operation) || operation != OperationKeys
            || !reader.TryReadUInt16(out ushort count) || count > MaxKeys)
        {
            return false;
        }

        List<SignerKey> read = [];
        for (int i = 0; i < count; i++)
        {
            if (!TryReadKey(ref reader, out SignerKey? key))
            {
                return false;
            }

            read.Add(key);
        }

        if (!reader.AtEnd)
        {
            return false;
        }

        keys = read;
        return true;
    }

    private static bool TryReadKey(ref WireReader reader, [NotNullWhen(true)] out SignerKey? key)
    {
        key = null;
        if (!reader.TryReadUInt16(out ushort type) || !TokenTypes.IsKnown((TokenType)type)
            || !reader.TryReadBytes(32, out ReadOnlySpan<byte> keyId)
            || !reader.TryReadVector16(out ReadOnlySpan<byte> publicKey)
            || !TryReadTime(ref reader, out DateTimeOffset notBefore)
            || !reader.TryReadUInt16(out ushort planCount) || planCount > MaxPlansPerKey)
        {
            return false;
        }

        byte[] tokenKeyId = keyId.ToArray();
        List<PlanKey> plans = [];
        for (int i = 0; i < planCount; i++)
        {
            if (!reader.TryReadVector8(out ReadOnlySpan<byte> planId) || !Ascii.IsValid(planId)
                || !reader.TryReadByte(out byte kind)
                || !TryReadTime(ref reader, out DateTimeOffset start)
                || !Period.TryStartingAt((PeriodKind)kind, start, out Period period)
                || !TryReadTime(ref reader, out DateTimeOffset planNotBefore)
                || !TryReadOptional(ref reader, out byte[]? extensions))
            {
                return false;
            }

            string id = Encoding.ASCII.GetString(planId);
            if (!Plan.IsValidId(id))
            {
                return false;
            }

            plans.Add(new PlanKey
            {
                PlanId = id, TokenKeyId = tokenKeyId, Period = period, NotBefore = planNotBefore, Extensions = extensions,
            });
        }

        if (!TryReadPseudonym(ref reader, tokenKeyId, out PseudonymKey? pseudonym) || (pseudonym is not null && (plans.Count > 0 || (TokenType)type != TokenType.BlindRsa)))
        {
            return false;
        }

        key = new SignerKey
        {
            Pseudonym = pseudonym,
            Type = (TokenType)type,
            TokenKeyId = tokenKeyId,
            SubjectPublicKeyInfo = publicKey.ToArray(),
            NotBefore = notBefore,
            Plans = plans,
        };
        return true;
    }

    private static bool TryReadTime(ref WireReader reader, out DateTimeOffset time)
    {
        // The year 9000 leaves room for a period behind every time that is read.
        const long LastSecond = 221845392000;
        time = default;
        if (!reader.TryReadInt64(out long seconds) || seconds is < 0 or > LastSecond)
        {
            return false;
        }

        time = DateTimeOffset.FromUnixTimeSeconds(seconds);
        return true;
    }

    private static void WriteOptional(ref WireWriter writer, byte[]? value)
    {
        writer.WriteByte(value is null ? (byte)0 : (byte)1);
        if (value is not null)
        {
            writer.WriteVector16(value);
        }
    }

    private static bool TryReadOptional(ref WireReader reader, out byte[]? value)
    {
        value = null;
        if (!reader.TryReadByte(out byte presence) || presence > 1)
        {
            return false;
        }

        if (presence == 1)
        {
            if (!reader.TryReadVector16(out ReadOnlySpan<byte> bytes) || bytes.Length > TokenExtensions.MaxSizeInBytes)
            {
                return false;
            }

            value = bytes.ToArray();
        }

        return true;
    }
}
