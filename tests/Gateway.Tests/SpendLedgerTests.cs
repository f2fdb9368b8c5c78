using System.Security.Cryptography;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Tests.Support;
using Tacit.Storage;
using Tacit.Tests;

namespace Tacit.Gateway.Tests;

/// <summary>The spend record by itself: two instances on one database, and who may write what.</summary>
public class SpendLedgerTests : IAsyncLifetime
{
    private static readonly DateTimeOffset s_deadline = TestGateway.March.Deadline;
    private static readonly byte[] s_here = [.. Enumerable.Repeat((byte)1, InstanceLease.IdSizeInBytes)];
    private static readonly byte[] s_there = [.. Enumerable.Repeat((byte)2, InstanceLease.IdSizeInBytes)];

    private readonly string _folder = Directory.CreateTempSubdirectory("tacit-ledger-").FullName;
    private readonly FakeTime _time = new(TestGateway.Start);
    private readonly byte[] _tag = RandomNumberGenerator.GetBytes(TokenKeys.RequestTagSizeInBytes);
    private readonly SpendId _id = new(RandomNumberGenerator.GetBytes(SpendId.SizeInBytes));
    private Database _database = null!;
    private Database _otherDatabase = null!;
    private SpendLedger _hereLedger = null!;
    private SpendLedger _thereLedger = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        RoleDatabase role = await RoleDatabase.CreateAsync(Path.Combine(_folder, "database"));
        _database = await role.OpenAsync(Path.Combine(_folder, "gateway.db"), SpendTables.Migrations, _time, serializable: false);

