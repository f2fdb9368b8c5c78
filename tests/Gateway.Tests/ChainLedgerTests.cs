using System.Security.Cryptography;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Catalog;
using Tacit.Gateway.Chains;
using Tacit.Gateway.Tests.Support;
using Tacit.Protocol;
using Tacit.Storage;
using Tacit.Tests;

namespace Tacit.Gateway.Tests;

/// <summary>What the spend record says of chains, by itself: several instances on one database, one of them dead.</summary>
public class ChainLedgerTests : IAsyncLifetime
{
    private static readonly DateTimeOffset s_deadline = TestGateway.March.Deadline;
    private static readonly int s_chains = Environment.GetEnvironmentVariable("TACIT_SOAK") == "1" ? 2000 : 300;

    private readonly string _folder = Directory.CreateTempSubdirectory("tacit-chains-").FullName;
    private readonly FakeTime _time = new(TestGateway.Start);
    private readonly TestIssuer _issuer = new();
    private RedemptionKey _key = null!;
    private Database _database = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _issuer.AddPlan(TestGateway.MonthlyPlan, TestGateway.March);
        Assert.True(IssuerDirectory.TryParse(_issuer.Publish(), out IssuerDirectory? directory, out string? error), error);
        DirectoryTokenKey tokenKey = directory.FindTokenKey(_issuer.KeyOf("monthly").TokenKeyId)!;
        Assert.True(TokenPublicKey.TryImport(TokenType.BlindRsa, tokenKey.SubjectPublicKeyInfo, default, out TokenPublicKey? publicKey));
        _key = new RedemptionKey
        {
            PublicKey = publicKey, SubjectPublicKeyInfo = tokenKey.SubjectPublicKeyInfo, Plan = TestGateway.MonthlyPlan,
            NotBefore = TestGateway.March.IssueFrom, Deadline = s_deadline, ExchangeUntil = TestGateway.March.ExchangeUntil,
        };
        await OpenAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        _issuer.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>
    /// Spends, exchanges, ends, crashes, takeovers and zombies, in any order and at the same time: whatever is granted, one token's renewals are all for one
    /// successor, and what is refused once is never granted again.
    /// </summary>
    [Fact]
    public async Task Row_never_changes_its_successor_whatever_comes_in_whatever_order()
    {
        Node[] nodes = [await NodeAsync(1, lives: true), await NodeAsync(2, lives: true), await NodeAsync(3, lives: false)];
        ChainLink[] links = [NewLink(), NewLink(), NewLink()];
        byte[][] tags = [RandomNumberGenerator.GetBytes(32), RandomNumberGenerator.GetBytes(32)];
        Walk[] walks = await Task.WhenAll(Enumerable.Range(0, s_chains).Select(_ => WalkAsync(nodes, links, tags)));

        Assert.All(walks, walk => Assert.InRange(walk.Signed.Count, 0, 1));
        Assert.Contains(walks, walk => walk.Takeovers > 0);
        Assert.Contains(walks, walk => walk.WasRefused);
        Assert.Contains(walks, walk => walk.Signed.Count == 1);

        // And what may have been signed is never more than what is counted.
        (long spent, long repeated) = await TotalsAsync();
        Assert.Equal(walks.Count(walk => walk.IsSpent), spent);
        Assert.InRange(walks.Sum(walk => walk.Asked), 0, spent + repeated);
    }

    [Fact]
    public async Task Exchange_ends_the_request_of_a_dead_instance_and_not_of_a_live_one()
    {
        Node here = await NodeAsync(1, lives: true);
        Node live = await NodeAsync(2, lives: true);
        Node dead = await NodeAsync(3, lives: false);
        ChainLink link = NewLink();
        foreach ((Node owner, RenewalVerdict expected) in new[] { (live, RenewalVerdict.InFlight), (dead, RenewalVerdict.Granted) })
        {
            SpendId id = NewId();
            byte[] tag = RandomNumberGenerator.GetBytes(32);
            SpendDecision spend = await owner.Ledger.SpendAsync(s_deadline, id, tag, link);
            Assert.Equal(SpendVerdict.Granted, spend.Verdict);
            Assert.Equal(expected, await here.Ledger.BindForRenewalAsync(id, tag, link, _ => false));

            // Once it has ended, always.
            await owner.Ledger.FinishAsync([spend.Claim], Ct);
            Assert.Equal(RenewalVerdict.Granted, await here.Ledger.BindForRenewalAsync(id, tag, link, _ => false));
            Assert.Equal(RenewalVerdict.OtherSuccessor, await here.Ledger.BindForRenewalAsync(id, tag, NewLink(), _ => false));
        }
    }

