using System.Net.Sockets;
using System.Text;
using Tacit.Issuer.Tests.Support;
using Tacit.Protocol;
using Tacit.Tests;

namespace Tacit.Issuer.Tests;

public sealed class HostileRequestTests
{
    private const string Continue = "HTTP/1.1 100";

    [Fact]
    public async Task Every_truncation_and_extension_of_a_good_body_is_a_problem()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync([TestPlans.Chat, TestPlans.Large]);
        string account = await issuer.CreateAccountAsync(credits: 50);
        byte[] batch = TestIssuer.Batch([.. await issuer.BlindAsync(1), .. await issuer.BlindAsync(1, TestPlans.Large)]);
        foreach (byte[] body in Mutilations(batch))
        {
            Answer answer = await issuer.SendAsync(HttpMethod.Post, Routes.TokenRequest, account, MediaTypes.GenericBatchRequest, body);
            Assert.InRange(answer.Status, 400, 499);
            Assert.Equal(MediaTypes.ProblemJson, answer.ContentType);
        }

        byte[] single = (await issuer.BlindAsync(1, TestPlans.Large))[0].Request.Encode();
        foreach (byte[] body in Mutilations(single))
        {
            Answer answer = await issuer.SendAsync(HttpMethod.Post, Routes.TokenRequest, account, MediaTypes.TokenRequest, body);
            Assert.InRange(answer.Status, 400, 499);
            Assert.Equal(MediaTypes.ProblemJson, answer.ContentType);
        }

