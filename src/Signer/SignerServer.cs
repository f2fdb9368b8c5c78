using System.Diagnostics.Metrics;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using Tacit.Crypto;
using Tacit.Hosting;
using Tacit.Hosting.KeyProtection;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Signer;

/// <summary>
/// A <see cref="SignerService"/> that issuer and gateway reach from other processes, over a Unix socket or an address, authenticated by a shared key.
/// Its operator's routes, on <c>signer.sock</c> in the data folder: <c>GET /status</c> and <c>POST /keys/rotate</c> (both answer a
/// <see cref="SignerStatus"/>), <c>GET /keys</c> (a list of <see cref="SignerKeyStatus"/>), <c>GET /totals</c> (<see cref="SignerTotals"/>).
/// </summary>
public sealed class SignerServer : IAsyncDisposable
{
    /// <summary>Where the internal calls go; what an <see cref="InternalChannelClient"/> needs beside address and key.</summary>
    public const string InternalPath = "/internal/signer";

    /// <summary>The name of the role, of its management socket and of its section of settings.</summary>
    public const string Role = "signer";

    private readonly SignerService _service;
    private readonly RoleListeners _listeners;
    private SecretBytes? _internalKey;
    private int _disposed;

    private SignerServer(SignerService service, RoleListeners listeners)
    {
        _service = service;
        _listeners = listeners;
    }

    /// <summary>Where it answers, <c>http://localhost/</c> for a Unix socket.</summary>
    public Uri Address => _listeners.Address;

    public SignerService Service => _service;

    /// <exception cref="SettingsException">A setting is wrong.</exception>
    /// <exception cref="KeyProtectionException">The passphrase or key file is missing or wrong.</exception>
    /// <exception cref="StorageException">The database can't be opened.</exception>
    /// <exception cref="ListenException">The address can't be listened on.</exception>
    public static async Task<SignerServer> StartAsync(
        SignerOptions options, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken, IProgress<KeyGenerationProgress>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        SecretReference keyReference = options.InternalKey
            ?? throw new SettingsException(new SettingsProblem(
                nameof(SignerOptions.InternalKey), "the key that issuer and gateway share with the signer is not set",
                "Make one with: openssl rand -base64 32, and point InternalKey of all three to it as env:NAME or file:PATH."));
        var server = new SignerServer(await SignerService.OpenAsync(options, time, loggers, cancellationToken, progress), new RoleListeners(Role, options.Metrics));
        try
        {
            await server.ListenAsync(options, keyReference, time, loggers, cancellationToken);
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Ends the calls under way and stops listening.</summary>
    public Task StopAsync(CancellationToken cancellationToken) => _listeners.StopAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        await _listeners.DisposeAsync();
        await _service.DisposeAsync();
        _internalKey?.Dispose();
    }

    private async Task ListenAsync(
        SignerOptions options, SecretReference keyReference, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        _internalKey = keyReference.Load(nameof(SignerOptions.InternalKey));
        _listeners.Health.AddCheck("keys", () => _service.GetStatus().Fault is null);
        Observe();
        await _listeners.OpenAsync(
            options.DataDirectory, MapManagement,
            new WebServerOptions
            {
                Role = Role,
                Listen = options.Listen ?? ListenAddress.UnixSocket(Path.Combine(options.DataDirectory, SignerOptions.DefaultSocketName)),
                SocketMode = UnixFileMode.UserRead | UnixFileMode.UserWrite
                    | (options.SocketForGroup ? UnixFileMode.GroupRead | UnixFileMode.GroupWrite : UnixFileMode.None),
                MaxRequestBodyBytes = SignerWire.MaxRequestSizeInBytes,
                Tls = options.Tls,
            },
            routes =>
            {
                // For who looks after containers; it tells a stranger that a signer is here, which the port does, too.
                _listeners.Health.Map(routes);
                InternalChannel.Map(
                    routes, InternalPath, _internalKey, SignerWire.MaxRequestSizeInBytes,
                    (request, cancelled) => SignerWire.DispatchAsync(request, _service, cancelled));
            },
            time, loggers, cancellationToken);
    }

    /// <summary>Sums over all plans: a plan that few have would tell when one of them fills a wallet.</summary>
    private void Observe()
    {
        Meter meter = _listeners.Metrics.Meters.Create("Tacit.Signer");
        meter.CreateObservableGauge("tacit.signer.queue", () => _service.Queued, null, "Blinded elements that wait for their signature.");
        meter.CreateObservableGauge("tacit.signer.ready", () => _service.GetStatus().Fault is null ? 1 : 0, null, "1 while every plan has its keys.");
        meter.CreateObservableCounter(
            "tacit.signer.signed",
            () => Enum.GetValues<SigningPurpose>().Select(
                purpose => new Measurement<long>(_service.SignedSinceStart(purpose), new KeyValuePair<string, object?>("purpose", Enum.GetName(purpose)!.ToLowerInvariant()))),
            null, "Blinded elements signed since the start, by purpose.");
    }

    private void MapManagement(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/status", (RequestDelegate)(context => WriteAsync(context, _service.GetStatus(), SignerJson.Default.SignerStatus)));
        routes.MapGet("/keys", (RequestDelegate)(context =>
            WriteAsync(context, _service.GetStatus().Keys, SignerJson.Default.IReadOnlyListSignerKeyStatus)));
        routes.MapGet("/totals", (RequestDelegate)(async context =>
            await WriteAsync(context, await _service.GetTotalsAsync(context.RequestAborted), SignerJson.Default.SignerTotals)));
        routes.MapPost("/keys/rotate", (RequestDelegate)(async context =>
        {
            await _service.RotateAsync(context.RequestAborted);
            await WriteAsync(context, _service.GetStatus(), SignerJson.Default.SignerStatus);
        }));
    }

    private static Task WriteAsync<T>(HttpContext context, T value, JsonTypeInfo<T> type)
    {
        context.Response.ContentType = MediaTypes.Json;
        return JsonSerializer.SerializeAsync(context.Response.Body, value, type, context.RequestAborted);
    }
}
