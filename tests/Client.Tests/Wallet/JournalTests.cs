using System.Security.Cryptography;
using FsCheck;
using FsCheck.Fluent;
using Tacit.Client.Conversations;
using Tacit.Client.Policy;
using Tacit.Client.Tests.Support;
using Tacit.Protocol;

namespace Tacit.Client.Tests;

/// <summary>The journal's state machine under arbitrary sequences of steps, checked against a model that is nothing but a set of states.</summary>
public sealed class JournalTests : IAsyncLifetime
{
    private readonly TestFolder _folder = new();
    private Wallet _wallet = null!;
    private WalletJournal _journal = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _wallet = await Wallet.CreateAsync(new WalletOptions { DataDirectory = _folder.Path }, TimeProvider.System, Token);
        _journal = _wallet.Journal;
    }

    public async ValueTask DisposeAsync()
    {
        await _wallet.DisposeAsync();
        _folder.Dispose();
    }

    public enum Move
    {
        Reserve,
        Request,
        RequestAgain,
        Refuse,
        Hold,
        Present,
        Spend,
        Return,
        GiveUp,
        TakeBack,
        ReserveSuccessor,
        BeginExchange,
        CompleteExchange,
        AbandonExchange,
    }

    [Fact]
    public void No_sequence_of_steps_loses_or_doubles_a_token()
    {
        int cases = Environment.GetEnvironmentVariable("TACIT_SOAK") == "1" ? 500 : 25;
        int series = 0;
        Prop.ForAll(
            Gen.Elements(Enum.GetValues<Move>()).ListOf(60).ToArbitrary(),
            steps => RunAsync([.. steps], ++series).GetAwaiter().GetResult()).Check(Config.QuickThrowOnFailure.WithMaxTest(cases));
    }

    [Fact]
    public async Task Token_that_a_prompt_took_before_its_exchange_was_sent_leaves_no_exchange_open()
    {
        TokenBatch batch = await _journal.ReserveAsync(Series(1, TokenNamespace.AccountIssued), 1, null, Token);
        await _journal.RequestAsync(batch, Hashes(batch), Token);
        await _journal.HoldAsync(batch.Series, [(batch.Tokens[0].Index, Fake(batch.Series.Id, batch.Tokens[0].Index))], Token);
        TokenExchange? exchange = await _journal.ReserveSuccessorAsync(batch.Series, batch.Tokens[0].Index, Series(1, TokenNamespace.Exchange), null, Token);
        Assert.NotNull(exchange);
        Assert.Single(await _journal.OpenExchangesAsync(Token));

        OpenRequest? request = await _journal.PresentAsync(
            RandomNumberGenerator.GetBytes(16), new TokenWish("issuer.test", "gateway.test", ["plan1"], DateTimeOffset.UnixEpoch, true, new WalletPolicy(new FillOptions(), true)), new ConversationId(new byte[32]),
            PromptOperation.ChatCompletions, new byte[32], "{}"u8.ToArray(), Token);
        Assert.False(await _journal.RequestExchangeAsync(exchange, new byte[32], Token));
        await _journal.SpendAsync(request!, Token);

        Assert.Empty(await _journal.OpenExchangesAsync(Token));
        Assert.Empty(await _journal.ExchangeableAsync(Token));
        Assert.DoesNotContain(await _journal.CountAsync(Token), count => count.State == TokenState.Reserved);
    }

    private async Task<bool> RunAsync(Move[] steps, int number)
    {
        TokenSeries template = Series(number, TokenNamespace.AccountIssued);
        TokenSeries successor = Series(number, TokenNamespace.Exchange);
        var batches = new List<TokenBatch>();
        var open = new List<OpenRequest>();
        var exchanges = new List<TokenExchange>();
        var shown = new Dictionary<TokenPlace, string>();
        long indexes = 0;
        int prompt = 0;
        foreach (Move step in steps)
        {
            switch (step)
            {
                case Move.Reserve:
                    TokenBatch batch = await _journal.ReserveAsync(template, 3, null, Token);
                    indexes = Math.Max(indexes, batch.Tokens.Max(token => token.Index) + 1);
                    batches.Add(batch);
                    break;
                case Move.Request when batches.Count > 0:
                    await ExpectAsync(batches[^1], 1, 2, () => _journal.RequestAsync(batches[^1], Hashes(batches[^1]), Token));
                    break;
                case Move.RequestAgain when batches.Count > 0:
                    // Another message under an index that was requested: refused, always.
                    if ((await StatesAsync(batches[^1])).All(state => state is 2))
                    {
                        await Assert.ThrowsAsync<ClientException>(
                            () => _journal.RequestAsync(batches[^1], [.. batches[^1].Tokens.Select(_ => RandomNumberGenerator.GetBytes(32))], Token));
                    }
                    break;
                case Move.Refuse when batches.Count > 0:
                    await _journal.RefuseAsync(batches[^1], Token);
                    break;
                case Move.Hold when batches.Count > 0:
                    await ExpectAsync(batches[^1], 2, 2, () => _journal.HoldAsync(batches[^1].Series, [.. batches[^1].Tokens.Select(token => (token.Index, Fake(batches[^1].Series.Id, token.Index)))], Token));
                    break;
                case Move.Present:
                    prompt++;
                    var conversation = new ConversationId(SHA256.HashData([(byte)(prompt % 3)]));
                    OpenRequest? presented = await _journal.PresentAsync(
                        RandomNumberGenerator.GetBytes(16), new TokenWish("issuer.test", "gateway.test", [template.Plan], DateTimeOffset.UnixEpoch, true, new WalletPolicy(new FillOptions(), true)), conversation,
                        PromptOperation.ChatCompletions, SHA256.HashData([(byte)prompt]), "{}"u8.ToArray(), Token);
                    if (presented is not null)
                    {
                        var place = new TokenPlace(presented.Series.Id, presented.Index);
                        Assert.Equal(Fake(place.Series, place.Index), presented.Token);
                        Assert.DoesNotContain(open, other => (other.Series.Id, other.Index) == (place.Series, place.Index));
                        // Law 9: what was shown to a conversation is shown to no other.
                        string mine = Convert.ToHexString(conversation.Bytes);
                        if (presented.CameFrom == TokenState.Returned)
                        {
                            Assert.Equal(mine, shown[place]);
                        }
                        else
                        {
                            Assert.DoesNotContain(place, shown.Keys);
                        }
                        shown[place] = mine;
                        open.Add(presented);
                    }
                    break;
                case Move.Spend when open.Count > 0:
                    await _journal.SpendAsync(open[0], Token);
                    await EndsOnceAsync(open);
                    break;
                case Move.Return when open.Count > 0:
                    await _journal.ReturnAsync(open[0], Token);
                    await EndsOnceAsync(open);
                    break;
                case Move.GiveUp when open.Count > 0:
                    await _journal.GiveUpAsync(open[0], Token);
                    await EndsOnceAsync(open);
                    break;
                case Move.TakeBack when open.Count > 0:
                    if (open[0].CameFrom != TokenState.Returned)
                    {
                        shown.Remove(new TokenPlace(open[0].Series.Id, open[0].Index));
                    }
                    await _journal.TakeBackAsync(open[0], Token);
                    await EndsOnceAsync(open);
                    break;
                case Move.ReserveSuccessor:
                    foreach ((TokenSeries from, long index, _) in (await _journal.ExchangeableAsync(Token)).Where(entry => entry.Series.Plan == template.Plan).Take(1))
                    {
                        Assert.NotNull(await _journal.ReserveSuccessorAsync(from, index, successor, null, Token));
                    }
                    break;
                case Move.BeginExchange:
                    // Those that were reserved before and whose token was not used meanwhile, then a new one.
                    foreach (TokenExchange reserved in (await _journal.OpenExchangesAsync(Token)).Where(entry => entry.Series.Plan == template.Plan && exchanges.All(other => other.Successor.Index != entry.Successor.Index)))
                    {
                        if (await _journal.RequestExchangeAsync(reserved, SHA256.HashData(BitConverter.GetBytes(reserved.Successor.Index)), Token))
                        {
                            exchanges.Add(reserved);
                        }
                    }
                    foreach ((TokenSeries from, long index, _) in (await _journal.ExchangeableAsync(Token)).Where(entry => entry.Series.Plan == template.Plan).Take(1))
                    {
                        TokenExchange? exchange = await _journal.ReserveSuccessorAsync(from, index, successor, null, Token);
                        Assert.NotNull(exchange);
                        Assert.Null(await _journal.ReserveSuccessorAsync(from, index, successor, null, Token));
                        if (await _journal.RequestExchangeAsync(exchange, SHA256.HashData(BitConverter.GetBytes(exchange.Successor.Index)), Token))
                        {
                            exchanges.Add(exchange);
                        }
                    }
                    break;
                case Move.CompleteExchange when exchanges.Count > 0:
                    TokenExchange done = exchanges[0];
                    await _journal.CompleteExchangeAsync(done, Fake(done.SuccessorSeries.Id, done.Successor.Index), Token);
                    await Assert.ThrowsAsync<ClientException>(() => _journal.CompleteExchangeAsync(done, Fake(done.SuccessorSeries.Id, done.Successor.Index), Token));
                    exchanges.RemoveAt(0);
                    break;
                case Move.AbandonExchange when exchanges.Count > 0:
                    await _journal.AbandonExchangeAsync(exchanges[0], TokenState.Spent, Token);
                    exchanges.RemoveAt(0);
                    break;
                default:
                    break;
            }
        }

        var counts = (await _journal.CountAsync(Token)).Where(count => count.Series.Plan == template.Plan).ToList();
        Assert.Equal(indexes, counts.Where(count => count.Series.Namespace == TokenNamespace.AccountIssued).Sum(count => count.Count));
        Assert.Equal(open.Count + exchanges.Count, counts.Where(count => count.State == TokenState.Presented).Sum(count => count.Count));
        Assert.Equal(open.Count, (await _journal.OpenRequestsAsync(Token)).Count(request => request.Series.Plan == template.Plan));
        foreach (OpenRequest left in open)
        {
            await _journal.SpendAsync(left, Token);
        }
        await _journal.ExpireAsync(
            new IssuerDirectory { IssuerName = "issuer.test", IssuerRequestUri = "/token-request", TokenKeys = [], Plans = [], Gateways = [], Sequence = 1 }, Token);
        // Only exchanges that were sent, or whose token can still be exchanged, are left open.
        Assert.All(
            (await _journal.OpenExchangesAsync(Token)).Where(entry => entry.Series.Plan == template.Plan),
            entry => Assert.NotEmpty(entry.Token));
        return true;
    }

    private async Task EndsOnceAsync(List<OpenRequest> open)
    {
        await Assert.ThrowsAsync<ClientException>(() => _journal.SpendAsync(open[0], Token));
        Assert.Null(await _journal.BodyAsync(open[0].Id, Token));
        open.RemoveAt(0);
    }

    /// <summary>The step works if all of the batch are in one of the states it leads from, and changes nothing otherwise.</summary>
    private async Task ExpectAsync(TokenBatch batch, int first, int last, Func<Task> step)
    {
        long[] before = await StatesAsync(batch);
        if (before.All(state => state >= first && state <= last))
        {
            await step();
            return;
        }
        await Assert.ThrowsAsync<ClientException>(step);
        Assert.Equal(before, await StatesAsync(batch));
    }

    private Task<long[]> StatesAsync(TokenBatch batch) => _journal.Database.ReadAsync<long[]>(
        session => [.. batch.Tokens.Select(token => session.QueryInt64("SELECT state FROM token WHERE series = $1 AND idx = $2", batch.Series.Id, token.Index)!.Value)], Token);

    private static byte[][] Hashes(TokenBatch batch) => [.. batch.Tokens.Select(token => SHA256.HashData(BitConverter.GetBytes(token.Index)))];

    private static byte[] Fake(long series, long index)
    {
        byte[] token = new byte[Protocol.Token.SizeInBytes];
        token[1] = (byte)TokenType.BlindRsa;
        BitConverter.TryWriteBytes(token.AsSpan(8), series);
        BitConverter.TryWriteBytes(token.AsSpan(16), index);
        return token;
    }

    private static TokenSeries Series(int number, TokenNamespace space) => new()
    {
        Issuer = "issuer.test",
        Type = TokenType.BlindRsa,
        KeyId = SHA256.HashData(BitConverter.GetBytes(number)),
        Extensions = [],
        ChallengeDigest = new byte[32],
        Namespace = space,
        Plan = $"plan{number}",
        Gateway = "gateway.test",
        PublicKey = [],
        Deadline = TimeProvider.System.GetUtcNow().AddDays(20),
        ExchangeUntil = TimeProvider.System.GetUtcNow().AddDays(27),
    };
}
