using System.Text.Json;

namespace Tacit.Protocol;

/// <summary>The member <c>pseudonyms</c>, absent where no gateway asks for any.</summary>
internal static partial class DirectoryJson
{
    private static void WritePseudonyms(Utf8JsonWriter json, IReadOnlyList<DirectoryPseudonyms> pseudonyms)
    {
        if (pseudonyms.Count == 0)
        {
            return;
        }

        json.WriteStartArray("pseudonyms"u8);
        foreach ((PseudonymOffer offer, IReadOnlyList<PseudonymKey> keys) in pseudonyms)
        {
            json.WriteStartObject();
            json.WriteString("gateway"u8, offer.Gateway);
            json.WriteString("policy"u8, offer.Policy.ToName());
            json.WriteString("period"u8, offer.Period.ToName());
            json.WriteStartArray("keys"u8);
            foreach (PseudonymKey key in keys)
            {
                json.WriteStartObject();
                json.WriteString("kind"u8, key.Kind.ToName());
                json.WriteNumber("tokenType"u8, (int)TokenType.BlindRsa);
                WriteBytes(json, "tokenKeyId", key.TokenKeyId);
                json.WriteNumber("notBefore"u8, key.NotBefore.ToUnixTimeSeconds());
                if (key.Epoch is { } epoch)
                {
                    json.WriteNumber("start"u8, epoch.Start.ToUnixTimeSeconds());
                    json.WriteNumber("deadline"u8, epoch.Deadline.ToUnixTimeSeconds());
                }

                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private sealed partial class DirectoryReader
    {
        private bool TryPseudonyms(JsonElement root, out List<DirectoryPseudonyms?> pseudonyms)
        {
            pseudonyms = [];
            if (!root.TryGetProperty("pseudonyms", out _))
            {
                return true;
            }

            if (!TryList(root, "pseudonyms", IssuerDirectory.MaxGateways, ReadPseudonyms, out List<DirectoryPseudonyms?>? read))
            {
                return false;
            }

            pseudonyms = read;
            return true;
        }

        private bool ReadPseudonyms(JsonElement element, out DirectoryPseudonyms? pseudonyms)
        {
            pseudonyms = null;
            if (!TryText(element, "gateway", out string? gateway)
                || !TryText(element, "policy", out string? policyName)
                || !TryText(element, "period", out string? periodName))
            {
                return false;
            }

            if (!PseudonymNames.TryParse(policyName, out PseudonymPolicy policy) || !PeriodKinds.TryParse(periodName, out PeriodKind period))
            {
                return Fail("a gateway's pseudonym policy or its period is none that there is");
            }

            if (!TryList(element, "keys", IssuerDirectory.MaxPseudonymKeys, ReadKey, out List<PseudonymKey?>? keys))
            {
                return false;
            }

            pseudonyms = new DirectoryPseudonyms(
                new PseudonymOffer { Gateway = gateway, Policy = policy, Period = period }, [.. keys.OfType<PseudonymKey>()]);
            return true;

            bool ReadKey(JsonElement keyElement, out PseudonymKey? key) => ReadPseudonymKey(keyElement, gateway, period, out key);
        }

        private bool ReadPseudonymKey(JsonElement element, string gateway, PeriodKind kindOfPeriod, out PseudonymKey? key)
        {
            key = null;
            if (!TryText(element, "kind", out string? kindName)
                || !TryNumber(element, "tokenType", out long tokenType)
                || !TryOptionalBytes(element, "tokenKeyId", Token.KeyIdSizeInBytes, out byte[]? keyId)
                || !TryTime(element, "notBefore", out DateTimeOffset notBefore))
            {
                return false;
            }

            if (keyId is not { Length: Token.KeyIdSizeInBytes } || tokenType != (int)TokenType.BlindRsa
                || !PseudonymNames.TryParse(kindName, out PseudonymKind kind))
            {
                return Fail("a pseudonym key has an unknown kind, another type than 0x0002, or no id of 32 bytes");
            }

            Period? epoch = null;
            if (kind != PseudonymKind.Permanent)
            {
                if (!TryTime(element, "start", out DateTimeOffset start) || !TryTime(element, "deadline", out DateTimeOffset deadline))
                {
                    return false;
                }

                if (!Period.TryStartingAt(kindOfPeriod, start, out Period period) || period.Deadline != deadline)
                {
                    return Fail("start and deadline of a pseudonym key are no epoch of its gateway");
                }

                epoch = period;
            }

            key = new PseudonymKey { Gateway = gateway, Kind = kind, TokenKeyId = keyId, Epoch = epoch, NotBefore = notBefore };
            return true;
        }
    }
}
