using System.Globalization;
using System.Net;
using System.Text;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Tests.Support;
using Tacit.Hosting;
using Tacit.Protocol;
using Tacit.Storage.Testing;

namespace Tacit.Gateway.Tests;

/// <summary>Law 2 across instances: one token, one answer, whichever of the gateways on a database is asked.</summary>
public sealed class InstanceTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Token_in_two_thousand_requests_at_three_instances_buys_one_answer()
    {
        await using TestInstances instances = await TestInstances.StartAsync(3, new FakeTime(TestGateway.Start));
        TestToken token = instances.Issuer.CreateToken("chat");
        HttpResponseMessage[] responses = await Task.WhenAll(Enumerable.Range(0, 2000).Select(async i =>
        {
            HttpResponseMessage response = await instances.AskAsync(i % 3, token, TestGateway.Body(string.Create(CultureInfo.InvariantCulture, $"number {i}")));
            await response.Content.LoadIntoBufferAsync(Token);
            return response;
        }));

        await Assert.Single(responses, response => response.StatusCode == HttpStatusCode.OK).IsReplyAsync();
        foreach (HttpResponseMessage response in responses.Where(response => response.StatusCode != HttpStatusCode.OK))
        {
            await response.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        }

        Assert.Equal(1, instances.Provider.Calls);
    }

    [Fact]
    public async Task Same_request_at_all_instances_has_one_answer_while_it_is_made_and_afterwards()
    {
        await using TestInstances instances = await TestInstances.StartAsync(3, new FakeTime(TestGateway.Start));
        var go = new TaskCompletionSource();
        instances.Provider.Answer = async context =>
        {
            await go.Task;
            await StubProvider.AnswerJsonAsync(context);
        };
        TestToken token = instances.Issuer.CreateToken("chat");
        Task<HttpResponseMessage>[] asking = [.. Enumerable.Range(0, 60).Select(i => instances.AskAsync(i % 3, token))];
        await TestGateway.UntilAsync(() => instances.Provider.Calls > 0);
        go.SetResult();
        foreach (HttpResponseMessage response in await Task.WhenAll(asking))
        {
            await response.IsReplyAsync();
        }

        for (int i = 0; i < 3; i++)
        {
            await (await instances.AskAsync(i, token)).IsReplyAsync();
            await (await instances.AskAsync(i, token, TestGateway.Body("other"))).IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        }

        Assert.Equal(1, instances.Provider.Calls);
    }

    [Fact]
    public async Task Stream_comes_event_by_event_through_another_instance_which_cancels_it_as_well()
    {
        await using TestInstances instances = await TestInstances.StartAsync(2, new FakeTime(TestGateway.Start));
        var go = new TaskCompletionSource();
        var gone = new TaskCompletionSource();
        instances.Provider.Answer = async context =>
        {
            await StubProvider.BeginStreamAsync(context);
            await StubProvider.SendEventAsync(context, "one");
            await go.Task;
            await StubProvider.SendEventAsync(context, "two");
            await using CancellationTokenRegistration aborted = context.RequestAborted.Register(gone.SetResult);
            await gone.Task;
        };
        TestToken token = instances.Issuer.CreateToken("chat");
        string body = TestGateway.Body(stream: true);
        using var leaving = new CancellationTokenSource();
        using HttpResponseMessage first = await instances.AskAsync(0, token, body, gone: leaving.Token);
        using HttpResponseMessage second = await instances.AskAsync(1, token, body);
        Assert.Equal((HttpStatusCode.OK, Routes.TokenSpent, "text/event-stream"), (second.StatusCode, second.TokenState(), second.Content.Headers.ContentType?.MediaType));
        using Stream events = await second.Content.ReadAsStreamAsync(Token);
        Assert.Contains("\"one\"", await ReadEventAsync(events), StringComparison.Ordinal);
        go.SetResult();
        Assert.Contains("\"two\"", await ReadEventAsync(events), StringComparison.Ordinal);

        using HttpResponseMessage cancelled = await instances.AskAsync(1, token, "", path: Routes.Cancel);
        Assert.Equal((HttpStatusCode.OK, Routes.TokenSpent), (cancelled.StatusCode, cancelled.TokenState()));
        Assert.Equal("""{"cancelled":true}""", await cancelled.TextAsync());
        await gone.Task.WaitAsync(TimeSpan.FromMinutes(2), Token);
        using HttpResponseMessage again = await instances.AskAsync(1, token, "", path: Routes.Cancel);
        Assert.Equal("""{"cancelled":false}""", await again.TextAsync());
        Assert.Equal(1, instances.Provider.Calls);
    }

    [Fact]
    public async Task Chain_gets_its_renewal_through_another_instance()
    {
        await using TestInstances instances = await TestInstances.StartAsync(2, new FakeTime(TestGateway.Start));
        TestToken token = instances.Issuer.CreateToken("monthly");
        (TokenRequest successor, Func<byte[], TestToken?> finish) = instances.Issuer.CreateSuccessor("monthly");
        byte[]?[] renewals = new byte[]?[2];
        for (int i = 0; i < 2; i++)
        {
            using HttpResponseMessage response = await instances.AskAsync(
                i, token, headers: headers => headers.Add(Routes.SuccessorHeader, ChainHeaders.FormatSuccessor(successor)));
            await response.IsReplyAsync();
            renewals[i] = TestChain.RenewalOf(response);
        }

        Assert.NotNull(renewals[0]);
        Assert.Equal(renewals[0], renewals[1]);
        Assert.NotNull(finish(renewals[1]!));
        Assert.Equal(1, instances.Provider.Calls);
    }

    [Fact]
    public async Task Request_that_says_it_was_passed_on_is_not_and_gains_nothing_by_it()
    {
        await using TestInstances instances = await TestInstances.StartAsync(2, new FakeTime(TestGateway.Start));
        TestToken token = instances.Issuer.CreateToken("chat");
        await (await instances.AskAsync(0, token)).IsReplyAsync();
        static void Mark(System.Net.Http.Headers.HttpRequestHeaders headers) => headers.Add(Routes.HopHeader, "1");

        await (await instances.AskAsync(1, token, headers: Mark)).IsErrorAsync(503, ErrorCodes.GatewayBusy, Routes.TokenInFlight);
        await (await instances.AskAsync(1, token, TestGateway.Body("other"), Mark)).IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        await (await instances.AskAsync(1, token.With(bytes => bytes[^1] ^= 1), headers: Mark)).IsErrorAsync(401, ErrorCodes.TokenInvalid, Routes.TokenUnspent);
        await (await instances.AskAsync(1, instances.Issuer.CreateToken("chat"), headers: Mark)).IsReplyAsync();
        Assert.Equal(2, instances.Provider.Calls);
    }

    [Fact]
    public async Task Owner_that_cannot_be_reached_leaves_the_request_in_flight()
    {
        // At the second one's address is something else; at the third one's is nothing.
        await using StubProvider other = await StubProvider.StartAsync();
        await using TestInstances instances = await TestInstances.StartAsync(
            3, new FakeTime(TestGateway.Start), configure: (number, options) => number switch
            {
                1 => options with { InstanceAddress = other.BaseUrl.ToString() },
                2 => options with { InstanceAddress = "http://127.0.0.1:1/" },
                _ => options,
            });
        for (int i = 1; i < 3; i++)
        {
            TestToken token = instances.Issuer.CreateToken("chat");
            await (await instances.AskAsync(i, token)).IsReplyAsync();
            await (await instances.AskAsync(0, token)).IsErrorAsync(503, ErrorCodes.GatewayBusy, Routes.TokenInFlight);
        }

        Assert.Equal((2, 1), (instances.Provider.Calls, other.Calls));
        Assert.Single(instances.Log.Lines, line => line.Contains("does not answer", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Second_process_on_an_instances_data_folder_is_refused_and_takes_nothing_from_it()
    {
        await using TestInstances instances = await TestInstances.StartAsync(2, new FakeTime(TestGateway.Start));
        var go = new TaskCompletionSource();
        instances.Provider.Answer = async context =>
        {
            await go.Task;
            await StubProvider.AnswerJsonAsync(context);
        };
        TestToken token = instances.Issuer.CreateToken("chat");
        Task<HttpResponseMessage> asking = instances.AskAsync(0, token);
        await TestGateway.UntilAsync(() => instances.Provider.Calls == 1);

        SettingsException refused = await Assert.ThrowsAsync<SettingsException>(() => instances.AddAsync(
            (_, options) => options with { DataDirectory = Path.Combine(Path.GetDirectoryName(options.DataDirectory)!, "0") }));
        Assert.Equal("DataDirectory", Assert.Single(refused.Problems).Key);

        // Its lease is as it was: the request goes to it, and to no provider again.
        Task<HttpResponseMessage> repeating = instances.AskAsync(1, token);
        go.SetResult();
        await (await asking).IsReplyAsync();
        await (await repeating).IsReplyAsync();
        Assert.Equal(1, instances.Provider.Calls);
    }

    [Fact]
    public async Task Requests_of_an_instance_that_died_are_taken_over_once()
    {
        const int Tokens = 12;
        var time = new FakeTime(TestGateway.Start);
        await using TestInstances instances = await TestInstances.StartAsync(3, time);
        var never = new TaskCompletionSource();
        instances.Provider.Answer = context => never.Task.WaitAsync(context.RequestAborted);
        TestToken[] tokens = [.. Enumerable.Range(0, Tokens).Select(_ => instances.Issuer.CreateToken("chat"))];
        Task<HttpResponseMessage>[] lost = [.. tokens.Select(token => instances.AskAsync(0, token))];
        await TestGateway.UntilAsync(() => instances.Provider.Calls == Tokens);

        await instances.KillAsync(0);
        foreach (Task<HttpResponseMessage> response in lost)
        {
            try
            {
                (await response).Dispose();
            }
            catch (HttpRequestException)
            {
                // As it is with a machine that has gone.
            }
        }

        instances.Provider.Answer = StubProvider.AnswerJsonAsync;
        await (await instances.AskAsync(1, tokens[0])).IsErrorAsync(503, ErrorCodes.GatewayBusy, Routes.TokenInFlight);
        Assert.Equal(Tokens, instances.Provider.Calls);

        time.Advance(InstanceLease.Lifetime + TimeSpan.FromSeconds(1));
        HttpResponseMessage[] responses = await Task.WhenAll(tokens.SelectMany(token => Enumerable.Range(0, 6).Select(i => instances.AskAsync(1 + (i % 2), token))));
        foreach (HttpResponseMessage response in responses)
        {
            await response.IsReplyAsync();
        }

        Assert.Equal(2 * Tokens, instances.Provider.Calls);
        await (await instances.AskAsync(2, tokens[0], TestGateway.Body("other"))).IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
    }

    [Fact]
    public async Task Of_two_on_copies_of_one_data_folder_the_first_stops_and_takes_an_id_of_its_own_when_it_starts_again()
    {
        var time = new FakeTime(TestGateway.Start);
        string[] files = new string[2];
        await using TestInstances instances = await TestInstances.StartAsync(2, time, configure: (number, options) =>
        {
            Directory.CreateDirectory(options.DataDirectory);
            files[number] = Path.Combine(options.DataDirectory, "instance-id");
            File.WriteAllBytes(files[number], [.. Enumerable.Repeat((byte)7, InstanceLease.IdSizeInBytes)]);
            return options;
        });
        time.Advance(TimeSpan.FromSeconds(10));
        await TestGateway.UntilAsync(() => instances.Server(0).Failed.IsCompleted);

        TestToken token = instances.Issuer.CreateToken("chat");
        await (await instances.AskAsync(0, token)).IsErrorAsync(503, ErrorCodes.ShuttingDown, Routes.TokenUnspent);
        await (await instances.AskAsync(1, token)).IsReplyAsync();
        Assert.False(instances.Server(1).Failed.IsCompleted);
        Assert.Equal((false, true), (File.Exists(files[0]), File.Exists(files[1])));
    }

    [Fact]
    public async Task Database_that_restarts_under_load_loses_no_token_and_grants_none_twice()
    {
        TestPostgres.SkipUnlessInstalled();
        await using PostgresProcess server = await PostgresProcess.StartAsync(durable: true);
        await using TestInstances instances = await TestInstances.StartAsync(2, TimeProvider.System, await server.CreateDatabaseAsync());
        int answered = 0;
        int bodies = 0;
        bool restarted = false;
        int tokens = 0;
        Task[] clients = [.. Enumerable.Range(0, 8).Select(client => Task.Run(async () =>
        {
            while (!Volatile.Read(ref restarted) || Volatile.Read(ref answered) < 50)
            {
                // As a wallet: another body only where the token is known to be unspent, the same one at whichever instance until it is answered.
                TestToken token = instances.Issuer.CreateToken("chat");
                Interlocked.Increment(ref tokens);
                string body = TestGateway.Body();
                for (int i = client; ; i++)
                {
                    using HttpResponseMessage response = await instances.AskAsync(i % 2, token, body);
                    string text = await response.TextAsync();
                    if (response.StatusCode == HttpStatusCode.OK)
                    {
                        break;
                    }

                    Assert.True(response.StatusCode == HttpStatusCode.ServiceUnavailable, $"{(int)response.StatusCode} {text}");
                    if (response.TokenState() == Routes.TokenUnspent)
                    {
                        body = TestGateway.Body(string.Create(CultureInfo.InvariantCulture, $"body {Interlocked.Increment(ref bodies)}"));
                    }

                    await Task.Delay(20, Token);
                }

                Interlocked.Increment(ref answered);
            }
        }))];
        await TestGateway.UntilAsync(() => Volatile.Read(ref answered) >= 20);
        await server.RestartAsync(crash: true);
        Volatile.Write(ref restarted, true);
        await Task.WhenAll(clients);

        // Each token has its answer. One whose commit was in doubt may have been asked for again by the same request, no other was.
        Assert.Equal(tokens, answered);
        Assert.InRange(instances.Provider.Calls, tokens, tokens + 8);
    }

    private static async Task<string> ReadEventAsync(Stream events)
    {
        var text = new StringBuilder();
        byte[] one = new byte[1];
        while (!text.ToString().EndsWith("\n\n", StringComparison.Ordinal))
        {
            await events.ReadExactlyAsync(one, Token);
            text.Append((char)one[0]);
        }

        return text.ToString();
    }
}
