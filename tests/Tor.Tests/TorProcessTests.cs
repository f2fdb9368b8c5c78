using System.Diagnostics;
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
        // Its own requests to the directory authority are listed as well, and come and go; they have no user name.
        Assert.DoesNotContain(await tor.ConnectionsAsync(_test.Token), connection => connection.SocksUserName is not null);
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
            .Select(Target)
            .Where(name => name.StartsWith("socket:[", StringComparison.Ordinal))
            .Select(name => name["socket:[".Length..^1])];
        Assert.NotEmpty(sockets);
        string[] lines = [.. s_tables.SelectMany(table => File.ReadLines("/proc/net/" + table).Skip(1).Select(line => table + " " + line))];
        // Columns: number, local, remote, state (0A listens), …, inode.
        Assert.DoesNotContain(lines, line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is var words
            && sockets.Contains(words[10]) && (words[4] == "0A" || words[0].StartsWith("udp", StringComparison.Ordinal)));

        static string Target(string fd)
        {
            try
            {
                return File.ResolveLinkTarget(fd, false)?.Name ?? "";
            }
            catch (IOException)
            {
                // Closed since it was listed.
                return "";
            }
        }
    }

    [Fact]
    public async Task Stop_ends_tor_and_leaves_no_socket()
    {
        TorOptions options = _test.Options(_authority.Port);
        TorService tor = await _test.StartAsync(options);
        int processId = await tor.ProcessIdAsync(_test.Token);
        string socks = tor.Connector.SocksAddress["unix:".Length..];
        Assert.True(File.Exists(socks));
        await tor.DisposeAsync();
        Assert.False(TestTor.IsAlive(processId));
        Assert.False(Directory.Exists(Path.GetDirectoryName(socks)));
        Assert.Equal(TorState.Stopped, tor.Status.State);
        Assert.Equal(TorError.Died, (await Assert.ThrowsAsync<TorException>(() => tor.WaitUntilReadyAsync(_test.Token))).Error);
        Assert.Equal(TorError.Died, (await Assert.ThrowsAsync<TorException>(() => tor.NewIdentityAsync(_test.Token))).Error);
        Assert.Equal(
            TorError.SocksUnreachable,
            (await Assert.ThrowsAsync<TorException>(async () => await tor.Connector.ConnectAsync("a.example", 80, TorIsolation.Create(), _test.Token))).Error);
    }

    [Fact]
    public async Task Kill_9_of_ours_ends_tor_and_the_next_start_cleans_up()
    {
        TorOptions options = _test.Options(_authority.Port);
        string note = Path.Combine(_test.Root, "note");
        using Process parent = TorParent.Start(options, note);
        while (!File.Exists(note))
        {
            Assert.False(parent.HasExited);
            await Task.Delay(50, _test.Token);
        }
        int processId = int.Parse(File.ReadAllText(note), CultureInfo.InvariantCulture);
        Assert.True(TestTor.IsAlive(processId));
        string former = File.ReadAllText(Path.Combine(_test.Folder, "sockets"));
        Assert.True(Directory.Exists(former));
        parent.Kill();
        await parent.WaitForExitAsync(_test.Token);
        await _test.GoneAsync(processId);
        await using TorService tor = await _test.StartAsync(options);
        Assert.False(Directory.Exists(former));
    }

    [Theory]
    [InlineData(200)]
    [InlineData(40)]
    public async Task Data_folder_of_any_path_works(int length)
    {
        using var test = new TestTor($"with space, ümlaut, \"quotes\" and \\ {new string('x', length)}");
        await using TorService tor = await test.StartAsync(test.Options(_authority.Port));
        string socks = tor.Connector.SocksAddress["unix:".Length..];
        Assert.InRange(System.Text.Encoding.UTF8.GetByteCount(socks), 1, 103);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(Path.GetDirectoryName(socks)!));
        Assert.True(File.Exists(Path.Combine(test.Folder, "state")) || Directory.Exists(Path.Combine(test.Folder, "keys")) || File.Exists(Path.Combine(test.Folder, "lock")));
    }

    [Fact]
    public async Task Secrets_of_the_folder_are_for_this_user_alone()
    {
        Directory.CreateDirectory(_test.Folder);
        File.SetUnixFileMode(_test.Folder, (UnixFileMode)0x1FF);
        await using TorService tor = await _test.StartAsync(_test.Options(_authority.Port));
        const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;
        Assert.Equal(UnixFileMode.None, File.GetUnixFileMode(_test.Folder) & Others);
        Assert.Equal(UnixFileMode.None, File.GetUnixFileMode(Path.Combine(_test.Folder, "torrc")) & Others);
    }

    [Fact]
    public async Task Onion_service_has_its_address_before_the_network_is_reached_and_keeps_it_with_its_key()
    {
        await using TorService tor = await _test.StartAsync(_test.Options(_authority.Port));
        string target = "unix:" + Path.Combine(_test.Root, "some where", "gateway.sock");
        OnionService first = await tor.PublishAsync(new OnionServiceOptions { Target = target }, _test.Token);
        byte[] key = first.PrivateKey.ToArray();
        Assert.Equal(62, first.Address.Length);
        Assert.EndsWith(".onion", first.Address, StringComparison.Ordinal);
        Assert.False(first.IsPublished);
        await first.DisposeAsync();
        Assert.True(first.PrivateKey.Span.IndexOfAnyExcept((byte)0) < 0);
        await using OnionService again = await tor.PublishAsync(new OnionServiceOptions { Target = target, PrivateKey = key, ProofOfWork = false }, _test.Token);
        Assert.Equal(first.Address, again.Address);
        Assert.False(again.HasProofOfWork);

        // It comes back with a new tor, although nobody asks.
        await _test.KillAsync(tor);
        Assert.Contains(again.Address[..56], await tor.InfoAsync("onions/current", _test.Token), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Onion_service_is_withdrawn_from_a_tor_that_hangs_without_waiting_for_it()
    {
        await using TorService tor = await _test.StartAsync(_test.Options(_authority.Port));
        OnionService service = await tor.PublishAsync(new OnionServiceOptions { Target = "127.0.0.1:1" }, _test.Token);
        int processId = await tor.ProcessIdAsync(_test.Token);
        Signal("STOP");
        try
        {
            await service.DisposeAsync();
        }
        finally
        {
            Signal("CONT");
        }
        // Waiting until the answer is overdue would have ended the connection, and with it this tor.
        Assert.DoesNotContain(service.Address[..56], await tor.InfoAsync("onions/current", _test.Token) ?? "", StringComparison.Ordinal);
        Assert.Equal(processId, await tor.ProcessIdAsync(_test.Token));

        void Signal(string name)
        {
            using Process kill = Process.Start("/bin/kill", [$"-{name}", processId.ToString(CultureInfo.InvariantCulture)]);
            kill.WaitForExit();
        }
    }

    [Fact]
    public async Task Onion_service_that_ends_between_two_tors_does_not_come_back()
    {
        await using TorService tor = await _test.StartAsync(_test.Options(_authority.Port));
        OnionService service = await tor.PublishAsync(new OnionServiceOptions { Target = "127.0.0.1:1" }, _test.Token);
        Task restarted = _test.KillAsync(tor);
        await service.DisposeAsync();
        await restarted;
        Assert.DoesNotContain(service.Address[..56], await tor.InfoAsync("onions/current", _test.Token) ?? "", StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[::1%x Flags=Detach]:80", "Target")]
    [InlineData("gateway.example:80", "Target")]
    [InlineData("192.0.2.1:80", "Target")]
    [InlineData("unix:relative", "Target")]
    [InlineData("unix:/with\nline", "Target")]
    public async Task Onion_service_with_a_wrong_target_is_refused(string target, string setting)
    {
        await using TorService tor = await _test.StartAsync(_test.Options(_authority.Port));
        TorException e = await Assert.ThrowsAsync<TorException>(() => tor.PublishAsync(new OnionServiceOptions { Target = target }, _test.Token));
        Assert.Equal((TorError.BadSetting, setting), (e.Error, e.Setting));
    }

    [Fact]
    public async Task Connection_made_under_an_isolation_is_told_of_with_its_user_name()
    {
        await using TorService tor = await _test.StartAsync(_test.Options(_authority.Port));
        await using TorObservation observation = await tor.ObserveAsync(_test.Token);
        TorIsolation[] isolations = [TorIsolation.Create(), TorIsolation.Create()];
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(_test.Token);
        Task[] attempts = [.. isolations.Select(isolation => tor.Connector.ConnectAsync("a.example", 80, isolation, enough.Token).AsTask())];
        HashSet<string> seen = [];
        await foreach (TorEvent told in observation.WithCancellation(_test.Token))
        {
            if (told.Connection is { Target: "a.example:80", SocksUserName: { } user } && seen.Add(user) && seen.Count == 2)
            {
                break;
            }
        }
        Assert.Equal(isolations.Select(isolation => isolation.UserName).Order(), seen.Order());
        await enough.CancelAsync();
        foreach (Task attempt in attempts)
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => attempt);
        }
    }
}
