using System.Text.Json;
using YamlDotNet.RepresentationModel;

namespace Tacit.Deploy.Tests;

/// <summary>Scripts that no test runs whole, units, workflows and example settings: at least they are what they say they are.</summary>
public sealed class TreeTests : IDisposable
{
    private readonly Script _script = new();

    private static IEnumerable<string> Scripts => Directory.EnumerateFiles(Path.Combine(Script.Root, "deploy"), "*.sh", SearchOption.AllDirectories)
        .Concat(Directory.EnumerateFiles(Path.Combine(Script.Root, "build"), "*.sh"))
        .Concat(((string[])["postinst", "prerm", "postrm"]).Select(name => Path.Combine(Script.Root, "deploy/debian", name)));

    public void Dispose() => _script.Dispose();

    [Fact]
    public async Task Scripts_parse_and_can_be_run()
    {
        foreach (string script in Scripts)
        {
            string shell = File.ReadLines(script).First().Contains("bash", StringComparison.Ordinal) ? "bash" : "sh";
            Outcome outcome = await _script.ExecuteAsync(shell, "-n", script);
            Assert.True(outcome.Code == 0, outcome.Error);
            Assert.True((File.GetUnixFileMode(script) & UnixFileMode.UserExecute) != 0, script);
        }
    }

    [Fact]
    public async Task Scripts_please_shellcheck()
    {
        Assert.SkipUnless(Script.HasTool("shellcheck"), "shellcheck is not installed");
        Outcome outcome = await _script.ExecuteAsync("shellcheck", [.. Scripts, Path.Combine(Script.Root, ".ci/run")]);
        Assert.True(outcome.Code == 0, outcome.Out);
    }

    [Fact]
    public async Task Units_run_each_role_as_its_own_user_on_its_own_folder()
    {
        foreach (string role in (string[])["signer", "issuer", "gateway"])
        {
            string path = Path.Combine(Script.Root, "deploy/debian", "units", $"tacit-{role}.service");
            string[] unit = await File.ReadAllLinesAsync(path, TestContext.Current.CancellationToken);
            Assert.Contains($"User=tacit-{role}", unit);
            Assert.Contains($"StateDirectory=tacit/{role}", unit);
            Assert.Contains($"ExecStart=/usr/bin/tacit {role} --config /etc/tacit/{role}.json --data /var/lib/tacit/{role}", unit);
            Assert.Contains("Type=notify", unit);
        }

        string[] sandbox = await File.ReadAllLinesAsync(Path.Combine(Script.Root, "deploy/debian/units/tacit-.service.d/sandbox.conf"), TestContext.Current.CancellationToken);
        Assert.Contains("LimitCORE=0", sandbox);
    }

    /// <summary>What the manual says is in the package lies where it says.</summary>
    [Fact]
    public async Task Package_has_units_scripts_rules_and_dashboards()
    {
        string root = _script["root"];
        Outcome outcome = await _script.RunAsync("deploy/install-units.sh", root);
        Assert.True(outcome.Code == 0, outcome.Error);
        foreach (string file in (string[])[
            "network/rules.sh", "nginx/inference.conf", "observability/alerts.yml", "observability/dashboard.json", "observability/prometheus.yml", "check-host.sh", "host/sysctl.conf"])
        {
            Assert.True(File.Exists(Path.Combine(root, "usr/share/tacit", file)), file);
        }

        foreach (string path in Directory.EnumerateFiles(Path.Combine(root, "usr/lib/systemd/system"), "*.service"))
        {
            foreach (string line in File.ReadLines(path).Where(line => line.Contains("/usr/share/tacit/", StringComparison.Ordinal)))
            {
                string named = line[line.IndexOf("/usr/share/tacit/", StringComparison.Ordinal)..].Split(' ')[0];
                Assert.True((File.GetUnixFileMode(root + named) & UnixFileMode.UserExecute) != 0, named);
            }
        }
    }

