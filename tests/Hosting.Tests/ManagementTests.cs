using System.Text;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;

namespace Tacit.Hosting.Tests;

internal sealed record Question(int Number);

internal sealed record Answer(int Number);

[JsonSerializable(typeof(Question))]
[JsonSerializable(typeof(Answer))]
internal sealed partial class ManagementJson : JsonSerializerContext;

public sealed class ManagementTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private static Task<WebServer> StartAsync(string folder, string role = "issuer") => ManagementSocket.StartAsync(
        folder,
        role,
        routes =>
        {
            routes.MapPost("/double", (RequestDelegate)(async c =>
            {
                Question question = (await c.Request.ReadFromJsonAsync(ManagementJson.Default.Question))!;
                await c.Response.WriteAsJsonAsync(new Answer(question.Number * 2), ManagementJson.Default.Answer);
            }));
            routes.MapPost("/refuse", (RequestDelegate)(c => ManagementSocket.RefuseAsync(c, 409, "Not now. Do this first.")));
            routes.MapGet("/text", (RequestDelegate)(c => c.Response.WriteAsync("not json")));
            routes.MapPost("/fail", (RequestDelegate)(_ => throw new InvalidOperationException("secret detail")));
        },
        new Health(new DrainSignal()),
        TimeProvider.System,
        NullLoggerFactory.Instance,
        Ct);

    [Fact]
    public async Task Command_gets_its_answer_over_a_socket_that_only_its_owner_can_open()
    {
        using TemporaryFolder folder = new();
        await using WebServer server = await StartAsync(folder.Path);
        using ManagementClient client = new(folder.Path, "issuer");
        Answer answer = await client.PostAsync("/double", new Question(21), ManagementJson.Default.Question, ManagementJson.Default.Answer, Ct);
        Assert.Equal(42, answer.Number);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(folder["issuer.sock"]));
        Assert.Equal([folder["issuer.sock"]], Directory.GetFileSystemEntries(folder.Path));
    }

    [Fact]
    public async Task Refusal_reaches_the_operator_as_it_was_written()
    {
        using TemporaryFolder folder = new();
        await using WebServer server = await StartAsync(folder.Path);
        using ManagementClient client = new(folder.Path, "issuer");
        ManagementException e = await Assert.ThrowsAsync<ManagementException>(() => client.PostAsync("/refuse", Ct));
        Assert.Equal((409, "Not now. Do this first."), (e.Status, e.Message));
        Assert.Equal(404, (await Assert.ThrowsAsync<ManagementException>(() => client.PostAsync("/unknown", Ct))).Status);
        await Assert.ThrowsAsync<ManagementException>(() => client.GetAsync("/text", ManagementJson.Default.Answer, Ct));
        ManagementException failed = await Assert.ThrowsAsync<ManagementException>(() => client.PostAsync("/fail", Ct));
        Assert.Equal(500, failed.Status);
        Assert.DoesNotContain("secret detail", failed.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Role_that_does_not_run_is_said_to_be_so()
    {
        using TemporaryFolder folder = new();
        using ManagementClient client = new(folder.Path, "issuer");
        ManagementException e = await Assert.ThrowsAsync<ManagementException>(() => client.PostAsync("/x", Ct));
        Assert.True(e.IsNotRunning);
        Assert.Contains("tacit issuer", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Second_role_on_one_folder_is_refused_and_the_first_goes_on()
    {
        using TemporaryFolder folder = new();
        await using WebServer server = await StartAsync(folder.Path);
        AddressInUseException e = await Assert.ThrowsAsync<AddressInUseException>(() => StartAsync(folder.Path));
        Assert.Equal("--data", e.Setting);
        using ManagementClient client = new(folder.Path, "issuer");
        Assert.Equal(2, (await client.PostAsync("/double", new Question(1), ManagementJson.Default.Question, ManagementJson.Default.Answer, Ct)).Number);
    }

    [Fact]
    public async Task Socket_left_by_a_crash_is_replaced_and_a_stop_removes_its_own()
    {
        using TemporaryFolder folder = new();
        using (System.Net.Sockets.Socket crashed = new(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified))
        {
            crashed.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(folder["tmp"]));
            File.Move(folder["tmp"], folder["issuer.sock"]);
        }
        Assert.True(File.Exists(folder["issuer.sock"]));
        await using (WebServer server = await StartAsync(folder.Path))
        {
            using ManagementClient client = new(folder.Path, "issuer");
            Assert.Equal(2, (await client.PostAsync("/double", new Question(1), ManagementJson.Default.Question, ManagementJson.Default.Answer, Ct)).Number);
        }
        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
    }

    [Fact]
    public async Task Socket_path_too_long_for_the_system_says_so()
    {
        using TemporaryFolder folder = new();
        string deep = folder[new string('d', 120)];
        Directory.CreateDirectory(deep);
        await Assert.ThrowsAsync<ListenException>(() => StartAsync(deep));
    }
}

public sealed class InternalChannelTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private static SecretBytes Key(string text = "0123456789abcdef") => new(Encoding.ASCII.GetBytes(text));

    private static InternalChannelClient Client(string target, SecretBytes key) =>
        new(target, "/sign", key, 1024, TimeSpan.FromSeconds(10), TimeProvider.System, "Signer");

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Call_with_the_right_key_gets_the_answer(bool unix)
    {
        using TemporaryFolder folder = new();
        using SecretBytes key = Key();
        await using WebServer server = await Servers.StartAsync(
            routes => InternalChannel.Map(routes, "/sign", key, 100, (body, _) => ValueTask.FromResult(body.ToArray().Reverse().ToArray())),
            o => unix ? o with { Listen = ListenAddress.UnixSocket(folder["s"]) } : o);
        using InternalChannelClient client = Client(unix ? "unix:" + folder["s"] : server.Address.ToString(), key);
        Assert.Equal<byte[]>([3, 2, 1], await client.SendAsync(new byte[] { 1, 2, 3 }, Ct));
        Assert.Equal<byte[]>([], await client.SendAsync(Array.Empty<byte>(), Ct));
    }

    [Fact]
    public async Task Call_with_a_wrong_key_never_reaches_the_handler()
    {
        using SecretBytes right = Key();
        using SecretBytes wrong = Key("0123456789abcdeF");
        bool reached = false;
        await using WebServer server = await Servers.StartAsync(routes => InternalChannel.Map(routes, "/sign", right, 100, (body, _) =>
        {
            reached = true;
            return ValueTask.FromResult(Array.Empty<byte>());
        }));
        using InternalChannelClient client = Client(server.Address.ToString(), wrong);
        InternalChannelException e = await Assert.ThrowsAsync<InternalChannelException>(async () => await client.SendAsync(new byte[3], Ct));
        Assert.False(e.IsUnreachable);
        using HttpMessageInvoker stranger = Servers.Client();
        using HttpResponseMessage response = await stranger.SendAsync(
            new HttpRequestMessage(HttpMethod.Post, new Uri(server.Address, "/sign")) { Content = new ByteArrayContent(new byte[3]) }, Ct);
        Assert.Equal(401, (int)response.StatusCode);
        Assert.False(reached);
    }

    [Fact]
    public async Task Impostor_that_answers_without_the_key_is_found_out()
    {
        using SecretBytes key = Key();
        await using WebServer server = await Servers.StartAsync(routes => routes.MapPost("/sign", (RequestDelegate)(c =>
        {
            c.Response.Headers["Tacit-Internal"] = c.Request.Headers["Tacit-Internal"];
            return c.Response.WriteAsync("forged");
        })));
        using InternalChannelClient client = Client(server.Address.ToString(), key);
        Assert.False((await Assert.ThrowsAsync<InternalChannelException>(async () => await client.SendAsync(new byte[3], Ct))).IsUnreachable);
    }

    [Fact]
    public async Task Handler_that_fails_and_a_request_too_large_are_typed()
    {
        using SecretBytes key = Key();
        await using WebServer server = await Servers.StartAsync(routes => InternalChannel.Map(routes, "/sign", key, 10, (_, _) => throw new InvalidOperationException()));
        using InternalChannelClient client = Client(server.Address.ToString(), key);
        Assert.True((await Assert.ThrowsAsync<InternalChannelException>(async () => await client.SendAsync(new byte[3], Ct))).IsUnreachable);
        Assert.False((await Assert.ThrowsAsync<InternalChannelException>(async () => await client.SendAsync(new byte[11], Ct))).IsUnreachable);
        await server.StopAsync(Ct);
        Assert.True((await Assert.ThrowsAsync<InternalChannelException>(async () => await client.SendAsync(new byte[3], Ct))).IsUnreachable);
    }

    [Theory]
    [InlineData("http://example.org:1")]
    [InlineData("unix:")]
    [InlineData("signer")]
    public void Target_that_is_no_safe_address_is_refused(string target)
    {
        using SecretBytes key = Key();
        SettingsException e = Assert.Throws<SettingsException>(() => Client(target, key));
        Assert.Equal("Signer", Assert.Single(e.Problems).Key);
    }

    [Fact]
    public void Short_key_is_refused()
    {
        using SecretBytes key = Key("short");
        Assert.Throws<SettingsException>(() => Client("http://127.0.0.1:1", key));
    }
}
