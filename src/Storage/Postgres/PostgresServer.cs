using System.Globalization;
using System.Net;
using Npgsql;

namespace Tacit.Storage.Postgres;

/// <summary>The server as one database of ours uses it: opens connections, and knows what to call it in messages.</summary>
internal sealed class PostgresServer : IAsyncDisposable
{
    private const int PreparedStatements = 128;

    private readonly NpgsqlDataSource _source;

    private PostgresServer(NpgsqlDataSource source, string name, PostgresOptions options)
    {
        _source = source;
        Name = name;
        Options = options;
    }

    /// <summary>Database and host: what may be said of a connection string.</summary>
    internal string Name { get; }

    internal PostgresOptions Options { get; }

    internal static PostgresServer Create(PostgresOptions options)
    {
        NpgsqlConnectionStringBuilder settings;
        try
        {
            settings = new NpgsqlConnectionStringBuilder(options.ConnectionString);
            Settle(settings, options);
        }
        catch (Exception e) when (e is ArgumentException or FormatException or InvalidOperationException)
        {
            // Not the exception's text: it may quote the string, password and all.
            throw new StorageException(
                StorageErrorKind.Unavailable,
                "The PostgreSQL connection string cannot be read. It looks like Host=db;Database=tacit_issuer;Username=tacit_issuer;Password=….");
        }

        var builder = new NpgsqlDataSourceBuilder(settings.ConnectionString);
        NpgsqlDataSource source = settings.Host!.Contains(',', StringComparison.Ordinal)
            ? builder.BuildMultiHost().WithTargetSession(TargetSessionAttributes.Primary)
            : builder.Build();
        return new PostgresServer(source, $"{settings.Database} on {settings.Host}", options);
    }

    internal NpgsqlConnection Connect()
    {
        try
        {
            return _source.OpenConnection();
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException or IOException or InvalidOperationException)
        {
            throw PostgresErrors.Connecting(e, Name);
        }
    }

    public ValueTask DisposeAsync() => _source.DisposeAsync();

    /// <summary>Whether traffic to this host stays on this machine.</summary>
    internal static bool IsLocal(string host) =>
        host.StartsWith('/') || host.StartsWith('@') || host is "localhost" || (IPAddress.TryParse(host, out IPAddress? address) && IPAddress.IsLoopback(address));

    private static void Settle(NpgsqlConnectionStringBuilder settings, PostgresOptions options)
    {
        if (string.IsNullOrEmpty(settings.Host) || string.IsNullOrEmpty(settings.Database))
        {
            throw new ArgumentException("Host or database is missing.");
        }

        if (!settings.ContainsKey("SSL Mode"))
        {
            // To a server elsewhere never in the clear, and never to one that only claims to be it.
            settings.SslMode = settings.Host.Split(',').All(host => IsLocal(host.Trim())) ? SslMode.Prefer : SslMode.VerifyFull;
        }

        if (!settings.ContainsKey("GSS Encryption Mode"))
        {
            settings.GssEncryptionMode = GssEncryptionMode.Disable;
        }

        if (!settings.ContainsKey("Timeout"))
        {
            settings.Timeout = 5;
        }

        settings.ApplicationName ??= "tacit";
        settings.CommandTimeout = (int)Math.Ceiling(options.StatementTimeout.TotalSeconds);
        settings.MaxAutoPrepare = PreparedStatements;
        settings.AutoPrepareMinUsages = 2;
        settings.MinPoolSize = 0;
        settings.MaxPoolSize = options.Readers + 4;
        settings.TcpKeepAlive = true;
        settings.Enlist = false;

        // What we give back, we closed because it was of no use any more, or because all ends.
        settings.NoResetOnClose = true;
        settings.Pooling = true;

        // Both would put values of rows and arguments into exceptions.
        settings.IncludeErrorDetail = false;
        settings.IncludeFailedBatchedCommand = false;
        settings.LogParameters = false;
        settings.PersistSecurityInfo = false;
    }
}
