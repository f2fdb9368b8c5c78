using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Tacit.EndToEnd.Support;

namespace Tacit.EndToEnd.TorNetwork;

/// <summary>
/// A whole Tor network on this machine, made and taken down by <c>private-tor-network.sh</c>. Whatever becomes of this process, the network goes with it: the script is
/// run by a shell in a session of its own, which waits for the end of its input.
/// </summary>
public sealed class PrivateTorNetwork : IAsyncDisposable
{
    /// <summary>The nickname of the relay that tests may kill.</summary>
    public const string Expendable = "r1";

    private const int PortsTaken = 32;
    private const int Attempts = 3;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(300);

    private readonly Process _keeper;
    private readonly string _folder;
    private readonly Dictionary<string, string> _nicknames;

    private PrivateTorNetwork(Process keeper, string folder, IReadOnlyDictionary<string, string> values, TimeSpan took)
    {
        _keeper = keeper;
        _folder = folder;
        Values = values;
        Took = took;
        // "nickname fingerprint", one line a relay.
        _nicknames = Directory.EnumerateFiles(folder, "fingerprint", SearchOption.AllDirectories)
            .Select(file => File.ReadAllText(file).Trim().Split(' ')).ToDictionary(words => words[1], words => words[0]);

        // Two thirds of the paths are enough to begin with, so that a relay that is down stops nobody from joining. How long a circuit may take is learned from a hundred of
        // them; until then it is a minute, which nobody waits for here.
        string lines = $"TestingTorNetwork 1\nPathsNeededToBuildCircuits 0.67\nLearnCircuitBuildTimeout 0\nCircuitBuildTimeout 30\n{File.ReadAllText(Path.Combine(folder, "authorities"))}";
        ConfigurationFile = Path.Combine(folder, "join.torrc");
        File.WriteAllText(ConfigurationFile, lines);
        ServiceConfigurationFile = Path.Combine(folder, "join-as-service.torrc");
        File.WriteAllText(ServiceConfigurationFile, $"{lines}ExcludeNodes ${_nicknames.Single(relay => relay.Value == Expendable).Key}\n");
    }

    /// <summary>What the script printed: <c>SOCKS</c>, <c>ONION</c>, <c>HS_TARGET</c> and so on.</summary>
    public IReadOnlyDictionary<string, string> Values { get; }

    /// <summary>How long it took to come up.</summary>
    public TimeSpan Took { get; }

    /// <summary>The torrc lines with which a tor joins this network and no other.</summary>
    public string ConfigurationFile { get; }

    /// <summary>
    /// The same for a tor that publishes onion services: it leaves <see cref="Expendable"/> out of its own circuits. A service has few layers of relays that it keeps to, here
    /// among seven; where one of those is dead it uses up the attempts at new introduction points that tor allows in five minutes, and is gone for as long.
    /// </summary>
    public string ServiceConfigurationFile { get; }

    /// <summary>Every port at which relays and authorities are reached, on 127.0.0.1.</summary>
    public IReadOnlyList<int> RelayPorts => [.. File.ReadLines(Path.Combine(_folder, "authorities")).Select(DirectoryPortOf), .. _nicknames.Values.Select(OnionRouterPortOf)];

    /// <summary>Why there can be no network here, or null.</summary>
    public static string? WhyNot()
    {
        if (!OperatingSystem.IsLinux())
        {
            return "The private Tor network is made by a script for Linux.";
        }

        string script = Script();
        return !File.Exists(script) ? $"No private Tor network: there is no {script} (TACIT_TOOLS names the folder)."
            : FindTool("tor") is null || FindTool("tor-gencert") is null ? "Tor is not installed (apt-get install tor)."
            : null;
    }

