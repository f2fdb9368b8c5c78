using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Hosting;
using Tacit.Hosting.Metrics;
using Tacit.Protocol;
using Tacit.Tests;

namespace Tacit.Signer.Tests;

public sealed class MetricsTests
{
    [Fact]
    public async Task Page_tells_sums_over_all_plans_and_the_queue()
    {
        using var folder = new TestFolder();
        string socket = folder.Beside("metrics.sock");
        await using SignerServer server = await SignerServer.StartAsync(
            new SignerOptions
            {
                DataDirectory = folder.Data, Plans = [TestPlans.Monthly], KeyFile = folder.KeyFile,
                InternalKey = folder.Secret("internal", "a key between roles, long enough"),
                Metrics = new MetricsOptions { Listen = ListenAddress.UnixSocket(socket) },
            },
            new FakeTime(new DateTimeOffset(2026, 11, 20, 0, 0, 0, TimeSpan.Zero)), NullLoggerFactory.Instance, TestSigner.Token);
        SignerKey key = Assert.Single(await server.Service.GetKeysAsync(TestSigner.Token));
        using var token = BlindedToken.Create(key.Type, key.SubjectPublicKeyInfo, null);
        await server.Service.SignAsync(TestSigner.RequestFor(key, key.Plans[0], SigningPurpose.Renewal, [token]), TestSigner.Token);

        // The whole of it: nothing by plan, key or caller.
        Assert.Equal(
            [
                "tacit_signer_queue 0", "tacit_signer_ready 1", "tacit_signer_signed_total{purpose=\"exchange\"} 0", "tacit_signer_signed_total{purpose=\"issuance\"} 0",
                "tacit_signer_signed_total{purpose=\"pseudonym\"} 0", "tacit_signer_signed_total{purpose=\"renewal\"} 1",
            ],
            MetricsPage.Series(await MetricsPage.ReadAsync(socket)));
    }
}
