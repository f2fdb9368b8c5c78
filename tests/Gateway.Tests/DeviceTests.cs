using System.Net;
using System.Text;
using System.Text.Json;
using Tacit.Gateway.Devices;
using Tacit.Gateway.Tests.Support;
using Tacit.Gateway.Work;
using Tacit.Hosting;
using Tacit.Inference;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests;

public sealed class DeviceTests : IDisposable
{
    private readonly TestDevice _device = new();

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public void Dispose() => _device.Dispose();

    [Fact]
    public async Task Device_on_the_list_asks_without_a_token_and_a_stranger_does_not()
    {
        using var stranger = new TestDevice();
        await using TestGateway gateway = await StartAsync();

        using HttpResponseMessage reply = await _device.AskAsync(gateway);
        Assert.Equal(StubProvider.Reply, await reply.TextAsync());
        await (await stranger.AskAsync(gateway)).IsErrorAsync(401, ErrorCodes.DeviceUnknown, Routes.TokenUnspent);
        using HttpResponseMessage bare = await gateway.SendAsync(HttpMethod.Post, Routes.ChatCompletions, TestGateway.Body());
        await bare.IsErrorAsync(401, ErrorCodes.DeviceRequired, null);
        Assert.Contains("\"content-digest\"", bare.Headers.GetValues("Accept-Signature").Single(), StringComparison.Ordinal);
        await (await gateway.AskAsync(gateway.Issuer.CreateToken("chat"))).IsErrorAsync(401, ErrorCodes.DeviceRequired, null);
        Assert.Equal(1, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Gateway_of_tokens_and_devices_takes_both_and_one_of_tokens_no_device()
    {
        await using TestGateway both = await StartAsync(mode: AdmissionMode.Both);
        using HttpResponseMessage reply = await _device.AskAsync(both);
        Assert.Equal(HttpStatusCode.OK, reply.StatusCode);
        await (await both.AskAsync(both.Issuer.CreateToken("chat"))).IsReplyAsync();
        DeviceSignature signature = _device.Sign(both.Time.GetUtcNow(), TestGateway.Body());
        using HttpResponseMessage linked = await both.SendAsync(
            HttpMethod.Post, Routes.ChatCompletions, TestGateway.Body(), both.Issuer.CreateToken("chat").Header, TestDevice.Headers(signature));
        await linked.IsErrorAsync(400, ErrorCodes.LinkedCredentials, Routes.TokenUnspent);

        await using TestGateway tokens = await StartAsync(mode: AdmissionMode.Tokens);
        await (await _device.AskAsync(tokens)).IsErrorAsync(401, ErrorCodes.TokenRequired, null);
    }

    [Fact]
    public async Task Gateway_without_an_issuer_serves_devices_and_lists_their_models()
    {
        await using TestGateway gateway = await StartAsync(options => options with { DirectoryKey = null });

        using HttpResponseMessage reply = await _device.AskAsync(gateway);
        Assert.Equal(StubProvider.Reply, await reply.TextAsync());
        using JsonDocument models = JsonDocument.Parse(await (await gateway.SendAsync(HttpMethod.Get, Routes.Models)).TextAsync());
        Assert.Equal(TestGateway.Model, models.RootElement.GetProperty("data")[0].GetProperty("id").GetString());
        await (await gateway.SendAsync(HttpMethod.Get, Routes.IssuerDirectory)).IsErrorAsync(404, ErrorCodes.NotFound, null);
        await (await gateway.AskAsync(gateway.Issuer.CreateToken("chat"))).IsErrorAsync(401, ErrorCodes.DeviceRequired, null);
    }

    [Fact]
    public async Task Signature_over_another_body_path_or_time_is_refused_and_asks_nobody()
    {
        await using TestGateway gateway = await StartAsync();
        DateTimeOffset now = gateway.Time.GetUtcNow();
        string body = TestGateway.Body();

        await SendAsync(_device.Sign(now, TestGateway.Body("other")), 400, ErrorCodes.DigestMismatch);
        await SendAsync(_device.Sign(now, body, path: Routes.Responses), 401, ErrorCodes.SignatureInvalid);
        await SendAsync(_device.Sign(now, body, method: "PUT"), 401, ErrorCodes.SignatureInvalid);
        await SendAsync(_device.Sign(now.AddSeconds(-61), body), 401, ErrorCodes.SignatureExpired);
        await SendAsync(_device.Sign(now.AddSeconds(31), body), 401, ErrorCodes.SignatureExpired);
        DeviceSignature good = _device.Sign(now, body);
        using HttpResponseMessage two = await gateway.SendAsync(HttpMethod.Post, Routes.ChatCompletions, body, headers: headers =>
        {
            TestDevice.Headers(good)(headers);
            headers.TryAddWithoutValidation(DeviceSignature.SignatureHeader, good.SignatureValue);
        });
        await two.IsErrorAsync(401, ErrorCodes.SignatureMalformed, Routes.TokenUnspent);
        using HttpResponseMessage half = await gateway.SendAsync(
            HttpMethod.Post, Routes.ChatCompletions, body, headers: headers => headers.TryAddWithoutValidation(DeviceSignature.InputHeader, good.InputValue));
        await half.IsErrorAsync(401, ErrorCodes.SignatureMalformed, Routes.TokenUnspent);
        Assert.Equal(0, gateway.Provider.Calls);
        using HttpResponseMessage reply = await gateway.SendAsync(HttpMethod.Post, Routes.ChatCompletions, body, headers: TestDevice.Headers(good));
        Assert.Equal(HttpStatusCode.OK, reply.StatusCode);

        async Task SendAsync(DeviceSignature signature, int status, string code)
        {
            using HttpResponseMessage response = await gateway.SendAsync(HttpMethod.Post, Routes.ChatCompletions, body, headers: TestDevice.Headers(signature));
            await response.IsErrorAsync(status, code, Routes.TokenUnspent);
        }
    }

    [Fact]
    public async Task Same_nonce_and_body_attaches_to_the_reply_and_another_body_is_refused()
    {
        await using TestGateway gateway = await StartAsync();
        byte[] nonce = TestDevice.Nonce();
        using HttpResponseMessage first = await _device.AskAsync(gateway, nonce: nonce);
        Assert.Equal(StubProvider.Reply, await first.TextAsync());

        // The very same request, and one that is signed anew.
        gateway.Provider.Answer = context => StubProvider.WriteJsonAsync(context, "{\"error\":{}}", 500);
        foreach (DateTimeOffset created in new[] { gateway.Time.GetUtcNow(), gateway.Time.GetUtcNow().AddSeconds(20) })
        {
            using HttpResponseMessage again = await _device.AskAsync(gateway, nonce: nonce, created: created);
            Assert.Equal(StubProvider.Reply, await again.TextAsync());
        }

        await (await _device.AskAsync(gateway, TestGateway.Body("other"), nonce)).IsErrorAsync(409, ErrorCodes.NonceUsed, Routes.TokenSpent);
        await (await _device.AskAsync(gateway, nonce: nonce, path: Routes.Responses)).IsErrorAsync(400, ErrorCodes.UnknownMember, Routes.TokenUnspent);
        using var other = new TestDevice();
        await gateway.Server.Devices!.AddAsync(other.PublicKey, "other", Cancelled);
        gateway.Provider.Answer = StubProvider.AnswerJsonAsync;
        using HttpResponseMessage others = await other.AskAsync(gateway, nonce: nonce);
        Assert.Equal(StubProvider.Reply, await others.TextAsync());
        Assert.Equal(2, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Nonce_is_used_after_a_restart_and_over_the_turn_of_the_period_as_well()
    {
        await using TestGateway gateway = await StartAsync();
        // Half a minute before noon, when one period's table ends.
        gateway.Time.Advance(TimeSpan.FromDays(1) - TimeSpan.FromSeconds(30));
        byte[] nonce = TestDevice.Nonce();
        DeviceSignature signature = _device.Sign(gateway.Time.GetUtcNow(), TestGateway.Body(), nonce);
        using HttpResponseMessage first = await gateway.SendAsync(HttpMethod.Post, Routes.ChatCompletions, TestGateway.Body(), headers: TestDevice.Headers(signature));
        Assert.Equal(HttpStatusCode.OK, first.StatusCode);
        gateway.Time.Advance(TimeSpan.FromSeconds(40));
        await gateway.StopAsync();
        await gateway.StartAsync();

        // A copy by a thief, the owner's repetition, and another request of the owner's with the nonce.
        using HttpResponseMessage copy = await gateway.SendAsync(HttpMethod.Post, Routes.ChatCompletions, TestGateway.Body(), headers: TestDevice.Headers(signature));
        await copy.IsErrorAsync(409, ErrorCodes.NonceUsed, Routes.TokenSpent);
        await (await _device.AskAsync(gateway, nonce: nonce)).IsErrorAsync(409, ErrorCodes.NonceUsed, Routes.TokenSpent);
        await (await _device.AskAsync(gateway, TestGateway.Body("other"), nonce)).IsErrorAsync(409, ErrorCodes.NonceUsed, Routes.TokenSpent);
        Assert.Equal(1, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Request_that_failed_at_the_provider_may_use_its_nonce_again()
    {
        await using TestGateway gateway = await StartAsync();
        byte[] nonce = TestDevice.Nonce();
        gateway.Provider.Answer = context => StubProvider.WriteJsonAsync(context, "{\"error\":{}}", 500);
        await (await _device.AskAsync(gateway, nonce: nonce)).IsErrorAsync(502, ErrorCodes.ProviderError, Routes.TokenReturned);
        gateway.Provider.Answer = StubProvider.AnswerJsonAsync;

        using HttpResponseMessage reply = await _device.AskAsync(gateway, TestGateway.Body("other"), nonce);
        Assert.Equal(StubProvider.Reply, await reply.TextAsync());
    }

    [Fact]
    public async Task Cancel_is_signed_with_the_nonce_of_its_request()
    {
        await using TestGateway gateway = await StartAsync();
        var release = new TaskCompletionSource();
        gateway.Provider.Answer = async context =>
        {
            await StubProvider.BeginStreamAsync(context);
            await StubProvider.SendEventAsync(context, "one");
            await release.Task.WaitAsync(context.RequestAborted);
        };
        byte[] nonce = TestDevice.Nonce();
        using HttpResponseMessage stream = await _device.AskAsync(gateway, TestGateway.Body(stream: true), nonce);
        Assert.Equal(HttpStatusCode.OK, stream.StatusCode);

        Assert.Contains("false", await (await CancelAsync(TestDevice.Nonce())).TextAsync(), StringComparison.Ordinal);
        Assert.Contains("true", await (await CancelAsync(nonce)).TextAsync(), StringComparison.Ordinal);
        Assert.Contains(ErrorCodes.RequestCancelled, await stream.TextAsync(), StringComparison.Ordinal);
        release.SetResult();

        Task<HttpResponseMessage> CancelAsync(byte[] of) =>
            gateway.SendAsync(HttpMethod.Post, Routes.Cancel, headers: TestDevice.Headers(_device.Sign(gateway.Time.GetUtcNow(), "", of, Routes.Cancel)));
    }

    [Fact]
    public async Task Allowance_bounds_models_input_and_output()
    {
        await using TestGateway gateway = await StartAsync(
            options => options with { Devices = options.Devices with { Models = ["other"], MaxInputBytes = 1024, MaxOutputTokens = 50 } });

        await (await _device.AskAsync(gateway)).IsErrorAsync(401, ErrorCodes.PlanMismatch, Routes.TokenUnspent);
        await (await _device.AskAsync(gateway, TestGateway.Body(new string('x', 1024)))).IsErrorAsync(413, ErrorCodes.RequestTooLarge, Routes.TokenUnspent);
        await (await _device.AskAsync(gateway, TestGateway.Body(more: ",\"max_tokens\":51"))).IsErrorAsync(400, ErrorCodes.OutputCapExceeded, Routes.TokenUnspent);
    }

    [Fact]
    public async Task List_is_read_from_the_file_again_when_it_changes_and_a_broken_one_changes_nothing()
    {
        string file = Path.GetTempFileName();
        using var second = new TestDevice();
        await File.WriteAllTextAsync(file, $"# people\n{second.Key} phone of Ada\n", Cancelled);
        await using TestGateway gateway = await StartAsync(options => options with { Devices = options.Devices with { AllowFile = file } });
        Assert.Equal(HttpStatusCode.OK, (await second.AskAsync(gateway)).StatusCode);
        Assert.Equal("phone of Ada", gateway.Server.Devices!.List().Devices.Single(device => device.Key == second.Key).Name);

        await ChangeAsync("what is this?\n");
        await TestGateway.UntilAsync(() => gateway.Log.Lines.Any(line => line.Contains("line 1", StringComparison.Ordinal)));
        Assert.Equal(HttpStatusCode.OK, (await second.AskAsync(gateway)).StatusCode);
        await ChangeAsync("");
        await TestGateway.UntilAsync(() => gateway.Server.Devices!.List().Devices.Count == 1);
        await (await second.AskAsync(gateway)).IsErrorAsync(401, ErrorCodes.DeviceUnknown, Routes.TokenUnspent);
        Assert.Equal(HttpStatusCode.OK, (await _device.AskAsync(gateway)).StatusCode);
        File.Delete(file);

        async Task ChangeAsync(string text)
        {
            DateTime before = File.GetLastWriteTimeUtc(file);
            await File.WriteAllTextAsync(file, text, Cancelled);
            File.SetLastWriteTimeUtc(file, before.AddSeconds(1));
            gateway.Time.Advance(TimeSpan.FromSeconds(3));
        }
    }

    [Fact]
    public async Task List_that_cannot_be_reached_for_a_while_is_read_again_afterwards()
    {
        string folder = Directory.CreateTempSubdirectory("tacit-devices-").FullName;
        string inner = Path.Combine(folder, "list");
        string file = Path.Combine(inner, "devices");
        using var second = new TestDevice();
        Directory.CreateDirectory(inner);
        await File.WriteAllTextAsync(file, "# nobody\n", Cancelled);
        await using TestGateway gateway = await StartAsync(options => options with { Devices = options.Devices with { AllowFile = file } });

        // Whatever the rights of who runs this: the way there leads nowhere.
        Directory.Delete(inner, recursive: true);
        Directory.CreateSymbolicLink(inner, inner);
        Assert.ThrowsAny<IOException>(() => File.GetLastWriteTimeUtc(file));
        await TickUntilAsync(() => gateway.Log.Lines.Any(line => line.Contains("cannot be read", StringComparison.Ordinal)));
        Assert.Equal(HttpStatusCode.OK, (await _device.AskAsync(gateway)).StatusCode);

        File.Delete(inner);
        Directory.CreateDirectory(inner);
        await File.WriteAllTextAsync(file, second.Key + " phone\n", Cancelled);
        await TickUntilAsync(() => gateway.Server.Devices!.List().Devices.Count == 2);
        Assert.Equal(HttpStatusCode.OK, (await second.AskAsync(gateway)).StatusCode);
        Directory.Delete(folder, recursive: true);

        async Task TickUntilAsync(Func<bool> condition)
        {
            while (!condition())
            {
                gateway.Time.Advance(TimeSpan.FromSeconds(3));
                await Task.Delay(50, Cancelled);
            }
        }
    }

    [Fact]
    public async Task Removed_device_is_refused_at_once_also_after_a_restart_and_added_again_it_is_back()
    {
        await using TestGateway gateway = await StartAsync();
        using ManagementClient operators = new(gateway.Folder, GatewayServer.Role);
        Assert.Equal(HttpStatusCode.OK, (await _device.AskAsync(gateway)).StatusCode);

        await operators.PostAsync("/devices/remove", new DeviceName(_device.Key), GatewayManagementJson.Default.DeviceName, GatewayManagementJson.Default.DeviceName, Cancelled);
        await (await _device.AskAsync(gateway)).IsErrorAsync(403, ErrorCodes.DeviceRevoked, Routes.TokenUnspent);
        await gateway.StopAsync();
        await gateway.StartAsync();
        await (await _device.AskAsync(gateway)).IsErrorAsync(403, ErrorCodes.DeviceRevoked, Routes.TokenUnspent);
        DeviceReport report = await operators.GetAsync("/devices", GatewayManagementJson.Default.DeviceReport, Cancelled);
        Assert.Equal([new DeviceLine(_device.Key, "laptop", DeviceSource.Settings, Revoked: true)], report.Devices);

        await operators.PostAsync("/devices/add", new DeviceName(_device.Key, "laptop of Bob"), GatewayManagementJson.Default.DeviceName, GatewayManagementJson.Default.DeviceName, Cancelled);
        Assert.Equal(HttpStatusCode.OK, (await _device.AskAsync(gateway)).StatusCode);
        await Assert.ThrowsAnyAsync<Exception>(() => operators.PostAsync(
            "/devices/add", new DeviceName("short", "x"), GatewayManagementJson.Default.DeviceName, GatewayManagementJson.Default.DeviceName, Cancelled));
    }

    [Fact]
    public async Task Registration_is_closed_by_default_and_bounded_where_it_is_open()
    {
        await using TestGateway closed = await StartAsync();
        await (await RegisterAsync(closed, _device)).IsErrorAsync(403, ErrorCodes.RegistrationClosed, null);

        using var first = new TestDevice();
        using var second = new TestDevice();
        using var third = new TestDevice();
        await using TestGateway open = await StartAsync(
            options => options with { Devices = options.Devices with { Registration = DeviceRegistration.Open, MaxRegistered = 2 } });
        await (await first.AskAsync(open)).IsErrorAsync(401, ErrorCodes.DeviceUnknown, Routes.TokenUnspent);
        Assert.Equal(HttpStatusCode.Created, (await RegisterAsync(open, first)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await RegisterAsync(open, first)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await RegisterAsync(open, _device)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await first.AskAsync(open)).StatusCode);
        Assert.Equal(HttpStatusCode.Created, (await RegisterAsync(open, second)).StatusCode);
        await (await RegisterAsync(open, third)).IsErrorAsync(403, ErrorCodes.RegistrationFull, null);

        // Who was taken off does not come back by itself, and makes room for another.
        Assert.True(await open.Server.Devices!.RemoveAsync(first.PublicKey, Cancelled));
        await (await RegisterAsync(open, first)).IsErrorAsync(403, ErrorCodes.DeviceRevoked, null);
        Assert.Equal(HttpStatusCode.Created, (await RegisterAsync(open, third)).StatusCode);
    }

    [Fact]
    public async Task Registration_by_invitation_needs_the_code_and_the_keys_own_signature()
    {
        string secret = Path.GetTempFileName();
        await File.WriteAllTextAsync(secret, "open sesame", Cancelled);
        File.SetUnixFileMode(secret, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        using var guest = new TestDevice();
        await using TestGateway gateway = await StartAsync(options => options with
        {
            Devices = options.Devices with { Registration = DeviceRegistration.Invitation, InvitationCode = SecretReference.FromFile(secret) },
        });

        await (await RegisterAsync(gateway, guest)).IsErrorAsync(403, ErrorCodes.InvitationRequired, null);
        await (await RegisterAsync(gateway, guest, "{\"code\":\"open sesam\"}")).IsErrorAsync(403, ErrorCodes.InvitationRequired, null);
        await (await RegisterAsync(gateway, guest, "{\"code\":1}")).IsErrorAsync(400, ErrorCodes.InvalidJson, null);
        using HttpResponseMessage moved = await gateway.SendAsync(
            HttpMethod.Post, Routes.Devices, "{\"code\":\"open sesame\"}", headers: TestDevice.Headers(guest.Sign(gateway.Time.GetUtcNow(), "{\"code\":\"open sesame\"}")));
        await moved.IsErrorAsync(401, ErrorCodes.SignatureInvalid, null);
        Assert.Equal(HttpStatusCode.Created, (await RegisterAsync(gateway, guest, "{\"code\":\"open sesame\"}")).StatusCode);
        File.Delete(secret);
    }

    [Fact]
    public async Task Registrations_of_one_address_are_limited()
    {
        await using TestGateway gateway = await StartAsync(options => options with
        {
            Devices = options.Devices with { Registration = DeviceRegistration.Open },
            Addresses = new AddressOptions { RegistrationsPerHour = 2 },
        });
        List<HttpStatusCode> statuses = [];
        for (int i = 0; i < 3; i++)
        {
            using var device = new TestDevice();
            statuses.Add((await RegisterAsync(gateway, device)).StatusCode);
        }

        Assert.Equal([HttpStatusCode.Created, HttpStatusCode.Created, HttpStatusCode.TooManyRequests], statuses);
    }

    [Fact]
    public async Task Work_is_asked_of_devices_and_tokens_by_setting_and_taken_once()
    {
        // So much that work for one body is not work for another by chance.
        await using TestGateway gateway = await StartAsync(
            options => options with { Work = new WorkOptions { For = [WorkKinds.Device, WorkKinds.Token], MinBits = 20 } }, AdmissionMode.Both);
        string body = TestGateway.Body();
        using HttpResponseMessage asked = await _device.AskAsync(gateway, body);
        await asked.IsErrorAsync(428, ErrorCodes.WorkRequired, Routes.TokenUnspent);
        Assert.True(WorkAnnouncement.TryReadError(Encoding.UTF8.GetBytes(await asked.TextAsync()), out WorkAnnouncement? work));
        string stamp = Solve(work, body);

        await (await _device.AskAsync(gateway, TestGateway.Body("other"), work: stamp)).IsErrorAsync(428, ErrorCodes.WorkRequired, Routes.TokenUnspent);
        Assert.Equal(HttpStatusCode.OK, (await _device.AskAsync(gateway, body, work: stamp)).StatusCode);
        await (await _device.AskAsync(gateway, body, work: stamp)).IsErrorAsync(428, ErrorCodes.WorkRequired, Routes.TokenUnspent);
        await (await gateway.AskAsync(gateway.Issuer.CreateToken("chat"))).IsErrorAsync(428, ErrorCodes.WorkRequired, Routes.TokenUnspent);
        using HttpResponseMessage token = await gateway.SendAsync(
            HttpMethod.Post, Routes.ChatCompletions, body, gateway.Issuer.CreateToken("chat").Header, headers => headers.TryAddWithoutValidation(Routes.WorkHeader, Solve(work, body)));
        Assert.Equal(HttpStatusCode.OK, token.StatusCode);
        Assert.Equal(2, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Rules_for_sampling_hold_for_devices_and_tokens_before_anything_is_spent()
    {
        await using TestGateway gateway = await StartAsync(
            options => options with { Sampling = new SamplingRules { Temperature = new NumberRule { Max = 1 }, TopP = new NumberRule { Force = 0.5m } } }, AdmissionMode.Both);
        string? asked = null;
        gateway.Provider.Answer = async context =>
        {
            asked = await new StreamReader(context.Request.Body).ReadToEndAsync(Cancelled);
            await StubProvider.AnswerJsonAsync(context);
        };
        TestToken token = gateway.Issuer.CreateToken("chat");

        await (await _device.AskAsync(gateway, TestGateway.Body(more: ",\"temperature\":1.5"))).IsErrorAsync(400, ErrorCodes.SamplingRefused, Routes.TokenUnspent);
        await (await gateway.AskAsync(token, TestGateway.Body(more: ",\"temperature\":1.5"))).IsErrorAsync(400, ErrorCodes.SamplingRefused, Routes.TokenUnspent);
        await (await gateway.AskAsync(token, TestGateway.Body(more: ",\"temperature\":1"))).IsReplyAsync();
        Assert.Contains("\"top_p\":0.5", asked, StringComparison.Ordinal);
    }

    private static string Solve(WorkAnnouncement work, string body)
    {
        byte[] digest = new byte[32];
        WorkStamp.DigestOf(Encoding.ASCII.GetBytes(Routes.ChatCompletions), Encoding.UTF8.GetBytes(body), digest);
        var stamp = new WorkStamp(work.Challenge.Span, BitConverter.ToUInt64(TestDevice.Nonce()));
        WorkStamp found;
        while (!stamp.TrySolve(digest, work.Bits, 1 << 16, out found))
        {
            stamp = found;
        }

        return found.ToString();
    }

    private static Task<HttpResponseMessage> RegisterAsync(TestGateway gateway, TestDevice device, string body = "{}") => device.AskAsync(gateway, body, path: Routes.Devices);

    private Task<TestGateway> StartAsync(Func<GatewayOptions, GatewayOptions>? configure = null, AdmissionMode mode = AdmissionMode.Device) =>
        TestGateway.CreateAsync(gateway => gateway.Configure = options =>
        {
            // Without work, since the clock of these tests stands while the processor does not.
            options = options with { Admission = mode, Devices = new DeviceOptions { Allow = [_device.Listed] }, Work = new WorkOptions { For = [] } };
            return configure?.Invoke(options) ?? options;
        });
}
