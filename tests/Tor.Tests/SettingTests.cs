namespace Tacit.Tor.Tests;

/// <summary>Settings become lines of tor's configuration: each wrong one is named, and none can bring a line of its own.</summary>
public sealed class SettingTests : IDisposable
{
    private const string Fingerprint = "0123456789ABCDEF0123456789ABCDEF01234567";
    private readonly TestTor _test = new();

    public void Dispose() => _test.Dispose();

    [Fact]
    public void Bridges_of_every_form_are_taken()
    {
        string plugin = _test.Script("obfs4proxy", "exit 0");
        Assert.Empty(new TorOptions
        {
            DataDirectory = _test.Folder,
            Plugins = [$"obfs4,meek_lite exec {plugin} -logging", "snowflake socks5 127.0.0.1:4711"],
            Bridges =
            [
                "192.0.2.3:443", $"Bridge 192.0.2.3:443 {Fingerprint}", "[2001:db8::1]:443", $"obfs4 192.0.2.3:443 {Fingerprint} cert=AbC+/ iat-mode=0",
                $"snowflake 192.0.2.3:80 {Fingerprint} url=https://a.example/ fronts=b.example,c.example",
            ],
        }.Problems());
    }

    [Theory]
    [InlineData("")]
    [InlineData("192.0.2.3")]
    [InlineData("192.0.2.3:0")]
    [InlineData("192.0.2.3:99999")]
    [InlineData("bridge.example:443")]
    [InlineData("192.0.2.3:443 ABCDEF")]
    [InlineData("192.0.2.3:443 0123456789ABCDEF0123456789ABCDEF01234567 odd")]
    [InlineData("obfs4 192.0.2.3:443")]
    [InlineData("192.0.2.3:443\nControlPort 9051")]
    [InlineData("192.0.2.3:443\\")]
    [InlineData("192.0.2.3:443 # aside")]
    public void Wrong_bridge_is_named(string bridge)
    {
        TorSettingProblem problem = Assert.Single(new TorOptions { DataDirectory = _test.Folder, Bridges = ["192.0.2.9:443", bridge] }.Problems());
        Assert.Equal("Bridges:1", problem.Key);
        Assert.DoesNotContain('\n', problem.Problem);
    }

    [Theory]
    [InlineData("obfs4")]
    [InlineData("obfs4 exec obfs4proxy")]
    [InlineData("obfs4 exec /nowhere/obfs4proxy")]
    [InlineData("obfs4 run /bin/true")]
    [InlineData("obfs4 socks5 localhost")]
    [InlineData("ob-fs exec /bin/sh")]
    [InlineData("obfs4 exec /bin/sh\nSocksPort 9050")]
    public void Wrong_plugin_is_named(string plugin) =>
        Assert.Equal("Plugins:0", Assert.Single(new TorOptions { DataDirectory = _test.Folder, Plugins = [plugin] }.Problems()).Key);

    [Theory]
    [InlineData("ControlPort 9051")]
    [InlineData("socksport 0.0.0.0:9050")]
    [InlineData("+SocksPort 9050")]
    [InlineData("/SocksPort")]
    [InlineData("%include /etc/tor/torrc")]
    [InlineData("ORPort 443")]
    [InlineData("Log debug file /tmp/log")]
    [InlineData("SafeLogging 0")]
    [InlineData("HiddenServiceDir /tmp/hs")]
    [InlineData("DataDirectory /tmp")]
    [InlineData("ClientTransportPlugin x exec /bin/sh")]
    [InlineData("__OwningControllerProcess 1")]
    [InlineData("StrictNodes 1 \\")]
    [InlineData("DirAuthority \"x\"")]
    public void Line_that_is_not_for_the_file_is_named(string line)
    {
        string file = _test.Write("further", "# a comment\n\nStrictNodes 1\n" + line + "\n");
        TorSettingProblem problem = Assert.Single(new TorOptions { DataDirectory = _test.Folder, Configuration = file }.Problems());
        Assert.Equal("Configuration", problem.Key);
        Assert.Contains("line 4", problem.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void File_that_is_not_there_is_named() =>
        Assert.Equal("Configuration", Assert.Single(new TorOptions { DataDirectory = _test.Folder, Configuration = Path.Combine(_test.Root, "none") }.Problems()).Key);

    [Theory]
    [InlineData("localhost:9050", true)]
    [InlineData("127.0.0.1:9050", true)]
    [InlineData("[::1]:9050", true)]
    [InlineData("unix:/run/tor/socks", true)]
    [InlineData("tor.example:9050", false)]
    [InlineData("127.0.0.1", false)]
    [InlineData("127.0.0.1:0", false)]
    [InlineData("::1:9050", false)]
    [InlineData("unix:tor/socks", false)]
    public void Socks_is_an_address_that_needs_no_look_up(string socks, bool isRight) => Assert.Equal(isRight, new TorOptions { Socks = socks }.Problems().Count == 0);

    [Fact]
    public void Socks_beside_bridges_is_refused() =>
        Assert.Equal("Socks", Assert.Single(new TorOptions { Socks = "127.0.0.1:9050", Bridges = ["192.0.2.3:443"] }.Problems()).Key);

    [Fact]
    public async Task Start_with_a_wrong_setting_is_a_typed_error_that_names_it()
    {
        TorException e = await Assert.ThrowsAsync<TorException>(() => _test.StartAsync(new TorOptions { DataDirectory = _test.Folder, Bridges = ["nonsense"] }));
        Assert.Equal((TorError.BadSetting, "Bridges:0"), (e.Error, e.Setting));
        Assert.False(Directory.Exists(_test.Folder));
    }

    [Fact]
    public void Length_of_time_out_of_range_is_named() =>
        Assert.Equal(["StuckAfter", "StartTimeout"],
            new TorOptions { DataDirectory = _test.Folder, StuckAfter = TimeSpan.Zero, StartTimeout = TimeSpan.FromDays(1) }.Problems().Select(problem => problem.Key));
}
