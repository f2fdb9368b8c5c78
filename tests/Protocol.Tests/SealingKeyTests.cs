using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Tacit.Crypto;
using Tacit.Fuzz;

namespace Tacit.Protocol.Tests;

public sealed class SealingKeyTests : IDisposable
{
    private static readonly DateTimeOffset s_start = Samples.SealingKeys[0].NotBefore;

    private readonly Ed25519PrivateKey _signer = Ed25519PrivateKey.Generate();
    private readonly Ed25519PrivateKey _other = Ed25519PrivateKey.Generate();

    public void Dispose()
    {
        _signer.Dispose();
        _other.Dispose();
    }

    [Fact]
    public void Configuration_is_that_of_RFC_9458()
    {
        byte[] config = SealingKey.EncodeConfig(1, Convert.FromHexString("31e1f05a740102115220e9af918f738674aec95f54db6e04eb705aae8e798155"));

        // Appendix A of RFC 9458 has this key with the pairs HKDF-SHA256 + AES-128-GCM and ChaCha20-Poly1305; ours are three.
        Assert.Equal("01002031e1f05a740102115220e9af918f738674aec95f54db6e04eb705aae8e798155000c000100030001000100010002", Convert.ToHexStringLower(config));
    }

    [Fact]
    public void Signature_covers_everything_that_is_said()
    {
        SealingKey key = Samples.SealingKeys[0];
        SignedSealingKey signed = key.Sign(Sign);

        Assert.True(signed.Verify(Verify));
        foreach (SealingKey changed in (SealingKey[])
        [
            key with { Gateway = "gateway.example2" }, key with { Config = SealingKey.EncodeConfig(9, key.PublicKey) },
            key with { Config = SealingKey.EncodeConfig(7, Samples.Filled(32, 9)) }, key with { NotBefore = key.NotBefore.AddSeconds(1) },
            key with { NotAfter = key.NotAfter.AddSeconds(1) }, key with { Evidence = null }, key with { Evidence = new KeyEvidence("sev-snp", Samples.Filled(100, 4)) },
            key with { Evidence = key.Evidence! with { Format = "other" } },
        ])
        {
            Assert.False((signed with { Key = changed }).Verify(Verify));
        }
    }

    [Fact]
    public void Statement_of_another_key_does_not_verify() => Assert.False(Samples.SealingKeys[0].Sign(message => _other.Sign(message.Span)).Verify(Verify));

    [Fact]
    public void Signature_of_a_directory_or_an_offer_is_none_of_a_statement()
    {
        // The labels keep apart what one key signs: a gateway without an issuer signs offers and statements with the same.
        SealingKey key = Samples.SealingKeys[0];

        Assert.StartsWith("tacit sealing key v1\0", Encoding.Latin1.GetString(key.SignedBytes()), StringComparison.Ordinal);
        byte[] seen = [];
        new SealingOffer { Gateway = key.Gateway, MadeAt = s_start, Keys = [key] }.SignAndEncode(message => (seen = message.ToArray()).AsSpan(0, 0).Length == 0 ? new byte[64] : []);
        Assert.StartsWith("tacit sealing offer v1\0", Encoding.Latin1.GetString(seen), StringComparison.Ordinal);
    }

    [Fact]
    public void Offer_survives_writing_and_reading()
    {
        byte[] document = Offer();

        Assert.True(SealingOffer.TryOpen(document, "gateway.example", Verify, s_start, out SealingOffer? offer, out string? error), error);
        Assert.Equal(Samples.SealingKeys.Select(key => Convert.ToHexString(key.SignedBytes())), offer.Keys.Select(key => Convert.ToHexString(key.SignedBytes())));
    }

    [Fact]
    public void Offer_of_another_key_another_gateway_or_another_time_is_refused()
    {
        byte[] document = Offer();

        Assert.False(SealingOffer.TryOpen(document, "gateway.example", (m, s) => _other.PublicKey.Verify(m.Span, s.Span), s_start, out _, out _));
        Assert.False(SealingOffer.TryOpen(document, "other.example", Verify, s_start, out _, out _));
        Assert.True(SealingOffer.TryOpen(document, "gateway.example", Verify, s_start + SealingOffer.MaxAge, out _, out _));
        Assert.False(SealingOffer.TryOpen(document, "gateway.example", Verify, s_start + SealingOffer.MaxAge + TimeSpan.FromSeconds(1), out _, out string? old));
        Assert.False(SealingOffer.TryOpen(document, "gateway.example", Verify, s_start - SealingOffer.MaxAge - TimeSpan.FromSeconds(1), out _, out _));
        Assert.Contains("an old one", old, StringComparison.Ordinal);
    }

