using Tacit.Client;

namespace Tacit.App.Tests;

/// <summary>What each part is said to have seen follows from how the requests went: nothing is said to be hidden that one of them showed.</summary>
public sealed class PrivacyReportTests
{
    private const string Address = "your network address";
    private const string Content = "what was asked and answered";
    private const string Account = "your account and payments";

    private static readonly DateTimeOffset s_sold = new(2026, 10, 28, 0, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset s_until = new(2026, 12, 1, 0, 0, 0, TimeSpan.Zero);

    private static readonly RequestTrace s_onion = new()
    {
        Message = "m1", Model = "model-a", Plan = "chat", Token = "0011aabbccdd", TokenType = "0x0002", KeyId = new string('a', 64), TokenOrigin = "bought", SoldFrom = s_sold,
        Deadline = s_until, Crowd = 128, Gateway = "gateway.test", Carrier = CarrierKind.Tor, Address = "http://gate.onion", Onion = "gate.onion",
        Connections = [new ConnectionView(10, true, null, new CircuitView(["$F1~guard", "$F2~middle", "$F3~meeting"], "gate.onion"), null)],
        Members = ["model", "messages"], RequestBytes = 1500, ReplyBytes = 2500, Status = 200,
    };

    private static readonly RequestTrace s_direct = s_onion with
    {
        Message = "m2",
        Token = "2233aabbccdd",
        Carrier = CarrierKind.Direct,
        Address = "https://gate.example",
        Onion = null,
        Connections = [new ConnectionView(10, true, "192.0.2.7:443", null, null)],
    };

    private static readonly RequestTrace s_relayed = s_direct with
    {
        Message = "m3",
        Sealing = SealingKind.Ohttp,
        Address = "https://relay.example",
        SealedRequestBytes = 4096,
        SealedReplyBytes = 16384,
        Connections = [new ConnectionView(10, true, "192.0.2.9:443", null, null)],
    };

    [Fact]
    public void Over_Tor_nobody_of_the_anonymous_side_sees_the_address_and_the_circuit_is_shown()
    {
        PrivacyView view = PrivacyReport.Of([s_onion], PrivacyContext.Nothing);

        Assert.Contains(Address, Of(view, PrivacyRole.Gateway).NeverSaw);
        Assert.Contains(Content, Of(view, PrivacyRole.Network).NeverSaw);
        Assert.Contains("which gateway or relay was asked", Of(view, PrivacyRole.Network).NeverSaw);
        SightView circuit = Assert.Single(Of(view, PrivacyRole.Relay).Saw);
        Assert.Contains("guard → middle → meeting", circuit.Value, StringComparison.Ordinal);
        Assert.Contains("guard", Of(view, PrivacyRole.Network).Saw[0].Value, StringComparison.Ordinal);
        Assert.Contains(Of(view, PrivacyRole.Gateway).Saw, sight => sight.Value.Contains("0011aabbccdd", StringComparison.Ordinal));
        Assert.Contains(Of(view, PrivacyRole.Gateway).Saw, sight => sight.Value.Contains("128 accounts", StringComparison.Ordinal));
        Assert.Contains(Of(view, PrivacyRole.Provider).Saw, sight => sight.Value.Contains("model, messages", StringComparison.Ordinal));
    }

    [Fact]
    public void One_request_that_went_directly_is_enough_for_the_address_to_be_seen()
    {
        PrivacyView view = PrivacyReport.Of([s_onion, s_direct], PrivacyContext.Nothing);

        RoleView gateway = Of(view, PrivacyRole.Gateway);
        Assert.DoesNotContain(Address, gateway.NeverSaw);
        Assert.Contains(gateway.Saw, sight => sight.What == "came from" && sight.Value.StartsWith(Address, StringComparison.Ordinal));
        RoleView network = Of(view, PrivacyRole.Network);
        Assert.DoesNotContain("which gateway or relay was asked", network.NeverSaw);
        Assert.Contains(network.Saw, sight => sight.Value.Contains("192.0.2.7:443", StringComparison.Ordinal));
        // https: still nobody between read it.
        Assert.Contains(Content, network.NeverSaw);
    }

    [Fact]
    public void What_went_in_the_clear_is_said_to_have_been_read()
    {
        RequestTrace clear = s_direct with { Address = "http://gate.example" };
        Assert.DoesNotContain(Content, Of(PrivacyReport.Of([s_onion, clear], PrivacyContext.Nothing), PrivacyRole.Network).NeverSaw);
        Assert.Contains(Content, Of(PrivacyReport.Of([clear with { Sealing = SealingKind.Sealed }], PrivacyContext.Nothing), PrivacyRole.Network).NeverSaw);

        // Through an exit it can be read there.
        RequestTrace exit = s_onion with { Address = "http://gate.example", Onion = null };
        Assert.DoesNotContain(Content, Of(PrivacyReport.Of([exit], PrivacyContext.Nothing), PrivacyRole.Relay).NeverSaw);
        Assert.Contains(Content, Of(PrivacyReport.Of([exit with { Address = "https://gate.example" }], PrivacyContext.Nothing), PrivacyRole.Relay).NeverSaw);
    }

    [Fact]
    public void Relay_is_told_with_the_sizes_that_it_saw_and_hides_the_address_from_the_gateway()
    {
        PrivacyView view = PrivacyReport.Of([s_relayed], PrivacyContext.Nothing);

        SightView relay = Assert.Single(Of(view, PrivacyRole.Relay).Saw);
        Assert.Contains("4,096 bytes", relay.Value, StringComparison.Ordinal);
        Assert.Contains("16,384 back", relay.Value, StringComparison.Ordinal);
        Assert.EndsWith(Address, relay.Value, StringComparison.Ordinal);
        Assert.Contains(Address, Of(view, PrivacyRole.Gateway).NeverSaw);
        Assert.DoesNotContain(PrivacyReport.Of([s_direct], PrivacyContext.Nothing).Seen, role => role.Role == PrivacyRole.Relay);
    }

    [Fact]
    public void Unknown_circuit_is_told_as_that()
    {
        RequestTrace borrowed = s_onion with { Connections = [new ConnectionView(10, true, null, null, "It is another program's.")] };
        Assert.Contains("It is another program's.", Assert.Single(Of(PrivacyReport.Of([borrowed], PrivacyContext.Nothing), PrivacyRole.Relay).Saw).Value, StringComparison.Ordinal);
    }

    [Fact]
    public void Issuer_is_told_with_the_purchases_of_the_key_s_time_and_a_purchase_for_the_question_as_what_it_gives_away()
    {
        HistoryEntry[] history =
        [
            new(new DateOnly(2026, 10, 27), HistoryKind.Bought, "chat", 5), new(new DateOnly(2026, 11, 3), HistoryKind.Bought, "chat", 20),
            new(new DateOnly(2026, 11, 9), HistoryKind.Bought, "chat", 50), new(new DateOnly(2026, 11, 9), HistoryKind.Bought, "other", 7),
            new(new DateOnly(2026, 11, 9), HistoryKind.Exchanged, "chat", 2), new(new DateOnly(2026, 12, 2), HistoryKind.Bought, "chat", 9),
        ];
        var context = new PrivacyContext(new string('e', 64), history, "tor", "http://issuer.onion");

        RoleView issuer = Of(PrivacyReport.Of([s_onion], context), PrivacyRole.Issuer);
        Assert.Equal("70 tokens, blinded: 20 on 2026-11-03, 50 on 2026-11-09", issuer.Saw.Single(sight => sight.What == "sold, plan chat").Value);
        Assert.StartsWith("eeeeeeeeeeee…", issuer.Saw.Single(sight => sight.What == "account").Value, StringComparison.Ordinal);
        Assert.DoesNotContain(issuer.Saw, sight => sight.What == "time");
        Assert.Contains(Content, issuer.NeverSaw);
        Assert.StartsWith("72 blinded elements", Assert.Single(Of(PrivacyReport.Of([s_onion], context), PrivacyRole.Signer).Saw).Value, StringComparison.Ordinal);

        issuer = Of(PrivacyReport.Of([s_onion with { BoughtForIt = true }], context), PrivacyRole.Issuer);
        Assert.Contains(issuer.Saw, sight => sight.What == "time");
    }

    [Fact]
    public void Device_is_told_as_linked_and_has_neither_issuer_nor_signer()
    {
        RequestTrace device = s_direct with { Plan = "device", Token = null, KeyId = null, Deadline = null, Crowd = null, Device = "device-key", Linkable = "device" };
        PrivacyView view = PrivacyReport.Of([device], PrivacyContext.Nothing);

        Assert.DoesNotContain(view.Seen, role => role.Role is PrivacyRole.Issuer or PrivacyRole.Signer);
        RoleView gateway = Of(view, PrivacyRole.Gateway);
        Assert.Contains(gateway.Saw, sight => sight.What == "device" && sight.Value.StartsWith("device-key", StringComparison.Ordinal));
        Assert.DoesNotContain(gateway.NeverSaw, never => never.Contains("which of the accounts", StringComparison.Ordinal));
    }

    [Fact]
    public void Request_that_never_left_was_seen_by_nobody()
    {
        RequestTrace failed = new() { Message = "m4", Model = "model-a", Stages = [new StageView(PromptStageName.Failed, 3, "wallet_empty")] };
        Assert.Empty(PrivacyReport.Of([failed], PrivacyContext.Nothing).Seen);
    }

    [Fact]
    public void Request_with_which_the_app_was_killed_may_have_been_seen()
    {
        RequestTrace killed = s_direct with { Connections = [], Status = null, Stages = [new StageView(PromptStageName.Token, 3, "chat"), new StageView(PromptStageName.Sent, 5, "7 bytes")] };
        PrivacyView view = PrivacyReport.Of([killed, s_onion], PrivacyContext.Nothing);
        Assert.DoesNotContain(Address, Of(view, PrivacyRole.Gateway).NeverSaw);
        Assert.Contains(Of(view, PrivacyRole.Gateway).Saw, sight => sight.Value.Contains("2233aabbccdd", StringComparison.Ordinal));
        Assert.DoesNotContain("which gateway or relay was asked", Of(view, PrivacyRole.Network).NeverSaw);
        Assert.NotEmpty(Of(PrivacyReport.Of([s_onion with { Connections = [], Stages = killed.Stages }], PrivacyContext.Nothing), PrivacyRole.Relay).Saw);
        Assert.DoesNotContain(
            PrivacyReport.Of([killed with { Stages = [.. killed.Stages, new StageView(PromptStageName.Failed, 9, "gateway_unreachable")] }], PrivacyContext.Nothing).Seen,
            role => role.Role == PrivacyRole.Gateway);
    }

    [Fact]
    public void On_this_machine_the_network_saw_nothing()
    {
        RequestTrace local = s_direct with { Address = "http://127.0.0.1:8226", ThisMachine = true, Connections = [new ConnectionView(1, true, "127.0.0.1:8226", null, null)] };
        RoleView network = Of(PrivacyReport.Of([local], PrivacyContext.Nothing), PrivacyRole.Network);
        Assert.Equal([Content, "which gateway or relay was asked"], network.NeverSaw);
        Assert.Contains("nothing", Assert.Single(network.Saw).Value, StringComparison.Ordinal);
    }

    private static RoleView Of(PrivacyView view, PrivacyRole role) => view.Seen.Single(seen => seen.Role == role);
}
