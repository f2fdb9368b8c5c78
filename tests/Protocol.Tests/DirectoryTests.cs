using System.Text;
using System.Text.Json.Nodes;
using Tacit.Crypto;
using Tacit.Fuzz;

namespace Tacit.Protocol.Tests;

public sealed class DirectoryTests
{
    [Fact]
    public void Directory_survives_writing_and_reading()
    {
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        IssuerDirectory original = Samples.Directory();

        byte[] document = original.SignAndEncode(message => key.Sign(message.Span));
        Assert.True(IssuerDirectory.TryParse(document, out IssuerDirectory? read, out string? error), error);

        Assert.True(read.Verify((message, signature) => key.PublicKey.Verify(message.Span, signature.Span)));
        Assert.Equal(original.IssuerName, read.IssuerName);
        Assert.Equal(original.IssuerRequestUri, read.IssuerRequestUri);
        Assert.Equal(original.Sequence, read.Sequence);
        Assert.Equal(original.Previous, read.Previous);
        Assert.Equal(original.TokenKeys.Select(tokenKey => tokenKey.TokenKeyId), read.TokenKeys.Select(tokenKey => tokenKey.TokenKeyId));
        Assert.Equal(original.TokenKeys.Select(tokenKey => tokenKey.NotBefore), read.TokenKeys.Select(tokenKey => tokenKey.NotBefore));
        Assert.Equal(original.Plans.SelectMany(plan => plan.Keys), read.Plans.SelectMany(plan => plan.Keys));
        Assert.Equal(original.Plans.Select(plan => plan.Plan with { Models = [] }), read.Plans.Select(plan => plan.Plan with { Models = [] }), PlanComparer);
        Assert.Equal(original.Gateways.SelectMany(gateway => gateway.Urls), read.Gateways.SelectMany(gateway => gateway.Urls));
        Assert.Equal(document, read.SignAndEncode(message => key.Sign(message.Span)));
    }

    [Fact]
    public void Signature_covers_members_that_are_not_known_here()
    {
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        JsonObject document = Parse(Samples.Directory().SignAndEncode(message => key.Sign(message.Span)));

        document["later"] = new JsonObject { ["crowd"] = 1024 };

        Assert.True(IssuerDirectory.TryParse(Encode(document), out IssuerDirectory? read, out string? error), error);
        Assert.False(read.Verify((message, signature) => key.PublicKey.Verify(message.Span, signature.Span)));
    }

    [Fact]
    public void Signature_outlives_another_order_and_other_spacing()
    {
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        JsonObject document = Parse(Samples.Directory().SignAndEncode(message => key.Sign(message.Span)));
        JsonObject reversed = [.. document.Reverse().Select(member => KeyValuePair.Create(member.Key, member.Value?.DeepClone()))];

        byte[] spaced = Encoding.UTF8.GetBytes(reversed.ToJsonString(new System.Text.Json.JsonSerializerOptions { WriteIndented = true }));

        Assert.True(IssuerDirectory.TryParse(spaced, out IssuerDirectory? read, out string? error), error);
        Assert.True(read.Verify((message, signature) => key.PublicKey.Verify(message.Span, signature.Span)));
    }

    [Fact]
    public void Directory_under_another_key_or_without_signature_does_not_verify()
    {
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        using Ed25519PrivateKey other = Ed25519PrivateKey.Generate();
        byte[] document = Samples.Directory().SignAndEncode(message => key.Sign(message.Span));
        JsonObject unsigned = Parse(document);
        unsigned.Remove("signature");

        Assert.True(IssuerDirectory.TryParse(document, out IssuerDirectory? read, out _));
        Assert.False(read.Verify((message, signature) => other.PublicKey.Verify(message.Span, signature.Span)));
        Assert.True(IssuerDirectory.TryParse(Encode(unsigned), out IssuerDirectory? bare, out _));
        Assert.False(bare.Verify((_, _) => true));
    }

    [Fact]
    public void Changed_copy_of_a_signed_directory_is_unsigned()
    {
        IssuerDirectory signed = Read(Samples.DirectoryDocument);

        IssuerDirectory changed = signed with { IssuerRequestUri = "https://evil.example/" };

        Assert.True(signed.Verify((_, _) => true));
        Assert.False(changed.Verify((_, _) => true));
        Assert.Null(changed.Signature);
        Assert.Throws<InvalidOperationException>(() => changed.Hash());
    }

