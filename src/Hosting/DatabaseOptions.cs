using System.Text;

namespace Tacit.Hosting;

/// <summary>Where a server role keeps its data: the group <c>Database</c> of its settings. A SQLite file in the data folder, unless PostgreSQL is named.</summary>
public sealed record DatabaseOptions
{
    /// <summary>The setting that <see cref="Postgres"/> is.</summary>
    public const string PostgresKey = "Database:Postgres";

    /// <summary>
    /// The secret that holds a connection string, <c>Host=…;Database=…;Username=…;Password=…</c>. A database and a login for each role: they share neither.
    /// </summary>
    public SecretReference? Postgres { get; init; }

    /// <summary>Connections that read, beside the one that writes. Default 4.</summary>
    public int Readers { get; init; } = 4;

    /// <summary>Records what is wrong; whether the database can be reached shows when the role starts.</summary>
    public void Validate(SettingsValidation validation)
    {
        ArgumentNullException.ThrowIfNull(validation);
        validation.RequireRange(Readers, 1, 100, "Database:Readers");
    }

    /// <summary>The connection string, or null for SQLite.</summary>
    /// <exception cref="SettingsException">The secret is missing or cannot be read.</exception>
    public string? LoadConnectionString()
    {
        if (Postgres is null)
        {
            return null;
        }

        // A string from here on: that is what the driver takes and keeps.
        using SecretBytes secret = Postgres.Load(PostgresKey);
        return Encoding.UTF8.GetString(secret.Span);
    }
}
