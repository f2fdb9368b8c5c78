using Tacit.Storage;

namespace Tacit.Gateway.Tests.Support;

/// <summary>Looks into a gateway's database once nobody owns it.</summary>
internal static class SqliteFile
{
    public static async Task<string> SchemaAsync(string path, string tablePrefix)
    {
        await using Database database = await Database.OpenSqliteAsync(path, Admission.SpendTables.Migrations, TimeProvider.System, TestContext.Current.CancellationToken);
        IReadOnlyList<string> found = await database.ReadAsync(
            session => session.Query("SELECT sql FROM sqlite_master WHERE name LIKE $1", row => row.Text(0), tablePrefix + "%"), TestContext.Current.CancellationToken);
        return Assert.Single(found);
    }

    public static async Task ExecuteAsync(string path, string sql)
    {
        await using Database database = await Database.OpenSqliteAsync(path, Admission.SpendTables.Migrations, TimeProvider.System, TestContext.Current.CancellationToken);
        await database.WriteAsync(session => session.Execute(sql), TestContext.Current.CancellationToken);
    }
}
