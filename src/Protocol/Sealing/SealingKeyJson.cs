using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Tacit.Protocol;

/// <summary>A sealing key as a JSON object, in the directory, in a gateway's offer and in <c>/api/pubkey</c>: the same members in all three.</summary>
internal static class SealingKeyJson
{
    public static void Write(Utf8JsonWriter json, SealingKey key)
    {
        json.WriteString("config"u8, Base64Url.EncodeToString(key.Config));
        json.WriteNumber("not_before"u8, key.NotBefore.ToUnixTimeSeconds());
        json.WriteNumber("not_after"u8, key.NotAfter.ToUnixTimeSeconds());
        if (key.Evidence is { } evidence)
        {
            json.WriteStartObject("evidence"u8);
            json.WriteString("format"u8, evidence.Format);
            json.WriteString("data"u8, Base64Url.EncodeToString(evidence.Bytes.Span));
            json.WriteEndObject();
        }
    }

    public static void WriteSigned(Utf8JsonWriter json, SignedSealingKey signed)
    {
        Write(json, signed.Key);
        json.WriteString("signature"u8, Base64Url.EncodeToString(signed.Signature));
    }

    public static bool TryReadSigned(StrictJsonReader reader, JsonElement element, string gateway, out SignedSealingKey? signed)
    {
        signed = null;
        if (!TryRead(reader, element, gateway, out SealingKey? key)
            || !reader.TryOptionalBytes(element, "signature", IssuerDirectory.SignatureSizeInBytes, out byte[]? signature))
        {
            return false;
        }

        signed = signature is null ? null : new SignedSealingKey(key, signature);
        return signed is not null || reader.Fail("a sealing key has no signature");
    }

    public static bool TryRead(StrictJsonReader reader, JsonElement element, string gateway, [NotNullWhen(true)] out SealingKey? key)
    {
        key = null;
        if (!reader.TryOptionalBytes(element, "config", SealingKey.MaxConfigSizeInBytes, out byte[]? config)
            || !reader.TryTime(element, "not_before", out DateTimeOffset notBefore)
            || !reader.TryTime(element, "not_after", out DateTimeOffset notAfter)
            || !TryReadEvidence(reader, element, out KeyEvidence? evidence))
        {
            return false;
        }

        key = config is null ? null : new SealingKey { Gateway = gateway, Config = config, NotBefore = notBefore, NotAfter = notAfter, Evidence = evidence };
        return key is not null || reader.Fail("a sealing key has no configuration");
    }

    private static bool TryReadEvidence(StrictJsonReader reader, JsonElement element, out KeyEvidence? evidence)
    {
        evidence = null;
        if (!element.TryGetProperty("evidence", out JsonElement value))
        {
            return true;
        }

        if (!reader.TryText(value, "format", out string? format) || !reader.TryOptionalBytes(value, "data", KeyEvidence.MaxSizeInBytes, out byte[]? bytes))
        {
            return false;
        }

        evidence = new KeyEvidence(format, bytes ?? []);
        return true;
    }
}
