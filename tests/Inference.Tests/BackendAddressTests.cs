using System.Net.Sockets;
using Tacit.Protocol;

namespace Tacit.Inference.Tests;

/// <summary>Where a backend may listen.</summary>
public sealed class BackendAddressTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Backend_on_a_Unix_socket_answers_as_any_other(bool stream)
    {
        string folder = Directory.CreateTempSubdirectory("tacit backend ").FullName;
        try
        {
            await using ScriptedProvider provider = ScriptedProvider.StartAt(
                new UnixDomainSocketEndPoint(Path.Combine(folder, "own.sock")),
                exchange => stream ? exchange.EventsAsync("data: {\"id\":1}\n\n") : exchange.JsonAsync("{\"id\":1}"));
            await using var harness = new RouterHarness(new InferenceOptions { Backends = [RouterHarness.Backend(provider.BaseUrl) with { Name = "own" }] });
            Assert.Contains("{\"id\":1}", await harness.AskAsync(stream: stream), StringComparison.Ordinal);
            ScriptedRequest request = Assert.Single(provider.Requests);
            Assert.Equal("POST /v1/chat/completions HTTP/1.1", request.Line);
            Assert.Equal("localhost", request.Header("Host"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task Socket_that_nobody_listens_on_is_unreachable()
    {
        await using var harness = new RouterHarness(new InferenceOptions { Backends = [RouterHarness.Backend(new Uri("unix:/nowhere/at-all.sock")) with { Name = "own" }] });
        (ProviderException failure, _) = await harness.FailAsync();
        Assert.Equal((ErrorCodes.ProviderUnreachable, false), (failure.Error.Code, failure.ClientProvoked));
    }

    [Theory]
    [InlineData("unix:/run/llama.sock", true)]
    [InlineData("unix:///run/llama.sock", true)]
    [InlineData("https://10.0.0.2:8443/v1", true)]
    [InlineData("unix:", false)]
    [InlineData("unix:/", false)]
    [InlineData("unix:llama.sock", false)]
    [InlineData("unix://host/run/llama.sock", false)]
    [InlineData("unix:/run/llama.sock?x", false)]
    [InlineData("/run/llama.sock", false)]
    public void Address_is_a_url_or_a_socket_by_its_whole_path(string address, bool valid) =>
        Assert.Equal(valid, BackendAddress.IsValid(new Uri(address, UriKind.RelativeOrAbsolute)));

    [Theory]
    [InlineData(107, true)]
    [InlineData(108, false)]
    public void Socket_has_a_path_that_the_system_takes(int bytes, bool valid)
    {
        var address = new Uri("unix:/" + new string('x', bytes - 1));
        Assert.Equal(valid, BackendAddress.IsValid(address));
        Assert.Equal(valid, Record.Exception(() => new System.Net.Sockets.UnixDomainSocketEndPoint(address.AbsolutePath)) is null);
    }
}
