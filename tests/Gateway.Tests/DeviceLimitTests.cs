using System.Net;
using System.Text;
using Tacit.Gateway.Devices;
using Tacit.Gateway.Tests.Support;
using Tacit.Gateway.Work;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests;

public sealed class DeviceLimitTests : IDisposable
{
    private readonly TestDevice _device = new();

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public void Dispose() => _device.Dispose();

    [Fact]
    public async Task Storm_gets_as_many_answers_as_the_limit_allows_also_over_a_restart_and_again_when_the_window_has_passed()
    {
        await using TestGateway gateway = await StartAsync(new DeviceOptions { PerMinute = 12, Concurrency = 1000 });

        HttpStatusCode[] storm = await StormAsync(gateway, 40);
        Assert.Equal(12, storm.Count(status => status == HttpStatusCode.OK));
        Assert.Equal(28, storm.Count(status => status == HttpStatusCode.TooManyRequests));
        await gateway.RestartFromCrashAsync();
        using HttpResponseMessage refused = await _device.AskAsync(gateway);
        await refused.IsErrorAsync(429, ErrorCodes.DeviceRateLimited, Routes.TokenUnspent);
        TimeSpan wait = refused.Headers.RetryAfter!.Delta!.Value;
        Assert.InRange(wait, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(65));

        gateway.Time.Advance(wait - TimeSpan.FromSeconds(1));
        await (await _device.AskAsync(gateway)).IsErrorAsync(429, ErrorCodes.DeviceRateLimited, Routes.TokenUnspent);
        gateway.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(HttpStatusCode.OK, (await _device.AskAsync(gateway)).StatusCode);
        Assert.Equal(13, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Repetitions_of_an_answered_request_do_not_count()
    {
        await using TestGateway gateway = await StartAsync(new DeviceOptions { PerMinute = 2 });
        byte[] nonce = TestDevice.Nonce();
        for (int i = 0; i < 5; i++)
        {
            Assert.Equal(HttpStatusCode.OK, (await _device.AskAsync(gateway, nonce: nonce)).StatusCode);
        }

        Assert.Equal(HttpStatusCode.OK, (await _device.AskAsync(gateway)).StatusCode);
        await (await _device.AskAsync(gateway)).IsErrorAsync(429, ErrorCodes.DeviceRateLimited, Routes.TokenUnspent);
        // Refused for another reason, and not counted.
        await (await _device.AskAsync(gateway, "{}")).IsErrorAsync(400, ErrorCodes.InvalidValue, Routes.TokenUnspent);
    }

    [Fact]
    public async Task No_more_requests_at_a_time_than_the_limit_and_a_place_is_free_when_a_reply_ends()
    {
        await using TestGateway gateway = await StartAsync(new DeviceOptions { PerMinute = 1000, Concurrency = 3 });
        var release = new TaskCompletionSource();
        gateway.Provider.Answer = async context =>
        {
            await release.Task;
            await StubProvider.AnswerJsonAsync(context);
        };
        Task<HttpResponseMessage>[] asked = [.. Enumerable.Range(0, 10).Select(_ => _device.AskAsync(gateway))];
        await TestGateway.UntilAsync(() => asked.Count(task => task.IsCompleted) == 7);

        foreach (Task<HttpResponseMessage> task in asked.Where(task => task.IsCompleted))
        {
            using HttpResponseMessage busy = await task;
            await busy.IsErrorAsync(429, ErrorCodes.DeviceBusy, Routes.TokenUnspent);
            Assert.NotNull(busy.Headers.RetryAfter);
        }

        release.SetResult();
        HttpResponseMessage[] answers = await Task.WhenAll(asked);
        Assert.Equal(3, answers.Count(answer => answer.StatusCode == HttpStatusCode.OK));
        Assert.Equal(HttpStatusCode.OK, (await _device.AskAsync(gateway)).StatusCode);
    }

    [Fact]
    public async Task Output_tokens_of_a_day_are_set_aside_counted_by_usage_and_new_the_next_day()
    {
        await using TestGateway gateway = await StartAsync(new DeviceOptions { PerMinute = 1000, Concurrency = 1000, OutputTokensPerDay = 100 });
        gateway.Provider.Answer = context => StubProvider.WriteJsonAsync(
            context, StubProvider.Reply.Replace("\"model\":\"m\",", "\"model\":\"m\",\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":30,\"total_tokens\":31},", StringComparison.Ordinal));
        string Body(int n) => TestGateway.Body($"{n}", more: ",\"max_tokens\":40");

        // Each sets 40 aside and costs 30: after two, 60 are used, and 40 are left for one more, and then 10.
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(HttpStatusCode.OK, (await SettledAsync(i)).StatusCode);
        }

        using HttpResponseMessage exhausted = await _device.AskAsync(gateway, Body(3));
        await exhausted.IsErrorAsync(429, ErrorCodes.DeviceTokensExhausted, Routes.TokenUnspent);
        // To midnight: the clock stands at noon.
        Assert.Equal(TimeSpan.FromHours(12), exhausted.Headers.RetryAfter!.Delta);
        Assert.Equal(HttpStatusCode.OK, (await _device.AskAsync(gateway, TestGateway.Body(more: ",\"max_tokens\":10"))).StatusCode);
        gateway.Time.Advance(TimeSpan.FromHours(12));
        Assert.Equal(HttpStatusCode.OK, (await _device.AskAsync(gateway, Body(4))).StatusCode);

        // What the one before set aside too much is given back behind its reply.
        async Task<HttpResponseMessage> SettledAsync(int n)
        {
            while (true)
            {
                HttpResponseMessage response = await _device.AskAsync(gateway, Body(n));
                if (response.StatusCode == HttpStatusCode.OK || gateway.Provider.Calls > n)
                {
                    return response;
                }

                await Task.Delay(5, Cancelled);
            }
        }
    }

    [Fact]
    public async Task Storm_of_large_requests_sets_no_more_tokens_aside_than_there_are()
    {
        await using TestGateway gateway = await StartAsync(new DeviceOptions { PerMinute = 1000, Concurrency = 1000, OutputTokensPerDay = 100 });
        var release = new TaskCompletionSource();
        gateway.Provider.Answer = async context =>
        {
            await release.Task;
            await StubProvider.AnswerJsonAsync(context);
        };
        Task<HttpResponseMessage>[] asked = [.. Enumerable.Range(0, 12).Select(i => _device.AskAsync(gateway, TestGateway.Body($"{i}", more: ",\"max_tokens\":20,\"n\":2")))];
        await TestGateway.UntilAsync(() => asked.Count(task => task.IsCompleted) == 10);
        release.SetResult();

        Assert.Equal(2, (await Task.WhenAll(asked)).Count(answer => answer.StatusCode == HttpStatusCode.OK));
    }

    [Fact]
    public async Task Requests_of_one_address_are_limited_whoever_signs_them()
    {
        using var second = new TestDevice();
        await using TestGateway gateway = await StartAsync(
            new DeviceOptions { Allow = [_device.Listed, second.Listed] }, options => options with { Addresses = new AddressOptions { PerMinute = 3 } });

        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(HttpStatusCode.OK, (await (i == 1 ? second : _device).AskAsync(gateway)).StatusCode);
        }

        using HttpResponseMessage refused = await second.AskAsync(gateway);
        await refused.IsErrorAsync(429, ErrorCodes.AddressRateLimited, Routes.TokenUnspent);
        Assert.NotNull(refused.Headers.RetryAfter);
        Assert.DoesNotContain(gateway.Log.Lines, line => line.Contains("127.0.0.1", StringComparison.Ordinal) && line.Contains("address_rate", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Instances_on_one_database_share_limits_and_refuse_a_removed_device_with_its_next_request()
    {
        await using TestInstances instances = await TestInstances.StartAsync(2, new FakeTime(TestGateway.Start), configure: (_, options) => options with
        {
            Admission = AdmissionMode.Both,
            Work = new WorkOptions { For = [] },
            Devices = new DeviceOptions { Allow = [_device.Listed], PerMinute = null, PerDay = 15, Concurrency = 1000 },
        });

        HttpStatusCode[] storm = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => AskAsync(i % 2, i)));
        Assert.Equal(15, storm.Count(status => status == HttpStatusCode.OK));
        Assert.Equal(15, instances.Provider.Calls);

        using var other = new TestDevice();
        await instances.Server(0).Devices!.AddAsync(other.PublicKey, "other", Cancelled);
        Assert.Equal(HttpStatusCode.OK, await AskAsync(1, 100, other));
        Assert.True(await instances.Server(0).Devices!.RemoveAsync(other.PublicKey, Cancelled));
        Assert.Equal(HttpStatusCode.Forbidden, await AskAsync(1, 101, other));

        // The same request at the instance that does not have its reply.
        byte[] nonce = TestDevice.Nonce();
        await instances.Server(0).Devices!.AddAsync(other.PublicKey, "other", Cancelled);
        Assert.Equal(HttpStatusCode.OK, await AskAsync(0, 102, other, nonce));
        Assert.Equal(HttpStatusCode.OK, await AskAsync(1, 102, other, nonce));
        Assert.Equal(HttpStatusCode.Conflict, await AskAsync(1, 103, other, nonce));
        Assert.Equal(17, instances.Provider.Calls);

        async Task<HttpStatusCode> AskAsync(int instance, int number, TestDevice? device = null, byte[]? nonce = null)
        {
            string body = TestGateway.Body($"{number}");
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(instances.Address(instance), Routes.ChatCompletions))
            {
                Content = new StringContent(body, Encoding.UTF8, "application/json"),
            };
            TestDevice.Headers((device ?? _device).Sign(TestGateway.Start, body, nonce))(request.Headers);
            using HttpResponseMessage response = await instances.Client.SendAsync(request, Cancelled);
            return response.StatusCode;
        }
    }

    private async Task<HttpStatusCode[]> StormAsync(TestGateway gateway, int count) =>
        await Task.WhenAll(Enumerable.Range(0, count).Select(async _ =>
        {
            using HttpResponseMessage response = await _device.AskAsync(gateway);
            return response.StatusCode;
        }));

    private Task<TestGateway> StartAsync(DeviceOptions devices, Func<GatewayOptions, GatewayOptions>? configure = null) =>
        TestGateway.CreateAsync(gateway => gateway.Configure = options =>
        {
            options = options with
            {
                Admission = AdmissionMode.Device,
                Devices = devices.Allow.Count > 0 ? devices : devices with { Allow = [_device.Listed] },
                Work = new WorkOptions { For = [] },
            };
            return configure?.Invoke(options) ?? options;
        });
}
