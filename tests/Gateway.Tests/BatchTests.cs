using System.Security.Cryptography;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Catalog;
using Tacit.Gateway.Tests.Support;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests;

/// <summary>0xDA7A tokens that wait together are checked together, and each is told what it would be told alone.</summary>
public sealed class BatchTests : IDisposable
{
    private static readonly Plan s_large = TestGateway.ChatPlan with { Id = "large", TokenType = TokenType.PartiallyBlindRsa };
    private static readonly Plan s_huge = s_large with { Id = "huge" };

    private readonly TestIssuer _issuer = new();
    private readonly FakeTime _time = new(TestGateway.Start);
    private readonly RedemptionKey _large;
    private readonly RedemptionKey _huge;

    public BatchTests()
    {
        _issuer.AddPartiallyBlindPlan(s_large, SafePrimeKey.Import(), TestGateway.March);
        _issuer.AddPartiallyBlindPlan(s_huge, SafePrimeKey.Import(), TestGateway.March);
        _large = KeyOf(s_large);
        _huge = KeyOf(s_huge);
    }

    [Fact]
    public async Task Waiting_tokens_are_checked_together_each_with_its_own_verdict()
    {
        await using SignatureQueue queue = Queue();
        TestToken good = _issuer.CreateToken("large");
        Task<SignatureVerdict>[] asked =
        [
            Ask(queue, "a", good),
            Ask(queue, "b", good with { Salt = RandomNumberGenerator.GetBytes(48) }),
            Ask(queue, "c", good.With(bytes => bytes[3] ^= 1)),
            Ask(queue, "d", good.With(bytes => bytes[200] ^= 1)),
            Ask(queue, "e", good with { Salt = new byte[3] }),
            Ask(queue, "f", _issuer.CreateToken("large")),
        ];

        Assert.True(queue.TryServe());

        Assert.All(asked, task => Assert.True(task.IsCompleted));
        Assert.Equal(
            [
                SignatureVerdict.Valid, SignatureVerdict.ValidWithOtherSalt, SignatureVerdict.Invalid, SignatureVerdict.Invalid,
                SignatureVerdict.ValidWithOtherSalt, SignatureVerdict.Valid,
            ],
            await Task.WhenAll(asked));
        Assert.False(queue.TryServe());
    }

    [Fact]
    public async Task Only_what_has_a_salt_one_key_and_one_standing_is_checked_together()
    {
        await using SignatureQueue queue = Queue();
        TestToken large = _issuer.CreateToken("large");
        TestToken huge = _issuer.CreateToken("huge");
        Task<SignatureVerdict> first = Ask(queue, "a", large);
        Task<SignatureVerdict> unsalted = Ask(queue, "b", large with { Salt = null });
        Task<SignatureVerdict> otherPlan = Ask(queue, "c", huge, _huge);
        Task<SignatureVerdict> second = Ask(queue, "d", large);
        Task<SignatureVerdict> proven = Ask(queue, "e", large, isProven: true);
        Task<SignatureVerdict>[] all = [first, unsalted, otherPlan, second, proven];

        Serve(proven);
        Serve(first, second);
        Serve(unsalted);
        Serve(otherPlan);

        Assert.All(all, task => Assert.Equal(SignatureVerdict.Valid, task.Result));

        void Serve(params Task<SignatureVerdict>[] expected)
        {
            Task[] before = [.. all.Where(task => task.IsCompleted)];
            Assert.True(queue.TryServe());
            Assert.Equal(expected, all.Where(task => task.IsCompleted).Except(before));
        }
    }