    [Fact]
    public void Directories_make_a_chain()
    {
        IssuerDirectory first = Read((Samples.Directory() with { Sequence = 1, Previous = null }).SignAndEncode(_ => new byte[64]));
        IssuerDirectory second = Read((Samples.Directory() with { Previous = first.Hash() }).SignAndEncode(_ => new byte[64]));
        IssuerDirectory forged = Read((Samples.Directory() with { Previous = new byte[32] }).SignAndEncode(_ => new byte[64]));

        Assert.True(second.Follows(first));
        Assert.False(forged.Follows(first));
        Assert.False(first.Follows(second));
    }

    [Fact]
    public void Two_keys_for_pseudonyms_of_one_epoch_are_a_contradiction_however_far_apart_the_directories_are()
    {
        Period epoch = Period.Containing(PeriodKind.Month, Samples.Now);
        IssuerDirectory shown = WithPseudonyms(5, 50, epoch);

        Assert.Null(shown.FindConflict(WithPseudonyms(9, 50, epoch)));
        Assert.Null(shown.FindConflict(WithPseudonyms(9, 60, epoch.Next)));
        IssuerDirectory odd = WithPseudonyms(9, 60, epoch);
        Assert.Contains("two keys for transient pseudonyms", shown.FindConflict(odd), StringComparison.Ordinal);
        Assert.Contains("two keys for transient pseudonyms", odd.FindConflict(shown), StringComparison.Ordinal);
    }

    private static IssuerDirectory WithPseudonyms(long sequence, byte seed, Period epoch)
    {
        IssuerDirectory plain = Samples.Directory();
        DirectoryTokenKey[] keys = [.. new[] { seed, (byte)(seed + 1) }.Select(each => new DirectoryTokenKey(TokenType.BlindRsa, Samples.Filled(300, each), epoch.IssueFrom))];
        PseudonymKind[] kinds = [PseudonymKind.Transient, PseudonymKind.TransientRotated];
        return Read((plain with
        {
            Sequence = sequence,
            TokenKeys = [.. plain.TokenKeys, .. keys],
            Pseudonyms =
            [
                new DirectoryPseudonyms(
                    new PseudonymOffer { Gateway = "gateway.example", Policy = PseudonymPolicy.Transient },
                    [.. kinds.Select((kind, i) => new PseudonymKey { Gateway = "gateway.example", Kind = kind, TokenKeyId = keys[i].TokenKeyId, Epoch = epoch, NotBefore = epoch.IssueFrom })]),
            ],
        }).SignAndEncode(_ => Samples.Filled(64, 7)));
    }

    [Fact]
    public void Keys_of_types_not_known_here_are_left_out()
    {
        IssuerDirectory read = Read(Changed(document => Array(document, "token-keys").Insert(0, JsonNode.Parse("""{"token-type":1,"token-key":"AAAA"}"""))));

        Assert.Equal(3, read.TokenKeys.Count);
    }

    [Fact]
    public void Lookups_find_keys_by_full_and_truncated_id_and_plans_by_key_and_extensions()
    {
        IssuerDirectory directory = Samples.Directory();
        DirectoryPlan large = directory.FindPlan("chat-large")!;
        PlanKey november = large.Keys[0];

        Assert.Same(directory.TokenKeys[0], directory.FindTokenKey(november.TokenKeyId));
        Assert.Same(directory.TokenKeys[1], directory.FindTokenKey(TokenType.BlindRsa, directory.TokenKeys[1].TruncatedKeyId));
        Assert.Null(directory.FindTokenKey(TokenType.PartiallyBlindRsa, directory.TokenKeys[1].TruncatedKeyId));
        Assert.True(directory.TryFindPlanKey(november.TokenKeyId, november.Extensions, out DirectoryPlan? plan, out PlanKey? key));
        Assert.Equal(("chat-large", november), (plan.Plan.Id, key));
        Assert.False(directory.TryFindPlanKey(november.TokenKeyId, [], out _, out _));
        Assert.False(directory.TryFindPlanKey(november.TokenKeyId, new PlanMetadata("chat", november.Deadline).EncodeExtensions(), out _, out _));
    }

