namespace Tacit.Storage.Sqlite;

/// <summary>Sizes of a SQLite database's parts, and what becomes of freed ones. One set of sizes fits every role; tests make them small.</summary>
internal sealed record SqliteLimits
{
    internal static SqliteLimits Default { get; } = new();

    /// <summary>Works that may wait for the writer before callers wait to get in.</summary>
    internal int QueueCapacity { get; init; } = 4096;

    /// <summary>Works in one transaction at most.</summary>
    internal int MaxGroup { get; init; } = 512;

    /// <summary>Reading connections at most; more readers wait.</summary>
    internal int MaxReaders { get; init; } = 4;

    /// <summary>
    /// The page of a new file, in bytes; one that exists keeps its own. Keys are hashes, so each row that is written dirties a page of its own, which goes to the log and
    /// to the disk whole: half of SQLite's usual page is half of that. A quarter would make the tree deeper for as little.
    /// </summary>
    internal int PageSize { get; init; } = 2048;

    /// <summary>How long the write-ahead log grows before it is folded into the file, in KiB.</summary>
    internal int LogKibibytes { get; init; } = 8192;

    /// <summary>The writer's page cache, in KiB.</summary>
    internal int WriterCacheKibibytes { get; init; } = 16_384;

    /// <summary>Whether freed pages are overwritten, and not only freed bytes within pages that are written anyway.</summary>
    internal bool ErasesFreedPages { get; init; }

    /// <summary>How long a lock that something outside this process holds is waited for.</summary>
    internal TimeSpan BusyTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>A full disk, for tests: the file grows to this many pages only.</summary>
    internal int? MaxPages { get; init; }
}
