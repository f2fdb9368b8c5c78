using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Tacit.Issuer.Payments;
using Tacit.Issuer.Tests.Support;
using Tacit.Protocol;
using Tacit.Tests;

namespace Tacit.Issuer.Tests;

public class PaymentTests
{
    private static async Task<(TestIssuer Issuer, ScriptedProvider Provider)> StartAsync(Func<PaymentOptions, PaymentOptions>? change = null)
    {
        ScriptedProvider provider = await ScriptedProvider.StartAsync();
        var secrets = new TestFolder();
        PaymentOptions options = provider.Options(secrets);
        return (await TestIssuer.StartAsync(change: issuer => issuer with { Payments = change?.Invoke(options) ?? options }), provider);
    }

    private static Task<Answer> CheckOutAsync(TestIssuer issuer, string account, string offer = "small", string provider = "stripe") => issuer.SendAsync(
        HttpMethod.Post, Routes.AccountCheckouts, account, "application/json", Encoding.UTF8.GetBytes($$"""{"offer":"{{offer}}","provider":"{{provider}}"}"""));

    private static async Task<(string Account, string Reference)> BeginAsync(TestIssuer issuer, ScriptedProvider provider, string with = "stripe")
    {
        string account = await issuer.CreateAccountAsync();
        Answer answer = await CheckOutAsync(issuer, account, provider: with);
        Assert.Equal(201, answer.Status);
        return (account, provider.LastReference());
    }

    [Fact]
    public async Task A_checkout_tells_the_provider_a_price_and_a_random_reference_and_nothing_of_the_account()
    {
        (TestIssuer issuer, ScriptedProvider provider) = await StartAsync();
        await using var _ = issuer;
        await using var __ = provider;
        string account = await issuer.CreateAccountAsync();
        Answer answer = await CheckOutAsync(issuer, account);

        Assert.Equal(201, answer.Status);
        CheckoutCreated created = JsonSerializer.Deserialize(answer.Body, AccountJson.Default.CheckoutCreated)!;
        Assert.Equal(("https://pay.stripe.test/cs_1", 100), (created.Url.AbsoluteUri, created.Credits));
        ProviderCall call = Assert.Single(provider.Calls);
        Assert.Equal("Bearer sk_test_1", call.Authorization);
        Assert.Equal(provider.LastReference(), call.IdempotencyKey);
        Assert.DoesNotContain(account, call.Body, StringComparison.Ordinal);
        Assert.DoesNotContain(account[..9], call.Body, StringComparison.Ordinal);
        Assert.Contains("unit_amount%5D=500", call.Body, StringComparison.Ordinal);
        Assert.Equal(0, await issuer.CreditsAsync(account));

        Answer offers = await issuer.SendAsync(HttpMethod.Get, Routes.AccountOffers, null);
        CreditOffers list = JsonSerializer.Deserialize(offers.Body, AccountJson.Default.CreditOffers)!;
        Assert.Equal(["stripe", "paddle"], list.Providers);
        Assert.Equal(new CreditOffer("small", 100, 500, "USD"), list.Offers[0]);
    }

