using Microsoft.Extensions.Logging;
using Tacit.Tor;

namespace Tacit.Client.Transports;

/// <summary>
/// A Tor that runs: our own; that of another process of ours, which has the data folder and with it what is known of the network; or one that was named in the settings. Who
/// runs one in a folder leaves its SOCKS address there, for the others.
/// </summary>
internal sealed class SharedTor : IAsyncDisposable
{
    /// <summary>In the Tor's folder, readable by its user alone as all that is there.</summary>
    private const string AddressFile = "socks-address";

    private const string UnixPrefix = "unix:";
    private const int MaxLooks = 40;
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(250);

    private readonly string? _addressFile;

    private SharedTor(TorService service, bool isBorrowed, string? source, string? addressFile)
    {
        Service = service;
        IsBorrowed = isBorrowed;
        Source = source;
        _addressFile = addressFile;
    }

    public TorService Service { get; }

    /// <summary>Whether it is another process's, and ends with that.</summary>
    public bool IsBorrowed { get; }

    public string? Source { get; }

    /// <exception cref="TorException">There is none, and none can be started.</exception>
    public static async Task<SharedTor> StartAsync(TorSettings settings, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        var options = new TorOptions
        {
            Executable = settings.Executable,
            DataDirectory = settings.DataDirectory ?? "",
            Socks = settings.Socks,
            Bridges = settings.Bridges,
            Plugins = settings.Plugins,
            Configuration = settings.Configuration,
        };
        if (settings.Socks is not null)
        {
            return new SharedTor(await TorService.StartAsync(options, time, loggers, cancellationToken), isBorrowed: false, settings.Socks, null);
        }
        string file = Path.Combine(options.DataDirectory, AddressFile);
        for (int looked = 0; ; looked++)
        {
            try
            {
                TorService own = await TorService.StartAsync(options, time, loggers, cancellationToken);
                return new SharedTor(own, isBorrowed: false, null, TryPublish(file, own.Connector.SocksAddress) ? file : null);
            }
            catch (TorException e) when (e.Error == TorError.InUse && looked < MaxLooks)
            {
                if (Find(file) is string address)
                {
                    // It was started with the settings of this folder, bridges and all: here they would be taken for wishes that a Tor of somebody else's does not heed.
                    return new SharedTor(await TorService.StartAsync(new TorOptions { Socks = address }, time, loggers, cancellationToken), isBorrowed: true, address, null);
                }
            }
            // It starts just now, and has not said yet where it can be reached; or it is just ending.
            await Task.Delay(LookEvery, time, cancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_addressFile is not null)
        {
            try
            {
                // First, so that nobody is led to one that is gone.
                File.Delete(_addressFile);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Whoever reads it finds no socket there.
            }
        }
        await Service.DisposeAsync();
    }

    /// <returns>False if that cannot be written, as on a full disk: then it serves this process alone.</returns>
    private static bool TryPublish(string file, string address)
    {
        string temporary = file + ".new";
        try
        {
            // A link that was left there is not followed.
            File.Delete(temporary);
            File.WriteAllText(temporary, address);
            File.Move(temporary, file, overwrite: true);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>
    /// Where the Tor of another process of ours is: a socket in a folder that is this user's alone. Whatever else the file says is not believed, be it left over or put there by
    /// somebody else: all that the client sends would go that way.
    /// </summary>
    internal static string? Find(string file)
    {
        const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        const int MaxLength = 256;
        try
        {
            if (OperatingSystem.IsWindows() || new FileInfo(file) is not { Exists: true, LinkTarget: null, Length: > 0 and <= MaxLength })
            {
                return null;
            }
            string address = File.ReadAllText(file);
            string path = address.StartsWith(UnixPrefix, StringComparison.Ordinal) ? address[UnixPrefix.Length..] : "";
            // Mode 0700 and a file that we can see in it: the folder is ours.
            return Path.IsPathRooted(path) && File.Exists(path) && File.GetUnixFileMode(Path.GetDirectoryName(path)!) == Private ? address : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
