using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Tacit.Client.Tests.Support;
using Tacit.EndToEnd.Support;
using Tacit.EndToEnd.Unlinkability;
using Tacit.Inference.Tests;
using Tacit.Protocol;

namespace Tacit.EndToEnd.Canary;

/// <summary>
/// Laws 4 and 5 over the whole path: canaries in every part of requests and replies, through every way they can end, and afterwards a search of everything that
/// was written down or passed on.
/// </summary>
public sealed class CanaryTests
{
    /// <summary>The headers that a request to a provider has.</summary>
    private static readonly string[] s_providersHeaders = ["Host", "Accept", "Authorization", "Content-Type", "Content-Length"];

    /// <summary>Those of a request to the gateway.</summary>
    private static readonly string[] s_gatewaysHeaders = ["Host", "Accept", "Authorization", "Content-Type", "Content-Length"];

    /// <summary>The members that the canaries' requests keep, with those that the gateway sets.</summary>
    private static readonly string[] s_members = ["model", "messages", "tools", "stop", "stream", "store", "max_completion_tokens", "input", "max_output_tokens", "stream_options"];

    /// <summary>What the provider does, and what the program hears.</summary>
    private static readonly (string Way, bool Stream, int Status)[] s_ways =
    [
        ("whole", false, 200), ("stream", true, 200), ("refuse", false, 400), ("refuse", true, 400), ("refuse-with-key", false, 422), ("fail", false, 502), ("fail", true, 502),
        ("no-json", false, 502), ("half-json", false, 502), ("break-off", true, 200), ("half-event", true, 200), ("reset", false, 502), ("too-much", false, 502),
        ("too-much-streamed", true, 200), ("hang", false, 504), ("hang", true, 504), ("throw", false, 500),
    ];

    [Fact]
    public async Task Nothing_of_a_request_is_written_or_passed_on_whatever_becomes_of_it()
    {
        await using CanaryRun run = await CanaryRun.StartAsync();
        await ThroughTheAppAsync(run);
        await PastTheAppAsync(run);
        await WithTheGatewayGoneAsync(run);
        await run.Client.Refills.RunOnceAsync();

        // The journal holds no body once its request has ended. The app ends the last one after its caller has the whole answer.
        for (int wait = 0; await CountRequestsAsync(run) > 0 && wait < 2400; wait++)
        {
            await Task.Delay(50);
        }

        Assert.Equal(0, await CountRequestsAsync(run));
        await run.ReadDisksAsync("at the end");
        await run.CloseAppAsync();
        await run.ReadDisksAsync("wallet closed");

        // Nor is it left, sealed as it is, in what the file has freed.
        var journaled = new SecretSearch();
        for (int start = 0; start + 16 <= run.SealedBody.Length; start += 16)
        {
            journaled.Add("part of a sealed body", run.SealedBody.AsSpan(start, 16));
        }

        Assert.NotEmpty(run.ClientsDisk.Where(file => file.Where.EndsWith("under way", StringComparison.Ordinal)).SelectMany(file => journaled.Find(file.Where, file.Bytes)));
        Assert.Empty(run.ClientsDisk.Where(file => file.Where.EndsWith("wallet closed", StringComparison.Ordinal)).SelectMany(file => journaled.Find(file.Where, file.Bytes)));

        List<string> findings = Search(run);
        Assert.True(findings.Count == 0, string.Join('\n', findings));

        // The search can fail: one canary in each place, in the form that a careless line would have.
        Assert.NotEmpty(run.Disks);
        Assert.True(run.System.Log.Lines.Count > 10);
        Assert.True(run.Telemetry.Count > 100);
        run.Disks.Add(new Evidence("planted", Encoding.ASCII.GetBytes(Convert.ToBase64String([0, .. Encoding.ASCII.GetBytes(run.Canaries.Prompt)]))));
        run.ClientsDisk.Add(new Evidence("planted", Encoding.ASCII.GetBytes(run.Canaries.Reply)));
        run.System.Log.Lines.Enqueue("Debug: " + Convert.ToHexString(run.StrangersTokens.First().Nonce));
        run.Replies.Enqueue(new RawReply(500, "X-Debug: " + run.Canaries.ToolArguments, []));
        run.Replies.Enqueue(new RawReply(500, "", Encoding.ASCII.GetBytes(run.Canaries.ProviderKey)));
        Assert.Equal(5, Search(run).Count);
    }

    private static Task<long?> CountRequestsAsync(CanaryRun run) =>
        run.Client.Wallet.Journal.Database.ReadAsync(session => session.QueryInt64("SELECT COUNT(*) FROM request"));

