using Tacit.Gateway.Admission;
using Tacit.Gateway.Pseudonyms;
using Tacit.Gateway.Tests.Support;
using Tacit.Storage;
using Tacit.Tests;

namespace Tacit.Gateway.Tests;

/// <summary>What two instances on one database know of each other's pseudonyms.</summary>
public class PseudonymLedgerTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tacit-pseudonyms-").FullName;
    private readonly FakeTime _time = new(TestGateway.Start);
    private Database _here = null!;
    private Database _there = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        RoleDatabase role = await RoleDatabase.CreateAsync(Path.Combine(_folder, "database"));
        _here = await role.OpenAsync(Path.Combine(_folder, "gateway.db"), SpendTables.Migrations, _time, serializable: false);
        _there = RoleDatabase.IsPostgres ? await role.OpenAsync("", SpendTables.Migrations, _time, serializable: false) : _here;
    }

    public async ValueTask DisposeAsync()
    {
        await _there.DisposeAsync();
        await _here.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Instances_call_a_pseudonym_the_same_and_see_each_others_bans_and_replacements()
    {
        PseudonymStore[] stores = await Task.WhenAll(PseudonymStore.OpenAsync(_here, Ct), PseudonymStore.OpenAsync(_there, Ct));
        string id = stores[0].IdOf(new byte[98]);
        Assert.Equal(id, stores[1].IdOf(new byte[98]));
        PseudonymRegister before = (await stores[1].ReadAsync(0, Ct))!;
        Assert.Null(await stores[1].ReadAsync(before.Version, Ct));

        await stores[0].BanAsync(new PseudonymBan(id, "spam", null), Ct);
        Assert.True(await stores[0].ReplaceAsync("old", "new", TestGateway.March.Deadline, Ct));
        PseudonymRegister after = (await stores[1].ReadAsync(before.Version, Ct))!;
        Assert.Equal("spam", after.Bans[id].Reason);
        Assert.Equal("old", after.Predecessors["new"]);
        Assert.True(await stores[1].ReplaceAsync("old", "new", TestGateway.March.Deadline, Ct));
        Assert.False(await stores[1].ReplaceAsync("old", "third", TestGateway.March.Deadline, Ct));
        Assert.False(await stores[1].ReplaceAsync("other", "new", TestGateway.March.Deadline, Ct));
    }

    [Fact]
    public async Task Limit_is_never_passed_by_several_instances_together_and_what_was_not_used_comes_back()
    {
        const int Limit = 100;
        PseudonymQuota[] quotas = [.. new[] { _here, _there, _here }.Select(database => new PseudonymQuota(database, new PseudonymLimits { PerHour = Limit }, _time))];
        int granted = 0;
        await Task.WhenAll(Enumerable.Range(0, 150).Select(async i =>
        {
            if ((await quotas[i % 3].TakeAsync("somebody")).Wait is null)
            {
                Interlocked.Increment(ref granted);
            }
        }));
        // Each may end with a few set aside: less than a sixteenth of the limit.
        Assert.InRange(granted, Limit - (3 * 5), Limit);

        _time.Advance(TimeSpan.FromHours(1));
        Assert.Null((await quotas[0].TakeAsync("somebody")).Wait);
        await quotas[0].ReturnAsync();
        for (int i = 1; i < Limit; i++)
        {
            Assert.Null((await quotas[1].TakeAsync("somebody")).Wait);
        }

        Assert.NotNull((await quotas[1].TakeAsync("somebody")).Wait);
        Assert.NotNull((await quotas[2].TakeAsync("somebody")).Wait);
    }

    [Fact]
    public async Task What_is_over_is_forgotten()
    {
        PseudonymStore store = await PseudonymStore.OpenAsync(_here, Ct);
        var quota = new PseudonymQuota(_here, new PseudonymLimits { PerMinute = 10, PerHour = 10, PerDay = 10 }, _time);
        await quota.TakeAsync("somebody");
        await store.CountRefusalAsync(["somebody"], _time.GetUtcNow(), Ct);
        await store.BanAsync(new PseudonymBan("somebody", "spam", _time.GetUtcNow().AddHours(1)), Ct);
        Assert.True(Assert.Single(await store.ListAsync(_time.GetUtcNow(), 10, Ct)) is { Refused: 1, Today: 1, IsBanned: true });
        _time.Advance(TimeSpan.FromDays(32));
        // At the second look, a day after the first: see ClockTests.
        await store.PurgeAsync(_time.GetUtcNow(), Ct);
        Assert.Single(await store.ListAsync(_time.GetUtcNow(), 10, Ct));
        _time.Advance(TimeSpan.FromDays(1));
        await store.PurgeAsync(_time.GetUtcNow(), Ct);
        Assert.Empty(await store.ListAsync(_time.GetUtcNow(), 10, Ct));
        Assert.Equal(0, await _here.ReadAsync(session => session.QueryInt64("SELECT COUNT(*) FROM pseudonym_count"), Ct));
    }
}
