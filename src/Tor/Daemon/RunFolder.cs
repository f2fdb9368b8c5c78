using System.Security.Cryptography;
using System.Text;

namespace Tacit.Tor.Daemon;

/// <summary>
/// Folder of tor's sockets for one life of this process, mode 0700. The path of a Unix socket has at most 103 bytes (sockaddr_un) and must not need quoting in a
/// control command, the data folder's may be anything: so it lies there if that fits, else in the system's folder for such things, under a random name that
/// the data folder remembers, to be removed at the next start should this process be killed.
/// </summary>
internal sealed class RunFolder : IDisposable
{
    private const int MaxFolderBytes = 80;
    private const string Prefix = "run-";
    private const string OutsidePrefix = "tacit-tor-";
    private readonly string _note;
    private int _links;

    private RunFolder(string path, string note)
    {
        FolderPath = path;
        _note = note;
    }

    public string FolderPath { get; }

    public string ControlSocket => Path.Combine(FolderPath, "control");

    public string SocksSocket => Path.Combine(FolderPath, "socks");

    public string CookieFile => Path.Combine(FolderPath, "cookie");

    /// <exception cref="IOException">It cannot be made; likewise <see cref="UnauthorizedAccessException"/>.</exception>
    public static RunFolder Create(string dataDirectory)
    {
        string note = Path.Combine(dataDirectory, "sockets");
        RemoveFormer(note);
        string name = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));
        string inside = Path.Combine(Path.GetFullPath(dataDirectory), Prefix + name);
        string path = IsShortAndPlain(inside) ? inside : Path.Combine(OutsideFolder(), OutsidePrefix + name);
        // Written first: a folder that nobody remembers would stay.
        File.WriteAllText(note, path);
        Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return new RunFolder(path, note);
    }

    /// <summary>A path for a socket elsewhere that is as short and plain as a control command wants it: a link in this folder.</summary>
    public string Link(string target)
    {
        if (IsShortAndPlain(target))
        {
            return target;
        }
        string link = Path.Combine(FolderPath, $"target{Interlocked.Increment(ref _links)}");
        File.CreateSymbolicLink(link, target);
        return link;
    }

    public void Dispose()
    {
        Remove(FolderPath);
        try
        {
            File.Delete(_note);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Read, and found to lead nowhere, at the next start.
        }
    }

    private static string OutsideFolder()
    {
        string?[] candidates = [Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR"), Path.GetTempPath(), "/tmp"];
        return candidates.First(folder => folder is "/tmp" || (!string.IsNullOrEmpty(folder) && IsShortAndPlain(folder) && Directory.Exists(folder)))!;
    }

    private static bool IsShortAndPlain(string path) =>
        Encoding.UTF8.GetByteCount(path) <= MaxFolderBytes && Path.IsPathRooted(path) && path.All(c => char.IsAsciiLetterOrDigit(c) || c is '/' or '.' or '_' or '-' or '+');

    private static void RemoveFormer(string note)
    {
        try
        {
            // The note is in a folder that only this user writes to; all the same nothing but a folder of such a name is removed.
            string path = File.ReadAllText(note).Trim();
            string name = Path.GetFileName(path);
            if (name.StartsWith(Prefix, StringComparison.Ordinal) || name.StartsWith(OutsidePrefix, StringComparison.Ordinal))
            {
                Remove(path);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            // None, or none that can be removed: then it stays.
        }
    }

    private static void Remove(string path)
    {
        try
        {
            Directory.Delete(path, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Gone already, or the next start's.
        }
    }
}
