using System.Security.Cryptography;
using Tacit.Gateway.Work;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Gateway.Devices;

internal enum RegistrationResult
{
    Registered,
    Known,
    Revoked,
    Full,
}

/// <summary>
/// What is kept of devices: keys, names, whether they were taken off, and what each has used of its limits. All instances on a database share it, and each request is
/// counted in one transaction that also looks whether its device was taken off: so no limit is overshot and no revocation waits for anybody.
/// </summary>
internal sealed class DeviceStore(Database database)
{
    /// <summary>How far another instance's clock may be ahead of this one's, in seconds.</summary>
    private const long Ahead = 3600;

    public static Migration Migration(int version) => new(version, "devices", """
        -- source: 0 settings (only if revoked), 1 the operator, 2 its own registration.
        CREATE TABLE device (
            device_key {blob} NOT NULL PRIMARY KEY,
            name {text} NOT NULL,
            source {int} NOT NULL,
            revoked {int} NOT NULL
        ) {without_rowid};

        -- One row for each device that asked lately. version: whoever changes the row names the one it saw. until: after that nothing in it counts.
        CREATE TABLE device_usage (
            device_key {blob} NOT NULL PRIMARY KEY,
            version {int} NOT NULL,
            until {int} NOT NULL,
            used {blob} NOT NULL
        ) {without_rowid};

        -- version goes up with every change of the list; work_secret is what the challenges of proof of work are made from.
        CREATE TABLE device_state (
            id {int} NOT NULL PRIMARY KEY CHECK (id = 1),
            version {int} NOT NULL,
            work_secret {blob} NOT NULL
        ) {without_rowid};
        """);

    /// <summary>The secret that all instances make their challenges from; made by the first.</summary>
    public static async Task<byte[]> LoadWorkSecretAsync(Database database, CancellationToken cancellationToken)
    {
        byte[] fresh = RandomNumberGenerator.GetBytes(WorkGate.SecretSizeInBytes);
        return await database.WriteAsync(
            session =>
            {
                session.Execute("INSERT INTO device_state (id, version, work_secret) VALUES (1, 1, $1) ON CONFLICT (id) DO NOTHING", fresh);
                return session.QuerySingle("SELECT work_secret FROM device_state WHERE id = 1", static row => row.Blob(0))!;
            },
            cancellationToken);
    }

    /// <summary>All devices, and the version of the list; null if it is still <paramref name="known"/>.</summary>
    public Task<(long Version, IReadOnlyList<DeviceLine> Devices)?> ReadAsync(long known, CancellationToken cancellationToken) => database.ReadAsync(
        session =>
        {
            long version = session.QueryInt64("SELECT version FROM device_state WHERE id = 1") ?? 0;
            return version == known
                ? ((long, IReadOnlyList<DeviceLine>)?)null
                : (version, session.Query(
                    "SELECT device_key, name, source, revoked FROM device",
                    static row => new DeviceLine(DeviceKeyId.Format(row.Blob(0)), row.Text(1), (DeviceSource)row.Int32(2), row.Boolean(3))));
        },
        cancellationToken);

