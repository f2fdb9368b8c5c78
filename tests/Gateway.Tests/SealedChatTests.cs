using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Tacit.Gateway.Sealing;
using Tacit.Gateway.Tests.Support;
using Tacit.Gateway.Work;
using Tacit.Hosting;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests;

/// <summary>Prompts through <c>POST /api/chat</c>, on real sockets.</summary>
public sealed class SealedChatTests
{
    private static readonly string[] s_parts = ["one", "two", "three"];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Prompt_is_answered_inside_as_outside_and_a_retry_sealed_anew_gets_the_same_reply()
    {
        await using TestGateway gateway = await StartAsync();
        using SealedClient client = await SealedClient.ConnectAsync(gateway);
        TestToken token = gateway.Issuer.CreateToken("chat");

        SealedAnswer answer = await client.AskAsync(token);

        answer.IsReply();
        Assert.Equal(MediaTypes.Json, answer.Headers["content-type"]);
        Assert.DoesNotContain("four", answer.Wire, StringComparison.Ordinal);
        (await client.AskAsync(token)).IsReply();
        using HttpResponseMessage outside = await gateway.AskAsync(token);
        await outside.IsReplyAsync();
        (await client.AskAsync(token, TestGateway.Body("3+3?"))).IsError(409, ErrorCodes.TokenSpent);
        Assert.Equal(1, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Streamed_prompt_is_answered_event_by_event_and_chunks_tell_no_length()
    {
        await using TestGateway gateway = await StartAsync();
        using SealedClient client = await SealedClient.ConnectAsync(gateway);
        int[]? lengths = null;
        foreach (string[] parts in new[] { s_parts, ["x", "one that is quite a bit longer", "y"] })
        {
            var next = new SemaphoreSlim(0);
            gateway.Provider.Answer = async context =>
            {
                await StubProvider.BeginStreamAsync(context);
                foreach (string content in parts)
                {
                    await StubProvider.SendEventAsync(context, content);
                    await next.WaitAsync(context.RequestAborted);
                }

                await StubProvider.EndStreamAsync(context);
            };
            int seen = 0;
            using SealedMessage message = client.Prompt(gateway.Issuer.CreateToken("chat"), TestGateway.Body(stream: true));
            SealedAnswer answer = await client.SendAsync(
                message,
                seen: text =>
                {
                    // The provider goes on only once what it said has been seen at the other end.
                    if (seen < 3 && text.Contains(parts[seen], StringComparison.Ordinal))
                    {
                        seen++;
                        next.Release();
                    }
                });

            answer.IsReply(string.Concat(parts.Select(StubProvider.Event)) + "data: [DONE]\n\n");
            Assert.Equal(3, seen);
            Assert.StartsWith(MediaTypes.EventStream, answer.Headers["content-type"], StringComparison.Ordinal);
            lengths ??= answer.ChunkLengths();
            Assert.Equal(lengths, answer.ChunkLengths());
        }
    }

    [Fact]
    public async Task Chain_is_renewed_inside()
    {
        await using TestGateway gateway = await StartAsync(prepare => prepare.Issuer.AddPlan(TestGateway.MonthlyPlan, TestGateway.March));
        using SealedClient client = await SealedClient.ConnectAsync(gateway);
        gateway.Provider.Answer = StubProvider.AnswerStreamAsync;
        var chain = new TestChain(gateway);
        for (int i = 0; i < 2; i++)
        {
            SealedAnswer answer = await client.AskAsync(
                chain.Token, TestGateway.Body(stream: true), headers: new KeyValuePair<string, string>("tacit-successor", ChainHeaders.FormatSuccessor(chain.Successor)));
            answer.IsReply(StubProvider.Event("one") + "data: [DONE]\n\n");
            Assert.True(ChainHeaders.TryParseRenewal((answer.Trailers ?? answer.Headers)["tacit-renewal"], out byte[]? renewal));
            chain.Move(renewal);
        }
    }

    [Fact]
    public async Task What_is_wrong_inside_is_told_inside_and_nothing_of_the_outer_request_is_seen_there()
    {
        await using TestGateway gateway = await StartAsync();
        using SealedClient client = await SealedClient.ConnectAsync(gateway);

        (await client.AskAsync(null)).IsError(401, ErrorCodes.TokenRequired);
        (await client.AskAsync(gateway.Issuer.CreateToken("chat"), path: "/v1/nothing")).IsError(404, ErrorCodes.NotFound);
        (await client.AskAsync(gateway.Issuer.CreateToken("chat"), path: Routes.SealedChat)).IsError(404, ErrorCodes.NotFound);
        (await client.AskAsync(gateway.Issuer.CreateToken("chat"), "{}")).IsError(400, ErrorCodes.InvalidValue);
        (await client.AskAsync(gateway.Issuer.CreateToken("chat"), headers: new KeyValuePair<string, string>("cookie", "a=b"))).IsError(400, ErrorCodes.LinkedCredentials);
        using (SealedMessage models = client.Seal(new SealedInnerRequest("GET", Routes.Models, [], default)))
        {
            SealedAnswer answer = await client.SendAsync(models, headers => headers.TryAddWithoutValidation("User-Agent", "canary"));
            Assert.Equal((200, true), (answer.Status, answer.Text.Contains(TestGateway.Model, StringComparison.Ordinal)));
        }

        using SealedMessage message = client.Prompt(gateway.Issuer.CreateToken("chat"));
        (await client.SendAsync(message, headers => headers.TryAddWithoutValidation("Cookie", "a=b"))).IsRefused(400, ErrorCodes.LinkedCredentials);
        (await client.SendAsync(message, headers => headers.TryAddWithoutValidation("Authorization", "Bearer x"))).IsRefused(400, ErrorCodes.LinkedCredentials);
        (await client.SendAsync(message)).IsReply();
    }

    [Fact]
    public async Task Same_bytes_are_taken_once_also_after_a_crash()
    {
        await using TestGateway gateway = await StartAsync();
        using SealedClient client = await SealedClient.ConnectAsync(gateway);
        using SealedMessage message = client.Prompt(gateway.Issuer.CreateToken("chat"));

        SealedAnswer[] answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => client.SendAsync(message)));
        Assert.Single(answers, answer => answer.OuterStatus == 200).IsReply();
        Assert.All(answers.Where(answer => answer.OuterStatus != 200), answer => answer.IsRefused(409, ErrorCodes.RequestReplayed));

        await gateway.RestartFromCrashAsync();
        client.Address = gateway.Address;
        (await client.SendAsync(message)).IsRefused(409, ErrorCodes.RequestReplayed);
        // Work and unknown spelling of the same bytes change nothing: the key is what counts.
        (await client.SendAsync(message, json: [.. " "u8, .. message.Json])).IsRefused(409, ErrorCodes.RequestReplayed);
        Assert.Equal(1, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Same_bytes_are_taken_once_over_instances()
    {
        string keyFile = Path.GetTempFileName();
        await File.WriteAllBytesAsync(keyFile, RandomNumberGenerator.GetBytes(32), Ct);
        File.SetUnixFileMode(keyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var time = new FakeTime(TestGateway.Start);
        await using TestInstances instances = await TestInstances.StartAsync(2, time, configure: (_, options) => options with
        {
            Sealing = new SealingOptions { KeyFile = SecretReference.FromFile(keyFile), SignedBy = SealingSignatory.Gateway, ReplyInterval = TimeSpan.Zero },
        });
        SealingKeyDocument keys = await SealedClient.KeysAsync(instances.Address(0));
        using var client = new SealedClient(instances.Address(0), SealingKeyList.FindCurrent(keys.Keys, time.GetUtcNow())!.Key, time.GetUtcNow);
        TestToken token = instances.Issuer.CreateToken("chat");
        using SealedMessage message = client.Prompt(token);

        (await client.SendAsync(message)).IsReply();
        client.Address = instances.Address(1);
        (await client.SendAsync(message)).IsRefused(409, ErrorCodes.RequestReplayed);
        // Sealed anew, the same request gets the reply that the other instance has.
        (await client.AskAsync(token)).IsReply();
        Assert.Equal(1, instances.Provider.Calls);
        File.Delete(keyFile);
    }

    [Theory]
    [InlineData(29, null)]
    [InlineData(31, "31 s ahead")]
    [InlineData(3600, "3600 s ahead")]
    [InlineData(-89, null)]
    [InlineData(-91, "91 s behind")]
    public async Task Clock_that_is_off_is_explained_with_the_gateways_time(int seconds, string? explained)
    {
        await using TestGateway gateway = await StartAsync();
        using SealedClient client = await SealedClient.ConnectAsync(gateway);
        SealedInnerRequest request = new("GET", Routes.Models, [], default);
        using SealedMessage message = client.Seal(request, TimeSpan.FromSeconds(seconds));

        SealedAnswer answer = await client.SendAsync(message);

        if (explained is null)
        {
            Assert.Equal((200, 200), (answer.OuterStatus, answer.Status));
            return;
        }

        answer.IsRefused(400, ErrorCodes.TimestampOutOfWindow);
        using JsonDocument error = JsonDocument.Parse(answer.Wire);
        JsonElement told = error.RootElement.GetProperty("error");
        Assert.Contains(explained, told.GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.Contains("2026-03-10T12:00:00Z", told.GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.Equal(TestGateway.Start.ToUnixTimeMilliseconds(), told.GetProperty("server_time").GetInt64());
    }

    [Fact]
    public async Task Key_that_ends_in_mid_stream_ends_no_stream_and_is_unknown_after_its_grace()
    {
        await using TestGateway gateway = await StartAsync();
        using SealedClient client = await SealedClient.ConnectAsync(gateway);
        SealingKey first = client.Key;
        var go = new TaskCompletionSource();
        var begun = new TaskCompletionSource();
        gateway.Provider.Answer = async context =>
        {
            await StubProvider.BeginStreamAsync(context);
            await StubProvider.SendEventAsync(context, "one");
            begun.SetResult();
            await go.Task;
            await StubProvider.SendEventAsync(context, "two");
            await StubProvider.EndStreamAsync(context);
        };
        using SealedMessage message = client.Prompt(gateway.Issuer.CreateToken("chat"), TestGateway.Body(stream: true));
        Task<SealedAnswer> asking = client.SendAsync(message);
        await begun.Task;

        // In steps that leave the rotation its passes; what is in use is not erased under a reader.
        while (gateway.Time.GetUtcNow() < first.NotAfter + SealingSchedule.Grace + TimeSpan.FromMinutes(1))
        {
            gateway.Time.Advance(TimeSpan.FromMinutes(30));
            await Task.Delay(1, Ct);
        }

        SealedClient later = await SealedClient.ConnectAsync(gateway);
        Assert.NotEqual(first.KeyId, later.Key.KeyId);
        (await client.AskAsync(gateway.Issuer.CreateToken("chat"))).IsRefused(400, ErrorCodes.SealingKeyUnknown);
        go.SetResult();
        (await asking).IsReply(StubProvider.Event("one") + StubProvider.Event("two") + "data: [DONE]\n\n", withSignsOfLife: true);
        gateway.Provider.Answer = StubProvider.AnswerJsonAsync;
        (await later.AskAsync(gateway.Issuer.CreateToken("chat"))).IsReply();
        later.Dispose();
    }

    [Fact]
    public async Task Work_is_announced_with_the_keys_and_checked_before_anything_is_opened()
    {
        await using TestGateway gateway = await StartAsync(prepare =>
        {
            Func<GatewayOptions, GatewayOptions> before = prepare.Configure;
            // So much that work for one request is not work for another by chance.
            prepare.Configure = options => before(options) with { Work = new WorkOptions { For = ["sealed"], MinBits = 20 } };
        });
        using SealedClient client = await SealedClient.ConnectAsync(gateway);
        using HttpResponseMessage keys = await gateway.SendAsync(HttpMethod.Get, Routes.SealingKeys);
        using JsonDocument document = JsonDocument.Parse(await keys.TextAsync());
        Assert.True(WorkAnnouncement.TryRead(document.RootElement.GetProperty("work"), out WorkAnnouncement? work));
        SealedInnerRequest request = new("GET", Routes.Models, [], default);

        using SealedMessage without = client.Seal(request);
        (await client.SendAsync(without)).IsRefused(428, ErrorCodes.WorkRequired);
        using SealedMessage with = client.Seal(request, work: (key, ciphertext) =>
        {
            Assert.True(new WorkStamp(work.Challenge.Span, 0).TrySolve(SHA256.HashData([.. key, .. ciphertext]), work.Bits, 1 << 26, out WorkStamp stamp));
            return stamp.ToString();
        });
        // Of another request it is worth nothing.
        string stamped = Encoding.ASCII.GetString(with.Json);
        string member = stamped[stamped.IndexOf(",\"work\":", StringComparison.Ordinal)..];
        (await client.SendAsync(without, json: Encoding.ASCII.GetBytes(Encoding.ASCII.GetString(without.Json)[..^1] + member))).IsRefused(428, ErrorCodes.WorkRequired);
        Assert.Equal(200, (await client.SendAsync(with)).Status);
    }

    [Fact]
    public async Task Junk_is_refused_by_its_kind_and_leaves_nothing_behind()
    {
        await using TestGateway gateway = await StartAsync();
        using SealedClient client = await SealedClient.ConnectAsync(gateway);
        TestToken token = gateway.Issuer.CreateToken("chat");
        using SealedMessage message = client.Prompt(token);
        string json = Encoding.ASCII.GetString(message.Json);

        await RefusedAsync("", 400, ErrorCodes.SealedMalformed);
        await RefusedAsync("{}", 400, ErrorCodes.SealedMalformed);
        await RefusedAsync(json + "{}", 400, ErrorCodes.SealedMalformed);
        await RefusedAsync(json.Replace("\"timestamp\":1", "\"timestamp\":2", StringComparison.Ordinal), 400, ErrorCodes.SealedMalformed);
        // One bit of the ciphertext, and a key that it was not sealed to.
        int at = json.IndexOf("\"ciphertext\":\"", StringComparison.Ordinal) + 100;
        await RefusedAsync(json[..at] + (json[at] == 'A' ? 'B' : 'A') + json[(at + 1)..], 400, ErrorCodes.SealedUndecryptable);
        byte[] otherConfig = [.. client.Key.Config];
        otherConfig[^1] ^= 1;
        using (SealedMessage other = client.Seal(new SealedInnerRequest("GET", Routes.Models, [], default), config: otherConfig))
        {
            (await client.SendAsync(other)).IsRefused(400, ErrorCodes.SealedUndecryptable);
        }

        byte[] unknown = [.. client.Key.Config];
        unknown[0] ^= 0x80;
        using (SealedMessage other = client.Seal(new SealedInnerRequest("GET", Routes.Models, [], default), config: unknown))
        {
            (await client.SendAsync(other)).IsRefused(400, ErrorCodes.SealingKeyUnknown);
        }

        using (HttpResponseMessage text = await client.PostAsync(message.Json, mediaType: "text/plain"))
        {
            await text.IsErrorAsync(415, ErrorCodes.UnsupportedMediaType, null);
        }

        using (HttpResponseMessage large = await client.PostAsync(new byte[400_000]))
        {
            await large.IsErrorAsync(413, ErrorCodes.RequestTooLarge, null);
        }

        using (SealedMessage tooLarge = client.Prompt(token, TestGateway.Body(new string('x', 5000))))
        {
            // Sealed, it is within what any plan could pay for; inside, the token's plan decides.
            (await client.SendAsync(tooLarge)).IsError(413, ErrorCodes.RequestTooLarge);
        }

        // What was refused above was not taken.
        (await client.SendAsync(message)).IsReply();

        async Task RefusedAsync(string body, int status, string code)
        {
            using HttpResponseMessage response = await client.PostAsync(Encoding.ASCII.GetBytes(body));
            await response.IsErrorAsync(status, code, null);
        }
    }

    [Fact]
    public async Task Request_of_a_time_that_no_calendar_has_is_malformed_and_what_is_refused_gives_its_room_back()
    {
        const long MostBytes = 1 << 20;
        await using TestGateway gateway = await StartAsync(prepare =>
        {
            Func<GatewayOptions, GatewayOptions> before = prepare.Configure;
            prepare.Configure = options => before(options) with { RequestMemoryBytes = MostBytes };
        });
        using SealedClient client = await SealedClient.ConnectAsync(gateway);
        byte[] requestId = RandomNumberGenerator.GetBytes(SealedChatFormat.RequestIdSizeInBytes);
        const long Never = (1L << 53) - 1;
        var json = new System.Buffers.ArrayBufferWriter<byte>();
        SealedEnvelope.Write(json, new byte[32], new byte[3000], SealedChatFormat.Aad(client.Key.Config[0], Never, requestId), Never, requestId);

        for (long sent = 0; sent <= MostBytes; sent += json.WrittenCount)
        {
            using HttpResponseMessage response = await client.PostAsync(json.WrittenSpan.ToArray());
            await response.IsErrorAsync(400, ErrorCodes.SealedMalformed, null);
        }

        (await client.AskAsync(gateway.Issuer.CreateToken("chat"))).IsReply();
    }

    [Fact]
    public async Task Body_that_comes_too_slowly_is_given_up_and_a_client_that_leaves_finds_its_reply_later()
    {
        await using TestGateway gateway = await StartAsync(prepare =>
        {
            Func<GatewayOptions, GatewayOptions> before = prepare.Configure;
            prepare.Configure = options => before(options) with { Limits = new GatewayLimits { RequestBodyGracePeriod = TimeSpan.FromSeconds(1.5), MinRequestBodyBytesPerSecond = 1e6 } };
        });
        using SealedClient client = await SealedClient.ConnectAsync(gateway);
        using SealedMessage message = client.Prompt(gateway.Issuer.CreateToken("chat"));
        using (var slow = new TcpClient())
        {
            await slow.ConnectAsync(gateway.Address.Host, gateway.Address.Port, Ct);
            NetworkStream stream = slow.GetStream();
            string head = string.Create(CultureInfo.InvariantCulture, $"POST {Routes.SealedChat} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {message.Json.Length}\r\n\r\n");
            await stream.WriteAsync(Encoding.ASCII.GetBytes(head), Ct);
            await stream.WriteAsync(message.Json.AsMemory(0, 100), Ct);
            Assert.Contains(ErrorCodes.RequestIncomplete, await RawHttp.ReadAsync(stream), StringComparison.Ordinal);
        }

        var go = new TaskCompletionSource();
        gateway.Provider.Answer = async context =>
        {
            await go.Task;
            await StubProvider.AnswerJsonAsync(context);
        };
        TestToken token = gateway.Issuer.CreateToken("chat");
        using (SealedMessage left = client.Prompt(token))
        using (var gone = new TcpClient())
        {
            await gone.ConnectAsync(gateway.Address.Host, gateway.Address.Port, Ct);
            string head = string.Create(CultureInfo.InvariantCulture, $"POST {Routes.SealedChat} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {left.Json.Length}\r\n\r\n");
            await gone.GetStream().WriteAsync((byte[])[.. Encoding.ASCII.GetBytes(head), .. left.Json], Ct);
            await TestGateway.UntilAsync(() => gateway.Provider.Calls == 1);
        }

        go.SetResult();
        (await client.AskAsync(token)).IsReply();
        Assert.Equal(1, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Echo_tells_what_was_seen_and_is_there_in_the_development_profile_only()
    {
        await using (TestGateway production = await StartAsync())
        {
            using SealedClient client = await SealedClient.ConnectAsync(production);
            using SealedMessage message = client.Prompt(null);
            (await client.SendAsync(message, path: Routes.SealedEcho)).IsRefused(404, ErrorCodes.NotFound);
            Assert.DoesNotContain(production.Log.Lines, line => line.Contains("development", StringComparison.Ordinal));
        }

        await using TestGateway development = await StartAsync(prepare =>
        {
            Func<GatewayOptions, GatewayOptions> before = prepare.Configure;
            prepare.Configure = options => before(options) with { Profile = Profile.Development };
        });
        using SealedClient echo = await SealedClient.ConnectAsync(development);
        using SealedMessage asked = echo.Prompt(null, headers: new KeyValuePair<string, string>("authorization", "anything"));
        SealedAnswer answer = await echo.SendAsync(asked, path: Routes.SealedEcho);
        Assert.Equal((SealedReplyError.None, 200), (answer.Error, answer.Status));
        using JsonDocument told = JsonDocument.Parse(answer.Text);
        Assert.Equal((int)echo.Key.KeyId, told.RootElement.GetProperty("key_id").GetInt32());
        Assert.Equal(Routes.ChatCompletions, told.RootElement.GetProperty("path").GetString());
        Assert.Equal(TestGateway.Body().Length, told.RootElement.GetProperty("body_bytes").GetInt32());
        Assert.Equal(1024, told.RootElement.GetProperty("plaintext_bytes").GetInt32());
        Assert.Equal(["authorization"], told.RootElement.GetProperty("header_names").EnumerateArray().Select(name => name.GetString()));
        Assert.Contains(development.Log.Lines, line => line.Contains("development", StringComparison.Ordinal));
        Assert.Equal(0, development.Provider.Calls);
    }

    [Fact]
    public async Task Pages_of_named_origins_may_read_keys_and_replies_and_no_others()
    {
        const string Page = "https://chat.example";
        await using TestGateway closed = await StartAsync();
        await using TestGateway open = await StartAsync(prepare =>
        {
            Func<GatewayOptions, GatewayOptions> before = prepare.Configure;
            prepare.Configure = options => before(options) with { WebOrigins = [Page] };
        });
        foreach ((TestGateway gateway, string origin, bool isAllowed) in new[] { (closed, Page, false), (open, Page, true), (open, "https://other.example", false) })
        {
            using SealedClient client = await SealedClient.ConnectAsync(gateway);
            using HttpResponseMessage keys = await gateway.SendAsync(HttpMethod.Get, Routes.SealingKeys, headers: headers => headers.Add("Origin", origin));
            Assert.Equal(isAllowed, AllowedOrigin(keys) == origin);
            using HttpResponseMessage asked = await gateway.SendAsync(
                HttpMethod.Options, Routes.SealedChat, headers: headers =>
                {
                    headers.Add("Origin", origin);
                    headers.Add("Access-Control-Request-Method", "POST");
                    headers.Add("Access-Control-Request-Headers", "content-type");
                });
            Assert.Equal(isAllowed, AllowedOrigin(asked) == origin);
            using SealedMessage message = client.Seal(new SealedInnerRequest("GET", Routes.Models, [], default));
            using HttpResponseMessage answered = await client.PostAsync(message.Json, headers => headers.Add("Origin", origin));
            Assert.Equal((HttpStatusCode.OK, isAllowed), (answered.StatusCode, AllowedOrigin(answered) == origin));
            using HttpResponseMessage refused = await client.PostAsync([], headers => headers.Add("Origin", origin));
            Assert.Equal(isAllowed, AllowedOrigin(refused) == origin);
            using HttpResponseMessage models = await gateway.SendAsync(HttpMethod.Get, Routes.Models, headers: headers => headers.Add("Origin", origin));
            Assert.Null(AllowedOrigin(models));
            Assert.All(new[] { keys, asked, answered, refused, models }, response => Assert.False(response.Headers.Contains("Access-Control-Allow-Credentials")));
        }

        static string? AllowedOrigin(HttpResponseMessage response) => response.Headers.TryGetValues("Access-Control-Allow-Origin", out IEnumerable<string>? values) ? values.Single() : null;
    }

    [Fact]
    public async Task Nothing_of_a_sealed_request_is_on_the_disk_or_in_the_log()
    {
        const string Prompt = "canary-prompt-51c7", Reply = "canary-reply-20ee", Header = "canary-header-9ad3";
        await using TestGateway gateway = await StartAsync();
        using SealedClient client = await SealedClient.ConnectAsync(gateway);
        gateway.Provider.Answer = context => StubProvider.WriteJsonAsync(context, StubProvider.Reply.Replace("four", Reply, StringComparison.Ordinal));
        TestToken token = gateway.Issuer.CreateToken("chat");
        List<byte[]> needles = [.. new[] { Prompt, Reply, Header }.Select(Encoding.ASCII.GetBytes), token.Token.Authenticator.ToArray(), token.Token.Nonce.ToArray()];
        foreach (string body in new[] { TestGateway.Body(Prompt), TestGateway.Body(Prompt + "other"), "{" + '"' + Prompt + "\":1}" })
        {
            using SealedMessage message = client.Prompt(token, body, headers: new KeyValuePair<string, string>(Header, Header));
            needles.AddRange([message.Secret.Encode()[..32], message.Secret.EncapsulatedKey.ToArray(), message.Secret.RequestId.ToArray()]);
            SealedAnswer answer = await client.SendAsync(message, headers => headers.TryAddWithoutValidation("X-Canary", Header));
            needles.Add(Encoding.ASCII.GetBytes(answer.Wire[40..60]));
            Assert.DoesNotContain(Reply, answer.Wire, StringComparison.Ordinal);
        }

        await gateway.StopAsync();
        foreach (string file in Directory.GetFiles(gateway.Folder, "*", SearchOption.AllDirectories))
        {
            byte[] bytes = await File.ReadAllBytesAsync(file, Ct);
            Assert.All(needles, needle => Assert.True(bytes.AsSpan().IndexOf(needle) < 0, $"{Path.GetFileName(file)} has {Encoding.ASCII.GetString(needle)}"));
        }

        byte[] log = Encoding.UTF8.GetBytes(string.Join('\n', gateway.Log.Lines));
        Assert.All(needles, needle => Assert.True(log.AsSpan().IndexOf(needle) < 0));
        await gateway.StartAsync();
    }

    private static Task<TestGateway> StartAsync(Action<TestGateway>? prepare = null) => TestGateway.CreateAsync(gateway =>
    {
        gateway.Configure = options => ObliviousClient.Sealed(options);
        prepare?.Invoke(gateway);
    });
}
