using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

namespace Tacit.Hosting;

/// <summary>
/// The file of a listening Unix socket. It is bound in a folder of its own that only this user can enter, gets its mode there, and is then renamed into place:
/// nobody can connect before the mode is right, and a socket that a crash left behind is replaced in one step.
/// </summary>
internal sealed class UnixSocketFile : IDisposable
{
    /// <summary>sizeof(sockaddr_un.sun_path) on Linux, with its final zero. macOS has 104.</summary>
    private const int MaxPathBytes = 104;

    private readonly string _path;
    private readonly string _folder;
    private bool _published;

    private UnixSocketFile(string path, string folder)
    {
        _path = path;
        _folder = folder;
        BindPath = Path.Combine(folder, "s");
    }

    public string BindPath { get; }

    public static UnixSocketFile Prepare(string path, string setting, string role)
    {
        string parent = Path.GetDirectoryName(path) ?? throw new ListenException(setting, path, $"{path} is no path of a socket", "Name a file in a folder.");
        string folder = Path.Combine(parent, "." + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(4)));
        if (Math.Max(Encoding.UTF8.GetByteCount(path), Encoding.UTF8.GetByteCount(folder) + 2) >= MaxPathBytes)
        {
            throw new ListenException(setting, path, $"the path of the socket {path} is too long for the system", $"Use a shorter folder: its path may have {MaxPathBytes - 24} bytes.");
        }
        if (IsAnswered(path))
        {
            throw new AddressInUseException(setting, "unix:" + path, $"A {role} already runs there: stop it, or use another data folder.");
        }
        try
        {
            if (OperatingSystem.IsWindows())
            {
                Directory.CreateDirectory(folder);
            }
            else
            {
                Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ListenException(setting, path, $"no socket can be made in {parent}", "Create that folder, and let the user that runs this write to it.", e);
        }
        return new UnixSocketFile(path, folder);
    }

    public void Publish(UnixFileMode mode)
    {
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(BindPath, mode);
        }
        File.Move(BindPath, _path, overwrite: true);
        _published = true;
        Directory.Delete(_folder);
    }

    public void Dispose()
    {
        try
        {
            if (_published)
            {
                _published = false;
                File.Delete(_path);
            }
            else if (Directory.Exists(_folder))
            {
                Directory.Delete(_folder, recursive: true);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A leftover is replaced at the next start.
        }
    }

    private static bool IsAnswered(string path)
    {
        if (!File.Exists(path))
        {
            return false;
        }
        using Socket probe = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
            return true;
        }
        catch (SocketException e)
        {
            // Anything but a refusal may be a running role of another user: leave its socket alone.
            return e.SocketErrorCode is not (SocketError.ConnectionRefused or SocketError.AddressNotAvailable);
        }
    }
}
