using System.Text.Json;

namespace Tacit.Protocol;

/// <summary>The member <c>sealing-keys</c>, absent where no gateway has any.</summary>
internal static partial class DirectoryJson
{
    private static void WriteSealingKeys(Utf8JsonWriter json, IReadOnlyList<DirectorySealingKeys> entries)
    {
        if (entries.Count == 0)
        {
            return;
        }

        json.WriteStartArray("sealing-keys"u8);
        foreach ((string gateway, IReadOnlyList<SignedSealingKey> keys) in entries)
        {
            json.WriteStartObject();
            json.WriteString("gateway"u8, gateway);
            json.WriteStartArray("keys"u8);
            foreach (SignedSealingKey key in keys)
            {
                json.WriteStartObject();
                SealingKeyJson.WriteSigned(json, key);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private sealed partial class DirectoryReader
    {
        private bool TrySealingKeys(JsonElement root, out List<DirectorySealingKeys?> entries)
        {
            entries = [];
            if (!root.TryGetProperty("sealing-keys", out _))
            {
                return true;
            }

            if (!TryList(root, "sealing-keys", IssuerDirectory.MaxGateways, ReadSealingKeys, out List<DirectorySealingKeys?>? read))
            {
                return false;
            }

            entries = read;
            return true;
        }

        private bool ReadSealingKeys(JsonElement element, out DirectorySealingKeys? entry)
        {
            entry = null;
            if (!TryText(element, "gateway", out string? gateway)
                || !TryList(element, "keys", SealingKeyList.MaxKeys, ReadKey, out List<SignedSealingKey?>? keys))
            {
                return false;
            }

            entry = new DirectorySealingKeys(gateway, [.. keys.OfType<SignedSealingKey>()]);
            return true;

            bool ReadKey(JsonElement keyElement, out SignedSealingKey? key) => SealingKeyJson.TryReadSigned(this, keyElement, gateway, out key);
        }
    }
}
