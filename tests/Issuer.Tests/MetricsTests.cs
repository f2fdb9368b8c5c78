using Tacit.Hosting;
using Tacit.Hosting.Metrics;
using Tacit.Issuer.Tests.Support;
using Tacit.Tests;

namespace Tacit.Issuer.Tests;

public sealed class MetricsTests
{
    [Fact]
    public async Task Page_tells_nothing_of_accounts_or_issuance()
    {
        string socket = Path.Combine(Directory.CreateTempSubdirectory("tacit-metrics-").FullName, "issuer.sock");
        await using TestIssuer issuer = await TestIssuer.StartAsync(
            change: options => options with { Metrics = new MetricsOptions { Listen = ListenAddress.UnixSocket(socket) } });
        Assert.Equal(["tacit_issuer_ready 1"], MetricsPage.Series(await MetricsPage.ReadAsync(socket)));
    }
}
