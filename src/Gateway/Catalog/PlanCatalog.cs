using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Microsoft.Extensions.Primitives;
using Tacit.Gateway.Pseudonyms;
using Tacit.Protocol;

namespace Tacit.Gateway.Catalog;

/// <summary>
/// One issuer directory, made ready for lookups: keys by id and extensions, the challenge and its digests, the list of models. Immutable; replaced as a whole.
/// </summary>
internal sealed class PlanCatalog
{
    /// <summary>Some 600 bytes each.</summary>
    private const int MaxChallenges = 8;

    // Key ids are hashes, so their first eight bytes spread well; whoever forges a token with the same eight meets the whole comparison.
    private readonly Dictionary<ulong, RedemptionKey[]> _keys;
    private readonly Dictionary<TokenType, byte[]> _digests;
    private readonly RedemptionKey[] _offered;
    private readonly string[] _challenges;

    /// <summary>Of a gateway that has no issuer: no token buys anything here.</summary>
    private PlanCatalog()
    {
        Pseudonyms = PseudonymCatalog.None;
        Keys = [];
        (_keys, _digests, _offered, _challenges) = ([], [], [], []);
        Models = [];
        ModelsJson = WriteModels(Models);
    }

    private PlanCatalog(
        IssuerDirectory directory, IReadOnlyList<RedemptionKey> keys, PseudonymCatalog pseudonyms, string gatewayName, IReadOnlyList<string> models)
    {
        Pseudonyms = pseudonyms;
        Directory = directory;
        Keys = keys;
        _keys = keys.GroupBy(key => Prefix(key.TokenKeyId)).ToDictionary(group => group.Key, group => group.ToArray());
        _digests = Enum.GetValues<TokenType>().ToDictionary(type => type, type => TokenChallenge.ForGateway(type, directory.IssuerName, gatewayName).Digest());
        _offered = [.. keys.OrderBy(key => key.Plan.Open).ThenBy(key => key.Plan.Kind).ThenBy(key => key.Plan.Price.Value).ThenBy(key => key.Deadline)];
        _challenges = Array.ConvertAll(
            _offered,
            key => PrivateTokenHeader.FormatChallenge(TokenChallenge.ForGateway(key.Type, directory.IssuerName, gatewayName), key.SubjectPublicKeyInfo.Span));
        Models = [.. models.Select(model => new CatalogModel(model, PlansFor(directory, model))).Where(model => model.Plans.Count > 0)];
        ModelsJson = WriteModels(Models);
        MaxInputBytes = directory.Plans.Select(plan => plan.Plan.MaxInputBytes).DefaultIfEmpty().Max();
    }

    public static PlanCatalog WithoutIssuer { get; } = new();

    /// <summary>Null for a gateway that has no issuer.</summary>
    public IssuerDirectory? Directory { get; }

    public IReadOnlyList<RedemptionKey> Keys { get; }

    /// <summary>What is asked for beside tokens.</summary>
    public PseudonymCatalog Pseudonyms { get; }

    /// <summary>The models that this gateway serves and some plan buys.</summary>
    public IReadOnlyList<CatalogModel> Models { get; }

    /// <summary>The most that any plan pays for.</summary>
    public int MaxInputBytes { get; }

    /// <summary>The body of <c>GET /v1/models</c>.</summary>
    public ReadOnlyMemory<byte> ModelsJson { get; }

    /// <summary>Null, with the reason, if the directory cannot serve this gateway.</summary>
    public static PlanCatalog? TryCreate(
        IssuerDirectory directory, string gatewayName, IReadOnlyList<string> models, PlanCatalog? previous, out string? fault)
    {
        if (!directory.Gateways.Any(gateway => gateway.Name == gatewayName))
        {
            fault = $"the directory of {directory.IssuerName} does not list a gateway named \"{gatewayName}\"; it lists "
                + (directory.Gateways.Count == 0 ? "none" : string.Join(", ", directory.Gateways.Select(gateway => $"\"{gateway.Name}\"")))
                + ". Set Name to one of them, or have the issuer add this one";
            return null;
        }

        var keys = new List<RedemptionKey>();
        foreach (DirectoryPlan plan in directory.Plans)
        {
            foreach (PlanKey planKey in plan.Keys)
            {
                if (Find(previous, planKey)?.PublicKey is not { } publicKey && !TryImport(directory, plan.Plan, planKey, out publicKey))
                {
                    fault = $"a key of plan {plan.Plan.Id} in the directory cannot be used";
                    return null;
                }

                keys.Add(new RedemptionKey
                {
                    PublicKey = publicKey,
                    SubjectPublicKeyInfo = directory.FindTokenKey(planKey.TokenKeyId)!.SubjectPublicKeyInfo,
                    Plan = plan.Plan,
                    NotBefore = planKey.NotBefore,
                    Deadline = planKey.Deadline,
                    ExchangeUntil = planKey.ExchangeUntil,
                });
            }
        }

        if (PseudonymCatalog.TryCreate(directory, gatewayName) is not { } pseudonyms)
        {
            fault = "a key of pseudonyms in the directory cannot be used";
            return null;
        }

        fault = null;
        return new PlanCatalog(directory, keys, pseudonyms, gatewayName, models);
    }

