using System.Text.Json;
using System.Text.RegularExpressions;

namespace Tacit.Deploy.Tests;

/// <summary>The shipped rules and dashboard: what Prometheus' own tool says of them, and that they ask for nothing that no role tells.</summary>
public sealed partial class ObservabilityTests
{
    private static string Folder => Path.Combine(Script.Root, "deploy/observability");

    [Theory]
    [InlineData("check", "rules", "alerts.yml")]
    [InlineData("test", "rules", "alerts.test.yml")]
    [InlineData("check", "config", "prometheus.yml")]
    public async Task Promtool_accepts(string verb, string what, string file)
    {
        Assert.SkipUnless(File.Exists("/usr/bin/promtool"), "promtool is not installed (apt-get install prometheus)");
        using Script script = new();
        Outcome outcome = await script.ExecuteAsync("/usr/bin/promtool", verb, what, Path.Combine(Folder, file));
        Assert.True(outcome.Code == 0, outcome.Out + outcome.Error);
    }

    [Fact]
    public async Task Every_alert_fires_in_a_test_of_its_own()
    {
        string rules = await File.ReadAllTextAsync(Path.Combine(Folder, "alerts.yml"), TestContext.Current.CancellationToken);
        string tests = await File.ReadAllTextAsync(Path.Combine(Folder, "alerts.test.yml"), TestContext.Current.CancellationToken);
        string[] alerts = [.. AlertPattern().Matches(rules).Select(alert => alert.Groups[1].Value)];
        Assert.True(alerts.Length > 5);
        Assert.All(alerts, alert => Assert.Matches($"alertname: {alert}\\s+exp_alerts:", tests));
    }

    [Theory]
    [InlineData("alerts.yml")]
    [InlineData("dashboard.json")]
    public async Task Only_series_that_the_roles_tell_are_asked_for(string file)
    {
        string text = await File.ReadAllTextAsync(Path.Combine(Folder, file), TestContext.Current.CancellationToken);
        if (file.EndsWith(".json", StringComparison.Ordinal))
        {
            using JsonDocument dashboard = JsonDocument.Parse(text);
            Assert.NotEqual(0, dashboard.RootElement.GetProperty("panels").GetArrayLength());
        }

        string page = await File.ReadAllTextAsync(Path.Combine(Script.Root, "docs/operating.md"), TestContext.Current.CancellationToken);
        HashSet<string> told = [.. ToldIn(page)];
        string[] asked = [.. SeriesPattern().Matches(text).Select(series => KindPattern().Replace(series.Value, "")).Distinct()];
        Assert.True(asked.Length > 5);
        Assert.All(asked, series => Assert.Contains(series, told));
    }

    /// <summary>The names in the table of the operator's page: <c>a_{b,c}_total{tag}</c> is two, <c>…_x</c> goes on with the row's role.</summary>
    private static IEnumerable<string> ToldIn(string page)
    {
        int from = page.IndexOf("\n## Metrics\n", StringComparison.Ordinal);
        string section = page[from..page.IndexOf("\n## ", from + 5, StringComparison.Ordinal)];
        foreach (string row in section.Split('\n').Where(line => line.StartsWith("| `", StringComparison.Ordinal)))
        {
            string role = "";
            foreach (Match code in CodePattern().Matches(row.Split('|')[1]))
            {
                string name = TagPattern().Replace(code.Groups[1].Value, "");
                role = name.StartsWith("tacit_", StringComparison.Ordinal) ? string.Join('_', name.Split('_').Take(2)) : role;
                name = name.Replace("…", role, StringComparison.Ordinal);
                Match list = ListPattern().Match(name);
                foreach (string one in list.Success ? list.Groups[1].Value.Split(',') : [""])
                {
                    yield return list.Success ? name.Replace(list.Value, one, StringComparison.Ordinal) : name;
                }
            }
        }
    }

    [GeneratedRegex(@"- alert: (\w+)")]
    private static partial Regex AlertPattern();

    [GeneratedRegex(@"\btacit_[a-z_]+")]
    private static partial Regex SeriesPattern();

    [GeneratedRegex("(?<=seconds|group)_(bucket|sum|count)$")]
    private static partial Regex KindPattern();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex CodePattern();

    [GeneratedRegex(@"\{[a-z]+\}$")]
    private static partial Regex TagPattern();

    [GeneratedRegex(@"\{([a-z_,]+)\}")]
    private static partial Regex ListPattern();
}