        Assert.Equal(50, await issuer.CreditsAsync(account));
        Assert.Equal(0, await issuer.CountIssuedAsync());
    }

    [Fact]
    public async Task Each_kind_of_bad_request_has_its_problem_and_costs_nothing()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync([TestPlans.Chat, TestPlans.Large]);
        string account = await issuer.CreateAccountAsync(credits: 5000);
        TokenRequest good = (await issuer.BlindAsync(1))[0].Request;
        TokenRequest large = (await issuer.BlindAsync(1, TestPlans.Large))[0].Request;
        ReadOnlyMemory<byte> element = good.BlindedMessage;
        byte[] unknownType = [0, 1, .. good.Encode()[2..]];
        byte[] modulus = (await issuer.DirectoryAsync()).TokenKeys.First(key => key.Type == TokenType.BlindRsa).SubjectPublicKeyInfo;
        IssuerDirectory directory = await issuer.DirectoryAsync();
        byte freeId = (byte)Enumerable.Range(0, 256).First(id => directory.TokenKeys.All(key => key.TruncatedKeyId != id));
        DateTimeOffset deadline = directory.FindPlan("chat-large")!.Keys[0].Deadline;
        byte[] dead = new PlanMetadata("chat-large", deadline.AddMonths(1)).EncodeExtensions();
        byte[] foreign = new PlanMetadata("chat", deadline).EncodeExtensions();

        await ExpectAsync(ProblemTypes.RequestMalformed, MediaTypes.TokenRequest, []);
        await ExpectAsync(ProblemTypes.TokenTypeUnsupported, MediaTypes.TokenRequest, unknownType);
        await ExpectAsync(ProblemTypes.TokenTypeUnsupported, MediaTypes.GenericBatchRequest, Frame(unknownType));
        await ExpectAsync(ProblemTypes.RequestMalformed, MediaTypes.GenericBatchRequest, [0]);
        await ExpectAsync(ProblemTypes.RequestMalformed, MediaTypes.GenericBatchRequest, good.Encode());
        await ExpectAsync(ProblemTypes.TokenTypeUnsupported, MediaTypes.TokenRequest, Frame(good.Encode()));
        await ExpectAsync(ProblemTypes.BlindedMessageRepeated, MediaTypes.GenericBatchRequest, Frame([.. good.Encode(), .. good.Encode()]));
        await ExpectAsync(ProblemTypes.TokenKeyUnknown, MediaTypes.TokenRequest, TokenRequest.Create(good.Type, freeId, element.Span).Encode());
        await ExpectAsync(
            ProblemTypes.TokenKeyUnknown, MediaTypes.TokenRequest,
            TokenRequest.Create(TokenType.BlindRsa, large.TruncatedKeyId, element.Span).Encode());
        await ExpectAsync(
            ProblemTypes.PlanNotLive, MediaTypes.TokenRequest,
            TokenRequest.Create(large.Type, large.TruncatedKeyId, large.BlindedMessage.Span, dead).Encode());
        await ExpectAsync(
            ProblemTypes.PlanNotLive, MediaTypes.TokenRequest,
            TokenRequest.Create(large.Type, large.TruncatedKeyId, large.BlindedMessage.Span, foreign).Encode());
        await ExpectAsync(ProblemTypes.BlindedMessageInvalid, MediaTypes.TokenRequest, TokenRequest.Create(good.Type, good.TruncatedKeyId, new byte[256]).Encode());
        await ExpectAsync(
            ProblemTypes.BlindedMessageInvalid, MediaTypes.TokenRequest,
            TokenRequest.Create(good.Type, good.TruncatedKeyId, Enumerable.Repeat((byte)0xff, 256).ToArray()).Encode());
        int at = modulus.AsSpan().IndexOf((byte)0) >= 0 ? ModulusAt(modulus) : 0;
        await ExpectAsync(
            ProblemTypes.BlindedMessageInvalid, MediaTypes.TokenRequest,
            TokenRequest.Create(good.Type, KeyOf(modulus), modulus.AsSpan(at, 256)).Encode());
        await ExpectAsync(
            ProblemTypes.BatchTooLarge, MediaTypes.GenericBatchRequest,
            Frame([.. Enumerable.Range(0, 1001).SelectMany(i => TokenRequest.Create(good.Type, good.TruncatedKeyId, Numbered(i)).Encode())]));
        await ExpectAsync(ProblemTypes.UnsupportedMediaType, "application/json", "{}"u8.ToArray());
        await ExpectAsync(ProblemTypes.UnsupportedMediaType, "", good.Encode());
        await ExpectAsync(ProblemTypes.RequestTooLarge, MediaTypes.TokenRequest, new byte[2000]);
        await ExpectAsync(ProblemTypes.RequestTooLarge, MediaTypes.GenericBatchRequest, new byte[1 << 20]);

        Assert.Equal(5000, await issuer.CreditsAsync(account));
        Assert.Equal(0, await issuer.CountIssuedAsync());
        await issuer.AssertSoundBooksAsync();

        async Task ExpectAsync(string problem, string mediaType, byte[] body)
        {
            TestIssuer.AssertProblem(problem, await issuer.SendTwiceAsync(HttpMethod.Post, Routes.TokenRequest, account, mediaType, body));
        }
    }

    [Fact]
    public async Task Large_body_of_a_stranger_is_refused_before_it_is_read()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        string stranger = await issuer.CreateAccountAsync();

        // The server must answer from the headers: nothing of the body is ever sent.
        Assert.Contains(
            ProblemTypes.InsufficientCredit, await SendHeadersAsync(issuer, Headers(Routes.TokenRequest, stranger)), StringComparison.Ordinal);

        // Restoring is for whoever holds a key, and finds nothing here.
        Assert.All(await IssuanceTests.RestoreAsync(issuer, stranger, await issuer.BlindAsync(100)), Assert.Null);
    }

    [Fact]
    public async Task Room_for_large_bodies_has_a_bound_and_strangers_do_not_take_it()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync(change: options => options with { MaxBodyBytes = 14 * 300_000 });
        string account = await issuer.CreateAccountAsync(credits: 300);
        string stranger = await issuer.CreateAccountAsync();
        List<BlindedToken> tokens = await issuer.BlindAsync(100);
        var sockets = new List<Socket>();
        try
        {
            // Strangers that send headers and then nothing hold all the room there is for strangers.
            await HoldAsync(Headers(Routes.TokenRestore, stranger));
            Assert.Equal(200, (await issuer.RequestAsync(account, tokens)).Status);

            // And then those who paid, theirs: fourteen fit, to the byte. Small requests go on.
            await HoldAsync(Headers(Routes.TokenRestore, account));
            TestIssuer.AssertProblem(ProblemTypes.Busy, await issuer.RequestAsync(account, await issuer.BlindAsync(100)));
            IssuanceTests.AssertTokens(tokens[..10], await issuer.RequestAsync(account, tokens[..10]));
        }
        finally
        {
            sockets.ForEach(socket => socket.Dispose());
        }

        await TestIssuer.WaitForAsync(async () => (await issuer.RequestAsync(account, tokens)).Status == 200);
        Assert.Equal(200, await issuer.CreditsAsync(account));

        async Task HoldAsync(string headers)
        {
            // "100 Continue" comes when the issuer begins to read, and then there was room. Twice, as what was answered just now may still be giving its own back.
            byte[] bytes = Encoding.ASCII.GetBytes(headers.Replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n", StringComparison.Ordinal));
            for (int refused = 0; refused < 2;)
            {
                Socket socket = await ConnectAsync(issuer);
                sockets.Add(socket);
                await socket.SendAsync(bytes, TestIssuer.Token);
                string answer = await ReadAnswerAsync(socket);
                if (answer.StartsWith(Continue, StringComparison.Ordinal))
                {
                    refused = 0;
                    continue;
                }

                Assert.Contains(ProblemTypes.Busy, answer, StringComparison.Ordinal);
                refused++;
                await Task.Delay(100, TestIssuer.Token);
            }
        }
    }

    [Fact]
    public async Task Nothing_of_an_account_a_voucher_or_a_request_is_logged()
    {
        using var log = new GreedyLog();
        FaultySigner? signer = null;
        await using TestIssuer issuer = await TestIssuer.StartAsync(wrap: inner => signer = new FaultySigner(inner), loggers: log);
        string account = await issuer.CreateAccountAsync();
        string voucher = await issuer.CreateVoucherAsync(20);
        await issuer.RedeemAsync(account, voucher);
        List<BlindedToken> tokens = await issuer.BlindAsync(3);
        await issuer.RequestAsync(account, tokens);
        await issuer.RequestAsync(account, tokens, Routes.TokenRestore);
        signer!.Fault = _ => throw new InvalidOperationException($"a bug that quotes {account}");
        Assert.Equal(500, (await issuer.RequestAsync(account, tokens)).Status);
        await issuer.SendAsync(HttpMethod.Post, Routes.TokenRequest, account, MediaTypes.TokenRequest, [1, 2, 3]);
        await issuer.SendAsync(HttpMethod.Delete, "/account", account);
        Assert.Contains("Published directory", log.Text, StringComparison.Ordinal);
        Assert.True(AccountKey.TryParse(account, out AccountKey? key));
        foreach (string secret in (string[])
            [account, voucher, account[..9], voucher[..9], Convert.ToHexString(key.Hash())[..16], Convert.ToBase64String(key.Hash())[..16],
             Convert.ToHexString(tokens[0].Request.BlindedMessage.Span[..8]), Convert.ToBase64String(tokens[0].Request.BlindedMessage.Span[..12])])
        {
            Assert.DoesNotContain(secret, log.Text, StringComparison.OrdinalIgnoreCase);
        }
    }

    private static IEnumerable<byte[]> Mutilations(byte[] body)
    {
        foreach (int length in (int[])[0, 1, 2, 3, 4, 5, 100, body.Length / 2, body.Length - 90, body.Length - 2, body.Length - 1])
        {
            yield return body[..length];
        }

        yield return [.. body, 0];
        yield return [.. body, .. body];
    }

    /// <summary>The framing of a batch: a QUIC variable-length integer (RFC 9000 §16) before its content.</summary>
    private static byte[] Frame(byte[] content) => content.Length < 1 << 14
        ? [(byte)(0x40 | (content.Length >> 8)), (byte)(content.Length & 0xff), .. content]
        : [(byte)(0x80 | (content.Length >> 24)), (byte)((content.Length >> 16) & 0xff), (byte)((content.Length >> 8) & 0xff), (byte)(content.Length & 0xff), .. content];

    private static byte[] Numbered(int i)
    {
        byte[] element = new byte[256];
        BitConverter.TryWriteBytes(element.AsSpan(200), i + 1);
        return element;
    }

    private static byte KeyOf(byte[] spki) => System.Security.Cryptography.SHA256.HashData(spki)[^1];

    /// <summary>Where a 2048-bit modulus lies in a SubjectPublicKeyInfo: behind the INTEGER header 02 82 01 01 00.</summary>
    private static int ModulusAt(byte[] spki) => spki.AsSpan().IndexOf((ReadOnlySpan<byte>)[0x02, 0x82, 0x01, 0x01, 0x00]) + 5;

    private static async Task<Socket> ConnectAsync(TestIssuer issuer)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(issuer.Server.Address.Host, issuer.Server.Address.Port, TestIssuer.Token);
        return socket;
    }

    private static string Headers(string path, string account) => $"""
        POST {path} HTTP/1.1
        Host: issuer.test
        Authorization: Bearer {account}
        Content-Type: {MediaTypes.GenericBatchRequest}
        Content-Length: 300000


        """.ReplaceLineEndings("\r\n");

    private static async Task<string> SendHeadersAsync(TestIssuer issuer, string headers)
    {
        using Socket socket = await ConnectAsync(issuer);
        await socket.SendAsync(Encoding.ASCII.GetBytes(headers), TestIssuer.Token);
        return await ReadAnswerAsync(socket);
    }

    private static async Task<string> ReadAnswerAsync(Socket socket)
    {
        byte[] buffer = new byte[16 * 1024];
        int length = 0;
        try
        {
            string heard;
            while (!(heard = Encoding.ASCII.GetString(buffer, 0, length)).StartsWith(Continue, StringComparison.Ordinal) && !heard.Contains("\"status\":", StringComparison.Ordinal))
            {
                int read = await socket.ReceiveAsync(buffer.AsMemory(length), TestIssuer.Token);
                if (read == 0)
                {
                    break;
                }

                length += read;
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The test hung up first.
        }

        return Encoding.ASCII.GetString(buffer, 0, length);
    }
}
