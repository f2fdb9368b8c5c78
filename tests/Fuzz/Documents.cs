using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Tacit.Protocol;

namespace Tacit.Fuzz;

internal static class Documents
{
    public static IReadOnlyList<byte[]> Directories { get; } =
    [
        Samples.Utf8("""{"issuer-name":"i","issuer-request-uri":"/t","token-keys":[],"plans":[],"gateways":[],"sequence":1}"""),
        Samples.Utf8(Encoding.UTF8.GetString(Samples.DirectoryDocument).Replace("\"sequence\"", "\"unknown\":{\"a\":[true,null,\"é\"]},\"sequence\"", StringComparison.Ordinal)),
    ];

    public static IReadOnlyList<byte[]> Json { get; } =
        [.. new[]
        {
            """{"b":[1,-2,true,false,null,"x\u20ac\"\\\u0000\n"],"a":{"\ud83d\ude00":0},"\r":""}""",
            "[]", "\"\"", "9007199254740991", "{}",
        }.Select(Samples.Utf8)];

    public static IReadOnlyList<byte[]> Messages { get; } =
    [
        JsonSerializer.SerializeToUtf8Bytes(Exchange(Samples.Metadata), GatewayJson.Default.ExchangeRequest),
        JsonSerializer.SerializeToUtf8Bytes(Exchange([]), GatewayJson.Default.ExchangeRequest),
        Samples.Utf8("""{"code":"4EVW-Y1PY-MG29-25BA-MSZW-0C1Z-ZEM"}"""),
        Samples.Utf8("""{"signature":"AAAA"}"""),
        Samples.Utf8("""{"credits":3,"history":[{"day":"2026-11-20","kind":"tokens","count":2,"credits":-8,"plan":"chat"}]}"""),
    ];

    public static bool RunDirectory(byte[] input)
    {
        if (!IssuerDirectory.TryParse(input, out IssuerDirectory? directory, out string? error))
        {
            FuzzTarget.Require(directory is null && error.Length > 0, "a refused directory gives a reason");
            return false;
        }

        byte[] written = directory.SignAndEncode(_ => Samples.Filled(64, 1));
        FuzzTarget.Require(
            IssuerDirectory.TryParse(written, out IssuerDirectory? again, out _)
                && again.Plans.SelectMany(plan => plan.Keys).SequenceEqual(directory.Plans.SelectMany(plan => plan.Keys))
                && again.TokenKeys.Count == directory.TokenKeys.Count
                && again.Sequence == directory.Sequence,
            "a directory changes when it is written and read again");
        return true;
    }

    public static bool RunSealingOffer(byte[] input)
    {
        // As if every signature were good: what is behind it must be safe to read all the same.
        DateTimeOffset now = Samples.SealingKeys[0].NotBefore;
        if (!SealingOffer.TryOpen(input, "gateway.example", (_, _) => true, now, out SealingOffer? offer, out string? error))
        {
            FuzzTarget.Require(offer is null && error.Length > 0, "a refused offer gives a reason");
            return false;
        }

        byte[] written = offer.SignAndEncode(_ => Samples.Filled(64, 1));
        FuzzTarget.Require(
            SealingOffer.TryOpen(written, offer.Gateway, (_, _) => true, now, out SealingOffer? again, out _)
                && again.Keys.Zip(offer.Keys).All(pair => pair.First.SignedBytes().AsSpan().SequenceEqual(pair.Second.SignedBytes())),
            "an offer changes when it is written and read again");
        return true;
    }

    public static bool RunSealingKeys(byte[] input)
    {
        if (!SealingKeyDocument.TryParse(input, out SealingKeyDocument? document, out string? error))
        {
            FuzzTarget.Require(document is null && error.Length > 0, "a refused list of sealing keys gives a reason");
            return false;
        }

        FuzzTarget.Require(
            SealingKeyDocument.TryParse(document.Encode(), out SealingKeyDocument? again, out _)
                && again.Keys.Zip(document.Keys).All(pair => pair.First.Key.SignedBytes().AsSpan().SequenceEqual(pair.Second.Key.SignedBytes())),
            "a list of sealing keys changes when it is written and read again");
        return true;
    }

    public static bool RunJson(byte[] input)
    {
        if (!CanonicalJson.TryCanonicalize(input, null, out byte[]? canonical))
        {
            return false;
        }

        FuzzTarget.Require(
            CanonicalJson.TryCanonicalize(canonical, null, out byte[]? again) && again.AsSpan().SequenceEqual(canonical),
            "the canonical form is not its own canonical form");
        return true;
    }

    public static bool RunMessages(byte[] input)
    {
        bool taken = false;
        if (Read(input, GatewayJson.Default.ExchangeRequest) is ExchangeRequest exchange
            && exchange.TryDecode(out byte[]? token, out byte[] extensions, out byte[]? successor))
        {
            taken = true;
            FuzzTarget.Require(
                token.Length <= Token.SizeInBytes && extensions.Length <= TokenExtensions.MaxSizeInBytes && successor.Length <= TokenRequest.MaxSizeInBytes,
                "an exchange decodes to more than it may hold");
        }

        taken |= Read(input, GatewayJson.Default.ExchangeResponse)?.TryDecode(out _) is true;
        taken |= Read(input, AccountJson.Default.VoucherRedemptionRequest) is VoucherRedemptionRequest voucher && VoucherCode.TryParse(voucher.Code, out _);
        return taken | Read(input, AccountJson.Default.AccountStatement) is not null;
    }

    // What a server or wallet does with such a body: JsonException is the serializer's way to say no, anything else is a fault.
    private static T? Read<T>(byte[] input, JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(input, type);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static ExchangeRequest Exchange(byte[] extensions)
    {
        TokenType type = extensions.Length == 0 ? TokenType.BlindRsa : TokenType.PartiallyBlindRsa;
        using Token token = Token.TryParse(Samples.TokenBytes(type), out Token? parsed) ? parsed : throw new InvalidOperationException();
        return ExchangeRequest.Create(token, extensions, Samples.Request(type, 1));
    }
}
