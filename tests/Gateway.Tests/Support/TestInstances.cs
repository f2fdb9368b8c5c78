using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using Npgsql;
using Tacit.Hosting;
using Tacit.Inference;
using Tacit.Protocol;
using Tacit.Storage;
using Tacit.Storage.Testing;

namespace Tacit.Gateway.Tests.Support;

/// <summary>Several gateways on real sockets and one real PostgreSQL database, before one stub provider.</summary>
public sealed class TestInstances : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tacit-instances-").FullName;
    private readonly HttpMessageInvoker _client = new(new SocketsHttpHandler { UseProxy = false, UseCookies = false, AllowAutoRedirect = false, MaxConnectionsPerServer = 250 });
    private readonly List<GatewayServer> _servers = [];
    private readonly List<CuttingProxy?> _wires = [];
    private readonly InferenceRouter _router;
    private readonly NpgsqlConnectionStringBuilder _database;
    private readonly TimeProvider _time;
    private byte[] _directory = [];

    private TestInstances(StubProvider provider, string database, TimeProvider time)
    {
        (Provider, _database, _time) = (provider, new NpgsqlConnectionStringBuilder(database), time);
        _router = new InferenceRouter(
            new InferenceOptions
            {
                Backends = [new BackendOptions { Name = "stub", BaseUrl = provider.BaseUrl, Models = new Dictionary<string, string> { [TestGateway.Model] = "m" } }],
                MaxAttempts = 1,
            },
            TimeProvider.System, Log);
    }

    public TestIssuer Issuer { get; } = new();

    public StubProvider Provider { get; }

    public LogCapture Log { get; } = new();

    public int Count => _servers.Count;

    public HttpMessageInvoker Client => _client;

    public GatewayServer Server(int instance) => _servers[instance];

    public Uri Address(int instance) => _servers[instance].Address;

    /// <param name="count">How many.</param>
    /// <param name="time">Their clock.</param>
    /// <param name="database">Of a server of the test's own; null: a new one of the test process's.</param>
    /// <param name="configure">What the instance of this number has otherwise.</param>
    public static async Task<TestInstances> StartAsync(int count, TimeProvider time, string? database = null, Func<int, GatewayOptions, GatewayOptions>? configure = null)
    {
        var instances = new TestInstances(await StubProvider.StartAsync(), database ?? await TestPostgres.CreateDatabaseAsync(), time);
        Period period = Period.Containing(PeriodKind.Month, time.GetUtcNow());
        instances.Issuer.AddPlan(TestGateway.ChatPlan, period);
        instances.Issuer.AddPlan(TestGateway.MonthlyPlan, period);
        instances._directory = instances.Issuer.Publish();
        for (int i = 0; i < count; i++)
        {
            await instances.AddAsync(configure);
        }

        return instances;
    }

    /// <summary>As if the machine had gone: nothing of what the instance would still like to say reaches the database, and then it is no more.</summary>
    public async Task KillAsync(int instance)
    {
        await _wires[instance]!.DisposeAsync();
        _wires[instance] = null;
        await _servers[instance].DisposeAsync();
    }

    public Task<HttpResponseMessage> AskAsync(int instance, TestToken token, string? body = null, Action<HttpRequestHeaders>? headers = null, string path = Routes.ChatCompletions, CancellationToken gone = default)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(Address(instance), path)) { Content = new StringContent(body ?? TestGateway.Body(), Encoding.UTF8, "application/json") };
        request.Headers.TryAddWithoutValidation("Authorization", token.Header);
        headers?.Invoke(request.Headers);
        return _client.SendAsync(request, gone.CanBeCanceled ? gone : TestContext.Current.CancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (GatewayServer server in _servers)
        {
            await server.DisposeAsync();
        }

        foreach (CuttingProxy? wire in _wires)
        {
            await (wire?.DisposeAsync() ?? ValueTask.CompletedTask);
        }

        await _router.DisposeAsync();
        await Provider.DisposeAsync();
        _client.Dispose();
        Issuer.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Starts one more.</summary>
    public async Task AddAsync(Func<int, GatewayOptions, GatewayOptions>? configure)
    {
        int number = _servers.Count;
        var wire = new CuttingProxy(_database.Port);
        _wires.Add(wire);
        string secret = Path.Combine(_folder, string.Create(CultureInfo.InvariantCulture, $"postgres-{number}"));
        await File.WriteAllTextAsync(secret, new NpgsqlConnectionStringBuilder(_database.ConnectionString) { Port = wire.Port }.ConnectionString);
        File.SetUnixFileMode(secret, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var options = new GatewayOptions
        {
            Name = TestIssuer.GatewayName,
            Listen = ListenAddress.Loopback(0),
            DirectoryKey = Issuer.DirectoryKey,
            DataDirectory = Path.Combine(_folder, number.ToString(CultureInfo.InvariantCulture)),
            Database = new DatabaseOptions { Postgres = SecretReference.FromFile(secret), Readers = 2 },
            ReplyMemoryBytes = 256 << 20,
        };
        _servers.Add(await GatewayServer.StartAsync(
            configure?.Invoke(number, options) ?? options, _ => ValueTask.FromResult<ReadOnlyMemory<byte>>(_directory), _router, Issuer, null, _time, Log,
            TestContext.Current.CancellationToken));
    }
}
