using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Tacit.Hosting;
using Tacit.Storage;

namespace Tacit.Gateway.Admission;

/// <summary>
/// Who owns the replies in this process: a random id, made once per data directory, and a lease that a heartbeat overwrites. The row is the only place
/// with a time finer than a period, and it says of no request when it was.
/// </summary>
/// <remarks>
/// A data directory may have been copied with a machine's image, and then two processes have one id. So each start writes a random number of its own into the row, and a
/// heartbeat that finds another there has lost the id to a later start: it never writes again.
/// </remarks>
internal sealed partial class InstanceLease : IAsyncDisposable
{
    public const int IdSizeInBytes = 16;
    public static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_heartbeat = TimeSpan.FromSeconds(10);

    private readonly Database _database;
    private readonly byte[] _id;
    private readonly byte[] _process = RandomNumberGenerator.GetBytes(IdSizeInBytes);
    private readonly string _address;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly ITimer _timer;
    private Task _beat = Task.CompletedTask;
    private long _lastBeat;
    private volatile bool _isLost;

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
    public bool IsHeld => !_isLost && _time.GetElapsedTime(Volatile.Read(ref _lastBeat)) < Lifetime;

    /// <summary>Called once if another process has taken the id.</summary>
    public Action? Lost { get; set; }

    public static Migration Migration(int version) => new(version, "instances' processes", """
        -- A random number of the process that started last with this id: two with one id find each other by it.
        ALTER TABLE instances ADD COLUMN process {blob};
        """);

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

    /// <summary>Forgets the id of this data directory, since another process has it: the next start makes a new one.</summary>
    public static void ForgetId(string dataDirectory) => File.Delete(Path.Combine(dataDirectory, "instance-id"));

    public static async Task<InstanceLease> AcquireAsync(
        Database database, byte[] id, string address, TimeProvider time, ILogger log, CancellationToken cancellationToken)
    {
        var lease = new InstanceLease(database, id, address, time, log);
        // Whoever has the row: as a rule this directory's last process, dead before its lease was over.
        await database.WriteAsync(
            session => session.Execute(
                "INSERT INTO instances (id, address, lease_until, process) VALUES ($1, $2, $3, $4) "
                + "ON CONFLICT (id) DO UPDATE SET address = excluded.address, lease_until = excluded.lease_until, process = excluded.process",
                id, address, (time.GetUtcNow() + Lifetime).ToUnixTimeSeconds(), lease._process),
            cancellationToken);
        return lease;
    }

    /// <summary>Gives the lease up, so that another instance need not wait for its end.</summary>
    public async ValueTask DisposeAsync()
    {
        await _timer.DisposeAsync();
        await _beat;
        try
        {
            await WriteAsync(DateTimeOffset.UnixEpoch);
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
        if (_beat.IsCompleted && !_isLost)
        {
            _beat = BeatAsync();
        }
    }

    private async Task BeatAsync()
    {
        try
        {
            if (!await WriteAsync(_time.GetUtcNow() + Lifetime))
            {
                _isLost = true;
                LogLost(_log);
                Lost?.Invoke();
            }
        }
        catch (Exception e) when (e is StorageException or ObjectDisposedException)
        {
            LogFailed(_log, (e as StorageException)?.Kind ?? StorageErrorKind.Unavailable);
        }
    }

    /// <summary>False, with nothing written, if the row is another process's.</summary>
    private async Task<bool> WriteAsync(DateTimeOffset until)
    {
        // From before the write: until then the lease reaches, however long it took to get there.
        long begun = _time.GetTimestamp();
        bool isWritten = await _database.WriteAsync(session => session.Execute(
            "UPDATE instances SET lease_until = $3 WHERE id = $1 AND process = $2", _id, _process, until.ToUnixTimeSeconds()) == 1);
        if (isWritten)
        {
            Volatile.Write(ref _lastBeat, begun);
        }

        return isWritten;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The heartbeat of this instance was not written ({Kind}).")]
    private static partial void LogFailed(ILogger log, StorageErrorKind kind);

    [LoggerMessage(Level = LogLevel.Error, Message = "Another gateway on this database has the id of this one: one of the two data folders is a copy of the other. This one stops.")]
    private static partial void LogLost(ILogger log);
}
