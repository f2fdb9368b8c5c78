using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;
using Tacit.Client.Tests.Support;

namespace Tacit.EndToEnd.TorNetwork;

/// <summary>Packets that programs in a namespace sent, by where to.</summary>
/// <param name="Dns">To a name server, by whatever protocol; each was refused.</param>
/// <param name="Tor">To the ports that are open.</param>
/// <param name="Other">Anywhere else; each was refused.</param>
internal sealed record PacketCounts(long Dns, long Tor, long Other);

/// <summary>
/// A network namespace in which nothing can be reached but the ports of a Tor network, and in which every packet is counted before it is let through or refused. It has an
/// address, a default route and a name server, so that whoever tries to leave sends a packet. It has no name and ends with the process that holds it.
/// </summary>
internal sealed partial class NetworkNamespace : IAsyncDisposable
{
    /// <summary>Open inside for what one program there says to another: the app's port, the first of those of our roles.</summary>
    public const int LocalPort = 8224;

    /// <summary><c>tacit status</c> looks whether a gateway answers at its usual place on this machine.</summary>
    private const string LocalPorts = "8224-8228";

    private const int CloneNewNet = 0x40000000;

    private readonly Process _holder;
    private readonly List<Socket> _listeners;
    private readonly CancellationTokenSource _stopping = new();
    private readonly List<Task> _accepting;

    private NetworkNamespace(Process holder, IReadOnlyList<int> ports)
    {
        _holder = holder;
        _listeners = ListenInside(ports);
        _accepting = [.. _listeners.Select(listener => AcceptAsync(listener, ((IPEndPoint)listener.LocalEndPoint!).Port))];
    }

