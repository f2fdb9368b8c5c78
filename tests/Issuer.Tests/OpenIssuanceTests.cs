using System.Net;
using Tacit.Hosting;
using Tacit.Issuer.Issuance;
using Tacit.Issuer.Tests.Support;
using Tacit.Protocol;
using Tacit.Signer;
using Tacit.Tests;

namespace Tacit.Issuer.Tests;

/// <summary>Tokens that are given to whoever asks: within limits, without a row, and of open plans only.</summary>
public sealed class OpenIssuanceTests
{
    private const string Page = "https://gateway.test";

    private static readonly Plan s_open = TestPlans.Chat with { Id = "open", Price = Credits.Zero, Open = true, Period = PeriodKind.Day };

    [Fact]
    public async Task Open_plan_is_issued_without_an_account_as_often_as_it_is_repeated_and_leaves_no_row()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync([TestPlans.Chat, s_open]);
        List<BlindedToken> tokens = await issuer.BlindAsync(8, s_open);

        Answer batch = await issuer.SendTwiceAsync(HttpMethod.Post, Routes.OpenTokenRequest, null, MediaTypes.GenericBatchRequest, TestIssuer.Batch(tokens));
        Answer single = await issuer.SendTwiceAsync(HttpMethod.Post, Routes.OpenTokenRequest, null, MediaTypes.TokenRequest, tokens[3].Request.Encode());