    [Fact]
    public void Offer_that_was_changed_is_refused()
    {
        JsonObject changed = JsonNode.Parse(Offer())!.AsObject();
        changed["made_at"] = s_start.ToUnixTimeSeconds() + 1;
        JsonObject added = JsonNode.Parse(Offer())!.AsObject();
        added["later"] = 1;

        Assert.False(SealingOffer.TryOpen(Bytes(changed), "gateway.example", Verify, s_start, out _, out _));
        Assert.False(SealingOffer.TryOpen(Bytes(added), "gateway.example", Verify, s_start, out _, out _));
    }

    [Theory]
    [InlineData(null)]
    [InlineData(Samples.Onion)]
    public void Offer_tells_of_an_onion_service_under_its_signature(string? onion)
    {
        byte[] document = new SealingOffer { Gateway = "gateway.example", MadeAt = s_start, Keys = Samples.SealingKeys, Onion = onion }.SignAndEncode(Sign);

        Assert.True(SealingOffer.TryOpen(document, "gateway.example", Verify, s_start, out SealingOffer? offer, out string? error), error);
        Assert.Equal(onion, offer.Onion);
        JsonObject changed = JsonNode.Parse(document)!.AsObject();
        changed["onion"] = "sp3k262uwy4r2k3ycr5awluarykdpag6a7y33jxop4cs2lu5uz5sseqd.onion";
        Assert.False(SealingOffer.TryOpen(Bytes(changed), "gateway.example", Verify, s_start, out _, out _));
    }

    [Theory]
    [InlineData("gateway.example")]
    [InlineData("http://" + Samples.Onion)]
    [InlineData("expyuzz4wqqyqhjn.onion")]
    [InlineData("")]
    public void Offer_of_what_is_no_onion_service_is_neither_made_nor_taken(string onion)
    {
        var offer = new SealingOffer { Gateway = "gateway.example", MadeAt = s_start, Keys = Samples.SealingKeys, Onion = onion };
        Assert.Throws<InvalidOperationException>(() => offer.SignAndEncode(Sign));

        JsonObject document = JsonNode.Parse(Offer())!.AsObject();
        document["onion"] = onion;
        Assert.False(SealingOffer.TryOpen(Bytes(document), "gateway.example", (_, _) => true, s_start, out _, out string? error));
        Assert.Contains("onion", error, StringComparison.Ordinal);
    }

    public static TheoryData<string, string> BrokenKeys => new()
    {
        { "config", "\"AAAA\"" }, { "config", "\"BwAg\"" }, { "config", "null" }, { "not_before", "1.5" }, { "not_before", "-1" }, { "not_after", "0" },
        { "not_after", "1900000000" }, { "evidence", "{}" }, { "evidence", """{"format":"A b","data":"AAAA"}""" }, { "evidence", """{"format":"x","data":""}""" },
    };

    [Theory]
    [MemberData(nameof(BrokenKeys))]
    public void Key_that_is_none_is_refused_everywhere(string member, string value)
    {
        JsonObject offer = JsonNode.Parse(Offer())!.AsObject();
        JsonObject list = JsonNode.Parse(Samples.SealingKeyDocument)!.AsObject();
        offer["keys"]![0]![member] = JsonNode.Parse(value);
        list["keys"]![0]![member] = JsonNode.Parse(value);

        Assert.False(SealingOffer.TryOpen(Bytes(offer), "gateway.example", (_, _) => true, s_start, out _, out string? error));
        Assert.DoesNotContain("sign it", error, StringComparison.Ordinal);
        Assert.False(SealingKeyDocument.TryParse(Bytes(list), out _, out _));
    }

    [Fact]
    public void Keys_that_overlap_share_an_id_or_go_back_are_refused()
    {
        SealingKey first = Samples.SealingKeys[0];
        SealingKey second = Samples.SealingKeys[1];

        Assert.Null(SealingKeyList.FindFault(first.Gateway, [first, second]));
        Assert.NotNull(SealingKeyList.FindFault(first.Gateway, [second, first]));
        Assert.NotNull(SealingKeyList.FindFault(first.Gateway, [first, second with { NotBefore = first.NotAfter.AddSeconds(-1) }]));
        Assert.NotNull(SealingKeyList.FindFault(first.Gateway, [first, second with { Config = SealingKey.EncodeConfig(first.KeyId, second.PublicKey) }]));
        Assert.NotNull(SealingKeyList.FindFault("other.example", [first, second]));
    }

