using Tacit.Crypto;
using Tacit.Issuer.Gateways;
using Tacit.Issuer.Tests.Support;
using Tacit.Protocol;
using Tacit.Tests;

namespace Tacit.Issuer.Tests;

public class DirectoryTests
{
    private static readonly TimeSpan s_second = TimeSpan.FromSeconds(1);

    [Fact]
    public async Task Directory_says_what_clients_need_and_is_signed()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync([TestPlans.Chat, TestPlans.Large]);
        Answer answer = await issuer.SendAsync(HttpMethod.Get, Routes.IssuerDirectory, null);
        Assert.Equal(MediaTypes.IssuerDirectory, answer.ContentType);
        IssuerDirectory directory = await issuer.DirectoryAsync();
        Assert.Equal(1, directory.Sequence);
        Assert.Null(directory.Previous);
        Assert.Equal("issuer.test", directory.IssuerName);
        Assert.Equal("/token-request", directory.IssuerRequestUri);
        Assert.Equal("gateway.test", Assert.Single(directory.Gateways).Name);
        Assert.Equal(["chat", "chat-large"], directory.Plans.Select(plan => plan.Plan.Id));
        Assert.Equal(2, directory.TokenKeys.Count);
        Assert.Equal(
            new PlanMetadata("chat-large", new DateTimeOffset(2026, 12, 1, 0, 0, 0, TimeSpan.Zero)).EncodeExtensions(),
            Assert.Single(directory.FindPlan("chat-large")!.Keys).Extensions);
        using Ed25519PublicKey key = Ed25519PublicKey.Import(issuer.Server.DirectoryKey.Span);
        Assert.True(directory.Verify((message, signature) => key.Verify(message.Span, signature.Span)));
    }

    [Fact]
    public async Task Crowd_of_a_key_is_told_once_a_day_and_rounded_down_to_a_power_of_two()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        async Task<long?> CrowdAsync()
        {
            await issuer.Server.RefreshKeysAsync(TestIssuer.Token);
            return (await issuer.DirectoryAsync()).FindPlan("chat")!.Keys[0].Accounts;
        }

        Assert.Null(await CrowdAsync());
        string first = await issuer.CreateAccountAsync(credits: 100);
        foreach (int customers in new[] { 1, 2, 3, 7 })
        {
            long? before = await CrowdAsync();
            while ((await issuer.Server.AuditAsync(TestIssuer.Token)).Accounts < customers)
            {
                string account = await issuer.CreateAccountAsync(credits: 10);
                await issuer.RequestAsync(account, await issuer.BlindAsync(2));
            }

            // However much one of them buys, it is one account; and within the day nothing changes.
            await issuer.RequestAsync(first, await issuer.BlindAsync(5));
            Assert.Equal(before, await CrowdAsync());
            await issuer.RestartAsync();
            Assert.Equal(before, await CrowdAsync());
            issuer.Time.Advance(TimeSpan.FromDays(1));
            Assert.Equal(customers switch { 1 => 1, 2 or 3 => 2, _ => 4 }, await CrowdAsync());
        }
    }

    [Fact]
    public async Task Content_changes_to_the_second_and_every_change_is_numbered_chained_and_kept()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        var december = new DateTimeOffset(2026, 12, 1, 0, 0, 0, TimeSpan.Zero);
        DateTimeOffset overlap = december - (TimeSpan.FromDays(31) / 8);
        Assert.Single((await issuer.DirectoryAsync()).FindPlan("chat")!.Keys);

        // The signer makes the key an hour ahead; the directory tells of it when it goes live.
        issuer.Time.MoveTo(overlap - s_second);
        await issuer.Signer.RotateAsync(TestIssuer.Token);
        await issuer.Server.RefreshKeysAsync(TestIssuer.Token);
        Assert.Equal(1, (await issuer.DirectoryAsync()).Sequence);
        issuer.Time.Advance(s_second);
        IssuerDirectory second = await issuer.DirectoryAsync();
        Assert.Equal(2, second.Sequence);
        Assert.Equal(2, second.FindPlan("chat")!.LiveKeysAt(issuer.Time.GetUtcNow()).Count);
        Assert.Equal(second.FindPlan("chat")!.Keys[0].TokenKeyId, second.TokenKeys[0].TokenKeyId);

        // At the deadline the old key goes to the end of the list; when its grace is over it goes.
        issuer.Time.MoveTo(december - s_second);
        Assert.Equal(2, (await issuer.DirectoryAsync()).Sequence);
        issuer.Time.Advance(s_second);
        IssuerDirectory third = await issuer.DirectoryAsync();
        Assert.Equal(third.FindPlan("chat")!.Keys[1].TokenKeyId, third.TokenKeys[0].TokenKeyId);
        Assert.Equal(2, third.TokenKeys.Count);
        issuer.Time.MoveTo(december.AddDays(7) - s_second);
        Assert.Equal(3, (await issuer.DirectoryAsync()).Sequence);
        issuer.Time.Advance(s_second);
        IssuerDirectory fourth = await issuer.DirectoryAsync();
        Assert.Equal(4, fourth.Sequence);
        Assert.Single(fourth.TokenKeys);

        await issuer.RestartAsync();
        Assert.Equal(fourth.Hash(), (await issuer.DirectoryAsync()).Hash());
        using Ed25519PublicKey key = Ed25519PublicKey.Import(issuer.Server.DirectoryKey.Span);
        IssuerDirectory? previous = null;
        for (int number = 1; number <= 4; number++)
        {
            Answer answer = await issuer.SendTwiceAsync(HttpMethod.Get, $"{Routes.IssuerDirectory}/{number}", null);
            Assert.True(IssuerDirectory.TryParse(answer.Body, out IssuerDirectory? directory, out string? error), error);
            Assert.True(directory.Verify((message, signature) => key.Verify(message.Span, signature.Span)));
            Assert.True(previous is null || directory.Follows(previous));
            previous = directory;
        }

        TestIssuer.AssertProblem(ProblemTypes.NotFound, await issuer.SendAsync(HttpMethod.Get, Routes.IssuerDirectory + "/5", null));
        TestIssuer.AssertProblem(ProblemTypes.NotFound, await issuer.SendAsync(HttpMethod.Get, Routes.IssuerDirectory + "/x", null));
    }

    [Fact]
    public async Task Changed_plan_or_gateway_makes_a_new_directory()
    {
        string gateway = "http://127.0.0.1:8226";
        await using TestIssuer issuer = await TestIssuer.StartAsync(
            change: options => options with { Gateways = [new IssuerGateway { Name = "gateway.test", Urls = [gateway] }] });
        byte[] first = (await issuer.DirectoryAsync()).Hash();
        await issuer.RestartAsync();
        Assert.Equal(1, (await issuer.DirectoryAsync()).Sequence);
        gateway = "http://127.0.0.1:9999";
        await issuer.RestartAsync();
        IssuerDirectory second = await issuer.DirectoryAsync();
        Assert.Equal(2, second.Sequence);
        Assert.Equal(first, second.Previous);
    }

    [Fact]
    public async Task Copies_are_used_as_long_as_they_are_good_and_not_fetched_again_for_nothing()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        Answer answer = await issuer.SendAsync(HttpMethod.Get, Routes.IssuerDirectory, null);
        Assert.Equal(TimeSpan.FromMinutes(5), answer.Headers.CacheControl!.MaxAge);
        Assert.True(answer.Headers.CacheControl.Public);
        string etag = answer.Headers.ETag!.Tag;
        Assert.Equal(304, (await issuer.SendConditionalAsync(etag)).Status);
        Assert.Equal(304, (await issuer.SendConditionalAsync($"\"x\", W/{etag}")).Status);
        Assert.Equal(200, (await issuer.SendConditionalAsync("\"x\"")).Status);

        // A minute before the next key goes live, no copy is good for longer than that.
        DateTimeOffset overlap = new DateTimeOffset(2026, 12, 1, 0, 0, 0, TimeSpan.Zero) - (TimeSpan.FromDays(31) / 8);
        issuer.Time.MoveTo(overlap - TimeSpan.FromMinutes(30));
        await issuer.Signer.RotateAsync(TestIssuer.Token);
        await issuer.Server.RefreshKeysAsync(TestIssuer.Token);
        issuer.Time.MoveTo(overlap - TimeSpan.FromMinutes(1));
        Assert.Equal(TimeSpan.FromMinutes(1), (await issuer.SendAsync(HttpMethod.Get, Routes.IssuerDirectory, null)).Headers.CacheControl!.MaxAge);
        issuer.Time.MoveTo(overlap);
        Assert.Equal(200, (await issuer.SendConditionalAsync(etag)).Status);
    }

    [Fact]
    public async Task Directory_key_is_not_on_the_disk()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        byte[] publicKey = issuer.Server.DirectoryKey.ToArray();
        await issuer.RestartAsync();
        Assert.Equal(publicKey, issuer.Server.DirectoryKey.ToArray());
        await issuer.StopAsync();
        byte[] seed;
        await using (Storage.Database database = await issuer.Database.OpenAsync(
            Path.Combine(issuer.Folder.Data, IssuerOptions.DatabaseName), IssuerSchema.Migrations, issuer.Time))
        {
            (byte[] header, byte[] sealedSeed) = await database.ReadAsync(
                session => session.QuerySingle(
                    "SELECT p.header, k.sealed_seed FROM key_protection p CROSS JOIN directory_key k", row => (row.Blob(0), row.Blob(1))), TestIssuer.Token);
            using Hosting.SecretBytes secret = issuer.Folder.KeyFile.Load("KeyFile");
            using Hosting.KeyProtection.KeyProtector protector =
                Hosting.KeyProtection.KeyProtector.Open(Hosting.KeyProtection.KeyProtectionKind.KeyFile, secret.Span, header);
            seed = protector.Unseal(sealedSeed, [.. "tacit directory key"u8, .. publicKey]);
        }

        using Ed25519PrivateKey key = Ed25519PrivateKey.Import(seed);
        Assert.Equal(publicKey, key.PublicKey.Export());
        byte[] disk = await issuer.ReadDiskAsync();
        Assert.True(disk.AsSpan().IndexOf(publicKey) >= 0);
        Assert.Equal(-1, disk.AsSpan().IndexOf(seed));
    }
}