    [Fact]
    public async Task Row_of_a_request_token_has_no_successor_and_takes_none()
    {
        Node here = await NodeAsync(1, lives: true);
        SpendId id = NewId();
        byte[] tag = RandomNumberGenerator.GetBytes(32);
        Assert.Equal(SpendVerdict.Granted, (await here.Ledger.SpendAsync(s_deadline, id, tag)).Verdict);
        Assert.Equal(SpendVerdict.OtherRequest, (await here.Ledger.SpendAsync(s_deadline, id, tag, NewLink())).Verdict);
        Assert.Equal(RenewalVerdict.OtherSuccessor, await here.Ledger.BindForRenewalAsync(id, tag, NewLink(), _ => false));
        Assert.Equal((0, 0), await TotalsAsync());
    }

    [Fact]
    public async Task Table_from_before_there_were_chains_takes_them_and_keeps_its_rows()
    {
        await _database.DisposeAsync();
        SpendId id = NewId();
        byte[] tag = RandomNumberGenerator.GetBytes(32);
        RoleDatabase role = await RoleDatabase.CreateAsync(Path.Combine(_folder, "old"));
        string path = Path.Combine(_folder, "old.db");
        await using (Database old = await role.OpenAsync(path, [SpendTables.Migrations[0]], _time, serializable: false))
        {
            await old.WriteAsync(
                session =>
                {
                    string table = SpendTables.TableName(s_deadline);
                    session.Execute(session.Dialect.Render($$"""
                        CREATE TABLE {{table}} (spend_id {blob} NOT NULL PRIMARY KEY, request_tag {blob} NOT NULL, owner {blob} NOT NULL, state {int} NOT NULL,
                          returns {int} NOT NULL, takeovers {int} NOT NULL) {without_rowid}
                        """));
                    session.Execute($"INSERT INTO {table} VALUES ($1, $2, $3, 1, 0, 0)", id.ToArray(), tag, new byte[16]);
                    session.Execute("INSERT INTO periods (deadline, dropped) VALUES ($1, 0)", s_deadline.ToUnixTimeSeconds());
                },
                Ct);
        }

        _database = await role.OpenAsync(path, SpendTables.Migrations, _time, serializable: false);
        Node here = await NodeAsync(1, lives: true);
        Node there = await NodeAsync(2, lives: true);
        Assert.Equal(SpendVerdict.ReplyGone, (await here.Ledger.SpendAsync(s_deadline, id, tag)).Verdict);
        ChainLink link = NewLink();
        SpendId chain = NewId();
        Assert.Equal(RenewalVerdict.Granted, await there.Ledger.BindForRenewalAsync(chain, tag, link, _ => false));
        Assert.Equal(RenewalVerdict.OtherSuccessor, await here.Ledger.BindForRenewalAsync(chain, tag, NewLink(), _ => false));
    }

    private async Task OpenAsync()
    {
        RoleDatabase role = await RoleDatabase.CreateAsync(Path.Combine(_folder, "database"));
        _database = await role.OpenAsync(Path.Combine(_folder, "gateway.db"), SpendTables.Migrations, _time, serializable: false);
    }

    private static SpendId NewId() => new(RandomNumberGenerator.GetBytes(SpendId.SizeInBytes));

