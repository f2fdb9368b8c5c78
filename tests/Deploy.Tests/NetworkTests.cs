namespace Tacit.Deploy.Tests;

/// <summary>Rules, WireGuard and certificates, in network namespaces that the scripts make and take away.</summary>
public sealed class NetworkTests : IDisposable
{
    private readonly Script _script = new();

    public void Dispose() => _script.Dispose();

    [Fact]
    public async Task Rules_of_each_role_pass_what_it_needs_and_nothing_else()
    {
        await SkipUnlessAsync("ip", "nft");
        Outcome outcome = await _script.RunAsync("deploy/network/verify-rules.sh");
        Assert.True(outcome.Code == 0, outcome.Out + outcome.Error);
        Assert.Equal(5, outcome.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
    }

    [Fact]
    public async Task Verifying_finds_rules_that_let_through_too_much_and_too_little()
    {
        await SkipUnlessAsync("ip", "nft");
        // Another host may be called in the place of the one that should be.
        _script.Set("INFERENCE", "10.73.0.66").Set("PATIENCE", "3");
        Outcome outcome = await _script.RunAsync("deploy/network/verify-rules.sh", "gateway");
        Assert.Equal(1, outcome.Code);
        Assert.Contains("an inference host is dropped", outcome.Out, StringComparison.Ordinal);
        Assert.Contains("another private machine passes", outcome.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Router_and_two_hosts_over_wireguard_and_mutual_tls_lose_no_question_while_each_dies_and_certificates_are_renewed()
    {
        await SkipUnlessAsync("ip", "nft", "wg", "wg-quick", "nginx", "openssl", "curl");
        Assert.SkipUnless(HasAny("wireguard-go") || Directory.Exists("/sys/module/wireguard"), "neither the kernel has WireGuard nor is wireguard-go installed");
        Outcome outcome = await _script.RunAsync("deploy/try-network.sh", Script.Program);
        Assert.True(outcome.Code == 0, outcome.Out + outcome.Error);
        Assert.Contains("each answered", outcome.Out, StringComparison.Ordinal);
        Outcome left = await _script.ExecuteAsync("ip", "netns", "list");
        Assert.DoesNotContain("tn", left.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Certificates_are_renewed_at_half_their_life_and_only_those_on_the_list()
    {
        Assert.SkipUnless(Script.HasTool("openssl"), "openssl is not installed");
        const string script = "deploy/network/certificates.sh";
        string folder = _script["authority"];
        Assert.Equal(0, (await _script.RunAsync(script, "ca", folder)).Code);
        // An authority is never made over another.
        Assert.Equal(1, (await _script.RunAsync(script, "ca", folder)).Code);
        Assert.Equal(0, (await _script.RunAsync(script, "issue", folder, "h1", "server", "10.73.0.11", "h1.example")).Code);
        Assert.Equal(0, (await _script.RunAsync(script, "issue", folder, "router", "client")).Code);
        Assert.Equal("", (await _script.RunAsync(script, "renew", folder)).Out);
        Assert.Equal(2, (await _script.RunAsync(script, "issue", folder, "../evil", "client")).Code);

        // Half of ten days is more than two: as seen by that, both are due.
        _script.Set("DAYS", "10");
        await File.WriteAllLinesAsync(Path.Combine(folder, "names"), ["h1 server 10.73.0.11 h1.example"], TestContext.Current.CancellationToken);
        string before = await File.ReadAllTextAsync(Path.Combine(folder, "h1.crt"), TestContext.Current.CancellationToken);
        Outcome renewed = await _script.RunAsync(script, "renew", folder);
        Assert.StartsWith("renewed h1 until", renewed.Out, StringComparison.Ordinal);
        Assert.DoesNotContain("router", renewed.Out, StringComparison.Ordinal);
        Assert.NotEqual(before, await File.ReadAllTextAsync(Path.Combine(folder, "h1.crt"), TestContext.Current.CancellationToken));
        Outcome verified = await _script.ExecuteAsync(
            "openssl", "verify", "-CAfile", Path.Combine(folder, "ca.crt"), "-purpose", "sslserver", "-verify_ip", "10.73.0.11", Path.Combine(folder, "h1.crt"));
        Assert.True(verified.Code == 0, verified.Error);
        Assert.NotEqual(0, (await _script.ExecuteAsync("openssl", "verify", "-CAfile", Path.Combine(folder, "ca.crt"), "-purpose", "sslclient", Path.Combine(folder, "h1.crt"))).Code);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(folder, "h1.key")));
    }

    [Fact]
    public async Task Certificate_that_did_not_reach_its_machine_holds_up_no_other_and_is_brought_again()
    {
        Assert.SkipUnless(Script.HasTool("openssl"), "openssl is not installed");
        const string script = "deploy/network/certificates.sh";
        string folder = _script["authority"];
        Assert.Equal(0, (await _script.RunAsync(script, "ca", folder)).Code);
        Assert.Equal(0, (await _script.RunAsync(script, "issue", folder, "h1", "server", "10.73.0.11")).Code);
        Assert.Equal(0, (await _script.RunAsync(script, "issue", folder, "router", "client")).Code);
        _script.Record("bring", $"[ \"$1\" != h1 ] || [ -e '{_script["h1-is-up"]}' ]");

        _script.Set("FORCE", "1");
        Outcome down = await _script.RunAsync(script, "renew", folder, "bring");
        Assert.Equal(1, down.Code);
        Assert.Contains("h1", down.Error, StringComparison.Ordinal);
        Assert.Equal(["h1", "router"], _script.Calls("bring").Select(call => call[0]));
        string made = await File.ReadAllTextAsync(Path.Combine(folder, "h1.crt"), TestContext.Current.CancellationToken);

        // Nothing is due any more but what is on its way still.
        _script.Set("FORCE", "");
        Assert.Equal(1, (await _script.RunAsync(script, "renew", folder, "bring")).Code);
        await File.WriteAllTextAsync(_script["h1-is-up"], "", TestContext.Current.CancellationToken);
        Assert.Equal(0, (await _script.RunAsync(script, "renew", folder, "bring")).Code);
        Assert.Equal(0, (await _script.RunAsync(script, "renew", folder, "bring")).Code);
        Assert.Equal(["h1", "router", "h1", "h1"], _script.Calls("bring").Select(call => call[0]));
        Assert.Equal(made, await File.ReadAllTextAsync(Path.Combine(folder, "h1.crt"), TestContext.Current.CancellationToken));

        // Whatever fails on the way leaves no key lying about.
        _script.Record("openssl", "case $1 in req) for word in \"$@\"; do case $last in -keyout) echo secret >\"$word\" ;; esac; last=$word; done ;; x509) exit 1 ;; esac");
        _script.Set("FORCE", "1");
        Assert.NotEqual(0, (await _script.RunAsync(script, "renew", folder, "bring")).Code);
        Assert.NotEqual(0, (await _script.RunAsync(script, "issue", folder, "h3", "client")).Code);
        Assert.Empty(Directory.EnumerateDirectories(folder));
        Assert.Equal(made, await File.ReadAllTextAsync(Path.Combine(folder, "h1.crt"), TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Host_check_says_what_a_machine_lacks()
    {
        string proc = _script["proc"];
        foreach (string line in File.ReadLines(Path.Combine(Script.Root, "deploy/host/sysctl.conf")).Where(line => line.Contains(" = ", StringComparison.Ordinal) && line[0] != '#'))
        {
            string[] parts = line.Split(" = ");
            string file = Path.Combine(proc, "sys", parts[0].Replace('.', '/'));
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            await File.WriteAllTextAsync(file, parts[1] + "\n", TestContext.Current.CancellationToken);
        }

        await File.WriteAllTextAsync(Path.Combine(proc, "swaps"), "Filename Type Size Used Priority\n", TestContext.Current.CancellationToken);
        _script.Set("PROC", proc);
        Outcome good = await _script.RunAsync("deploy/check-host.sh");
        Assert.True(good.Code == 0, good.Out + good.Error);

        await File.WriteAllTextAsync(Path.Combine(proc, "sys/kernel/core_pattern"), "core\n", TestContext.Current.CancellationToken);
        await File.AppendAllTextAsync(Path.Combine(proc, "swaps"), "/dev/sda2 partition 1 0 -2\n", TestContext.Current.CancellationToken);
        Outcome bad = await _script.RunAsync("deploy/check-host.sh");
        Assert.Equal(1, bad.Code);
        Assert.Contains("lacking  kernel.core_pattern = core", bad.Out, StringComparison.Ordinal);
        Assert.Contains("lacking  swap on /dev/sda2", bad.Out, StringComparison.Ordinal);
    }

    private async Task SkipUnlessAsync(params string[] tools)
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "only root can make network namespaces");
        foreach (string tool in tools)
        {
            Assert.SkipUnless(HasAny(tool), $"{tool} is not installed");
        }

        Assert.SkipUnless((await _script.ExecuteAsync("unshare", "--net", "true")).Code == 0, "this machine lets nobody make network namespaces");
    }

    /// <summary>Also where an administrator's tools are.</summary>
    private static bool HasAny(string tool) => Script.HasTool(tool) || File.Exists("/usr/sbin/" + tool) || File.Exists("/sbin/" + tool);
}
