using YamlDotNet.RepresentationModel;

namespace Tacit.Deploy.Tests;

/// <summary>The Azure script against an <c>az</c> that writes down what it is asked.</summary>
public sealed class ContainerAppsTests : IDisposable
{
    private const string Path = "deploy/azure/containerapps.sh";

    private const string Env = """
        # a comment
        AZURE_RESOURCE_GROUP=rg
        export AZURE_LOCATION="westeurope"
        TACIT_REGISTRY=example.azurecr.io/tacit
        TACIT_TAG=v1
        TACIT_INTERNAL_KEY='inter$nal `key` "quoted" \ end'
        TACIT_SIGNER_PASSPHRASE=secret-signer-passphrase
        TACIT_ISSUER_PASSPHRASE=secret-issuer-passphrase   
        TACIT_SIGNER_POSTGRES=Host=a;Password=secret-signer-db
        TACIT_ISSUER_POSTGRES=Host=a;Password=secret-issuer-db
        TACIT_GATEWAY_POSTGRES=Host=b;Password=secret-gateway-db
        TACIT__Issuer__IssuerName=issuer.example
        TACIT__Gateway__Name=gateway.example
        TACIT__Gateway__DirectoryKey=KEY
        TACIT__Gateway__Inference__Backends__0__Models__gpt-4o.mini=gpt-4o.mini
        TACIT_SECRET__Gateway__OPENAI_KEY=secret-openai
        """;

    private readonly Script _script = new();
    private readonly string _env;

    public ContainerAppsTests()
    {
        _env = _script["settings.env"];
        File.WriteAllText(_env, Env);

        // Nothing is there yet, unless a test says so; a file that is handed over is kept.
        _script.Record("az", $$"""
            while [ $# -gt 0 ]; do
              case $1 in
                --yaml) cp "$2" '{{_script.Folder}}/'"$(basename "$2")"; stat -c %a "$2" >'{{_script["mode"]}}' ;;
                --query) case $2 in location) echo westeurope ;; id) echo /env/id ;; properties.defaultDomain) echo blue.example ;; *image) echo old.azurecr.io/tacit:v0 ;; esac; exit 0 ;;
                show) missing=1 ;;
              esac
              shift
            done
            [ -z "${missing:-}" ] || [ -e '{{_script["exists"]}}' ]
            """);
    }

    public void Dispose() => _script.Dispose();

    [Fact]
    public async Task Create_makes_group_environment_and_an_app_for_each_role_in_order()
    {
        Outcome outcome = await _script.RunAsync(Path, "--env-file", _env, "create");
        Assert.True(outcome.Code == 0, outcome.Error);
        Assert.Equal(
            ["group create", "containerapp env", "tacit-signer", "tacit-issuer", "tacit-gateway"],
            _script.Calls("az").Where(call => call.Contains("create")).Select(call => call.Contains("--yaml") ? call[3] : $"{call[0]} {call[1]}"));
        Assert.Equal("600", File.ReadAllText(_script["mode"]).Trim());

        YamlNode signer = App("signer"), issuer = App("issuer"), gateway = App("gateway");
        Assert.Equal(("false", "true", "true"), (Text(signer, "ingress", "external"), Text(issuer, "ingress", "external"), Text(gateway, "ingress", "external")));
        Assert.Equal("example.azurecr.io/tacit/tacit-gateway:v1", Container(gateway)["image"].ToString());
        Assert.Equal("/env/id", ((YamlMappingNode)gateway["properties"])["managedEnvironmentId"].ToString());
        Assert.Equal("https://tacit-signer.internal.blue.example", EnvOf(gateway)["TACIT__Gateway__Signer__Address"]);
        Assert.Equal("gpt-4o.mini", EnvOf(gateway)["TACIT__Gateway__Inference__Backends__0__Models__gpt-4o.mini"]);
        Assert.Equal("secret:openai-key", EnvOf(gateway)["OPENAI_KEY"]);
        Assert.Equal("env:TACIT_POSTGRES", EnvOf(issuer)["TACIT__Issuer__Database__Postgres"]);
        Assert.Equal("inter$nal `key` \"quoted\" \\ end", SecretsOf(issuer)["tacit-internal-key"]);
        Assert.Equal("secret-issuer-passphrase", SecretsOf(issuer)["tacit-passphrase"]);
    }

