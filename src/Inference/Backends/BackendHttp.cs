using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace Tacit.Inference;

/// <summary>
/// The connections to one backend: over a Unix socket, TCP, or TLS with a pinned root and a certificate of our own. Knows nothing of what is asked over them;
/// every kind of backend and its health checks use it. Thread safe.
/// </summary>
internal sealed partial class BackendHttp : IDisposable
{
    /// <summary>How often the certificate files are looked at.</summary>
    internal static readonly TimeSpan CertificateInterval = TimeSpan.FromSeconds(5);

    private readonly BackendOptions _settings;
    private readonly string _at;
    private readonly TimeSpan _connect;
    private readonly ILogger _log;
    private readonly ITimer? _timer;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private HttpMessageInvoker _http;
    private volatile X509Certificate2? _certificate;
    private volatile BackendFault _serverFault;
    private volatile bool _isCertificateAsked;
    private volatile bool _hasAnswered;
    private Stamp _taken;
    private Stamp _refused;

    /// <exception cref="ArgumentException">A certificate file cannot be used; the message names the setting.</exception>
    public BackendHttp(BackendOptions settings, string at, ProviderBudgets budgets, TimeProvider time, ILogger log)
    {
        _settings = settings;
        _at = $"{at}:Tls";
        _connect = budgets.Connect;
        _log = log;
        _time = time;
        Address = new BackendAddress(settings.BaseUrl);
        // HTTP/2 is agreed on by TLS; without TLS it would be a guess.
        Version = Address.IsTls ? HttpVersion.Version20 : HttpVersion.Version11;
        if (settings.Tls is null)
        {
            _http = Connect(null);
            return;
        }

        // The stamp first: what is written between the two reads is then seen as a change.
        _taken = Stamp.Of(settings.Tls);
        _http = Connect(BackendCertificates.Load(settings.Tls, _at));
        _timer = time.CreateTimer(static http => ((BackendHttp)http!).Look(), this, CertificateInterval, CertificateInterval);
    }

    public BackendAddress Address { get; }

    public Version Version { get; }

