using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Tacit.Hosting.Tests;

public sealed class ServiceManagerTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tacit-notify-").FullName;
    private readonly Socket _manager = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);

    public void Dispose()
    {
        _manager.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Manager_is_told_of_a_role_that_is_ready_and_of_one_that_stops(bool isAbstract)
    {
        string path = isAbstract ? "@tacit-test-" + Path.GetFileName(_folder) : Path.Combine(_folder, "notify");
        _manager.Bind(new UnixDomainSocketEndPoint(isAbstract ? '\0' + path[1..] : path));
        using ServiceManager role = ServiceManager.From(name => name == "NOTIFY_SOCKET" ? path : null, TimeProvider.System);
        role.Ready("listens on http://127.0.0.1:1");
        role.Stopping();
        Assert.Equal("READY=1\nSTATUS=listens on http://127.0.0.1:1", Receive());
        Assert.StartsWith("STOPPING=1\n", Receive(), StringComparison.Ordinal);
    }

    [Fact]
    public void Watchdog_gets_a_sign_of_life_twice_in_the_time_it_wants_one()
    {
        string path = Bind();
        FakeTime time = new(new DateTimeOffset(2027, 1, 1, 0, 0, 0, TimeSpan.Zero));
        using (ServiceManager role = ServiceManager.From(Environment(path, "60000000", System.Environment.ProcessId), time))
        {
            time.Advance(TimeSpan.FromSeconds(120));
        }

        time.Advance(TimeSpan.FromHours(1));
        int signs = 0;
        for (; _manager.Available > 0; signs++)
        {
            Assert.Equal("WATCHDOG=1", Receive());
        }

        // At once, and after 30, 60, 90 and 120 s.
        Assert.Equal(5, signs);
    }

    [Theory]
    [InlineData("60000000", 1)]
    [InlineData("0", 0)]
    [InlineData("-5", 0)]
    [InlineData("soon", 0)]
    public void Watchdog_of_another_process_or_without_sense_is_left_alone(string interval, int otherBy)
    {
        string path = Bind();
        FakeTime time = new(new DateTimeOffset(2027, 1, 1, 0, 0, 0, TimeSpan.Zero));
        using ServiceManager role = ServiceManager.From(Environment(path, interval, System.Environment.ProcessId + otherBy), time);
        time.Advance(TimeSpan.FromHours(1));
        Assert.Equal(0, _manager.Available);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("@")]
    [InlineData("relative")]
    [InlineData("/nowhere/at/all")]
    public void Role_without_a_manager_that_listens_goes_on(string? path)
    {
        using ServiceManager role = ServiceManager.From(name => name == "NOTIFY_SOCKET" ? path : null, TimeProvider.System);
        role.Ready("listens");
        role.Stopping();
    }

    [Fact]
    public void Socket_is_taken_only_where_the_process_was_passed_one()
    {
        string me = System.Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        Assert.Null(PassedSocket.Find(null, _ => null));
        Assert.Null(PassedSocket.Find(null, Passed("1", "1", "gateway")));
        Assert.Null(PassedSocket.Find("gateway", Passed(me, "0", "gateway")));
        Assert.Null(PassedSocket.Find("gateway", Passed(me, "-1", "gateway")));
        Assert.Null(PassedSocket.Find("issuer", Passed(me, "1", "gateway")));
        // Of two, the name has to say which.
        Assert.Null(PassedSocket.Find(null, Passed(me, "2", "gateway:metrics")));
        // A name behind the number that were passed is none.
        Assert.Null(PassedSocket.Find("metrics", Passed(me, "1", "gateway:metrics")));

        static Func<string, string?> Passed(string process, string count, string names) => name => name switch
        {
            "LISTEN_PID" => process,
            "LISTEN_FDS" => count,
            "LISTEN_FDNAMES" => names,
            _ => null,
        };
    }

    [Fact]
    public async Task Server_that_wants_a_passed_socket_and_has_none_says_so()
    {
        ListenAddress address = ListenAddress.Parse("systemd:gateway");
        Assert.Equal("systemd:gateway", address.ToString());
        ListenException e = await Assert.ThrowsAsync<ListenException>(() => Servers.StartAsync(_ => { }, o => o with { Listen = address }));
        Assert.Equal("Listen", e.Setting);
        Assert.False(ListenAddress.TryParse("systemd:", out _));
        Assert.False(ListenAddress.TryParse("systemdx", out _));
    }

    private static Func<string, string?> Environment(string path, string interval, int process) => name => name switch
    {
        "NOTIFY_SOCKET" => path,
        "WATCHDOG_USEC" => interval,
        "WATCHDOG_PID" => process.ToString(CultureInfo.InvariantCulture),
        _ => null,
    };

    private string Bind()
    {
        string path = Path.Combine(_folder, "notify");
        _manager.Bind(new UnixDomainSocketEndPoint(path));
        return path;
    }

    private string Receive()
    {
        byte[] buffer = new byte[512];
        return Encoding.UTF8.GetString(buffer, 0, _manager.Receive(buffer));
    }
}
