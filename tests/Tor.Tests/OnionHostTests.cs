using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Tests;

namespace Tacit.Tor.Tests;

/// <summary>A role's onion service over the life of its tor: the real program, which reaches nobody. That services are found is tried over a private network (EndToEnd).</summary>
public sealed class OnionHostTests : IDisposable
{
    private readonly TestTor _test = new();
    private readonly ConcurrentQueue<OnionHostStatus> _reports = new();
    private readonly ConcurrentQueue<(string Address, byte[] Key)> _kept = new();

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task New_service_has_its_key_kept_and_the_same_key_is_the_same_service()
    {
        using OfflineTor offline = new();
        await using (await StartAsync(offline.Options))
        {
            Assert.EndsWith(".onion", Assert.Single(_kept).Address, StringComparison.Ordinal);
        }

        (string address, byte[] key) = _kept.Single();
        Assert.Equal(OnionServiceOptions.PrivateKeySizeInBytes, key.Length);
        await using (await StartAsync(offline.Options, key))
        {
            Assert.Equal(address, _kept.Last().Address);
        }

        Assert.DoesNotContain(_reports, report => report.IsPublished);
        Assert.Contains(_reports, report => report.Tor?.Version is not null);
    }

    [Fact]
    public async Task Tor_that_is_killed_comes_back_with_the_same_service_and_it_is_told_once()
    {
        using OfflineTor offline = new();
        await using OnionHost host = await StartAsync(offline.Options);
        int first = Tor();
        Process.GetProcessById(first).Kill();

        await UntilAsync(() => Tor() is not 0 and var second && second != first);
        await UntilAsync(() => _reports.Any(report => report.Fault is not null) && _reports.Last().Fault is null);

        Assert.Single(_reports.Select(report => report.Fault).OfType<string>().Distinct());
        Assert.Single(_kept);
        int Tor() => Pids().FirstOrDefault();
    }

    [Fact]
    public async Task What_will_not_mend_ends_the_start()
    {
        using OfflineTor offline = new();
        await FailsAsync(TorError.NotFound, offline.Options with { Executable = Path.Combine(_test.Root, "no-tor") });
        await FailsAsync(TorError.TooOld, offline.Options with { Executable = _test.Script("old-tor", "echo 'Tor version 0.4.7.1.'") });
        await FailsAsync(TorError.BadSetting, offline.Options with { Bridges = ["nonsense"] });
        await FailsAsync(TorError.BadSetting, offline.Options with { Socks = "127.0.0.1:9050" });

        await using OnionHost first = await StartAsync(offline.Options);
        await FailsAsync(TorError.InUse, offline.Options);
    }

    [Fact]
    public async Task What_may_mend_is_told_and_tried_again()
    {
        using OfflineTor offline = new();
        string flag = _test.Write("broken", "");
        string program = _test.Script("tor-with-a-mood", $"if [ \"$1\" != --version ] && [ -e '{flag}' ]; then exit 1; fi; exec '{TestTor.Program}' \"$@\"");
        await using OnionHost host = await StartAsync(offline.Options with { Executable = program });
        Assert.NotNull(_reports.Last().Fault);
        Assert.Empty(_kept);

        File.Delete(flag);
        await UntilAsync(() => !_kept.IsEmpty);
        await UntilAsync(() => _reports.Last().Fault is null);
    }

    [Fact]
    public async Task Key_that_cannot_be_kept_ends_the_start()
    {
        using OfflineTor offline = new();
        await Assert.ThrowsAsync<InvalidOperationException>(() => OnionHost.StartAsync(
            offline.Options with { DataDirectory = _test.Folder }, new OnionServiceOptions { Target = "127.0.0.1:1" }, _ => throw new InvalidOperationException(), _reports.Enqueue,
            Timeout.InfiniteTimeSpan, TimeProvider.System, NullLoggerFactory.Instance, _test.Token));
        Assert.NotNull(_reports.Last().Fault);
        Assert.Empty(Pids());
    }

    private Task<OnionHost> StartAsync(TorOptions options, byte[]? key = null) => OnionHost.StartAsync(
        // Being stuck is the authority's doing and not what is looked at here.
        options with { DataDirectory = _test.Folder, StuckAfter = TimeSpan.FromHours(1) }, new OnionServiceOptions { PrivateKey = key, Target = "127.0.0.1:1" },
        service => _kept.Enqueue((service.Address, service.PrivateKey.ToArray())), _reports.Enqueue, TestTor.Patience, TimeProvider.System, NullLoggerFactory.Instance, _test.Token);

    private async Task FailsAsync(TorError error, TorOptions options) => Assert.Equal(error, (await Assert.ThrowsAsync<TorException>(() => StartAsync(options))).Error);

    private async Task UntilAsync(Func<bool> condition)
    {
        while (!condition())
        {
            await Task.Delay(50, _test.Token);
        }
    }

    /// <summary>The tor whose configuration is in this test's folder.</summary>
    private IEnumerable<int> Pids()
    {
        foreach (Process process in Process.GetProcessesByName("tor"))
        {
            using (process)
            {
                string command = "";
                try
                {
                    command = File.ReadAllText($"/proc/{process.Id}/cmdline");
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    // Gone meanwhile.
                }

                if (command.Contains(_test.Folder, StringComparison.Ordinal))
                {
                    yield return process.Id;
                }
            }
        }
    }
}