    public Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) => Volatile.Read(ref _http).SendAsync(request, cancellationToken);

    /// <summary>An answer came, whatever it was: our certificate is believed.</summary>
    public void HasAnswered()
    {
        if (!_hasAnswered)
        {
            _hasAnswered = true;
        }
    }

    /// <summary>What a failure of <see cref="SendAsync"/> comes from.</summary>
    public BackendFault FaultOf(Exception failure)
    {
        for (Exception? e = failure; e is not null; e = e.InnerException)
        {
            switch (e)
            {
                case HttpRequestException { HttpRequestError: HttpRequestError.NameResolutionError }:
                    return BackendFault.NameUnknown;
                case HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError }:
                    return BackendFault.Unreachable;
                case AuthenticationException:
                    return _serverFault is var server and not BackendFault.None ? server : BackendFault.TlsFailed;
            }
        }

        // In TLS 1.3 our side of the handshake is over before the other has seen our certificate. One that it does not want shows only in that the connection ends,
        // with a word (which the framework does not pass on) or without.
        if (Address.IsTls && !_hasAnswered && failure is not HttpRequestException { HttpRequestError: HttpRequestError.InvalidResponse, InnerException: null })
        {
            if (_certificate is { } own)
            {
                return own.NotAfter.ToUniversalTime() < _time.GetUtcNow().UtcDateTime ? BackendFault.ClientCertificateExpired : BackendFault.ClientCertificateRefused;
            }

            if (_isCertificateAsked)
            {
                return BackendFault.ClientCertificateRequired;
            }
        }

        return failure is HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError } ? BackendFault.TlsFailed
            : failure is HttpRequestException { HttpRequestError: HttpRequestError.InvalidResponse or HttpRequestError.ConfigurationLimitExceeded } ? BackendFault.NotAnAnswer
            : BackendFault.ConnectionLost;
    }

    public void Dispose()
    {
        _timer?.Dispose();
        _http.Dispose();
    }

    /// <summary>
    /// Takes changed files up. Looked at rather than watched: renewal tools swap links, which a watch does not see. What does not fit (it is being written) changes
    /// nothing, is told once, and is tried again.
    /// </summary>
    internal void Look()
    {
        if (!_gate.TryEnter())
        {
            return;
        }

        try
        {
            Stamp now = Stamp.Of(_settings.Tls!);
            if (now == _taken)
            {
                return;
            }

            try
            {
                // Those before are left to the collector: requests are under way on them. Idle connections close by themselves.
                Volatile.Write(ref _http, Connect(BackendCertificates.Load(_settings.Tls!, _at)));
                _taken = now;
                LogTaken(_log, _settings.Name);
            }
            catch (ArgumentException e)
            {
                if (now != _refused)
                {
                    _refused = now;
                    LogRefused(_log, _settings.Name, e.Message);
                }
            }
        }
        finally
        {
            _gate.Exit();
        }
    }

    private HttpMessageInvoker Connect(BackendCertificates? certificates)
    {
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            UseCookies = false,
            UseProxy = false,
            // No traceparent: it would tie a caller's trace to the provider's.
            ActivityHeadersPropagator = null,
            ConnectTimeout = _connect,
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            EnableMultipleHttp2Connections = true,
            // A peer that is gone without a word is noticed while replies are waited for.
            KeepAlivePingDelay = TimeSpan.FromSeconds(30),
            KeepAlivePingTimeout = TimeSpan.FromSeconds(15),
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
            MaxResponseHeadersLength = 32,
            // A reply that is given up is not worth reading on for the sake of its connection.
            MaxResponseDrainSize = 16 << 10,
            ResponseDrainTimeout = TimeSpan.FromMilliseconds(250),
        };
        if (Address.SocketPath is { } path)
        {
            var endpoint = new UnixDomainSocketEndPoint(path);
            handler.ConnectCallback = (_, cancellationToken) => ConnectUnixAsync(endpoint, cancellationToken);
        }

        X509Certificate2Collection? roots = certificates?.Roots ?? (_settings.TrustedRoot is { } root ? [root] : null);
        if (roots is not null)
        {
            handler.SslOptions.CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
                // Building the chain must not make this process fetch anything.
                DisableCertificateDownloads = true,
            };
            handler.SslOptions.CertificateChainPolicy.CustomTrustStore.AddRange(roots);
        }

        _hasAnswered = false;
        _certificate = certificates?.Client?.TargetCertificate;
        if (_certificate is null)
        {
            // Asked a second time, it is the server that wants one.
            handler.SslOptions.LocalCertificateSelectionCallback = (_, _, _, remote, _) =>
            {
                _isCertificateAsked |= remote is not null;
                return null!;
            };
        }

        handler.SslOptions.ClientCertificateContext = certificates?.Client;
        handler.SslOptions.RemoteCertificateValidationCallback = (_, _, chain, errors) =>
        {
            _serverFault = FaultOf(errors, chain);
            return errors == SslPolicyErrors.None;
        };
        return new HttpMessageInvoker(handler);
    }

    private static BackendFault FaultOf(SslPolicyErrors errors, X509Chain? chain)
    {
        if (errors == SslPolicyErrors.None)
        {
            return BackendFault.None;
        }

        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateChainErrors) && chain is not null)
        {
            X509ChainStatusFlags status = chain.ChainStatus.Aggregate(X509ChainStatusFlags.NoError, (all, one) => all | one.Status);
            // Untrusted is the worse news: its dates are then anyone's.
            return status == X509ChainStatusFlags.NotTimeValid ? BackendFault.ServerCertificateExpired : BackendFault.ServerCertificateUntrusted;
        }

        return errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch) ? BackendFault.ServerCertificateWrongName : BackendFault.TlsFailed;
    }

    private static async ValueTask<Stream> ConnectUnixAsync(UnixDomainSocketEndPoint endpoint, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(endpoint, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Backend {Backend}: renewed certificates were taken up")]
    private static partial void LogTaken(ILogger log, string backend);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Backend {Backend}: goes on with the certificates it has; the new files cannot be used: {Fault}")]
    private static partial void LogRefused(ILogger log, string backend, string fault);

    /// <summary>Tells one state of the files from another. Of the open files, so that links are followed all the way.</summary>
    private readonly record struct Stamp(DateTime Ca, long CaLength, DateTime Client, long ClientLength)
    {
        public static Stamp Of(BackendTls tls)
        {
            (DateTime ca, long caLength) = OfFile(tls.CaFile);
            (DateTime client, long clientLength) = OfFile(tls.ClientCertificateFile);
            return new Stamp(ca, caLength, client, clientLength);
        }

        private static (DateTime Written, long Length) OfFile(string? path)
        {
            if (path is null)
            {
                return default;
            }

            try
            {
                using SafeFileHandle file = File.OpenHandle(path);
                return (File.GetLastWriteTimeUtc(file), RandomAccess.GetLength(file));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return default;
            }
        }
    }
}
