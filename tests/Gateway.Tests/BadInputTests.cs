using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using Tacit.Gateway.Tests.Support;
using Tacit.Inference;
using Tacit.Inference.Tests;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests;

/// <summary>Law 7: hostile input gets a typed error and nothing else. After each, the token is as good as before, or spent as law 2 says.</summary>
public sealed class BadInputTests
{
    public static TheoryData<string, string> Bodies { get; } = new()
    {
        { "", ErrorCodes.InvalidJson },
        { "nonsense", ErrorCodes.InvalidJson },
        { "[]", ErrorCodes.InvalidJson },
        { "{\"model\":\"tiny\",\"messages\":[{\"role\":\"user\",\"content\":\"?\"}]", ErrorCodes.InvalidJson },
        { TestGateway.Body() + "x", ErrorCodes.InvalidJson },
        { TestGateway.Body(more: ",\"model\":\"tiny\""), ErrorCodes.InvalidJson },
        { TestGateway.Body(more: ",\"unheard_of\":1"), ErrorCodes.UnknownMember },
        { TestGateway.Body(more: ",\"previous_response_id\":\"x\""), ErrorCodes.UnknownMember },
        { TestGateway.Body(more: ",\"max_tokens\":101"), ErrorCodes.OutputCapExceeded },
        { TestGateway.Body(more: ",\"max_tokens\":60,\"n\":2"), ErrorCodes.OutputCapExceeded },
        { "{\"messages\":[]}", ErrorCodes.InvalidValue },
    };

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task Body_that_is_no_allowed_request_is_refused_and_nothing_is_spent(string body, string code)
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        using HttpResponseMessage response = await gateway.AskAsync(token, body);
        await response.IsErrorAsync(400, code, Routes.TokenUnspent);
        Assert.Equal(0, gateway.Provider.Calls);
        using HttpResponseMessage well = await gateway.AskAsync(token);
        await well.IsReplyAsync();
    }

    [Fact]
    public async Task Body_above_the_plans_limit_is_refused()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        using HttpResponseMessage response = await gateway.AskAsync(token, TestGateway.Body(new string('x', 5000)));
        await response.IsErrorAsync(413, ErrorCodes.RequestTooLarge, Routes.TokenUnspent);
        using HttpResponseMessage well = await gateway.AskAsync(token);
        await well.IsReplyAsync();
    }

    [Theory]
    [InlineData("Content-Length: 104857600")]
    [InlineData("Transfer-Encoding: chunked")]
    public async Task Body_of_a_hundred_megabytes_is_refused_without_being_read(string framing)
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        using var client = new TcpClient();
        await client.ConnectAsync(gateway.Address.Host, gateway.Address.Port, TestContext.Current.CancellationToken);
        await using NetworkStream stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nAuthorization: {token.Header}\r\n{framing}\r\n\r\n"), TestContext.Current.CancellationToken);
        byte[] chunk = [.. "10000\r\n"u8, .. new byte[0x10000], .. "\r\n"u8];
        Task<string> answer = RawHttp.ReadAsync(stream);
        int sent = 0;
        try
        {
            while (!answer.IsCompleted && sent < 100 << 20)
            {
                await stream.WriteAsync(chunk, TestContext.Current.CancellationToken);
                sent += chunk.Length;
            }
        }
        catch (IOException)
        {
            // The gateway has hung up.
        }

        Assert.Contains(ErrorCodes.RequestTooLarge, await answer, StringComparison.Ordinal);
        Assert.True(sent < 50 << 20, $"{sent} bytes were taken");
        using HttpResponseMessage well = await gateway.AskAsync(token);
        await well.IsReplyAsync();
    }

    [Fact]
    public async Task Body_that_ends_early_spends_nothing()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        using var client = new TcpClient();
        await client.ConnectAsync(gateway.Address.Host, gateway.Address.Port, TestContext.Current.CancellationToken);
        await using NetworkStream stream = client.GetStream();
        await stream.WriteAsync(
            Encoding.ASCII.GetBytes($"POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nAuthorization: {token.Header}\r\nContent-Length: 500\r\n\r\n{TestGateway.Body()}"),
            TestContext.Current.CancellationToken);
        client.Client.Shutdown(SocketShutdown.Send);
        string answer = await RawHttp.ReadAsync(stream);
        Assert.DoesNotContain("200 OK", answer, StringComparison.Ordinal);
        using HttpResponseMessage well = await gateway.AskAsync(token);
        await well.IsReplyAsync();
        Assert.Equal(1, gateway.Provider.Calls);
    }

    [Theory]
    [InlineData("body")]
    [InlineData("headers")]
    public async Task Client_that_drips_is_cut_off(string part)
    {
        await using TestGateway gateway = await TestGateway.CreateAsync(prepare => prepare.Configure = options => options with
        {
            Limits = new GatewayLimits { RequestBodyGracePeriod = TimeSpan.FromSeconds(1.1), RequestHeadersTimeout = TimeSpan.FromSeconds(1) },
        });
        TestToken token = gateway.Issuer.CreateToken("chat");
        using var client = new TcpClient();
        await client.ConnectAsync(gateway.Address.Host, gateway.Address.Port, TestContext.Current.CancellationToken);
        await using NetworkStream stream = client.GetStream();
        string start = $"POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nAuthorization: {token.Header}\r\n" + (part == "body" ? "Content-Length: 4000\r\n\r\n{" : "X: ");
        await stream.WriteAsync(Encoding.ASCII.GetBytes(start), TestContext.Current.CancellationToken);
        Task<string> answer = RawHttp.ReadAsync(stream);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        try
        {
            while (!answer.IsCompleted)
            {
                await timer.WaitForNextTickAsync(TestContext.Current.CancellationToken);
                await stream.WriteAsync("x"u8.ToArray(), TestContext.Current.CancellationToken);
            }
        }
        catch (IOException)
        {
            // Cut off.
        }

        Assert.Contains(" 408 ", await answer, StringComparison.Ordinal);
        using HttpResponseMessage well = await gateway.AskAsync(token);
        await well.IsReplyAsync();
    }

    [Fact]
    public async Task Headers_beyond_their_limit_are_refused()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        string answer = await RawHttp.ExchangeAsync(gateway.Address, $"GET /v1/models HTTP/1.1\r\nHost: g\r\nX: {new string('x', 100_000)}\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 431", answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true, Routes.TokenReturned)]
    [InlineData(false, Routes.TokenSpent)] // How long an unstreamed reply takes is up to the prompt.
    public async Task Provider_that_hangs_ends_in_a_timeout(bool stream, string tokenState)
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange => exchange.HangAsync());
        await using TestGateway gateway = await TestGateway.CreateAsync(prepare =>
        {
            prepare.ProviderUrl = provider.BaseUrl;
            prepare.Budgets = new ProviderBudgets { FirstByte = TimeSpan.FromMilliseconds(200), FirstByteUnstreamed = TimeSpan.FromMilliseconds(200) };
        });
        using HttpResponseMessage response = await gateway.AskAsync(gateway.Issuer.CreateToken("chat"), TestGateway.Body(stream: stream));
        await response.IsErrorAsync(504, ErrorCodes.ProviderTimeout, tokenState);
    }

    [Fact]
    public async Task Provider_that_resets_or_is_not_there_returns_the_token()
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange =>
        {
            exchange.Reset();
            return Task.CompletedTask;
        });
        await using TestGateway gateway = await TestGateway.CreateAsync(prepare => prepare.ProviderUrl = provider.BaseUrl);
        using HttpResponseMessage reset = await gateway.AskAsync(gateway.Issuer.CreateToken("chat"));
        Assert.Equal(502, (int)reset.StatusCode);
        Assert.Equal(Routes.TokenReturned, reset.TokenState());

        await using TestGateway alone = await TestGateway.CreateAsync(prepare => prepare.ProviderUrl = ScriptedProvider.UnusedAddress());
        using HttpResponseMessage refused = await alone.AskAsync(alone.Issuer.CreateToken("chat"));
        await refused.IsErrorAsync(502, ErrorCodes.ProviderUnreachable, Routes.TokenReturned);
    }

    [Fact]
    public async Task Provider_that_sends_half_an_event_ends_in_an_error_event_and_the_half_is_not_passed_on()
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(async exchange =>
        {
            await exchange.BeginEventsAsync();
            await exchange.ChunkAsync(StubProvider.Event("whole"));
            await exchange.ChunkAsync(StubProvider.Event("half")[..30]);
            exchange.Close();
        });
        await using TestGateway gateway = await TestGateway.CreateAsync(prepare => prepare.ProviderUrl = provider.BaseUrl);
        using HttpResponseMessage response = await gateway.AskAsync(gateway.Issuer.CreateToken("chat"), TestGateway.Body(stream: true));
        string text = await response.TextAsync();
        Assert.StartsWith("data: {", text, StringComparison.Ordinal);
        Assert.Contains("whole", text, StringComparison.Ordinal);
        Assert.Contains(ErrorCodes.ReplyInterrupted, text, StringComparison.Ordinal);
        Assert.All(text.Split('\n').Where(line => line.StartsWith("data: {", StringComparison.Ordinal)), line => System.Text.Json.JsonDocument.Parse(line[6..]).Dispose());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Provider_that_sends_a_gigabyte_is_cut_off(bool stream)
    {
        long sent = 0;
        await using ScriptedProvider provider = ScriptedProvider.Start(async exchange =>
        {
            string filler = stream ? StubProvider.Event(new string('x', 50_000)) : new string('x', 50_000);
            if (stream)
            {
                await exchange.BeginEventsAsync();
            }
            else
            {
                await exchange.SendAsync("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
            }

            try
            {
                while (exchange.Sent < 1L << 30)
                {
                    await exchange.ChunkAsync(filler);
                }
            }
            finally
            {
                sent = exchange.Sent;
            }
        });
        await using TestGateway gateway = await TestGateway.CreateAsync(prepare => prepare.ProviderUrl = provider.BaseUrl);
        TestToken token = gateway.Issuer.CreateToken("chat");
        using HttpResponseMessage response = await gateway.AskAsync(token, TestGateway.Body(stream: stream));
        string text = await response.TextAsync();
        Assert.Contains(ErrorCodes.ReplyTooLarge, text, StringComparison.Ordinal);
        Assert.True(text.Length < 1 << 20);
        using HttpResponseMessage other = await gateway.AskAsync(token, TestGateway.Body("other"));
        await other.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        await TestGateway.UntilAsync(() => Volatile.Read(ref sent) > 0);
        Assert.True(Volatile.Read(ref sent) < 100 << 20, $"{sent} bytes were read");
    }

    [Fact]
    public async Task Full_disk_refuses_requests_spends_nothing_and_heals()
    {
        string disk = Directory.CreateTempSubdirectory("tacit-disk-").FullName;
        Assert.SkipUnless(await RunAsync("mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", disk), "Needs the right to mount a file system.");
        try
        {
            await using TestGateway gateway = await TestGateway.CreateAsync(prepare => prepare.Configure = options => options with { DataDirectory = disk });
            string filler = Path.Combine(disk, "filler");
            await FillAsync(filler);

            // Pages that the log holds already can still be written, so a few may get through.
            TestToken token;
            int before;
            HttpResponseMessage response;
            int tries = 0;
            do
            {
                Assert.True(tries++ < 500);
                token = gateway.Issuer.CreateToken("chat");
                before = gateway.Provider.Calls;
                response = await gateway.AskAsync(token);
            }
            while (response.IsSuccessStatusCode);
            await response.IsErrorAsync(503, ErrorCodes.Unavailable, Routes.TokenUnspent);
            response.Dispose();
            Assert.Equal(before, gateway.Provider.Calls);
            File.Delete(filler);
            using HttpResponseMessage well = await gateway.AskAsync(token, TestGateway.Body("other"));
            await well.IsReplyAsync();
        }
        finally
        {
            await RunAsync("umount", disk);
            Directory.Delete(disk);
        }
    }

    private static async Task FillAsync(string path)
    {
        await using var file = new FileStream(path, FileMode.Create);
        try
        {
            while (true)
            {
                await file.WriteAsync(new byte[4096], TestContext.Current.CancellationToken);
                await file.FlushAsync(TestContext.Current.CancellationToken);
            }
        }
        catch (IOException)
        {
            // Full.
        }
    }

    private static async Task<bool> RunAsync(string command, params string[] arguments)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(command, arguments) { RedirectStandardError = true })!;
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }

    [Fact(Timeout = 300_000)]
    public async Task Bodies_that_never_end_take_bounded_memory_and_give_it_back()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync(prepare =>
        {
            prepare.Configure = options => options with { RequestMemoryBytes = 1 << 20 };
            prepare.Issuer.AddPlan(TestGateway.ChatPlan with { Id = "long", MaxInputBytes = 1 << 20 }, TestGateway.March);
        });
        TcpClient hog = await HoldAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        string body = TestGateway.Body(new string('x', 3000));
        while (true)
        {
            if (hog.Client.Poll(0, SelectMode.SelectRead))
            {
                // Its last part came while a request held a little: then it was itself the one too many.
                hog.Dispose();
                hog = await HoldAsync();
            }

            using HttpResponseMessage busy = await gateway.AskAsync(gateway.Issuer.CreateToken("chat"), body);
            if (busy.StatusCode == System.Net.HttpStatusCode.ServiceUnavailable)
            {
                await busy.IsErrorAsync(503, ErrorCodes.GatewayBusy, Routes.TokenUnspent);
                break;
            }
        }

        hog.Client.Close(0);
        while (true)
        {
            using HttpResponseMessage again = await gateway.AskAsync(token, body);
            if (again.StatusCode != System.Net.HttpStatusCode.ServiceUnavailable)
            {
                await again.IsReplyAsync();
                break;
            }
        }

        async Task<TcpClient> HoldAsync()
        {
            var client = new TcpClient();
            await client.ConnectAsync(gateway.Address.Host, gateway.Address.Port, TestContext.Current.CancellationToken);
            string head = $"POST {Routes.ChatCompletions} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {gateway.Issuer.CreateToken("long").Header}\r\nContent-Length: 1000000\r\n\r\n";
            await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(head + new string(' ', 524_200)), TestContext.Current.CancellationToken);
            return client;
        }
    }
}
