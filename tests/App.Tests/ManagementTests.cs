using System.Text;
using Microsoft.AspNetCore.Http;
using Tacit.Client;
using Tacit.Client.Tests.Support;
using Tacit.Hosting;

namespace Tacit.App.Tests;

/// <summary>The commands that reach a running app over its socket, and what the app says of itself.</summary>
public sealed class ManagementTests : IAsyncLifetime
{
    private TestApp _app = null!;
    private ManagementClient _socket = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _app = await TestApp.StartAsync(tokens: 0, credits: 0);
        _socket = new ManagementClient(_app.DataDirectory, AppServer.Role);
    }

    public async ValueTask DisposeAsync()
    {
        _socket.Dispose();
        await _app.DisposeAsync();
    }

    [Fact]
    public async Task Account_is_made_filled_and_spent_from_over_the_socket()
    {
        AccountKeyShown created = await _socket.PostAsync("/account/create", AppJson.Default.AccountKeyShown, Token);
        DepositResult deposit = await _socket.PostAsync(
            "/account/deposit", new DepositCommand(await _app.System.VoucherAsync(20)), AppJson.Default.DepositCommand, AppJson.Default.DepositResult, Token);
        FillResult fill = await _socket.PostAsync("/wallet/fill", new FillCommand("chat", 10), AppJson.Default.FillCommand, AppJson.Default.FillResult, Token);
        using HttpResponseMessage answer = await _app.AskAsync("Anything.");
        await answer.Content.ReadAsStringAsync(Token);
        await _app.Client.SettledAsync();
        AppStatus status = await _socket.GetAsync("/status", AppJson.Default.AppStatus, Token);
        AccountSummary account = await _socket.GetAsync("/account", AppJson.Default.AccountSummary, Token);
        DirectorySummary plans = await _socket.GetAsync("/plans", AppJson.Default.DirectorySummary, Token);
        IReadOnlyList<HistoryEntry> history = await _socket.GetAsync("/history", AppJson.Default.IReadOnlyListHistoryEntry, Token);

        Assert.Equal(created.AccountKey, (await _socket.PostAsync("/account/reveal", AppJson.Default.AccountKeyShown, Token)).AccountKey);
        Assert.Equal((20, 20, false), (deposit.Worth, deposit.Credits, deposit.AlreadyDeposited));
        Assert.Equal((10, 0), (fill.Received, fill.Pending));
        Assert.Equal((9, 1), (status.Wallet!.Plans.Single().Held, status.Wallet.Plans.Single().Spent));
        Assert.Equal(_app.Server.Address.GetLeftPart(UriPartial.Authority), status.Address);
        Assert.Equal(10, account.Credits);
        Assert.Equal("chat", plans.Plans.Single().Id);
        Assert.Equal([HistoryKind.Deposited, HistoryKind.Bought, HistoryKind.Spent], history.Select(entry => entry.Kind));
    }

    [Fact]
    public async Task Command_that_fails_says_why()
    {
        ManagementException noAccount = await Assert.ThrowsAsync<ManagementException>(
            () => _socket.PostAsync("/wallet/fill", new FillCommand(null, 10), AppJson.Default.FillCommand, AppJson.Default.FillResult, Token));
        ManagementException badSize = await Assert.ThrowsAsync<ManagementException>(
            () => _socket.PostAsync("/wallet/fill", new FillCommand(null, 11), AppJson.Default.FillCommand, AppJson.Default.FillResult, Token));

        Assert.Equal((409, 409), (noAccount.Status, badSize.Status));
        Assert.Contains("tacit account create", noAccount.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Second_app_on_the_folder_is_told_that_one_runs()
    {
        await Assert.ThrowsAsync<AddressInUseException>(() => _app.StartServerAsync());
    }

    [Fact]
    public async Task Address_that_is_not_this_machines_is_refused()
    {
        Assert.True(ListenAddress.TryParse("0.0.0.0:0", out ListenAddress? everybody));

        SettingsException error = await Assert.ThrowsAsync<SettingsException>(() => AppServer.StartAsync(
            new AppOptions { DataDirectory = _app.DataDirectory, Listen = everybody }, _app.Client, TimeProvider.System,
            Microsoft.Extensions.Logging.Abstractions.NullLoggerFactory.Instance, Token));

        Assert.Equal("Listen", Assert.Single(error.Problems).Key);
    }

    [Fact]
    public async Task Answer_of_a_hostile_gateway_is_no_page_of_this_origin()
    {
        await _app.Client.Account.CreateAsync(Token);
        await _app.Client.Account.DepositAsync(await _app.System.VoucherAsync(10), Token);
        _app.System.GatewayFront.Impersonate = async (context, _) =>
        {
            context.Response.ContentType = "text/html";
            context.Response.Headers.SetCookie = "id=1";
            await context.Response.WriteAsync("<script>alert(1)</script>", Token);
            return true;
        };

        using HttpResponseMessage response = await _app.AskAsync("Be nasty.");

        Assert.Equal("application/json", response.Content.Headers.ContentType?.MediaType);
        Assert.Equal("nosniff", response.Headers.GetValues("X-Content-Type-Options").Single());
        Assert.False(response.Headers.Contains("Set-Cookie"));
    }

    [Fact]
    public async Task Nothing_of_a_prompt_reaches_the_log()
    {
        var log = new ListLog();
        await using TestApp app = await TestApp.StartAsync(loggers: log);
        await app.AskAsync("canary-in-the-prompt", change: request => request.Headers.TryAddWithoutValidation("Authorization", "Bearer canary-key"));
        await app.SendAsync(HttpMethod.Post, "/v1/chat/completions", "{\"canary-in-the-prompt"u8.ToArray());
        app.System.GatewayFront.Decide = _ => Mishap.LoseReply;
        await app.AskAsync("canary-in-the-prompt again", change: request => request.Headers.TryAddWithoutValidation("Tacit-Conversation", "canary-name"));

        Assert.DoesNotContain(log.Lines, line => line.Contains("canary", StringComparison.Ordinal));
    }
}
