using System.Diagnostics.Metrics;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using Tacit.Hosting.KeyProtection;
using Tacit.Hosting.Metrics;

namespace Tacit.Hosting.Onion;

/// <summary>
/// A role's side of its onion service: the Unix socket that tor passes connections on to, the service's key, and what is told of it to clients and operator. What runs
/// tor reports here and is not known here. Thread safe.
/// </summary>
public sealed partial class OnionDoor : IDisposable
{
    private readonly OnionOptions _options;
    private readonly string _role;
    private readonly string _keyPath;
    private readonly (KeyProtectionKind Kind, SecretReference Secret, string Setting)? _secret;
    private readonly ILogger _log;
    private readonly Lock _gate = new();
    private readonly bool _isOpenToAll;
    private OnionKey? _key;
    private OnionState? _state;
    private volatile string? _location;

    private OnionDoor(OnionOptions options, string role, string dataFolder, (KeyProtectionKind Kind, SecretReference Secret, string Setting)? secret, ILogger log)
    {
        _options = options;
        _role = role;
        _secret = secret;
        _log = log;
        _isOpenToAll = options.AuthorizedClients.Count == 0;
        _keyPath = KeyPathFor(dataFolder, role);
        SocketPath = Path.Combine(dataFolder, role + "-onion.sock");
    }

    /// <summary>Where a role's tor keeps what it keeps: roles and the app may share a data folder, and no two tors a folder.</summary>
    public static string TorFolderFor(string dataFolder, string role) => Path.Combine(dataFolder, role + "-tor");

    /// <summary>The file with the service's encrypted key.</summary>
    public static string KeyPathFor(string dataFolder, string role) => Path.Combine(dataFolder, role + "-onion.key");

    /// <summary>The address of a role that may not run, by its key file; null if it never had an onion service.</summary>
    public static string? FindAddress(string dataFolder, string role) => OnionKeyFile.ReadAddress(KeyPathFor(dataFolder, role));

    /// <summary>Copies the key's file, as it is, beside a copy of the role's database.</summary>
    /// <param name="backup">The copy of the database.</param>
    /// <returns>Where it is now; null if the role never had an onion service.</returns>
    /// <exception cref="IOException">It cannot be written, or something is there already.</exception>
    public static string? CopyKey(string dataFolder, string role, string backup)
    {
        string path = KeyPathFor(dataFolder, role);
        string copy = backup + OnionKeyFile.BackupSuffix;
        if (!File.Exists(path))
        {
            return null;
        }

        File.Copy(path, copy, overwrite: false);
        return copy;
    }

    /// <summary>Puts back what <see cref="CopyKey"/> wrote beside a copy. A key that is there already and is another one is kept beside it, with <c>.old</c> behind its name.</summary>
    /// <returns>Whether there was one.</returns>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static bool PutBackKey(string dataFolder, string role, string backup)
    {
        string copy = backup + OnionKeyFile.BackupSuffix;
        string path = KeyPathFor(dataFolder, role);
        if (OnionKeyFile.ReadAddress(copy) is not { } address)
        {
            return false;
        }

        if (File.Exists(path) && OnionKeyFile.ReadAddress(path) != address)
        {
            File.Move(path, path + ".old", overwrite: true);
        }

        File.Copy(copy, path, overwrite: true);
        return true;
    }

    /// <summary>Loads the service's key, if it was ever made.</summary>
    /// <param name="options">The settings; nothing is loaded unless they are on.</param>
    /// <param name="role">Whose.</param>
    /// <param name="dataFolder">Must exist (<see cref="DataFolder.Create"/>).</param>
    /// <param name="secret">What the role's other keys are encrypted under; null if it has none.</param>
    /// <param name="loggers">The role's log.</param>
    /// <exception cref="KeyProtectionException">The key cannot be opened.</exception>
    /// <exception cref="SettingsException">The secret cannot be read.</exception>
    public static OnionDoor Open(
        OnionOptions options, string role, string dataFolder, (KeyProtectionKind Kind, SecretReference Secret, string Setting)? secret, ILoggerFactory loggers)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(dataFolder);
        var door = new OnionDoor(options, role, dataFolder, secret, loggers.CreateLogger("Tacit.Hosting.Onion"));
        if (options.Enabled)
        {
            (KeyProtectionKind kind, SecretReference reference, string setting) = options.SecretOr(secret);
            using SecretBytes bytes = reference.Load(setting);
            door._key = OnionKeyFile.Load(door._keyPath, kind, bytes.Span);
            door._state = new OnionState();
        }