        // A file has one owner, so two instances on SQLite are two ledgers on one connection; on PostgreSQL each has its own.
        _otherDatabase = RoleDatabase.IsPostgres ? await role.OpenAsync("", SpendTables.Migrations, _time, serializable: false) : _database;
        (_hereLedger, _thereLedger) = (new SpendLedger(_database, s_here, _time), new SpendLedger(_otherDatabase, s_there, _time));
        await Task.WhenAll(OpenAsync(_hereLedger), OpenAsync(_thereLedger));
    }

    public async ValueTask DisposeAsync()
    {
        await _otherDatabase.DisposeAsync();
        await _database.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>As where a machine's image was copied with the data folder in it.</summary>
    [Fact]
    public async Task Second_process_with_an_id_has_it_and_the_first_says_so_and_writes_no_more()
    {
        var lost = new TaskCompletionSource();
        InstanceLease first = await InstanceLease.AcquireAsync(_database, s_there, "http://first:8226/", _time, NullLogger.Instance, Ct);
        first.Lost = lost.SetResult;
        await using InstanceLease second = await InstanceLease.AcquireAsync(_database, s_there, "http://second:8226/", _time, NullLogger.Instance, Ct);
        _time.Advance(TimeSpan.FromSeconds(10));
        await lost.Task.WaitAsync(TimeSpan.FromMinutes(2), Ct);
        Assert.Equal((false, true), (first.IsHeld, second.IsHeld));

        // Its end is not the other's.
        await first.DisposeAsync();
        await _thereLedger.SpendAsync(s_deadline, _id, _tag);
        SpendDecision elsewhere = await _hereLedger.SpendAsync(s_deadline, _id, _tag);
        Assert.Equal((SpendVerdict.OwnedElsewhere, "http://second:8226/"), (elsewhere.Verdict, elsewhere.OwnerAddress));
    }

    [Fact]
    public async Task Ends_beyond_what_is_written_at_once_do_not_wait_for_the_next_time()
    {
        SpendId first = new(new byte[SpendId.SizeInBytes]);
        SpendClaim begin = (await _hereLedger.SpendAsync(s_deadline, first, _tag)).Claim;
        SpendClaim end = (await _hereLedger.SpendAsync(s_deadline, _id, _tag)).Claim;
        await using var writer = new SpentWriter(_hereLedger, _time, NullLogger.Instance);
        writer.Add(begin);
        for (int i = 1; i < SpentWriter.MaxGathered; i++)
        {
            writer.Add(new SpendClaim(s_deadline, new SpendId(RandomNumberGenerator.GetBytes(SpendId.SizeInBytes)), 0, 0));
        }

        writer.Add(end);
        await UntilSpentAsync(first, () => _time.Advance(TimeSpan.FromSeconds(1)));
        // From here on the clock stands.
        await UntilSpentAsync(_id, () => { });

        async Task UntilSpentAsync(SpendId id, Action meanwhile)
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(Ct);
            patience.CancelAfter(TimeSpan.FromMinutes(1));
            string sql = $"SELECT state FROM {SpendTables.TableName(s_deadline)} WHERE spend_id = $1";
            while (await _database.ReadAsync(session => session.QueryInt64(sql, id.ToArray()), Ct) != (int)SpendState.Spent)
            {
                meanwhile();
                await Task.Delay(5, patience.Token);
            }
        }
    }

    [Fact]
    public async Task Request_in_flight_at_a_live_instance_is_left_to_it_and_taken_over_when_its_lease_is_over()
    {
        await using InstanceLease lease = await InstanceLease.AcquireAsync(
            _database, s_there, "http://there:8226/", _time, NullLogger.Instance, Ct);
        SpendDecision first = await _thereLedger.SpendAsync(s_deadline, _id, _tag);
        Assert.Equal(SpendVerdict.Granted, first.Verdict);

        SpendDecision elsewhere = await _hereLedger.SpendAsync(s_deadline, _id, _tag);
        Assert.Equal((SpendVerdict.OwnedElsewhere, "http://there:8226/"), (elsewhere.Verdict, elsewhere.OwnerAddress));

        _time.Jump(InstanceLease.Lifetime + TimeSpan.FromSeconds(1));
        SpendDecision taken = await _hereLedger.SpendAsync(s_deadline, _id, _tag);
        Assert.Equal((SpendVerdict.Granted, 1), (taken.Verdict, taken.Claim.Takeovers));

        // The one that was thought dead can no longer end what is not its own.
        Assert.NotEqual(ReturnOutcome.Returned, await _thereLedger.ReturnAsync(first.Claim, Ct));
        await _thereLedger.FinishAsync([first.Claim], Ct);
        SpendDecision again = await _hereLedger.SpendAsync(s_deadline, _id, _tag);
        Assert.Equal((SpendVerdict.Granted, 2), (again.Verdict, again.Claim.Takeovers));
        await _hereLedger.FinishAsync([taken.Claim], Ct);
        Assert.Equal(SpendVerdict.ReplyGone, (await _hereLedger.SpendAsync(s_deadline, _id, _tag)).Verdict);
    }

    [Fact]
    public async Task Token_is_granted_to_one_of_many_instances_and_requests_at_once()
    {
        SpendDecision[] decisions = await Task.WhenAll(Enumerable.Range(0, 400).Select(i =>
            (i % 2 == 0 ? _hereLedger : _thereLedger).SpendAsync(s_deadline, _id, RandomNumberGenerator.GetBytes(TokenKeys.RequestTagSizeInBytes))));
        Assert.Single(decisions, decision => decision.Verdict == SpendVerdict.Granted);
        Assert.Equal(399, decisions.Count(decision => decision.Verdict == SpendVerdict.OtherRequest));
    }

    [Fact]
    public async Task Claim_from_before_a_return_cannot_end_the_row_that_is_used_again()
    {
        SpendDecision first = await _hereLedger.SpendAsync(s_deadline, _id, _tag);
        Assert.Equal(ReturnOutcome.Returned, await _hereLedger.ReturnAsync(first.Claim, Ct));
        byte[] otherTag = RandomNumberGenerator.GetBytes(TokenKeys.RequestTagSizeInBytes);
        SpendDecision second = await _hereLedger.SpendAsync(s_deadline, _id, otherTag);
        Assert.Equal((SpendVerdict.Granted, 1), (second.Verdict, second.Claim.Returns));

        await _hereLedger.FinishAsync([first.Claim], Ct);
        Assert.Equal(ReturnOutcome.Spent, await _hereLedger.ReturnAsync(first.Claim, Ct));
        Assert.Equal(ReturnOutcome.Returned, await _hereLedger.ReturnAsync(second.Claim, Ct));
    }

    [Fact]
    public async Task Spend_in_a_period_that_is_dropped_meanwhile_fails_alone()
    {
        DateTimeOffset other = s_deadline.AddMonths(1);
        await _hereLedger.OpenPeriodsAsync([other], Ct);
        Task dropping = _hereLedger.DropPeriodsAsync(deadline => deadline == s_deadline, Ct);
        Task<SpendDecision> late = _hereLedger.SpendAsync(s_deadline, _id, _tag);
        Task<SpendDecision> well = _hereLedger.SpendAsync(other, _id, _tag);
        await dropping;
        Assert.Equal(SpendVerdict.PeriodOver, (await late).Verdict);
        Assert.Equal(SpendVerdict.Granted, (await well).Verdict);
    }

    [Fact]
    public async Task Database_that_is_gone_fails_every_spend_that_waits()
    {
        await _database.DisposeAsync();
        Task<SpendDecision>[] spends = [.. Enumerable.Range(0, 10).Select(_ => _hereLedger.SpendAsync(s_deadline, _id, _tag))];
        foreach (Task<SpendDecision> spend in spends)
        {
            await Assert.ThrowsAnyAsync<Exception>(() => spend);
        }
    }

    [Fact]
    public async Task Every_token_of_many_is_granted_once_by_two_instances_that_get_all_of_them_in_different_order()
    {
        SpendId[] ids = [.. Enumerable.Range(0, 300).Select(_ => new SpendId(RandomNumberGenerator.GetBytes(SpendId.SizeInBytes)))];
        Task<SpendDecision>[] here = [.. ids.Select(id => Task.Run(() => _hereLedger.SpendAsync(s_deadline, id, RandomNumberGenerator.GetBytes(TokenKeys.RequestTagSizeInBytes))))];
        Task<SpendDecision>[] there = [.. ids.Reverse().Select(id => Task.Run(() => _thereLedger.SpendAsync(s_deadline, id, RandomNumberGenerator.GetBytes(TokenKeys.RequestTagSizeInBytes))))];
        SpendDecision[] fromHere = await Task.WhenAll(here);
        SpendDecision[] fromThere = [.. (await Task.WhenAll(there)).Reverse()];
        Assert.All(fromHere.Zip(fromThere), pair => Assert.Equal(
            [SpendVerdict.Granted, SpendVerdict.OtherRequest], new[] { pair.First.Verdict, pair.Second.Verdict }.Order()));
    }

    [Fact]
    public async Task Period_that_another_instance_dropped_is_over_here_too_and_never_opened_again()
    {
        SpendDecision before = await _hereLedger.SpendAsync(s_deadline, _id, _tag);
        await _thereLedger.DropPeriodsAsync(_ => true, Ct);
        Assert.Equal(SpendVerdict.Granted, before.Verdict);
        Assert.True(_hereLedger.IsOpen(s_deadline));
        SpendId next = new(RandomNumberGenerator.GetBytes(SpendId.SizeInBytes));
        await _hereLedger.FinishAsync([before.Claim], Ct);
        Assert.Equal(SpendVerdict.PeriodOver, (await _hereLedger.SpendAsync(s_deadline, next, _tag)).Verdict);
        Assert.Equal(SpendVerdict.PeriodOver, await _hereLedger.SpendForExchangeAsync(s_deadline, next, _tag, Ct));
        Assert.False(await _hereLedger.IsExchangedAsync(s_deadline, next, _tag, Ct));
        Assert.Equal(ReturnOutcome.Spent, await _hereLedger.ReturnAsync(before.Claim, Ct));
        foreach (SpendLedger ledger in (SpendLedger[])[_hereLedger, _thereLedger, new SpendLedger(_database, s_here, _time)])
        {
            await ledger.OpenPeriodsAsync([s_deadline, s_deadline.AddDays(-1)], Ct);
            Assert.False(ledger.IsOpen(s_deadline));
            Assert.False(ledger.IsOpen(s_deadline.AddDays(-1)));
        }
    }

    [Fact]
    public async Task Instances_that_open_and_drop_the_same_periods_at_once_while_they_spend_disturb_no_spend()
    {
        DateTimeOffset[] deadlines = [.. Enumerable.Range(1, 6).Select(day => s_deadline.AddDays(day))];
        SpendLedger[] ledgers = [_hereLedger, _thereLedger];
        await Task.WhenAll(ledgers.Select(ledger => ledger.OpenPeriodsAsync(deadlines, Ct)));
        Assert.All(deadlines, deadline => Assert.All(ledgers, ledger => Assert.True(ledger.IsOpen(deadline))));

        // From the oldest on, as time goes by, and at both at the same moment.
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        Task[] spenders = [.. ledgers.Select(ledger => Task.Run(
            async () =>
            {
                while (!stop.IsCancellationRequested)
                {
                    SpendDecision[] decisions = await Task.WhenAll(deadlines.Select(deadline =>
                        ledger.SpendAsync(deadline, new SpendId(RandomNumberGenerator.GetBytes(SpendId.SizeInBytes)), _tag)));
                    Assert.All(decisions, decision => Assert.True(decision.Verdict is SpendVerdict.Granted or SpendVerdict.PeriodOver));
                    Assert.Equal(SpendVerdict.Granted, decisions[^1].Verdict);
                }
            },
            Ct))];
        foreach (DateTimeOffset over in deadlines.SkipLast(1))
        {
            await Task.WhenAll(ledgers.Select(ledger => ledger.DropPeriodsAsync(deadline => deadline <= over, Ct)));
        }

        await stop.CancelAsync();
        await Task.WhenAll(spenders);
        Assert.All(ledgers, ledger => Assert.Equal([deadlines[^1]], deadlines.Where(ledger.IsOpen)));
    }

    private static async Task OpenAsync(SpendLedger ledger)
    {
        await ledger.LoadAsync(Ct);
        await ledger.OpenPeriodsAsync([s_deadline], Ct);
    }
}
