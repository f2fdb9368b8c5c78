using System.Security.Cryptography;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Client.Tests.Support;
using Tacit.Client.Transports;
using Tacit.Gateway;
using Tacit.Gateway.Devices;
using Tacit.Gateway.Sealing;
using Tacit.Gateway.Work;
using Tacit.Hosting;
using Tacit.Inference;
using Tacit.Protocol;

namespace Tacit.Client.Tests.Devices;

/// <summary>A device before a real gateway that has no issuer, with what may go wrong in between.</summary>
public sealed class DeviceClientTests : IAsyncLifetime
{
    private const string Path = Routes.ChatCompletions;

    private readonly TestFolder _folder = new();
    private readonly List<WorkProgress> _progress = [];
    private InferenceRouter _router = null!;
    private GatewayServer _gateway = null!;
    private GatewayOptions _options = null!;
    private Interposer _front = null!;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _router = new InferenceRouter(new InferenceOptions { DemoModel = true }, TimeProvider.System, NullLoggerFactory.Instance);
        await StartAsync(new WorkOptions { For = [] });
        _front = await Interposer.StartAsync(_gateway.Address);
    }

    public async ValueTask DisposeAsync()
    {
        await _front.DisposeAsync();
        await _gateway.DisposeAsync();
        await _router.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Registered_device_asks_and_every_reply_says_that_it_is_linkable()
    {
        await using DeviceClient device = NewDevice();
        ClientException unknown = await Assert.ThrowsAsync<ClientException>(() => device.SendAsync(Prompts.Ask("Hello"), Cancelled));
        Assert.Equal((ClientError.DeviceRefused, ErrorCodes.DeviceUnknown), (unknown.Error, unknown.Code));

        Assert.True(await device.RegisterAsync(null, Cancelled));
        Assert.False(await device.RegisterAsync(null, Cancelled));
        await using PromptReply reply = await device.SendAsync(Prompts.Ask("Hello"), Cancelled);
        Assert.Equal((200, "device"), (reply.Status, reply.Linkable));
        Assert.Contains("signature of a device", await reply.ReadAllAsync(), StringComparison.Ordinal);
        Assert.Contains(TestOperator.Model, System.Text.Encoding.UTF8.GetString((await device.GetModelsAsync(Cancelled)).Span), StringComparison.Ordinal);
        // No header but those that admit the request and describe its body.
        Assert.All(_front.SeenAt(Path), passing => Assert.DoesNotContain(passing.Headers.Keys, name => name is "Authorization" or "Cookie" or "User-Agent"));
    }

    [Theory]
    [InlineData(Mishap.LoseRequest)]
    [InlineData(Mishap.LoseReply)]
    [InlineData(Mishap.Twice)]
    public async Task Broken_connection_is_made_again_with_the_same_nonce_and_the_gateway_answers_once(Mishap mishap)
    {
        await using DeviceClient device = await RegisteredAsync();
        _front.Next(mishap);

        await using PromptReply reply = await device.SendAsync(Prompts.Ask("Hello"), Cancelled);
        Assert.Equal(200, reply.Status);
        string answer = await reply.ReadAllAsync();

        Assert.Single(_front.SeenAt(Path).Select(Nonce).Distinct());
        // Each answer of the model has an id of its own.
        Assert.Equal([answer], _front.SeenAt(Path).Select(passing => passing.Answer).OfType<Answer>().Select(seen => System.Text.Encoding.UTF8.GetString(seen.Body)).Distinct());
    }

    [Fact]
    public async Task Stream_that_breaks_goes_on_where_it_was()
    {
        await using DeviceClient device = await RegisteredAsync();
        _front.Next(Mishap.CutReply);

        await using PromptReply reply = await device.SendAsync(Prompts.Ask("Tell me something long enough to be cut", stream: true), Cancelled);
        string whole = await reply.ReadAllAsync();

        Assert.EndsWith("data: [DONE]\n\n", whole, StringComparison.Ordinal);
        Assert.Equal(2, _front.SeenAt(Path).Count);
        Assert.Equal(whole, System.Text.Encoding.UTF8.GetString(_front.SeenAt(Path)[1].Answer!.Body));
    }

    [Fact]
    public async Task Work_that_the_gateway_asks_for_is_done_for_requests_and_registrations()
    {
        await RestartAsync(new WorkOptions { For = [WorkKinds.Device, WorkKinds.Registration], MinBits = 8, RegistrationBits = 10 });
        await using DeviceClient device = NewDevice();

        Assert.True(await device.RegisterAsync(null, Cancelled));
        await using PromptReply reply = await device.SendAsync(Prompts.Ask("Hello"), Cancelled);

        Assert.Equal(200, reply.Status);
        Assert.Equal([428, 200], (await _front.AnsweredAtAsync(Path)).Select(passing => passing.Answer!.Status));
        Assert.Single(_front.SeenAt(Path).Select(Nonce).Distinct());
    }

    [Fact]
    public async Task More_work_than_the_client_does_is_refused_before_any_is_done()
    {
        await RestartAsync(new WorkOptions { For = [WorkKinds.Registration], RegistrationBits = 30 });
        await using DeviceClient device = NewDevice(new RedemptionOptions { MaxWorkBits = 20 });

        ClientException refused = await Assert.ThrowsAsync<ClientException>(() => device.RegisterAsync(null, Cancelled));

        Assert.Equal(ClientError.WorkRefused, refused.Error);
        Assert.Single(_front.SeenAt(Routes.Devices));
    }

    [Fact]
    public async Task Work_tells_how_far_it_is_and_ends_when_nobody_waits()
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        var solver = new WorkSolver(40, new Report(progress =>
        {
            _progress.Add(progress);
            stop.Cancel();
        }));

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => solver.SolveAsync(new WorkAnnouncement(new byte[16], 40, 0), new byte[32], stop.Token));

        Assert.Equal(40, _progress[0].Bits);
        Assert.True(_progress[0].Tried > 0);
    }

    [Fact]
    public async Task Cancelled_reply_is_cancelled_at_the_gateway()
    {
        await using DeviceClient device = await RegisteredAsync();
        await using PromptReply reply = await device.SendAsync(Prompts.Ask("Hello", stream: true), Cancelled);
        await reply.CancelAsync();

        Passing cancel = Assert.Single(await _front.AnsweredAtAsync(Routes.Cancel));
        Assert.Equal(200, cancel.Answer!.Status);
        Assert.Equal(Nonce(_front.SeenAt(Path)[0]), Nonce(cancel));
    }

    [Fact]
    public async Task Token_request_does_the_work_that_is_asked_of_it_with_the_same_token()
    {
        await using TestOperator system = await TestOperator.StartAsync(
            gateway: options => options with { Work = new WorkOptions { For = [WorkKinds.Token], MinBits = 8 } });
        await using TacitClient wallet = await system.WalletAsync(_folder["wallet"], tokens: 2);

        (int status, _, _) = await wallet.Redemption.AnswerAsync(Prompts.Ask("Hello"), Cancelled);

        Assert.Equal(200, status);
        IReadOnlyList<Passing> sent = system.GatewayFront.SeenAt(Path);
        Assert.Equal([428, 200], (await system.GatewayFront.AnsweredAtAsync(Path)).Select(passing => passing.Answer!.Status));
        Assert.Single(sent.Select(passing => passing.Headers["Authorization"]).Distinct());
        Assert.Equal(1, (await wallet.SettledAsync()).Held);
    }

    [Fact]
    public void Key_is_made_once_and_found_again()
    {
        string folder = _folder["key"];
        Assert.Equal(ClientError.DeviceMissing, Assert.Throws<ClientException>(() => DeviceKey.Load(folder)).Error);
        string id;
        using (DeviceKey made = DeviceKey.Create(folder))
        {
            id = made.Id;
        }

        using DeviceKey again = DeviceKey.Load(folder);
        Assert.Equal(id, again.Id);
        Assert.Equal(ClientError.DeviceExists, Assert.Throws<ClientException>(() => DeviceKey.Create(folder)).Error);
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(System.IO.Path.Combine(folder, DeviceKey.FileName)));
        }

        File.WriteAllBytes(System.IO.Path.Combine(folder, DeviceKey.FileName), [1, 2, 3]);
        Assert.Equal(ClientError.DeviceUnusable, Assert.Throws<ClientException>(() => DeviceKey.Load(folder)).Error);

        // Access is denied to whoever runs this, root too.
        File.Delete(System.IO.Path.Combine(folder, DeviceKey.FileName));
        Directory.CreateDirectory(System.IO.Path.Combine(folder, DeviceKey.FileName));
        Assert.Equal(ClientError.DeviceUnusable, Assert.Throws<ClientException>(() => DeviceKey.Load(folder)).Error);
    }

    private static string Nonce(Passing passing) => passing.Headers[DeviceSignature.InputHeader].Split("nonce=\"")[1][..22];

    [Fact]
    public async Task Sealed_device_is_read_by_the_pinned_gateway_alone_and_works_where_it_is_asked_to()
    {
        await _gateway.DisposeAsync();
        byte[] gatewayKey = (await GatewayServer.LoadKeyAsync(_options, TimeProvider.System, Cancelled))!;
        await StartAsync(new WorkOptions { For = [WorkKinds.Sealed, WorkKinds.Device], MinBits = 4 });
        _front.Target = _gateway.Address;
        var options = new RedemptionOptions { Transport = GatewayTransport.Sealed };
        await using DeviceClient device = NewDevice(options, gatewayKey);
        Assert.True(await device.RegisterAsync(null, Cancelled));
        Assert.NotEmpty((await device.GetModelsAsync(Cancelled)).ToArray());
        foreach (bool stream in (bool[])[false, true])
        {
            await using PromptReply reply = await device.SendAsync(Prompts.Ask("canary-d41", stream), Cancelled);
            Assert.Equal((200, "device"), (reply.Status, reply.Linkable));
            Assert.Contains("signature of a device", await reply.ReadAllAsync(), StringComparison.Ordinal);
            await reply.CompleteAsync(Cancelled);
        }

        Assert.Equal([Routes.SealingKeys, Routes.Oblivious], _front.Seen.Select(passing => passing.Path).Distinct());
        Assert.All(_front.SeenAt(Routes.Oblivious), passing =>
        {
            string text = System.Text.Encoding.Latin1.GetString([.. passing.Body, .. passing.Answer?.Body ?? []]);
            Assert.DoesNotContain("canary-d41", text, StringComparison.Ordinal);
            Assert.DoesNotContain(device.KeyId, text, StringComparison.Ordinal);
        });

        // Whoever else stands there has no key that the pinned one signed.
        int before = _front.SeenAt(Routes.Oblivious).Count;
        await using DeviceClient deceived = NewDevice(options, RandomNumberGenerator.GetBytes(32));
        Assert.Equal(ClientError.DirectoryRefused, (await Assert.ThrowsAsync<ClientException>(() => deceived.SendAsync(Prompts.Ask("one"), Cancelled))).Error);
        Assert.Equal(before, _front.SeenAt(Routes.Oblivious).Count);
    }

    private DeviceClient NewDevice(RedemptionOptions? options = null, ReadOnlyMemory<byte> gatewayKey = default) => new(
        _front.Address, DeviceKey.Create(_folder[Convert.ToHexString(RandomNumberGenerator.GetBytes(8))]),
        (options ?? new RedemptionOptions()) with { ReconnectDelay = TimeSpan.FromMilliseconds(5) }, new TransportOptions(), TimeProvider.System, gatewayKey);

    private async Task<DeviceClient> RegisteredAsync()
    {
        DeviceClient device = NewDevice();
        await device.RegisterAsync(null, Cancelled);
        return device;
    }

    private async Task RestartAsync(WorkOptions work)
    {
        await _gateway.DisposeAsync();
        await StartAsync(work);
        _front.Target = _gateway.Address;
    }

    private async Task StartAsync(WorkOptions work)
    {
        string keyFile = _folder["sealing.key"];
        await File.WriteAllBytesAsync(keyFile, new byte[32]);
        _options = new GatewayOptions
        {
            Name = TestOperator.GatewayName,
            Listen = ListenAddress.Loopback(0),
            DataDirectory = _folder["gateway"],
            Admission = AdmissionMode.Device,
            Devices = new DeviceOptions { Registration = DeviceRegistration.Open },
            Addresses = new AddressOptions { RegistrationsPerHour = 1000 },
            Work = work,
            Sealing = new SealingOptions { KeyFile = SecretReference.FromFile(keyFile), SignedBy = SealingSignatory.Gateway, ReplyInterval = TimeSpan.FromMilliseconds(1) },
        };
        _gateway = await GatewayServer.StartAsync(_options, null, _router, null, TimeProvider.System, NullLoggerFactory.Instance, Cancelled);
    }

    private sealed class Report(Action<WorkProgress> told) : IProgress<WorkProgress>
    {
        void IProgress<WorkProgress>.Report(WorkProgress value) => told(value);
    }
}
