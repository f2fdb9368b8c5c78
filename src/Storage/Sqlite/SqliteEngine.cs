using SQLitePCL;
using Tacit.Storage.Sqlite;

namespace Tacit.Storage;

/// <summary>Which SQLite keeps the data, for an operator to see.</summary>
public static class SqliteEngine
{
    /// <exception cref="StorageException">There is none, or it is too old; the message says what to install.</exception>
    public static string Version
    {
        get
        {
            SqliteLibrary.EnsureLoaded();
            return raw.sqlite3_libversion().utf8_to_string();
        }
    }
}