        return door;
    }

    public bool IsEnabled => _options.Enabled;

    /// <summary>Where the role takes the service's connections.</summary>
    public string SocketPath { get; }

    /// <summary>The same, as tor is told.</summary>
    public string Target => "unix:" + SocketPath;

    /// <summary>The service's key; empty before the first was made.</summary>
    public ReadOnlyMemory<byte> PrivateKey => _key?.PrivateKey;

    /// <summary>
    /// The address to tell everybody: once there is a key, whether or not tor is up at the moment, so that what is published of the role does not come and go with it. Null
    /// where only certain clients may find the service.
    /// </summary>
    public string? Announced => _isOpenToAll ? _key?.Address : null;

    /// <summary>The service's address; null before the first key was made.</summary>
    public string? Address => _key?.Address;

    /// <summary>Whether clients can find the service now.</summary>
    public bool IsPublished => _state?.IsPublished == true;

    /// <summary>As how many addresses the service's clients count together.</summary>
    public int Addresses => _options.Addresses;

    /// <summary>The address for <c>Onion-Location</c>; null while the service is not published, and where it is not for all.</summary>
    internal string? Location => _location;

    /// <summary>Keeps the key of a service that was just made; of one that is known already does nothing. To be called before anybody is told of it.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void Keep(string address, ReadOnlySpan<byte> privateKey)
    {
        if (_key?.Address == address)
        {
            return;
        }

        var key = new OnionKey(address, privateKey.ToArray());
        (KeyProtectionKind kind, SecretReference reference, string setting) = _options.SecretOr(_secret);
        using SecretBytes bytes = reference.Load(setting);
        OnionKeyFile.Save(_keyPath, key, kind, bytes.Span);
        _key = key;
        LogMade(_log, _role, address, _keyPath);
    }

    /// <summary>Takes note of how the service stands. What has changed is logged once.</summary>
    public void Report(OnionState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        OnionState? before;
        lock (_gate)
        {
            before = _state;
            _state = state;
            _location = state.IsPublished && _isOpenToAll ? _key?.Address : null;
        }

        if (state.IsPublished && before?.IsPublished != true)
        {
            LogPublished(_log, _role, _key?.Address ?? "");
        }
        else if (!state.IsPublished && before?.IsPublished == true)
        {
            LogLost(_log, _role, state.Fault ?? state.Tor);
        }
        else if (state.Fault is not null && state.Fault != before?.Fault)
        {
            LogFault(_log, _role, state.Fault);
        }
    }

    /// <summary>The operator's <c>GET /onion</c>.</summary>
    public void Map(IEndpointRouteBuilder routes) => routes.MapGet("/onion", (RequestDelegate)(context => context.Response.WriteAsJsonAsync(
        new OnionReport(_options.Enabled, _key?.Address, _options.AuthorizedClients.Count, _state), OnionJson.Default.OnionReport, cancellationToken: context.RequestAborted)));

    /// <summary>The gauge, and the check on readiness where the settings ask for it.</summary>
    public void Observe(RoleMetrics metrics, Health health)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        ArgumentNullException.ThrowIfNull(health);
        if (!_options.Enabled)
        {
            return;
        }

        metrics.Meters.Create("Tacit.Onion").CreateObservableGauge("tacit.onion.up", () => IsPublished ? 1 : 0, null, "1 while clients can find the onion service.");
        if (_options.Required)
        {
            health.AddCheck("onion service", () => IsPublished);
        }
    }

    public void Dispose()
    {
        if (_key is not null)
        {
            CryptographicOperations.ZeroMemory(_key.PrivateKey);
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "The {Role} has a new onion service, {Address}; its key is in {Path}, encrypted.")]
    private static partial void LogMade(ILogger log, string role, string address, string path);

    [LoggerMessage(Level = LogLevel.Information, Message = "The onion service of the {Role} is published: http://{Address}")]
    private static partial void LogPublished(ILogger log, string role, string address);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The onion service of the {Role} cannot be found any more; its own address serves on. {Reason}")]
    private static partial void LogLost(ILogger log, string role, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The onion service of the {Role} is not published; its own address serves on. {Reason}")]
    private static partial void LogFault(ILogger log, string role, string reason);
}
