using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Client;
using Tacit.Client.Tests.Support;

namespace Tacit.EndToEnd.Support;

/// <summary>All roles as processes, each of which can be killed.</summary>
internal static class RoleProcesses
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>Signer, issuer, gateway and app with an account of so many credits, in this order. The gateway's port is the app's and two.</summary>
    /// <param name="appSettings">Further members of the app's settings, each with a comma before it.</param>
    public static async Task<(RoleProcess[] Roles, int AppPort)> StartAsync(
        TestFolder folder, CountingProvider provider, string plans, long credits, string appSettings = "")
    {
        int port = FreePorts.Take(3);
        await File.WriteAllBytesAsync(folder["key"], RandomNumberGenerator.GetBytes(64), Ct);
        await File.WriteAllTextAsync(folder["internal"], Convert.ToHexString(RandomNumberGenerator.GetBytes(32)), Ct);
        string signerCall = $$"""{ "Address": "unix:{{folder["signer/signer-internal.sock"]}}", "Key": "file:{{folder["internal"]}}" }""";
        await File.WriteAllTextAsync(folder["signer.json"], $$"""{ "Plans": {{plans}}, "KeyFile": "file:{{folder["key"]}}", "InternalKey": "file:{{folder["internal"]}}" }""", Ct);
        await File.WriteAllTextAsync(folder["issuer.json"], $$"""
            { "Plans": {{plans}}, "KeyFile": "file:{{folder["key"]}}", "Listen": "127.0.0.1:{{port + 1}}", "IssuerName": "issuer.test", "Signer": {{signerCall}},
              "Gateways": [ { "Name": "gateway.test", "Urls": ["http://127.0.0.1:{{port + 2}}"] } ] }
            """, Ct);
        var signer = new RoleProcess("signer", "--config", folder["signer.json"], "--data", folder["signer"]);
        var issuer = new RoleProcess("issuer", "--config", folder["issuer.json"], "--data", folder["issuer"]);
        await signer.StartAsync();
        string directoryKey = (await issuer.StartAsync()).GetProperty("facts").GetProperty("directoryKey").GetString()!;
        await File.WriteAllTextAsync(folder["gateway.json"], $$"""
            { "Name": "gateway.test", "Listen": "127.0.0.1:{{port + 2}}", "IssuerUrl": "http://127.0.0.1:{{port + 1}}", "DirectoryKey": "{{directoryKey}}", "Signer": {{signerCall}},
              "Inference": { "Backends": [ { "Name": "scripted", "BaseUrl": "{{provider.BaseUrl}}", "Models": { "m": "m" } } ] } }
            """, Ct);
        var gateway = new RoleProcess("gateway", "--config", folder["gateway.json"], "--data", folder["gateway"]);
        await gateway.StartAsync();
        await File.WriteAllTextAsync(folder["app.json"], $$"""
            { "Listen": "127.0.0.1:{{port}}", "IssuerUrl": "http://127.0.0.1:{{port + 1}}", "DirectoryKey": "{{directoryKey}}", "AutoFill": false, "FillAtPrompt": false{{appSettings}} }
            """, Ct);
        await OpenAccountAsync(folder, new Uri($"http://127.0.0.1:{port + 1}"), directoryKey, credits);
        var app = new RoleProcess("app", "--config", folder["app.json"], "--data", folder["user"]);
        await app.StartAsync();
        return ([signer, issuer, gateway, app], port);
    }

    private static async Task OpenAccountAsync(TestFolder folder, Uri issuer, string directoryKey, long credits)
    {
        Assert.True(DirectoryOptions.TryParseKey(directoryKey, out ReadOnlyMemory<byte> key));
        await using TacitClient client = await TacitClient.CreateAsync(
            new ClientOptions
            {
                Wallet = new WalletOptions { DataDirectory = folder["user"] },
                Directory = new DirectoryOptions { Issuer = issuer, DirectoryKey = key },
            },
            null, TimeProvider.System, NullLoggerFactory.Instance, Ct);
        await client.Account.CreateAsync(Ct);
        JsonElement made = await Command.RunAsync(
            "voucher", "create", "--credits", credits.ToString(CultureInfo.InvariantCulture), "--json", "--data", folder["issuer"]);
        await client.Account.DepositAsync(made.GetProperty("codes")[0].GetString()!, Ct);
    }
}