    private static async Task<Walk> WalkAsync(Node[] nodes, ChainLink[] links, byte[][] tags)
    {
        var walk = new Walk();
        SpendId id = NewId();
        var open = new List<(Node Node, SpendClaim Claim, ChainLink Link)>();
        var live = new HashSet<Node>();
        for (int step = 0; step < 30; step++)
        {
            Node node = nodes[RandomNumberGenerator.GetInt32(nodes.Length)];

            // Mostly the same request and successor, or hardly any row would come far.
            ChainLink link = links[Math.Max(0, RandomNumberGenerator.GetInt32(-4, links.Length))];
            byte[] tag = tags[Math.Max(0, RandomNumberGenerator.GetInt32(-4, tags.Length))];
            switch (RandomNumberGenerator.GetInt32(step == 0 ? 6 : 10))
            {
                case 0 or 1 or 2 or 3 or 4 when !live.Contains(node):
                    SpendDecision spend = await node.Ledger.SpendAsync(s_deadline, id, tag, link);
                    if (spend.Verdict == SpendVerdict.Granted)
                    {
                        // It would be signed with its reply.
                        Assert.False(walk.WasRefused);
                        walk.IsSpent = true;
                        walk.Takeovers = Math.Max(walk.Takeovers, spend.Claim.Takeovers);
                        open.Add((node, spend.Claim, link));
                        live.Add(node);
                    }

                    break;
                case 5 when open.Count > 0:
                    // An end, perhaps of one that was taken over meanwhile and does not know it.
                    (Node Node, SpendClaim Claim, ChainLink Link) ended = open[RandomNumberGenerator.GetInt32(open.Count)];
                    open.Remove(ended);
                    live.Remove(ended.Node);
                    await ended.Node.Ledger.FinishAsync([ended.Claim], Ct);
                    walk.Sign(ended.Link);
                    break;
                case 6:
                    // The process dies, and starts again under the same id.
                    live.Remove(node);
                    open.RemoveAll(claim => claim.Node == node);
                    break;
                case 7 when open.Count == 1 && !walk.WasRefused && open[0].Node.Lives:
                    await open[0].Node.Ledger.RefuseRenewalAsync(open[0].Claim);
                    walk.WasRefused = await IsRefusedAsync(open[0].Node, id, tags[0], open[0].Link);
                    break;
                default:
                    RenewalVerdict verdict = await node.Ledger.BindForRenewalAsync(id, tags[0], link, _ => live.Contains(node));
                    if (verdict == RenewalVerdict.Granted)
                    {
                        Assert.False(walk.WasRefused);
                        walk.IsSpent = true;
                        walk.Sign(link);
                    }

                    break;
            }
        }

        return walk;
    }

    /// <summary>The refusal of one that was taken over meanwhile does not count.</summary>
    private static async Task<bool> IsRefusedAsync(Node node, SpendId id, byte[] tag, ChainLink link) =>
        await node.Ledger.BindForRenewalAsync(id, tag, link, _ => true) == RenewalVerdict.Refused;

    private ChainLink NewLink() => ChainLink.TryCreate(_key, _issuer.CreateSuccessor("monthly").Request)!;

    private async Task<Node> NodeAsync(byte number, bool lives)
    {
        byte[] id = [.. Enumerable.Repeat(number, InstanceLease.IdSizeInBytes)];
        var ledger = new SpendLedger(_database, id, _time);
        await ledger.LoadAsync(Ct);
        await ledger.OpenPeriodsAsync([s_deadline], Ct);
        if (lives)
        {
            // Left to itself: the clock stands, so the lease lasts.
            _ = await InstanceLease.AcquireAsync(_database, id, $"http://node-{number}/", _time, NullLogger.Instance, Ct);
        }

        return new Node(ledger, lives);
    }

    private async Task<(long Spent, long Repeated)> TotalsAsync()
    {
        await using var totals = new ChainTotals(_database, new byte[16], _time, NullLogger.Instance);
        GatewayPlanTotals? plan = (await totals.ReadAsync(Ct)).Plans.SingleOrDefault();
        return (plan?.Spent ?? 0, plan?.Repeated ?? 0);
    }

    private sealed record Node(SpendLedger Ledger, bool Lives);

    private sealed class Walk
    {
        public HashSet<ChainLink> Signed { get; } = [];

        public int Asked { get; private set; }

        public int Takeovers { get; set; }

        public bool IsSpent { get; set; }

        public bool WasRefused { get; set; }

        public void Sign(ChainLink link)
        {
            Asked++;
            Signed.Add(link);
        }
    }
}
