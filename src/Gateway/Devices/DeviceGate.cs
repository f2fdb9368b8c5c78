using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Primitives;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Endpoints;
using Tacit.Hosting;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Gateway.Devices;

/// <summary>
/// Admission by device keys: who is on the list, what each may do, how much each has used. Several instances on one database have one list and one count; a
/// device that is taken off is refused by all of them with its next request, since that is counted in the transaction that looks.
/// </summary>
internal sealed partial class DeviceGate : IAsyncDisposable
{
    /// <summary>Seconds that a signature is taken after it was made, and before, by a device whose clock is ahead.</summary>
    public const int MaxAge = 60;

    public const int MaxAhead = 30;

    private const string PlanName = "device";

    /// <summary>How often an instance asks the database whether the list has changed.</summary>
    private static readonly TimeSpan s_refresh = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan s_purge = TimeSpan.FromMinutes(10);

    private readonly DeviceStore _store;
    private readonly DeviceOptions _options;
    private readonly SpendLedger _ledger;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly SecretBytes? _invitation;
    private readonly ConcurrentDictionary<string, int> _live = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<Task, byte> _writes = new();
    private readonly SemaphoreSlim _refreshing = new(1);
    private readonly CancellationTokenSource _stop = new();
    private volatile DeviceList _list = DeviceList.Merge([], []);
    private IReadOnlyList<DeviceLine> _stored = [];
    private IReadOnlyList<ListedDevice> _listed;
    private DateTime _fileTime;
    private long _version;
    private Task _loop = Task.CompletedTask;

    private DeviceGate(Database database, DeviceOptions options, IReadOnlyList<string> models, SpendLedger ledger, TimeProvider time, ILogger log)
    {
        _store = new DeviceStore(database);
        (_options, _ledger, _time, _log) = (options, ledger, time, log);
        _listed = options.Allow;
        _invitation = options.InvitationCode?.Load("Devices:InvitationCode");
        Plan = new Plan
        {
            Id = PlanName,
            Models = [.. models.Where(model => options.Models is null || options.Models.Contains(model))],
            MaxInputBytes = options.MaxInputBytes,
            MaxOutputTokens = options.MaxOutputTokens,
            Price = Credits.Zero,
            Period = PeriodKind.Day,
        };
    }

    /// <summary>What each device may ask.</summary>
    public Plan Plan { get; }

    /// <exception cref="SettingsException">The file of devices or the invitation code cannot be read.</exception>
    public static async Task<DeviceGate> StartAsync(
        Database database, DeviceOptions options, IReadOnlyList<string> models, SpendLedger ledger, TimeProvider time, ILogger log, CancellationToken cancellationToken)
    {
        var gate = new DeviceGate(database, options, models, ledger, time, log);
        if (gate.ReadFile() is string fault)
        {
            throw new SettingsException(new SettingsProblem("Devices:AllowFile", $"the list of devices cannot be used: {fault}", "Write a key, a space and a name in each line."));
        }

        await gate.RefreshAsync(force: true, cancellationToken);
        await gate.KeepPeriodsAsync(cancellationToken);
        gate._loop = gate.RunAsync();
        return gate;
    }

    /// <summary>Whether the request means to be admitted by a device's signature.</summary>
    public static bool IsSigned(IHeaderDictionary headers) =>
        headers.ContainsKey(DeviceSignature.InputHeader) || headers.ContainsKey(DeviceSignature.SignatureHeader);

    /// <summary>By lookup only: shape, time, and whether the device is on the list.</summary>
    public async ValueTask<(PresentedDevice? Device, ApiError? Error)> ReadAsync(IHeaderDictionary headers, bool mustBeListed = true)
    {
        if (HeaderRules.FindCredential(headers) is not null)
        {
            return (null, ApiError.Create(ErrorCodes.LinkedCredentials, "The request carries a device's signature and another credential. Send one of them."));
        }

        if (!DeviceSignature.TryParse(
            Single(headers, DeviceSignature.InputHeader), Single(headers, DeviceSignature.SignatureHeader), Single(headers, DeviceSignature.DigestHeader), out DeviceSignature? signature))
        {
            return (null, ApiError.Create(
                ErrorCodes.SignatureMalformed, "Signature-Input, Signature and Content-Digest do not have the one shape that this gateway takes (docs/protocol.md, Devices).", DeviceSignature.InputHeader));
        }

        long now = _time.GetUtcNow().ToUnixTimeSeconds();
        if (signature.Created < now - MaxAge || signature.Created > now + MaxAhead)
        {
            return (null, ApiError.Create(
                ErrorCodes.SignatureExpired,
                string.Create(CultureInfo.InvariantCulture, $"The signature was made at {signature.Created}; here it is {now}, and it may be {MaxAge} s old and {MaxAhead} s ahead. Set the device's clock."),
                DeviceSignature.InputHeader));
        }

        if (mustBeListed)
        {
            string key = signature.KeyId;
            DeviceLine? device = _list.Find(key);
            if (device is null)
            {
                // Perhaps it was added at another instance a moment ago.
                await TryAsync(() => RefreshAsync(force: false, _stop.Token));
                device = _list.Find(key);
            }

            if (device is not { Revoked: false })
            {
                return (null, device is null
                    ? ApiError.Create(ErrorCodes.DeviceUnknown, "This device is not on the gateway's list.", DeviceSignature.InputHeader)
                    : Revoked());
            }
        }

        return (new PresentedDevice(signature, Plan), null);
    }