    /// <summary>Skips the test where this machine makes no namespaces.</summary>
    /// <param name="ports">Open inside, on 127.0.0.1, and led to the same ports of the machine.</param>
    public static async Task<NetworkNamespace> StartAsync(TestFolder folder, IReadOnlyList<int> ports)
    {
        Assert.SkipUnless(System.Environment.IsPrivilegedProcess, "only root can make network namespaces");
        foreach (string tool in (string[])["ip", "nft", "unshare", "nsenter"])
        {
            Assert.SkipWhen(PrivateTorNetwork.FindTool(tool) is null, $"{tool} is not installed");
        }

        await File.WriteAllTextAsync(folder["resolv.conf"], "nameserver 192.0.2.53\noptions timeout:1 attempts:1\n");
        await File.WriteAllTextAsync(folder["nsswitch.conf"], "hosts: files dns\n");
        await File.WriteAllTextAsync(folder["rules"], Rules(ports));
        // What could answer for a name without a packet (a cache's socket) is covered up.
        const string set = """
            set -e
            ip link set lo up
            ip link add out type veth peer name away
            ip link set away up
            ip addr add 192.0.2.1/24 dev out
            ip link set out up
            ip route add default via 192.0.2.254
            ip -6 addr add 2001:db8::1/64 dev out nodad 2>/dev/null && ip -6 route add default dev out || true
            mount --bind "$1/resolv.conf" /etc/resolv.conf
            [ ! -e /etc/nsswitch.conf ] || mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf
            for cache in /run/nscd /run/systemd/resolve; do [ ! -d $cache ] || mount -t tmpfs none $cache; done
            nft -f "$1/rules"
            echo READY
            read -r _
            """;
        var start = new ProcessStartInfo("unshare", ["--net", "--mount", "--propagation", "private", "sh", "-c", set, "holder", folder.Path])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["PATH"] = System.Environment.GetEnvironmentVariable("PATH") + ":/usr/sbin:/sbin" },
        };
        Process holder = Process.Start(start)!;
        Task<string> errors = holder.StandardError.ReadToEndAsync();
        if (await holder.StandardOutput.ReadLineAsync() == "READY")
        {
            return new NetworkNamespace(holder, ports);
        }

        holder.StandardInput.Close();
        await holder.WaitForExitAsync();
        string said = await errors;
        holder.Dispose();
        Assert.SkipWhen(said.Contains("unshare", StringComparison.Ordinal), "this machine lets nobody make network namespaces");
        throw new InvalidOperationException("The namespace could not be set up: " + said);
    }

    /// <summary>What programs inside have in their environment beside this process's own.</summary>
    public Dictionary<string, string> Environment { get; } = [];

    /// <summary>How to start a program inside.</summary>
    public ProcessStartInfo Inside(string program, params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo("nsenter", ["--target", _holder.Id.ToString(CultureInfo.InvariantCulture), "--net", "--mount", "--", program, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string name, string value) in Environment)
        {
            start.Environment[name] = value;
        }

        return start;
    }

    /// <summary>Runs a program inside to its end.</summary>
    public async Task<(int Code, string Output, string Errors)> RunAsync(string program, params IEnumerable<string> arguments)
    {
        using Process process = Process.Start(Inside(program, arguments))!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, await output, await errors);
    }

    public async Task<PacketCounts> CountAsync()
    {
        (int code, string output, string errors) = await RunAsync(PrivateTorNetwork.FindTool("nft")!, "-j", "list", "counters");
        Assert.True(code == 0, errors);
        using JsonDocument json = JsonDocument.Parse(output);
        Dictionary<string, long> counters = json.RootElement.GetProperty("nftables").EnumerateArray()
            .Where(entry => entry.TryGetProperty("counter", out _)).Select(entry => entry.GetProperty("counter"))
            .ToDictionary(counter => counter.GetProperty("name").GetString()!, counter => counter.GetProperty("packets").GetInt64());
        return new PacketCounts(counters["dns"], counters["tor"], counters["other"]);
    }

    /// <summary>Where the packets went that were let through to nowhere, for people.</summary>
    public async Task<string> DescribeOthersAsync() => (await RunAsync(PrivateTorNetwork.FindTool("nft")!, "list", "sets")).Output;

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        foreach (Socket listener in _listeners)
        {
            listener.Dispose();
        }

        await Task.WhenAll(_accepting);
        _holder.StandardInput.Close();
        await _holder.WaitForExitAsync();
        _holder.Dispose();
        _stopping.Dispose();
    }

    private static string Rules(IReadOnlyList<int> ports)
    {
        string open = string.Join(", ", ports);
        return $$"""
            table inet leak {
              counter dns { }
              counter tor { }
              counter other { }
              set to4 { type ipv4_addr . inet_proto; flags dynamic; size 64; }
              set to6 { type ipv6_addr . inet_proto; flags dynamic; size 64; }
              set ports { type inet_proto . inet_service; flags dynamic; size 64; }
              chain output {
                type filter hook output priority 0; policy drop;
                meta l4proto { tcp, udp } th dport { 53, 853, 5353 } counter name dns reject
                oifname lo tcp dport { {{open}} } counter name tor accept
                oifname lo tcp sport { {{open}} } counter name tor accept
                oifname lo tcp dport {{LocalPorts}} accept
                oifname lo tcp sport {{LocalPorts}} accept
                # What the kernel says by itself: of neighbours, and of what was refused below.
                icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-report, mld-listener-done, mld2-listener-report } drop
                oifname lo icmp type destination-unreachable accept
                oifname lo icmpv6 type destination-unreachable accept
                add @to4 { ip daddr . meta l4proto }
                add @to6 { ip6 daddr . meta l4proto }
                meta l4proto { tcp, udp } add @ports { meta l4proto . th dport }
                counter name other reject
              }
            }
            """;
    }

    /// <summary>A socket belongs for ever to the namespace of the thread that made it: so this process listens inside, and connects outside.</summary>
    private List<Socket> ListenInside(IReadOnlyList<int> ports)
    {
        List<Socket> listeners = [];
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                using SafeFileHandle inside = File.OpenHandle($"/proc/{_holder.Id}/ns/net");
                if (EnterNamespace(inside, CloneNewNet) != 0)
                {
                    throw new Win32Exception(Marshal.GetLastPInvokeError());
                }

                foreach (int port in ports)
                {
                    var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                    listeners.Add(listener);
                    listener.Bind(new IPEndPoint(IPAddress.Loopback, port));
                    listener.Listen();
                }
            }
            catch (Exception e)
            {
                failure = e;
            }
        });
        thread.Start();
        thread.Join();
        return failure is null ? listeners : throw new InvalidOperationException("Nobody can listen in the namespace.", failure);
    }

    private async Task AcceptAsync(Socket listener, int port)
    {
        List<Task> connections = [];
        try
        {
            while (true)
            {
                connections.Add(CarryAsync(await listener.AcceptAsync(_stopping.Token), port));
            }
        }
        catch (Exception stopped) when (stopped is OperationCanceledException or SocketException or ObjectDisposedException)
        {
        }

        await Task.WhenAll(connections);
    }

    private async Task CarryAsync(Socket inside, int port)
    {
        using var outside = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        using (inside)
        {
            try
            {
                await outside.ConnectAsync(IPAddress.Loopback, port, _stopping.Token);
                await using var near = new NetworkStream(inside);
                await using var far = new NetworkStream(outside);
                await Task.WhenAll(PumpAsync(near, far), PumpAsync(far, near));
            }
            catch (Exception gone) when (gone is IOException or SocketException or OperationCanceledException)
            {
            }
        }

        async Task PumpAsync(NetworkStream from, NetworkStream to)
        {
            await from.CopyToAsync(to, _stopping.Token);
            to.Socket.Shutdown(SocketShutdown.Send);
        }
    }

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    private static partial int EnterNamespace(SafeFileHandle file, int kind);
}
