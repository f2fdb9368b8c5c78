using System.Text.Json;
using Microsoft.Playwright;
using Tacit.EndToEnd.Support;

namespace Tacit.Browser.Support;

/// <summary>axe-core, which looks for what keeps people with a screen reader, without a mouse or with weak eyes from using a page.</summary>
internal static class Axe
{
    private static readonly string s_folder = Path.Combine(Node.RepositoryRoot(), "tests", "Browser", "npm");
    private static readonly Lazy<Task<string>> s_source = new(async () =>
    {
        await Node.InstallAsync(s_folder, "ci");
        return await File.ReadAllTextAsync(Path.Combine(s_folder, "node_modules", "axe-core", "axe.min.js"));
    });

    /// <summary>Makes it part of every page that the visit opens from now on; the page's policy would let nobody add it later. Skips the test without Node.</summary>
    public static async Task BringAsync(IBrowserContext context) => await context.AddInitScriptAsync(await s_source.Value);

    /// <summary>What is serious or worse on the screen as it is, one line each.</summary>
    public static async Task<IReadOnlyList<string>> FindAsync(IPage page)
    {
        string found = await page.EvaluateAsync<string>(
            """
            async () => {
              const result = await axe.run(document, { resultTypes: ['violations'] });
              return JSON.stringify(result.violations.filter(one => one.impact === 'serious' || one.impact === 'critical')
                .map(one => `${one.impact}: ${one.id}, ${one.help}: ${one.nodes.map(node => node.target.join(' ') + ' (' + (node.any[0]?.message ?? node.failureSummary) + ')').join(' | ')}`));
            }
            """);
        return JsonSerializer.Deserialize<string[]>(found)!;
    }
}