    /// <summary>Puts a device on the list, or back on it, with this name.</summary>
    public Task AddAsync(byte[] key, string name, CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            Touch(session);
            session.Execute(
                "INSERT INTO device (device_key, name, source, revoked) VALUES ($1, $2, 1, 0) "
                + "ON CONFLICT (device_key) DO UPDATE SET name = excluded.name, source = 1, revoked = 0",
                key, name);
        },
        cancellationToken);

    /// <summary>Takes a device off, for good: it cannot register itself again.</summary>
    public Task RemoveAsync(byte[] key, string name, CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            Touch(session);
            session.Execute(
                "INSERT INTO device (device_key, name, source, revoked) VALUES ($1, $2, 0, 1) ON CONFLICT (device_key) DO UPDATE SET revoked = 1", key, name);
            session.Execute("DELETE FROM device_usage WHERE device_key = $1", key);
        },
        cancellationToken);

    public Task<RegistrationResult> RegisterAsync(byte[] key, int most, CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            // First, since it makes everybody else who registers wait: the count below stays true until this is written.
            Touch(session);
            if (session.QueryInt64("SELECT revoked FROM device WHERE device_key = $1", key) is long revoked)
            {
                return revoked == 0 ? RegistrationResult.Known : RegistrationResult.Revoked;
            }

            if (session.QueryInt64("SELECT COUNT(*) FROM device WHERE source = 2 AND revoked = 0") >= most)
            {
                return RegistrationResult.Full;
            }

            session.Execute("INSERT INTO device (device_key, name, source, revoked) VALUES ($1, '', 2, 0)", key);
            return RegistrationResult.Registered;
        },
        cancellationToken);

    /// <summary>Counts a request, or says why it is not to be. Nothing is counted then.</summary>
    public Task<UsageTaken> TakeAsync(byte[] key, long now, RateLimits limits, long? tokensPerDay, long tokens) => database.WriteAsync(session =>
    {
        if (session.QueryInt64("SELECT revoked FROM device WHERE device_key = $1", key) is > 0)
        {
            return new UsageTaken(UsageVerdict.Revoked, 0);
        }

        UsageTaken taken = default;
        Change(session, key, now, usage => (taken = usage.TryTake(now, limits, tokensPerDay, tokens)).Verdict == UsageVerdict.Taken);
        return taken;
    });

    public Task GiveBackAsync(byte[] key, long then, long now, long tokens) => database.WriteAsync(session => Change(session, key, now, usage =>
    {
        usage.GiveBack(then, now, tokens);
        return true;
    }));

    public Task SettleAsync(byte[] key, long then, long now, long setAside, long cost) => database.WriteAsync(session => Change(session, key, now, usage =>
    {
        usage.Settle(then, setAside, cost);
        return true;
    }));

    /// <summary>Forgets what devices used of limits whose time is over.</summary>
    public Task PurgeAsync(long now, CancellationToken cancellationToken) =>
        database.WriteAsync(session => session.Execute("DELETE FROM device_usage WHERE until < $1", now), cancellationToken);

    /// <summary>The moment before which periods of devices' requests may be forgotten; null: none may be.</summary>
    public Task<long?> FindOverAsync(long now, CancellationToken cancellationToken) =>
        database.WriteAsync(session => Forgetting.Look(session, "device periods", now, 86400 / 2), cancellationToken);

    /// <summary>Reads, changes and writes a device's row; again if another instance was faster, which then has the row's next version.</summary>
    private static void Change(Session session, byte[] key, long now, Func<DeviceUsage, bool> change)
    {
        // The longest window, a day and its slot, is over by then.
        long until = now + (2 * 86400);
        while (true)
        {
            (long Version, byte[] Used, long Until)? row = session.TryQuerySingle(
                "SELECT version, used, until FROM device_usage WHERE device_key = $1",
                static row => (row.Int64(0), row.Blob(1), row.Int64(2)), out (long, byte[], long) found, key)
                ? found
                : null;
            // What was counted by a clock that was ahead, and has been put right, would count until that time really comes.
            DeviceUsage usage = row is null || row.Value.Until > until + Ahead ? new DeviceUsage() : DeviceUsage.Read(row.Value.Used);
            if (!change(usage))
            {
                return;
            }

            int changed = row is null
                ? session.Execute(
                    "INSERT INTO device_usage (device_key, version, until, used) VALUES ($1, 1, $2, $3) ON CONFLICT (device_key) DO NOTHING", key, until, usage.Write())
                : session.Execute(
                    "UPDATE device_usage SET version = version + 1, until = $2, used = $3 WHERE device_key = $1 AND version = $4", key, until, usage.Write(), row.Value.Version);
            if (changed == 1)
            {
                return;
            }
        }
    }

    private static void Touch(Session session) => session.Execute("UPDATE device_state SET version = version + 1 WHERE id = 1");
}