    [Fact]
    public async Task Secrets_are_in_no_argument_and_each_role_gets_its_own_only()
    {
        Outcome outcome = await _script.RunAsync(Path, "--env-file", _env, "create");
        Assert.Equal(0, outcome.Code);
        string arguments = string.Join('\n', _script.Calls("az").SelectMany(call => call));
        Assert.DoesNotContain("secret-", arguments + outcome.Out + outcome.Error, StringComparison.Ordinal);
        foreach ((string role, string[] known) in (ReadOnlySpan<(string, string[])>)[
            ("signer", ["secret-signer-passphrase", "secret-signer-db"]),
            ("issuer", ["secret-issuer-passphrase", "secret-issuer-db"]),
            ("gateway", ["secret-gateway-db", "secret-openai"])])
        {
            string yaml = File.ReadAllText(_script[role + ".yaml"]);
            string[] all = ["secret-signer-passphrase", "secret-issuer-passphrase", "secret-signer-db", "secret-issuer-db", "secret-gateway-db", "secret-openai"];
            Assert.Equal(known.Order(), all.Where(secret => yaml.Contains(secret, StringComparison.Ordinal)).Order());
            // A secret is a value once, and referred to where it is used.
            Assert.All(known, secret => Assert.Equal(2, yaml.Split(secret).Length));
            Assert.DoesNotContain(EnvOf(App(role)).Keys, name => name.StartsWith("TACIT__", StringComparison.Ordinal) && !name.StartsWith($"TACIT__{role}__", StringComparison.OrdinalIgnoreCase));
        }
    }

    [Fact]
    public async Task Gateway_waits_for_the_directory_key()
    {
        File.WriteAllText(_env, Env.Replace("TACIT__Gateway__DirectoryKey=KEY", "", StringComparison.Ordinal));
        Outcome outcome = await _script.RunAsync(Path, "--env-file", _env, "create");
        Assert.Equal(0, outcome.Code);
        Assert.Contains("directory key", outcome.Out, StringComparison.Ordinal);
        Assert.False(File.Exists(_script["gateway.yaml"]));
        Assert.True(File.Exists(_script["issuer.yaml"]));
    }

    [Fact]
    public async Task Create_again_leaves_what_is_there()
    {
        File.WriteAllText(_script["exists"], "");
        Outcome outcome = await _script.RunAsync(Path, "--env-file", _env, "create");
        Assert.Equal(0, outcome.Code);
        Assert.DoesNotContain(_script.Calls("az"), call => call.Contains("create"));
    }

    [Fact]
    public async Task Redeploy_changes_the_image_and_needs_no_secret()
    {
        Outcome outcome = await _script.Set("AZURE_RESOURCE_GROUP", "rg").Set("TACIT_REGISTRY", "r.io").Set("TACIT_TAG", "v2").RunAsync(Path, "redeploy", "gateway");
        Assert.True(outcome.Code == 0, outcome.Error);
        Assert.Equal(
            ["containerapp", "update", "--name", "tacit-gateway", "--resource-group", "rg", "--image", "r.io/tacit-gateway:v2", "--output", "none"],
            Assert.Single(_script.Calls("az")));
    }

    [Fact]
    public async Task Env_only_keeps_the_image_that_runs()
    {
        Outcome outcome = await _script.RunAsync(Path, "--env-file", _env, "env-only", "issuer");
        Assert.True(outcome.Code == 0, outcome.Error);
        Assert.Equal("old.azurecr.io/tacit:v0", Container(App("issuer"))["image"].ToString());
        Assert.Equal(["containerapp", "update", "--name", "tacit-issuer"], _script.Calls("az")[^1][..4]);
        Assert.False(File.Exists(_script["gateway.yaml"]));
    }

    [Fact]
    public async Task Environment_wins_over_the_file()
    {
        await _script.Set("TACIT__Issuer__IssuerName", "other.example").RunAsync(Path, "--env-file", _env, "create", "issuer");
        Assert.Equal("other.example", EnvOf(App("issuer"))["TACIT__Issuer__IssuerName"]);
    }

    [Fact]
    public async Task File_is_read_and_never_run()
    {
        File.AppendAllText(_env, $"\nX=$(touch {_script["ran"]})\n`touch {_script["ran"]}`=1\n");
        Outcome outcome = await _script.RunAsync(Path, "--env-file", _env, "create");
        Assert.Equal(2, outcome.Code);
        Assert.Contains("not KEY=VALUE", outcome.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(_script["ran"]));
        Assert.Empty(_script.Calls("az"));
    }