    [Fact]
    public void Key_of_a_kem_that_is_not_known_here_is_no_neighbour_of_one_that_is()
    {
        SealingKey first = Samples.SealingKeys[0];
        SealingKey later = first with { Config = [9, 0x77, 0x77, .. Samples.Filled(1216, 1), 0, 4, 0, 1, 0, 3] };

        Assert.Null(SealingKeyList.FindFault(first.Gateway, [first, later]));
        Assert.False(later.Contradicts(first));
        Assert.True(later.PublicKey.IsEmpty);
        Assert.Same(first, SealingKeyList.FindCurrent([later.Sign(Sign), first.Sign(Sign)], s_start)!.Key);
        Document(later, first);
    }

    [Fact]
    public void Post_quantum_key_is_read_where_it_cannot_be_used_and_chosen_where_it_can()
    {
        SealingKey first = Samples.SealingKeys[0];
        byte[] publicKey = Samples.Filled(1216, 1);
        SealingKey second = first with { Config = SealingKey.EncodeConfig(9, publicKey, SealingKey.MLKem768X25519) };

        Assert.Equal(publicKey, second.PublicKey.ToArray());
        SealingKeyDocument read = Document(first, second);
        bool isUsable = HpkeSuite.MLKem768X25519ChaCha20Poly1305.IsSupported;
        Assert.Equal(isUsable ? 9 : 7, SealingKeyList.FindBest(read.Keys, s_start)!.Key.KeyId);
        Assert.Equal(7, SealingKeyList.FindBest(read.Keys.Take(1), s_start)!.Key.KeyId);
        Assert.Equal(7, SealingKeyList.FindCurrent(read.Keys, s_start)!.Key.KeyId);
        Assert.Null(SealingKeyList.FindBest(read.Keys, s_start.AddTicks(-1)));
    }

    [Theory]
    [InlineData(SealingKey.X25519, 0)]
    [InlineData(SealingKey.X25519, 31)]
    [InlineData(SealingKey.MLKem768X25519, 0)]
    [InlineData(SealingKey.MLKem768X25519, 1215)]
    [InlineData(SealingKey.MLKem768X25519, 1217)]
    public void Key_of_another_size_than_its_kems_is_refused(ushort kem, int size) =>
        Assert.NotNull((Samples.SealingKeys[0] with { Config = SealingKey.EncodeConfig(9, Samples.Filled(size, 1), kem) }).FindFault());

    private SealingKeyDocument Document(params SealingKey[] keys)
    {
        byte[] document = new SealingKeyDocument { Gateway = keys[0].Gateway, ServerTime = s_start, Keys = [.. keys.Select(key => key.Sign(Sign))] }.Encode();
        Assert.True(SealingKeyDocument.TryParse(document, out SealingKeyDocument? read, out string? error), error);
        Assert.Equal(keys.Length, read.Keys.Count);
        return read;
    }

    [Fact]
    public void Current_key_changes_to_the_second()
    {
        SignedSealingKey[] keys = [.. Samples.SealingKeys.Select(key => key.Sign(Sign))];
        DateTimeOffset change = Samples.SealingKeys[0].NotAfter;

        Assert.Null(SealingKeyList.FindCurrent(keys, s_start.AddTicks(-1)));
        Assert.Equal(7, SealingKeyList.FindCurrent(keys, s_start)!.Key.KeyId);
        Assert.Equal(7, SealingKeyList.FindCurrent(keys, change.AddTicks(-1))!.Key.KeyId);
        Assert.Equal(8, SealingKeyList.FindCurrent(keys, change)!.Key.KeyId);
        Assert.Null(SealingKeyList.FindCurrent(keys, Samples.SealingKeys[1].NotAfter));
    }

    [Fact]
    public void Document_says_the_same_in_all_its_members()
    {
        Assert.True(SealingKeyDocument.TryParse(Samples.SealingKeyDocument, out SealingKeyDocument? read, out string? error), error);
        Assert.Equal(Samples.SealingKeys.Select(key => key.KeyId), read.Keys.Select(key => key.Key.KeyId));
        foreach ((string member, JsonNode other) in (ReadOnlySpan<(string, JsonNode)>)[("key_id", 8), ("kem", 33), ("public_key", "AAAA")])
        {
            JsonObject changed = JsonNode.Parse(Samples.SealingKeyDocument)!.AsObject();
            changed["keys"]![0]![member] = other;
            Assert.False(SealingKeyDocument.TryParse(Bytes(changed), out _, out _));
        }
    }

    [Fact]
    public void Document_ignores_members_that_are_not_known_here()
    {
        byte[] document = new SealingKeyDocument { Gateway = "gateway.example", ServerTime = s_start, Keys = [] }.Encode(
            json => json.WriteString("work", "later"));

        Assert.True(SealingKeyDocument.TryParse(document, out SealingKeyDocument? read, out string? error), error);
        Assert.Equal(s_start, read.ServerTime);
        Assert.Null(read.Work);
    }

