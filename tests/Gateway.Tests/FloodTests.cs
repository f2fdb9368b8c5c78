using System.Security.Cryptography;
using Tacit.Crypto;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Catalog;
using Tacit.Gateway.Tests.Support;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests;

/// <summary>What keeps a flood of false tokens from those who are honest.</summary>
public sealed class FloodTests
{
    [Fact]
    public void Brake_lets_a_few_pass_and_then_keeps_its_pace()
    {
        var time = new FakeTime(TestGateway.Start);
        var brake = new FalseTokenBrake(time);
        List<TimeSpan> waits = [.. Enumerable.Range(0, 200).Select(_ => brake.Next())];
        Assert.All(waits.Take(30), wait => Assert.Equal(TimeSpan.Zero, wait));
        Assert.True(brake.IsOn);
        Assert.Equal(waits.Order(), waits);
        Assert.InRange(waits[^1], TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2));

        // However many come, nobody waits for ever, and after a while without any a mistake costs nothing again.
        for (int i = 0; i < 100_000; i++)
        {
            Assert.InRange(brake.Next(), TimeSpan.Zero, TimeSpan.FromSeconds(11));
        }

        time.Advance(TimeSpan.FromMinutes(1));
        Assert.False(brake.IsOn);
        Assert.Equal(TimeSpan.Zero, brake.Next());
        Assert.False(brake.IsOn);
    }

    [Fact]
    public async Task Queue_serves_the_proven_first_the_lanes_in_turn_and_nobody_who_has_gone()
    {
        using BlindRsaPrivateKey key = BlindRsaPrivateKey.Generate(2048);
        (RedemptionKey redemption, Token token) = Create(key);

        // No worker of its own until all wait: the order in which they are taken is then the queue's.
        await using var queue = new SignatureQueue(workers: 0, capacity: 64, maxInline: 0, TimeProvider.System);
        using var gone = new CancellationTokenSource();
        List<(string Who, Task<SignatureVerdict> Task)> asked = [];
        for (int i = 0; i < 4; i++)
        {
            Ask("flood", isProven: false);
        }

        Ask("left", isProven: false, gone.Token);
        Ask("new", isProven: false);
        Ask("known", isProven: true);
        Ask("known", isProven: true);
        await gone.CancelAsync();

        List<string> order = [];
        while (queue.TryServe())
        {
            order.AddRange(asked.Where(one => one.Task.IsCompleted && !order.Contains($"{one.Who}{one.Task.Id}")).Select(one => $"{one.Who}{one.Task.Id}"));
        }

        Assert.Equal(["known", "known", "flood", "left", "new", "flood", "flood", "flood"], order.Select(name => name.TrimEnd([.. "0123456789"])));
        Assert.All(asked, one => Assert.Equal(one.Who == "left" ? SignatureVerdict.Busy : SignatureVerdict.Valid, one.Task.Result));

        void Ask(string who, bool isProven, CancellationToken left = default) =>
            asked.Add((who, queue.VerifyAsync(redemption, token, null, new Presenter(who, isProven, left)).AsTask()));
    }

    [Fact]
    public async Task Queue_that_is_full_of_strangers_has_room_for_the_proven()
    {
        using BlindRsaPrivateKey key = BlindRsaPrivateKey.Generate(2048);
        (RedemptionKey redemption, Token token) = Create(key);
        await using var queue = new SignatureQueue(workers: 0, capacity: 8, maxInline: 0, TimeProvider.System);
        List<Task<SignatureVerdict>> strangers =
            [.. Enumerable.Range(0, 20).Select(i => queue.VerifyAsync(redemption, token, null, new Presenter($"stranger {i}", false, default)).AsTask())];
        Assert.Equal(12, strangers.Count(task => task.IsCompletedSuccessfully && task.Result == SignatureVerdict.Busy));
        Task<SignatureVerdict> known = queue.VerifyAsync(redemption, token, null, new Presenter("known", true, default)).AsTask();
        Assert.True(queue.TryServe());
        Assert.Equal(SignatureVerdict.Valid, await known);
        while (queue.TryServe())
        {
        }

        Assert.Equal(8, (await Task.WhenAll(strangers)).Count(verdict => verdict == SignatureVerdict.Valid));
    }

    [Fact]
    public async Task Honest_requests_get_through_beside_a_crowd_of_false_tokens()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        using var stop = new CancellationTokenSource();
        Task[] crowd = [.. Enumerable.Range(0, 50).Select(async i =>
        {
            TestToken forged = token.With(bytes => RandomNumberGenerator.Fill(bytes.AsSpan(2, 32)));
            try
            {
                while (!stop.IsCancellationRequested)
                {
                    using HttpResponseMessage refused = await gateway.AskUntilAsync(forged, TestGateway.Body(), stop.Token);
                    Assert.True((int)refused.StatusCode is 401 or 503);
                }
            }
            catch (OperationCanceledException)
            {
                // Still held back at the end.
            }
        })];
        for (int i = 0; i < 20; i++)
        {
            HttpResponseMessage response;
            while ((response = await gateway.AskAsync(i == 0 ? token : gateway.Issuer.CreateToken("chat"))).StatusCode == System.Net.HttpStatusCode.ServiceUnavailable)
            {
                response.Dispose();
            }

            await response.IsReplyAsync();
            response.Dispose();
        }

        await stop.CancelAsync();
        await Task.WhenAll(crowd);
        Assert.Equal(20, gateway.Provider.Calls);
    }

    private static (RedemptionKey Key, Token Token) Create(BlindRsaPrivateKey key)
    {
        byte[] spki = key.PublicKey.ExportSubjectPublicKeyInfo();
        byte[] input = new byte[Token.InputSizeInBytes];
        Token.WriteInput(TokenType.BlindRsa, new byte[32], new byte[32], SHA256.HashData(spki), input);
        byte[] blinded = new byte[256];
        using BlindingState state = key.PublicKey.Blind(BlindRsaVariant.DeterministicPss, input, blinded);
        byte[] signature = new byte[256];
        byte[] authenticator = new byte[256];
        Assert.Equal(BlindSignStatus.Success, key.BlindSign(blinded, signature));
        Assert.True(state.TryFinalize(signature, authenticator));
        Assert.True(TokenPublicKey.TryImport(TokenType.BlindRsa, spki, [], out TokenPublicKey? publicKey));
        var redemption = new RedemptionKey
        {
            PublicKey = publicKey,
            SubjectPublicKeyInfo = spki,
            Plan = TestGateway.ChatPlan,
            NotBefore = TestGateway.March.IssueFrom,
            Deadline = TestGateway.March.Deadline,
            ExchangeUntil = TestGateway.March.ExchangeUntil,
        };
        return (redemption, Token.Create(input, authenticator));
    }
}
