namespace Tacit.Storage;

/// <summary>Where a PostgreSQL database is and how it is used. The defaults fit every role.</summary>
public sealed record PostgresOptions
{
    /// <summary>
    /// Npgsql's form: <c>Host=db;Database=tacit_issuer;Username=tacit_issuer;Password=…</c>. Several hosts with commas: the one that takes writes is used. A
    /// host that is neither a Unix socket nor loopback gets <c>SSL Mode=VerifyFull</c> unless the string names a mode.
    /// </summary>
    public required string ConnectionString { get; init; }

    /// <summary>Connections for <see cref="Database.ReadAsync"/>, beside the one that writes. More readers wait. Default 4.</summary>
    public int Readers { get; init; } = 4;

    /// <summary>
    /// Whether works run as if alone (SERIALIZABLE), as they do on SQLite; those that collide with another instance's run again. Without it (READ COMMITTED) each
    /// statement sees what others committed before it: for works whose every statement carries its own condition. Default: yes.
    /// </summary>
    public bool Serializable { get; init; } = true;

    /// <summary>How long works wait for a server that went away, or for the outcome of a commit, before they fail. Default 10 seconds.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long one statement may take. Default 30 seconds.</summary>
    public TimeSpan StatementTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Works that may wait for the writer before callers wait to get in.</summary>
    internal int QueueCapacity { get; init; } = 4096;

    /// <summary>Works in one transaction at most. PostgreSQL remembers 64 savepoints of a transaction cheaply; beyond, every snapshot on the server gets dearer.</summary>
    internal int MaxGroup { get; init; } = 64;
}
