using System.Diagnostics;
using System.Globalization;
using Tacit.Bench.Harness;

namespace Tacit.Bench.Privacy;

/// <summary>The year, simulated: how well issuer and gateway together can tell who asked, by all times they could keep.</summary>
internal sealed class PrivacySuite : Suite
{
    private const ulong Seed = 20261121;

    internal override string Name => "privacy";

    internal override string Summary => "a simulated year of 10,000 wallets: what issuer and gateway together can link, by policy; needs nothing";

    internal override Task<IReadOnlyList<Row>> RunAsync(Effort effort, Action<string> say, CancellationToken cancellationToken) =>
        Task.Run<IReadOnlyList<Row>>(() => Run(effort == Effort.Quick, say, cancellationToken), cancellationToken);

    private static List<Row> Run(bool quick, Action<string> say, CancellationToken cancellationToken)
    {
        List<Row> rows = [];
        foreach (Setting setting in Setting.All)
        {
            cancellationToken.ThrowIfCancellationRequested();
            rows.AddRange(Measure(setting, (quick ? 2000 : setting.Options == Setting.Default.Options ? 10_000 : 4000) * Games.LearnedFrom / (Games.LearnedFrom - 1), quick ? 300 : 1500, say));
        }
        return rows;
    }

    private static IEnumerable<Row> Measure(Setting setting, int people, int questions, Action<string> say)
    {
        long started = Stopwatch.GetTimestamp();
        (List<Account> accounts, Usability usability) = Year.Simulate(setting, people, Year.Days, Seed);
        var games = new Games(accounts, Seed);
        (Verdict named, double crowd) = games.NameOne(questions);
        Verdict alike = games.TwoCandidates(alike: true);
        Verdict open = games.TwoCandidates(alike: false);
        string cost = string.Create(
            CultureInfo.InvariantCulture,
            $"{usability.Purchases / (double)people:0.0} purchases a wallet; prompts that found it empty: {usability.BoughtAtPrompt * 100.0 / usability.Prompts:0.000}% bought, {usability.Refused * 100.0 / usability.Prompts:0.000}% refused; {usability.Lost * 100.0 / Math.Max(1, usability.Bought):0.0}% of tokens lost; {usability.Exchanged / (double)Math.Max(1, usability.Bought):0.0} exchanges a token");
        say($"{setting.Name}: {usability.Prompts:#,0} prompts, {Stopwatch.GetElapsedTime(started).TotalSeconds:0} s");
        say($"  name {Told(named)}; alike {Told(alike)}; any two {Told(open)}; {cost}");

        bool judged = setting.Options == Setting.Default.Options && setting.FillAtPrompt && setting.Everybody is null or RunningHours.Always;
        yield return new Row(
            $"year, {setting.Name}: naming the account", Math.Round(named.Added.Value * 100, 2), "%",
            string.Create(CultureInfo.InvariantCulture, $"± {named.Added.Margin * 100:0.00}% over the books; over a guess among {crowd:0} accounts {named.Advantage} ({named.Linker}); {cost}"),
            null, judged ? 1 : null, Row.Lower);
        yield return new Row(
            $"year, {setting.Name}: which of two", Math.Round(alike.Added.Value * 100, 2), "%",
            string.Create(CultureInfo.InvariantCulture, $"± {alike.Added.Margin * 100:0.00}% over the books, two alike in them: {alike.Advantage} ({alike.Linker}), books {alike.Books}; any two: {open.Advantage} ({open.Linker}), books {open.Books}"),
            null, judged ? 1 : null, Row.Lower);
    }

    private static string Told(Verdict verdict) => $"{verdict.Advantage} ({verdict.Linker}), books {verdict.Books}, added {verdict.Added}";
}
