using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using Tacit.Gateway.Demonstration;
using Tacit.Gateway.Tests.Support;
using Tacit.Hosting;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests;

/// <summary>The page at <c>/demo</c>: only where it is set, with what it needs and no more.</summary>
public sealed partial class DemonstrationTests
{
    private const string Issuer = "https://issuer.test";

    private static readonly Plan s_open = TestGateway.ChatPlan with { Id = "open", Price = Credits.Zero, Open = true, Period = PeriodKind.Day };

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Without_the_setting_there_is_nothing_at_its_paths()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync(AddOpenPlan);
        foreach (string path in (string[])["/demo", "/demo/", "/demo/settings.json", "/demo/icon.svg", "/demo/index.html"])
        {
            using HttpResponseMessage response = await gateway.SendAsync(HttpMethod.Get, path);
            Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        }
    }

    [Fact]
    public async Task Page_and_its_files_come_with_a_policy_that_lets_it_ask_gateway_and_issuer_only()
    {
        await using TestGateway gateway = await StartAsync(new DemonstrationOptions { Plan = "open", Issuer = Issuer + "/some/path" });
        using HttpResponseMessage response = await gateway.SendAsync(HttpMethod.Get, "/demo");
        string page = await response.Content.ReadAsStringAsync(Ct);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        string policy = Assert.Single(response.Headers.GetValues("Content-Security-Policy"));
        Assert.Contains($"connect-src 'self' {Issuer};", policy, StringComparison.Ordinal);
        Assert.Contains("default-src 'none'; script-src 'self'; style-src 'self';", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
        Assert.Equal("nosniff", Assert.Single(response.Headers.GetValues("X-Content-Type-Options")));
        Assert.Equal("no-referrer", Assert.Single(response.Headers.GetValues("Referrer-Policy")));
        Assert.False(response.Headers.Contains("Set-Cookie"));
        if (response.Content.Headers.ContentType?.MediaType != "text/html")
        {
            Assert.Contains("built without", page, StringComparison.Ordinal);
            return;
        }

        // Nothing inline, and every file that it names is there.
        Assert.DoesNotMatch("<script(?! type=\"module\" src=)|<style|style=| on[a-z]+=", page);
        string[] files = [.. FilePattern().Matches(page).Select(match => match.Groups[1].Value)];
        Assert.Equal(3, files.Length);
        foreach (string file in files)
        {
            using HttpResponseMessage answer = await gateway.SendAsync(HttpMethod.Get, file);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.NotEmpty(await answer.Content.ReadAsByteArrayAsync(Ct));
        }
    }

    [Fact]
    public async Task Page_is_told_issuer_plan_and_directory_key()
    {
        await using TestGateway gateway = await StartAsync(new DemonstrationOptions { Plan = "open", Issuer = Issuer });
        using HttpResponseMessage response = await gateway.SendAsync(HttpMethod.Get, "/demo/settings.json");
        JsonElement told = JsonDocument.Parse(await response.Content.ReadAsStringAsync(Ct)).RootElement;

        Assert.Equal(
            new Dictionary<string, string?>
            {
                ["gateway"] = TestIssuer.GatewayName, ["issuer"] = Issuer + "/", ["plan"] = "open", ["directoryKey"] = gateway.Issuer.DirectoryKey,
            },
            told.EnumerateObject().ToDictionary(member => member.Name, member => member.Value.GetString()));
    }

    [Theory]
    [InlineData("chat")]
    [InlineData("absent")]
    public async Task A_plan_that_is_not_open_is_not_shown_to_visitors(string plan)
    {
        await using TestGateway gateway = await StartAsync(new DemonstrationOptions { Plan = plan, Issuer = Issuer });
        using HttpResponseMessage response = await gateway.SendAsync(HttpMethod.Get, "/demo/settings.json");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
    }

    [Fact]
    public async Task Open_plans_come_last_in_challenges_and_lists()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync(AddOpenPlan);
        using HttpResponseMessage models = await gateway.SendAsync(HttpMethod.Get, Routes.Models);
        JsonElement model = JsonDocument.Parse(await models.Content.ReadAsStringAsync(Ct)).RootElement.GetProperty("data")[0];
        Assert.Equal(["chat", "open"], model.GetProperty("plans").EnumerateArray().Select(plan => plan.GetString()!));
    }

    [Theory]
    [InlineData("Not an id", Issuer, "Demo:Plan")]
    [InlineData("open", "ftp://issuer.test", "Demo:Issuer")]
    [InlineData("open", null, "Demo:Issuer")]
    public void Wrong_setting_is_named(string plan, string? issuer, string key)
    {
        var validation = new SettingsValidation();
        new GatewayOptions
        {
            Name = "g", DataDirectory = "d", DirectoryKey = new string('A', 43), Demo = new DemonstrationOptions { Plan = plan, Issuer = issuer },
        }.Validate(validation);
        Assert.Equal([key], Assert.Throws<SettingsException>(validation.ThrowIfAny).Problems.Select(problem => problem.Key));
    }

    private static void AddOpenPlan(TestGateway gateway) => gateway.Issuer.AddPlan(s_open, Period.Containing(PeriodKind.Day, TestGateway.Start));

    private static Task<TestGateway> StartAsync(DemonstrationOptions demo) => TestGateway.CreateAsync(gateway =>
    {
        AddOpenPlan(gateway);
        gateway.Configure = options => options with { Demo = demo };
    });

    [GeneratedRegex("(?:src|href)=\"(/[^\"]+)\"")]
    private static partial Regex FilePattern();
}
