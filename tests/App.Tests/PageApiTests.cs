using System.Net;
using System.Text.Json;

namespace Tacit.App.Tests;

/// <summary>What stands before every call of the page's, and how it answers what it does not take.</summary>
public sealed class PageApiTests(PageApiTests.Running running) : IClassFixture<PageApiTests.Running>
{
    private readonly TestApp _app = running.App;

    [Fact]
    public async Task A_call_without_the_page_s_header_gets_nothing()
    {
        using HttpResponseMessage answer = await _app.SendAsync(HttpMethod.Get, "/app/prompts");
        await IsProblemAsync(answer, HttpStatusCode.Forbidden, "page-header-missing");
    }

    [Theory]
    [InlineData("Origin", "https://example.com")]
    [InlineData("Origin", "null")]
    [InlineData("Sec-Fetch-Site", "cross-site")]
    [InlineData("Sec-Fetch-Site", "same-site")]
    [InlineData("Host", "rebound.example")]
    public async Task A_foreign_page_gets_nothing_even_with_the_header(string header, string value)
    {
        using HttpResponseMessage answer = await _app.SendAsync(HttpMethod.Get, "/app/events", change: request =>
        {
            request.Headers.Add(PageApi.Header, "1");
            request.Headers.TryAddWithoutValidation(header, value);
        });
        await IsProblemAsync(answer, HttpStatusCode.Forbidden, "foreign-origin");
        Assert.False(answer.Headers.Contains("Access-Control-Allow-Origin"));
    }

    [Fact]
    public async Task A_preflight_is_not_answered()
    {
        using HttpResponseMessage answer = await _app.SendAsync(HttpMethod.Options, "/app/prompts", change: request =>
        {
            request.Headers.Add("Origin", "https://example.com");
            request.Headers.Add("Access-Control-Request-Method", "GET");
            request.Headers.Add("Access-Control-Request-Headers", "tacit-page");
        });
        Assert.False(answer.IsSuccessStatusCode);
        Assert.False(answer.Headers.Contains("Access-Control-Allow-Origin"));
    }

    [Fact]
    public async Task A_path_that_is_not_there_is_a_problem()
    {
        using HttpResponseMessage answer = await _app.SendAsync(HttpMethod.Get, "/app/nothing", change: request => request.Headers.Add(PageApi.Header, "1"));
        await IsProblemAsync(answer, HttpStatusCode.NotFound, "not-found");
    }

    private static async Task IsProblemAsync(HttpResponseMessage answer, HttpStatusCode status, string word)
    {
        Assert.Equal(status, answer.StatusCode);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
        using JsonDocument problem = JsonDocument.Parse(await answer.Content.ReadAsByteArrayAsync());
        Assert.Equal("urn:tacit:problem:" + word, problem.RootElement.GetProperty("type").GetString());
        Assert.Equal((int)status, problem.RootElement.GetProperty("status").GetInt32());
    }

    /// <summary>One app for all of these: none of them changes it.</summary>
    public sealed class Running : IAsyncLifetime
    {
        public TestApp App { get; private set; } = null!;

        public async ValueTask InitializeAsync() => App = await TestApp.StartAsync();

        public ValueTask DisposeAsync() => App.DisposeAsync();
    }
}
