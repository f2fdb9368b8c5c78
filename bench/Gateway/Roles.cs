using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Gateway;
using Tacit.Gateway.Sealing;
using Tacit.Hosting;
using Tacit.Inference;
using Tacit.Protocol;

namespace Tacit.Bench.Gateway;

/// <summary>
/// The processes of the gateway's benchmarks, each pinned to a core by who starts it: <c>role upstream</c>, <c>role passthrough URL [in-turn]</c>,
/// <c>role gateway FOLDER URL</c>. Each says its port and runs until its standard input ends.
/// </summary>
internal static class Roles
{
    internal const string GatewayName = "bench.gateway";

    /// <summary>A file in a gateway's folder with the connection string of the PostgreSQL that it is to use.</summary>
    internal const string Postgres = "postgres";

    /// <summary>A file in a gateway's folder: it has sealing keys, kept under this one.</summary>
    internal const string SealingKey = "sealing.key";

    /// <summary>Beside it: for how many milliseconds sealed streams are gathered.</summary>
    internal const string ReplyInterval = "sealing.interval";

    /// <summary>A pass-through whose sockets wait for their turn as the gateway's do.</summary>
    internal const string InTurn = "in-turn";

    /// <summary>Kept, as its timer would not be by itself.</summary>
    private static SocketEvents? s_sockets;

    internal static async Task<int> RunAsync(string[] words)
    {
        await using IAsyncDisposable role = words switch
        {
            ["upstream"] => Upstream.Start(),
            ["passthrough", string url] => await StartPassThroughAsync(new Uri(url), inTurn: false),
            ["passthrough", string url, InTurn] => await StartPassThroughAsync(new Uri(url), inTurn: true),
            ["gateway", string folder, string url] => await StartGatewayAsync(folder, new Uri(url)),
            _ => throw new ArgumentException("unknown role"),
        };
        await EndOfInputAsync();
        return 0;
    }

    /// <summary>
    /// On a thread of its own: the framework reads standard input on one of the pool, and on one processor the pool begins with one. It would be out of use
    /// whenever the pool finds that fewer do as well.
    /// </summary>
    private static Task EndOfInputAsync()
    {
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        new Thread(() =>
        {
            Console.In.ReadToEnd();
            ended.SetResult();
        }) { IsBackground = true, Name = "end of input" }.Start();
        return ended.Task;
    }

    private static void Say(int port) => Console.WriteLine(port.ToString(CultureInfo.InvariantCulture));

    /// <summary>What anyone would write first: ASP.NET Core in front, HttpClient behind, nothing in between.</summary>
    private static async Task<IAsyncDisposable> StartPassThroughAsync(Uri upstream, bool inTurn)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        WebApplication app = builder.Build();
        var client = new HttpMessageInvoker(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false, ActivityHeadersPropagator = null });
        var target = new Uri(upstream, "/v1/chat/completions");
        app.MapPost("/v1/chat/completions", async context =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, target) { Content = new StreamContent(context.Request.Body) };
            request.Content.Headers.ContentType = new("application/json");
            request.Content.Headers.ContentLength = context.Request.ContentLength;
            using HttpResponseMessage response = await client.SendAsync(request, context.RequestAborted);
            context.Response.StatusCode = (int)response.StatusCode;
            context.Response.ContentType = response.Content.Headers.ContentType?.ToString();
            context.Response.ContentLength = response.Content.Headers.ContentLength;
            await using Stream body = await response.Content.ReadAsStreamAsync(context.RequestAborted);
            byte[] buffer = System.Buffers.ArrayPool<byte>.Shared.Rent(16384);
            int read;
            while ((read = await body.ReadAsync(buffer, context.RequestAborted)) > 0)
            {
                await context.Response.Body.WriteAsync(buffer.AsMemory(0, read), context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
            }

            System.Buffers.ArrayPool<byte>.Shared.Return(buffer);
        });
        await app.StartAsync();
        if (inTurn)
        {
            SocketEvents.TakeInTurn(null, TimeProvider.System);
        }

        Say(new Uri(app.Urls.First()).Port);
        return app;
    }

    private static async Task<IAsyncDisposable> StartGatewayAsync(string folder, Uri upstream)
    {
        var router = new InferenceRouter(
            new InferenceOptions
            {
                Backends = [new BackendOptions { Name = "bench", BaseUrl = new Uri(upstream, "/v1"), Models = new Dictionary<string, string> { ["bench"] = "bench" } }],
            },
            TimeProvider.System,
            NullLoggerFactory.Instance);
        byte[] directory = await File.ReadAllBytesAsync(Path.Combine(folder, "directory.json"));
        GatewayServer server = await GatewayServer.StartAsync(
            new GatewayOptions
            {
                Name = GatewayName,
                Listen = ListenAddress.Loopback(0),
                DirectoryKey = await File.ReadAllTextAsync(Path.Combine(folder, "directory.key")),
                DataDirectory = Path.Combine(folder, "gateway"),
                Database = File.Exists(Path.Combine(folder, Postgres))
                    ? new DatabaseOptions { Postgres = SecretReference.FromFile(Path.Combine(folder, Postgres)) }
                    : new DatabaseOptions(),
                ReplyMemoryBytes = 16L << 30,
                Sealing = File.Exists(Path.Combine(folder, SealingKey))
                    ? new SealingOptions
                    {
                        KeyFile = SecretReference.FromFile(Path.Combine(folder, SealingKey)),
                        SignedBy = SealingSignatory.Gateway,
                        ReplyInterval = TimeSpan.FromMilliseconds(int.Parse(await File.ReadAllTextAsync(Path.Combine(folder, ReplyInterval)), CultureInfo.InvariantCulture)),
                    }
                    : new SealingOptions(),
            },
            _ => ValueTask.FromResult<ReadOnlyMemory<byte>>(directory),
            router,
            new NoSigner(),
            TimeProvider.System,
            NullLoggerFactory.Instance,
            CancellationToken.None);
        s_sockets = SocketEvents.TakeInTurn(() => server.IsFlooded, TimeProvider.System); // as `tacit gateway` does
        Say(server.Address.Port);
        return server;
    }

    private sealed class NoSigner : ISigner
    {
        public ValueTask<IReadOnlyList<SignerKey>> GetKeysAsync(CancellationToken cancellationToken) => throw new SignerUnavailableException("none");

        public ValueTask<SignResponse> SignAsync(SignRequest request, CancellationToken cancellationToken) => throw new SignerUnavailableException("none");
    }
}