    /// <summary>Starts a network and waits until a client in it is bootstrapped and an onion service published. Takes half a minute.</summary>
    public static async Task<PrivateTorNetwork> StartAsync()
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return await TryStartAsync();
            }
            catch (InvalidOperationException) when (attempt < Attempts)
            {
                // Another program took one of the ports after they were drawn: some of them are bound only half a minute later.
            }
        }
    }

    /// <summary>The name of a relay by the fingerprint that control events show; null where it is none of this network's.</summary>
    public string? NicknameOf(string fingerprint) => _nicknames.GetValueOrDefault(fingerprint);

    /// <summary>Kills a relay as a loss of power does: its connections are gone at once, nothing is said.</summary>
    public async Task KillRelayAsync(string nickname)
    {
        int id = int.Parse(await File.ReadAllTextAsync(Path.Combine(_folder, nickname, "pid")), CultureInfo.InvariantCulture);
        string command = await File.ReadAllTextAsync($"/proc/{id}/cmdline");
        if (!command.Contains(Path.Combine(_folder, nickname, "torrc"), StringComparison.Ordinal))
        {
            throw new InvalidOperationException($"Process {id} is not the relay {nickname}.");
        }

        using Process relay = Process.GetProcessById(id);
        relay.Kill();
        await relay.WaitForExitAsync();
    }

    /// <summary>Starts a relay again that was killed, and waits until it listens.</summary>
    public async Task RestartRelayAsync(string nickname)
    {
        string folder = Path.Combine(_folder, nickname);
        // The script's own command; tor leaves the foreground by itself, and its number is where the script looks for it.
        using (Process tor = Process.Start(new ProcessStartInfo(FindTool("tor")!, ["--quiet", "--defaults-torrc", Path.Combine(folder, "none"), "-f", Path.Combine(folder, "torrc")]))!)
        {
            await tor.WaitForExitAsync();
        }

        using var patience = new CancellationTokenSource(s_patience);
        while (true)
        {
            using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                await probe.ConnectAsync(IPAddress.Loopback, OnionRouterPortOf(nickname), patience.Token);
                return;
            }
            catch (SocketException)
            {
                await Task.Delay(50, patience.Token);
            }
        }
    }

    public async ValueTask DisposeAsync() => await StopAsync(_keeper);

    internal static string? FindTool(string name) => ((IEnumerable<string>)[.. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':'), "/usr/sbin", "/sbin"])
        .Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);

    private static string Script()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Tacit.slnx")))
        {
            folder = folder.Parent;
        }

        string tools = Environment.GetEnvironmentVariable("TACIT_TOOLS") is { Length: > 0 } named ? named : Path.GetFullPath(Path.Combine(folder?.FullName ?? ".", "../shared/tools"));
        return Path.Combine(tools, "private-tor-network.sh");
    }

    private static async Task<PrivateTorNetwork> TryStartAsync()
    {
        const string keep = """
            bash "$1" up "$2" || { bash "$1" down "$2"; rm -rf -- "$2"; exit 1; }
            echo READY
            read -r _
            bash "$1" down "$2" >/dev/null
            rm -rf -- "$2"
            """;
        string folder = Directory.CreateTempSubdirectory("tacit-tor-").FullName;
        // A session of its own: whoever ends the tests by a signal to their group leaves it to take the network down.
        var start = new ProcessStartInfo("setsid", ["bash", "-c", keep, "keeper", Script(), folder])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment =
            {
                ["PTN_BASE_PORT"] = DrawPorts().ToString(CultureInfo.InvariantCulture),
                ["PTN_TIMEOUT"] = s_patience.TotalSeconds.ToString(CultureInfo.InvariantCulture),
                ["PATH"] = Environment.GetEnvironmentVariable("PATH") + ":/usr/sbin:/sbin",
            },
        };
        long started = Stopwatch.GetTimestamp();
        Process keeper = Process.Start(start)!;
        Task<string> errors = keeper.StandardError.ReadToEndAsync();
        Dictionary<string, string> values = [];
        while (await keeper.StandardOutput.ReadLineAsync() is { } line)
        {
            if (line == "READY")
            {
                return new PrivateTorNetwork(keeper, folder, values, Stopwatch.GetElapsedTime(started));
            }

            int equals = line.IndexOf('=', StringComparison.Ordinal);
            if (equals > 0)
            {
                values[line[..equals]] = line[(equals + 1)..];
            }
        }

        await StopAsync(keeper);
        throw new InvalidOperationException("The private Tor network did not come up: " + await errors);
    }

    private static async Task StopAsync(Process keeper)
    {
        keeper.StandardInput.Close();
        using var patience = new CancellationTokenSource(s_patience);
        await keeper.WaitForExitAsync(patience.Token);
        keeper.Dispose();
    }

    /// <summary>A range that nobody listens in. Other tests draw their ports above it, and so does the system.</summary>
    private static int DrawPorts()
    {
        while (true)
        {
            int first = 10_000 + (PortsTaken * RandomNumberGenerator.GetInt32(62));
            if (Enumerable.Range(first, PortsTaken).All(FreePorts.IsFree))
            {
                return first;
            }
        }
    }

    /// <summary>From <c>DirAuthority a0 orport=… no-v2 v3ident=… 127.0.0.1:PORT …</c>.</summary>
    private static int DirectoryPortOf(string authority) =>
        int.Parse(authority.Split(' ').Single(word => word.StartsWith("127.0.0.1:", StringComparison.Ordinal)).Split(':')[1], CultureInfo.InvariantCulture);

    private int OnionRouterPortOf(string nickname) => int.Parse(
        File.ReadLines(Path.Combine(_folder, nickname, "torrc")).Single(line => line.StartsWith("ORPort ", StringComparison.Ordinal)).Split(':')[1], CultureInfo.InvariantCulture);
}
