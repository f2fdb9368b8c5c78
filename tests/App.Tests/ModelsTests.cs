using System.Text.Json;
using Tacit.Client.Tests.Support;

namespace Tacit.App.Tests;

/// <summary>What can be asked, and what each way hides, as the page is told.</summary>
public sealed class ModelsTests
{
    [Fact]
    public async Task Models_are_listed_with_plans_prices_and_what_is_held_and_the_gateway_is_not_asked()
    {
        await using TestApp app = await TestApp.StartAsync(tokens: 5);
        ModelsView models = await GetAsync(app, "/app/models", PageJson.Default.ModelsView);

        ModelView model = Assert.Single(models.Models);
        Assert.Equal(TestOperator.Model, model.Id);
        ModelPlan plan = Assert.Single(model.Plans);
        Assert.Equal(
            ("chat", "request", 1, TestOperator.Chat.MaxInputBytes, TestOperator.Chat.MaxOutputTokens, "month", 5),
            (plan.Id, plan.Kind, plan.Price, plan.MaxInputBytes, plan.MaxOutputTokens, plan.Period, plan.Held));
        Assert.Equal((await app.Client.Directory.GetAsync(TestContext.Current.CancellationToken)).Plans[0].LiveKeys[^1].Accounts, plan.Crowd);
        Assert.NotNull(plan.Until);
        Assert.Equal((null, "local", "gateway"), (models.Unavailable, models.Way, models.Serving));
        Assert.Empty(app.System.GatewayFront.SeenAt("/v1/models"));
    }

    [Fact]
    public async Task Issuer_that_cannot_be_reached_before_there_is_a_directory_is_told_in_place_of_models()
    {
        await using TestApp app = await TestApp.StartAsync(
            tokens: 0, credits: 0, change: options => options with { Directory = options.Directory with { Issuer = new Uri("http://127.0.0.1:1") } });

        ModelsView models = await GetAsync(app, "/app/models", PageJson.Default.ModelsView);

        Assert.Empty(models.Models);
        Assert.Contains("127.0.0.1:1", models.Unavailable, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_way_of_carrying_that_can_be_set_is_told_with_who_sees_what()
    {
        await using TestApp app = await TestApp.StartAsync(tokens: 0);

        WaysView ways = await GetAsync(app, "/app/ways", PageJson.Default.WaysView);

        Assert.Equal(
            Enum.GetValues<TransportSetting>().Select(setting => setting.Word()).Append("local").Order(StringComparer.Ordinal), ways.Carrying.Select(way => way.Id).Order(StringComparer.Ordinal));
        Assert.All(ways.Carrying.Concat(ways.Serving), way => Assert.NotEmpty(way.SeenBy));
    }

    [Theory]
    [InlineData(TransportSetting.Tor, false, false)]
    [InlineData(TransportSetting.TorSealed, false, false)]
    [InlineData(TransportSetting.TorOhttp, false, false)]
    [InlineData(TransportSetting.Direct, true, true)]
    [InlineData(TransportSetting.Sealed, true, true)]
    [InlineData(TransportSetting.Ohttp, false, true)]
    public void Address_is_said_to_be_seen_by_those_who_see_it(TransportSetting setting, bool byGateway, bool byIssuer)
    {
        const string Address = "your network address";
        WayView way = Ways.Of(setting);

        Assert.Equal(byGateway, Of("Gateway").Sees.Contains(Address));
        Assert.Equal(!byGateway, Of("Gateway").Hidden.Contains(Address));
        Assert.Equal(byIssuer, Of("Issuer").Sees.Contains(Address));
        Assert.Equal(!byIssuer, Of("Issuer").Hidden.Contains(Address));

        WaySight Of(string who) => way.SeenBy.Single(sight => sight.Who == who);
    }

    [Fact]
    public void Every_way_of_carrying_names_the_issuer_that_sold_the_tokens() =>
        Assert.All(Ways.All.Carrying, way => Assert.Single(way.SeenBy, sight => sight.Who == "Issuer"));

    [Fact]
    public void Nobody_is_said_both_to_see_a_thing_and_not_to() =>
        Assert.All(Ways.All.Carrying.Concat(Ways.All.Serving).SelectMany(way => way.SeenBy), sight => Assert.Empty(sight.Sees.Intersect(sight.Hidden)));

    private static async Task<T> GetAsync<T>(TestApp app, string path, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> form)
    {
        using HttpResponseMessage answer = await app.SendAsync(HttpMethod.Get, path, change: request => request.Headers.Add(PageApi.Header, "1"));
        string body = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, body);
        return JsonSerializer.Deserialize(body, form)!;
    }
}