    [Theory]
    [InlineData("stripe")]
    [InlineData("paddle")]
    public async Task A_payment_is_credited_once_however_often_and_late_it_is_told(string with)
    {
        (TestIssuer issuer, ScriptedProvider provider) = await StartAsync();
        await using var _ = issuer;
        await using var __ = provider;
        (string account, string reference) = await BeginAsync(issuer, provider, with);
        string body = with == "stripe" ? provider.Completed(reference, "pi_1") : provider.PaddleCompleted(reference, "txn_1");
        Task<int> Deliver() => with == "stripe" ? provider.StripeAsync(issuer, body) : provider.PaddleAsync(issuer, body);

        Assert.All(await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Deliver())), status => Assert.Equal(204, status));
        issuer.Time.Advance(TimeSpan.FromDays(3));
        Assert.Equal(204, await Deliver());
        await issuer.RestartAsync();
        Assert.Equal(204, await Deliver());

        AccountStatement statement = await issuer.StatementAsync(account);
        Assert.Equal(100, statement.Credits);
        Assert.Equal("payment", Assert.Single(statement.History).Kind);
        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task A_forged_altered_or_old_webhook_changes_nothing()
    {
        (TestIssuer issuer, ScriptedProvider provider) = await StartAsync();
        await using var _ = issuer;
        await using var __ = provider;
        (string account, string reference) = await BeginAsync(issuer, provider);
        string body = provider.Completed(reference, "pi_1");
        string now = issuer.Time.GetUtcNow().ToUnixTimeSeconds().ToString(System.Globalization.CultureInfo.InvariantCulture);
        string right = ScriptedProvider.Sign("whsec_test_5b8f0a", now + "." + body);
        string wrong = ScriptedProvider.Sign("whsec_other", now + "." + body);
        string?[] headers =
        [
            null, "", "t=" + now, "v1=" + right, $"t={now},v1={wrong}", $"t={now},v1={right[..62]}", $"t={now},v1={right}00", $"t={now},v0={right}", $"t=,v1={right}",
            $"t={now},t={now},v1={right}", $"t=-{now},v1={right}", $"t={now}0,v1={right}", $"t=9999999999999999999,v1={right}", $"t={now};v1={right}", "garbage",
            $"t={now}," + string.Join(',', Enumerable.Repeat("v1=" + wrong, 5)), new string('t', 5000),
        ];
        foreach (string? header in headers)
        {
            Assert.Equal(400, await provider.DeliverAsync(issuer, "stripe", "Stripe-Signature", header, body));
        }

        Assert.Equal(400, await provider.DeliverAsync(issuer, "stripe", "Stripe-Signature", $"t={now},v1={right}", body + " "));
        Assert.Equal(400, await provider.StripeAsync(issuer, body, age: TimeSpan.FromMinutes(6)));
        Assert.Equal(400, await provider.StripeAsync(issuer, body, age: TimeSpan.FromMinutes(-6)));
        Assert.Equal(400, await provider.PaddleAsync(issuer, body) is 400 or 422 ? 400 : 0);
        Assert.Equal(404, await provider.DeliverAsync(issuer, "other", "Stripe-Signature", $"t={now},v1={right}", body));
        Assert.Equal(0, await issuer.CreditsAsync(account));

        // The right one among several, as while a secret is rolled.
        Assert.Equal(204, await provider.DeliverAsync(issuer, "stripe", "Stripe-Signature", $"t={now},v1={wrong},v1={right}", body));
        Assert.Equal(100, await issuer.CreditsAsync(account));

        // Signed, and yet nothing that can be read.
        foreach (string odd in new[] { "", "[]", "{}", "null", """{"id":"evt","type":"charge.refunded","created":1,"data":{"object":{"payment_intent":"pi_1","amount_refunded":"x"}}}""", body + body })
        {
            Assert.Equal(422, await provider.StripeAsync(issuer, odd));
        }

        Assert.Equal(100, await issuer.CreditsAsync(account));
        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task A_forged_altered_or_old_webhook_in_Paddles_form_changes_nothing()
    {
        (TestIssuer issuer, ScriptedProvider provider) = await StartAsync();
        await using var _ = issuer;
        await using var __ = provider;
        (string account, string reference) = await BeginAsync(issuer, provider, "paddle");
        string body = provider.PaddleCompleted(reference, "txn_1");
        long now = issuer.Time.GetUtcNow().ToUnixTimeSeconds();
        string Header(long time, string secret = "pdl_ntfset_test_91c2", char joint = ':') =>
            string.Create(System.Globalization.CultureInfo.InvariantCulture, $"ts={time};h1={ScriptedProvider.Sign(secret, $"{time}{joint}{body}")}");
        string right = Header(now);
        foreach (string? header in (string?[])[null, Header(now, "pdl_ntfset_other"), Header(now, joint: '.'), Header(now - 360), Header(now + 360), right.Replace(';', ','), right[..^2], right + ";ts=1"])
        {
            Assert.Equal(400, await provider.DeliverAsync(issuer, "paddle", "Paddle-Signature", header, body));
        }

        Assert.Equal(400, await provider.DeliverAsync(issuer, "paddle", "Paddle-Signature", right, body + " "));
        Assert.Equal(400, await provider.DeliverAsync(issuer, "stripe", "Stripe-Signature", right, body));
        Assert.Equal(0, await issuer.CreditsAsync(account));
        Assert.Equal(204, await provider.DeliverAsync(issuer, "paddle", "Paddle-Signature", Header(now, "pdl_ntfset_other") + ";" + right.Split(';')[1], body));
        Assert.Equal(100, await issuer.CreditsAsync(account));
    }

    /// <summary>Or whoever opens some connections could keep all payments from being credited.</summary>
    [Fact]
    public async Task Strangers_that_send_nothing_keep_no_webhook_out()
    {
        (TestIssuer issuer, ScriptedProvider provider) = await StartAsync();
        await using var _ = issuer;
        await using var __ = provider;
        (string account, string reference) = await BeginAsync(issuer, provider);
        byte[] head = Encoding.ASCII.GetBytes(
            "POST /webhooks/stripe HTTP/1.1\r\nHost: issuer.test\r\nContent-Type: application/json\r\nContent-Length: 500000\r\nExpect: 100-continue\r\n\r\n");
        var strangers = new List<Socket>();
        try
        {
            for (int i = 0; i < 100; i++)
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                strangers.Add(socket);
                await socket.ConnectAsync(issuer.Server.Address.Host, issuer.Server.Address.Port, TestIssuer.Token);
                await socket.SendAsync(head, TestIssuer.Token);

                // "100 Continue" comes when the issuer begins to read.
                Assert.True(await socket.ReceiveAsync(new byte[256], TestIssuer.Token) > 0);
            }

            Assert.Equal(204, await provider.StripeAsync(issuer, provider.Completed(reference, "pi_1")));
        }
        finally
        {
            strangers.ForEach(socket => socket.Dispose());
        }

        Assert.Equal(100, await issuer.CreditsAsync(account));
    }

    [Fact]
    public async Task Money_that_no_checkout_asked_for_is_kept_for_the_operator_and_credits_nothing()
    {
        (TestIssuer issuer, ScriptedProvider provider) = await StartAsync();
        await using var _ = issuer;
        await using var __ = provider;
        (string account, string reference) = await BeginAsync(issuer, provider);
        Assert.Equal(204, await provider.StripeAsync(issuer, provider.Completed("AAAAAAAAAAAAAAAAAAAAAA", "pi_unknown")));
        Assert.Equal(204, await provider.StripeAsync(issuer, provider.Completed(reference, "pi_cheap", amount: 1)));
        Assert.Equal(204, await provider.StripeAsync(issuer, provider.Completed(reference, "pi_yen", currency: "jpy")));
        Assert.Equal(204, await provider.StripeAsync(issuer, provider.Completed(reference, "pi_waits", status: "unpaid")));
        Assert.Equal(204, await provider.PaddleAsync(issuer, provider.PaddleCompleted(reference, "txn_other")));
        Assert.Equal(0, await issuer.CreditsAsync(account));

        Assert.Equal(204, await provider.StripeAsync(issuer, provider.Completed(reference, "pi_1")));
        Assert.Equal(204, await provider.StripeAsync(issuer, provider.Completed(reference, "pi_2")));
        Assert.Equal(100, await issuer.CreditsAsync(account));
        PaymentReport report = await issuer.Server.GetPaymentsAsync(TestIssuer.Token);
        Assert.Equal((1, 100, 0), (report.Payments, report.Credits, report.Reversed));
        Assert.Equal(
            ["paddle txn_other unknown reference", "stripe pi_2 paid twice", "stripe pi_cheap other amount", "stripe pi_unknown unknown reference", "stripe pi_yen other amount"],
            report.Strays.Select(stray => $"{stray.Provider} {stray.Payment} {stray.Reason}").Order(StringComparer.Ordinal));
        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task What_goes_back_comes_off_unspent_credit_and_the_rest_is_owed_until_the_next_deposit()
    {
        (TestIssuer issuer, ScriptedProvider provider) = await StartAsync();
        await using var _ = issuer;
        await using var __ = provider;
        (string account, string reference) = await BeginAsync(issuer, provider);
        Assert.Equal(204, await provider.StripeAsync(issuer, provider.Completed(reference, "pi_1")));
        Assert.Equal(204, await provider.StripeAsync(issuer, provider.Refunded("pi_1", 101)));
        Assert.Equal(79, await issuer.CreditsAsync(account));

        // 60 of the 79 become tokens; then everything goes back.
        Answer issued = await issuer.RequestAsync(account, await issuer.BlindAsync(60));
        Assert.Equal(200, issued.Status);
        Assert.Equal(204, await provider.StripeAsync(issuer, provider.Refunded("pi_1", 500)));
        AccountStatement statement = await issuer.StatementAsync(account);
        Assert.Equal((0, 60), (statement.Credits, statement.Owed));
        TestIssuer.AssertProblem(ProblemTypes.InsufficientCredit, await issuer.RequestAsync(account, await issuer.BlindAsync(1)));
        await issuer.AssertSoundBooksAsync();

        await issuer.RedeemAsync(account, await issuer.CreateVoucherAsync(50));
        statement = await issuer.StatementAsync(account);
        Assert.Equal((0, 10), (statement.Credits, statement.Owed));
        await issuer.RedeemAsync(account, await issuer.CreateVoucherAsync(50));
        statement = await issuer.StatementAsync(account);
        Assert.Equal((40, null), (statement.Credits, statement.Owed));
        await issuer.AssertSoundBooksAsync();
    }

    /// <summary>
    /// <c>sum:N</c> is <c>charge.refunded</c>, <c>new:ID:N</c> and <c>failed:ID:N</c> are <c>refund.*</c>, <c>old-failed</c> the one event that older endpoints
    /// are sent. A sum may or may not fall when a refund fails, so both are here.
    /// </summary>
    [Theory]
    [InlineData("sum:500 failed:re_1:500", 100)]
    [InlineData("sum:500 old-failed:re_1:500", 100)]
    [InlineData("new:re_1:500 sum:500 failed:re_1:500", 100)]
    [InlineData("new:re_1:500 failed:re_1:500", 100)]
    [InlineData("new:re_1:500 canceled:re_1:500", 100)]
    [InlineData("new:re_1:500", 0)]
    [InlineData("new:re_1:100 new:re_2:150 sum:100 sum:250 failed:re_1:100", 70)]
    [InlineData("sum:100 sum:250 old-failed:re_1:100", 70)]
    [InlineData("new:re_1:500 sum:500 failed:re_1:500 old-failed:re_1:500 new:re_2:500", 0)]
    [InlineData("new:re_1:200 sum:200 failed:re_1:200 new:re_2:300 sum:300", 40)]
    [InlineData("new:re_1:200 sum:200 failed:re_1:200 new:re_2:300 sum:500", 40)]
    public async Task A_refund_that_fails_gives_back_what_it_took_once_whatever_the_order(string events, long left)
    {
        (TestIssuer issuer, ScriptedProvider provider) = await StartAsync(options => options with { CheckoutBurst = 1000 });
        await using var _ = issuer;
        await using var __ = provider;
        for (int round = 0; round < 4; round++)
        {
            (string account, string reference) = await BeginAsync(issuer, provider);
            string payment = "pi_" + round;
            List<string> bodies = [provider.Completed(reference, payment)];
            foreach (string[] parts in events.Split(' ').Select(item => item.Split(':')))
            {
                long amount = long.Parse(parts[^1], System.Globalization.CultureInfo.InvariantCulture);
                bodies.Add(parts[0] switch
                {
                    "sum" => provider.Refunded(payment, amount),
                    "new" => provider.Refund(payment, parts[1], "refund.created", "succeeded", amount),
                    "failed" => provider.Refund(payment, parts[1], "refund.failed", "failed", amount),
                    "canceled" => provider.Refund(payment, parts[1], "refund.updated", "canceled", amount),
                    _ => provider.Refund(payment, parts[1], "charge.refund.updated", "failed", amount),
                });
            }

            // In the order in which it happened, then backwards, then in any.
            string[] order = round == 0 ? [.. bodies] : round == 1 ? [.. bodies.AsEnumerable().Reverse()] : [.. bodies, .. bodies];
            if (round > 1)
            {
                System.Security.Cryptography.RandomNumberGenerator.Shuffle(order.AsSpan());
            }

            foreach (string body in order)
            {
                Assert.Equal(204, await provider.StripeAsync(issuer, body));
            }

            AccountStatement statement = await issuer.StatementAsync(account);
            Assert.True(statement.Credits == left && statement.Owed is null, $"{statement} after\n{string.Join('\n', order)}");
        }

        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task A_refund_that_fails_forgives_first_what_is_owed()
    {
        (TestIssuer issuer, ScriptedProvider provider) = await StartAsync();
        await using var _ = issuer;
        await using var __ = provider;
        (string account, string reference) = await BeginAsync(issuer, provider);
        Assert.Equal(204, await provider.StripeAsync(issuer, provider.Completed(reference, "pi_1")));
        Assert.Equal(200, (await issuer.RequestAsync(account, await issuer.BlindAsync(60))).Status);
        Assert.Equal(204, await provider.StripeAsync(issuer, provider.Refunded("pi_1", 500)));
        AccountStatement statement = await issuer.StatementAsync(account);
        Assert.Equal((0, 60), (statement.Credits, statement.Owed));

        Assert.Equal(204, await provider.StripeAsync(issuer, provider.Refund("pi_1", "re_1", "refund.failed", "failed", 500)));
        statement = await issuer.StatementAsync(account);
        Assert.Equal((40, null), (statement.Credits, statement.Owed));
        await issuer.AssertSoundBooksAsync();
    }

    [Theory]
    [InlineData("pending_approval rejected", 100)]
    [InlineData("rejected pending_approval", 100)]
    [InlineData("pending_approval approved", 0)]
    [InlineData("approved pending_approval", 0)]
    public async Task A_refund_at_Paddle_counts_only_once_it_is_approved(string statuses, long left)
    {
        (TestIssuer issuer, ScriptedProvider provider) = await StartAsync();
        await using var _ = issuer;
        await using var __ = provider;
        (string account, string reference) = await BeginAsync(issuer, provider, "paddle");
        Assert.Equal(204, await provider.PaddleAsync(issuer, provider.PaddleCompleted(reference, "txn_1")));
        foreach (string status in statuses.Split(' '))
        {
            Assert.Equal(204, await provider.PaddleAsync(issuer, provider.PaddleAdjustment("txn_1", "adj_1", "refund", status, 595)));
        }

        Assert.Equal(left, await issuer.CreditsAsync(account));
        await issuer.AssertSoundBooksAsync();
    }

    [Theory]
    [InlineData("created:needs_response closed:won", 100)]
    [InlineData("closed:won created:needs_response", 100)]
    [InlineData("created:needs_response closed:lost", 0)]
    [InlineData("closed:lost created:needs_response created:needs_response", 0)]
    [InlineData("created:warning_needs_response closed:warning_closed", 100)]
    [InlineData("created:needs_response", 0)]
    public async Task A_dispute_counts_by_its_last_word_whatever_the_order(string events, long left)
    {
        (TestIssuer issuer, ScriptedProvider provider) = await StartAsync();
        await using var _ = issuer;
        await using var __ = provider;
        (string account, string reference) = await BeginAsync(issuer, provider);
        Assert.Equal(204, await provider.StripeAsync(issuer, provider.Completed(reference, "pi_1")));
        foreach (string item in events.Split(' '))
        {
            string[] parts = item.Split(':');
            Assert.Equal(204, await provider.StripeAsync(issuer, provider.Dispute("pi_1", parts[0], parts[1])));
        }

        Assert.Equal(left, await issuer.CreditsAsync(account));
        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task Paddle_adjustments_take_and_give_back_and_a_deleted_account_gets_nothing()
    {
        (TestIssuer issuer, ScriptedProvider provider) = await StartAsync();
        await using var _ = issuer;
        await using var __ = provider;
        (string account, string reference) = await BeginAsync(issuer, provider, "paddle");
        Assert.Equal(204, await provider.PaddleAsync(issuer, provider.PaddleCompleted(reference, "txn_1")));
        Assert.Equal(204, await provider.PaddleAsync(issuer, provider.PaddleAdjustment("txn_1", "adj_1", "refund", "pending_approval", 119, "adjustment.created")));
        Assert.Equal(100, await issuer.CreditsAsync(account));
        Assert.Equal(204, await provider.PaddleAsync(issuer, provider.PaddleAdjustment("txn_1", "adj_1", "refund", "approved", 119)));
        Assert.Equal(80, await issuer.CreditsAsync(account));
        Assert.Equal(204, await provider.PaddleAsync(issuer, provider.PaddleAdjustment("txn_1", "adj_2", "chargeback", "approved", 476)));
        Assert.Equal(0, await issuer.CreditsAsync(account));
        Assert.Equal(204, await provider.PaddleAsync(issuer, provider.PaddleAdjustment("txn_1", "adj_3", "chargeback_reverse", "approved", 476)));
        Assert.Equal(204, await provider.PaddleAsync(issuer, provider.PaddleAdjustment("txn_1", "adj_2", "chargeback", "reversed", 476)));
        Assert.Equal(80, await issuer.CreditsAsync(account));
        Assert.Equal(204, await provider.PaddleAsync(issuer, provider.PaddleAdjustment("txn_1", "adj_4", "credit", "approved", 476)));
        Assert.Equal(80, await issuer.CreditsAsync(account));
        await issuer.AssertSoundBooksAsync();

        Assert.Equal(204, (await issuer.SendAsync(HttpMethod.Delete, "/account", account)).Status);
        Assert.Equal(204, await provider.PaddleAsync(issuer, provider.PaddleAdjustment("txn_1", "adj_5", "refund", "approved", 476)));
        Assert.Equal(204, await provider.PaddleAsync(issuer, provider.PaddleAdjustment("txn_1", "adj_6", "chargeback_reverse", "approved", 595)));
        Assert.Equal(0, await issuer.CreditsAsync(account));
        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task Any_order_and_repetition_of_the_same_webhooks_ends_in_the_same_books()
    {
        (TestIssuer issuer, ScriptedProvider provider) = await StartAsync(options => options with { CheckoutBurst = 1000 });
        await using var _ = issuer;
        await using var __ = provider;
        for (int seed = 0; seed < (Environment.GetEnvironmentVariable("TACIT_SOAK") == "1" ? 200 : 12); seed++)
        {
            (string account, string reference) = await BeginAsync(issuer, provider);
            string payment = "pi_" + seed;
            List<string> events =
            [
                provider.Completed(reference, payment),
                provider.StripeEvent("checkout.session.expired", $$"""{"id":"cs_1","metadata":{"tacit_reference":"{{reference}}"} }"""),
                provider.Refunded(payment, 100),
                provider.Refunded(payment, 250),
                provider.Dispute(payment, "created", "needs_response", 10),
                provider.Dispute(payment, "updated", "under_review", 20),
                provider.Dispute(payment, "closed", "won", 30),
                provider.StripeEvent("customer.created", "{}"),
            ];
            events.AddRange(events.ToArray());
            string[] shuffled = [.. events];
            System.Security.Cryptography.RandomNumberGenerator.Shuffle(shuffled.AsSpan());
            foreach (string item in shuffled)
            {
                Assert.Equal(204, await provider.StripeAsync(issuer, item));
            }

            AccountStatement statement = await issuer.StatementAsync(account);
            Assert.True(statement is { Credits: 50, Owed: null }, $"{statement} after\n{string.Join('\n', shuffled)}");
        }

        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task A_checkout_that_cannot_be_made_says_why()
    {
        (TestIssuer issuer, ScriptedProvider provider) = await StartAsync(options => options with { CheckoutBurst = 8 });
        await using var _ = issuer;
        await using var __ = provider;
        string account = await issuer.CreateAccountAsync();
        TestIssuer.AssertProblem(ProblemTypes.AccountKeyRequired, await issuer.SendAsync(HttpMethod.Post, Routes.AccountCheckouts, null, "application/json", "{}"u8.ToArray()));
        TestIssuer.AssertProblem(ProblemTypes.UnsupportedMediaType, await issuer.SendAsync(HttpMethod.Post, Routes.AccountCheckouts, account, "text/plain", "{}"u8.ToArray()));
        TestIssuer.AssertProblem(ProblemTypes.RequestMalformed, await issuer.SendAsync(HttpMethod.Post, Routes.AccountCheckouts, account, "application/json", "{}"u8.ToArray()));
        TestIssuer.AssertProblem(ProblemTypes.OfferUnknown, await CheckOutAsync(issuer, account, "huge"));
        provider.FailWith = 401;
        TestIssuer.AssertProblem(ProblemTypes.PaymentProviderUnavailable, await CheckOutAsync(issuer, account));
        await provider.DisposeAsync();
        TestIssuer.AssertProblem(ProblemTypes.PaymentProviderUnavailable, await CheckOutAsync(issuer, account));
        Answer[] more = [.. await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => CheckOutAsync(issuer, account)))];
        Assert.Contains(more, answer => answer.Status == 429);
        TestIssuer.AssertProblem(ProblemTypes.RateLimited, await CheckOutAsync(issuer, account));

        await using TestIssuer off = await TestIssuer.StartAsync();
        TestIssuer.AssertProblem(ProblemTypes.PaymentsOff, await CheckOutAsync(off, await off.CreateAccountAsync()));
    }
}
