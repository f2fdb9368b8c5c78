using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Tacit.Hosting;
using Tacit.Hosting.Onion;

namespace Tacit.Cli.Doctor;

/// <summary>Are the roles of this machine running, and can those that do not run have their ports?</summary>
internal static class RoleChecks
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

    public static async Task<Finding> PortAsync(string role, int port, TimeProvider time, CancellationToken cancellationToken)
    {
        string check = $"port {port}";
        using (Socket probe = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
        {
            try
            {
                probe.Bind(new IPEndPoint(IPAddress.Loopback, port));
                return Finding.Fine(check, $"free for the {role}");
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
            {
                // Taken: by the role itself?
            }
            catch (SocketException e)
            {
                return Finding.Broken(check, $"cannot be used ({e.SocketErrorCode})", $"Set another with --listen for `tacit {role}`.");
            }
        }
        (HttpStatusCode? status, DateTimeOffset? date) = await AskAsync(new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}/health/ready")), time, cancellationToken);
        if (status is null)
        {
            return Finding.Broken(check, $"taken by a program that is no {role}", $"Stop it (ss -ltnp shows it), or give the {role} another port with --listen.");
        }
        if (date is DateTimeOffset theirs && (theirs - time.GetUtcNow()).Duration() > TimeSpan.FromMinutes(1))
        {
            return Finding.Broken(check, $"the {role} runs, but its clock differs from ours by more than a minute", "Set both clocks (timedatectl set-ntp true).");
        }
        return status == HttpStatusCode.OK
            ? Finding.Fine(check, $"the {role} runs and is ready")
            : Finding.Warn(check, $"the {role} runs and is not ready ({(int)status})", $"Look at http://127.0.0.1:{port}/health/ready and its log.");
    }

    public static async Task<Finding?> ManagementAsync(string dataFolder, string role, CancellationToken cancellationToken)
    {
        string socket = ManagementSocket.PathFor(dataFolder, role);
        if (!File.Exists(socket))
        {
            return null;
        }
        using Socket probe = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await probe.ConnectAsync(new UnixDomainSocketEndPoint(socket), cancellationToken);
            return Finding.Fine(role, $"answers at {socket}");
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AccessDenied)
        {
            return Finding.Warn(role, $"{socket} belongs to another user", $"Run operator commands as the user that runs the {role}.");
        }
        catch (SocketException)
        {
            return Finding.Warn(role, $"ended without removing {socket}", $"Its log says why; `tacit {role}` replaces the socket.");
        }
    }

    /// <summary>The onion service of a role that runs here; null where there is none.</summary>
    public static async Task<Finding?> OnionAsync(string dataFolder, string role, CancellationToken cancellationToken)
    {
        try
        {
            if (!File.Exists(ManagementSocket.PathFor(dataFolder, role)))
            {
                return null;
            }
            using ManagementClient client = new(dataFolder, role);
            OnionReport report = await client.GetAsync("/onion", OnionJson.Default.OnionReport, cancellationToken);
            string check = $"onion service of the {role}";
            return report switch
            {
                { Enabled: false } or { State: null } => null,
                { State.IsPublished: true } => Finding.Fine(check, $"http://{report.Address} is published"),
                { State.Fault: string fault } => Finding.Warn(check, $"not published. {fault}", $"The {role} serves its own address meanwhile; `tacit {role} onion` shows how it goes on."),
                _ => Finding.Fine(check, $"http://{report.Address} is being published; tor: {report.State.Tor}"),
            };
        }
        catch (ManagementException)
        {
            // Said by the check of its management socket, or of an earlier version that has no onion services.
            return null;
        }
    }

    public static async Task<Finding> ReachAsync(string what, Uri address, TimeProvider time, CancellationToken cancellationToken)
    {
        (HttpStatusCode? status, DateTimeOffset? date) = await AskAsync(new Uri(address, "/health/ready"), time, cancellationToken);
        return status switch
        {
            null => Finding.Broken(what, $"{address.GetLeftPart(UriPartial.Authority)} does not answer", "Start it, or correct its address in the settings."),
            _ when date is DateTimeOffset theirs && (theirs - time.GetUtcNow()).Duration() > TimeSpan.FromMinutes(5) =>
                Finding.Broken(what, "its clock and this one differ by more than five minutes", "Set the clock (timedatectl set-ntp true)."),
            HttpStatusCode.OK => Finding.Fine(what, $"{address.GetLeftPart(UriPartial.Authority)} is ready"),
            _ => Finding.Warn(what, $"{address.GetLeftPart(UriPartial.Authority)} answers {(int)status}", "Its operator has to look."),
        };
    }

    /// <summary>Whether a role of ours answers at this address, ready or not.</summary>
    public static async Task<bool> AnswersAsync(Uri address, TimeProvider time, CancellationToken cancellationToken) =>
        (await AskAsync(new Uri(address, "/health/live"), time, cancellationToken)).Status == HttpStatusCode.OK;

    private static async Task<(HttpStatusCode? Status, DateTimeOffset? Date)> AskAsync(Uri address, TimeProvider time, CancellationToken cancellationToken)
    {
        using HttpMessageInvoker http = new(new SocketsHttpHandler { UseProxy = false, UseCookies = false, AllowAutoRedirect = false, ActivityHeadersPropagator = null });
        using CancellationTokenSource late = new(s_patience, time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
        try
        {
            using HttpResponseMessage response = await http.SendAsync(new HttpRequestMessage(HttpMethod.Get, address), either.Token);
            return (response.StatusCode, response.Headers.Date);
        }
        catch (Exception e) when (e is HttpRequestException or IOException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return (null, null);
        }
    }
}
