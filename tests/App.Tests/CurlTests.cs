using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Tacit.Client;
using Tacit.Client.Tests.Support;

namespace Tacit.App.Tests;

/// <summary>curl, as somebody types it, against the app's base URL.</summary>
public sealed class CurlTests
{
    private const string Json = "Content-Type: application/json";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Curl_is_answered_whole_and_in_pieces_and_told_what_it_did_wrong()
    {
        await using TestApp app = await TestApp.StartAsync();
        string chat = app.BaseUrl + "/chat/completions";

        using (JsonDocument models = JsonDocument.Parse(await CurlAsync(app.BaseUrl + "/models")))
        {
            Assert.Contains(TestOperator.Model, models.RootElement.GetProperty("data").EnumerateArray().Select(model => model.GetProperty("id").GetString()));
        }

        using (JsonDocument whole = JsonDocument.Parse(await CurlAsync(chat, "-H", Json, "-H", "Authorization: Bearer whatever", "-d", Text(stream: false))))
        {
            Assert.NotEmpty(whole.RootElement.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!);
        }

        string[] events = (await CurlAsync(chat, "-N", "-H", Json, "-d", Text(stream: true))).Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.True(events.Length > 2);
        Assert.All(events, one => Assert.StartsWith("data: ", one, StringComparison.Ordinal));
        Assert.Equal("data: [DONE]", events[^1]);

        // Without the header curl sends a form.
        using (JsonDocument form = JsonDocument.Parse(await CurlAsync(chat, "-d", Text(stream: false))))
        {
            Assert.Contains("application/json", form.RootElement.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
        }

        PlanHoldings held = await app.Client.SettledAsync();
        Assert.Equal((8, 2), (held.Held, held.Spent));
    }

    private static string Text(bool stream) => Encoding.UTF8.GetString(Prompts.Chat("Who is asking?", stream));

    private static async Task<string> CurlAsync(string address, params string[] arguments)
    {
        var start = new ProcessStartInfo("curl", ["-sS", "--noproxy", "*", "--max-time", "120", address, .. arguments])
        {
            RedirectStandardOutput = true, RedirectStandardError = true, StandardOutputEncoding = Encoding.UTF8,
        };
        Process curl;
        try
        {
            curl = Process.Start(start)!;
        }
        catch (Win32Exception)
        {
            Assert.Skip("There is no curl on this machine.");
            throw;
        }

        using (curl)
        {
            Task<string> errors = curl.StandardError.ReadToEndAsync(Token);
            string output = await curl.StandardOutput.ReadToEndAsync(Token);
            await curl.WaitForExitAsync(Token);
            Assert.True(curl.ExitCode == 0, await errors);
            return output;
        }
    }
}
