using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Tacit.Protocol;

/// <summary>
/// The JSON of a directory. Members that Tacit does not know are ignored, so that a later version can add some; the signature covers them.
/// Known ones have exactly the type that is written here.
/// </summary>
internal static partial class DirectoryJson
{
    private const string SignatureMember = "signature";
    private const int MaxPublicKeyBytes = 4096;

    public static bool TryParse(
        ReadOnlyMemory<byte> json, [NotNullWhen(true)] out IssuerDirectory? directory, [NotNullWhen(false)] out string? error)
    {
        directory = null;
        if (json.Length > IssuerDirectory.MaxSizeInBytes)
        {
            error = "the document is larger than 1 MiB";
            return false;
        }

        using JsonDocument? document = CanonicalJson.TryRead(json, out error);
        if (document is null)
        {
            error ??= "the document is not strict JSON";
            return false;
        }

        DirectoryReader reader = new();
        IssuerDirectory? read = reader.Read(document.RootElement);
        error = read is null ? reader.Fault : DirectoryRules.FindFault(read);
        directory = error is null ? read : null;
        return directory is not null;
    }

    public static byte[] Write(IssuerDirectory directory, Func<ReadOnlyMemory<byte>, byte[]> sign)
    {
        byte[] unsigned = Write(directory, signature: null);
        if (!CanonicalJson.TryCanonicalize(unsigned, SignatureMember, out byte[]? signedBytes))
        {
            throw new InvalidOperationException("A directory holds strings and whole numbers only.");
        }

        byte[] signature = sign(signedBytes);
        if (signature.Length != IssuerDirectory.SignatureSizeInBytes)
        {
            throw new InvalidOperationException("A directory's signature has 64 bytes.");
        }

        _ = CanonicalJson.TryCanonicalize(Write(directory, signature), null, out byte[]? document);
        return document is { Length: <= IssuerDirectory.MaxSizeInBytes }
            ? document
            : throw new InvalidOperationException("A directory has at most 1 MiB.");
    }

