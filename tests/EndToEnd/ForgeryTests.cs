// The attacker's arithmetic is on public values only; libcrypto's is not needed for that.
#pragma warning disable RS0030
using System.Numerics;
using Tacit.Client;
using Tacit.EndToEnd.Support;
using Tacit.Protocol;

namespace Tacit.EndToEnd;

/// <summary>The one-more-forgery game, played against the running issuer and gateway: who paid for l tokens gets no l + 1 prompts answered.</summary>
public sealed class ForgeryTests : IAsyncLifetime
{
    private const long Deposited = 200;

    private WholeSystem _system = null!;
    private TacitClient _client = null!;
    private Attacker _attacker = null!;

    public async ValueTask InitializeAsync()
    {
        _system = await WholeSystem.StartAsync([WholeSystem.Chat, WholeSystem.ChatLarge]);
        _client = await _system.ClientAsync("attacker", Deposited);
        _attacker = await Attacker.StartAsync(_system, await _client.Account.RevealKeyAsync());
    }

    public async ValueTask DisposeAsync()
    {
        _attacker.Dispose();
        await _client.DisposeAsync();
        await _system.DisposeAsync();
    }

    [Theory]
    [InlineData("chat", 1)]
    [InlineData("chat-large", 4)]
    public async Task A_token_answers_one_prompt_however_it_is_mauled(string plan, int price)
    {
        List<Token> tokens = await _attacker.BuyAsync(plan, 4);
        byte[]? extensions = _attacker.ExtensionsOf(plan);
        var modulus = Modulus(plan);

        // One is spent before it is varied, so that its variants are more than replays; the others are varied while they are fresh.
        Assert.Equal(200, await _attacker.RedeemAsync(tokens[0], plan));
        int spent = 1;
        foreach (byte[] forged in tokens.Take(2).SelectMany(token => Maul(token, tokens[3], modulus)))
        {
            int status = await _attacker.RedeemAsync(forged, extensions);
            if (status == 200 && extensions is not null && IsNegated(forged, tokens[1], modulus))
            {
                // Under metadata s and n − s are one authenticator (docs/adr/0008), and so one token: it is this one that was spent.
                spent++;
                continue;
            }

            Assert.InRange(status, 400, 409);
        }

        foreach (byte[]? other in OtherExtensions(plan))
        {
            Assert.InRange(await _attacker.RedeemAsync(tokens[1].Encoded, other), 400, 409);
        }

        foreach (Token token in tokens)
        {
            int[] statuses = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => _attacker.RedeemAsync(token, plan)));
            Assert.All(statuses, status => Assert.Contains(status, (int[])[200, 409]));
            spent += statuses.Count(status => status == 200);
        }

        Assert.Equal(tokens.Count, spent);
        await AssertPaidAsync(tokens.Count, price);
    }

    [Fact]
    public async Task A_token_is_worth_its_own_plan_and_gateway_only()
    {
        List<Token> small = await _attacker.BuyAsync("chat", 2);
        List<Token> elsewhere = await _attacker.BuyAsync("chat", 2, "other.test");

        Assert.Equal(401, await _attacker.RedeemAsync(elsewhere[0], "chat"));
        Assert.Null(await _attacker.ExchangeAsync(elsewhere[1], "chat"));
        Assert.Equal(401, await _attacker.RedeemAsync(small[0].Encoded, _attacker.ExtensionsOf("chat-large")));
        Assert.Equal(413, await _attacker.RedeemAsync(small[0].Encoded, padding: WholeSystem.Chat.MaxInputBytes));
        byte[] retyped = small[0].Encode();
        (retyped[0], retyped[1]) = (0xDA, 0x7A);
        Assert.Equal(401, await _attacker.RedeemAsync(retyped, _attacker.ExtensionsOf("chat-large")));
        Assert.Equal(0, _attacker.Answered);

        Assert.Equal(200, await _attacker.RedeemAsync(small[0], "chat"));
        await AssertPaidAsync(4, 1);
    }

    [Fact]
    public async Task Issuance_signs_what_was_paid_and_nothing_else()
    {
        TokenIssuance[] issuances = [.. Enumerable.Range(0, 6).Select(_ => _attacker.Begin("chat"))];
        TokenRequest[] requests = [.. issuances.Select(issuance => issuance.Request)];

        // Nothing is restored that was never sold.
        IReadOnlyList<BatchTokenResponse?>? nothing = await _attacker.RequestAsync(requests, Routes.TokenRestore);
        Assert.True(nothing is null || nothing.All(response => response is null));

        // The same elements in many batches, at once and in every cut: one debit and one signature each.
        IReadOnlyList<BatchTokenResponse?>?[] answers = await Task.WhenAll(
            Enumerable.Range(0, 12).Select(i => _attacker.RequestAsync(i % 3 == 0 ? requests : i % 3 == 1 ? requests[..3] : requests[2..])));
        Assert.Null(await _attacker.RequestAsync([0x42, 0x06, .. requests[0].Encode(), .. requests[0].Encode()])); // a length of 518, RFC 9000 §16
        string[] signatures = [.. answers.SelectMany(answer => answer!).Select(response => Convert.ToHexString(response!.BlindSignature.Span)).Distinct()];
        Assert.Equal(requests.Length, signatures.Length);

        // A product of blinded elements has a product of signatures, which is no token of any nonce.
        BigInteger n = Modulus("chat");
        TokenRequest product = TokenRequest.Create(
            TokenType.BlindRsa, requests[0].TruncatedKeyId, Bytes(Number(requests[0].BlindedMessage.Span) * Number(requests[1].BlindedMessage.Span) % n), default);
        Assert.NotNull(await _attacker.RequestAsync([product]));

        IReadOnlyList<BatchTokenResponse?>? restored = await _attacker.RequestAsync(requests, Routes.TokenRestore);
        int tokens = 0;
        for (int i = 0; i < requests.Length; i++)
        {
            Assert.True(issuances[i].TryFinalize(restored![i]!.BlindSignature.Span, out Token? token));
            tokens += await _attacker.RedeemAsync(token, "chat") == 200 ? 1 : 0;
            Assert.Equal(409, await _attacker.RedeemAsync(token, "chat"));
        }

        Assert.Equal(requests.Length, tokens);
        await AssertPaidAsync(requests.Length + 1, 1);
    }

    [Theory]
    [InlineData("chat", 1)]
    [InlineData("chat-large", 4)]
    public async Task An_exchange_gives_one_for_one(string plan, int price)
    {
        List<Token> tokens = await _attacker.BuyAsync(plan, 3);

        // Many successors for one token: one of them is signed.
        Token?[] successors = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => _attacker.ExchangeAsync(tokens[0], plan)));
        Token only = Assert.Single(successors, successor => successor is not null)!;
        Assert.Equal(409, await _attacker.RedeemAsync(tokens[0], plan));
        Assert.Equal(200, await _attacker.RedeemAsync(only, plan));

        // Spent, then exchanged: refused. Both at once: one of the two.
        Assert.Equal(200, await _attacker.RedeemAsync(tokens[1], plan));
        Assert.Null(await _attacker.ExchangeAsync(tokens[1], plan));
        Task<int> redeemed = _attacker.RedeemAsync(tokens[2], plan);
        Task<Token?> exchanged = _attacker.ExchangeAsync(tokens[2], plan);
        await Task.WhenAll(redeemed, exchanged);
        Assert.True((await redeemed == 200) ^ (await exchanged is not null), $"redeemed with {await redeemed}, exchanged: {await exchanged is not null}");
        await AssertPaidAsync(tokens.Count, price);
    }

    private async Task AssertPaidAsync(int tokens, int price)
    {
        Assert.Equal(Deposited - (tokens * price), (await _client.Account.GetAsync()).Credits);
        Assert.True(_attacker.Answered <= tokens, $"{_attacker.Answered} prompts were answered for {tokens} tokens.");
    }

    private static bool IsNegated(ReadOnlySpan<byte> forged, Token token, BigInteger n) =>
        forged.StartsWith(token.TokenInput) && Number(forged[Token.InputSizeInBytes..]) == n - Number(token.Authenticator);

    /// <summary>Everything that can be made of a token without the key, and of two of them.</summary>
    private static IEnumerable<byte[]> Maul(Token token, Token other, BigInteger n)
    {
        for (int i = 0; i < Token.SizeInBytes; i++)
        {
            byte[] flipped = token.Encode();
            flipped[i] ^= (byte)(1 << (i % 8));
            yield return flipped;
        }

        var s = Number(token.Authenticator);
        var t = Number(other.Authenticator);
        BigInteger[] numbers = [n - s, s + n, s * s % n, 2 * s % n, s * t % n, BigInteger.Zero, BigInteger.One, n - 1, n, (n - s) * t % n];
        foreach (BigInteger number in numbers.Where(number => number.GetByteCount(isUnsigned: true) <= Token.AuthenticatorSizeInBytes))
        {
            yield return [.. token.TokenInput, .. Bytes(number)];
        }

        yield return [.. token.TokenInput, .. other.Authenticator];
        yield return [.. token.TokenInput[..2], .. other.Nonce, .. token.TokenInput[34..], .. token.Authenticator];
        yield return token.Encode()[..^1];
        yield return [.. token.Encode(), 0];
    }

    /// <summary>Metadata that was not bought.</summary>
    private IEnumerable<byte[]?> OtherExtensions(string plan)
    {
        if (_attacker.ExtensionsOf(plan) is not byte[] own)
        {
            yield return _attacker.ExtensionsOf("chat-large");
            yield return [0, 0];
            yield break;
        }

        yield return null;
        yield return [0, 0];
        for (int i = 0; i < own.Length; i++)
        {
            byte[] other = [.. own];
            other[i] ^= 1;
            yield return other;
        }

        yield return [.. own, 0];
        yield return new PlanMetadata("chat", Period.Containing(PeriodKind.Month, TimeProvider.System.GetUtcNow()).Next.Deadline).EncodeExtensions();
        yield return new PlanMetadata(plan, Period.Containing(PeriodKind.Month, TimeProvider.System.GetUtcNow()).Next.Deadline).EncodeExtensions();
    }

    private BigInteger Modulus(string plan)
    {
        using var rsa = System.Security.Cryptography.RSA.Create();
        DirectoryTokenKey key = _attacker.Directory.FindTokenKey(_attacker.Directory.FindPlan(plan)!.Keys[0].TokenKeyId)!;
        // The RSASSA-PSS key info ends with a BIT STRING that holds the plain RSAPublicKey.
        byte[] spki = key.SubjectPublicKeyInfo;
        int at = spki.AsSpan().IndexOf((ReadOnlySpan<byte>)[0x03, 0x82, 0x01, 0x0f, 0x00]) + 5;
        rsa.ImportRSAPublicKey(spki.AsSpan(at), out _);
        return Number(rsa.ExportParameters(false).Modulus);
    }

    private static BigInteger Number(ReadOnlySpan<byte> bytes) => new(bytes, isUnsigned: true, isBigEndian: true);

    private static byte[] Bytes(BigInteger number)
    {
        byte[] bytes = number.ToByteArray(isUnsigned: true, isBigEndian: true);
        byte[] padded = new byte[Token.AuthenticatorSizeInBytes];
        bytes.CopyTo(padded, padded.Length - bytes.Length);
        return padded;
    }
}
