namespace Tacit.Storage;

/// <summary>What kind of trouble a database is in; each kind asks for something else of the operator or the caller.</summary>
public enum StorageErrorKind
{
    /// <summary>No room to write. Nothing of the work was kept; it may be repeated when there is space again.</summary>
    DiskFull,

    /// <summary>Another process owns the database, or held it for too long.</summary>
    Locked,

    /// <summary>The file is damaged or no database at all. Restore it from a backup.</summary>
    Corrupt,

    /// <summary>A newer version of the program wrote the database.</summary>
    NewerSchema,

    /// <summary>The database's migrations differ from this program's: it belongs to another role, or a migration was edited.</summary>
    ForeignSchema,

    /// <summary>
    /// The database cannot be reached, read or written: missing library, permissions, a failing disk. When the disk fails during a commit, the work may
    /// or may not survive a crash: callers repeat it, as every one of their works can be repeated. <see cref="StorageException.IsOutcomeUnknown"/> tells.
    /// </summary>
    Unavailable,

    /// <summary>A constraint of the schema refused the change, or what was to be made is there already.</summary>
    Constraint,

    /// <summary>The statement is wrong: a fault in the program.</summary>
    Statement,

    /// <summary>The statement names a table that is not there: never made, or dropped meanwhile by another instance on the same database.</summary>
    NoTable,

    /// <summary>Rows are where there should be none, so a database is not moved there.</summary>
    NotEmpty,
}

/// <summary>The one error of this project. The message says what happened and what to do, and never holds a value from a statement or a row.</summary>
public sealed class StorageException : Exception
{
    internal StorageException(StorageErrorKind kind, string message, Exception? inner = null)
        : base(message, inner)
    {
        Kind = kind;
    }

    public StorageErrorKind Kind { get; }

    /// <summary>Whether the work may have taken effect all the same; false: nothing of it was kept.</summary>
    public bool IsOutcomeUnknown { get; internal init; }

    /// <summary>Whether running the work again may help.</summary>
    internal Trouble Trouble { get; init; }

    /// <summary>The same error for one more caller: several awaiters throwing one exception object would mix up its stack trace.</summary>
    internal StorageException Again() => new(Kind, Message, this) { IsOutcomeUnknown = IsOutcomeUnknown, Trouble = Trouble };

    internal StorageException WithTrouble(Trouble trouble) => new(Kind, Message, InnerException) { IsOutcomeUnknown = IsOutcomeUnknown, Trouble = trouble };
}

/// <summary>Trouble that passes, after which nothing of the transaction is kept.</summary>
internal enum Trouble
{
    None,

    /// <summary>With another transaction: both could not have been.</summary>
    Collided,

    /// <summary>The connection, or the server behind it.</summary>
    Lost,
}
