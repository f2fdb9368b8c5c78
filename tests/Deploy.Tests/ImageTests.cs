using YamlDotNet.RepresentationModel;

namespace Tacit.Deploy.Tests;

/// <summary>Images and the compose file. No engine runs here: the scripts are tried against one that writes down what it is asked, the files are read.</summary>
public sealed class ImageTests : IDisposable
{
    private static readonly string[] s_roles = ["signer", "issuer", "gateway"];
    private static readonly string[] s_images = [.. s_roles, "relay"];

    private readonly Script _script = new();

    public void Dispose() => _script.Dispose();

    [Fact]
    public async Task Script_builds_an_image_for_each_role()
    {
        _script.Record("docker");
        Outcome outcome = await _script.RunAsync("deploy/docker/build-image.sh", "--registry", "r.io/x", "--tag", "v1");
        Assert.True(outcome.Code == 0, outcome.Error);
        Assert.Equal(s_images.Select(role => $"r.io/x/tacit-{role}:v1"), outcome.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        string[][] calls = _script.Calls("docker");
        Assert.Equal(s_images.Length, calls.Length);
        Assert.All(calls, call => Assert.Equal("build", call[0]));
        Assert.Equal(s_images, calls.Select(call => call[Array.IndexOf(call, "--target") + 1]));
    }

    [Fact]
    public async Task Script_pushes_several_platforms_at_once_only_where_told()
    {
        _script.Record("docker");
        Assert.Equal(2, (await _script.RunAsync("deploy/docker/build-image.sh", "--platform", "linux/amd64,linux/arm64", "gateway")).Code);
        Assert.Empty(_script.Calls("docker"));
        Assert.Equal(0, (await _script.RunAsync("deploy/docker/build-image.sh", "--tag", "v1", "--platform", "linux/amd64,linux/arm64", "--push", "gateway")).Code);
        string[] call = Assert.Single(_script.Calls("docker"));
        Assert.Equal(["buildx", "build"], call[..2]);
        Assert.Contains("--push", call);
    }

    [Fact]
    public void Dockerfile_copies_every_project_and_gives_each_role_a_user_of_its_own()
    {
        string file = File.ReadAllText(Path.Combine(Script.Root, "deploy/docker/Dockerfile"));
        foreach (string project in Directory.EnumerateDirectories(Path.Combine(Script.Root, "src")).Where(folder => Directory.EnumerateFiles(folder, "*.csproj").Any()))
        {
            string name = Path.GetFileName(project);
            Assert.Contains($"COPY src/{name}/*.csproj src/{name}/\n", file, StringComparison.Ordinal);
        }

        // What projects import is there when they are restored, and not kept out.
        Assert.True(
            file.IndexOf("COPY build/Web.targets", StringComparison.Ordinal) is > 0 and int copied && copied < file.IndexOf("dotnet restore", StringComparison.Ordinal));
        Assert.Contains("!build\n", File.ReadAllText(Path.Combine(Script.Root, "deploy/docker/Dockerfile.dockerignore")), StringComparison.Ordinal);

        string[] users = [.. file.Split('\n').Where(line => line.StartsWith("USER ", StringComparison.Ordinal))];
        Assert.Equal(s_images.Length, users.Distinct().Count());
        foreach (string role in s_images)
        {
            string stage = file[file.IndexOf($"FROM base AS {role}\n", StringComparison.Ordinal)..];
            Assert.StartsWith($"ENTRYPOINT [\"/usr/bin/tacit\", \"{role}\"]", stage[stage.IndexOf("ENTRYPOINT", StringComparison.Ordinal)..], StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Compose_roles_share_no_user_volume_secret_or_store()
    {
        YamlNode compose = Load("deploy/docker/compose.yaml");
        YamlNode services = compose["services"];
        Assert.Equal(3, s_roles.Select(role => services[role]["user"].ToString()).Distinct().Count());
        foreach (string role in s_roles)
        {
            YamlMappingNode service = (YamlMappingNode)services[role];
            Assert.False(service.Children.ContainsKey("volumes"));
            foreach (string other in s_roles.Where(other => other != role))
            {
                // The certificate is public.
                Assert.Equal(["signer-tls.crt"], Names(service, "secrets").Intersect(Names(services[other], "secrets")));
            }
        }

        Assert.Empty(Names(services["issuer"], "networks").Intersect(Names(services["gateway"], "networks")).Except(["directory"]));
        Assert.Empty(Names(services["gateway"], "networks").Intersect(Names(services["postgres-identity"], "networks")));
        Assert.Empty(Names(services["issuer"], "networks").Intersect(Names(services["postgres-anonymous"], "networks")));
        // What is mounted is there, and what is declared is mounted.
        string[] used = [.. ((YamlMappingNode)services).Children.Values.SelectMany(service => Names(service, "secrets")).Distinct().Order(StringComparer.Ordinal)];
        Assert.Equal(((YamlMappingNode)compose["secrets"]).Children.Keys.Select(key => key.ToString()).Order(StringComparer.Ordinal), used);
    }

    [Fact]
    public async Task Relay_runs_by_itself_with_no_secret_volume_or_network_of_the_others()
    {
        YamlMappingNode relay = (YamlMappingNode)Load("deploy/docker/relay.yaml")["services"]["relay"];
        string dockerfile = File.ReadAllText(Path.Combine(Script.Root, "deploy/docker/Dockerfile"));
        Assert.Contains($"USER {relay["user"]}\n", dockerfile[dockerfile.IndexOf("FROM base AS relay\n", StringComparison.Ordinal)..], StringComparison.Ordinal);
        Assert.DoesNotContain(s_roles, role => Load("deploy/docker/compose.yaml")["services"][role]["user"].Equals(relay["user"]));
        foreach (string shared in (string[])["secrets", "volumes", "networks", "environment", "depends_on"])
        {
            Assert.False(relay.Children.ContainsKey(shared), shared);
        }

        foreach (string settings in (string[])["deploy/docker/settings/relay.json", "deploy/settings/relay.json"])
        {
            Outcome outcome = await _script.ExecuteAsync(Script.Program, "relay", "--config", Path.Combine(Script.Root, settings), "--data", _script["data"], "--check");
            Assert.True(outcome.Code == 0, outcome.Error);
        }
    }

    [Fact]
    public async Task Secrets_script_makes_every_secret_of_the_compose_file_once()
    {
        Assert.SkipUnless(Script.HasTool("openssl"), "openssl is not installed");
        string folder = _script["secrets"];
        Assert.Equal(0, (await _script.RunAsync("deploy/docker/secrets.sh", folder)).Code);
        YamlMappingNode secrets = (YamlMappingNode)Load("deploy/docker/compose.yaml")["secrets"];
        Assert.All(secrets.Children.Keys, name => Assert.True(new FileInfo(Path.Combine(folder, name.ToString())).Length > 0, name.ToString()));
        Assert.Equal(File.ReadAllText(Path.Combine(folder, "signer-internal.key")), File.ReadAllText(Path.Combine(folder, "gateway-internal.key")));
        Assert.Equal(3, s_roles.Select(role => File.ReadAllText(Path.Combine(folder, role + ".key"))).Distinct().Count());
        Dictionary<string, string> first = Directory.EnumerateFiles(folder).ToDictionary(file => file, File.ReadAllText);
        Assert.Equal(0, (await _script.RunAsync("deploy/docker/secrets.sh", folder)).Code);
        Assert.Equal(first, Directory.EnumerateFiles(folder).ToDictionary(file => file, File.ReadAllText));
    }

    private static IEnumerable<string> Names(YamlNode service, string list) =>
        ((YamlMappingNode)service).Children.TryGetValue(list, out YamlNode? names) ? ((YamlSequenceNode)names).Select(name => name.ToString()) : [];

    private static YamlNode Load(string path)
    {
        var stream = new YamlStream();
        using StreamReader reader = new(Path.Combine(Script.Root, path));
        stream.Load(reader);
        return stream.Documents[0].RootNode;
    }
}
