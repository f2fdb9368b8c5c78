using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Tacit.Client.Tests.Support;
using Tacit.Client.Transports;

namespace Tacit.Client.Tests.Transports;

/// <summary>One Tor a folder: the second process uses the first one's, and starts its own once that is gone. The real tor, in a network that cannot be reached.</summary>
public sealed class BorrowedTorTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly TestFolder _folder = new();
    private readonly TcpListener _silent = new(IPAddress.Loopback, 0);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private string AddressFile => Path.Combine(_folder["tor"], "socks-address");

    public void Dispose()
    {
        _silent.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Second_pool_on_a_folder_borrows_the_firsts_Tor_and_runs_its_own_once_that_is_gone()
    {
        TransportOptions options = Offline();
        Route route = Route.Direct(new Uri("http://gatewayaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.onion"));
        await using var second = new TransportPool(options, TimeProvider.System);
        string address;
        await using (var first = new TransportPool(options, TimeProvider.System))
        {
            first.StartFor(route);
            await UntilAsync(() => first.Status.Version is not null && File.Exists(AddressFile));
            Assert.Null(first.Status.Source);
            address = await File.ReadAllTextAsync(AddressFile, Ct);

            second.StartFor(route);
            await UntilAsync(() => second.Status.State is CarrierState.Ready or CarrierState.Failed);
            Assert.Null(second.Status.Problem);
            Assert.Equal(address, second.Status.Source);
            // The network belongs to whoever runs it.
            Assert.False(await second.TakeNewIdentityAsync(Ct));
        }
        Assert.False(File.Exists(AddressFile));

        ClientException failure = await Assert.ThrowsAsync<ClientException>(() => second.GetAsync(route.Address, 1024, Ct));
        Assert.Equal((ClientError.TorUnavailable, "tor_unavailable"), (failure.Error, failure.Code));
        second.StartFor(route);
        await UntilAsync(() => second.Status is { Source: null, Version: not null } && File.Exists(AddressFile));
        Assert.NotEqual(address, await File.ReadAllTextAsync(AddressFile, Ct));
    }

    [Fact]
    public async Task Address_that_a_killed_process_left_is_not_used()
    {
        TransportOptions options = Offline();
        Directory.CreateDirectory(_folder["tor"]);
        await using var left = new SocksPeer();
        await File.WriteAllTextAsync(AddressFile, left.Address, Ct);
        Route route = Route.Direct(new Uri("http://gatewayaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.onion"));
        await using var pool = new TransportPool(options, TimeProvider.System);

        pool.StartFor(route);
        await UntilAsync(() => pool.Status.Version is not null);

        Assert.Null(pool.Status.Source);
        Assert.Empty(left.Seen);
        Assert.StartsWith("unix:", await File.ReadAllTextAsync(AddressFile, Ct), StringComparison.Ordinal);
    }

    [Fact]
    public void Only_a_socket_in_a_folder_of_this_user_alone_is_believed()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "No tor is started on Windows.");
        const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        string folder = Directory.CreateDirectory(_folder["run"], Private).FullName;
        string socket = Path.Combine(folder, "socks");
        string file = _folder["socks-address"];
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(socket));

        Assert.Null(SharedTor.Find(file));
        Assert.Equal("unix:" + socket, FoundAfter("unix:" + socket));
        foreach (string wrong in (string[])["", "127.0.0.1:9050", "192.0.2.1:9050", "tor.example:9050", "unix:socks", "unix:", "unix:/", socket, "unix:" + socket + "2", "unix:" + new string('/', 300) + socket])
        {
            Assert.Null(FoundAfter(wrong));
        }

        FoundAfter("unix:" + socket);
        string link = _folder["link"];
        File.CreateSymbolicLink(link, file);
        Assert.Null(SharedTor.Find(link));
        // Others can put something in the socket's place.
        File.SetUnixFileMode(folder, Private | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute);
        Assert.Null(SharedTor.Find(file));

        string? FoundAfter(string text)
        {
            File.WriteAllText(file, text);
            return SharedTor.Find(file);
        }
    }

    private TransportOptions Offline()
    {
        Assert.SkipWhen(
            OperatingSystem.IsWindows() || !(Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Append("/usr/sbin").Any(folder => File.Exists(Path.Combine(folder, "tor"))),
            "There is no tor here (Debian package tor).");
        _silent.Start();
        int port = ((IPEndPoint)_silent.LocalEndpoint).Port;
        string configuration = _folder["network"];
        File.WriteAllText(configuration, string.Create(
            CultureInfo.InvariantCulture,
            $"TestingTorNetwork 1\nDirAuthority silent orport={port} no-v2 v3ident=0123456789ABCDEF0123456789ABCDEF01234567 127.0.0.1:{port} FEDCBA9876543210FEDCBA9876543210FEDCBA98\n"));
        return new TransportOptions { Carrier = CarrierChoice.Tor, Tor = new TorSettings { DataDirectory = _folder["tor"], Configuration = configuration } };
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        using var late = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        late.CancelAfter(Patience);
        while (!condition())
        {
            await Task.Delay(50, late.Token);
        }
    }
}
