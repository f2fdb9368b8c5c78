using System.Globalization;
using System.Security.Cryptography;
using Tacit.Bench.Gateway;
using Tacit.Bench.Harness;
using Tacit.Crypto;
using Tacit.Gateway.Admission;
using Tacit.Protocol;
using Tacit.Storage;
using Tacit.Storage.Testing;
using Row = Tacit.Bench.Harness.Row;

namespace Tacit.Bench.Scale;

/// <summary>
/// What the store of spends makes of load: whole redemptions a second on SQLite and PostgreSQL with one gateway and with two, and what a spend costs as the set
/// of spent tokens grows. PostgreSQL is a server of our own, on this machine, whose commits wait for the disk.
/// </summary>
internal sealed class ScaleSuite : Suite
{
    private const int Connections = 32;
    private const int ServerCore = 1;
    private const int ClientCore = 0;

    /// <summary>Spends that wait at the same time, as behind a busy gateway.</summary>
    private const int Waiting = 64;

    private readonly TimeProvider _time = TimeProvider.System;

    internal override string Name => "scale";

    internal override string Summary => "redemptions on SQLite and PostgreSQL, one gateway and two; 10^4 to 10^7 spent tokens; needs two cores, taskset and postgresql";

    internal override async Task<IReadOnlyList<Row>> RunAsync(Effort effort, Action<string> say, CancellationToken cancellationToken)
    {
        bool isQuick = effort.Rounds < 5;
        if (PostgresProcess.FindBinaries() is null)
        {
            throw new InvalidOperationException("PostgreSQL is not installed: apt-get install postgresql.");
        }

        await using PostgresProcess postgres = await PostgresProcess.StartAsync(durable: true);
        string folder = Directory.CreateTempSubdirectory("tacit-bench-").FullName;
        try
        {
            say("making keys");
            using PartiallyBlindRsaPrivateKey safe = await PartiallyBlindRsaPrivateKey.GenerateAsync(2048, null, cancellationToken);
            using var mint = new TokenMint(safe, _time);
            await mint.PublishAsync(folder, cancellationToken);
            await using Child upstream = await Child.StartRoleAsync(ClientCore, "upstream");
            List<Row> rows = [.. await RedemptionsAsync(postgres, mint, upstream, folder, isQuick, say, cancellationToken)];
            foreach (bool onPostgres in (bool[])[false, true])
            {
                rows.AddRange(await GrowthAsync(onPostgres ? postgres : null, mint, upstream, folder, isQuick, say, cancellationToken));
            }

            return rows;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private async Task<IReadOnlyList<Row>> RedemptionsAsync(
        PostgresProcess postgres, TokenMint mint, Child upstream, string folder, bool isQuick, Action<string> say, CancellationToken cancellationToken)
    {
        int rounds = isQuick ? 2 : 5;
        int each = isQuick ? 2000 : 6000;
        var rates = new Dictionary<string, List<double>>();
        await using Child sqlite = await StartGatewayAsync(folder, "sqlite", null, upstream);
        string alone = await postgres.CreateDatabaseAsync();
        await using Child one = await StartGatewayAsync(folder, "one", alone, upstream);
        string shared = await postgres.CreateDatabaseAsync();
        await using Child first = await StartGatewayAsync(folder, "first", shared, upstream);
        await using Child second = await StartGatewayAsync(folder, "second", shared, upstream);
        for (int round = 0; round <= rounds; round++)
        {
            say(round == 0 ? "redemptions: warming up" : $"redemptions: round {round} of {rounds}");
            await MeasureAsync("SQLite, 1 gateway", [sqlite]);
            await MeasureAsync("PostgreSQL, 1 gateway", [one]);
            await MeasureAsync("PostgreSQL, 2 gateways", [first, second]);

            async Task MeasureAsync(string name, Child[] gateways)
            {
                // The first pass is long: the runtime compiles what is hot a second time only after it has run for a while.
                double rate = await RedeemAsync(gateways, mint, round == 0 ? 4 * each : each, cancellationToken);
                if (round > 0)
                {
                    rates.TryAdd(name, []);
                    rates[name].Add(rate);
                }
            }
        }

        double reference = Median(rates["SQLite, 1 gateway"]);
        return
        [
            .. rates.Select(rate => new Row(
                $"redemptions, spent durably: {rate.Key}", Median(rate.Value), "requests/s",
                rate.Key.StartsWith("SQLite", StringComparison.Ordinal)
                    ? "all gateways on one core, the client on the other"
                    : string.Create(CultureInfo.InvariantCulture, $"SQLite {reference:#,0}/s; the server of PostgreSQL shares both cores"),
                rate.Key.StartsWith("SQLite", StringComparison.Ordinal) ? null : Median(rate.Value) / reference, null, Row.Higher)),
        ];
    }

    /// <summary>Redeems so many fresh tokens at these gateways.</summary>
    /// <returns>Redemptions a second.</returns>
    private async Task<double> RedeemAsync(Child[] gateways, TokenMint mint, int count, CancellationToken cancellationToken)
    {
        Outcome[] outcomes = await Task.WhenAll(gateways.Select(gateway =>
        {
            byte[][] requests = [.. mint.Mint(TokenType.BlindRsa, count / gateways.Length).Select(header => Load.Request(gateway.Address, "json", header))];
            int next = -1;
            return Load.RunAsync(
                gateway.Address, Connections / gateways.Length, () => Interlocked.Increment(ref next) is int i && i < requests.Length ? requests[i] : null, 200, _time,
                cancellationToken);
        }));
        return outcomes.Sum(outcome => outcome.PerSecond);
    }

    private static async Task<Child> StartGatewayAsync(string folder, string name, string? postgres, Child upstream)
    {
        string own = Path.Combine(folder, name);
        Directory.CreateDirectory(own);
        File.Copy(Path.Combine(folder, "directory.json"), Path.Combine(own, "directory.json"), overwrite: true);
        File.Copy(Path.Combine(folder, "directory.key"), Path.Combine(own, "directory.key"), overwrite: true);
        if (postgres is not null)
        {
            await File.WriteAllTextAsync(Path.Combine(own, Roles.Postgres), postgres);
        }

        return await Child.StartRoleAsync(ServerCore, "gateway", own, upstream.Address.ToString());
    }

    /// <summary>
    /// What a redemption costs as the set of spent tokens grows, through a gateway; and the spend in it alone, by the same ledger on the same database, with as many
    /// waiting as behind a busy gateway. One has the database while the other has not.
    /// </summary>
    private async Task<IReadOnlyList<Row>> GrowthAsync(
        PostgresProcess? postgres, TokenMint mint, Child upstream, string folder, bool isQuick, Action<string> say, CancellationToken cancellationToken)
    {
        string store = postgres is null ? "SQLite" : "PostgreSQL";
        string? connection = postgres is null ? null : await postgres.CreateDatabaseAsync();
        string name = "growth-" + store;
        int each = isQuick ? 2000 : 8000;
        int rounds = isQuick ? 3 : 7;
        string table = SpendTables.TableName(mint.Deadline);
        byte[] instance = RandomNumberGenerator.GetBytes(16);
        string file = "";
        long before = 0;
        long first = 0;
        var costs = new List<(long Count, double Redemption, double Spend)>();
        long[] sizes = isQuick ? [10_000, 100_000] : [10_000, 100_000, 1_000_000, 10_000_000];
        await (await StartGatewayAsync(folder, name, connection, upstream)).DisposeAsync();
        foreach (long size in sizes)
        {
            say(string.Create(CultureInfo.InvariantCulture, $"{store}: {size:#,0} spent tokens"));
            double spend = await OnLedgerAsync(async (database, ledger) =>
            {
                long count = await CountAsync(database);
                if (before == 0)
                {
                    (before, first) = (await SizeAsync(database, connection, file, cancellationToken), count);
                }

                await FillAsync(database, connection is not null, table, instance, size - count, cancellationToken);
                // Once without counting: a fill leaves its pages to be written back.
                await SpendAsync(ledger, mint.Deadline, 4096, cancellationToken);
                var spends = new List<double>();
                for (int round = 0; round < rounds; round++)
                {
                    spends.Add(await SpendAsync(ledger, mint.Deadline, each, cancellationToken));
                }

                return Median(spends);
            });
            await using Child gateway = await StartGatewayAsync(folder, name, connection, upstream);
            await RedeemAsync([gateway], mint, 6 * each, cancellationToken);
            var redemptions = new List<double>();
            for (int round = 0; round < rounds; round++)
            {
                redemptions.Add(1e6 / await RedeemAsync([gateway], mint, each, cancellationToken));
            }

            costs.Add((size, Median(redemptions), spend));
            say(string.Create(CultureInfo.InvariantCulture, $"{store}: {costs[^1].Redemption:0.0} us a redemption, {spend:0.0} us a spend"));
        }

        (long total, long bytes, double dropped) = await OnLedgerAsync(async (database, ledger) =>
        {
            long all = await CountAsync(database);
            long size = await SizeAsync(database, connection, file, cancellationToken);
            long started = _time.GetTimestamp();
            await ledger.DropPeriodsAsync(_ => true, cancellationToken);
            return (all, size, _time.GetElapsedTime(started).TotalMilliseconds);
        });
        string most = string.Create(CultureInfo.InvariantCulture, $"{total:#,0} spent tokens");
        return
        [
            new($"{store}: cost of a redemption with many spent before, against few", costs[^1].Redemption, "us", All(cost => cost.Redemption), costs[^1].Redemption / costs[0].Redemption, 1.3, Row.Lower),
            new($"{store}: the spend in it", costs[^1].Spend, "us", $"{Waiting} waiting; {All(cost => cost.Spend)}", costs[^1].Spend / costs[0].Spend, null, Row.Lower),
            new($"{store}: bytes for a spent token", (double)(bytes - before) / (total - first), "B", $"{most}; id, tag and owner have 80", null, null, Row.Lower),
            new($"{store}: time to drop a period", dropped, "ms", most, null, null, Row.Lower),
        ];

        async Task<T> OnLedgerAsync<T>(Func<Database, SpendLedger, Task<T>> action)
        {
            file = connection is null ? Directory.GetFiles(Path.Combine(folder, name), "gateway.db", SearchOption.AllDirectories).Single() : "";
            await using Database database = connection is null
                ? await Database.OpenSqliteAsync(file, SpendTables.Migrations, _time, cancellationToken)
                : await Database.OpenPostgresAsync(new PostgresOptions { ConnectionString = connection, Serializable = false }, SpendTables.Migrations, _time, cancellationToken);
            var ledger = new SpendLedger(database, instance, _time);
            await ledger.LoadAsync(cancellationToken);
            return await action(database, ledger);
        }

        async Task<long> CountAsync(Database database) =>
            await database.ReadAsync(session => session.QueryInt64($"SELECT COUNT(*) FROM {table}") ?? 0, cancellationToken);

        string All(Func<(long Count, double Redemption, double Spend), double> cost) =>
            string.Join(", ", costs.Select(at => string.Create(CultureInfo.InvariantCulture, $"{at.Count:#,0}: {cost(at):0.0} us")));
    }

    /// <summary>Microseconds for each of so many spends, durable, with as many waiting as behind a busy gateway.</summary>
    private async Task<double> SpendAsync(SpendLedger ledger, DateTimeOffset deadline, int count, CancellationToken cancellationToken)
    {
        int left = count;
        long started = _time.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, Waiting).Select(_ => Task.Run(
            async () =>
            {
                byte[] random = new byte[SpendId.SizeInBytes + TokenKeys.RequestTagSizeInBytes];
                while (Interlocked.Decrement(ref left) >= 0)
                {
                    RandomNumberGenerator.Fill(random);
                    SpendDecision decision = await ledger.SpendAsync(deadline, new SpendId(random.AsSpan(0, SpendId.SizeInBytes)), random[SpendId.SizeInBytes..]);
                    if (decision.Verdict != SpendVerdict.Granted)
                    {
                        throw new InvalidOperationException($"A fresh token was not granted: {decision.Verdict}.");
                    }
                }
            },
            cancellationToken)));
        return _time.GetElapsedTime(started).TotalMicroseconds / count;
    }

