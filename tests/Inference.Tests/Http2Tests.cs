using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Tacit.Protocol;

namespace Tacit.Inference.Tests;

/// <summary>The same over TLS, where HTTP/2 is agreed on.</summary>
public sealed class Http2Tests
{
    private static CancellationToken Test => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Provider_sees_no_header_beyond_the_list()
    {
        var seen = new TaskCompletionSource<(string Protocol, string[] Headers)>();
        await using WebApplication server = await StartAsync(async context =>
        {
            seen.TrySetResult((context.Request.Protocol, [.. context.Request.Headers.Where(header => header.Key != "Content-Length").Select(header => $"{header.Key}: {header.Value}").Order(StringComparer.Ordinal)]));
            context.Response.ContentType = "text/event-stream";
            await context.Response.WriteAsync("data: {\"id\":1}\n\ndata: [DONE]\n\n");
        });
        await using RouterHarness harness = Harness(server);
        Assert.Equal("data: {\"id\":1}\n\ndata: [DONE]\n\n", await harness.AskAsync(stream: true));
        (string protocol, string[] headers) = await seen.Task;
        Assert.Equal("HTTP/2", protocol);
        Assert.Equal(["Accept: text/event-stream", "Authorization: Bearer " + RouterHarness.Key, "Content-Type: application/json", $"Host: {Address(server).Authority}"], headers);
    }

    [Fact]
    public async Task Reply_that_begins_before_its_request_is_all_sent_waits_for_the_rest()
    {
        var begun = new TaskCompletionSource();
        var go = new TaskCompletionSource();
        var received = new TaskCompletionSource<string>();
        await using WebApplication server = await StartAsync(async context =>
        {
            context.Response.ContentType = "application/json";
            if (context.Request.ContentLength < 1000)
            {
                await context.Response.WriteAsync("{}");
                return;
            }

            await context.Response.WriteAsync("{\"data\":");
            await context.Response.Body.FlushAsync();
            begun.SetResult();
            await go.Task;
            received.SetResult(await new StreamReader(context.Request.Body).ReadToEndAsync());
            await context.Response.WriteAsync("[]}");
        });
        await using RouterHarness harness = Harness(server);
        byte[] body = Encoding.UTF8.GetBytes($$"""{"model":"{{RouterHarness.Model}}","input":"{{new string('x', 4 << 20)}}"}""");
        string sent = Encoding.UTF8.GetString(body);
        Task<ProviderReply> sending = harness.Router.SendAsync(Operation.Embeddings, RouterHarness.Model, false, body, RequestFacts.None, Test);
        await begun.Task;

        // A connection's frames come in order: when another reply is here, so is the head of this one. Most of its request is not sent, for nobody reads it yet.
        Assert.Equal("{}", await harness.AskAsync(Operation.Embeddings));
        await Task.WhenAny(sending, Task.Delay(50, Test));
        Assert.False(sending.IsCompleted);
        go.SetResult();
        await using ProviderReply reply = await sending;

        // The caller's memory is its own again. Had the task ended earlier, this would have reached the provider.
        CryptographicOperations.ZeroMemory(body);
        Assert.Equal("{\"data\":[]}", await RouterHarness.ReadAllAsync(reply));
        Assert.True(sent == await received.Task);
    }

    [Fact]
    public async Task Refusal_before_the_request_is_read_leaves_its_memory_alone()
    {
        await using WebApplication server = await StartAsync(async context =>
        {
            context.Response.StatusCode = 413;
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync("{\"error\":{\"message\":\"too long\"}}");
        });
        await using RouterHarness harness = Harness(server);
        byte[] body = Encoding.UTF8.GetBytes($$"""{"model":"{{RouterHarness.Model}}","input":"{{new string('x', 4 << 20)}}"}""");
        ProviderException failure = await Assert.ThrowsAsync<ProviderException>(() =>
            harness.Router.SendAsync(Operation.Embeddings, RouterHarness.Model, false, body, RequestFacts.None, Test));
        Assert.Equal((ErrorCodes.ProviderRejected, 413), (failure.Error.Code, failure.Error.Status));
    }

    [Fact]
    public async Task Reset_of_one_stream_is_an_interruption_of_that_stream()
    {
        var received = new SemaphoreSlim(0);
        await using WebApplication server = await StartAsync(async context =>
        {
            context.Response.ContentType = "text/event-stream";
            await context.Response.WriteAsync("data: {}\n\n");
            await context.Response.Body.FlushAsync();
            await received.WaitAsync(context.RequestAborted);
            context.Abort();
        });
        await using RouterHarness harness = Harness(server);
        await using ProviderReply reply = await harness.SendAsync(stream: true, cancellationToken: Test);
        using var text = new SensitiveBuffer();
        Assert.True(await reply.ReadAsync(text, Test));
        received.Release();
        ProviderException failure = await Assert.ThrowsAsync<ProviderException>(async () => await reply.ReadAsync(text, Test));
        Assert.Equal(ErrorCodes.ReplyInterrupted, failure.Error.Code);
    }

    [Fact]
    public async Task Certificate_of_another_root_is_unreachable()
    {
        await using WebApplication server = await StartAsync(context => context.Response.WriteAsync("{}"));
        using X509Certificate2 other = Certificate();
        await using var harness = new RouterHarness(new InferenceOptions { Backends = [RouterHarness.Backend(Address(server)) with { TrustedRoot = other }] });
        (ProviderException failure, _) = await harness.FailAsync();
        Assert.Equal((ErrorCodes.ProviderUnreachable, false), (failure.Error.Code, failure.ClientProvoked));
    }

    private static readonly X509Certificate2 s_certificate = Certificate();

    private static RouterHarness Harness(WebApplication server) =>
        new(new InferenceOptions { Backends = [RouterHarness.Backend(Address(server)) with { TrustedRoot = s_certificate }] });

    private static Uri Address(WebApplication server) =>
        new(server.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First() + "/v1");

    private static async Task<WebApplication> StartAsync(RequestDelegate answer)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(s_certificate)));
        WebApplication server = builder.Build();
        server.Run(answer);
        await server.StartAsync(Test);
        return server;
    }

    private static X509Certificate2 Certificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=127.0.0.1", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        using X509Certificate2 certificate = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pfx), null);
    }
}
