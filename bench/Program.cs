using Tacit.Bench.Crypto;
using Tacit.Bench.Demo;
using Tacit.Bench.Gateway;
using Tacit.Bench.Harness;
using Tacit.Bench.Hpke;
using Tacit.Bench.Issuance;
using Tacit.Bench.Page;
using Tacit.Bench.Paper;
using Tacit.Bench.Privacy;
using Tacit.Bench.Scale;
using Tacit.Bench.Tor;
using Tacit.Bench.Work;

// A process of a suite, started by it.
if (args is ["role", ..])
{
    return await Roles.RunAsync(args[1..]);
}

Suite[] suites = [new CryptoSuite(), new HpkeBench(), new WorkSuite(), new IssuanceSuite(), .. GatewaySuite.All, new DemoSuite(), new PaperSuite(), new PageSuite(), new TorSuite(), new ScaleSuite(), new PrivacySuite()];

string[] words = [.. args.Where(arg => !arg.StartsWith("--", StringComparison.Ordinal))];
string[] flags = [.. args.Where(arg => arg.StartsWith("--", StringComparison.Ordinal))];
Suite[] chosen = words is ["all"] ? suites : [.. suites.Where(suite => words.Contains(suite.Name))];
if (chosen.Length == 0 || (words is not ["all"] && chosen.Length != words.Length) || flags.Except(["--quick", "--save"]).Any())
{
    Console.Error.WriteLine("usage: bench all | SUITE… [--quick] [--save]");
    Console.Error.WriteLine("`all` without --quick writes bench/README.md and bench/last.json; --save does so for part of the suites.");
    foreach (Suite suite in suites)
    {
        Console.Error.WriteLine($"  {suite.Name,-10} {suite.Summary}");
    }

    return 2;
}

using CancellationTokenSource stop = new();
Console.CancelKeyPress += (_, e) =>
{
    e.Cancel = true;
    stop.Cancel();
};

Effort effort = flags.Contains("--quick") ? Effort.Quick : Effort.Full;
List<Row> rows = [];
foreach (Suite suite in chosen)
{
    rows.AddRange(await suite.RunAsync(effort, step => Console.Error.WriteLine($"{suite.Name}: {step}"), stop.Token));
}

string machine = Machine.Describe(TimeProvider.System);
Console.WriteLine(machine);
Console.WriteLine();
Console.Write(Report.Table(rows));
if (flags.Contains("--save") || (words is ["all"] && !flags.Contains("--quick")))
{
    await Report.SaveAsync(Machine.BenchFolder(), machine, [.. chosen.Select(suite => suite.Name)], rows, stop.Token);
}

return rows.Exists(row => row.IsMet == false) ? 1 : 0;
