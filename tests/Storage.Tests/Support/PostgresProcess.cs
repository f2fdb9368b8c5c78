using System.Diagnostics;
using System.Globalization;
using System.Text;
using Npgsql;
using Tacit.EndToEnd.Support;

namespace Tacit.Storage.Testing;

/// <summary>
/// A real PostgreSQL server of our own: made in a temporary folder from the binaries that are installed, on a port and a socket of its own, gone with its folder at the
/// end. It also ends when this process does, however that ends: a shell between the two waits for the end of its input.
/// </summary>
public sealed class PostgresProcess : IAsyncDisposable
{
    private const string User = "tacit";
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(3);

    private readonly string _binaries;
    private readonly string _folder;
    private readonly bool _durable;
    private readonly int _port;
    private Process? _process;
    private int _databases;

    private PostgresProcess(string binaries, string folder, bool durable, int port)
    {
        _binaries = binaries;
        _folder = folder;
        _durable = durable;
        _port = port;
    }

    /// <summary>Where the server's programs are (Debian keeps them out of PATH); null if they are not installed.</summary>
    public static string? FindBinaries()
    {
        IEnumerable<string> versions = Directory.Exists("/usr/lib/postgresql")
            ? Directory.EnumerateDirectories("/usr/lib/postgresql").OrderByDescending(path => int.TryParse(Path.GetFileName(path), out int version) ? version : 0)
            : [];
        return versions.Select(path => Path.Combine(path, "bin"))
            .Concat((Environment.GetEnvironmentVariable("PATH") ?? "").Split(':'))
            .FirstOrDefault(path => File.Exists(Path.Combine(path, "postgres")) && File.Exists(Path.Combine(path, "initdb")));
    }