    /// <summary>The body's digest and the signature, and then in which period the request's row is; null if all is well.</summary>
    public async ValueTask<ApiError?> VerifyAsync(PresentedDevice device, string path, ReadOnlyMemory<byte> body)
    {
        if (!device.Signature.IsOf(body.Span))
        {
            return ApiError.Create(ErrorCodes.DigestMismatch, "The body is not the one whose digest was signed.", DeviceSignature.DigestHeader);
        }

        if (!device.Signature.Verify("POST", path))
        {
            return ApiError.Create(ErrorCodes.SignatureInvalid, "The signature is not this key's over this method, path and body.", DeviceSignature.SignatureHeader);
        }

        device.Accept();
        if (device.DeadlineBefore is DateTimeOffset before)
        {
            try
            {
                if (await _ledger.HasRowAsync(before, device.Id))
                {
                    device.BelongsBefore();
                }
            }
            catch (Exception e) when (e is StorageException or ObjectDisposedException)
            {
                // The spend will say so.
            }
        }

        return null;
    }

    /// <summary>Whether a code is the invitation's; true where none is needed.</summary>
    public bool IsInvited(string? code)
    {
        if (_options.Registration == DeviceRegistration.Open)
        {
            return true;
        }

        byte[] given = System.Text.Encoding.UTF8.GetBytes(code ?? "");
        return _invitation is not null && System.Security.Cryptography.CryptographicOperations.FixedTimeEquals(
            System.Security.Cryptography.SHA256.HashData(given), System.Security.Cryptography.SHA256.HashData(_invitation.Span));
    }

    public async Task<RegistrationResult> RegisterAsync(PresentedDevice device, CancellationToken cancellationToken)
    {
        if (_list.Find(device.Signature.KeyId) is { } known)
        {
            return known.Revoked ? RegistrationResult.Revoked : RegistrationResult.Known;
        }

        RegistrationResult result = await _store.RegisterAsync(device.Signature.PublicKey.ToArray(), _options.MaxRegistered, cancellationToken);
        await TryAsync(() => RefreshAsync(force: false, cancellationToken));
        return result;
    }

    /// <summary>What bounds one request of the device.</summary>
    /// <param name="device">Whose signature was found to be right.</param>
    /// <param name="outputTokens">The most that the reply may have.</param>
    public DeviceQuota QuotaOf(PresentedDevice device, long outputTokens) =>
        new(this, device.Signature.KeyId, device.Signature.PublicKey.ToArray(), _options.OutputTokensPerDay is null ? 0 : outputTokens);

    public DeviceReport List() => new(_list.All);

    public async Task AddAsync(byte[] key, string name, CancellationToken cancellationToken)
    {
        await _store.AddAsync(key, name, cancellationToken);
        await RefreshAsync(force: false, cancellationToken);
    }

    /// <summary>False if no such device is on the list.</summary>
    public async Task<bool> RemoveAsync(byte[] key, CancellationToken cancellationToken)
    {
        await RefreshAsync(force: false, cancellationToken);
        if (_list.Find(DeviceKeyId.Format(key)) is not { } device)
        {
            return false;
        }

        await _store.RemoveAsync(key, device.Name, cancellationToken);
        await RefreshAsync(force: false, cancellationToken);
        return true;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        await Task.WhenAll(_writes.Keys);
        _stop.Dispose();
        _refreshing.Dispose();
        _invitation?.Dispose();
    }

    internal static ApiError Revoked() => ApiError.Create(ErrorCodes.DeviceRevoked, "The operator of this gateway took this device off its list.", DeviceSignature.InputHeader);

    /// <summary>Takes one of the places that the device has at this instance.</summary>
    internal bool TryEnter(string key)
    {
        if (_live.AddOrUpdate(key, 1, static (_, count) => count + 1) <= _options.Concurrency)
        {
            return true;
        }

        Leave(key);
        return false;
    }

    internal void Leave(string key)
    {
        if (_live.AddOrUpdate(key, 0, static (_, count) => count - 1) <= 0)
        {
            _live.TryRemove(KeyValuePair.Create(key, 0));
        }
    }