    [Fact]
    public async Task A_batch_takes_one_of_each_connection_in_turn_and_passing_over_costs_no_turn()
    {
        await using SignatureQueue queue = Queue(capacity: 200);
        TestToken token = _issuer.CreateToken("large");
        Task<SignatureVerdict>[] greedy = [.. Enumerable.Range(0, 16).Select(_ => Ask(queue, "greedy", token))];
        Task<SignatureVerdict> unsalted = Ask(queue, "unsalted", token with { Salt = null });
        Task<SignatureVerdict>[] many = [.. Enumerable.Range(0, 31).Select(i => Ask(queue, $"connection {i}", token))];

        Assert.True(queue.TryServe());
        Assert.All(many, task => Assert.True(task.IsCompleted));
        Assert.Equal(1, greedy.Count(task => task.IsCompleted));
        Assert.False(unsalted.IsCompleted);

        // Passed over before "greedy" came round again, so served before it.
        Assert.True(queue.TryServe());
        Assert.True(unsalted.IsCompleted);
        Assert.Equal(1, greedy.Count(task => task.IsCompleted));
        Assert.True(queue.TryServe());
        Assert.All(greedy, task => Assert.True(task.IsCompleted));
    }

    [Fact]
    public async Task Whoever_has_gone_is_no_work_in_a_batch_either()
    {
        await using SignatureQueue queue = Queue();
        using var gone = new CancellationTokenSource();
        TestToken token = _issuer.CreateToken("large");
        Task<SignatureVerdict> left = Ask(queue, "a", token, gone: gone.Token);
        Task<SignatureVerdict> stays = Ask(queue, "b", token);
        await gone.CancelAsync();

        Assert.True(queue.TryServe());

        Assert.Equal(SignatureVerdict.Busy, await left);
        Assert.Equal(SignatureVerdict.Valid, await stays);
    }

    [Fact]
    public async Task Frequent_false_tokens_end_batches_of_strangers_and_not_of_the_proven()
    {
        await using SignatureQueue queue = Queue();
        TestToken good = _issuer.CreateToken("large");
        TestToken junk = good.With(bytes => bytes[200] ^= 1);
        Task<SignatureVerdict>[] flood = [.. Enumerable.Range(0, 32).Select(i => Ask(queue, $"flood {i}", junk))];
        Assert.True(queue.TryServe());
        Assert.All(flood, task => Assert.Equal(SignatureVerdict.Invalid, task.Result));

        Task<SignatureVerdict>[] strangers = [.. Enumerable.Range(0, 3).Select(i => Ask(queue, $"stranger {i}", good))];
        Task<SignatureVerdict>[] proven = [.. Enumerable.Range(0, 3).Select(i => Ask(queue, $"proven {i}", good, isProven: true))];
        Assert.True(queue.TryServe());
        Assert.All(proven, task => Assert.Equal(SignatureVerdict.Valid, task.Result));
        for (int served = 1; served <= 3; served++)
        {
            Assert.True(queue.TryServe());
            Assert.Equal(served, strangers.Count(task => task.IsCompleted));
        }
    }

    [Fact]
    public async Task A_token_that_comes_alone_is_checked_at_once_and_only_then()
    {
        await using SignatureQueue queue = Queue(maxInline: 4);
        TestToken token = _issuer.CreateToken("large");
        Assert.True(Ask(queue, "a", token).IsCompleted);
        Assert.True(Ask(queue, "a", token).IsCompleted);

        Task<SignatureVerdict> soon = Ask(queue, "b", token);
        Assert.False(soon.IsCompleted);
        Assert.True(queue.TryServe());
        Assert.Equal(SignatureVerdict.Valid, await soon);

        _time.Advance(TimeSpan.FromMilliseconds(20));
        Assert.True(Ask(queue, "c", token).IsCompleted);
        Task<SignatureVerdict> several = queue.VerifyAsync(
            _large, token.Token, token.Salt, new Presenter("c", false, default) { IsSequential = false }).AsTask();
        Assert.False(several.IsCompleted);
        Assert.True(queue.TryServe());
    }

