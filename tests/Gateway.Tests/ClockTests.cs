using System.Net;
using Microsoft.AspNetCore.Http;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Devices;
using Tacit.Gateway.Pseudonyms;
using Tacit.Gateway.Tests.Support;
using Tacit.Storage;
using Tacit.Tests;

namespace Tacit.Gateway.Tests;

/// <summary>A clock that jumps a year ahead and is put right: what was lost by it, and what stands.</summary>
public class ClockTests : IAsyncLifetime
{
    private static readonly DateTimeOffset s_now = TestGateway.Start;
    private static readonly DateTimeOffset s_ahead = s_now.AddYears(1);
    private static readonly byte[] s_device = [.. Enumerable.Repeat((byte)3, 32)];

    private readonly string _folder = Directory.CreateTempSubdirectory("tacit-clock-").FullName;
    private Database _database = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        RoleDatabase role = await RoleDatabase.CreateAsync(Path.Combine(_folder, "database"));
        _database = await role.OpenAsync(Path.Combine(_folder, "gateway.db"), SpendTables.Migrations, TimeProvider.System, serializable: false);
    }

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Bans_replacements_and_refusals_outlast_it_and_end_when_they_are_over()
    {
        PseudonymStore store = await PseudonymStore.OpenAsync(_database, Ct);
        await store.BanAsync(new PseudonymBan("banned", "spam", s_now.AddDays(30)), Ct);
        await store.ReplaceAsync("old", "new", s_now.AddDays(30), Ct);
        await store.CountRefusalAsync(["refused"], s_now, Ct);
        foreach (DateTimeOffset time in (DateTimeOffset[])[s_now, s_ahead, s_ahead.AddHours(1), s_now.AddHours(2), s_now.AddDays(2)])
        {
            await store.PurgeAsync(time, Ct);
        }

        PseudonymRegister register = (await store.ReadAsync(0, Ct))!;
        Assert.Equal((true, true), (register.Bans.ContainsKey("banned"), register.Successors.ContainsKey("old")));
        Assert.Contains(await store.ListAsync(s_now, 10, Ct), line => line is { Id: "refused", Refused: 1 });

        await store.PurgeAsync(s_now.AddDays(40), Ct);
        await store.PurgeAsync(s_now.AddDays(42), Ct);
        register = (await store.ReadAsync(0, Ct))!;
        Assert.Equal((0, 0), (register.Bans.Count, register.Successors.Count));
        Assert.Empty(await store.ListAsync(s_now, 10, Ct));
    }

    [Fact]
    public async Task Device_that_asked_meanwhile_is_not_held_to_it()
    {
        var store = new DeviceStore(_database);
        var limits = new RateLimits(null, 1, null, null);
        Assert.Equal(UsageVerdict.Taken, (await store.TakeAsync(s_device, s_ahead.ToUnixTimeSeconds(), limits, 100, 100)).Verdict);
        Assert.Equal(UsageVerdict.Requests, (await store.TakeAsync(s_device, s_ahead.ToUnixTimeSeconds(), limits, null, 0)).Verdict);

        Assert.Equal(UsageVerdict.Taken, (await store.TakeAsync(s_device, s_now.ToUnixTimeSeconds(), limits, 100, 100)).Verdict);
        // The limit holds all the same, also for an instance whose clock is a little behind.
        Assert.Equal(UsageVerdict.Requests, (await store.TakeAsync(s_device, s_now.ToUnixTimeSeconds() - 5, limits, 100, 0)).Verdict);
    }

    [Fact]
    public async Task Periods_of_devices_are_over_at_the_second_look_only()
    {
        var store = new DeviceStore(_database);
        long day = 86400, now = s_now.ToUnixTimeSeconds();
        Assert.Null(await store.FindOverAsync(now, Ct));
        Assert.Equal(now, await store.FindOverAsync(s_ahead.ToUnixTimeSeconds(), Ct));
        Assert.Null(await store.FindOverAsync(s_ahead.ToUnixTimeSeconds() + 5, Ct));
        Assert.Null(await store.FindOverAsync(now + 60, Ct));
        Assert.Equal(now + 60, await store.FindOverAsync(now + day, Ct));
    }

    [Fact]
    public void Address_that_asked_meanwhile_is_not_held_to_it()
    {
        var time = new FakeTime(s_now);
        var limiter = new AddressLimiter(new AddressOptions { Tokens = true, PerMinute = 1 }, time);
        var context = new DefaultHttpContext { Connection = { RemoteIpAddress = IPAddress.Parse("192.0.2.1") } };
        time.Jump(s_ahead - s_now);
        Assert.Null(limiter.Check(context, isToken: true));
        Assert.NotNull(limiter.Check(context, isToken: true));
        time.Jump(s_now - s_ahead);
        time.Advance(TimeSpan.FromMinutes(2));
        Assert.Null(limiter.Check(context, isToken: true));
    }
}