    internal Task<UsageTaken> TakeAsync(byte[] key, long now, long tokens) => _store.TakeAsync(key, now, _options.Rates, _options.OutputTokensPerDay, tokens);

    internal void GiveBack(byte[] key, long then, long tokens) => InBackground(() => _store.GiveBackAsync(key, then, Now, tokens));

    internal void Settle(byte[] key, long then, long setAside, long cost)
    {
        if (_options.OutputTokensPerDay is not null)
        {
            InBackground(() => _store.SettleAsync(key, then, Now, setAside, cost));
        }
    }

    internal long Now => _time.GetUtcNow().ToUnixTimeSeconds();

    internal void LogNotCounted(Exception e) => LogFailed(_log, (e as StorageException)?.Kind ?? StorageErrorKind.Unavailable);

    private static string? Single(IHeaderDictionary headers, string name) => headers.TryGetValue(name, out StringValues values) && values.Count == 1 ? values[0] : null;

    /// <summary>What is given back is not waited for: until it is written the device has less, never more.</summary>
    private void InBackground(Func<Task> write)
    {
        Task task = TryAsync(write);
        if (!task.IsCompleted)
        {
            _writes.TryAdd(task, 0);
            _ = task.ContinueWith(done => _writes.TryRemove(done, out _), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }

    private async Task RunAsync()
    {
        using var timer = new PeriodicTimer(s_refresh, _time);
        long purged = _time.GetTimestamp();
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token))
            {
                bool changed = _options.AllowFile is not null && HasFileChanged();
                if (changed && ReadFile() is string fault)
                {
                    LogFile(_log, fault);
                    changed = false;
                }

                await TryAsync(() => RefreshAsync(changed, _stop.Token));
                await TryAsync(() => KeepPeriodsAsync(_stop.Token));
                if (_time.GetElapsedTime(purged) >= s_purge)
                {
                    purged = _time.GetTimestamp();
                    await TryAsync(() => _store.PurgeAsync(Now, _stop.Token));
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The end.
        }
    }

    /// <summary>The tables of this period and the next, and none of those that are long over.</summary>
    private async Task KeepPeriodsAsync(CancellationToken cancellationToken)
    {
        DateTimeOffset now = _time.GetUtcNow();
        DateTimeOffset current = DevicePeriod.DeadlineOf(now.AddSeconds(-MaxAge));
        if (!_ledger.IsOpen(current) || !_ledger.IsOpen(current.AddDays(1)))
        {
            await _ledger.OpenPeriodsAsync([current, current.AddDays(1)], cancellationToken);
            if (await _store.FindOverAsync(now.ToUnixTimeSeconds(), cancellationToken) is long looked)
            {
                DateTimeOffset over = DateTimeOffset.FromUnixTimeSeconds(looked) - DevicePeriod.Kept;
                await _ledger.DropPeriodsAsync(deadline => DevicePeriod.IsDeadline(deadline) && over >= deadline, cancellationToken);
            }
        }
    }

    private async Task RefreshAsync(bool force, CancellationToken cancellationToken)
    {
        await _refreshing.WaitAsync(cancellationToken);
        try
        {
            if (await _store.ReadAsync(_version, cancellationToken) is { } changed)
            {
                (_version, _stored) = changed;
                force = true;
            }

            if (force)
            {
                _list = DeviceList.Merge(_listed, _stored);
            }
        }
        finally
        {
            _refreshing.Release();
        }
    }

    private bool HasFileChanged() => TimeOf(_options.AllowFile!) != _fileTime;

    /// <summary>When it was written last; a time of its own where that cannot be asked, so that the file is read once more and its fault told.</summary>
    private static DateTime TimeOf(string path)
    {
        try
        {
            return File.GetLastWriteTimeUtc(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return default;
        }
    }

    /// <summary>Null, or what is wrong with the file; what was read before then stays.</summary>
    private string? ReadFile()
    {
        if (_options.AllowFile is not string path)
        {
            return null;
        }

        _fileTime = TimeOf(path);
        if (DeviceList.ReadFile(path, out string? fault) is { } devices)
        {
            _listed = [.. _options.Allow, .. devices];
        }

        return fault;
    }

    private async Task TryAsync(Func<Task> work)
    {
        try
        {
            await work();
        }
        catch (Exception e) when (e is StorageException or ObjectDisposedException)
        {
            LogNotCounted(e);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "What is kept of devices could not be read or written ({Kind}).")]
    private static partial void LogFailed(ILogger log, StorageErrorKind kind);

    [LoggerMessage(Level = LogLevel.Error, Message = "The list of devices (Devices:AllowFile) cannot be used, the one before stays: {Fault}.")]
    private static partial void LogFile(ILogger log, string fault);
}
