using System.Security.Cryptography;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Sealing;
using Tacit.Gateway.Tests.Support;
using Tacit.Storage;
using Tacit.Tests;

namespace Tacit.Gateway.Tests;

/// <summary>What two instances on one database, and the next process, know of the sealed requests that were taken.</summary>
public class ReplayGuardTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tacit-replays-").FullName;
    private readonly FakeTime _time = new(TestGateway.Start);
    private RoleDatabase _role = null!;
    private Database _here = null!;
    private Database _there = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private DateTimeOffset End => ReplayGuard.EndOf(_time.GetUtcNow());

    public async ValueTask InitializeAsync()
    {
        _role = await RoleDatabase.CreateAsync(Path.Combine(_folder, "database"));
        await OpenAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await CloseAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Key_is_taken_once_over_instances_and_restarts()
    {
        byte[] key = RandomNumberGenerator.GetBytes(32);
        DateTimeOffset end = End;
        await using (ReplayGuard here = Guard(_here), there = Guard(_there))
        {
            Assert.False(here.HasTaken(key));
            Assert.True(await here.TryTakeAsync(key, end));
            Assert.True(here.HasTaken(key));
            Assert.False(await here.TryTakeAsync(key, end));
            Assert.False(await there.TryTakeAsync(key, end));
            Assert.True(await there.TryTakeAsync(RandomNumberGenerator.GetBytes(32), end));
        }

        await CloseAsync();
        await OpenAsync();
        await using ReplayGuard after = Guard(_here);
        Assert.False(after.HasTaken(key));
        Assert.False(await after.TryTakeAsync(key, end));
    }

    [Fact]
    public async Task Crowd_with_one_key_gets_in_once()
    {
        byte[] key = RandomNumberGenerator.GetBytes(32);
        await using ReplayGuard here = Guard(_here), there = Guard(_there);

        bool[] taken = await Task.WhenAll(Enumerable.Range(0, 100).Select(i => (i % 2 == 0 ? here : there).TryTakeAsync(key, End)));

        Assert.Single(taken, true);
    }

    [Fact]
    public async Task Entry_stays_until_no_instance_would_take_the_request_and_is_then_gone()
    {
        byte[] key = RandomNumberGenerator.GetBytes(32);
        DateTimeOffset end = End;
        await using (ReplayGuard guard = Guard(_here))
        {
            Assert.True(await guard.TryTakeAsync(key, end));
            for (TimeSpan passed = TimeSpan.Zero; passed <= ReplayGuard.Window + ReplayGuard.Skew + ReplayGuard.Skew; passed += TimeSpan.FromSeconds(ReplayGuard.SlotSeconds))
            {
                Assert.Equal(1, await CountAsync());
                _time.Advance(TimeSpan.FromSeconds(ReplayGuard.SlotSeconds));
            }

            // A sweep that is still under way is not started again.
            for (int i = 0; i < 1000 && await CountAsync() > 0; i++)
            {
                _time.Advance(TimeSpan.FromSeconds(ReplayGuard.SlotSeconds));
                await Task.Delay(5, Ct);
            }
        }

        Assert.Equal(0, await CountAsync());
    }

    [Fact]
    public async Task Clock_that_is_set_back_brings_nothing_back_to_the_instance_that_took_it()
    {
        byte[] key = RandomNumberGenerator.GetBytes(32);
        await using ReplayGuard guard = Guard(_here);
        Assert.True(await guard.TryTakeAsync(key, End));
        _time.Advance(TimeSpan.FromHours(1));
        _time.Jump(-TimeSpan.FromHours(1));
        Assert.True(guard.HasTaken(key));
    }

    [Fact]
    public async Task Store_from_a_backup_takes_nothing_that_was_sent_before_it_was_put_back()
    {
        DateTimeOffset now = _time.GetUtcNow();
        await _here.WriteAsync(session => ReplayGuard.Mark(session, now), Ct);
        await using ReplayGuard guard = Guard(_here);

        Assert.False(await guard.TryTakeAsync(RandomNumberGenerator.GetBytes(32), ReplayGuard.EndOf(now)));

        // Taken a moment ago, of a client whose clock is ahead.
        Assert.False(await guard.TryTakeAsync(RandomNumberGenerator.GetBytes(32), ReplayGuard.EndOf(now + ReplayGuard.Skew)));
        Assert.True(await guard.TryTakeAsync(RandomNumberGenerator.GetBytes(32), ReplayGuard.EndOf(now + ReplayGuard.Skew).AddSeconds(ReplayGuard.SlotSeconds)));
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(30_000, true)]
    [InlineData(30_001, false)]
    [InlineData(-90_000, true)]
    [InlineData(-90_001, false)]
    public async Task Request_is_of_this_moment_within_window_and_skew(int milliseconds, bool isTaken)
    {
        await using ReplayGuard guard = Guard(_here);
        TimeSpan ahead = TimeSpan.FromMilliseconds(milliseconds);
        Assert.Equal(isTaken ? null : ahead, guard.FindSkew(_time.GetUtcNow() + ahead));
    }

    private ReplayGuard Guard(Database database) => new(database, _time, NullLogger.Instance);

    private Task<long?> CountAsync() => _here.ReadAsync(session => session.QueryInt64("SELECT COUNT(*) FROM sealed_taken"), Ct);

    private async Task OpenAsync()
    {
        string file = Path.Combine(_folder, "gateway.db");
        _here = await _role.OpenAsync(file, SpendTables.Migrations, _time, serializable: false);
        _there = RoleDatabase.IsPostgres ? await _role.OpenAsync("", SpendTables.Migrations, _time, serializable: false) : _here;
    }

    private async Task CloseAsync()
    {
        await _there.DisposeAsync();
        await _here.DisposeAsync();
    }
}