        IReadOnlyList<BatchTokenResponse?> answers = TestIssuer.ReadBatch(batch);
        Assert.All(tokens.Zip(answers), pair => Assert.True(pair.First.Accepts(pair.Second!.BlindSignature.ToArray())));
        Assert.True(tokens[3].Accepts(single.Body));
        Assert.Equal(0, await issuer.CountIssuedAsync());
        Assert.Equal(0, (await issuer.Server.AuditAsync(TestIssuer.Token)).Accounts);
        Assert.Null((await issuer.DirectoryAsync()).FindPlan("open")!.Keys[0].Accounts);
    }

    [Fact]
    public async Task Only_open_plans_are_given_away_and_only_without_an_account()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync([TestPlans.Chat, s_open]);
        string account = await issuer.CreateAccountAsync(credits: 10);
        List<BlindedToken> sold = await issuer.BlindAsync(1);
        List<BlindedToken> given = await issuer.BlindAsync(1, s_open);

        TestIssuer.AssertProblem(ProblemTypes.PlanNotOpen, await issuer.RequestAsync(null, sold, Routes.OpenTokenRequest));
        TestIssuer.AssertProblem(ProblemTypes.PlanNotOpen, await issuer.RequestAsync(null, [given[0], sold[0]], Routes.OpenTokenRequest));
        TestIssuer.AssertProblem(ProblemTypes.PlanOpen, await issuer.RequestAsync(account, given));
        TestIssuer.AssertProblem(ProblemTypes.CredentialRefused, await issuer.RequestAsync(account, given, Routes.OpenTokenRequest));
        Assert.Equal((10, 0), (await issuer.CreditsAsync(account), await issuer.CountIssuedAsync()));
    }

    [Fact]
    public async Task An_address_and_all_together_get_only_so_many()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync(
            [s_open], change: options => options with { OpenIssuance = new OpenIssuanceOptions { BatchSize = 4, AddressBurst = 10, AddressPerMinute = 60, PerSecond = 100 } });
        List<BlindedToken> tokens = await issuer.BlindAsync(5, s_open);

        // What is refused for what it is takes nothing; neither does what asks for more than is left.
        TestIssuer.AssertProblem(ProblemTypes.RequestTooLarge, await issuer.RequestAsync(null, tokens, Routes.OpenTokenRequest));
        Assert.Equal(200, (await issuer.RequestAsync(null, tokens[..4], Routes.OpenTokenRequest)).Status);
        Assert.Equal(200, (await issuer.RequestAsync(null, tokens[..4], Routes.OpenTokenRequest)).Status);
        Answer refused = await issuer.RequestAsync(null, tokens[..4], Routes.OpenTokenRequest);
        TestIssuer.AssertProblem(ProblemTypes.RateLimited, refused);
        Assert.NotNull(refused.Headers.RetryAfter);
        Assert.Equal(200, (await issuer.RequestAsync(null, tokens[..2], Routes.OpenTokenRequest)).Status);
        TestIssuer.AssertProblem(ProblemTypes.RateLimited, await issuer.RequestAsync(null, tokens[..1], Routes.OpenTokenRequest));

        issuer.Time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(200, (await issuer.RequestAsync(null, tokens[..2], Routes.OpenTokenRequest)).Status);
        TestIssuer.AssertProblem(ProblemTypes.RateLimited, await issuer.RequestAsync(null, tokens[..1], Routes.OpenTokenRequest));
    }

    [Fact]
    public async Task Behind_a_trusted_proxy_each_address_that_it_names_has_its_own_share()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync([s_open], change: options => options with
        {
            OpenIssuance = new OpenIssuanceOptions { BatchSize = 1, AddressBurst = 1, AddressPerMinute = 1, PerSecond = 100 },
            TrustedProxies = ["127.0.0.0/8"],
        });
        BlindedToken token = (await issuer.BlindAsync(1, s_open))[0];
        Assert.Equal([HttpStatusCode.OK, HttpStatusCode.TooManyRequests, HttpStatusCode.OK], [await AskAsync("203.0.113.1"), await AskAsync("203.0.113.1"), await AskAsync("198.51.100.1")]);

        async Task<HttpStatusCode> AskAsync(string address)
        {
            using var http = new HttpMessageInvoker(new SocketsHttpHandler { UseProxy = false, UseCookies = false });
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(issuer.Server.Address, Routes.OpenTokenRequest)) { Content = new ByteArrayContent(token.Request.Encode()) };
            request.Content.Headers.TryAddWithoutValidation("Content-Type", MediaTypes.TokenRequest);
            request.Headers.TryAddWithoutValidation("X-Forwarded-For", address);
            using HttpResponseMessage response = await http.SendAsync(request, TestIssuer.Token);
            return response.StatusCode;
        }
    }

    [Fact]
    public async Task All_addresses_together_get_only_so_many()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync(
            [s_open], change: options => options with { OpenIssuance = new OpenIssuanceOptions { BatchSize = 8, AddressBurst = 1000, AddressPerMinute = 1000, PerSecond = 1 } });
        List<BlindedToken> tokens = await issuer.BlindAsync(8, s_open);
        Assert.Equal(200, (await issuer.RequestAsync(null, tokens, Routes.OpenTokenRequest)).Status);
        TestIssuer.AssertProblem(ProblemTypes.RateLimited, await issuer.RequestAsync(null, tokens, Routes.OpenTokenRequest));
    }

    [Fact]
    public async Task Without_an_open_plan_there_is_no_such_path()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync(change: options => options with { OpenIssuance = new OpenIssuanceOptions { Origins = [Page] } });
        TestIssuer.AssertProblem(ProblemTypes.NotFound, await issuer.RequestAsync(null, await issuer.BlindAsync(1), Routes.OpenTokenRequest));
        Assert.Null((await CallAsync(issuer, HttpMethod.Get, Routes.IssuerDirectory, Page)).Allowed);
    }

    [Fact]
    public async Task Pages_of_listed_origins_read_the_directory_and_ask_for_open_tokens_and_nothing_else()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync(
            [TestPlans.Chat, s_open], change: options => options with { OpenIssuance = new OpenIssuanceOptions { Origins = [Page] } });
        (HttpStatusCode status, string? allowed, string? headers) = await CallAsync(issuer, HttpMethod.Options, Routes.OpenTokenRequest, Page);
        Assert.Equal((HttpStatusCode.NoContent, Page, "content-type"), (status, allowed, headers));
        Assert.Equal(Page, (await CallAsync(issuer, HttpMethod.Get, Routes.IssuerDirectory, Page)).Allowed);
        Assert.Equal(Page, (await CallAsync(issuer, HttpMethod.Post, Routes.OpenTokenRequest, Page)).Allowed);
        Assert.Null((await CallAsync(issuer, HttpMethod.Get, Routes.IssuerDirectory, "https://other.test")).Allowed);
        Assert.Null((await CallAsync(issuer, HttpMethod.Options, Routes.OpenTokenRequest, "https://other.test")).Allowed);

        // What an account's key goes to stays closed to every page: neither the call nor its preflight is allowed.
        foreach (string path in (string[])[Routes.Account, Routes.AccountVouchers, Routes.AccountOffers, Routes.AccountCheckouts, Routes.TokenRequest, Routes.TokenRestore, Routes.PseudonymRequest])
        {
            foreach (HttpMethod method in (HttpMethod[])[HttpMethod.Options, HttpMethod.Get, HttpMethod.Post])
            {
                Assert.Null((await CallAsync(issuer, method, path, Page)).Allowed);
            }
        }
    }

    [Theory]
    [InlineData("https://gateway.test/", 8, 40, "OpenIssuance:Origins")]
    [InlineData(Page, 65, 65, "OpenIssuance:BatchSize")]
    [InlineData(Page, 8, 7, "OpenIssuance:AddressBurst")]
    public void Wrong_setting_is_named(string origin, int batch, int burst, string key)
    {
        var validation = new SettingsValidation();
        new IssuerOptions { OpenIssuance = new OpenIssuanceOptions { Origins = [origin], BatchSize = batch, AddressBurst = burst } }.Validate(validation);
        SettingsException refused = Assert.Throws<SettingsException>(validation.ThrowIfAny);
        Assert.Contains(refused.Problems, problem => problem.Key == key);
    }

    [Fact]
    public void Open_plan_costs_nothing_and_has_keys_of_its_own()
    {
        Assert.Null(s_open.FindFault());
        Assert.NotNull((s_open with { Price = new Credits(1) }).FindFault());
        Assert.NotNull((s_open with { Kind = PlanKind.Subscription }).FindFault());
        Assert.NotNull((s_open with { TokenType = TokenType.PartiallyBlindRsa }).FindFault());
    }

    [Fact]
    public async Task An_account_gets_only_so_many_tokens_of_a_plan_that_costs_nothing()
    {
        Plan free = TestPlans.Chat with { Id = "free", Price = Credits.Zero };
        await using TestIssuer issuer = await TestIssuer.StartAsync([TestPlans.Chat, free]);
        string account = await issuer.CreateAccountAsync(credits: 1);
        List<BlindedToken> tokens = await issuer.BlindAsync(IssuanceBook.MaxFreePerKey, free);
        List<BlindedToken> more = await issuer.BlindAsync(1, free);

        Assert.Equal(200, (await issuer.RequestAsync(account, tokens)).Status);
        TestIssuer.AssertProblem(ProblemTypes.RateLimited, await issuer.RequestAsync(account, more));
        Assert.Equal(IssuanceBook.MaxFreePerKey, await issuer.CountIssuedAsync());

        // What it has is signed again, and what costs something is sold as ever.
        Assert.Equal(200, (await issuer.RequestAsync(account, tokens[..5])).Status);
        Assert.Equal(200, (await issuer.RequestAsync(account, await issuer.BlindAsync(1))).Status);
    }

    private static async Task<(HttpStatusCode Status, string? Allowed, string? Headers)> CallAsync(TestIssuer issuer, HttpMethod method, string path, string origin)
    {
        using var http = new HttpMessageInvoker(new SocketsHttpHandler { UseProxy = false, UseCookies = false });
        using var request = new HttpRequestMessage(method, new Uri(issuer.Server.Address, path));
        request.Headers.TryAddWithoutValidation("Origin", origin);
        request.Headers.TryAddWithoutValidation("Access-Control-Request-Method", "POST");
        using HttpResponseMessage response = await http.SendAsync(request, TestIssuer.Token);
        return (response.StatusCode, Header("Access-Control-Allow-Origin"), Header("Access-Control-Allow-Headers"));

        string? Header(string name) => response.Headers.TryGetValues(name, out IEnumerable<string>? values) ? string.Join(',', values) : null;
    }
}
