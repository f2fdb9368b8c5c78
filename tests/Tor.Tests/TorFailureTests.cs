using System.Diagnostics;
using System.Globalization;

namespace Tacit.Tor.Tests;

/// <summary>What can go wrong with a tor of our own: each a typed error with a message that a person can act on.</summary>
public sealed class TorFailureTests : IDisposable
{
    private readonly TestTor _test = new();
    private readonly SilentAuthority _authority = new();

    public void Dispose()
    {
        _authority.Dispose();
        _test.Dispose();
    }

    [Fact]
    public async Task Program_that_is_missing_is_said_with_what_to_install()
    {
        TorException e = await FailAsync(_test.Options(_authority.Port) with { Executable = "/nowhere/tor" }, TorError.NotFound);
        Assert.Contains("/nowhere/tor", e.Message, StringComparison.Ordinal);
        Assert.Contains("Tor:Executable", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0.4.7.16", false)]
    [InlineData("0.3.5.18", false)]
    [InlineData("0.4.8.0-alpha-dev", false)]
    [InlineData("0.4.8.1-alpha", true)]
    public async Task Program_that_is_too_old_is_said_with_both_versions(string version, bool isNewEnough)
    {
        string old = _test.Script("program", $"echo 'Tor version {version} (git-0123456789abcdef).'");
        TorOptions options = new() { DataDirectory = _test.Folder, Executable = old, StartTimeout = TestTor.Patience };
        // One that is new enough, and does nothing else, ends as soon as it is started.
        TorException e = await FailAsync(options, isNewEnough ? TorError.CannotStart : TorError.TooOld);
        if (!isNewEnough)
        {
            Assert.Contains(version, e.Message, StringComparison.Ordinal);
            Assert.Contains(TorOptions.OldestVersion.ToString(), e.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("echo hello")]
    [InlineData("exit 1")]
    [InlineData("yes | head -c 1000000")]
    public async Task Program_that_is_no_tor_is_said(string lines) =>
        await FailAsync(new() { DataDirectory = _test.Folder, Executable = _test.Script("program", lines) }, TorError.CannotStart);

    [Fact]
    public async Task Program_that_says_nothing_is_given_up() => await FailAsync(
        new() { DataDirectory = _test.Folder, Executable = _test.Script("program", "exec sleep 600"), StartTimeout = TimeSpan.FromSeconds(1) }, TorError.CannotStart);

    [Fact]
    public async Task Tor_that_does_not_start_is_said_in_its_own_words()
    {
        // The rule book lets it pass; tor does not. A tor that did would reach nobody either.
        TorOptions options = _test.Options(_authority.Port);
        File.AppendAllText(options.Configuration!, "NumCPUs many\n");
        TorException e = await FailAsync(options, TorError.CannotStart);
        Assert.Contains("NumCPUs", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Folder_that_cannot_be_made_is_the_settings_fault()
    {
        string file = _test.Write("file", "");
        TorException e = await FailAsync(_test.Options(_authority.Port) with { DataDirectory = Path.Combine(file, "tor") }, TorError.BadSetting);
        Assert.Equal("DataDirectory", e.Setting);
    }

    [Fact]
    public async Task Folder_in_use_is_said_at_once()
    {
        TorOptions options = _test.Options(_authority.Port);
        await using (await _test.StartAsync(options))
        {
            await FailAsync(options, TorError.InUse);
        }
        await using TorService after = await _test.StartAsync(options);
    }

    [Fact]
    public async Task Tor_that_reaches_nobody_is_stuck_with_its_phase_and_what_to_try()
    {
        await using TorService tor = await _test.StartAsync(_test.Options(_authority.Port) with { StuckAfter = TimeSpan.FromSeconds(2) });

        // On a slow machine it may be called stuck before it has tried anything; it gets as far as a connection all the same, and no further.
        TorStatus stuck = await _test.StatusAsync(tor, status => status is { State: TorState.Stuck, Percent: > 0 });
        Assert.InRange(stuck.Percent, 1, 20);
        Assert.Equal(TorError.Stuck, stuck.Error);
        TorException e = await Assert.ThrowsAsync<TorException>(() => tor.WaitUntilReadyAsync(_test.Token));
        Assert.Equal(TorError.Stuck, e.Error);
        Assert.Matches(@"at \d+ % \((conn|handshake)\w*\): \w+", e.Message);
        Assert.Contains("Tor:Bridges", e.Message, StringComparison.Ordinal);
        Assert.Contains("firewall", e.Message, StringComparison.Ordinal);

        // Asked again, it says so again at once.
        Assert.Equal(TorError.Stuck, (await Assert.ThrowsAsync<TorException>(() => tor.WaitUntilReadyAsync(_test.Token))).Error);
    }

    [Fact]
    public async Task Bridge_that_is_not_there_is_stuck_with_advice_about_bridges()
    {
        TorOptions options = _test.Options(_authority.Port) with
        {
            Bridges = [string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{_authority.Port} 0123456789ABCDEF0123456789ABCDEF01234567")],
            StuckAfter = TimeSpan.FromSeconds(3),
        };
        await using TorService tor = await _test.StartAsync(options);
        TorException e = await Assert.ThrowsAsync<TorException>(() => tor.WaitUntilReadyAsync(_test.Token));
        Assert.Equal(TorError.Stuck, e.Error);
        Assert.Contains("bridges.torproject.org", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("0123456789ABCDEF", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Transport_whose_bridge_does_not_answer_is_stuck_with_advice_about_it()
    {
        const string Transport = "/usr/bin/obfs4proxy";
        Assert.SkipUnless(File.Exists(Transport), "There is no obfs4proxy here (Debian package obfs4proxy).");

        // A certificate of the right form, and nobody who has its key.
        const string Certificate = "cert=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA iat-mode=0";
        TorOptions options = _test.Options(_authority.Port) with
        {
            Bridges = [string.Create(CultureInfo.InvariantCulture, $"obfs4 127.0.0.1:{_authority.Port} 0123456789ABCDEF0123456789ABCDEF01234567 {Certificate}")],
            Plugins = ["obfs4 exec " + Transport],
            StuckAfter = TimeSpan.FromSeconds(2),
        };
        await using TorService tor = await _test.StartAsync(options);
        TorStatus stuck = await _test.StatusAsync(tor, status => status is { State: TorState.Stuck, Percent: > 0 });
        Assert.EndsWith("_pt", stuck.Tag, StringComparison.Ordinal);
        Assert.Contains("Tor:Plugins", (await Assert.ThrowsAsync<TorException>(() => tor.WaitUntilReadyAsync(_test.Token))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("-3d")]
    [InlineData("+3d")]
    public async Task Wrong_clock_is_found_from_what_relays_say(string offset)
    {
        const string FakeTime = "/usr/bin/faketime";
        Assert.SkipUnless(File.Exists(FakeTime), "There is no faketime here (Debian package faketime).");
        using TorRelay relay = await TorRelay.StartAsync(_test);
        TorOptions options = _test.Options(relay.Port);
        File.WriteAllText(options.Configuration!, File.ReadAllText(options.Configuration!).Replace("FEDCBA9876543210FEDCBA9876543210FEDCBA98", relay.Fingerprint, StringComparison.Ordinal));
        await using TorService tor = await _test.StartAsync(options with
        {
            Executable = _test.Script("tor-elsewhen", $"exec {FakeTime} -f '{offset}' {TestTor.Program} \"$@\""),
            StuckAfter = TimeSpan.FromSeconds(2),
        });
        // It may be called stuck before a relay has told it the time.
        TorStatus skewed = await _test.StatusAsync(tor, status => status is { State: TorState.Stuck, Error: TorError.ClockSkewed });
        TorException e = await Assert.ThrowsAsync<TorException>(() => tor.WaitUntilReadyAsync(_test.Token));
        Assert.Equal(TorError.ClockSkewed, e.Error);
        Assert.Contains("clock", e.Message, StringComparison.Ordinal);
        Assert.Contains("timedatectl", e.Message, StringComparison.Ordinal);
        if (offset[0] == '-')
        {
            Assert.Contains("3 days behind", e.Message, StringComparison.Ordinal);
            Assert.InRange(skewed.ClockSkew!.Value, TimeSpan.FromDays(-3.1), TimeSpan.FromDays(-2.9));
        }
    }

    [Fact]
    public async Task Killed_tor_is_started_again()
    {
        using var log = new HeardLog();
        await using TorService tor = await _test.StartAsync(_test.Options(_authority.Port), log);
        await _test.KillAsync(tor);
        Assert.Contains(log.Lines, line => line.Contains("exit code 137", StringComparison.Ordinal));
        await _test.StatusAsync(tor, status => status is { State: TorState.Bootstrapping, Error: null });
        await tor.NewIdentityAsync(_test.Token);
    }

    [Fact]
    public async Task Tor_that_ends_again_and_again_is_said()
    {
        // Runs until it is told that it is broken; from then on it ends soon after every start, sometimes before anybody could control it.
        string broken = Path.Combine(_test.Root, "broken");
        string program = _test.Script("program", $"""
            case "$1" in --*) exec {TestTor.Program} "$@";; esac
            (while kill -0 $$ && [ ! -e {broken} ]; do sleep 0.1; done; sleep 0.5; kill -9 $$) 2>/dev/null &
            exec {TestTor.Program} "$@"
            """);
        await using TorService tor = await _test.StartAsync(_test.Options(_authority.Port) with { Executable = program, StuckAfter = TimeSpan.FromSeconds(5) });
        await File.WriteAllTextAsync(broken, "", _test.Token);
        TorStatus stuck = await _test.StatusAsync(tor, status => status is { State: TorState.Stuck, Error: TorError.Died or TorError.CannotStart });
        Assert.NotNull(stuck.Advice);
    }

    [Fact]
    public async Task Tor_that_cannot_be_started_again_is_said_and_comes_back_when_it_can()
    {
        // The program is replaced while it runs, as by an update that fails.
        string good = $"exec {TestTor.Program} \"$@\"";
        string program = _test.Script("program", good);
        await using TorService tor = await _test.StartAsync(_test.Options(_authority.Port) with { Executable = program });
        int first = await tor.ProcessIdAsync(_test.Token);
        File.Delete(program);
        using (var process = Process.GetProcessById(first))
        {
            process.Kill();
        }
        TorStatus failed = await _test.StatusAsync(tor, status => status.Error == TorError.NotFound);
        Assert.Equal(TorState.Stuck, failed.State);
        Assert.Equal(TorError.NotFound, (await Assert.ThrowsAsync<TorException>(() => tor.WaitUntilReadyAsync(_test.Token))).Error);
        _test.Script("program", good);
        await _test.StatusAsync(tor, status => status.State == TorState.Bootstrapping);
    }

    private async Task<TorException> FailAsync(TorOptions options, TorError error)
    {
        TorException e = await Assert.ThrowsAsync<TorException>(async () =>
        {
            await using TorService tor = await _test.StartAsync(options);
        });
        Assert.Equal(error, e.Error);
        return e;
    }
}
