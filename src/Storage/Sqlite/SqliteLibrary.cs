using System.Reflection;
using System.Runtime.InteropServices;
using SQLitePCL;

namespace Tacit.Storage.Sqlite;

/// <summary>
/// Finds the system's SQLite. The binding asks for a library <c>e_sqlite3</c> that would come in a NuGet bundle; that bundle's SQLite is old and has a
/// published vulnerability, while the distribution patches its own.
/// </summary>
internal static class SqliteLibrary
{
    /// <summary>3.37: STRICT tables. RETURNING came with 3.35.</summary>
    private const int MinVersion = 3_037_000;

    /// <summary>SQLITE_CONFIG_MEMSTATUS.</summary>
    private const int MemoryStatus = 9;

    private static readonly string[] s_names =
        OperatingSystem.IsMacOS() ? ["libsqlite3.dylib"] : OperatingSystem.IsWindows() ? ["winsqlite3.dll"] : ["libsqlite3.so.0"];

    private static readonly Lazy<nint> s_handle = new(() =>
    {
        nint handle = Load(s_names);
        NativeLibrary.SetDllImportResolver(
            typeof(SQLite3Provider_e_sqlite3).Assembly,
            (name, _, _) => name == "e_sqlite3" ? handle : 0);
        raw.SetProvider(new SQLite3Provider_e_sqlite3());
        // Counting its own memory costs SQLite a lock for each allocation, and nobody asks for the count. Before the first connection, or not at all.
        _ = raw.sqlite3_config(MemoryStatus, 0);
        CheckVersion(raw.sqlite3_libversion_number(), raw.sqlite3_libversion().utf8_to_string());
        return handle;
    });

    /// <summary>Loads the library once per process, or throws <see cref="StorageErrorKind.Unavailable"/> with what to install.</summary>
    internal static void EnsureLoaded() => _ = s_handle.Value;

    internal static nint Load(ReadOnlySpan<string> names)
    {
        foreach (string name in names)
        {
            if (NativeLibrary.TryLoad(name, Assembly.GetExecutingAssembly(), DllImportSearchPath.SafeDirectories, out nint handle))
            {
                return handle;
            }
        }

        throw new StorageException(
            StorageErrorKind.Unavailable,
            $"SQLite ({string.Join(", ", names.ToArray())}) is not installed. On Debian or Ubuntu: apt-get install libsqlite3-0; on Fedora: dnf install sqlite-libs; on Alpine: apk add sqlite-libs.");
    }

    internal static void CheckVersion(int number, string text)
    {
        if (number < MinVersion)
        {
            throw new StorageException(
                StorageErrorKind.Unavailable,
                $"The installed SQLite is {text}; Tacit needs 3.37 or newer. Upgrade the package libsqlite3-0 (Debian 12 and Ubuntu 22.04 have it).");
        }
    }
}
