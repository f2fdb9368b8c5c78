using System.Globalization;
using Tacit.Client;
using Tacit.Inference;
using Tacit.Protocol;

namespace Tacit.Cli.Demo;

/// <summary>One thing that a part saw.</summary>
internal sealed record Sight(string Part, string What, string Value);

/// <summary>What each part saw of one purchase and one question, and whether any of it links the two sides.</summary>
/// <param name="Sights">Values as they were handed to the parts.</param>
/// <param name="IdentityValues">How many byte strings issuer and signer saw or made.</param>
/// <param name="AnonymousValues">How many byte strings gateway and provider saw.</param>
/// <param name="CommonValues">How many of them occur on both sides.</param>
internal sealed record Views(IReadOnlyList<Sight> Sights, int IdentityValues, int AnonymousValues, int CommonValues)
{
    /// <summary>Reads it off the witness. Nothing here is made up: a value that was not seen is not shown.</summary>
    public static Views Of(DemoOptions options, Witness witness, Purchase purchase, long credits, DirectorySummary directory)
    {
        List<Sight> sights = [];
        HashSet<string> identity = [];
        HashSet<string> anonymous = [];
        AddIssuer(sights, identity, witness.CallsTo(options.IssuerUrl.Port), purchase, credits);
        AddSigner(sights, identity, witness.Signings);
        AddGateway(sights, anonymous, witness.CallsTo(options.GatewayUrl.Port), directory);
        foreach (SeenByProvider seen in witness.Provided)
        {
            sights.Add(new Sight("provider", "members", string.Join(", ", seen.Members)));
            sights.Add(new Sight("provider", "size", Bytes(seen.Bytes)));
        }
        return new Views(sights, identity.Count, anonymous.Count, identity.Intersect(anonymous).Count());
    }

    private static void AddIssuer(List<Sight> sights, HashSet<string> values, IReadOnlyList<SeenCall> calls, Purchase purchase, long credits)
    {
        foreach (string key in calls.Select(call => call.Authorization).OfType<string>().Where(a => a.StartsWith("Bearer ", StringComparison.Ordinal)).Select(a => a[7..]).Distinct())
        {
            if (AccountKey.TryParse(key, out AccountKey? account))
            {
                using (account)
                {
                    string hash = Convert.ToHexStringLower(account.Hash());
                    values.Add(hash);
                    values.Add(Convert.ToHexStringLower(account.Bytes));
                    sights.Add(new Sight("issuer", "account", $"{hash[..12]}… (hash of its key)"));
                }
            }
        }
        if (purchase.Deposited > 0)
        {
            sights.Add(new Sight("issuer", "voucher", $"{Number(purchase.Deposited)} credits"));
        }
        sights.Add(new Sight("issuer", "sold", $"{Number(purchase.Fill.Received)} tokens of plan {purchase.Fill.Plan}; {Number(credits)} credits left"));
        if (calls.LastOrDefault(call => call.Path == Routes.TokenRequest) is { } request)
        {
            sights.Add(new Sight("issuer", "token request", $"{Bytes(request.BodyBytes ?? 0)} of blinded elements, from {request.Remote}"));
        }
    }

    private static void AddSigner(List<Sight> sights, HashSet<string> values, IReadOnlyList<SeenSigning> signings)
    {
        foreach (SeenSigning signing in signings)
        {
            foreach (byte[] value in signing.Blinded.Concat(signing.Signatures))
            {
                values.Add(Convert.ToHexStringLower(value));
            }
            sights.Add(new Sight("signer", "key", $"{signing.KeyId[..12]}…"));
            string first = string.Join(", ", signing.Blinded.Take(2).Select(b => Convert.ToHexStringLower(b.AsSpan(0, 6)) + "…"));
            sights.Add(new Sight("signer", "blinded elements", $"{Number(signing.Blinded.Count)}: {first}{(signing.Blinded.Count > 2 ? " …" : "")}"));
        }
    }

    private static void AddGateway(List<Sight> sights, HashSet<string> values, IReadOnlyList<SeenCall> calls, DirectorySummary directory)
    {
        foreach (SeenCall call in calls)
        {
            if (!PrivateTokenHeader.TryParseAuthorization(call.Authorization, out PrivateTokenCredentials? credentials) || !Token.TryParse(credentials.Token, out Token? token))
            {
                continue;
            }
            using (token)
            {
                byte[] spendId = new byte[Token.SpendIdSizeInBytes];
                token.SpendId(credentials.Extensions, spendId);
                string keyId = Convert.ToHexStringLower(token.TokenKeyId);
                values.UnionWith([Convert.ToHexStringLower(token.Nonce), Convert.ToHexStringLower(token.Authenticator), Convert.ToHexStringLower(token.Encoded.Span), Convert.ToHexStringLower(spendId)]);
                string plan = directory.Plans.FirstOrDefault(p => p.LiveKeys.Any(key => key.KeyId.Equals(keyId, StringComparison.OrdinalIgnoreCase)))?.Id ?? "?";
                sights.Add(new Sight("gateway", "token", $"nonce {Hex(token.Nonce)}, plan {plan} (key {keyId[..12]}…)"));
                sights.Add(new Sight("gateway", "spend id", $"{Hex(spendId)} (all that its disk keeps)"));
                sights.Add(new Sight("gateway", "prompt", $"{Bytes(call.BodyBytes ?? 0)}, in memory only"));
                sights.Add(new Sight("gateway", "headers", string.Join(", ", call.Headers)));
                sights.Add(new Sight("gateway", "came from", $"{call.Remote} (straight: behind Tor or a relay it would not be yours)"));
            }
        }
    }

    private static string Hex(ReadOnlySpan<byte> value) => Convert.ToHexStringLower(value[..6]) + "…";

    private static string Bytes(long count) => $"{Number(count)} bytes";

    private static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);
}