    private static async Task ThroughTheAppAsync(CanaryRun run)
    {
        Canaries canaries = run.Canaries;
        foreach ((string way, bool stream, int status) in s_ways)
        {
            RawReply reply = await run.AskAsync(way, stream);
            Assert.True(status == reply.Status, $"{way}: {reply.Status} instead of {status}: {Encoding.UTF8.GetString(reply.Body)}");
        }

        Assert.Equal(200, (await run.AskAsync("respond", path: "/v1/responses")).Status);
        Assert.Equal(200, (await run.AskAsync("embed", path: "/v1/embeddings")).Status);
        Assert.Equal(200, (await run.AskAsync("whole", path: "/v1/messages")).Status);
        Assert.Equal(200, (await run.AskAsync("break-off", stream: true, path: "/v1/messages")).Status);
        Assert.Equal(400, (await run.AskAsync("refuse", path: "/v1/messages")).Status);
        Assert.Equal(502, (await run.AskAsync("no-json", path: "/v1/messages")).Status);
        Assert.Equal(200, (await run.AskAsync("", body: Encoding.UTF8.GetBytes($$"""{"model":"{{WholeSystem.Model}}","messages":[{"role":"user","content":"{{canaries.Prompt}}"}]}"""))).Status);

        // What is refused before the provider hears of it.
        Assert.Equal(400, (await run.AskAsync("", body: Encoding.UTF8.GetBytes("{" + canaries.Prompt))).Status);
        Assert.Equal(400, (await run.AskAsync("", body: run.Chat("whole", false, $",\"{canaries.Unknown}\":\"{canaries.Prompt}\""))).Status);
        Assert.Equal(400, (await run.AskAsync("", body: run.Chat("whole", false, $",\"previous_response_id\":\"{canaries.Prompt}\""))).Status);
        Assert.Equal(404, (await run.AskAsync("", body: run.Chat("whole", false, model: canaries.Unknown))).Status);
        Assert.Equal(413, (await run.AskAsync("", body: run.Chat("whole", false, $",\"stop\":\"{string.Concat(Enumerable.Repeat(canaries.Prompt, 2000))}\""))).Status);
        Assert.Equal(404, (await run.AskAsync("whole", path: $"/v1/{canaries.Unknown}?{canaries.Header}")).Status);

        // The program goes away in the middle of a reply; the app cancels.
        await run.AskAsync("pause", stream: true, readFor: 100);
        for (int i = 0; i < 6000 && run.Gateway.SeenAt(Routes.Cancel).Count == 0; i++)
        {
            await Task.Delay(20);
        }

        Assert.Single(run.Gateway.SeenAt(Routes.Cancel));
    }

