using System.Globalization;

namespace Tacit.Tor.Tests;

/// <summary>Our own tor as a process: the real program, which reaches nobody.</summary>
public sealed class TorProcessTests : IDisposable
{
    private static readonly string[] s_tables = ["tcp", "tcp6", "udp", "udp6"];
    private readonly TestTor _test = new();
    private readonly SilentAuthority _authority = new();

    public void Dispose()
    {
        _authority.Dispose();
        _test.Dispose();
    }

    [Fact]
    public async Task Start_gives_a_tor_that_can_be_controlled()
    {
        await using TorService tor = await _test.StartAsync(_test.Options(_authority.Port));
        Assert.StartsWith("0.4.", tor.Status.Version, StringComparison.Ordinal);
        Assert.Contains(tor.Status.State, (TorState[])[TorState.Starting, TorState.Bootstrapping]);
        await tor.NewIdentityAsync(_test.Token);
        Assert.Empty(await tor.ConnectionsAsync(_test.Token));
    }

    [Fact]
    public async Task Configuration_of_the_system_is_not_read()
    {
        await using TorService tor = await _test.StartAsync(_test.Options(_authority.Port));
        Assert.Equal(Path.Combine(_test.Folder, "torrc"), await tor.InfoAsync("config-file", _test.Token));
        Assert.Equal(Path.Combine(_test.Folder, "torrc-defaults"), await tor.InfoAsync("config-defaults-file", _test.Token));
        Assert.Equal("", File.ReadAllText(Path.Combine(_test.Folder, "torrc-defaults")));
    }

    [Fact]
    public async Task No_TCP_port_is_opened()
    {
        await using TorService tor = await _test.StartAsync(_test.Options(_authority.Port));
        int processId = await tor.ProcessIdAsync(_test.Token);
        HashSet<string> sockets = [.. Directory.GetFiles(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/fd"))
            .Select(fd => File.ResolveLinkTarget(fd, false)?.Name ?? "")
            .Where(name => name.StartsWith("socket:[", StringComparison.Ordinal))
            .Select(name => name["socket:[".Length..^1])];
        Assert.NotEmpty(sockets);
        string[] lines = [.. s_tables.SelectMany(table => File.ReadLines("/proc/net/" + table).Skip(1).Select(line => table + " " + line))];
        // Columns: number, local, remote, state (0A listens), …, inode.
        Assert.DoesNotContain(lines, line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is var words
            && sockets.Contains(words[10]) && (words[4] == "0A" || words[0].StartsWith("udp", StringComparison.Ordinal)));
    }
}
