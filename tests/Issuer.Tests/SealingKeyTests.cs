using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Tacit.Crypto;
using Tacit.Issuer.Gateways;
using Tacit.Issuer.Tests.Support;
using Tacit.Protocol;

namespace Tacit.Issuer.Tests;

/// <summary>What gateways offer, and what of it the directory says.</summary>
public class SealingKeyTests
{
    private static readonly DateTimeOffset s_today = new(2026, 11, 20, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public async Task Offered_keys_are_in_the_directory_each_with_the_directory_keys_signature()
    {
        await using ScriptedGateway gateway = await ScriptedGateway.StartAsync();
        gateway.Keys = [gateway.Key(1, 0), gateway.Key(2, 1)];
        await using TestIssuer issuer = await StartAsync(gateway);
        await AskAsync(issuer);

        IssuerDirectory directory = await issuer.DirectoryAsync();

        DirectorySealingKeys entry = Assert.Single(directory.SealingKeys);
        Assert.Equal(("gateway.test", 2), (entry.Gateway, entry.Keys.Count));
        Assert.All(entry.Keys.Zip(gateway.Keys), pair => Assert.True(pair.First.Key.IsSameKey(pair.Second)));
        using Ed25519PublicKey pinned = Ed25519PublicKey.Import(issuer.Server.DirectoryKey.Span);
        Assert.All(entry.Keys, key => Assert.True(key.Verify((message, signature) => pinned.Verify(message.Span, signature.Span))));
        Assert.True(directory.Verify((message, signature) => pinned.Verify(message.Span, signature.Span)));
    }

    [Fact]
    public async Task Post_quantum_keys_are_listed_beside_the_others_whatever_this_machine_has_itself()
    {
        await using ScriptedGateway gateway = await ScriptedGateway.StartAsync();
        SealingKey plain = gateway.Key(1, 0);
        SealingKey hybrid = plain with { Config = SealingKey.EncodeConfig(9, RandomNumberGenerator.GetBytes(1216), SealingKey.MLKem768X25519) };
        gateway.Keys = [plain, hybrid];
        await using TestIssuer issuer = await StartAsync(gateway);
        await AskAsync(issuer);

        Assert.Equal([plain.Config, hybrid.Config], Assert.Single((await issuer.DirectoryAsync()).SealingKeys).Keys.Select(key => key.Key.Config));

        // Another one for the same time and KEM is as much of a contradiction.
        gateway.Keys = [plain, hybrid with { Config = SealingKey.EncodeConfig(10, RandomNumberGenerator.GetBytes(1216), SealingKey.MLKem768X25519) }];
        Assert.NotNull(await AskForFaultAsync(issuer));
        Assert.Equal([1, 9], await KeyIdsAsync(issuer));
    }

    [Fact]
    public async Task Nothing_else_than_a_fresh_offer_of_the_gateways_own_key_changes_the_directory()
    {
        await using ScriptedGateway gateway = await ScriptedGateway.StartAsync();
        gateway.Keys = [gateway.Key(1, 0)];
        await using TestIssuer issuer = await StartAsync(gateway);
        await AskAsync(issuer);

        // The issuer may come by itself.
        gateway.Answer = (500, []);
        gateway.Keys = [gateway.Key(1, 0), gateway.Key(2, 1)];
        byte[] genuine = gateway.Offer(issuer.Time.GetUtcNow());
        using Ed25519PrivateKey stranger = Ed25519PrivateKey.Generate();

        foreach ((string what, int status, byte[] body) in ((string, int, byte[])[])
        [
            ("signed by a stranger", 200, gateway.Offer(issuer.Time.GetUtcNow(), signer: stranger)),
            ("of another gateway", 200, gateway.Offer(issuer.Time.GetUtcNow(), name: "other.test")),
            ("recorded a while ago", 200, gateway.Offer(issuer.Time.GetUtcNow() - TimeSpan.FromMinutes(16))),
            ("from the future", 200, gateway.Offer(issuer.Time.GetUtcNow() + TimeSpan.FromMinutes(16))),
            ("cut off", 200, genuine[..^1]), ("no offer", 200, Encoding.UTF8.GetBytes("{}")), ("too large", 200, [.. genuine, .. new byte[SealingOffer.MaxSizeInBytes]]),
            ("an error", 500, genuine), ("elsewhere", 302, genuine),
        ])
        {
            gateway.Answer = (status, body);
            Assert.True(await AskForFaultAsync(issuer) is not null, what);
            Assert.True(Assert.Single((await issuer.DirectoryAsync()).SealingKeys).Keys.Count == 1, what);
        }

        gateway.Answer = (200, genuine);
        await AskAsync(issuer);
        Assert.Equal(2, Assert.Single((await issuer.DirectoryAsync()).SealingKeys).Keys.Count);
    }

    [Fact]
    public async Task Gateway_that_offers_another_key_for_a_time_that_has_one_is_refused()
    {
        await using ScriptedGateway gateway = await ScriptedGateway.StartAsync();
        SealingKey first = gateway.Key(1, 0);
        gateway.Keys = [first];
        await using TestIssuer issuer = await StartAsync(gateway);
        await AskAsync(issuer);

        gateway.Keys = [gateway.Key(7, 0), gateway.Key(8, 1)];
        Assert.Contains("another key", await AskForFaultAsync(issuer), StringComparison.Ordinal);
        Assert.True(Assert.Single(Assert.Single((await issuer.DirectoryAsync()).SealingKeys).Keys).Key.IsSameKey(first));
    }

    [Fact]
    public async Task Key_for_a_time_far_off_is_refused_as_it_could_not_be_withdrawn()
    {
        await using ScriptedGateway gateway = await ScriptedGateway.StartAsync();
        gateway.Keys = [gateway.Key(1, 0), gateway.Key(2, 100)];
        await using TestIssuer issuer = await StartAsync(gateway);
        Assert.Contains("too far off", await AskForFaultAsync(issuer), StringComparison.Ordinal);
        Assert.Empty((await issuer.DirectoryAsync()).SealingKeys);

        gateway.Keys = [gateway.Key(1, 0), gateway.Key(2, 31)];
        await AskAsync(issuer);
        Assert.Equal([1, 2], await KeyIdsAsync(issuer));
    }

    [Fact]
    public async Task Keys_stay_while_they_hold_when_the_gateway_is_gone_or_shows_an_earlier_offer_and_over_a_restart()
    {
        ScriptedGateway gateway = await ScriptedGateway.StartAsync();
        gateway.Keys = [gateway.Key(1, 0), gateway.Key(2, 1)];
        await using TestIssuer issuer = await StartAsync(gateway);
        await AskAsync(issuer);

        gateway.Keys = [gateway.Key(1, 0)];
        await AskAsync(issuer);
        await gateway.DisposeAsync();
        Assert.NotNull(await AskForFaultAsync(issuer));
        await issuer.RestartAsync();
        Assert.Equal([1, 2], await KeyIdsAsync(issuer));

        // The directory changes by the clock, to the second.
        long sequence = (await issuer.DirectoryAsync()).Sequence;
        issuer.Time.Advance(s_today.AddDays(1) - issuer.Time.GetUtcNow() - TimeSpan.FromSeconds(1));
        Assert.Equal([1, 2], await KeyIdsAsync(issuer));
        issuer.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal([2], await KeyIdsAsync(issuer));
        Assert.True((await issuer.DirectoryAsync()).Sequence > sequence);
        issuer.Time.Advance(TimeSpan.FromDays(1));
        Assert.Empty((await issuer.DirectoryAsync()).SealingKeys);
    }

    [Fact]
    public async Task Newer_evidence_takes_the_place_of_older_and_not_the_other_way_round()
    {
        await using ScriptedGateway gateway = await ScriptedGateway.StartAsync();
        SealingKey key = gateway.Key(1, 0);
        gateway.Keys = [key];
        await using TestIssuer issuer = await StartAsync(gateway);
        await AskAsync(issuer);
        byte[] earlier = gateway.Offer(issuer.Time.GetUtcNow());

        issuer.Time.Advance(TimeSpan.FromMinutes(1));
        gateway.Keys = [key with { Evidence = new KeyEvidence("sev-snp", new byte[] { 1, 2, 3 }) }];
        await AskAsync(issuer);
        gateway.Answer = (200, earlier);
        await AskAsync(issuer);

        SealingKey published = Assert.Single(Assert.Single((await issuer.DirectoryAsync()).SealingKeys).Keys).Key;
        Assert.Equal("sev-snp", published.Evidence?.Format);
        Assert.Equal([1, 2, 3], published.Evidence!.Bytes.ToArray());
    }

    [Fact]
    public async Task Gateways_onion_service_is_listed_first_until_the_gateway_says_that_it_has_none()
    {
        const string onion = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
        await using ScriptedGateway gateway = await ScriptedGateway.StartAsync();
        gateway.Keys = [gateway.Key(1, 0)];
        await using TestIssuer issuer = await StartAsync(gateway);
        await AskAsync(issuer);
        Assert.Equal(["http://127.0.0.1:1"], Assert.Single((await issuer.DirectoryAsync()).Gateways).Urls);
        byte[] earlier = gateway.Offer(issuer.Time.GetUtcNow());

        issuer.Time.Advance(TimeSpan.FromMinutes(1));
        gateway.Onion = onion;
        await AskAsync(issuer);
        Assert.Equal(["http://" + onion, "http://127.0.0.1:1"], Assert.Single((await issuer.DirectoryAsync()).Gateways).Urls);

        // Neither an earlier offer nor a restart takes it away.
        gateway.Answer = (200, earlier);
        await AskAsync(issuer);
        await issuer.RestartAsync();
        IssuerDirectory directory = await issuer.DirectoryAsync();
        Assert.Equal("http://" + onion, Assert.Single(directory.Gateways).Urls[0]);

        issuer.Time.Advance(TimeSpan.FromMinutes(1));
        (gateway.Answer, gateway.Onion) = (null, null);
        await AskAsync(issuer);
        IssuerDirectory later = await issuer.DirectoryAsync();
        Assert.Equal(["http://127.0.0.1:1"], Assert.Single(later.Gateways).Urls);

        // A gateway that moves is no contradiction.
        Assert.Null(later.FindConflict(directory));
    }

    [Fact]
    public async Task More_evidence_than_fits_goes_unsaid_and_the_keys_do_not()
    {
        List<ScriptedGateway> gateways = [];
        for (int i = 0; i < 10; i++)
        {
            ScriptedGateway gateway = await ScriptedGateway.StartAsync($"g{i}.test");
            gateway.Keys = [.. Enumerable.Range(0, 4).Select(day => gateway.Key((byte)day, day) with { Evidence = new KeyEvidence("x", new byte[KeyEvidence.MaxSizeInBytes]) })];
            gateways.Add(gateway);
        }

        await using TestIssuer issuer = await StartAsync([.. gateways]);
        await AskAsync(issuer);

        IssuerDirectory directory = await issuer.DirectoryAsync();
        Assert.Equal(40, directory.SealingKeys.Sum(entry => entry.Keys.Count));
        Assert.Equal(32, directory.SealingKeys.Sum(entry => entry.Keys.Count(key => key.Key.Evidence is not null)));
        foreach (ScriptedGateway gateway in gateways)
        {
            await gateway.DisposeAsync();
        }
    }

    [Fact]
    public async Task Gateway_is_asked_by_the_clock_and_one_whose_key_is_not_known_never()
    {
        await using ScriptedGateway known = await ScriptedGateway.StartAsync("known.test");
        await using ScriptedGateway unknown = await ScriptedGateway.StartAsync("unknown.test");
        await using TestIssuer issuer = await StartAsync([known, unknown], gateway => gateway.Name == "unknown.test" ? gateway with { Key = null } : gateway);

        // It has no keys yet: the issuer comes again within seconds.
        await TestIssuer.WaitForAsync(() => Task.FromResult(known.Asked > 0));
        known.Keys = [known.Key(5, 0)];
        known.Now = () => issuer.Time.GetUtcNow();
        await TestIssuer.WaitForAsync(async () =>
        {
            issuer.Time.Advance(TimeSpan.FromSeconds(20));
            return (await issuer.DirectoryAsync()).SealingKeys.Count > 0;
        });

        Assert.Equal(0, unknown.Asked);
    }

    private static Task<TestIssuer> StartAsync(ScriptedGateway gateway) => StartAsync([gateway]);

    private static async Task<TestIssuer> StartAsync(ScriptedGateway[] gateways, Func<IssuerGateway, IssuerGateway>? change = null)
    {
        IssuerGateway[] settings = [.. gateways.Select(gateway => gateway.Setting).Select(change ?? (setting => setting))];
        TestIssuer issuer = await TestIssuer.StartAsync(change: options => options with { Gateways = settings });
        foreach (ScriptedGateway gateway in gateways)
        {
            gateway.Now = issuer.Time.GetUtcNow;
        }

        return issuer;
    }

    /// <summary>Asks the gateways, which are heard, and what they offer is published.</summary>
    private static async Task AskAsync(TestIssuer issuer)
    {
        IssuerStatus status = await AskedAsync(issuer);
        Assert.All(status.Gateways, gateway => Assert.Null(gateway.Fault));
        Assert.Null(status.Fault);
    }

    /// <summary>Asks the only gateway.</summary>
    /// <returns>Why its offer was not taken, or null.</returns>
    private static async Task<string?> AskForFaultAsync(TestIssuer issuer) => Assert.Single((await AskedAsync(issuer)).Gateways).Fault;

    private static async Task<IssuerStatus> AskedAsync(TestIssuer issuer)
    {
        await issuer.Server.AskGatewaysAsync(TestIssuer.Token);
        return await issuer.Server.GetStatusAsync(TestIssuer.Token);
    }

    private static async Task<IEnumerable<int>> KeyIdsAsync(TestIssuer issuer) =>
        (await issuer.DirectoryAsync()).FindSealingKeys("gateway.test").Select(key => (int)key.Key.KeyId);

    /// <summary>What an issuer sees of a gateway, on a real socket.</summary>
    private sealed class ScriptedGateway : IAsyncDisposable
    {
        private readonly WebApplication _app;
        private readonly Ed25519PrivateKey _key = Ed25519PrivateKey.Generate();
        private readonly string _name;
        private int _asked;

        private ScriptedGateway(WebApplication app, string name) => (_app, _name) = (app, name);

        public IReadOnlyList<SealingKey> Keys { get; set; } = [];

        public string? Onion { get; set; }

        public Func<DateTimeOffset> Now { get; set; } = () => TestIssuer.Start;

        /// <summary>Answered instead of a genuine offer.</summary>
        public (int Status, byte[] Body)? Answer { get; set; }

        public int Asked => _asked;

        public IssuerGateway Setting => new()
        {
            Name = _name, Urls = ["http://127.0.0.1:1"], Key = PublicKeyText.Format(_key.PublicKey.Export()),
            Address = new Uri(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()),
        };

        public static async Task<ScriptedGateway> StartAsync(string name = "gateway.test")
        {
            WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.UseUrls("http://127.0.0.1:0");
            WebApplication app = builder.Build();
            var gateway = new ScriptedGateway(app, name);
            app.MapGet(Routes.SealingOffer, gateway.AnswerAsync);
            await app.StartAsync(TestIssuer.Token);
            return gateway;
        }

        /// <summary>A key for a day, counted from the test's.</summary>
        public SealingKey Key(byte id, int day) => new()
        {
            Gateway = _name,
            Config = SealingKey.EncodeConfig(id, SHA256.HashData([id, (byte)day])),
            NotBefore = s_today.AddDays(day),
            NotAfter = s_today.AddDays(day + 1),
        };

        public byte[] Offer(DateTimeOffset madeAt, Ed25519PrivateKey? signer = null, string? name = null) => new SealingOffer
        {
            Gateway = name ?? _name, MadeAt = madeAt, Keys = [.. Keys.Select(key => key with { Gateway = name ?? _name })], Onion = Onion,
        }.SignAndEncode(message => (signer ?? _key).Sign(message.Span));

        public async ValueTask DisposeAsync()
        {
            await _app.DisposeAsync();
            _key.Dispose();
        }

        private async Task AnswerAsync(HttpContext context)
        {
            Interlocked.Increment(ref _asked);
            (int status, byte[] body) = Answer ?? (200, Offer(Now()));
            context.Response.StatusCode = status;
            context.Response.Headers.Location = "http://127.0.0.1:1/";
            await context.Response.Body.WriteAsync(body, context.RequestAborted);
        }
    }
}
