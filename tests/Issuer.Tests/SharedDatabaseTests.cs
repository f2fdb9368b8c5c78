using Tacit.Issuer.Gateways;
using Tacit.Issuer.Tests.Support;
using Tacit.Protocol;
using Tacit.Tests;

namespace Tacit.Issuer.Tests;

/// <summary>Several issuers, each with a signer beside it, on one PostgreSQL database a role: they act as one.</summary>
public sealed class SharedDatabaseTestsOnPostgres
{
    [Fact]
    public async Task Issuers_that_start_and_publish_at_once_have_one_key_and_one_chain_of_directories()
    {
        await using TestIssuer one = await TestIssuer.PrepareAsync();
        await using TestIssuer other = TestIssuer.Beside(one);
        TestIssuer[] both = [one, other];
        await Task.WhenAll(both.Select(issuer => issuer.StartAsync()));
        Assert.Equal(one.Server.DirectoryKey, other.Server.DirectoryKey);
        IssuerDirectory last = await SameDirectoryAsync(both);
        Assert.Equal(1, last.Sequence);

        // Each change comes to both at the same moment, by the clock and by the signer's news.
        var december = new DateTimeOffset(2026, 12, 1, 0, 0, 0, TimeSpan.Zero);
        foreach (DateTimeOffset change in (DateTimeOffset[])[december - (TimeSpan.FromDays(31) / 8), december, december.AddDays(7)])
        {
            one.Time.MoveTo(change - TimeSpan.FromSeconds(1));
            await Task.WhenAll(both.Select(issuer => issuer.Signer.RotateAsync(TestIssuer.Token)));
            await Task.WhenAll(both.Select(issuer => issuer.Server.RefreshKeysAsync(TestIssuer.Token)));
            one.Time.Advance(TimeSpan.FromSeconds(1));
            await Task.WhenAll(both.Select(issuer => issuer.DirectoryAsync()).Concat(both.Select(issuer => issuer.DirectoryAsync())));
            IssuerDirectory next = await SameDirectoryAsync(both);
            Assert.Equal(last.Sequence + 1, next.Sequence);
            Assert.True(next.Follows(last));
            last = next;
        }
    }

    [Fact]
    public async Task Issuers_with_different_settings_do_not_take_turns_and_serve_the_same_directory()
    {
        await using TestIssuer one = await TestIssuer.PrepareAsync();
        await one.StartAsync();
        await using TestIssuer other = TestIssuer.Beside(one, options => options with { Gateways = [new IssuerGateway { Name = "other.test", Urls = ["http://127.0.0.1:8226"] }] });
        await other.StartAsync();
        for (int i = 0; i < 3; i++)
        {
            await one.Server.RefreshKeysAsync(TestIssuer.Token);
            await other.Server.RefreshKeysAsync(TestIssuer.Token);
        }

        IssuerDirectory directory = await SameDirectoryAsync([one, other]);
        Assert.Equal(2, directory.Sequence);
        Assert.Equal("other.test", Assert.Single(directory.Gateways).Name);
    }

    [Fact]
    public async Task What_is_asked_of_several_issuers_at_once_is_credited_debited_and_issued_once()
    {
        await using TestIssuer one = await TestIssuer.PrepareAsync();
        await using TestIssuer other = TestIssuer.Beside(one);
        TestIssuer[] both = [one, other];
        await Task.WhenAll(both.Select(issuer => issuer.StartAsync()));

        // A new account comes to exist at both, by different vouchers; one voucher is presented at both.
        string account = await one.CreateAccountAsync();
        string[] vouchers = [await one.CreateVoucherAsync(7), await one.CreateVoucherAsync(7)];
        string shared = await one.CreateVoucherAsync(6);
        Answer[] answers = await Task.WhenAll(
            [.. both.Select((issuer, i) => issuer.RedeemAsync(account, vouchers[i])), .. both.Select(issuer => issuer.RedeemAsync(account, shared))]);
        Assert.All(answers, answer => Assert.Equal(200, answer.Status));
        Assert.Equal(20, await one.CreditsAsync(account));

        // The same ten elements at both, in halves that overlap, all at once.
        List<BlindedToken> tokens = await one.BlindAsync(10);
        answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => both[i % 2].RequestAsync(account, tokens.Skip(i % 4).Take(7))));
        Assert.All(answers, answer => Assert.Equal(200, answer.Status));
        for (int i = 0; i < answers.Length; i++)
        {
            IReadOnlyList<BatchTokenResponse?> batch = TestIssuer.ReadBatch(answers[i]);
            Assert.Equal(7, batch.Count);
        }

        Assert.Equal(10, await other.CreditsAsync(account));
        Assert.Equal(10, await one.CountIssuedAsync());

        // Ten credits are left, and each of these wants eight.
        List<BlindedToken>[] more = [await one.BlindAsync(8), await other.BlindAsync(8)];
        answers = await Task.WhenAll(both.Select((issuer, i) => issuer.RequestAsync(account, more[i])));
        Assert.Equal([200, 402], answers.Select(answer => answer.Status).Order());
        Assert.Equal(2, await one.CreditsAsync(account));
        await one.AssertSoundBooksAsync();
        foreach (List<BlindedToken> batch in more.Append(tokens))
        {
            batch.ForEach(token => token.Dispose());
        }
    }

    private static async Task<IssuerDirectory> SameDirectoryAsync(TestIssuer[] issuers)
    {
        byte[][] served = await Task.WhenAll(issuers.Select(async issuer => (await issuer.SendAsync(HttpMethod.Get, Routes.IssuerDirectory, null)).Body));
        Assert.All(served, body => Assert.Equal(served[0], body));
        return await issuers[0].DirectoryAsync();
    }
}