    [Fact]
    public async Task Queue_with_workers_answers_everyone()
    {
        await using var queue = new SignatureQueue(workers: 2, capacity: 4096, maxInline: 1, TimeProvider.System);
        TestToken good = _issuer.CreateToken("large");
        TestToken[] kinds = [good, good with { Salt = null }, good.With(bytes => bytes[200] ^= 1), good with { Salt = RandomNumberGenerator.GetBytes(48) }];
        SignatureVerdict[] verdicts = await Task.WhenAll(Enumerable.Range(0, 200).Select(i => Task.Run(() =>
            Ask(queue, $"connection {i % 50}", kinds[i % 10 < kinds.Length ? i % 10 : 0], isProven: i % 3 == 0))));

        for (int i = 0; i < verdicts.Length; i++)
        {
            Assert.Equal(
                (i % 10) switch
                {
                    2 => [SignatureVerdict.Invalid],
                    3 => [SignatureVerdict.ValidWithOtherSalt],
                    _ => new[] { SignatureVerdict.Valid },
                },
                [verdicts[i]]);
        }
    }

    [Fact]
    public async Task Prompts_at_once_are_answered_by_what_their_own_tokens_are()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync(
            prepare => prepare.Issuer.AddPartiallyBlindPlan(s_large, SafePrimeKey.Import(), TestGateway.March));
        TestToken[] tokens = [.. Enumerable.Range(0, 40).Select(i =>
        {
            TestToken token = gateway.Issuer.CreateToken("large");
            return (i % 8) switch
            {
                0 => token with { Salt = null },
                1 => token with { Salt = RandomNumberGenerator.GetBytes(48) },
                2 => token with { Salt = [1] },
                3 => token.With(bytes => bytes[^1] ^= 1),
                _ => token,
            };
        })];

        HttpResponseMessage[] responses = await Task.WhenAll(tokens.Select(token => gateway.AskAsync(token)));

        for (int i = 0; i < responses.Length; i++)
        {
            using HttpResponseMessage response = responses[i];
            if (i % 8 == 3)
            {
                await response.IsErrorAsync(401, ErrorCodes.TokenInvalid, Routes.TokenUnspent);
            }
            else
            {
                await response.IsReplyAsync();
            }
        }

        // A token in its other form is the same token, and another request.
        TestToken spent = tokens[4];
        using HttpResponseMessage again = await gateway.AskAsync(Negated(gateway, spent));
        await again.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        Assert.Equal(35, gateway.Provider.Calls);
    }

    public void Dispose() => _issuer.Dispose();

    private static TestToken Negated(TestGateway gateway, TestToken token)
    {
        Assert.True(IssuerDirectory.TryParse(gateway.Issuer.Publish(), out IssuerDirectory? directory, out _));
        byte[] n = directory.FindTokenKey(token.Token.TokenKeyId)!.SubjectPublicKeyInfo.ToArray()[^261..^5]; // then the exponent: 02 03 01 00 01
        return token.With(bytes =>
        {
            int borrow = 0;
            for (int i = 255; i >= 0; i--)
            {
                int difference = n[i] - bytes[98 + i] - borrow;
                borrow = difference < 0 ? 1 : 0;
                bytes[98 + i] = (byte)(difference & 0xff);
            }
        });
    }

    private SignatureQueue Queue(int capacity = 64, int maxInline = 0) => new(workers: 0, capacity, maxInline, _time);

    private Task<SignatureVerdict> Ask(
        SignatureQueue queue, string connection, TestToken token, RedemptionKey? key = null, bool isProven = false, CancellationToken gone = default) =>
        queue.VerifyAsync(key ?? _large, token.Token, token.Salt, new Presenter(connection, isProven, gone)).AsTask();

    private RedemptionKey KeyOf(Plan plan)
    {
        PlanKey planKey = _issuer.KeyOf(plan.Id);
        Assert.True(IssuerDirectory.TryParse(_issuer.Publish(), out IssuerDirectory? directory, out _));
        ReadOnlyMemory<byte> spki = directory.FindTokenKey(planKey.TokenKeyId)!.SubjectPublicKeyInfo;
        Assert.True(TokenPublicKey.TryImport(TokenType.PartiallyBlindRsa, spki.Span, planKey.Extensions, out TokenPublicKey? key));
        return new RedemptionKey
        {
            PublicKey = key,
            SubjectPublicKeyInfo = spki,
            Plan = plan,
            NotBefore = planKey.NotBefore,
            Deadline = planKey.Deadline,
            ExchangeUntil = planKey.ExchangeUntil,
        };
    }
}