    /// <summary>SHA-256 of the one challenge that this gateway makes for tokens of this type.</summary>
    public ReadOnlySpan<byte> ChallengeDigest(TokenType type) => _digests[type];

    /// <summary>The key for this token and exactly these extensions, live or in its grace period.</summary>
    public bool TryFind(Token token, ReadOnlySpan<byte> extensions, [NotNullWhen(true)] out RedemptionKey? key) =>
        TryFind(token.Type, token.TokenKeyId, extensions, out key);

    /// <summary>
    /// The <c>WWW-Authenticate</c> values: one challenge for each live key, the cheapest plan's first and open ones, for which no account gets tokens, last; and no more than proxies before the gateway (and the first chunk of
    /// a sealed reply) have room for. The directory has them all.
    /// </summary>
    public StringValues Challenges(DateTimeOffset now)
    {
        var live = new List<string>(_offered.Length);
        for (int i = 0; i < _offered.Length && live.Count < MaxChallenges; i++)
        {
            // Plans of type 0xDA7A share a key and a challenge; saying it once is enough.
            if (_offered[i].IsLiveAt(now) && !live.Contains(_challenges[i]))
            {
                live.Add(_challenges[i]);
            }
        }

        return live.ToArray();
    }

    /// <summary>The key of the same plan that a token request names; perhaps past its deadline, but within the grace.</summary>
    public RedemptionKey? FindSuccessorKey(string planId, TokenRequest request, DateTimeOffset now)
    {
        foreach (RedemptionKey key in Keys)
        {
            if (key.Plan.Id == planId && key.Type == request.Type && key.PublicKey.TruncatedKeyId == request.TruncatedKeyId
                && key.IsExchangeableAt(now) && key.Extensions.SequenceEqual(request.Extensions.Span))
            {
                return key;
            }
        }

        return null;
    }

    private static RedemptionKey? Find(PlanCatalog? catalog, PlanKey planKey) =>
        catalog is not null && catalog.TryFind(null, planKey.TokenKeyId, planKey.Extensions, out RedemptionKey? key) ? key : null;

    private static bool TryImport(IssuerDirectory directory, Plan plan, PlanKey planKey, [NotNullWhen(true)] out TokenPublicKey? publicKey)
    {
        publicKey = null;
        return directory.FindTokenKey(planKey.TokenKeyId) is { } tokenKey
            && tokenKey.Type == plan.TokenType
            && TokenPublicKey.TryImport(plan.TokenType, tokenKey.SubjectPublicKeyInfo, planKey.Extensions, out publicKey);
    }

    private static string[] PlansFor(IssuerDirectory directory, string model) =>
        [.. directory.Plans.Where(plan => plan.Plan.Models.Contains(model)).OrderBy(plan => plan.Plan.Open).ThenBy(plan => plan.Plan.Kind).ThenBy(plan => plan.Plan.Price.Value).Select(plan => plan.Plan.Id)];

    /// <summary>The body of <c>GET /v1/models</c>.</summary>
    public static byte[] WriteModels(IReadOnlyList<CatalogModel> models)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("object"u8, "list"u8);
            json.WriteStartArray("data"u8);
            foreach (CatalogModel model in models)
            {
                model.WriteTo(json);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static ulong Prefix(ReadOnlySpan<byte> tokenKeyId) => BinaryPrimitives.ReadUInt64BigEndian(tokenKeyId);

    private bool TryFind(TokenType? type, ReadOnlySpan<byte> tokenKeyId, ReadOnlySpan<byte> extensions, [NotNullWhen(true)] out RedemptionKey? key)
    {
        if (_keys.TryGetValue(Prefix(tokenKeyId), out RedemptionKey[]? candidates))
        {
            foreach (RedemptionKey candidate in candidates)
            {
                if ((type is null || candidate.Type == type) && candidate.TokenKeyId.SequenceEqual(tokenKeyId) && candidate.Extensions.SequenceEqual(extensions))
                {
                    key = candidate;
                    return true;
                }
            }
        }

        key = null;
        return false;
    }
}

/// <summary>A model and the plans that buy it, the cheapest first.</summary>
internal sealed record CatalogModel(string Id, IReadOnlyList<string> Plans)
{
    /// <summary>OpenAI's model object with <c>plans</c> as the one member of ours. Nobody knows when a model was created, and 0 says so.</summary>
    public void WriteTo(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, Id);
        json.WriteString("object"u8, "model"u8);
        json.WriteNumber("created"u8, 0);
        json.WriteString("owned_by"u8, "tacit"u8);
        json.WriteStartArray("plans"u8);
        foreach (string plan in Plans)
        {
            json.WriteStringValue(plan);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}