    /// <summary>Rows as they are after their replies have ended, made in bulk.</summary>
    private static async Task FillAsync(Database database, bool isPostgres, string table, byte[] instance, long count, CancellationToken cancellationToken)
    {
        const int Block = 250_000;
        for (long done = 0; done < count; done += Block)
        {
            long now = Math.Min(Block, count - done);
            string source = isPostgres
                ? "SELECT sha256(int8send((random() * 9e18)::bigint) || int8send(i)), sha256(int8send(i)), $1, 1, 0, 0 FROM generate_series(1, $2) AS i"
                : "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2) SELECT randomblob(32), randomblob(32), $1, 1, 0, 0 FROM n";
            await database.WriteAsync(
                session => session.Execute($"INSERT INTO {table} (spend_id, request_tag, owner, state, returns, takeovers) {source}", instance, now), cancellationToken);
        }
    }

    private static async Task<long> SizeAsync(Database database, string? connection, string file, CancellationToken cancellationToken) =>
        connection is null
            ? new FileInfo(file).Length
            : await database.ReadAsync(session => session.QueryInt64("SELECT pg_database_size(current_database())") ?? 0, cancellationToken);

    private static double Median(List<double> figures)
    {
        figures.Sort();
        return figures[figures.Count / 2];
    }
}
