using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Client.Tests.Support;
using Tacit.Client.Transports;

namespace Tacit.Client.Tests.Transports;

/// <summary>Two processes of one data folder use one Tor.</summary>
public sealed class SharedTorTests
{
    [Fact]
    public async Task Tor_of_another_process_is_used_also_with_bridges_and_further_lines()
    {
        Assert.SkipWhen(
            !(Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Append("/usr/sbin").Any(place => File.Exists(Path.Combine(place, "tor"))),
            "There is no tor here (Debian package tor).");
        using TestFolder folder = new();
        // What the other process has there: the lock, and where its tor is. The program here is only asked for its version.
        string configuration = Path.Combine(folder.Path, "lines");
        await File.WriteAllTextAsync(configuration, "ClientUseIPv6 0\n", TestContext.Current.CancellationToken);
        string data = Path.Combine(folder.Path, "tor");
        Directory.CreateDirectory(data);
        string socket = Path.Combine(data, "socks");
        await File.WriteAllTextAsync(socket, "", TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(Path.Combine(data, "socks-address"), "unix:" + socket, TestContext.Current.CancellationToken);
        using FileStream held = new(Path.Combine(data, "tacit.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);

        var settings = new TorSettings { DataDirectory = data, Bridges = ["192.0.2.7:443"], Configuration = configuration };
        await using SharedTor tor = await SharedTor.StartAsync(settings, TimeProvider.System, NullLoggerFactory.Instance, TestContext.Current.CancellationToken);
        Assert.True(tor.IsBorrowed);
        Assert.Equal("unix:" + socket, tor.Source);
    }
}
