using Microsoft.Extensions.Logging;
using Tacit.Gateway.Catalog;
using Tacit.Storage;

namespace Tacit.Gateway.Admission;

/// <summary>
/// The keys whose tokens are taken no more because this store was restored from a backup: which of them were spent since is forgotten, and law 2 knows no
/// "probably unspent". Keys that were in use when the gateway first saw the issuer's directory after the restore are closed for good; those that come later,
/// with the next period or with another plan, are not touched.
/// </summary>
internal sealed partial class ClosedKeys
{
    private readonly Database _database;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly HashSet<(string KeyId, long Deadline)> _closed = [];
    private bool _isPending;

    public ClosedKeys(Database database, TimeProvider time, ILogger log)
    {
        _database = database;
        _time = time;
        _log = log;
    }

    /// <summary>Marks a store that was put back from a copy.</summary>
    public static void Mark(Session session) => session.Execute("INSERT INTO restored (id) VALUES (1) ON CONFLICT (id) DO NOTHING");

    /// <summary>Once, before the first directory.</summary>
    public async Task LoadAsync(CancellationToken cancellationToken)
    {
        (_isPending, IReadOnlyList<(byte[] KeyId, long Deadline)> closed) = await _database.ReadAsync(
            static session => (
                session.QueryInt64("SELECT COUNT(*) FROM restored") > 0,
                session.Query("SELECT key_id, deadline FROM closed_keys", static row => (row.Blob(0), row.Int64(1)))),
            cancellationToken);
        _closed.UnionWith(closed.Select(key => (Convert.ToHexString(key.KeyId), key.Deadline)));
    }

    /// <summary>Closes what has to be closed of a directory, before it is used.</summary>
    /// <param name="isCached">The one kept on disk may be older than the restore: it closes its keys, but the next one from the issuer is asked again.</param>
    public async Task AdoptAsync(PlanCatalog catalog, bool isCached, CancellationToken cancellationToken)
    {
        if (_isPending)
        {
            DateTimeOffset now = _time.GetUtcNow();
            RedemptionKey[] used = [.. catalog.Keys.Where(key => key.NotBefore <= now)];
            await _database.WriteAsync(
                session =>
                {
                    foreach (RedemptionKey key in used)
                    {
                        session.Execute(
                            "INSERT INTO closed_keys (key_id, deadline) VALUES ($1, $2) ON CONFLICT (key_id, deadline) DO NOTHING",
                            key.TokenKeyId.ToArray(), key.Deadline.ToUnixTimeSeconds());
                    }

                    if (!isCached)
                    {
                        session.Execute("DELETE FROM restored");
                    }
                },
                cancellationToken);
            _closed.UnionWith(used.Select(Name));
            _isPending = isCached;
            LogClosed(_log, used.Length);
        }

        foreach (RedemptionKey key in catalog.Keys)
        {
            key.IsClosed = _closed.Contains(Name(key));
        }
    }

    private static (string KeyId, long Deadline) Name(RedemptionKey key) => (Convert.ToHexString(key.TokenKeyId), key.Deadline.ToUnixTimeSeconds());

    [LoggerMessage(Level = LogLevel.Warning, Message = "This store was restored from a backup: the {Count} keys in use are closed, as nobody knows which of their tokens were spent since. Tokens of the next period are taken, and of plans that are new (docs/operating.md, Backup)")]
    private static partial void LogClosed(ILogger log, int count);
}