    [Fact]
    public void At_most_two_keys_of_a_plan_are_live_at_any_hour_of_a_year()
    {
        foreach (PeriodKind kind in Enum.GetValues<PeriodKind>())
        {
            Period period = Period.Containing(kind, Samples.Now);
            List<PlanKey> keys = [];
            for (int i = 0; i < 30; i++, period = period.Next)
            {
                keys.Add(new PlanKey { PlanId = "p", TokenKeyId = Samples.Digest(i), Period = period, NotBefore = period.IssueFrom });
            }

            DirectoryPlan plan = new(Samples.Directory().Plans[0].Plan with { Period = kind }, keys);
            for (DateTimeOffset time = keys[0].Start; time < keys[^1].Deadline && time < keys[0].Start.AddYears(1); time = time.AddHours(1))
            {
                int live = plan.LiveKeysAt(time).Count;
                Assert.True(live is 1 or 2, $"{kind} {time}: {live}");
            }
        }
    }

    public static TheoryData<string, Action<JsonObject>> Contradictions => new()
    {
        { "no name", document => document.Remove("issuer-name") },
        { "empty name", document => document["issuer-name"] = "" },
        { "name with a comma", document => document["issuer-name"] = "a,b" },
        { "name as a number", document => document["issuer-name"] = 5 },
        { "request uri elsewhere", document => document["issuer-request-uri"] = "//evil.example/x" },
        { "request uri of another scheme", document => document["issuer-request-uri"] = "file:///etc/passwd" },
        { "request uri relative", document => document["issuer-request-uri"] = "x" },
        { "sequence zero", document => document["sequence"] = 0 },
        { "sequence text", document => document["sequence"] = "2" },
        { "sequence fraction", document => document["sequence"] = 2.5 },
        { "first with a previous", document => document["sequence"] = 1 },
        { "second without a previous", document => document.Remove("previous") },
        { "previous too short", document => document["previous"] = "AAAA" },
        { "signature too short", document => document["signature"] = "AAAA" },
        { "signature not base64url", document => document["signature"] = "+" },
        { "no token keys", document => document.Remove("token-keys") },
        { "token keys as an object", document => document["token-keys"] = new JsonObject() },
        { "token key twice", document => Array(document, "token-keys").Add(Array(document, "token-keys")[0]!.DeepClone()) },
        { "token key empty", document => Array(document, "token-keys")[0]!["token-key"] = "" },
        { "token key missing its text", document => ((JsonObject)Array(document, "token-keys")[0]!).Remove("token-key") },
        { "token key of a plan missing", document => Array(document, "token-keys").RemoveAt(1) },
        { "token key of a plan of another type", document => Array(document, "token-keys")[1]!["token-type"] = 0xda7a },
        { "not-before before time", document => Array(document, "token-keys")[1]!["not-before"] = -1 },
        { "plan twice", document => Array(document, "plans").Add(Array(document, "plans")[0]!.DeepClone()) },
        { "plan id in capitals", document => Array(document, "plans")[0]!["id"] = "Chat" },
        { "plan kind unknown", document => Array(document, "plans")[0]!["kind"] = "gift" },
        { "plan period unknown", document => Array(document, "plans")[0]!["period"] = "year" },
        { "plan without models", document => Array(document, "plans")[0]!["models"] = new JsonArray() },
        { "plan price negative", document => Array(document, "plans")[0]!["price"] = -1 },
        { "request plan with concurrency", document => Array(document, "plans")[0]!["concurrency"] = 1 },
        { "subscription without a chain", document => Subscription(document)["concurrency"] = 0 },
        { "subscription with too many chains", document => Subscription(document)["concurrency"] = 65 },
        { "open plan at a price", document => Array(document, "plans")[0]!["open"] = true },
        { "open as a number", document => Array(document, "plans")[0]!["open"] = 1 },
        { "concurrency as text", document => Subscription(document)["concurrency"] = "2" },
        { "plan cap above int", document => Array(document, "plans")[0]!["maxInputBytes"] = 1L << 40 },
        { "plan of another token type", document => Array(document, "plans")[0]!["tokenType"] = 0xda7a },
        { "plan of an unknown token type", document => Array(document, "plans")[0]!["tokenType"] = 1 },
        { "plan key off its period", document => Keys(document, 0)[0]!["start"] = Samples.Now.ToUnixTimeSeconds() },
        { "plan key with another deadline", document => Keys(document, 0)[0]!["deadline"] = Samples.Now.ToUnixTimeSeconds() },
        { "plan key before its overlap", document => Keys(document, 0)[1]!["notBefore"] = Samples.Now.AddDays(-20).ToUnixTimeSeconds() },
        { "plan key after its deadline", document => Keys(document, 0)[0]!["notBefore"] = Samples.Now.AddMonths(2).ToUnixTimeSeconds() },
        { "plan keys out of order", document => Keys(document, 0).Add(Take(Keys(document, 0), 0)) },
        { "plan keys of one period", document => Keys(document, 0).Add(Keys(document, 0)[1]!.DeepClone()) },
        { "plan key shared by two plans", document => Keys(document, 0)[0]!["tokenKeyId"] = Keys(document, 0)[1]!["tokenKeyId"]!.DeepClone() },
        { "plan key without id", document => ((JsonObject)Keys(document, 0)[0]!).Remove("tokenKeyId") },
        { "plan key with extensions it should not have", document => Keys(document, 0)[0]!["extensions"] = Keys(document, 1)[0]!["extensions"]!.DeepClone() },
        { "plan key without extensions", document => ((JsonObject)Keys(document, 1)[0]!).Remove("extensions") },
        { "plan key with the extensions of another period", document => Keys(document, 1)[0]!["extensions"] = Keys(document, 1)[1]!["extensions"]!.DeepClone() },
        { "five keys of a plan", document => document["plans"]![0]!["keys"] = new JsonArray([.. Enumerable.Range(0, 5).Select(_ => Keys(document, 0)[0]!.DeepClone())]) },
        { "gateway without urls", document => Array(document, "gateways")[0]!["urls"] = new JsonArray() },
        { "gateway url with a password", document => Array(document, "gateways")[0]!["urls"]![0] = "https://u:p@gateway.example" },
        { "gateway url of another scheme", document => Array(document, "gateways")[0]!["urls"]![0] = "ftp://gateway.example" },
        { "gateway url of an onion service of version 2", document => Array(document, "gateways")[0]!["urls"]![0] = "http://expyuzz4wqqyqhjn.onion" },
        { "gateway url of a mistyped onion service", document => Array(document, "gateways")[0]!["urls"]![0] = "http://pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscrye.onion" },
        { "onion service that is none", document => document["onion"] = "gateway.example" },
        { "onion service with a scheme", document => document["onion"] = "http://" + Samples.Onion },
        { "onion service as a number", document => document["onion"] = 5 },
        { "gateway twice", document => Array(document, "gateways").Add(Array(document, "gateways")[0]!.DeepClone()) },
        { "gateway with a list for a name", document => Array(document, "gateways")[0]!["name"] = new JsonArray() },
    };