    private static byte[] Write(IssuerDirectory directory, byte[]? signature)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter json = new(buffer))
        {
            json.WriteStartObject();
            json.WriteString("issuer-name"u8, directory.IssuerName);
            json.WriteString("issuer-request-uri"u8, directory.IssuerRequestUri);
            WriteTokenKeys(json, directory.TokenKeys);
            WritePlans(json, directory.Plans);
            WriteGateways(json, directory.Gateways);
            WritePseudonyms(json, directory.Pseudonyms);
            WriteSealingKeys(json, directory.SealingKeys);
            if (directory.Onion is not null)
            {
                json.WriteString("onion"u8, directory.Onion);
            }

            json.WriteNumber("sequence"u8, directory.Sequence);
            WriteBytes(json, "previous", directory.Previous);
            WriteBytes(json, SignatureMember, signature);
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static void WriteTokenKeys(Utf8JsonWriter json, IReadOnlyList<DirectoryTokenKey> keys)
    {
        json.WriteStartArray("token-keys"u8);
        foreach (DirectoryTokenKey key in keys)
        {
            json.WriteStartObject();
            json.WriteNumber("token-type"u8, (int)key.Type);
            WriteBytes(json, "token-key", key.SubjectPublicKeyInfo);
            if (key.NotBefore is DateTimeOffset notBefore)
            {
                json.WriteNumber("not-before"u8, notBefore.ToUnixTimeSeconds());
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WritePlans(Utf8JsonWriter json, IReadOnlyList<DirectoryPlan> plans)
    {
        json.WriteStartArray("plans"u8);
        foreach ((Plan plan, IReadOnlyList<PlanKey> keys) in plans)
        {
            json.WriteStartObject();
            json.WriteString("id"u8, plan.Id);
            json.WriteString("kind"u8, plan.Kind == PlanKind.Request ? "request" : "subscription");
            json.WriteStartArray("models"u8);
            foreach (string model in plan.Models)
            {
                json.WriteStringValue(model);
            }

            json.WriteEndArray();
            json.WriteNumber("maxInputBytes"u8, plan.MaxInputBytes);
            json.WriteNumber("maxOutputTokens"u8, plan.MaxOutputTokens);
            json.WriteNumber("price"u8, plan.Price.Value);
            json.WriteString("period"u8, plan.Period.ToName());
            json.WriteNumber("tokenType"u8, (int)plan.TokenType);
            if (plan.Kind == PlanKind.Subscription)
            {
                json.WriteNumber("concurrency"u8, plan.Concurrency);
            }

            if (plan.Open)
            {
                json.WriteBoolean("open"u8, true);
            }

            json.WriteStartArray("keys"u8);
            foreach (PlanKey key in keys)
            {
                json.WriteStartObject();
                WriteBytes(json, "tokenKeyId", key.TokenKeyId);
                json.WriteNumber("start"u8, key.Start.ToUnixTimeSeconds());
                json.WriteNumber("deadline"u8, key.Deadline.ToUnixTimeSeconds());
                json.WriteNumber("notBefore"u8, key.NotBefore.ToUnixTimeSeconds());
                WriteBytes(json, "extensions", key.Extensions);
                if (key.Accounts is long accounts)
                {
                    json.WriteNumber("accounts"u8, accounts);
                }

                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteGateways(Utf8JsonWriter json, IReadOnlyList<DirectoryGateway> gateways)
    {
        json.WriteStartArray("gateways"u8);
        foreach (DirectoryGateway gateway in gateways)
        {
            json.WriteStartObject();
            json.WriteString("name"u8, gateway.Name);
            json.WriteStartArray("urls"u8);
            foreach (string url in gateway.Urls)
            {
                json.WriteStringValue(url);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteBytes(Utf8JsonWriter json, string name, byte[]? bytes)
    {
        if (bytes is not null)
        {
            json.WriteString(name, Base64UrlText.EncodePadded(bytes));
        }
    }

    /// <summary>Reads the members one by one; the first that does not fit becomes its fault.</summary>
    private sealed partial class DirectoryReader() : StrictJsonReader("the document is not a directory")
    {
        public IssuerDirectory? Read(JsonElement root)
        {
            if (root.ValueKind != JsonValueKind.Object)
            {
                return null;
            }

            if (!TryText(root, "issuer-name", out string? name)
                || !TryText(root, "issuer-request-uri", out string? requestUri)
                || !TryNumber(root, "sequence", out long sequence)
                || !TryOptionalBytes(root, "previous", IssuerDirectory.HashSizeInBytes, out byte[]? previous)
                || !TryOptionalBytes(root, SignatureMember, IssuerDirectory.SignatureSizeInBytes, out byte[]? signature)
                || !TryList(root, "token-keys", IssuerDirectory.MaxTokenKeys, ReadTokenKey, out List<DirectoryTokenKey?>? tokenKeys)
                || !TryList(root, "plans", IssuerDirectory.MaxPlans, ReadPlan, out List<DirectoryPlan?>? plans)
                || !TryList(root, "gateways", IssuerDirectory.MaxGateways, ReadGateway, out List<DirectoryGateway?>? gateways)
                || !TryPseudonyms(root, out List<DirectoryPseudonyms?> pseudonyms)
                || !TrySealingKeys(root, out List<DirectorySealingKeys?> sealingKeys)
                || !TryOptionalText(root, "onion", out string? onion))
            {
                return null;
            }

            return new IssuerDirectory
            {
                IssuerName = name,
                IssuerRequestUri = requestUri,
                TokenKeys = [.. tokenKeys.OfType<DirectoryTokenKey>()],
                Plans = [.. plans.OfType<DirectoryPlan>()],
                Gateways = [.. gateways.OfType<DirectoryGateway>()],
                Pseudonyms = [.. pseudonyms.OfType<DirectoryPseudonyms>()],
                SealingKeys = [.. sealingKeys.OfType<DirectorySealingKeys>()],
                Onion = onion,
                Sequence = sequence,
                Previous = previous,
                Signature = signature,
                SignedBytes = CanonicalJson.Canonicalize(root, SignatureMember),
            };
        }

        private bool ReadTokenKey(JsonElement element, out DirectoryTokenKey? key)
        {
            key = null;
            if (!TryNumber(element, "token-type", out long type) || !TryText(element, "token-key", out string? text))
            {
                return false;
            }

            // RFC 9578, section 4: what a client does not support, it ignores.
            if (type is < 0 or > ushort.MaxValue || !TokenTypes.IsKnown((TokenType)type))
            {
                return true;
            }

            if (!Base64UrlText.TryDecode(text, MaxPublicKeyBytes, out byte[]? publicKey) || publicKey.Length == 0)
            {
                return Fail("token-key is not base64url");
            }

            DateTimeOffset? notBefore = null;
            if (element.TryGetProperty("not-before", out _))
            {
                if (!TryTime(element, "not-before", out DateTimeOffset time))
                {
                    return false;
                }

                notBefore = time;
            }

            key = new DirectoryTokenKey((TokenType)type, publicKey, notBefore);
            return true;
        }

        private bool ReadPlan(JsonElement element, out DirectoryPlan? plan)
        {
            plan = null;
            if (!TryText(element, "id", out string? id)
                || !TryText(element, "kind", out string? kindName)
                || !TryList(element, "models", Plan.MaxModels, ReadText, out List<string?>? models)
                || !TryNumber(element, "maxInputBytes", out long maxInputBytes)
                || !TryNumber(element, "maxOutputTokens", out long maxOutputTokens)
                || !TryNumber(element, "price", out long price)
                || !TryText(element, "period", out string? periodName)
                || !TryNumber(element, "tokenType", out long tokenType)
                || !TryConcurrency(element, kindName, out int concurrency)
                || !TryOpen(element, out bool open))
            {
                return false;
            }

            if (kindName is not ("request" or "subscription") || !PeriodKinds.TryParse(periodName, out PeriodKind period)
                || maxInputBytes is < 0 or > int.MaxValue || maxOutputTokens is < 0 or > int.MaxValue
                || tokenType is < 0 or > ushort.MaxValue)
            {
                return Fail("a plan's kind, period, cap or token type is out of range");
            }

            if (!TryList(element, "keys", IssuerDirectory.MaxKeysPerPlan, ReadKey, out List<PlanKey?>? keys))
            {
                return false;
            }

            plan = new DirectoryPlan(
                new Plan
                {
                    Id = id,
                    Kind = kindName == "request" ? PlanKind.Request : PlanKind.Subscription,
                    Models = [.. models.OfType<string>()],
                    MaxInputBytes = (int)maxInputBytes,
                    MaxOutputTokens = (int)maxOutputTokens,
                    Price = new Credits(price),
                    Period = period,
                    TokenType = (TokenType)tokenType,
                    Concurrency = concurrency,
                    Open = open,
                },
                [.. keys.OfType<PlanKey>()]);
            return true;

            bool ReadKey(JsonElement keyElement, out PlanKey? key) => ReadPlanKey(keyElement, id, period, out key);
        }

        /// <summary>Absent means one chain. A request plan has none, so it may not name any.</summary>
        private bool TryConcurrency(JsonElement plan, string kindName, out int concurrency)
        {
            concurrency = 1;
            if (!plan.TryGetProperty("concurrency", out _))
            {
                return true;
            }

            if (!TryNumber(plan, "concurrency", out long number))
            {
                return false;
            }

            if (kindName != "subscription" || number is < 1 or > Plan.MaxConcurrency)
            {
                return Fail($"concurrency is 1 to {Plan.MaxConcurrency}, and for subscriptions only");
            }

            concurrency = (int)number;
            return true;
        }

        private bool TryOpen(JsonElement plan, out bool open)
        {
            open = false;
            if (!plan.TryGetProperty("open", out JsonElement value))
            {
                return true;
            }

            open = value.ValueKind == JsonValueKind.True;
            return value.ValueKind is JsonValueKind.True or JsonValueKind.False || Fail("open is true or false");
        }

        private bool ReadPlanKey(JsonElement element, string planId, PeriodKind kind, out PlanKey? key)
        {
            key = null;
            if (!TryOptionalBytes(element, "tokenKeyId", Token.KeyIdSizeInBytes, out byte[]? keyId)
                || !TryTime(element, "start", out DateTimeOffset start)
                || !TryTime(element, "deadline", out DateTimeOffset deadline)
                || !TryTime(element, "notBefore", out DateTimeOffset notBefore)
                || !TryOptionalBytes(element, "extensions", TokenExtensions.MaxSizeInBytes, out byte[]? extensions))
            {
                return false;
            }

            if (keyId is not { Length: Token.KeyIdSizeInBytes })
            {
                return Fail("tokenKeyId has 32 bytes");
            }

            if (!Period.TryStartingAt(kind, start, out Period period) || period.Deadline != deadline)
            {
                return Fail("start and deadline of a plan key are no period of its plan");
            }

            long? accounts = null;
            if (element.TryGetProperty("accounts", out _))
            {
                if (!TryNumber(element, "accounts", out long number))
                {
                    return false;
                }

                // Finer numbers would tell when one customer came.
                if (number < 1 || !long.IsPow2(number))
                {
                    return Fail("accounts is a power of two");
                }

                accounts = number;
            }

            key = new PlanKey { PlanId = planId, TokenKeyId = keyId, Period = period, NotBefore = notBefore, Extensions = extensions, Accounts = accounts };
            return true;
        }

        private bool ReadGateway(JsonElement element, out DirectoryGateway? gateway)
        {
            gateway = null;
            if (!TryText(element, "name", out string? name)
                || !TryList(element, "urls", IssuerDirectory.MaxUrls, ReadText, out List<string?>? urls))
            {
                return false;
            }

            gateway = new DirectoryGateway(name, [.. urls.OfType<string>()]);
            return true;
        }
    }
}
