using System.Net;
using System.Text;
using System.Text.Json;
using Tacit.Gateway.Pseudonyms;
using Tacit.Gateway.Tests.Support;
using Tacit.Hosting;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests;

public sealed class PseudonymTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Request_without_a_pseudonym_is_refused_before_the_spend()
    {
        await using TestGateway gateway = await StartAsync(PseudonymPolicy.Transient);
        TestToken token = gateway.Issuer.CreateToken("chat");
        await (await gateway.AskAsync(token)).IsErrorAsync(401, ErrorCodes.PseudonymRequired, Routes.TokenUnspent);
        await (await AskAsync(gateway, token, gateway.Issuer.CreatePseudonym(PseudonymKind.Transient))).IsReplyAsync();
    }

    [Fact]
    public async Task Gateway_without_a_policy_looks_at_no_pseudonym()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        using HttpResponseMessage response = await gateway.SendAsync(
            HttpMethod.Post, Routes.ChatCompletions, TestGateway.Body(), gateway.Issuer.CreateToken("chat").Header,
            headers => headers.TryAddWithoutValidation(Routes.PseudonymHeader, "whatever"));
        await response.IsReplyAsync();
    }

    [Theory]
    [InlineData(PseudonymPolicy.Transient)]
    [InlineData(PseudonymPolicy.Permanent)]
    [InlineData(PseudonymPolicy.Both)]
    public async Task Policy_is_met_by_one_of_each_kind_it_names_and_by_nothing_else(PseudonymPolicy policy)
    {
        await using TestGateway gateway = await StartAsync(policy, allKeys: true);
        Token transient = gateway.Issuer.CreatePseudonym(PseudonymKind.Transient);
        Token permanent = gateway.Issuer.CreatePseudonym(PseudonymKind.Permanent);
        await ShowAsync([transient], policy == PseudonymPolicy.Transient);
        await ShowAsync([permanent], policy == PseudonymPolicy.Permanent);
        await ShowAsync([transient, permanent], policy == PseudonymPolicy.Both);
        await ShowAsync([transient, transient], false);

        async Task ShowAsync(Token[] pseudonyms, bool accepted)
        {
            using HttpResponseMessage response = await AskAsync(gateway, gateway.Issuer.CreateToken("chat"), pseudonyms);
            if (accepted)
            {
                await response.IsReplyAsync();
            }
            else
            {
                Assert.Contains(await response.CodeAsync(), (string[])[ErrorCodes.PseudonymInvalid, ErrorCodes.PseudonymExpired]);
                Assert.Equal(Routes.TokenUnspent, response.TokenState());
            }
        }
    }

    [Fact]
    public async Task False_pseudonym_is_refused_and_the_token_stays_unspent()
    {
        await using TestGateway gateway = await StartAsync(PseudonymPolicy.Transient);
        Token good = gateway.Issuer.CreatePseudonym(PseudonymKind.Transient);
        TestToken token = gateway.Issuer.CreateToken("chat");
        byte[] bent = good.Encode();
        bent[^1] ^= 1;
        Assert.True(Token.TryParse(bent, out Token? forged));

        await (await AskAsync(gateway, token, forged)).IsErrorAsync(401, ErrorCodes.PseudonymInvalid, Routes.TokenUnspent);
        await (await AskAsync(gateway, token, gateway.Issuer.CreatePseudonym(PseudonymKind.Transient, gateway: "other.test")))
            .IsErrorAsync(401, ErrorCodes.PseudonymInvalid, Routes.TokenUnspent);
        // A token of a plan is no pseudonym, and a pseudonym buys nothing.
        await (await AskAsync(gateway, token, gateway.Issuer.CreateToken("chat").Token)).IsErrorAsync(401, ErrorCodes.PseudonymExpired, Routes.TokenUnspent);
        await (await AskAsync(gateway, new TestToken(good, null), good)).IsErrorAsync(401, ErrorCodes.TokenUnknownKey, Routes.TokenUnspent);
        foreach (string header in (string[])["", "Bearer x", "PrivateToken token=\"AAAA\"", "PrivateToken token", $"{Header(good)}, {Header(good)}, {Header(good)}"])
        {
            using HttpResponseMessage response = await SendAsync(gateway, token, header);
            Assert.Contains(await response.CodeAsync(), (string[])[ErrorCodes.PseudonymInvalid, ErrorCodes.PseudonymRequired]);
            Assert.Equal(Routes.TokenUnspent, response.TokenState());
        }

        await (await AskAsync(gateway, token, good)).IsReplyAsync();
        await (await AskAsync(gateway, gateway.Issuer.CreateToken("chat"), forged)).IsErrorAsync(401, ErrorCodes.PseudonymInvalid, Routes.TokenUnspent);
    }

    [Fact]
    public async Task Transient_pseudonym_is_taken_in_its_epoch_to_the_second()
    {
        Period april = TestGateway.March.Next;
        await using TestGateway gateway = await StartAsync(PseudonymPolicy.Transient, prepare: gateway =>
        {
            gateway.Issuer.AddPseudonymKeys(april);
            gateway.Issuer.AddPlan(TestGateway.ChatPlan, april);
        });
        Token now = gateway.Issuer.CreatePseudonym(PseudonymKind.Transient, epoch: TestGateway.March);
        Token next = gateway.Issuer.CreatePseudonym(PseudonymKind.Transient, epoch: april);
        gateway.Time.Advance(april.Start.AddSeconds(-1) - TestGateway.Start);
        await (await AskAsync(gateway, gateway.Issuer.CreateToken("chat", 1), next)).IsErrorAsync(401, ErrorCodes.PseudonymExpired, Routes.TokenUnspent);
        await (await AskAsync(gateway, gateway.Issuer.CreateToken("chat", 1), now)).IsReplyAsync();
        gateway.Time.Advance(TimeSpan.FromSeconds(1));
        await (await AskAsync(gateway, gateway.Issuer.CreateToken("chat", 1), next)).IsReplyAsync();
        await (await AskAsync(gateway, gateway.Issuer.CreateToken("chat", 1), now)).IsErrorAsync(401, ErrorCodes.PseudonymExpired, Routes.TokenUnspent);
    }

    [Fact]
    public async Task Limit_counts_requests_over_restarts_and_ends_with_its_window()
    {
        await using TestGateway gateway = await StartAsync(PseudonymPolicy.Transient, new PseudonymLimits { PerMinute = 3, PerDay = 5 });
        Token pseudonym = gateway.Issuer.CreatePseudonym(PseudonymKind.Transient);
        for (int i = 0; i < 3; i++)
        {
            await (await AskAsync(gateway, gateway.Issuer.CreateToken("chat"), pseudonym)).IsReplyAsync();
        }

        await gateway.RestartFromCrashAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        using (HttpResponseMessage limited = await AskAsync(gateway, token, pseudonym))
        {
            await limited.IsErrorAsync(429, ErrorCodes.PseudonymRateLimited, Routes.TokenUnspent);
            Assert.InRange((int)limited.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60);
        }

        // Somebody else's is not touched, and the window's end frees this one, up to the day's limit.
        await (await AskAsync(gateway, gateway.Issuer.CreateToken("chat"), gateway.Issuer.CreatePseudonym(PseudonymKind.Transient))).IsReplyAsync();
        gateway.Time.Advance(TimeSpan.FromMinutes(1));
        await (await AskAsync(gateway, token, pseudonym)).IsReplyAsync();
        await (await AskAsync(gateway, gateway.Issuer.CreateToken("chat"), pseudonym)).IsReplyAsync();
        using HttpResponseMessage ofTheDay = await AskAsync(gateway, gateway.Issuer.CreateToken("chat"), pseudonym);
        await ofTheDay.IsErrorAsync(429, ErrorCodes.PseudonymRateLimited, Routes.TokenUnspent);
        Assert.InRange(ofTheDay.Headers.RetryAfter!.Delta!.Value, TimeSpan.FromHours(11), TimeSpan.FromHours(12));
    }

    [Fact]
    public async Task Requests_at_the_same_time_never_pass_the_limit()
    {
        await using TestGateway gateway = await StartAsync(PseudonymPolicy.Permanent, new PseudonymLimits { PerHour = 20 });
        Token pseudonym = gateway.Issuer.CreatePseudonym(PseudonymKind.Permanent);
        TestToken[] tokens = [.. Enumerable.Range(0, 30).Select(_ => gateway.Issuer.CreateToken("chat"))];
        HttpResponseMessage[] answers = await Task.WhenAll(tokens.Select(token => AskAsync(gateway, token, pseudonym)));
        Assert.Equal(20, answers.Count(answer => answer.StatusCode == HttpStatusCode.OK));
        Assert.Equal(10, answers.Count(answer => answer.StatusCode == HttpStatusCode.TooManyRequests));
    }

    [Fact]
    public async Task Repetition_of_a_request_counts_once()
    {
        await using TestGateway gateway = await StartAsync(PseudonymPolicy.Transient, new PseudonymLimits { PerHour = 2 });
        Token pseudonym = gateway.Issuer.CreatePseudonym(PseudonymKind.Transient);
        TestToken token = gateway.Issuer.CreateToken("chat");
        for (int i = 0; i < 4; i++)
        {
            await (await AskAsync(gateway, token, pseudonym)).IsReplyAsync();
        }

        // A body that the token does not pay for costs nothing either.
        using (HttpResponseMessage other = await AskAsync(gateway, token, [pseudonym], TestGateway.Body("3+3?")))
        {
            await other.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        }

        await (await AskAsync(gateway, gateway.Issuer.CreateToken("chat"), pseudonym)).IsReplyAsync();
        await (await AskAsync(gateway, gateway.Issuer.CreateToken("chat"), pseudonym)).IsErrorAsync(429, ErrorCodes.PseudonymRateLimited, Routes.TokenUnspent);
    }

    [Fact]
    public async Task Operator_bans_by_the_list_and_the_ban_holds_over_a_restart_until_it_ends()
    {
        await using TestGateway gateway = await StartAsync(PseudonymPolicy.Both, new PseudonymLimits { PerDay = 100 });
        Token transient = gateway.Issuer.CreatePseudonym(PseudonymKind.Transient);
        Token permanent = gateway.Issuer.CreatePseudonym(PseudonymKind.Permanent);
        await (await AskAsync(gateway, gateway.Issuer.CreateToken("chat"), transient, permanent)).IsReplyAsync();
        PseudonymLine line = Assert.Single((await ListAsync(gateway)).Pseudonyms);
        Assert.True(line is { Refused: 0, Today: >= 1, IsBanned: false });

        PseudonymBan made = await BanAsync(gateway, new PseudonymBan(line.Id, "spam", gateway.Time.GetUtcNow().AddHours(1)));
        TestToken token = gateway.Issuer.CreateToken("chat");
        await gateway.RestartFromCrashAsync();
        using (HttpResponseMessage banned = await AskAsync(gateway, token, transient, permanent))
        {
            string text = await banned.TextAsync();
            await banned.IsErrorAsync(403, ErrorCodes.PseudonymBanned, Routes.TokenUnspent);
            Assert.Contains("spam", text, StringComparison.Ordinal);
            Assert.Contains("2026-03-10 13:0", text, StringComparison.Ordinal);
        }

        Assert.True(Assert.Single((await ListAsync(gateway)).Pseudonyms) is { IsBanned: true, Reason: "spam" });
        gateway.Time.Advance(made.Until!.Value - gateway.Time.GetUtcNow());
        await (await AskAsync(gateway, token, transient, permanent)).IsReplyAsync();

        // For ever, and lifted.
        await BanAsync(gateway, made with { Until = null });
        token = gateway.Issuer.CreateToken("chat");
        await (await AskAsync(gateway, token, transient, permanent)).IsErrorAsync(403, ErrorCodes.PseudonymBanned, Routes.TokenUnspent);
        using ManagementClient client = new(gateway.Folder, GatewayServer.Role);
        await client.PostAsync("/pseudonyms/unban", new PseudonymName(line.Id), GatewayManagementJson.Default.PseudonymName, GatewayManagementJson.Default.PseudonymName, Cancelled);
        await (await AskAsync(gateway, token, transient, permanent)).IsReplyAsync();
        await Assert.ThrowsAsync<ManagementException>(() => client.PostAsync(
            "/pseudonyms/unban", new PseudonymName(line.Id), GatewayManagementJson.Default.PseudonymName, GatewayManagementJson.Default.PseudonymName, Cancelled));
        await Assert.ThrowsAsync<ManagementException>(() => BanAsync(gateway, new PseudonymBan("xyz", "spam", null)));
        await Assert.ThrowsAsync<ManagementException>(() => BanAsync(gateway, new PseudonymBan(line.Id, "", null)));
    }

    [Fact]
    public async Task Refused_prompts_are_counted_for_the_operator()
    {
        await using TestGateway gateway = await StartAsync(
            PseudonymPolicy.Transient,
            prepare: gateway => gateway.Check = (_, _) => ValueTask.FromResult<Replies.PromptRefusal?>(new Replies.PromptRefusal(ApiError.Create(ErrorCodes.ContentRefused, "no"), Inference.RefusedToken.Spent, false)));
        Token pseudonym = gateway.Issuer.CreatePseudonym(PseudonymKind.Transient);
        for (int i = 0; i < 2; i++)
        {
            await (await AskAsync(gateway, gateway.Issuer.CreateToken("chat"), pseudonym)).IsErrorAsync(400, ErrorCodes.ContentRefused, Routes.TokenSpent);
        }

        Assert.Equal(2, Assert.Single((await ListAsync(gateway)).Pseudonyms).Refused);
    }

    [Fact]
    public async Task Rotated_pseudonym_takes_the_place_of_the_stolen_one_with_its_counters()
    {
        await using TestGateway gateway = await StartAsync(PseudonymPolicy.Transient, new PseudonymLimits { PerDay = 3 });
        (Token old, Token rotated, byte[] opening) = gateway.Issuer.CreateRotation();
        await (await AskAsync(gateway, gateway.Issuer.CreateToken("chat"), old)).IsReplyAsync();
        await (await AskAsync(gateway, gateway.Issuer.CreateToken("chat"), old)).IsReplyAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        await (await AskAsync(gateway, token, rotated)).IsErrorAsync(401, ErrorCodes.PseudonymInvalid, Routes.TokenUnspent);

        for (int i = 0; i < 2; i++)
        {
            Assert.Equal(HttpStatusCode.OK, (await RotateAsync(gateway, old, rotated, opening)).StatusCode);
        }

        await (await AskAsync(gateway, token, old)).IsErrorAsync(401, ErrorCodes.PseudonymInvalid, Routes.TokenUnspent);
        await gateway.RestartFromCrashAsync();
        await (await AskAsync(gateway, token, old)).IsErrorAsync(401, ErrorCodes.PseudonymInvalid, Routes.TokenUnspent);
        await (await AskAsync(gateway, token, rotated)).IsReplyAsync();
        await (await AskAsync(gateway, gateway.Issuer.CreateToken("chat"), rotated)).IsErrorAsync(429, ErrorCodes.PseudonymRateLimited, Routes.TokenUnspent);
    }

    [Fact]
    public async Task Ban_goes_over_to_the_rotated_pseudonym()
    {
        await using TestGateway gateway = await StartAsync(PseudonymPolicy.Transient, new PseudonymLimits { PerDay = 10 });
        (Token old, Token rotated, byte[] opening) = gateway.Issuer.CreateRotation();
        await (await AskAsync(gateway, gateway.Issuer.CreateToken("chat"), old)).IsReplyAsync();
        await BanAsync(gateway, new PseudonymBan((await ListAsync(gateway)).Pseudonyms[0].Id, "spam", null));
        Assert.Equal(HttpStatusCode.OK, (await RotateAsync(gateway, old, rotated, opening)).StatusCode);
        await (await AskAsync(gateway, gateway.Issuer.CreateToken("chat"), rotated)).IsErrorAsync(403, ErrorCodes.PseudonymBanned, Routes.TokenUnspent);
    }

    [Fact]
    public async Task Thief_with_an_account_of_his_own_cannot_rotate_what_he_stole()
    {
        await using TestGateway gateway = await StartAsync(PseudonymPolicy.Transient);
        (Token stolen, Token rotated, byte[] opening) = gateway.Issuer.CreateRotation();
        (Token own, Token ownRotated, byte[] ownOpening) = gateway.Issuer.CreateRotation();
        await RefusedAsync(stolen, ownRotated, ownOpening);
        await RefusedAsync(stolen, ownRotated, new byte[32]);
        await RefusedAsync(own, rotated, opening);

        // Nor is one pseudonym of the first kind the successor of another, or a successor without its signature.
        await RefusedAsync(stolen, own, opening);
        byte[] bent = rotated.Encode();
        bent[^1] ^= 1;
        Assert.True(Token.TryParse(bent, out Token? forged));
        await RefusedAsync(stolen, forged, opening);
        await (await AskAsync(gateway, gateway.Issuer.CreateToken("chat"), stolen)).IsReplyAsync();
        Assert.Equal(HttpStatusCode.OK, (await RotateAsync(gateway, stolen, rotated, opening)).StatusCode);

        async Task RefusedAsync(Token old, Token next, byte[] proof)
        {
            using HttpResponseMessage response = await RotateAsync(gateway, old, next, proof);
            await response.IsErrorAsync(401, ErrorCodes.PseudonymInvalid, null);
        }
    }

    [Fact]
    public async Task Two_pseudonyms_that_commit_to_one_successor_get_one_place_together()
    {
        await using TestGateway gateway = await StartAsync(PseudonymPolicy.Transient);
        byte[] opening = new byte[32];
        byte[] rotatedNonce = new byte[32];
        byte[] nonce = new byte[32];
        PseudonymNonce.Commit(rotatedNonce, opening, nonce);
        byte[] otherOpening = [1, .. new byte[31]];
        byte[] otherNonce = new byte[32];
        PseudonymNonce.Commit(rotatedNonce, otherOpening, otherNonce);
        Token first = gateway.Issuer.CreatePseudonym(PseudonymKind.Transient, nonce);
        Token second = gateway.Issuer.CreatePseudonym(PseudonymKind.Transient, otherNonce);
        Token rotated = gateway.Issuer.CreatePseudonym(PseudonymKind.TransientRotated, rotatedNonce);
        Assert.Equal(HttpStatusCode.OK, (await RotateAsync(gateway, first, rotated, opening)).StatusCode);
        using HttpResponseMessage refused = await RotateAsync(gateway, second, rotated, otherOpening);
        await refused.IsErrorAsync(409, ErrorCodes.PseudonymReplaced, null);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("{\"old\":\"AAAA\",\"new\":\"AAAA\",\"opening\":\"!\"}")]
    [InlineData("{\"old\":\"AAAA\",\"new\":\"AAAA\",\"opening\":\"AAAA\",\"more\":1}")]
    public async Task Malformed_rotation_gets_a_typed_error(string body)
    {
        await using TestGateway gateway = await StartAsync(PseudonymPolicy.Transient);
        using HttpResponseMessage response = await gateway.SendAsync(HttpMethod.Post, Routes.PseudonymRotate, body);
        await response.IsErrorAsync(400, ErrorCodes.InvalidJson, null);
    }

    [Fact]
    public async Task Nothing_of_a_pseudonym_is_on_the_disk_or_in_the_log()
    {
        await using TestGateway gateway = await StartAsync(PseudonymPolicy.Both, new PseudonymLimits { PerMinute = 10, PerHour = 20, PerDay = 30 });
        (Token old, Token rotated, byte[] opening) = gateway.Issuer.CreateRotation();
        Token permanent = gateway.Issuer.CreatePseudonym(PseudonymKind.Permanent);
        await (await AskAsync(gateway, gateway.Issuer.CreateToken("chat"), old, permanent)).IsReplyAsync();
        foreach (PseudonymLine line in (await ListAsync(gateway)).Pseudonyms)
        {
            await BanAsync(gateway, new PseudonymBan(line.Id, "spam", null));
        }

        Assert.Equal(HttpStatusCode.OK, (await RotateAsync(gateway, old, rotated, opening)).StatusCode);
        await (await AskAsync(gateway, gateway.Issuer.CreateToken("chat"), rotated, permanent)).IsErrorAsync(403, ErrorCodes.PseudonymBanned, Routes.TokenUnspent);
        await gateway.StopAsync();

        byte[] disk = [.. Directory.GetFiles(gateway.Folder, "*", SearchOption.AllDirectories).SelectMany(File.ReadAllBytes)];
        string log = string.Join('\n', gateway.Log.Lines);
        foreach (Token pseudonym in (Token[])[old, rotated, permanent])
        {
            foreach (byte[] part in (byte[][])[pseudonym.Nonce.ToArray(), pseudonym.Authenticator[..32].ToArray(), System.Security.Cryptography.SHA256.HashData(pseudonym.TokenInput)])
            {
                Assert.Equal(-1, disk.AsSpan().IndexOf(part));
                Assert.Equal(-1, disk.AsSpan().IndexOf(Encoding.ASCII.GetBytes(Convert.ToHexStringLower(part[..8]))));
                Assert.DoesNotContain(Convert.ToBase64String(part)[..16], log, StringComparison.Ordinal);
                Assert.DoesNotContain(Convert.ToHexStringLower(part[..8]), log, StringComparison.OrdinalIgnoreCase);
            }
        }
    }

    private static Task<TestGateway> StartAsync(
        PseudonymPolicy policy, PseudonymLimits? limits = null, Action<TestGateway>? prepare = null, bool allKeys = false) => TestGateway.CreateAsync(gateway =>
        {
            gateway.Issuer.Pseudonyms = new PseudonymOffer { Gateway = TestIssuer.GatewayName, Policy = allKeys ? PseudonymPolicy.Both : policy };
            gateway.Issuer.AddPseudonymKeys(TestGateway.March);
            if (allKeys)
            {
                // Keys of what is not asked for are left out of the directory, and still sign.
                gateway.Issuer.Pseudonyms = gateway.Issuer.Pseudonyms with { Policy = policy };
            }

            gateway.Configure = options => options with { Pseudonyms = limits ?? new PseudonymLimits() };
            prepare?.Invoke(gateway);
        });

    private static string Header(params Token[] pseudonyms) => PseudonymHeader.Format(pseudonyms.Select(pseudonym => (ReadOnlyMemory<byte>)pseudonym.Encode()));

    private static Task<HttpResponseMessage> AskAsync(TestGateway gateway, TestToken token, params Token[] pseudonyms) => AskAsync(gateway, token, pseudonyms, TestGateway.Body());

    private static Task<HttpResponseMessage> AskAsync(TestGateway gateway, TestToken token, Token[] pseudonyms, string body) => SendAsync(gateway, token, Header(pseudonyms), body);

    private static Task<HttpResponseMessage> SendAsync(TestGateway gateway, TestToken token, string header, string? body = null) => gateway.SendAsync(
        HttpMethod.Post, Routes.ChatCompletions, body ?? TestGateway.Body(), token.Header, headers => headers.TryAddWithoutValidation(Routes.PseudonymHeader, header));

    private static Task<HttpResponseMessage> RotateAsync(TestGateway gateway, Token old, Token rotated, byte[] opening) => gateway.SendAsync(
        HttpMethod.Post, Routes.PseudonymRotate,
        JsonSerializer.Serialize(PseudonymRotation.Create(old.Encode(), rotated.Encode(), opening), GatewayJson.Default.PseudonymRotation));

    private static async Task<PseudonymReport> ListAsync(TestGateway gateway)
    {
        using ManagementClient client = new(gateway.Folder, GatewayServer.Role);
        return await client.GetAsync("/pseudonyms", GatewayManagementJson.Default.PseudonymReport, Cancelled);
    }

    private static async Task<PseudonymBan> BanAsync(TestGateway gateway, PseudonymBan ban)
    {
        using ManagementClient client = new(gateway.Folder, GatewayServer.Role);
        return await client.PostAsync("/pseudonyms/ban", ban, GatewayManagementJson.Default.PseudonymBan, GatewayManagementJson.Default.PseudonymBan, Cancelled);
    }
}