    /// <param name="durable">Whether commits wait for the disk, as in earnest. Tests need not: nobody pulls the plug on them.</param>
    public static async Task<PostgresProcess> StartAsync(bool durable = false)
    {
        string binaries = FindBinaries() ?? throw new InvalidOperationException("PostgreSQL is not installed.");
        string folder = Directory.CreateTempSubdirectory("tacit-pg-").FullName;
        var server = new PostgresProcess(binaries, folder, durable, FreePorts.Take(1));
        try
        {
            if (Environment.IsPrivilegedProcess)
            {
                await RunAsync("chown", ServerUser(), folder);
            }

            // The server refuses to run as root.
            await server.RunAsServerAsync(
                Path.Combine(binaries, "initdb"), "-D", Path.Combine(folder, "data"), "-U", User, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions");
            await server.LaunchAsync();
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>A new, empty database; its connection string.</summary>
    /// <param name="overSocket">By the Unix socket, not by the port.</param>
    public async Task<string> CreateDatabaseAsync(bool overSocket = false)
    {
        string name = string.Create(CultureInfo.InvariantCulture, $"test_{Interlocked.Increment(ref _databases)}");
        await ExecuteAsync("postgres", $"CREATE DATABASE {name}");
        return ConnectionString(name, overSocket);
    }

    /// <summary>A copy of a database as it is at this moment, in use or not; its connection string.</summary>
    public async Task<string> CopyDatabaseAsync(string connectionString)
    {
        string original = new NpgsqlConnectionStringBuilder(connectionString).Database!;
        string copy = await CreateDatabaseAsync();
        string name = new NpgsqlConnectionStringBuilder(copy).Database!;
        string where = string.Create(CultureInfo.InvariantCulture, $"-h '{_folder}' -p {_port} -U {User}");
        await RunAsServerAsync("sh", "-c", $"'{_binaries}/pg_dump' {where} {original} | '{_binaries}/psql' -X -q -v ON_ERROR_STOP=1 {where} {name}");
        return copy;
    }

    /// <summary>Every value of every row of every table, one after the other.</summary>
    public static async Task<byte[]> ReadAllAsync(string connectionString)
    {
        using var all = new MemoryStream();
        await using var connection = new NpgsqlConnection(connectionString + ";Pooling=false");
        await connection.OpenAsync();
        var tables = new List<string>();
        await using (var list = new NpgsqlCommand("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'", connection))
        await using (NpgsqlDataReader reader = await list.ExecuteReaderAsync())
        {
            while (await reader.ReadAsync())
            {
                tables.Add(reader.GetString(0));
            }
        }

        foreach (string table in tables)
        {
            await using var select = new NpgsqlCommand($"SELECT * FROM {table}", connection);
            await using NpgsqlDataReader rows = await select.ExecuteReaderAsync();
            while (await rows.ReadAsync())
            {
                for (int i = 0; i < rows.FieldCount; i++)
                {
                    all.Write(rows.GetValue(i) as byte[] ?? Encoding.UTF8.GetBytes(Convert.ToString(rows.GetValue(i), CultureInfo.InvariantCulture)!));
                    all.WriteByte(0);
                }
            }
        }

        return all.ToArray();
    }

    /// <summary>Runs a statement of the administrator's.</summary>
    public async Task ExecuteAsync(string database, string sql)
    {
        await using var connection = new NpgsqlConnection(ConnectionString(database) + ";Pooling=false");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Stops the server and starts it again on the same data and port.</summary>
    /// <param name="crash">As if it had been killed, not in order.</param>
    public async Task RestartAsync(bool crash)
    {
        await StopAsync(crash);
        await LaunchAsync();
    }

    /// <summary>Stops the server; connections are cut.</summary>
    public async Task StopAsync(bool crash)
    {
        if (_process is null)
        {
            return;
        }

        if (crash)
        {
            // SIGQUIT: every process of the server ends at once, without a checkpoint; the next start recovers from the log.
            string postmaster = (await File.ReadAllLinesAsync(Path.Combine(_folder, "data", "postmaster.pid")))[0];
            await RunAsync("kill", "-QUIT", postmaster);
        }

        _process.StandardInput.Close();
        using var patience = new CancellationTokenSource(s_patience);
        await _process.WaitForExitAsync(patience.Token);
        _process.Dispose();
        _process = null;
    }

    /// <summary>Starts the server again after <see cref="StopAsync"/>.</summary>
    public async Task LaunchAsync()
    {
        string[] settings =
        [
            "listen_addresses=127.0.0.1", string.Create(CultureInfo.InvariantCulture, $"port={_port}"), $"unix_socket_directories={_folder}", "max_connections=300",
            "deadlock_timeout=100ms", "log_min_messages=fatal",
            // Durable: as docs/operating.md advises for a gateway's database.
            .. _durable
                ? (string[])["shared_buffers=1GB", "max_wal_size=8GB", "checkpoint_timeout=15min", "wal_compression=on"]
                : ["shared_buffers=64MB", "autovacuum=off", "fsync=off", "full_page_writes=off"],
        ];
        string command = $"'{Path.Combine(_binaries, "postgres")}' -D '{Path.Combine(_folder, "data")}' {string.Join(' ', settings.Select(setting => $"-c '{setting}'"))}";

        // SIGINT is the server's "fast shutdown": connections are cut, data is written.
        ProcessStartInfo start = AsServer("sh", "-c", $"{command} >'{_folder}/data/log' 2>&1 </dev/null & server=$!; read -r _; kill -INT $server 2>/dev/null; wait $server");
        start.RedirectStandardInput = true;
        _process = Process.Start(start)!;
        using var patience = new CancellationTokenSource(s_patience);
        while (true)
        {
            try
            {
                await ExecuteAsync("postgres", "SELECT 1");
                return;
            }
            catch (Exception e) when (e is NpgsqlException or IOException)
            {
                if (patience.IsCancellationRequested || !File.Exists(Path.Combine(_folder, "data", "PG_VERSION")))
                {
                    throw new InvalidOperationException("PostgreSQL did not start: " + await File.ReadAllTextAsync(Path.Combine(_folder, "data", "log"), CancellationToken.None), e);
                }

                await Task.Delay(50, CancellationToken.None);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync(crash: false);
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>How to reach a database of this server.</summary>
    public string ConnectionString(string database, bool overSocket = false) => new NpgsqlConnectionStringBuilder
    {
        Host = overSocket ? _folder : "127.0.0.1",
        Port = _port,
        Database = database,
        Username = User,
    }.ConnectionString;

    private static string ServerUser() => File.ReadLines("/etc/passwd").Any(line => line.StartsWith("postgres:", StringComparison.Ordinal)) ? "postgres" : "nobody";

    private ProcessStartInfo AsServer(string program, params string[] arguments) => Environment.IsPrivilegedProcess
        ? new ProcessStartInfo("setpriv", ["--reuid", ServerUser(), "--regid", RegularGroup(), "--clear-groups", program, .. arguments]) { WorkingDirectory = _folder }
        : new ProcessStartInfo(program, arguments) { WorkingDirectory = _folder };

    private static string RegularGroup() =>
        File.ReadLines("/etc/passwd").First(line => line.StartsWith(ServerUser() + ":", StringComparison.Ordinal)).Split(':')[3];

    private Task RunAsServerAsync(string program, params string[] arguments) => RunAsync(AsServer(program, arguments));

    private static Task RunAsync(string program, params string[] arguments) => RunAsync(new ProcessStartInfo(program, arguments));

    private static async Task RunAsync(ProcessStartInfo start)
    {
        start.RedirectStandardOutput = start.RedirectStandardError = true;
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        string errors = await process.StandardError.ReadToEndAsync();
        await output;
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"{Path.GetFileName(start.FileName)} failed: {errors}");
        }
    }
}
