using System.Globalization;
using System.Text.Json;
using Tacit.App;
using Tacit.Client;
using Tacit.EndToEnd.Support;

namespace Tacit.EndToEnd;

/// <summary>Clients that nobody here wrote, unchanged, against the running parts.</summary>
public sealed class InteroperabilityTests
{
    [Theory]
    [InlineData(0x0002)]
    [InlineData(0xDA7A)]
    public async Task Privacypass_ts_is_challenged_issued_and_redeemed_over_HTTP(int tokenType)
    {
        await using WholeSystem system = await WholeSystem.StartAsync([WholeSystem.Chat, WholeSystem.ChatLarge]);
        await using TacitClient account = await system.ClientAsync("account", credits: 20);

        JsonElement seen = await Node.RunAsync(
            "privacypass.mjs", system.Gateway.Address.ToString(), system.Issuer.Address.ToString(), await account.Account.RevealKeyAsync(),
            WholeSystem.Model, tokenType.ToString(CultureInfo.InvariantCulture));

        Assert.Equal(200, seen.GetProperty("status").GetInt32());
        Assert.True(seen.GetProperty("answered").GetBoolean());
        Assert.True(seen.GetProperty("sameAgain").GetBoolean());
        Assert.Equal(409, seen.GetProperty("otherBody").GetInt32());
        Assert.Equal("token_spent", seen.GetProperty("otherCode").GetString());
    }

    [Fact]
    public async Task OpenAIs_SDK_for_Node_works_unchanged()
    {
        await using WholeSystem system = await WholeSystem.StartAsync();
        await using TacitClient client = await system.ClientAsync("user", credits: 50);
        await client.Filler.FillAsync("chat", 50);
        await using AppServer app = await system.AppAsync("user", client);

        JsonElement seen = await Node.RunAsync("openai.mjs", new Uri(app.Address, "v1").ToString(), WholeSystem.Model);

        Assert.Contains(WholeSystem.Model, seen.GetProperty("models").EnumerateArray().Select(model => model.GetString()));
        foreach (string way in (string[])["plain", "stream", "tools", "responses", "responsesStream", "responsesCompleted", "embeddings"])
        {
            Assert.True(seen.GetProperty(way).GetBoolean(), way);
        }

        Assert.Equal(404, seen.GetProperty("unknownModel").GetProperty("status").GetInt32());
        Assert.Equal("stateful_member_refused", seen.GetProperty("stateful").GetProperty("code").GetString());
        PlanHoldings held = (await client.Wallet.GetStatusAsync()).Plans.Single(plan => plan.Plan == "chat");
        // The refused request showed its token to the gateway without spending it: it waits to be exchanged (law 9).
        Assert.Equal((43, 6, 1), (held.Held, held.Spent, held.Returned));
    }
}
