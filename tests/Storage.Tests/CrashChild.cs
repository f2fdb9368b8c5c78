using System.Diagnostics;

namespace Tacit.Storage;

/// <summary>A process that writes as fast as it can and notes what it was told is durable, until someone kills it.</summary>
internal static class CrashChild
{
    internal const string Switch = "--crash-child";

    private const int Writers = 8;

    internal static Migration[] Schema { get; } =
        [new(1, "counters", "CREATE TABLE entry (writer {int} NOT NULL, number {int} NOT NULL, PRIMARY KEY (writer, number)) {without_rowid}; CREATE TABLE total (writer {int} PRIMARY KEY, count {int} NOT NULL) {strict}")];

    internal static Process Start(string path, string log)
    {
        var child = new Process { StartInfo = new ProcessStartInfo("dotnet", ["exec", typeof(CrashChild).Assembly.Location, Switch, path, log]) };
        child.Start();
        return child;
    }

    internal static async Task<int> RunAsync(string path, string log)
    {
        await using Database database = await Database.OpenSqliteAsync(path, Schema, TimeProvider.System);

        // Unbuffered: what was written here outlives the process.
        using var notes = new FileStream(log, FileMode.Append, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        await Task.WhenAll(Enumerable.Range(0, Writers).Select(writer => Task.Run(() => WriteAsync(database, notes, (byte)writer))));
        return 0;
    }

    private static async Task WriteAsync(Database database, FileStream notes, byte writer)
    {
        while (true)
        {
            // Two statements: a torn work would show as a total that is not the number of entries.
            await database.WriteAsync(session =>
            {
                session.Execute("INSERT INTO total (writer, count) VALUES ($1, 1) ON CONFLICT (writer) DO UPDATE SET count = count + 1", (int)writer);
                session.Execute("INSERT INTO entry (writer, number) SELECT writer, count FROM total WHERE writer = $1", (int)writer);
            });
            lock (notes)
            {
                notes.WriteByte(writer);
            }
        }
    }
}
