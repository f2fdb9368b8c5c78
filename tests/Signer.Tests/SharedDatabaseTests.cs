using System.Security.Cryptography;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Hosting;
using Tacit.Protocol;
using Tacit.Tests;

namespace Tacit.Signer.Tests;

/// <summary>Several signers on one PostgreSQL database: one set of keys, whoever makes them.</summary>
public sealed class SharedDatabaseTestsOnPostgres : IAsyncLifetime
{
    private static readonly DateTimeOffset s_start = new(2026, 11, 20, 12, 0, 0, TimeSpan.Zero);
    private static readonly Plan s_other = TestPlans.Chat with { Id = "other" };
    private static readonly Plan[] s_plans = [TestPlans.Chat, s_other];

    private readonly TestFolder _folder = new();
    private readonly FakeTime _time = new(s_start);
    private readonly List<SignerService> _signers = [];
    private RoleDatabase _database = null!;

    public async ValueTask InitializeAsync() => _database = await RoleDatabase.CreateAsync(_folder.Beside("database"));

    public async ValueTask DisposeAsync()
    {
        foreach (SignerService signer in _signers)
        {
            await signer.DisposeAsync();
        }

        _folder.Dispose();
    }

    [Fact]
    public async Task Signers_that_start_and_rotate_at_once_have_the_same_keys_and_each_signs_under_all()
    {
        _signers.AddRange(await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => OpenAsync())));
        int kept = await CompareAsync();
        Assert.Equal(s_plans.Length, kept);

        // Into the lead of the next month, past the end of this one, and to where its keys are gone.
        foreach (int days in (int[])[8, 5, 10])
        {
            _time.Advance(TimeSpan.FromDays(days));
            await Task.WhenAll(_signers.Select(signer => signer.RotateAsync(TestSigner.Token)));
            await CompareAsync();
        }

        // Noted as over in one pass and removed in a later one, by either: the first month's keys are gone, and so are their uses.
        _time.Advance(TimeSpan.FromDays(3));
        await Task.WhenAll(_signers.Select(signer => signer.RotateAsync(TestSigner.Token)));
        using SecretBytes secret = _folder.KeyFile.Load("KeyFile");
        await using KeyStore store = await KeyStore.OpenAsync(
            await _database.OpenAsync("", SignerSchema.Migrations, _time), Hosting.KeyProtection.KeyProtectionKind.KeyFile, secret.Memory, TestSigner.Token);
        (IReadOnlyList<StoredKey> keys, IReadOnlyList<KeyUse> uses, _) = await store.LoadAsync(TestSigner.Token);
        Assert.Equal(s_plans.Length, keys.Count);
        Assert.All(uses, use => Assert.True(use.Period.Start > s_start));
        await CompareAsync();
    }

    [Fact]
    public async Task Key_that_another_signer_made_since_the_last_pass_is_found_when_it_is_asked_for()
    {
        SignerService first = await OpenAsync(TestPlans.Chat);
        _signers.Add(first);
        SignerService second = await OpenAsync(TestPlans.Chat, s_other);
        _signers.Add(second);
        SignerKey made = (await second.GetKeysAsync(TestSigner.Token)).Single(key => key.Plans[0].PlanId == s_other.Id);
        _time.Advance(TimeSpan.FromSeconds(2));
        using var token = BlindedToken.Create(made.Type, made.SubjectPublicKeyInfo, made.Plans[0].Extensions);

        // Known, but nothing that this one sells.
        SignResponse response = await first.SignAsync(TestSigner.RequestFor(made, made.Plans[0], SigningPurpose.Issuance, [token]), TestSigner.Token);
        Assert.Equal(SignStatus.PlanNotLive, response.Status);
        response = await first.SignAsync(TestSigner.RequestFor(made, made.Plans[0], SigningPurpose.Exchange, [token]), TestSigner.Token);
        Assert.Equal(SignStatus.Success, response.Status);
    }

    [Fact]
    public async Task Key_that_serves_what_another_signers_key_serves_already_or_shares_its_truncated_id_is_not_kept()
    {
        using SecretBytes secret = _folder.KeyFile.Load("KeyFile");
        KeyStore[] stores = await Task.WhenAll(Enumerable.Range(0, 2).Select(async _ => await KeyStore.OpenAsync(
            await _database.OpenAsync("", SignerSchema.Migrations, _time), Hosting.KeyProtection.KeyProtectionKind.KeyFile, secret.Memory, TestSigner.Token)));
        try
        {
            KeyAddition[] outcomes = await Task.WhenAll(stores.SelectMany((store, i) => Enumerable.Range(0, 8).Select(n =>
                store.AddKeyAsync(NewKey((byte)((i * 8) + n), s_start, TimeSpan.FromDays(90)), use: null))));
            Assert.Single(outcomes, KeyAddition.Added);
            Assert.Equal(15, outcomes.Count(outcome => outcome == KeyAddition.NotNeeded));

            outcomes = await Task.WhenAll(Enumerable.Range(1, 8).Select(n =>
                stores[n % 2].AddKeyAsync(NewKey(200, s_start + TimeSpan.FromDays(100 * n), TimeSpan.FromDays(90)), use: null)));
            Assert.Single(outcomes, KeyAddition.Added);
            Assert.Equal(7, outcomes.Count(outcome => outcome == KeyAddition.TruncatedIdTaken));
        }
        finally
        {
            await stores[0].DisposeAsync();
            await stores[1].DisposeAsync();
        }
    }

    private static StoredKey NewKey(byte truncatedId, DateTimeOffset from, TimeSpan service) => new(
        TokenType.PartiallyBlindRsa, [.. RandomNumberGenerator.GetBytes(31), truncatedId], [1], [2], from, from + service);

    private Task<SignerService> OpenAsync(params IReadOnlyList<Plan> plans) => SignerService.OpenAsync(
        new SignerOptions { DataDirectory = _folder.Data, Plans = plans.Count == 0 ? s_plans : plans, KeyFile = _folder.KeyFile, Database = _database.Options, SigningThreads = 1 },
        _time, NullLoggerFactory.Instance, TestSigner.Token);

    /// <summary>All signers publish the same keys, each key signs at each of them, and no two keys share a truncated id or a plan's period. Returns how many there are.</summary>
    private async Task<int> CompareAsync()
    {
        IReadOnlyList<SignerKey>[] published = await Task.WhenAll(_signers.Select(signer => signer.GetKeysAsync(TestSigner.Token).AsTask()));
        string[] told = [.. published.Select(keys => string.Join('\n', keys
            .Select(key => $"{Convert.ToHexString(key.TokenKeyId)} {string.Join(',', key.Plans.Select(plan => $"{plan.PlanId} {plan.Start:u}").Order())}").Order()))];
        Assert.All(told, one => Assert.Equal(told[0], one));
        Assert.Distinct(published[0].Select(key => key.TokenKeyId[^1]));
        Assert.Distinct(published[0].SelectMany(key => key.Plans.Select(plan => (plan.PlanId, plan.Start))));
        foreach (SignerKey key in published[0])
        {
            using var token = BlindedToken.Create(key.Type, key.SubjectPublicKeyInfo, key.Plans[0].Extensions);
            foreach (SignerService signer in _signers.Where(_ => key.Plans[0].IsExchangeableAt(_time.GetUtcNow())))
            {
                SignResponse response = await signer.SignAsync(TestSigner.RequestFor(key, key.Plans[0], SigningPurpose.Exchange, [token]), TestSigner.Token);
                Assert.Equal(SignStatus.Success, response.Status);
                Assert.True(token.Accepts(response.BlindSignatures[0]));
            }
        }

        return published[0].Count;
    }
}
