using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Tacit.EndToEnd.Support;

namespace Tacit.Cli.Tests;

/// <summary><c>tacit wallet pseudonym</c> with the roles as processes of their own.</summary>
public sealed class WalletPseudonymCommandTests
{
    private const string Shared = """
        "Plans": [ { "Id": "chat", "Models": ["tacit-demo"], "MaxInputBytes": 262144, "MaxOutputTokens": 4096, "Price": 1, "Period": "month" } ],
        "Pseudonyms": [ { "Gateway": "gateway.test", "Policy": "transient", "Period": "month" } ]
        """;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Pseudonym_is_fetched_once_allowed_shown_with_a_prompt_and_replaced()
    {
        using TemporaryFolder folder = new();
        int port = FreePorts.Take(3);
        await KeyedFolder.CopyToAsync(folder["signer"]);
        await KeyedFolder.CopyToAsync(folder["issuer"]);
        await File.WriteAllTextAsync(folder["internal.key"], "a key between the roles\n", Ct);
        string keys = $$""" "KeyFile": "file:{{folder["signer/demo.key"]}}" """;
        string link = $$""" "Signer": { "Address": "unix:{{folder["signer/signer-internal.sock"]}}", "Key": "file:{{folder["internal.key"]}}" } """;
        await File.WriteAllTextAsync(folder["signer.json"], $$"""{ {{Shared}}, {{keys}}, "InternalKey": "file:{{folder["internal.key"]}}" }""", Ct);
        await File.WriteAllTextAsync(folder["issuer.json"], $$"""
            { {{Shared}}, {{keys}}, {{link}}, "Listen": "127.0.0.1:{{port + 1}}", "IssuerName": "issuer.tacit-demo",
              "Gateways": [ { "Name": "gateway.test", "Urls": ["http://127.0.0.1:{{port + 2}}"] } ] }
            """, Ct);
        await using Role signer = await Role.StartAsync("signer", "--config", folder["signer.json"], "--data", folder["signer"]);
        await using Role issuer = await Role.StartAsync("issuer", "--config", folder["issuer.json"], "--data", folder["issuer"]);
        string directoryKey = issuer.Ready.GetProperty("facts").GetProperty("directoryKey").GetString()!;
        string issuerUrl = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port + 1}");
        string[] user = ["--data", folder["user"]];
        await RunningRoleTests.JsonAsync(["account", "create", "--issuer", issuerUrl, "--directory-key", directoryKey, "--json", .. user]);
        JsonElement voucher = await RunningRoleTests.JsonAsync(["voucher", "create", "--credits", "10", "--json", "--data", folder["issuer"]]);
        await RunningRoleTests.JsonAsync(["account", "deposit", voucher.GetProperty("codes")[0].GetString()!, "--json", .. user]);
        Outcome filled = await Cli.RunAsync(["wallet", "fill", "--size", "5", .. user]);
        Assert.True(filled.Code == ExitCode.Fine, filled.Error);

        Outcome refused = await Cli.RunAsync(["wallet", "pseudonym", "fetch", .. user]);
        Assert.Equal(ExitCode.Failed, refused.Code);
        Assert.Contains("AllowPseudonyms", refused.Error, StringComparison.Ordinal);
        Assert.NotEqual(ExitCode.Fine, (await Cli.RunAsync(["wallet", "pseudonym", "rotate", .. user])).Code);

        string settings = folder["user/app.json"];
        JsonObject app = JsonNode.Parse(await File.ReadAllTextAsync(settings, Ct))!.AsObject();
        app["AllowPseudonyms"] = true;
        await File.WriteAllTextAsync(settings, app.ToJsonString(), Ct);
        Assert.Equal(ExitCode.Failed, (await Cli.RunAsync(["wallet", "pseudonym", "rotate", .. user])).Code);

        // The issuer lists the keys once the signer has made them. Near the end of a month also the next one's.
        JsonElement[] fetched = [];
        await UntilAsync(async () =>
        {
            fetched = [.. (await RunningRoleTests.JsonAsync(["wallet", "pseudonym", "fetch", "--json", .. user])).EnumerateArray()];
            return fetched.Length >= 2;
        });
        Assert.All(fetched, held => Assert.True(held.GetProperty("isHeld").GetBoolean()));
        Assert.Equal(["transient", "transient-rotated"], fetched.Select(held => held.GetProperty("kind").GetString()).Distinct().Order());
        Assert.Equal(fetched.Length, (await RunningRoleTests.JsonAsync(["wallet", "pseudonym", "fetch", "--json", .. user])).GetArrayLength());

        await File.WriteAllTextAsync(folder["gateway.json"], $$"""
            { "Name": "gateway.test", "Listen": "127.0.0.1:{{port + 2}}", "IssuerUrl": "{{issuerUrl}}", "DirectoryKey": "{{directoryKey}}", {{link}}, "Inference": { "DemoModel": true } }
            """, Ct);
        await using Role gateway = await Role.StartAsync("gateway", "--config", folder["gateway.json"], "--data", folder["gateway"]);
        Outcome asked = await Cli.RunAsync(["ask", "Hello", .. user]);
        Assert.True(asked.Code == ExitCode.Fine, asked.Error);
        Outcome replaced = await Cli.RunAsync(["wallet", "pseudonym", "rotate", .. user]);
        Assert.True(replaced.Code == ExitCode.Fine, replaced.Error);
        Assert.Contains("takes the old pseudonym no more", replaced.Out + replaced.Error, StringComparison.Ordinal);

        // The new one is what goes beside the next prompt; to say it again changes nothing.
        Outcome again = await Cli.RunAsync(["ask", "Hello again", .. user]);
        Assert.True(again.Code == ExitCode.Fine, again.Error);
        Assert.Equal(ExitCode.Fine, (await Cli.RunAsync(["wallet", "pseudonym", "rotate", .. user])).Code);
        Assert.Contains("in place of a stolen one", (await Cli.RunAsync(["wallet", "pseudonym", "fetch", .. user])).Out, StringComparison.Ordinal);
    }

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        long start = Stopwatch.GetTimestamp();
        while (!await condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromMinutes(3), "It did not come to be.");
            await Task.Delay(100, Ct);
        }
    }
}