    [Fact]
    public async Task What_is_missing_is_named_before_anything_is_done()
    {
        Outcome outcome = await _script.Set("AZURE_RESOURCE_GROUP", "rg").RunAsync(Path, "create", "signer");
        Assert.Equal(2, outcome.Code);
        foreach (string name in (string[])["TACIT_REGISTRY", "TACIT_TAG", "AZURE_LOCATION", "TACIT_INTERNAL_KEY", "TACIT_SIGNER_POSTGRES", "TACIT_SIGNER_PASSPHRASE"])
        {
            Assert.Contains(name, outcome.Error, StringComparison.Ordinal);
        }
        Assert.DoesNotContain("ISSUER", outcome.Error, StringComparison.Ordinal);
        Assert.Empty(_script.Calls("az"));
        Assert.Equal(2, (await _script.RunAsync(Path, "destroy")).Code);
        Assert.Equal(2, (await _script.RunAsync(Path, "create", "oracle")).Code);
    }

    [Theory]
    [InlineData("3", "create", "gateway")]
    [InlineData("2", "env-only", "signer", "gateway")]
    [InlineData("many", "create")]
    public async Task More_than_one_replica_of_the_gateway_is_refused_before_anything_is_done(string count, params string[] arguments)
    {
        Outcome outcome = await _script.Set("AZURE_GATEWAYS", count).RunAsync(Path, ["--env-file", _env, .. arguments]);
        Assert.Equal(2, outcome.Code);
        Assert.Contains("AZURE_GATEWAYS", outcome.Error, StringComparison.Ordinal);
        Assert.Contains("AZURE_APP_PREFIX", outcome.Error, StringComparison.Ordinal);
        Assert.Empty(_script.Calls("az"));
    }

    [Fact]
    public async Task Further_gateway_is_an_app_of_its_own_that_others_reach_and_that_has_the_first_ones_signer()
    {
        Outcome outcome = await _script.Set("AZURE_APP_PREFIX", "second").Set("AZURE_GATEWAYS", "1").Set("TACIT__Gateway__Signer__Address", "https://tacit-signer.internal.blue.example")
            .RunAsync(Path, "--env-file", _env, "create", "gateway");
        Assert.True(outcome.Code == 0, outcome.Error);
        Assert.Equal("second-gateway", Assert.Single(_script.Calls("az"), call => call.Contains("--yaml"))[3]);
        YamlNode gateway = App("gateway");
        Assert.Equal("https://second-gateway.blue.example", EnvOf(gateway)["TACIT__Gateway__InstanceAddress"]);
        Assert.Equal("https://tacit-signer.internal.blue.example", EnvOf(gateway)["TACIT__Gateway__Signer__Address"]);
        Assert.Equal("1", gateway["properties"]["template"]["scale"]["maxReplicas"].ToString());
    }

    [Fact]
    public async Task Failure_of_az_ends_the_script()
    {
        _script.Record("az", "exit 1");
        Assert.NotEqual(0, (await _script.RunAsync(Path, "--env-file", _env, "create")).Code);
        Assert.False(File.Exists(_script["signer.yaml"]));
    }

    private YamlNode App(string role)
    {
        var stream = new YamlStream();
        using StreamReader reader = new(_script[role + ".yaml"]);
        stream.Load(reader);
        return stream.Documents[0].RootNode;
    }

    private static YamlNode Container(YamlNode app) => app["properties"]["template"]["containers"][0];

    private static string Text(YamlNode app, string group, string name) => app["properties"]["configuration"][group][name].ToString();

    private static Dictionary<string, string> EnvOf(YamlNode app) => ((YamlSequenceNode)Container(app)["env"]).Cast<YamlMappingNode>().ToDictionary(
        entry => entry["name"].ToString(), entry => entry.Children.TryGetValue("value", out YamlNode? value) ? value.ToString() : "secret:" + entry["secretRef"]);

    private static Dictionary<string, string> SecretsOf(YamlNode app) =>
        ((YamlSequenceNode)app["properties"]["configuration"]["secrets"]).ToDictionary(entry => entry["name"].ToString(), entry => entry["value"].ToString());
}