    [Fact]
    public void Document_tells_which_work_is_asked_for()
    {
        var work = new WorkAnnouncement(new byte[WorkStamp.ChallengeSizeInBytes], 12, 1_800_000_000);
        byte[] document = new SealingKeyDocument { Gateway = "gateway.example", ServerTime = s_start, Keys = [], Work = work }.Encode();

        Assert.True(SealingKeyDocument.TryParse(document, out SealingKeyDocument? read, out string? error), error);
        Assert.Equal((work.Bits, work.Until), (read.Work!.Bits, read.Work.Until));
        Assert.Equal(work.Challenge.ToArray(), read.Work.Challenge.ToArray());
    }

    [Fact]
    public void Key_set_has_the_X25519_keys()
    {
        Assert.True(SealingKeyDocument.TryParse(Samples.SealingKeyDocument, out SealingKeyDocument? read, out _));

        JsonElement keys = JsonDocument.Parse(read.EncodeKeySet()).RootElement.GetProperty("keys");

        Assert.Equal(["7", "8"], keys.EnumerateArray().Select(key => key.GetProperty("kid").GetString()));
        Assert.All(keys.EnumerateArray(), key => Assert.Equal(("OKP", "X25519", "enc"), (key.GetProperty("kty").GetString(), key.GetProperty("crv").GetString(), key.GetProperty("use").GetString())));
    }

    [Fact]
    public void Directory_is_not_verified_with_a_statement_of_another_key()
    {
        IssuerDirectory directory = Samples.Directory();
        DirectorySealingKeys foreign = new("gateway.example", [Samples.SealingKeys[0].Sign(message => _other.Sign(message.Span))]);
        DirectorySealingKeys own = new("gateway.example", [Samples.SealingKeys[0].Sign(Sign)]);

        Assert.True(Read(directory with { SealingKeys = [own] }).Verify(Verify));
        Assert.False(Read(directory with { SealingKeys = [foreign] }).Verify(Verify));
    }

    [Fact]
    public void Directory_with_keys_of_a_gateway_that_it_does_not_list_is_refused()
    {
        SealingKey stranger = Samples.SealingKeys[0] with { Gateway = "stranger.example" };
        IssuerDirectory directory = Samples.Directory() with { SealingKeys = [new DirectorySealingKeys("stranger.example", [stranger.Sign(Sign)])] };

        Assert.Throws<InvalidOperationException>(() => directory.SignAndEncode(Sign));
        JsonObject document = JsonNode.Parse(Samples.DirectoryDocument)!.AsObject();
        document["sealing-keys"]![0]!["gateway"] = "stranger.example";
        Assert.False(IssuerDirectory.TryParse(Bytes(document), out _, out _));
    }

    [Fact]
    public void Two_keys_for_one_time_are_a_contradiction_however_far_apart_the_directories_are()
    {
        SealingKey key = Samples.SealingKeys[0];
        IssuerDirectory shown = With(5, key);

        Assert.Null(shown.FindConflict(With(9, Samples.SealingKeys[1])));
        Assert.Null(shown.FindConflict(With(9, key with { Evidence = null })));
        IssuerDirectory odd = With(9, key with { Config = SealingKey.EncodeConfig(44, Samples.Filled(32, 77)), NotBefore = key.NotBefore.AddHours(23) });
        Assert.Contains("two sealing keys", shown.FindConflict(odd), StringComparison.Ordinal);
        Assert.Contains("two sealing keys", odd.FindConflict(shown), StringComparison.Ordinal);
    }

    private static byte[] Bytes(JsonObject document) => Encoding.UTF8.GetBytes(document.ToJsonString());

    private byte[] Sign(ReadOnlyMemory<byte> message) => _signer.Sign(message.Span);

    private bool Verify(ReadOnlyMemory<byte> message, ReadOnlyMemory<byte> signature) => _signer.PublicKey.Verify(message.Span, signature.Span);

    private byte[] Offer() => new SealingOffer { Gateway = "gateway.example", MadeAt = s_start, Keys = Samples.SealingKeys }.SignAndEncode(Sign);

    private IssuerDirectory With(long sequence, SealingKey key) => Read(Samples.Directory() with
    {
        Sequence = sequence,
        SealingKeys = [new DirectorySealingKeys(key.Gateway, [key.Sign(Sign)])],
    });

    private IssuerDirectory Read(IssuerDirectory directory)
    {
        Assert.True(IssuerDirectory.TryParse(directory.SignAndEncode(Sign), out IssuerDirectory? read, out string? error), error);
        return read;
    }
}
