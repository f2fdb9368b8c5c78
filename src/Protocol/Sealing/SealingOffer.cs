using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json;

namespace Tacit.Protocol;

/// <summary>
/// The sealing keys that a gateway has made, signed by the gateway's own key, for its issuer to put into the directory: the public answer of
/// <c>GET /.well-known/tacit-sealing-keys</c>. Nothing is to be sealed with a key of an offer; only what a directory key has signed is believed.
/// </summary>
public sealed record SealingOffer
{
    /// <summary>64 KiB: as many keys as there can be, each with evidence.</summary>
    public const int MaxSizeInBytes = 64 * 1024;

    /// <summary>How far its date may be from the reader's clock, either way: what was recorded earlier is not taken for news.</summary>
    public static readonly TimeSpan MaxAge = TimeSpan.FromMinutes(15);

    private static readonly byte[] s_label = Encoding.ASCII.GetBytes("tacit sealing offer v1\0");

    /// <summary>The gateway's one canonical name.</summary>
    public required string Gateway { get; init; }

    /// <summary>When it was made; whole seconds.</summary>
    public required DateTimeOffset MadeAt { get; init; }

    /// <summary>In ascending order of time.</summary>
    public required IReadOnlyList<SealingKey> Keys { get; init; }

    /// <summary>The gateway's own onion service (<see cref="OnionAddress"/>), which the directory is to list first among its addresses; null if it has none.</summary>
    public string? Onion { get; init; }

    /// <summary>Checks, signs and encodes.</summary>
    /// <param name="sign">Ed25519 with the gateway's key: the message; a signature of 64 bytes.</param>
    /// <exception cref="InvalidOperationException">It contradicts itself; the message says where.</exception>
    public byte[] SignAndEncode(Func<ReadOnlyMemory<byte>, byte[]> sign)
    {
        ArgumentNullException.ThrowIfNull(sign);
        if ((SealingKeyList.FindFault(Gateway, Keys) ?? FindFaultInOnion(Onion)) is string fault)
        {
            throw new InvalidOperationException($"These sealing keys cannot be offered: {fault}.");
        }

        _ = CanonicalJson.TryCanonicalize(Write(null), null, out byte[]? unsigned);
        return Write(sign((byte[])[.. s_label, .. unsigned!]));
    }

    /// <summary>Reads an offer and checks it: its form, that the gateway's key signed it, that it is about that gateway, and that it was made about now.</summary>
    /// <param name="json">The document.</param>
    /// <param name="gateway">Whose it must be.</param>
    /// <param name="verify">Verifies with the gateway's key: message, signature.</param>
    /// <param name="now">The reader's clock.</param>
    /// <param name="offer">The offer.</param>
    /// <param name="error">What is wrong with it.</param>
    public static bool TryOpen(
        ReadOnlyMemory<byte> json, string gateway, Func<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>, bool> verify, DateTimeOffset now,
        [NotNullWhen(true)] out SealingOffer? offer, [NotNullWhen(false)] out string? error)
    {
        ArgumentNullException.ThrowIfNull(verify);
        offer = null;
        if (json.Length > MaxSizeInBytes)
        {
            error = $"it is larger than {MaxSizeInBytes} bytes";
            return false;
        }

        using JsonDocument? document = CanonicalJson.TryRead(json, out error);
        if (document is null)
        {
            error ??= "it is not strict JSON";
            return false;
        }

        StrictJsonReader reader = new("it is no offer of sealing keys");
        SealingOffer? read = Read(reader, document.RootElement, out byte[]? signature);
        if (read is null)
        {
            error = reader.Fault;
        }
        else if (read.Gateway != gateway)
        {
            error = $"it is of {(Plan.IsValidId(read.Gateway) ? read.Gateway : "another gateway")}, not of {gateway}";
        }
        else if ((SealingKeyList.FindFault(gateway, read.Keys) ?? FindFaultInOnion(read.Onion)) is string fault)
        {
            error = fault;
        }
        else if (signature is null || !verify((byte[])[.. s_label, .. CanonicalJson.Canonicalize(document.RootElement, "signature")], signature))
        {
            error = "the gateway's key did not sign it";
        }
        else if ((now - read.MadeAt).Duration() > MaxAge)
        {
            error = $"it was made at {read.MadeAt:yyyy-MM-dd HH:mm:ss}, and it is {now:yyyy-MM-dd HH:mm:ss} now: an old one, or a wrong clock";
        }

        offer = error is null ? read : null;
        return offer is not null;
    }

    private static SealingOffer? Read(StrictJsonReader reader, JsonElement root, out byte[]? signature)
    {
        signature = null;
        if (root.ValueKind != JsonValueKind.Object
            || !reader.TryText(root, "gateway", out string? gateway)
            || !reader.TryTime(root, "made_at", out DateTimeOffset madeAt)
            || !reader.TryList(root, "keys", SealingKeyList.MaxKeys, ReadKey, out List<SealingKey?>? keys)
            || !reader.TryOptionalText(root, "onion", out string? onion)
            || !reader.TryOptionalBytes(root, "signature", IssuerDirectory.SignatureSizeInBytes, out signature))
        {
            return null;
        }

        return new SealingOffer { Gateway = gateway, MadeAt = madeAt, Keys = [.. keys.OfType<SealingKey>()], Onion = onion };

        bool ReadKey(JsonElement element, out SealingKey? key) => SealingKeyJson.TryRead(reader, element, gateway, out key);
    }

    private static string? FindFaultInOnion(string? onion) => onion is null || OnionAddress.IsValid(onion) ? null : "onion is no address of a version 3 onion service";

    private byte[] Write(byte[]? signature)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter json = new(buffer))
        {
            json.WriteStartObject();
            json.WriteString("gateway"u8, Gateway);
            json.WriteNumber("made_at"u8, MadeAt.ToUnixTimeSeconds());
            json.WriteStartArray("keys"u8);
            foreach (SealingKey key in Keys)
            {
                json.WriteStartObject();
                SealingKeyJson.Write(json, key);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            if (Onion is not null)
            {
                json.WriteString("onion"u8, Onion);
            }

            if (signature is not null)
            {
                json.WriteString("signature"u8, Base64Url.EncodeToString(signature));
            }

            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }
}