    /// <summary>Requests at the gateway from somebody who keeps to no rule.</summary>
    private static async Task PastTheAppAsync(CanaryRun run)
    {
        Canaries canaries = run.Canaries;
        const string Chat = "POST /v1/chat/completions";
        byte[] body = Encoding.UTF8.GetBytes($$"""{"model":"{{CanaryRun.Model}}","messages":[{"role":"user","content":"{{canaries.Prompt}} way:whole."}]}""");
        string spent = await run.PayAsync();
        (string Start, string? Authorization, byte[]? Body, bool Cookie, int Status)[] requests =
        [
            (Chat, spent, body, false, 200),
            (Chat, spent, [.. body, .. " "u8], false, 409),
            (Chat, await run.PayAsync(), body, true, 400),
            (Chat, await run.PayAsync() + ", Bearer " + canaries.Bearer, body, false, 400),
            (Chat, "Bearer " + canaries.Bearer, body, false, 401),
            (Chat, null, body, false, 401),
            (Chat, $"PrivateToken token=\"{canaries.Header}\"", body, false, 401),
            (Chat, await run.PayAsync(token => [.. token[..200], (byte)(token[200] ^ 1), .. token[201..]]), body, false, 401),
            (Chat, await run.PayAsync(token => [.. token[..70], (byte)(token[70] ^ 1), .. token[71..]]), body, false, 401),
            (Chat, await run.PayAsync(), Encoding.UTF8.GetBytes("{" + canaries.Prompt), false, 400),
            (Chat, await run.PayAsync(), Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat(canaries.Prompt, 2000))), false, 413),
            (Chat, await run.PayAsync(), run.Chat("whole", false, $",\"{canaries.Unknown}\":1"), false, 400),
            (Chat, await run.PayAsync(), run.Chat("whole", false, model: canaries.Unknown), false, 404),
            ("POST /v1/exchange", null, Encoding.UTF8.GetBytes($$"""{"token":"{{canaries.Header}}","successor":"{{canaries.Unknown}}"}"""), false, 400),
            ("POST /v1/cancel", await run.PayAsync(), null, false, 200),
            ($"GET /v1/models/{canaries.Unknown}", null, null, false, 404),
            ($"POST /v1/{canaries.Unknown}?{canaries.Header}", await run.PayAsync(), body, false, 404),
            ($"{canaries.Unknown.ToUpperInvariant()} /v1/models", null, null, false, 405),
        ];
        foreach ((string start, string? authorization, byte[]? content, bool cookie, int status) in requests)
        {
            RawReply reply = await run.AskGatewayAsync(start, authorization, content, cookie);
            Assert.True(status == reply.Status, $"{start}: {reply.Status} instead of {status}: {Encoding.UTF8.GetString(reply.Body)}");
        }

        run.Replies.Enqueue(await RawRequest.SendAsync(run.System.Gateway.Address, $"GET /\0{canaries.Header}", [(canaries.Header, "\0")], null));
        run.Replies.Enqueue(await RawRequest.SendAsync(run.System.Issuer.Address, "POST /token-request", [("Authorization", "Bearer " + canaries.Bearer), ("X-Canary", canaries.Header)], body));
        run.Replies.Enqueue(await RawRequest.SendAsync(run.System.Issuer.Address, $"GET /{canaries.Unknown}", [("User-Agent", canaries.UserAgent)], null));
    }

    /// <summary>The gateway dies while a prompt is with the provider, and is there again when the app repeats it.</summary>
    private static async Task WithTheGatewayGoneAsync(CanaryRun run)
    {
        int before = run.Provider.Requests.Count;

        // Long enough to fill pages of its own in the wallet's database.
        Task<RawReply> asking = run.AskAsync(
            "pause", body: run.Chat("pause", true, $",\"stop\":\"{Convert.ToHexString(RandomNumberGenerator.GetBytes(10_000))}\""));
        while (run.Provider.Requests.Count == before)
        {
            await Task.Delay(10);
        }

        await run.ReadDisksAsync("prompt under way");
        run.SealedBody = Assert.Single(await run.Client.Wallet.Journal.Database.ReadAsync(session => session.Query("SELECT sealed_body FROM request", row => row.Blob(0))));
        await run.RestartGatewayAsync();
        await asking;
    }

    private static List<string> Search(CanaryRun run)
    {
        SecretSearch all = Canaries.Search(run.Canaries.All);
        SecretSearch secrets = run.Secrets();
        List<string> findings = [];

        // 1. What was written: files of all servers, logs, metrics, traces.
        foreach (Evidence written in (Evidence[])[.. run.Disks, run.Log(), new Evidence("metrics and traces", run.Telemetry.Text)])
        {
            findings.AddRange(all.Find(written.Where, written.Bytes).Concat(secrets.Find(written.Where, written.Bytes)));
        }

        // 2. What the user's own disk holds, sealed.
        SecretSearch sealedOnes = run.Secrets(withSeed: false);
        findings.AddRange(run.ClientsDisk.SelectMany(file => all.Find(file.Where, file.Bytes).Concat(sealedOnes.Find(file.Where, file.Bytes))));

        // 3. What went on to the gateway and the issuer.
        SecretSearch identifying = Canaries.Search(run.Canaries.Identifying);
        foreach (Passing passing in run.Gateway.Seen)
        {
            Evidence seen = Evidence.Of("gateway", passing);
            findings.AddRange(identifying.Find(seen.Where, seen.Bytes));
            findings.AddRange(passing.Headers.Keys.Except(s_gatewaysHeaders).Select(name => $"header {name} went to the gateway"));
        }

        findings.AddRange(run.Issuer.Seen.Select(passing => Evidence.Of("issuer", passing)).SelectMany(seen => all.Find(seen.Where, seen.Bytes)));

        // 4. What went on to the provider: the allow-list and nothing else.
        foreach (ScriptedRequest request in run.Provider.Requests)
        {
            byte[] head = Encoding.UTF8.GetBytes(request.Line + string.Concat(request.Headers.Select(header => $"{header.Key}: {header.Value}\n")));
            findings.AddRange(identifying.Find("a request to the provider", [.. head, .. request.Body]).Concat(secrets.Find("a request to the provider", [.. head, .. request.Body])));
            findings.AddRange(request.Headers.Select(header => header.Key).Except(s_providersHeaders).Select(name => $"header {name} went to the provider"));
            if (request.Header("Authorization") != "Bearer " + run.Canaries.ProviderKey)
            {
                findings.Add("another credential than the gateway's went to the provider");
            }

            using JsonDocument body = JsonDocument.Parse(request.Body);
            findings.AddRange(body.RootElement.EnumerateObject().Select(member => member.Name).Except(s_members).Select(name => $"member {name} went to the provider"));
            if (!request.Line.Contains("embeddings", StringComparison.Ordinal) && body.RootElement.GetProperty("store").GetBoolean())
            {
                findings.Add("the provider was left to store a reply");
            }
        }

        // 5. What came back: heads without any canary, bodies with those of the conversation only.
        SecretSearch foreign = Canaries.Search([.. run.Canaries.Identifying, .. run.Canaries.OfProvider]);
        foreach (RawReply reply in run.Replies)
        {
            byte[] head = Encoding.Latin1.GetBytes(reply.Head);
            findings.AddRange(all.Find("a reply's head", head).Concat(secrets.Find("a reply's head", head)));
            findings.AddRange(foreign.Find("a reply", reply.Body).Concat(secrets.Find("a reply", reply.Body)));
        }

        return [.. findings.Distinct()];
    }
}
