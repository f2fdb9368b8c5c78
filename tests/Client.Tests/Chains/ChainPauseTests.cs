using Microsoft.AspNetCore.Http;
using Tacit.Client.Tests.Support;
using Tacit.Gateway.Tests.Support;
using Tacit.Protocol;

namespace Tacit.Client.Tests;

/// <summary>A chain whose next link does not come for long, as where a gateway was put back to an old record.</summary>
public sealed class ChainPauseTests : IAsyncLifetime
{
    private const string Exchange = "/v1/exchange";

    private readonly TestFolder _folder = new();
    private readonly FakeTime _time = new(new DateTimeOffset(2026, 3, 10, 12, 0, 0, TimeSpan.Zero));
    private TestOperator _operator = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        Assert.SkipUnless(TestSigner.HasPartiallyBlindKey, "the published vectors, which hold a key of safe primes, are not here");
        _operator = await TestOperator.StartAsync(_time, plans: [TestOperator.Chat, TestOperator.Pro]);
    }

    public async ValueTask DisposeAsync()
    {
        if (_operator is not null)
        {
            await _operator.DisposeAsync();
        }
        _folder.Dispose();
    }

    [Fact]
    public async Task Exchange_that_is_refused_is_put_off_for_longer_each_time_and_tried_at_once_where_a_prompt_waits()
    {
        await using TacitClient client = await _operator.WalletAsync(
            _folder["wallet"], change: options => options with { Redemption = options.Redemption with { ReconnectDelay = TimeSpan.FromSeconds(0.3) } });
        await client.Filler.SubscribeAsync("pro", cancellationToken: Token);
        int asked = 0;
        _operator.GatewayFront.Decide = passing => passing.Path == "/v1/chat/completions" ? Mishap.StripTrailer : Mishap.None;
        _operator.GatewayFront.Impersonate = async (context, passing) =>
        {
            if (passing.Path != Exchange)
            {
                return false;
            }
            Interlocked.Increment(ref asked);
            context.Response.StatusCode = 401;
            context.Response.ContentType = "application/json";
            await context.Response.Body.WriteAsync(ApiError.Create(ErrorCodes.TokenUnknownKey, "No such key.").Encode());
            return true;
        };
        Assert.Equal(200, (await client.Redemption.AnswerAsync(Prompts.Ask("Before."), Token)).Status);

        // Each pause lies between two calls, and no time passes but here: however late a call comes, what has passed is no less than all pauses together.
        const int Calls = 16;
        DateTimeOffset start = _time.GetUtcNow();
        using (var patience = CancellationTokenSource.CreateLinkedTokenSource(Token))
        {
            patience.CancelAfter(TimeSpan.FromMinutes(3));
            while (Volatile.Read(ref asked) < Calls)
            {
                _time.Advance(TimeSpan.FromSeconds(20));
                await Task.Delay(2, patience.Token);
            }
        }
        Assert.True(_time.GetUtcNow() - start >= TimeSpan.FromSeconds(Enumerable.Range(0, Calls - 1).Sum(i => Math.Min(0.3 * Math.Pow(2, i), 3600) / 2)));

        // The clock stands: nothing but the prompt brings the next one.
        _operator.GatewayFront.Impersonate = null;
        _operator.GatewayFront.Decide = _ => Mishap.None;
        Assert.Equal(200, (await client.Redemption.AnswerAsync(Prompts.Ask("After."), Token).WaitAsync(TimeSpan.FromMinutes(3), Token)).Status);
    }
}
