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
    private SpendLedger _hereLedger = null!;
    private SpendLedger _thereLedger = null!;

    public async ValueTask InitializeAsync()
    {
        RoleDatabase role = await RoleDatabase.CreateAsync(Path.Combine(_folder, "database"));
        _database = await role.OpenAsync(Path.Combine(_folder, "gateway.db"), SpendTables.Migrations, _time, serializable: false);
        _hereLedger = await OpenAsync(s_here);
        _thereLedger = await OpenAsync(s_there);
    }

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Request_in_flight_at_a_live_instance_is_left_to_it_and_taken_over_when_its_lease_is_over()
    {
        await using InstanceLease lease = await InstanceLease.AcquireAsync(
            _database, s_there, "http://there:8226/", _time, NullLogger.Instance, TestContext.Current.CancellationToken);
        SpendDecision first = await _thereLedger.SpendAsync(s_deadline, _id, _tag);
        Assert.Equal(SpendVerdict.Granted, first.Verdict);

        SpendDecision elsewhere = await _hereLedger.SpendAsync(s_deadline, _id, _tag);
        Assert.Equal((SpendVerdict.OwnedElsewhere, "http://there:8226/"), (elsewhere.Verdict, elsewhere.OwnerAddress));

        _time.Jump(InstanceLease.Lifetime + TimeSpan.FromSeconds(1));
        SpendDecision taken = await _hereLedger.SpendAsync(s_deadline, _id, _tag);
        Assert.Equal((SpendVerdict.Granted, 1), (taken.Verdict, taken.Claim.Takeovers));

        // The one that was thought dead can no longer end what is not its own.
        Assert.NotEqual(ReturnOutcome.Returned, await _thereLedger.ReturnAsync(first.Claim, TestContext.Current.CancellationToken));
        await _thereLedger.FinishAsync([first.Claim], TestContext.Current.CancellationToken);
        SpendDecision again = await _hereLedger.SpendAsync(s_deadline, _id, _tag);
        Assert.Equal((SpendVerdict.Granted, 2), (again.Verdict, again.Claim.Takeovers));
        await _hereLedger.FinishAsync([taken.Claim], TestContext.Current.CancellationToken);
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
        Assert.Equal(ReturnOutcome.Returned, await _hereLedger.ReturnAsync(first.Claim, TestContext.Current.CancellationToken));
        byte[] otherTag = RandomNumberGenerator.GetBytes(TokenKeys.RequestTagSizeInBytes);
        SpendDecision second = await _hereLedger.SpendAsync(s_deadline, _id, otherTag);
        Assert.Equal((SpendVerdict.Granted, 1), (second.Verdict, second.Claim.Returns));

        await _hereLedger.FinishAsync([first.Claim], TestContext.Current.CancellationToken);
        Assert.Equal(ReturnOutcome.Spent, await _hereLedger.ReturnAsync(first.Claim, TestContext.Current.CancellationToken));
        Assert.Equal(ReturnOutcome.Returned, await _hereLedger.ReturnAsync(second.Claim, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Spend_in_a_period_that_is_dropped_meanwhile_fails_alone()
    {
        DateTimeOffset other = s_deadline.AddMonths(1);
        await _hereLedger.OpenPeriodsAsync([other], TestContext.Current.CancellationToken);
        Task dropping = _hereLedger.DropPeriodsAsync(deadline => deadline == s_deadline, TestContext.Current.CancellationToken);
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

    private async Task<SpendLedger> OpenAsync(byte[] instance)
    {
        var ledger = new SpendLedger(_database, instance, _time);
        await ledger.LoadAsync(TestContext.Current.CancellationToken);
        await ledger.OpenPeriodsAsync([s_deadline], TestContext.Current.CancellationToken);
        return ledger;
    }
}
