using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json;

namespace Tacit.Protocol;

/// <summary>
/// The answer of <c>GET /api/pubkey</c>: the sealing keys of one gateway that everybody is shown, each with the signature of the directory key, and the gateway's
/// clock, so that a client whose own is wrong can say so. The document itself is not signed: what matters in it is.
/// </summary>
public sealed record SealingKeyDocument
{
    /// <summary>64 KiB.</summary>
    public const int MaxSizeInBytes = 64 * 1024;

    public required string Gateway { get; init; }

    /// <summary>The gateway's clock, in whole milliseconds.</summary>
    public required DateTimeOffset ServerTime { get; init; }

    /// <summary>In ascending order of time: the current one and the next.</summary>
    public required IReadOnlyList<SignedSealingKey> Keys { get; init; }

    /// <summary>The work that is asked for now; null for none, or in a form that is not known here. Unsigned too: it may ask for any number of bits.</summary>
    public WorkAnnouncement? Work { get; init; }

    /// <param name="more">Writes further members into the object; null for none.</param>
    public byte[] Encode(Action<Utf8JsonWriter>? more = null)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter json = new(buffer))
        {
            json.WriteStartObject();
            json.WriteString("gateway"u8, Gateway);
            json.WriteNumber("server_time"u8, ServerTime.ToUnixTimeMilliseconds());
            json.WriteStartArray("keys"u8);
            foreach (SignedSealingKey key in Keys)
            {
                json.WriteStartObject();
                json.WriteNumber("key_id"u8, key.Key.KeyId);
                json.WriteNumber("kem"u8, key.Key.KemId);
                json.WriteString("public_key"u8, Base64Url.EncodeToString(key.Key.PublicKey));
                SealingKeyJson.WriteSigned(json, key);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            if (Work is not null)
            {
                json.WritePropertyName(WorkAnnouncement.MemberName);
                Work.WriteTo(json);
            }

            more?.Invoke(json);
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>The answer of <c>GET /.well-known/jwks.json</c> (RFC 7517, RFC 8037): X25519 keys only, <c>kid</c> the key id as a decimal number.</summary>
    public byte[] EncodeKeySet()
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter json = new(buffer))
        {
            json.WriteStartObject();
            json.WriteStartArray("keys"u8);
            foreach (SealingKey key in Keys.Select(entry => entry.Key).Where(key => key.KemId == SealingKey.X25519))
            {
                json.WriteStartObject();
                json.WriteString("kty"u8, "OKP"u8);
                json.WriteString("crv"u8, "X25519"u8);
                json.WriteString("use"u8, "enc"u8);
                json.WriteString("kid"u8, key.KeyId.ToString(CultureInfo.InvariantCulture));
                json.WriteString("x"u8, Base64Url.EncodeToString(key.PublicKey));
                json.WriteNumber("nbf"u8, key.NotBefore.ToUnixTimeSeconds());
                json.WriteNumber("exp"u8, key.NotAfter.ToUnixTimeSeconds());
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Reads a document and checks its form. Each key still has to be verified with the pinned directory key: <see cref="SignedSealingKey.Verify"/>.</summary>
    public static bool TryParse(
        ReadOnlyMemory<byte> json, [NotNullWhen(true)] out SealingKeyDocument? parsed, [NotNullWhen(false)] out string? error)
    {
        parsed = null;
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

        StrictJsonReader reader = new("it is no list of sealing keys");
        SealingKeyDocument? read = Read(reader, document.RootElement);
        error = read is null ? reader.Fault : SealingKeyList.FindFault(read.Gateway, [.. read.Keys.Select(entry => entry.Key)]);
        parsed = error is null ? read : null;
        return parsed is not null;
    }

    private static SealingKeyDocument? Read(StrictJsonReader reader, JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object
            || !reader.TryText(root, "gateway", out string? gateway)
            || !reader.TryNumber(root, "server_time", out long milliseconds)
            || !reader.TryList(root, "keys", SealingKeyList.MaxKeys, ReadKey, out List<SignedSealingKey?>? keys))
        {
            return null;
        }

        if (milliseconds is < 0 or > 221845392000000)
        {
            reader.Fail("server_time is out of range");
            return null;
        }

        return new SealingKeyDocument
        {
            Gateway = gateway, ServerTime = DateTimeOffset.FromUnixTimeMilliseconds(milliseconds), Keys = [.. keys.OfType<SignedSealingKey>()],
            Work = root.TryGetProperty(WorkAnnouncement.MemberName, out JsonElement member) && WorkAnnouncement.TryRead(member, out WorkAnnouncement? work) ? work : null,
        };

        // key_id, kem and public_key are in config, too; what is signed counts, so they have to be the same.
        bool ReadKey(JsonElement element, out SignedSealingKey? key)
        {
            if (!SealingKeyJson.TryReadSigned(reader, element, gateway, out key) || !reader.TryNumber(element, "key_id", out long keyId)
                || !reader.TryNumber(element, "kem", out long kem) || !reader.TryOptionalBytes(element, "public_key", SealingKey.MaxConfigSizeInBytes, out byte[]? publicKey))
            {
                return false;
            }

            return key!.Key.FindFault() is string fault ? reader.Fail(fault)
                : (keyId == key.Key.KeyId && kem == key.Key.KemId && (key.Key.PublicKey.IsEmpty || publicKey.AsSpan().SequenceEqual(key.Key.PublicKey)))
                    || reader.Fail("key_id, kem or public_key of a sealing key are not those of its config");
        }
    }
}
