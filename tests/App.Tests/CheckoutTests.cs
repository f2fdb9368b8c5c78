using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Tacit.Client.Tests.Support;

namespace Tacit.App.Tests;

/// <summary>What an issuer says of prices and payment pages is shown, and opened by a person: nothing of it may do something else.</summary>
public sealed class CheckoutTests : IAsyncLifetime
{
    private TestOperator _system = null!;
    private PageClient _page = null!;

    public async ValueTask InitializeAsync()
    {
        _system = await TestOperator.StartAsync();
        _page = await PageClient.SetUpAsync(_system, credits: 0, tokens: 0);
    }

    public async ValueTask DisposeAsync()
    {
        await _page.DisposeAsync();
        await _system.DisposeAsync();
    }

    [Theory]
    [InlineData("file:///etc/passwd")]
    [InlineData("javascript:alert(1)")]
    [InlineData("vscode://127.0.0.1/open")]
    [InlineData("http://pay.example/")]
    [InlineData("/pay")]
    public async Task Payment_page_is_a_web_page(string url)
    {
        Answer("/account/checkouts", $$"""{"url":"{{url}}","credits":5}""");

        (int status, string word, JsonElement _) = await _page.FailAsync(HttpMethod.Post, "/app/wallet/checkout", """{"offer":"a"}""");

        Assert.Equal((502, "issuer-misbehaved"), (status, word));
    }

    [Theory]
    [InlineData("https://pay.example/1")]
    [InlineData("http://127.0.0.1:1/pay")]
    public async Task Payment_page_of_a_provider_or_of_a_test_is_handed_on(string url)
    {
        Answer("/account/checkouts", $$"""{"url":"{{url}}","credits":5}""");

        Assert.Equal(url, (await _page.PostAsync("/app/wallet/checkout", """{"offer":"a"}""")).GetProperty("url").GetString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("Eu")]
    [InlineData("EURO")]
    [InlineData("E R")]
    public async Task Price_is_in_a_currency(string currency)
    {
        Answer("/account/offers", $$"""{"offers":[{"id":"a","credits":5,"amount":500,"currency":"{{currency}}"}],"providers":["p"]}""");

        (int status, string word, JsonElement _) = await _page.FailAsync(HttpMethod.Get, "/app/wallet/prices");

        Assert.Equal((502, "issuer-misbehaved"), (status, word));
    }

    private void Answer(string path, string json) => _system.IssuerFront.Impersonate = async (context, passing) =>
    {
        if (passing.Path != path)
        {
            return false;
        }
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(json, TestContext.Current.CancellationToken);
        return true;
    };
}
