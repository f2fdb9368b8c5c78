using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Tacit.Hosting;
using Tacit.Storage;

namespace Tacit.Gateway.Admission;

/// <summary>
/// Who owns the replies in this process: a random id, made once per data directory, and a lease that a heartbeat overwrites. The row is the only place
/// with a time finer than a period, and it says of no request when it was.
/// </summary>
internal sealed partial class InstanceLease : IAsyncDisposable
{
    public const int IdSizeInBytes = 16;
    public static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_heartbeat = TimeSpan.FromSeconds(10);

    private readonly Database _database;
    private readonly byte[] _id;
    private readonly string _address;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly ITimer _timer;
    private Task _beat = Task.CompletedTask;
    private long _lastBeat;

    private InstanceLease(Database database, byte[] id, string address, TimeProvider time, ILogger log)
    {
        _database = database;
        _id = id;
        _address = address;
        _time = time;
        _log = log;
        _lastBeat = time.GetTimestamp();
        _timer = time.CreateTimer(_ => OnTimer(), null, s_heartbeat, s_heartbeat);
    }

    /// <summary>Whether the last heartbeat arrived recently enough that no other instance can think this one dead.</summary>
    public bool IsHeld => _time.GetElapsedTime(Volatile.Read(ref _lastBeat)) < Lifetime;

    /// <summary>
    /// Keeps the data directory, and so the instance id in it, to this process until disposed or dead. Two under one id would each take the other's live requests for those of
    /// a dead one, and give up the other's lease. SQLite's file has a lock of its own; PostgreSQL knows nothing of directories.
    /// </summary>
    /// <exception cref="SettingsException">Another gateway runs on it.</exception>
    public static FileStream Claim(string dataDirectory)
    {
        var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        try
        {
            return new FileStream(Path.Combine(dataDirectory, "instance.lock"), options);
        }
        catch (IOException e) when (IsHeldElsewhere(e))
        {
            throw new SettingsException(new SettingsProblem(
                "DataDirectory", $"another gateway runs on {dataDirectory}", "Stop that one first, or use another folder (--data): each instance has its own."));
        }
    }

    /// <summary>Reads the id of this data directory, or makes one.</summary>
    public static byte[] LoadId(string dataDirectory)
    {
        string path = Path.Combine(dataDirectory, "instance-id");
        if (File.Exists(path) && File.ReadAllBytes(path) is { Length: IdSizeInBytes } existing)
        {
            return existing;
        }

        byte[] id = RandomNumberGenerator.GetBytes(IdSizeInBytes);
        string temporary = path + ".new";
        using (FileStream file = new(temporary, FileMode.Create, FileAccess.Write))
        {
            file.Write(id);
            file.Flush(flushToDisk: true);
        }

        File.Move(temporary, path, overwrite: true);
        return id;
    }

    public static async Task<InstanceLease> AcquireAsync(
        Database database, byte[] id, string address, TimeProvider time, ILogger log, CancellationToken cancellationToken)
    {
        var lease = new InstanceLease(database, id, address, time, log);
        await lease.WriteAsync(time.GetUtcNow() + Lifetime, cancellationToken);
        return lease;
    }

    /// <summary>Gives the lease up, so that another instance need not wait for its end.</summary>
    public async ValueTask DisposeAsync()
    {
        await _timer.DisposeAsync();
        await _beat;
        try
        {
            await WriteAsync(DateTimeOffset.UnixEpoch, CancellationToken.None);
        }
        catch (StorageException)
        {
            // It ends by itself.
        }
    }

    // .NET passes the system's own code on: EAGAIN on Linux and macOS, ERROR_SHARING_VIOLATION on Windows.
    private static bool IsHeldElsewhere(IOException e) => e.HResult is 11 or 35 or unchecked((int)0x8007_0020);

    private void OnTimer()
    {
        if (_beat.IsCompleted)
        {
            _beat = BeatAsync();
        }
    }

    private async Task BeatAsync()
    {
        try
        {
            await WriteAsync(_time.GetUtcNow() + Lifetime, CancellationToken.None);
        }
        catch (Exception e) when (e is StorageException or ObjectDisposedException)
        {
            LogFailed(_log, (e as StorageException)?.Kind ?? StorageErrorKind.Unavailable);
        }
    }

    private async Task WriteAsync(DateTimeOffset until, CancellationToken cancellationToken)
    {
        // From before the write: until then the lease reaches, however long it took to get there.
        long begun = _time.GetTimestamp();
        await _database.WriteAsync(
            session => session.Execute(
                "INSERT INTO instances (id, address, lease_until) VALUES ($1, $2, $3) "
                + "ON CONFLICT (id) DO UPDATE SET address = excluded.address, lease_until = excluded.lease_until",
                _id, _address, until.ToUnixTimeSeconds()),
            cancellationToken);
        Volatile.Write(ref _lastBeat, begun);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The heartbeat of this instance was not written ({Kind}).")]
    private static partial void LogFailed(ILogger log, StorageErrorKind kind);
}