    [Theory]
    [MemberData(nameof(Contradictions), DisableDiscoveryEnumeration = true)]
    public void Directory_that_contradicts_itself_is_refused(string what, Action<JsonObject> change)
    {
        Assert.False(IssuerDirectory.TryParse(Changed(change), out _, out string? error), what);
        Assert.False(string.IsNullOrEmpty(error));
    }

    [Fact]
    public void Subscription_without_concurrency_has_one_chain()
    {
        Assert.True(IssuerDirectory.TryParse(Changed(document => Subscription(document).Remove("concurrency")), out IssuerDirectory? one, out _));
        Assert.True(IssuerDirectory.TryParse(Changed(document => Subscription(document)["concurrency"] = 64), out IssuerDirectory? many, out _));

        Assert.Equal((PlanKind.Subscription, 1), (one.Plans[0].Plan.Kind, one.Plans[0].Plan.Concurrency));
        Assert.Equal(64, many.Plans[0].Plan.Concurrency);
    }

    [Fact]
    public void Open_plan_is_told_as_one_and_is_none_of_those_that_are_sold()
    {
        IssuerDirectory directory = Samples.Directory();
        DirectoryPlan[] plans =
            [.. directory.Plans.Select((entry, i) => i == 0 ? entry with { Plan = entry.Plan with { Price = Credits.Zero, Open = true } } : entry)];

        Assert.True(IssuerDirectory.TryParse((directory with { Plans = plans }).SignAndEncode(_ => new byte[64]), out IssuerDirectory? read, out string? error), error);

        Assert.True(read.Plans[0].Plan.Open);
        Assert.Equal(read.Plans.Skip(1).Select(entry => entry.Plan.Id), read.SoldPlans.Select(entry => entry.Plan.Id));
        Assert.DoesNotContain("\"open\"", System.Text.Encoding.UTF8.GetString(directory.SignAndEncode(_ => new byte[64])), StringComparison.Ordinal);
    }

