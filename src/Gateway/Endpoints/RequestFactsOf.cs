using System.Globalization;
using Microsoft.AspNetCore.Http;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Catalog;
using Tacit.Inference;
using Tacit.Protocol;

namespace Tacit.Gateway.Endpoints;

/// <summary>What this gateway saw of one request, for the demo model to tell the one who sent it. No value that identifies: names, sizes, the plan.</summary>
internal static class RequestFactsOf
{
    public static RequestFacts Request(HttpRequest request, PresentedCredential credential, int bodySize) => new()
    {
        Items =
        [
            new("plan", credential.Plan.Id),
            .. credential is PresentedToken token ? Token(token.Key) : [new("admitted by", "the signature of a device")],
            new("headers", string.Join(", ", request.Headers.Keys.Order(StringComparer.OrdinalIgnoreCase).Take(32))),
            new("body", string.Create(CultureInfo.InvariantCulture, $"{bodySize} bytes")),
        ],
    };

    private static KeyValuePair<string, string>[] Token(RedemptionKey key) =>
    [
        new("token type", key.Type == TokenType.BlindRsa ? "0x0002 (blind RSA)" : "0xDA7A (partially blind RSA)"),
        new("issuer key", Convert.ToHexStringLower(key.TokenKeyId[..4]) + "…"),
        new("good until", key.Deadline.UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)),
    ];
}
