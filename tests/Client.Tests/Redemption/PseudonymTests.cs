using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Client.Tests.Support;
using Tacit.Gateway;
using Tacit.Gateway.Pseudonyms;
using Tacit.Gateway.Tests.Support;
using Tacit.Hosting;
using Tacit.Protocol;

namespace Tacit.Client.Tests;

/// <summary>Wallets at a gateway that asks for a pseudonym: nothing goes there unless the user allows it, and then nothing goes anywhere else.</summary>
public sealed class PseudonymTests : IAsyncLifetime
{
    private readonly TestFolder _folder = new();
    private readonly FakeTime _time = new(new DateTimeOffset(2026, 3, 10, 12, 0, 0, TimeSpan.Zero));
    private TestOperator _operator = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _operator.DisposeAsync();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(PseudonymPolicy.Transient, 1)]
    [InlineData(PseudonymPolicy.Permanent, 1)]
    [InlineData(PseudonymPolicy.Both, 2)]
    public async Task Allowed_prompt_shows_what_the_policy_asks_for_and_says_so_once(PseudonymPolicy policy, int shown)
    {
        await using TacitClient client = await StartAsync(policy);
        await client.Pseudonyms.FetchAsync(Token);
        for (int i = 0; i < 2; i++)
        {
            (int status, _, PromptReply reply) = await client.Redemption.AnswerAsync(Prompts.Ask($"Question {i}."), Token);
            Assert.Equal(200, status);
            Assert.Equal(policy.ToName(), reply.Linkable);
        }
        await client.SettledAsync();

        Passing[] asked = [.. _operator.GatewayFront.SeenAt(Routes.ChatCompletions)];
        Assert.Equal(2, asked.Length);
        Assert.All(asked, one => Assert.Equal(shown, Shown(one).Count));
        Assert.Equal(Header(asked[0]), Header(asked[1]));
        Assert.All(
            _operator.GatewayFront.Seen.Concat(_operator.IssuerFront.Seen).Except(asked),
            other => Assert.DoesNotContain(other.Headers.Keys, name => name.Equals(Routes.PseudonymHeader, StringComparison.OrdinalIgnoreCase)));
        Assert.Equal(shown, client.Notices.Latest.Count(notice => notice.Kind == NoticeKind.RequestsLinkable));
    }

    [Fact]
    public async Task By_default_the_prompt_is_refused_before_anything_is_shown()
    {
        await using TacitClient client = await StartAsync(PseudonymPolicy.Transient, allow: false);
        _operator.GatewayFront.Seen.Clear();
        ClientException refused = await Assert.ThrowsAsync<ClientException>(() => client.Redemption.AnswerAsync(Prompts.Ask("Anyone?"), Token));
        Assert.Equal(ClientError.PseudonymRefused, refused.Error);
        Assert.Contains("AllowPseudonyms", refused.Message, StringComparison.Ordinal);
        Assert.Equal(ClientError.PseudonymRefused, (await Assert.ThrowsAsync<ClientException>(() => client.Pseudonyms.FetchAsync(Token))).Error);
        await client.Refills.RunOnceAsync(Token);
        Assert.Empty(_operator.GatewayFront.Seen);
        Assert.Empty(_operator.IssuerFront.SeenAt(Routes.PseudonymRequest));
        Assert.Equal(5, (await client.HoldingsAsync()).Held);
    }

    [Fact]
    public async Task Prompt_never_fetches_one_and_the_next_look_does()
    {
        await using TacitClient client = await StartAsync(PseudonymPolicy.Both);
        ClientException missing = await Assert.ThrowsAsync<ClientException>(() => client.Redemption.AnswerAsync(Prompts.Ask("Too early."), Token));
        Assert.Equal(ClientError.PseudonymMissing, missing.Error);
        Assert.Empty(_operator.IssuerFront.SeenAt(Routes.PseudonymRequest));
        Assert.Empty(_operator.GatewayFront.SeenAt(Routes.ChatCompletions));

        await client.Refills.RunOnceAsync(Token);
        await client.Refills.RunOnceAsync(Token);
        // Also the one that nobody needs yet: so its issuance says nothing of a theft.
        Assert.Equal(3, _operator.IssuerFront.SeenAt(Routes.PseudonymRequest).Count);
        Assert.Equal(200, (await client.Redemption.AnswerAsync(Prompts.Ask("Now."), Token)).Status);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Lost_answer_is_asked_for_again_with_the_same_element_over_a_restart(bool recoverable)
    {
        TacitClient client = await StartAsync(PseudonymPolicy.Transient, recoverable: recoverable);
        _operator.Signer.Fate = purpose => (true, purpose != SigningPurpose.Pseudonym);
        await Assert.ThrowsAsync<ClientException>(() => client.Pseudonyms.FetchAsync(Token));
        await client.DisposeAsync();
        _operator.Signer.Fate = _ => (true, true);

        await using TacitClient again = await TacitClient.OpenAsync(Options(true), _time, NullLoggerFactory.Instance, Token);
        await again.Pseudonyms.FetchAsync(Token);
        byte[][] requests = [.. _operator.IssuerFront.SeenAt(Routes.PseudonymRequest).Select(one => one.Body)];
        Assert.Equal(3, requests.Length);
        Assert.Equal(2, requests.Select(Convert.ToHexString).Distinct().Count());
        Assert.Equal(200, (await again.Redemption.AnswerAsync(Prompts.Ask("After a restart."), Token)).Status);
    }

    [Fact]
    public async Task Ban_is_an_error_with_its_reason_and_the_token_stays()
    {
        await using TacitClient client = await StartAsync(PseudonymPolicy.Transient);
        await client.Pseudonyms.FetchAsync(Token);
        Assert.Equal(200, (await client.Redemption.AnswerAsync(Prompts.Ask("First."), Token)).Status);
        await BanAsync("automated spam");
        ClientException banned = await Assert.ThrowsAsync<ClientException>(() => client.Redemption.AnswerAsync(Prompts.Ask("Second."), Token));
        Assert.Equal(ClientError.PseudonymBanned, banned.Error);
        Assert.Contains("automated spam", banned.Message, StringComparison.Ordinal);
        Assert.Equal(1, (await client.SettledAsync()).Spent);
    }

    [Fact]
    public async Task Rotated_pseudonym_stands_in_the_stolen_ones_place_with_its_counters_and_over_a_restart()
    {
        TacitClient client = await StartAsync(PseudonymPolicy.Transient);
        await client.Pseudonyms.FetchAsync(Token);
        for (int i = 0; i < 2; i++)
        {
            Assert.Equal(200, (await client.Redemption.AnswerAsync(Prompts.Ask($"Before {i}."), Token)).Status);
        }
        int issued = _operator.IssuerFront.Seen.Count;
        await client.Pseudonyms.RotateAsync(Token);
        Assert.True((await client.Pseudonyms.RotateAsync(Token)).IsInPlace);
        Assert.Single(_operator.GatewayFront.SeenAt(Routes.PseudonymRotate));
        // The issuer learns nothing of it.
        Assert.Equal(issued, _operator.IssuerFront.Seen.Count);
        await client.DisposeAsync();

        await using TacitClient again = await TacitClient.OpenAsync(Options(true), _time, NullLoggerFactory.Instance, Token);
        for (int i = 0; i < 2; i++)
        {
            Assert.Equal(200, (await again.Redemption.AnswerAsync(Prompts.Ask($"After {i}."), Token)).Status);
        }
        (int status, string body, _) = await again.Redemption.AnswerAsync(Prompts.Ask("The fifth of four."), Token);
        Assert.Equal(429, status);
        Assert.Contains(ErrorCodes.PseudonymRateLimited, body, StringComparison.Ordinal);
        string[] shown = [.. _operator.GatewayFront.SeenAt(Routes.ChatCompletions).Select(Header).Distinct()];
        Assert.Equal(2, shown.Length);
    }

    [Fact]
    public async Task Replacement_whose_answer_is_lost_is_asked_for_again_with_the_exchanges()
    {
        TacitClient client = await StartAsync(PseudonymPolicy.Transient);
        await client.Pseudonyms.FetchAsync(Token);
        _operator.GatewayFront.Decide = passing => passing.Path == Routes.PseudonymRotate ? Mishap.LoseReply : Mishap.None;
        Assert.Equal(ClientError.GatewayUnreachable, (await Assert.ThrowsAsync<ClientException>(() => client.Pseudonyms.RotateAsync(Token))).Error);
        await client.DisposeAsync();
        _operator.GatewayFront.Decide = _ => Mishap.None;
        int issued = _operator.IssuerFront.Seen.Count;

        await using TacitClient again = await TacitClient.OpenAsync(Options(true), _time, NullLoggerFactory.Instance, Token);
        await again.Pseudonyms.ResumeRotationAsync(Token);
        await again.Pseudonyms.ResumeRotationAsync(Token);
        Assert.Equal(2, _operator.GatewayFront.SeenAt(Routes.PseudonymRotate).Count);
        Assert.Equal(issued, _operator.IssuerFront.Seen.Count);
        Assert.Equal(200, (await again.Redemption.AnswerAsync(Prompts.Ask("In its place."), Token)).Status);
    }

    [Fact]
    public async Task Nonces_and_elements_of_all_keys_have_nothing_in_common()
    {
        await using TacitClient client = await StartAsync(PseudonymPolicy.Both);
        await client.Pseudonyms.FetchAsync(Token);
        IReadOnlyList<PseudonymRow> rows = await client.Wallet.Journal.PseudonymsAsync("issuer.test", Token);
        Assert.Equal(3, rows.Count);
        List<byte[]> secrets = [];
        foreach (PseudonymRow row in rows)
        {
            Assert.True(Tacit.Protocol.Token.TryParse(client.Wallet.Journal.OpenPseudonym(row), out Tacit.Protocol.Token? token));
            byte[] sealedUnder = client.Wallet.Journal.OpenPseudonymSecrets(row);
            secrets.AddRange([sealedUnder[..32], sealedUnder[32..]]);
            if (row.Kind == PseudonymKind.Transient)
            {
                secrets.Add(token.Nonce.ToArray());
            }
            token.Dispose();
        }
        byte[][] elements = [.. _operator.IssuerFront.SeenAt(Routes.PseudonymRequest).Select(one => one.Body[3..])];
        string[] all = [.. secrets.Concat(elements).Select(Convert.ToHexString)];
        Assert.Equal(7 + 3, all.Distinct().Count());
    }

    [Fact]
    public async Task Next_epochs_pseudonym_is_fetched_ahead_and_shown_from_its_start()
    {
        await using TacitClient client = await StartAsync(PseudonymPolicy.Transient, epoch: PeriodKind.Day);
        await client.Refills.RunOnceAsync(Token);
        string today = (await client.Pseudonyms.HeaderAsync(TestOperator.GatewayName, _time.GetUtcNow(), Token))!;
        _time.Advance(TimeSpan.FromHours(11));
        await _operator.Issuer.RefreshKeysAsync(Token);
        await client.Refills.RunOnceAsync(Token);
        Assert.Equal(4, _operator.IssuerFront.SeenAt(Routes.PseudonymRequest).Count);
        Assert.Equal(today, await client.Pseudonyms.HeaderAsync(TestOperator.GatewayName, _time.GetUtcNow(), Token));
        _time.Advance(TimeSpan.FromHours(1));
        string tomorrow = (await client.Pseudonyms.HeaderAsync(TestOperator.GatewayName, _time.GetUtcNow(), Token))!;
        Assert.NotEqual(today, tomorrow);
        Assert.Equal(4, _operator.IssuerFront.SeenAt(Routes.PseudonymRequest).Count);
        Assert.Equal(2, client.Notices.Latest.Count(notice => notice.Kind == NoticeKind.RequestsLinkable));
        Assert.Null(await client.Pseudonyms.HeaderAsync("other.test", _time.GetUtcNow(), Token));
    }

    [Fact]
    public async Task Repetition_over_the_end_of_an_epoch_shows_no_other_pseudonym_beside_its_token()
    {
        await using TacitClient client = await BeforeMidnightAsync();
        _operator.GatewayFront.Decide = passing => passing.Path == Routes.ChatCompletions ? Mishap.LoseReply : Mishap.None;
        ClientException unanswered = await Assert.ThrowsAsync<ClientException>(() => client.Redemption.AnswerAsync(Prompts.Ask("Over midnight."), Token));
        Assert.Equal(ClientError.GatewayUnreachable, unanswered.Error);
        _operator.GatewayFront.Decide = _ => Mishap.None;

        _time.Advance(TimeSpan.FromSeconds(20));
        ClientException lost = await Assert.ThrowsAsync<ClientException>(() => client.Redemption.AnswerAsync(Prompts.Ask("Over midnight."), Token));

        Assert.Equal("reply_lost", lost.Code);
        Passing[] asked = [.. _operator.GatewayFront.SeenAt(Routes.ChatCompletions)];
        Assert.Equal(2, asked.Length);
        Assert.Single(asked.Select(one => one.Headers["Authorization"]).Distinct());
        Assert.Single(asked.Select(Header).Distinct());
        // Whether it was spent, an exchange tells, which shows no pseudonym.
        PlanHoldings holdings = await client.SettledAsync();
        Assert.Equal((4, 0, 1), (holdings.Held, holdings.Returned, holdings.Unknown));
    }

    [Fact]
    public async Task Token_that_was_returned_in_an_earlier_epoch_is_shown_beside_no_other_pseudonym()
    {
        await using TacitClient client = await BeforeMidnightAsync();
        _operator.GatewayFront.Impersonate = async (context, passing) =>
        {
            if (passing.Path != Routes.ChatCompletions)
            {
                return false;
            }
            context.Response.StatusCode = 502;
            context.Response.Headers[Routes.TokenStateHeader] = Routes.TokenReturned;
            await context.Response.Body.WriteAsync(ApiError.Create(ErrorCodes.ProviderError, "It fails.").Encode());
            return true;
        };
        Assert.Equal(502, (await client.Redemption.AnswerAsync(Prompts.Ask("Over midnight."), Token)).Status);
        Assert.Equal(1, (await client.SettledAsync()).Returned);

        _time.Advance(TimeSpan.FromSeconds(20));
        Assert.Equal(502, (await client.Redemption.AnswerAsync(Prompts.Ask("Over midnight."), Token)).Status);

        Passing[] asked = [.. _operator.GatewayFront.SeenAt(Routes.ChatCompletions)];
        Assert.Equal((2, 2), (asked.Select(Header).Distinct().Count(), asked.Select(one => one.Headers["Authorization"]).Distinct().Count()));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Wallet_that_was_restored_shows_the_same_ones(bool fromSeed)
    {
        string before;
        string seed;
        string account;
        byte[] backup;
        await using (TacitClient client = await StartAsync(PseudonymPolicy.Both, recoverable: fromSeed))
        {
            await client.Pseudonyms.FetchAsync(Token);
            before = (await client.Pseudonyms.HeaderAsync(TestOperator.GatewayName, _time.GetUtcNow(), Token))!;
            (seed, account, backup) = (client.Wallet.RevealSeed(), await client.Account.RevealKeyAsync(Token), await client.Wallet.ExportAsync(Token));
        }
        ClientOptions elsewhere = Options(true, "elsewhere");
        await using TacitClient restored = fromSeed
            ? await TacitClient.CreateAsync(elsewhere, seed, _time, NullLoggerFactory.Instance, Token)
            : await TacitClient.RestoreAsync(elsewhere, backup, _time, NullLoggerFactory.Instance, Token);
        if (fromSeed)
        {
            await restored.Account.ImportAsync(account, Token);
            await restored.Pseudonyms.FetchAsync(Token);
            await restored.Filler.RestoreAsync(Token);
        }
        Assert.Equal(before, await restored.Pseudonyms.HeaderAsync(TestOperator.GatewayName, _time.GetUtcNow(), Token));
        Assert.Equal(200, (await restored.Redemption.AnswerAsync(Prompts.Ask("Back again."), Token)).Status);
    }

    [Fact]
    public async Task Gateway_that_asks_beside_the_directory_gets_none_and_makes_the_wallet_look_once()
    {
        await using TacitClient client = await StartAsync(PseudonymPolicy.None);
        _operator.GatewayFront.Impersonate = async (context, passing) =>
        {
            if (passing.Path != Routes.ChatCompletions)
            {
                return false;
            }
            context.Response.StatusCode = 401;
            context.Response.Headers[Routes.TokenStateHeader] = Routes.TokenUnspent;
            await context.Response.Body.WriteAsync(ApiError.Create(ErrorCodes.PseudonymRequired, "Show one.").Encode());
            return true;
        };
        _time.Advance(TimeSpan.FromSeconds(1));
        int fetched = _operator.IssuerFront.SeenAt(Routes.IssuerDirectory).Count;
        for (int i = 0; i < 2; i++)
        {
            Assert.Equal(401, (await client.Redemption.AnswerAsync(Prompts.Ask($"Question {i}."), Token)).Status);
        }
        Assert.Equal(fetched + 1, _operator.IssuerFront.SeenAt(Routes.IssuerDirectory).Count);
        Assert.Empty(_operator.IssuerFront.SeenAt(Routes.PseudonymRequest));
        Assert.All(
            _operator.GatewayFront.Seen,
            one => Assert.DoesNotContain(one.Headers.Keys, name => name.Equals(Routes.PseudonymHeader, StringComparison.OrdinalIgnoreCase)));
    }

    [Fact]
    public async Task Clock_that_jumps_a_year_and_is_put_right_costs_no_pseudonym()
    {
        var clock = new FakeTime(_time.GetUtcNow());
        await using TacitClient client = await StartAsync(PseudonymPolicy.Transient, recoverable: false, clock: clock);
        await client.Pseudonyms.FetchAsync(Token);
        clock.Jump(TimeSpan.FromDays(365));
        await client.Pseudonyms.FetchAsync(Token);
        clock.Jump(TimeSpan.FromDays(-365));

        // The issuer signs one an account and epoch: with other secrets there would be no second.
        await client.Pseudonyms.FetchAsync(Token);
        Assert.Equal(200, (await client.Redemption.AnswerAsync(Prompts.Ask("Who am I?"), Token)).Status);
    }

    private ClientOptions Options(bool allow, string folder = "wallet")
    {
        ClientOptions options = _operator.OptionsFor(_folder[folder]);
        return options with { Redemption = options.Redemption with { AllowPseudonyms = allow } };
    }

    private async Task<TacitClient> StartAsync(PseudonymPolicy policy, bool allow = true, bool recoverable = true, PeriodKind epoch = PeriodKind.Month, TimeProvider? clock = null)
    {
        _operator = await TestOperator.StartAsync(_time, pseudonyms: new PseudonymOffer { Gateway = TestOperator.GatewayName, Policy = policy, Period = epoch });
        return await _operator.WalletAsync(
            _folder["wallet"], credits: 10, tokens: 5,
            change: _ => Options(allow) with { Wallet = new WalletOptions { DataDirectory = _folder["wallet"], Recoverable = recoverable } }, time: clock);
    }

    /// <summary>A wallet with the pseudonyms of two epochs, ten seconds before the second.</summary>
    private async Task<TacitClient> BeforeMidnightAsync()
    {
        await (await StartAsync(PseudonymPolicy.Transient, epoch: PeriodKind.Day)).DisposeAsync();
        ClientOptions options = Options(true);
        TacitClient client = await TacitClient.OpenAsync(
            // No time passes by itself, and nobody is to think that the caller is gone.
            options with { Redemption = options.Redemption with { MaxReconnects = 0, CancelGrace = TimeSpan.FromMinutes(10) } }, _time, NullLoggerFactory.Instance, Token);
        await client.Refills.RunOnceAsync(Token);
        _time.Advance(TimeSpan.FromHours(11));
        await _operator.Issuer.RefreshKeysAsync(Token);
        await client.Refills.RunOnceAsync(Token);
        _time.Advance(new TimeSpan(0, 59, 50));
        return client;
    }

    private async Task BanAsync(string reason)
    {
        using ManagementClient gateway = new(_operator.GatewayData, GatewayServer.Role);
        PseudonymReport report = await gateway.GetAsync("/pseudonyms", GatewayManagementJson.Default.PseudonymReport, Token);
        await gateway.PostAsync(
            "/pseudonyms/ban", new PseudonymBan(Assert.Single(report.Pseudonyms).Id, reason, null), GatewayManagementJson.Default.PseudonymBan,
            GatewayManagementJson.Default.PseudonymBan, Token);
    }

    private static string Header(Passing passing) =>
        passing.Headers.Single(header => header.Key.Equals(Routes.PseudonymHeader, StringComparison.OrdinalIgnoreCase)).Value;

    private static IReadOnlyList<byte[]> Shown(Passing passing)
    {
        Assert.True(PseudonymHeader.TryParse([Header(passing)], out IReadOnlyList<byte[]>? tokens));
        return tokens;
    }
}
