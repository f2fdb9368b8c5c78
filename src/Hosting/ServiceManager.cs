using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Tacit.Hosting;

/// <summary>
/// Tells a service manager how the process is, by sd_notify(3): a datagram for each word to the socket that <c>NOTIFY_SOCKET</c> names. Without one nothing is
/// told, so a role need not know what started it. While <c>WATCHDOG_USEC</c> asks for signs of life, one is sent in half that time from the thread pool,
/// where requests are served, too: a process that hangs is killed and started again.
/// </summary>
public sealed class ServiceManager : IDisposable
{
    private readonly Socket? _socket;
    private readonly UnixDomainSocketEndPoint? _address;
    private readonly ITimer? _watchdog;

    private ServiceManager(string? path, TimeSpan? watchdog, TimeProvider time)
    {
        if (path is null)
        {
            return;
        }

        _address = new UnixDomainSocketEndPoint(path[0] == '@' ? '\0' + path[1..] : path);
        // Never waits: a manager that does not read must not hold up a role.
        _socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { Blocking = false };
        if (watchdog is TimeSpan interval)
        {
            _watchdog = time.CreateTimer(static manager => ((ServiceManager)manager!).Send("WATCHDOG=1"), this, TimeSpan.Zero, interval / 2);
        }
    }

    /// <summary>The manager that the environment names, if any.</summary>
    public static ServiceManager FromEnvironment(TimeProvider time) => From(Environment.GetEnvironmentVariable, time);

    internal static ServiceManager From(Func<string, string?> environment, TimeProvider time)
    {
        string? path = environment("NOTIFY_SOCKET");
        bool usable = path is { Length: > 1 } && path[0] is '/' or '@';
        string? process = environment("WATCHDOG_PID");
        bool watched = process is null || process == Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        bool asked = long.TryParse(environment("WATCHDOG_USEC"), NumberStyles.None, CultureInfo.InvariantCulture, out long microseconds) && microseconds is > 0 and < 86_400_000_000;
        return new ServiceManager(usable ? path : null, watched && asked ? TimeSpan.FromMicroseconds(microseconds) : null, time);
    }

    /// <summary>The role answers; <paramref name="status"/> is shown by <c>systemctl status</c>.</summary>
    public void Ready(string status) => Send($"READY=1\nSTATUS={status}");

    /// <summary>The role finishes what it has begun.</summary>
    public void Stopping() => Send("STOPPING=1\nSTATUS=finishes what it has begun");

    public void Dispose()
    {
        _watchdog?.Dispose();
        _socket?.Dispose();
    }

    private void Send(string state)
    {
        try
        {
            _socket?.SendTo(Encoding.UTF8.GetBytes(state), _address!);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The manager is gone or does not read. There is nobody to tell.
        }
    }
}
