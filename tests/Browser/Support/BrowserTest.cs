using Microsoft.Playwright;
using Tacit.EndToEnd.Support;

namespace Tacit.Browser.Support;

/// <summary>
/// A test in the browser. Every visit is watched: it asks nobody but the app, and nothing is refused by the content security policy or written to the console as an error.
/// What a failed test saw last is kept in artifacts/screenshots/failed.
/// </summary>
public abstract class BrowserTest(Chromium chromium) : IAsyncLifetime
{
    private readonly List<Visit> _visits = [];
    private readonly List<TestSystem> _systems = [];

    internal Chromium Chromium => chromium;

    internal static string Artifacts => Path.Combine(Node.RepositoryRoot(), "artifacts", "screenshots");

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    /// <summary>A browser profile that knows nothing yet, with one tab on the app's page. Skips the test where the app was built without it.</summary>
    internal Task<Visit> VisitAsync(TestSystem system, Action<BrowserNewContextOptions>? change = null, string path = "/", bool withAxe = false, IBrowser? browser = null) =>
        VisitAsync(system.Address, [], change, path, withAxe, browser);

    /// <summary>The same for a page of somebody else's, which may ask others besides.</summary>
    internal async Task<Visit> VisitAsync(
        Uri address, IEnumerable<Uri> beside, Action<BrowserNewContextOptions>? change = null, string path = "/", bool withAxe = false, IBrowser? browser = null)
    {
        Visit visit = await Visit.OpenAsync(browser ?? await chromium.OpenAsync(), address, beside, change, withAxe);
        _visits.Add(visit);
        await visit.GoAsync(path);
        if (await visit.Page.Locator("script").CountAsync() == 0)
        {
            Assert.Skip("It was built without its page: Node 20 or npm was not there.");
        }

        return visit;
    }

    /// <summary>Keeps a system until the browser has left: a page whose app goes away would tell of it.</summary>
    internal TestSystem Keep(TestSystem system)
    {
        _systems.Add(system);
        return system;
    }

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        bool failed = TestContext.Current.TestState?.Result == TestResult.Failed;
        List<string> faults = [];
        foreach (Visit visit in _visits)
        {
            if (failed)
            {
                await visit.KeepAsync(Path.Combine(Artifacts, "failed"), TestContext.Current.TestMethod?.MethodName ?? "test");
            }

            faults.AddRange(visit.Faults);
            await visit.DisposeAsync();
        }

        foreach (TestSystem system in _systems)
        {
            await system.DisposeAsync();
        }

        if (!failed)
        {
            Assert.True(faults.Count == 0, string.Join('\n', faults));
        }
    }
}
