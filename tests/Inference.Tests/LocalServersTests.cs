namespace Tacit.Inference.Tests;

/// <summary>Inference servers that happen to run on this machine.</summary>
public sealed class LocalServersTests
{
    private static CancellationToken Test => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("""{"object":"list","data":[{"id":"/models/tiny.gguf","owned_by":"llamacpp"}]}""", "llama.cpp", HealthKind.LlamaCpp, "/models/tiny.gguf")]
    [InlineData("""{"object":"list","data":[{"id":"Qwen/Qwen3-8B","owned_by":"vllm"}]}""", "vLLM", HealthKind.Vllm, "Qwen/Qwen3-8B")]
    [InlineData("""{"object":"list","data":[{"id":"nomic-embed-text:latest","owned_by":"library"},{"id":"llama3.2:latest","owned_by":"library"}]}""", "Ollama", HealthKind.Ollama, "llama3.2:latest")]
    [InlineData("""{"data":[{"id":"qwen2.5-7b-instruct","owned_by":"organization_owner"}]}""", "LM Studio", HealthKind.Models, "qwen2.5-7b-instruct")]
    [InlineData("""{"data":[{"id":"a"},{"id":"b\"c"},7]}""", "usual", HealthKind.Models, "a")]
    [InlineData("""{"data":[]}""", "usual", HealthKind.Models, null)]
    public async Task Server_is_found_with_its_models_and_told_by_what_it_says(string list, string program, HealthKind health, string? model)
    {
        await using ScriptedProvider server = ScriptedProvider.Start(exchange => exchange.JsonAsync(list));
        LocalServer found = Assert.Single(await FindAsync(server.BaseUrl.Port));
        Assert.Equal((program, server.BaseUrl, health, model), (found.Program, found.BaseUrl, found.Health, found.ChatModel));
        ScriptedRequest request = Assert.Single(server.Requests);
        Assert.Equal("GET /v1/models HTTP/1.1", request.Line);
        Assert.Equal(["Host"], request.Headers.Select(header => header.Key));
    }

    [Theory]
    [InlineData("<html>")]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("""{"data":[{"id":"a","owned_by":"\ud800"}]}""")]
    [InlineData("""{"data":[{"id":"\ud800"}]}""")]
    [InlineData("404")]
    [InlineData("redirect")]
    [InlineData("garbage")]
    [InlineData("nobody")]
    public async Task Whatever_else_listens_there_is_passed_by(string what)
    {
        await using ScriptedProvider other = ScriptedProvider.Start(exchange => what switch
        {
            "404" => exchange.JsonAsync("""{"data":[{"id":"a"}]}""", 404),
            "redirect" => exchange.JsonAsync("{}", 302, "Location: http://192.0.2.1/v1/models\r\n"),
            "garbage" => exchange.SendAsync("SSH-2.0-OpenSSH_9.2\r\n"),
            _ => exchange.JsonAsync(what),
        });
        await using ScriptedProvider server = ScriptedProvider.Start(exchange => exchange.JsonAsync("""{"data":[{"id":"a"}]}"""));
        int port = what == "nobody" ? ScriptedProvider.UnusedAddress().Port : other.BaseUrl.Port;
        // Together with one that answers: the others do not hold it up, nor hide it.
        LocalServer found = Assert.Single(await FindAsync(port, server.BaseUrl.Port));
        Assert.Equal(server.BaseUrl, found.BaseUrl);
    }

    [Fact]
    public async Task Server_that_says_nothing_is_not_waited_for_longer_than_half_a_second()
    {
        var time = new ManualTime();
        await using ScriptedProvider other = ScriptedProvider.Start(exchange => exchange.HangAsync());
        Task<IReadOnlyList<LocalServer>> finding = LocalServers.FindAsync([(other.BaseUrl.Port, "usual", HealthKind.Models)], time, Test);
        while (other.Requests.Count == 0)
        {
            await Task.Delay(2, Test);
        }

        time.Advance(TimeSpan.FromSeconds(0.5));
        Assert.Empty(await finding);
    }

    // Time stands still: a machine that is slow finds them too.
    private static Task<IReadOnlyList<LocalServer>> FindAsync(params int[] ports) =>
        LocalServers.FindAsync([.. ports.Select(port => (port, "usual", HealthKind.Models))], new ManualTime(), Test);
}