    [Fact]
    public void Directory_that_contradicts_itself_is_not_published()
    {
        IssuerDirectory directory = Samples.Directory();

        Assert.Throws<InvalidOperationException>(() => (directory with { TokenKeys = [] }).SignAndEncode(_ => new byte[64]));
        Assert.Throws<InvalidOperationException>(() => directory.SignAndEncode(_ => new byte[63]));
    }

    [Fact]
    public void Keys_whose_truncated_ids_collide_are_refused()
    {
        DirectoryTokenKey one = Samples.Directory().TokenKeys[1];
        DirectoryTokenKey colliding = Enumerable.Range(0, 10_000)
            .Select(i => new DirectoryTokenKey(TokenType.BlindRsa, Samples.Digest(i), null))
            .First(key => key.TruncatedKeyId == one.TruncatedKeyId);
        IssuerDirectory directory = Samples.Directory();

        InvalidOperationException error = Assert.Throws<InvalidOperationException>(
            () => (directory with { TokenKeys = [.. directory.TokenKeys, colliding] }).SignAndEncode(_ => new byte[64]));

        Assert.Contains("truncated", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{")]
    [InlineData("{}x")]
    [InlineData("{\"a\":1,\"a\":1}")]
    public void Document_that_is_no_strict_JSON_object_is_refused(string text) =>
        Assert.False(IssuerDirectory.TryParse(Encoding.UTF8.GetBytes(text), out _, out _));

    [Fact]
    public void Document_over_a_mebibyte_is_refused()
    {
        byte[] padded = [.. Samples.DirectoryDocument, .. Enumerable.Repeat((byte)' ', IssuerDirectory.MaxSizeInBytes)];

        Assert.False(IssuerDirectory.TryParse(padded, out _, out string? error));

        Assert.Contains("1 MiB", error, StringComparison.Ordinal);
    }

    private static JsonObject Subscription(JsonObject document)
    {
        var plan = (JsonObject)Array(document, "plans")[0]!;
        plan["kind"] = "subscription";
        return plan;
    }

    private static readonly string[] s_none = [];

    private static IEqualityComparer<Plan> PlanComparer { get; } = EqualityComparer<Plan>.Create((x, y) => x! with { Models = s_none } == y! with { Models = s_none });

    private static byte[] Changed(Action<JsonObject> change)
    {
        JsonObject document = Parse(Samples.DirectoryDocument);
        change(document);
        return Encode(document);
    }

    private static JsonObject Parse(byte[] document) => (JsonObject)JsonNode.Parse(document)!;

    private static byte[] Encode(JsonNode document) => Encoding.UTF8.GetBytes(document.ToJsonString());

    private static JsonArray Array(JsonNode node, string name) => (JsonArray)node[name]!;

    private static JsonArray Keys(JsonObject document, int plan) => (JsonArray)document["plans"]![plan]!["keys"]!;

    private static JsonNode Take(JsonArray array, int index)
    {
        JsonNode item = array[index]!;
        array.RemoveAt(index);
        return item;
    }

    private static IssuerDirectory Read(byte[] document)
    {
        Assert.True(IssuerDirectory.TryParse(document, out IssuerDirectory? directory, out string? error), error);
        return directory;
    }
}
