using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Cli.Demo;
using Tacit.EndToEnd.Support;
using Tacit.Hosting;
using Tacit.Inference;

namespace Tacit.Cli.Tests;

/// <summary>The demo as a person or a script starts it: a process of its own.</summary>
public sealed class DemoTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private static string[] Once(TemporaryFolder folder, params string[] more) =>
        ["demo", "--once", "--no-local-model", "--data", folder["data"], "--port-base", FreePorts.Take(3).ToString(System.Globalization.CultureInfo.InvariantCulture), .. more];

    [Fact]
    public async Task Demo_answers_shows_real_values_and_uses_its_keys_again()
    {
        using TemporaryFolder folder = new();
        Outcome first = await Program.RunAsync(Once(folder, "--json"));
        Assert.Equal("", first.Error);
        Assert.Equal(ExitCode.Fine, first.Code);
        using JsonDocument json = JsonDocument.Parse(first.Out);
        Assert.Contains("tacit-demo", json.RootElement.GetProperty("answer").GetString(), StringComparison.Ordinal);
        Assert.NotEmpty(json.RootElement.GetProperty("timing").EnumerateArray());

        JsonElement seen = json.RootElement.GetProperty("seen");
        Assert.Equal(0, seen.GetProperty("commonValues").GetInt32());
        Assert.True(seen.GetProperty("identityValues").GetInt32() >= 20);
        Assert.True(seen.GetProperty("anonymousValues").GetInt32() >= 4);
        // What is shown is what the parts themselves kept: it is on their disks, and on no other's.
        byte[] spendId = Prefix(seen, "gateway", "spend id");
        byte[] account = Prefix(seen, "issuer", "account");
        Assert.True(OnDisk(folder, "gateway.db", spendId));
        Assert.False(OnDisk(folder, "issuer.db", spendId) || OnDisk(folder, "signer.db", spendId));
        Assert.True(OnDisk(folder, "issuer.db", account));
        Assert.False(OnDisk(folder, "gateway.db", account) || OnDisk(folder, "signer.db", account));
        Assert.Contains("store", Value(seen, "provider", "members"), StringComparison.Ordinal);
        Assert.DoesNotContain("User-Agent", Value(seen, "gateway", "headers"), StringComparison.Ordinal);

        Outcome second = await Program.RunAsync(Once(folder, "--json"));
        using JsonDocument again = JsonDocument.Parse(second.Out);
        Assert.Equal(Value(seen, "signer", "key"), Value(again.RootElement.GetProperty("seen"), "signer", "key"));
        Assert.NotEqual(Value(seen, "gateway", "spend id"), Value(again.RootElement.GetProperty("seen"), "gateway", "spend id"));
    }

    [Fact]
    public async Task Demo_without_a_terminal_ends_after_the_answer_in_plain_text()
    {
        using TemporaryFolder folder = new();
        await KeyedFolder.CopyToAsync(folder["data"]);
        Outcome outcome = await Program.RunAsync([.. Once(folder, "--timing").Where(arg => arg != "--once")]);
        Assert.Equal(ExitCode.Fine, outcome.Code);
        Assert.Contains("What each part saw", outcome.Out, StringComparison.Ordinal);
        Assert.Contains("in common         nothing", outcome.Out, StringComparison.Ordinal);
        Assert.Contains("s from start to answer", outcome.Out, StringComparison.Ordinal);
        Assert.DoesNotContain('\e', outcome.Out + outcome.Error);
    }

    [Theory]
    [InlineData("demo extra")]
    [InlineData("demo --nonsense")]
    [InlineData("demo --port-base 70000")]
    [InlineData("demo --port-base many")]
    [InlineData("demo --provider http://127.0.0.1:1/v1")]
    [InlineData("demo --provider ftp://x --model m")]
    [InlineData("demo --model m")]
    [InlineData("demo --provider http://127.0.0.1:1/v1 --model m --key sk-the-secret-itself")]
    public async Task Demo_with_wrong_arguments_exits_2_and_starts_nothing(string line)
    {
        Outcome outcome = await Cli.RunAsync(line.Split(' '));
        Assert.Equal(ExitCode.Usage, outcome.Code);
        Assert.DoesNotContain("sk-the-secret-itself", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Port_in_use_says_which_and_what_to_do()
    {
        using TemporaryFolder folder = new();
        await KeyedFolder.CopyToAsync(folder["data"]);
        for (int offset = 0; offset < 3; offset++)
        {
            int first = FreePorts.Take(3);
            using Socket other = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            other.Bind(new IPEndPoint(IPAddress.Loopback, first + offset));
            other.Listen();
            Outcome outcome = await Cli.RunAsync("demo", "--once", "--no-local-model", "--data", folder["data"], "--port-base", first.ToString(System.Globalization.CultureInfo.InvariantCulture));
            AssertFails(outcome, $"127.0.0.1:{first + offset}", "--port-base");
        }
    }

    [Theory]
    [InlineData("/proc/tacit")]
    [InlineData("/dev/null/tacit")]
    public async Task Data_folder_that_cannot_be_written_says_so(string folder)
    {
        Outcome outcome = await Program.RunAsync(["demo", "--once", "--no-local-model", "--data", folder, "--port-base", "20000"]);
        AssertFails(outcome, "--data", folder);
    }

    [Fact]
    public async Task Wrong_key_file_touches_nothing_and_the_right_one_works_again()
    {
        using TemporaryFolder folder = new();
        await KeyedFolder.CopyToAsync(folder["data"]);
        string keyFile = Path.Combine(folder["data"], "demo.key");
        string right = await File.ReadAllTextAsync(keyFile, Ct);
        await File.WriteAllTextAsync(keyFile, Convert.ToBase64String(new byte[32]), Ct);
        AssertFails(await Cli.RunAsync(Once(folder)), "key file");
        await File.WriteAllTextAsync(keyFile, right, Ct);
        Assert.Equal(ExitCode.Fine, (await Cli.RunAsync(Once(folder))).Code);
    }

    [Fact]
    public async Task Second_demo_on_one_folder_is_refused()
    {
        using TemporaryFolder folder = new();
        await KeyedFolder.CopyToAsync(folder["data"]);
        await using RunningDemo demo = await RunningDemo.StartAsync(folder["data"]);
        AssertFails(await Cli.RunAsync(Once(folder)), folder["data"]);
    }

    [Fact]
    public async Task Provider_gets_its_key_and_the_allowed_members_and_its_answer_is_shown()
    {
        string? authorization = null;
        string body = "";
        await using WebServer provider = await ProviderAsync(async context =>
        {
            authorization = context.Request.Headers.Authorization;
            body = await new StreamReader(context.Request.Body).ReadToEndAsync(Ct);
            context.Response.ContentType = "text/event-stream";
            foreach (string word in (string[])["from ", "elsewhere \\u001b[2J"])
            {
                await context.Response.WriteAsync(
                    $"data: {{\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{word}\"}},\"finish_reason\":null}}]}}\n\n", Ct);
            }
            await context.Response.WriteAsync("data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n", Ct);
        });
        using TemporaryFolder folder = new();
        await KeyedFolder.CopyToAsync(folder["data"]);
        await File.WriteAllTextAsync(folder["key"], "sk-canary\n", Ct);
        Outcome outcome = await Cli.RunAsync(Once(folder, "--provider", new Uri(provider.Address, "/v1").ToString(), "--model", "m", "--key", "file:" + folder["key"]));
        Assert.Equal("", outcome.Error.Replace("Starting signer, issuer, gateway, wallet and app …\n", "", StringComparison.Ordinal));
        Assert.Equal(ExitCode.Fine, outcome.Code);
        Assert.Equal("Bearer sk-canary", authorization);
        using JsonDocument sent = JsonDocument.Parse(body);
        Assert.False(sent.RootElement.GetProperty("store").GetBoolean());
        Assert.Contains("from elsewhere", outcome.Out, StringComparison.Ordinal);
        // A model's output does not move the cursor.
        Assert.DoesNotContain('\e', outcome.Out);
        Assert.DoesNotContain("sk-canary", outcome.Out, StringComparison.Ordinal);
        foreach (string file in Directory.EnumerateFiles(folder["data"]))
        {
            Assert.True((await File.ReadAllBytesAsync(file, Ct)).AsSpan().IndexOf("sk-canary"u8) < 0, file);
        }
    }

    [Fact]
    public async Task Model_that_runs_on_this_machine_is_used_and_named()
    {
        await using WebServer provider = await ProviderAsync(async context =>
        {
            context.Response.ContentType = "text/event-stream";
            await context.Response.WriteAsync("data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"from a real model\"}}]}\n\ndata: [DONE]\n\n", Ct);
        });
        using TemporaryFolder folder = new();
        await KeyedFolder.CopyToAsync(folder["data"]);
        DemoOptions plain = new() { DataDirectory = folder["data"], PortBase = FreePorts.Take(3) };
        LocalServer empty = new("Ollama", new Uri("http://127.0.0.1:1/v1"), HealthKind.Ollama, ["nomic-embed-text"]);
        Assert.Same(plain, plain.With([empty]));
        DemoOptions options = plain.With([empty, new LocalServer("llama.cpp", new Uri(provider.Address, "/v1"), HealthKind.LlamaCpp, ["/models/tiny.gguf"])]);
        using StringWriter output = new();
        using StringWriter error = new();
        using Terminal terminal = new(output, error, TextReader.Null);
        Assert.Equal(ExitCode.Fine, await new DemoRun(terminal, options with { LocalServer = options.LocalServer! with { Health = HealthKind.Models } }, once: true, json: false, timing: false).RunAsync(Ct));
        Assert.Contains("from a real model", output.ToString(), StringComparison.Ordinal);
        Assert.Contains($"a real model: /models/tiny.gguf of the llama.cpp that listens at {new Uri(provider.Address, "/v1")}", output.ToString() + error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Provider_that_refuses_its_key_ends_in_one_line()
    {
        await using WebServer provider = await ProviderAsync(context =>
        {
            context.Response.StatusCode = 401;
            return Task.CompletedTask;
        });
        using TemporaryFolder folder = new();
        await KeyedFolder.CopyToAsync(folder["data"]);
        Outcome outcome = await Cli.RunAsync(Once(folder, "--provider", new Uri(provider.Address, "/v1").ToString(), "--model", "m"));
        AssertFails(outcome, "provider");
    }

    private static void AssertFails(Outcome outcome, params string[] parts)
    {
        Assert.Equal(ExitCode.Failed, outcome.Code);
        string[] lines = outcome.Error.TrimEnd().Split('\n');
        string told = Assert.Single(lines, line => line.StartsWith("tacit: ", StringComparison.Ordinal));
        Assert.All(parts, part => Assert.Contains(part, told, StringComparison.Ordinal));
        Assert.DoesNotContain("   at ", outcome.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("This should not have happened", outcome.Error, StringComparison.Ordinal);
    }

    private static Task<WebServer> ProviderAsync(RequestDelegate answer) => WebServer.StartAsync(
        new WebServerOptions { Role = "provider", Listen = ListenAddress.Loopback(0) }, routes =>
        {
            routes.MapPost("/v1/chat/completions", answer);
            routes.MapGet("/v1/models", (RequestDelegate)(context => context.Response.WriteAsync("""{"data":[{"id":"/models/tiny.gguf"}]}""", Ct)));
        },
        TimeProvider.System, NullLoggerFactory.Instance, Ct);

    private static string Value(JsonElement seen, string part, string what) => seen.GetProperty("sights").EnumerateArray()
        .First(sight => sight.GetProperty("part").GetString() == part && sight.GetProperty("what").GetString() == what).GetProperty("value").GetString()!;

    private static byte[] Prefix(JsonElement seen, string part, string what) => Convert.FromHexString(Value(seen, part, what).Split('…')[0]);

    private static bool OnDisk(TemporaryFolder folder, string file, byte[] bytes)
    {
        byte[] all = [.. Directory.EnumerateFiles(folder["data"], file + "*").SelectMany(File.ReadAllBytes)];
        return all.AsSpan().IndexOf(bytes) >= 0;
    }
}