    [Theory]
    [InlineData("deploy/settings")]
    [InlineData("deploy/settings/development")]
    [InlineData("deploy/docker/settings")]
    public void Example_settings_sell_and_sign_the_same_plans_under_the_same_names(string folder)
    {
        JsonElement signer = Read("signer"), issuer = Read("issuer"), gateway = Read("gateway");
        Assert.Equal(signer.GetProperty("Plans").GetRawText(), issuer.GetProperty("Plans").GetRawText());
        Assert.Equal(gateway.GetProperty("Name").GetString(), issuer.GetProperty("Gateways")[0].GetProperty("Name").GetString());
        Assert.Equal(issuer.GetProperty("Signer").GetProperty("Address").GetString(), gateway.GetProperty("Signer").GetProperty("Address").GetString());

        JsonElement Read(string role) => JsonDocument.Parse(
            File.ReadAllText(Path.Combine(Script.Root, folder, role + ".json")), new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip }).RootElement;
    }

    /// <summary>The settings as they lie there, each in a folder with the keys that they name.</summary>
    [Theory]
    [InlineData("deploy/settings", "signer", "production")]
    [InlineData("deploy/settings", "issuer", "production")]
    [InlineData("deploy/settings", "gateway", "production")]
    [InlineData("deploy/settings/development", "signer", "development")]
    [InlineData("deploy/settings/development", "issuer", "development")]
    [InlineData("deploy/settings/development", "gateway", "development")]
    public async Task Settings_of_both_profiles_pass_the_check_and_production_refuses_what_development_takes(string folder, string role, string profile)
    {
        string settings = await File.ReadAllTextAsync(Path.Combine(Script.Root, folder, role + ".json"), TestContext.Current.CancellationToken);
        Assert.Contains($"\"Profile\": \"{profile}\"", settings, StringComparison.Ordinal);
        settings = System.Text.RegularExpressions.Regex.Replace(settings, "file:[a-z/.]*[.]key", "file:" + _script["dev.key"]);
        await File.WriteAllTextAsync(_script["dev.key"], "0123456789012345678901234567890123456789", TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(_script["good.json"], settings, TestContext.Current.CancellationToken);
        Outcome good = await _script.ExecuteAsync(Script.Program, role, "--config", _script["good.json"], "--data", _script["data"], "--check");
        Assert.True(good.Code == 0, good.Error);

        // Open to all, without TLS and with keys that everybody can read.
        await File.WriteAllTextAsync(
            _script["open.json"], System.Text.RegularExpressions.Regex.Replace(settings, "\"Listen\": \"127.0.0.1:", "\"Listen\": \"0.0.0.0:"), TestContext.Current.CancellationToken);
        Outcome open = await _script.ExecuteAsync(Script.Program, role, "--config", _script["open.json"], "--data", _script["data"], "--check");
        File.SetUnixFileMode(_script.Folder, (UnixFileMode)0x1ED);
        File.SetUnixFileMode(_script["dev.key"], (UnixFileMode)0x1A4);
        Outcome wide = await _script.ExecuteAsync(Script.Program, role, "--config", _script["good.json"], "--data", _script["data"], "--check");
        Assert.Equal(profile == "production", open.Code != 0);
        Assert.Equal(profile == "production", open.Error.Contains("BehindProxy", StringComparison.Ordinal));
        Assert.Equal(profile == "production", wide.Code != 0);
        Assert.Contains("chmod 600", wide.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Workflows_have_jobs_that_run_scripts_of_this_tree()
    {
        foreach (string path in Directory.EnumerateFiles(Path.Combine(Script.Root, ".github/workflows"), "*.yml"))
        {
            var stream = new YamlStream();
            using StreamReader reader = new(path);
            stream.Load(reader);
            YamlMappingNode workflow = (YamlMappingNode)stream.Documents[0].RootNode;
            Assert.Contains("permissions", workflow.Children.Keys.Select(key => key.ToString()));
            foreach (YamlMappingNode job in ((YamlMappingNode)workflow["jobs"]).Children.Values.Cast<YamlMappingNode>())
            {
                Assert.Contains("timeout-minutes", job.Children.Keys.Select(key => key.ToString()));
                foreach (string run in ((YamlSequenceNode)job["steps"]).Cast<YamlMappingNode>()
                    .Select(step => step.Children.TryGetValue("run", out YamlNode? text) ? text.ToString() : ""))
                {
                    // What comes from outside goes through the environment, never into the text of a script.
                    Assert.DoesNotContain("${{", run, StringComparison.Ordinal);
                    foreach (string word in run.Split([' ', '\n', '"'], StringSplitOptions.RemoveEmptyEntries).Where(word => word.StartsWith("deploy/", StringComparison.Ordinal)))
                    {
                        Assert.True(File.Exists(Path.Combine(Script.Root, word)), $"{path}: {word}");
                    }
                }
            }
        }
    }
}
