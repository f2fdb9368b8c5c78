using System.Text;
using System.Text.Json;
using Tacit.Hosting.Onion;
using Tacit.Issuer.Tests.Support;
using Tacit.Protocol;
using Tacit.Tests;
using Tacit.Tor;

namespace Tacit.Issuer.Tests;

/// <summary>The issuer's own onion service. The tor is a real one, which reaches nobody; the tests come to the socket as tor would.</summary>
public sealed class OnionTests : IDisposable
{
    private readonly OfflineTor _tor = new();

    public void Dispose() => _tor.Dispose();

    [Fact]
    public async Task Directory_lists_the_issuers_onion_service_and_the_same_one_after_a_restart()
    {
        await using TestIssuer issuer = await StartAsync();
        await TestIssuer.WaitForAsync(async () =>
        {
            issuer.Time.Advance(TimeSpan.FromSeconds(20));
            return (await issuer.DirectoryAsync()).Onion is not null;
        });
        string address = (await issuer.DirectoryAsync()).Onion!;
        Assert.Equal(issuer.Server.Onion.Address, address);
        Assert.True(OnionAddress.IsValid(address));

        await issuer.RestartAsync();
        Assert.Equal(address, (await issuer.DirectoryAsync()).Onion);
    }

    [Fact]
    public async Task Same_directory_and_accounts_are_behind_both_addresses()
    {
        await using TestIssuer issuer = await StartAsync();
        using HttpMessageInvoker onion = OfflineTor.ClientOf(issuer.Server.Onion.SocketPath);

        using HttpResponseMessage response = await onion.SendAsync(new HttpRequestMessage(HttpMethod.Get, "http://any.onion" + Routes.IssuerDirectory), TestIssuer.Token);
        Assert.Equal((await issuer.SendAsync(HttpMethod.Get, Routes.IssuerDirectory, null)).Body, await response.Content.ReadAsByteArrayAsync(TestIssuer.Token));
        Assert.False(response.Headers.Contains("Onion-Location"));

        string account = await issuer.CreateAccountAsync(credits: 7);
        using var show = new HttpRequestMessage(HttpMethod.Get, "http://any.onion/account");
        show.Headers.TryAddWithoutValidation("Authorization", "Bearer " + account);
        using HttpResponseMessage shown = await onion.SendAsync(show, TestIssuer.Token);
        Assert.Equal(7, JsonDocument.Parse(await shown.Content.ReadAsStreamAsync(TestIssuer.Token)).RootElement.GetProperty("credits").GetInt64());
    }

    [Fact]
    public async Task Guessing_over_the_onion_service_has_one_limit_that_no_address_shares()
    {
        await using TestIssuer issuer = await StartAsync(options => options with { VoucherFailureBurst = 2, Onion = options.Onion with { Addresses = 3 } });
        string account = await issuer.CreateAccountAsync();
        for (int i = 0; i < 6; i++)
        {
            Assert.Equal(404, await GuessAsync(issuer, account));
        }

        Assert.Equal(429, await GuessAsync(issuer, account));

        TestIssuer.AssertProblem(ProblemTypes.VoucherUnknown, await issuer.RedeemAsync(account, VoucherCode.Create().ToString()));
        issuer.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(404, await GuessAsync(issuer, account));
    }

    [Fact]
    public async Task Service_for_certain_clients_is_in_no_directory()
    {
        await using TestIssuer issuer = await StartAsync(options => options with { Onion = options.Onion with { AuthorizedClients = [new string('B', 51) + "A"] } });
        await TestIssuer.WaitForAsync(() => Task.FromResult(issuer.Server.Onion.Address is not null));
        await issuer.Server.RefreshKeysAsync(TestIssuer.Token);
        Assert.Null((await issuer.DirectoryAsync()).Onion);
    }

    [Fact]
    public async Task Without_a_tor_the_start_is_refused()
    {
        TorException refused = await Assert.ThrowsAsync<TorException>(async () =>
        {
            await using TestIssuer issuer = await StartAsync(options => options with { Tor = options.Tor with { Executable = "/nowhere/tor" } });
        });
        Assert.Equal(TorError.NotFound, refused.Error);
    }

    private static async Task<int> GuessAsync(TestIssuer issuer, string account)
    {
        using HttpMessageInvoker onion = OfflineTor.ClientOf(issuer.Server.Onion.SocketPath);
        using var request = new HttpRequestMessage(HttpMethod.Post, "http://any.onion/account/vouchers")
        {
            Content = new StringContent($$"""{"code":"{{VoucherCode.Create()}}"}""", Encoding.UTF8, "application/json"),
        };
        request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + account);
        request.Headers.TryAddWithoutValidation("X-Forwarded-For", "203.0.113.7");
        using HttpResponseMessage response = await onion.SendAsync(request, TestIssuer.Token);
        return (int)response.StatusCode;
    }

    private Task<TestIssuer> StartAsync(Func<IssuerOptions, IssuerOptions>? change = null) => TestIssuer.StartAsync(change: options =>
    {
        options = options with { Onion = new OnionOptions { Enabled = true }, Tor = _tor.Options };
        return change?.Invoke(options) ?? options;
    });
}
