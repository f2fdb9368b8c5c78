using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Gateway;
using Tacit.Gateway.Devices;
using Tacit.Hosting;
using Tacit.Inference;

namespace Tacit.Cli.Tests;

/// <summary>The operator's ban list by command, over the management socket and over a restart of the gateway.</summary>
public sealed class PseudonymCommandTests
{
    private const string Pseudonym = "0f3c9d5b7a1e2f4466889900aabbccdd";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Ban_is_made_listed_with_reason_and_end_and_lifted()
    {
        using TemporaryFolder folder = new();
        await using InferenceRouter router = new(new InferenceOptions { DemoModel = true }, TimeProvider.System, NullLoggerFactory.Instance);
        string[] data = ["--data", folder["gateway"]];
        await using (await StartAsync())
        {
            Assert.Contains("policy: none", (await Cli.RunAsync(["gateway", "list", .. data])).Out, StringComparison.Ordinal);
            Outcome made = await Cli.RunAsync(["gateway", "ban", Pseudonym.ToUpperInvariant(), "--reason", "automated spam", "--days", "30", .. data]);
            Assert.True(made.Code == ExitCode.Fine, made.Error);
            Assert.NotEqual(ExitCode.Fine, (await Cli.RunAsync(["gateway", "ban", "somebody", "--reason", "spam", .. data])).Code);
            Assert.Equal(ExitCode.Usage, (await Cli.RunAsync(["gateway", "ban", Pseudonym, .. data])).Code);
        }

        await using (await StartAsync())
        {
            JsonElement banned = Assert.Single((await RunningRoleTests.JsonAsync(["gateway", "list", "--json", .. data])).GetProperty("pseudonyms").EnumerateArray());
            Assert.Equal((Pseudonym, "automated spam"), (banned.GetProperty("id").GetString(), banned.GetProperty("reason").GetString()));
            Assert.InRange(banned.GetProperty("until").GetDateTimeOffset() - TimeProvider.System.GetUtcNow(), TimeSpan.FromDays(29), TimeSpan.FromDays(31));

            Assert.Equal(ExitCode.Fine, (await Cli.RunAsync(["gateway", "ban", Pseudonym, "--reason", "again", .. data])).Code);
            Outcome listed = await Cli.RunAsync(["gateway", "list", .. data]);
            Assert.Contains("for ever", listed.Out, StringComparison.Ordinal);
            Assert.Contains("again", listed.Out, StringComparison.Ordinal);

            Assert.Equal(ExitCode.Fine, (await Cli.RunAsync(["gateway", "unban", Pseudonym, .. data])).Code);
            Assert.NotEqual(ExitCode.Fine, (await Cli.RunAsync(["gateway", "unban", Pseudonym, .. data])).Code);
            Assert.DoesNotContain(Pseudonym, (await Cli.RunAsync(["gateway", "list", .. data])).Out, StringComparison.Ordinal);
        }

        Task<GatewayServer> StartAsync() => GatewayServer.StartAsync(
            new GatewayOptions { Name = "home", Listen = ListenAddress.Loopback(0), DataDirectory = folder["gateway"], Admission = AdmissionMode.Device },
            null, router, null, TimeProvider.System, NullLoggerFactory.Instance, Ct);
    }
}
