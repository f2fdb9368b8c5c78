using Tacit.Tor.Control;

namespace Tacit.Tor.Daemon;

/// <summary>Tor's folder of ours: made for this user alone, and locked for as long as we use it.</summary>
internal sealed class DataFolder : IDisposable
{
    private readonly FileStream _lock;

    private DataFolder(string path, FileStream locked)
    {
        FolderPath = path;
        _lock = locked;
    }

    public string FolderPath { get; }

    public string TorrcPath => Path.Combine(FolderPath, "torrc");

    /// <summary>An empty file in place of the system's defaults: a system Tor's configuration is never read.</summary>
    public string DefaultsPath => Path.Combine(FolderPath, "torrc-defaults");

    /// <exception cref="TorException"><see cref="TorError.InUse"/>, or <see cref="TorError.BadSetting"/> if it cannot be written to.</exception>
    public static DataFolder Open(string path)
    {
        string full = Path.GetFullPath(path);
        const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        try
        {
            Directory.CreateDirectory(full, Private);
            // It may have been there before; tor refuses a folder that others can enter.
            File.SetUnixFileMode(full, Private);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(full, e);
        }
        FileStream locked;
        try
        {
            locked = new FileStream(
                Path.Combine(full, "tacit.lock"),
                new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite });
        }
        catch (UnauthorizedAccessException e)
        {
            throw Unwritable(full, e);
        }
        catch (IOException e)
        {
            throw new TorException(TorError.InUse, $"Another process already runs its tor in {full}. Stop it, or use another data folder.", e);
        }
        var folder = new DataFolder(full, locked);
        try
        {
            Put(folder.DefaultsPath, "");
            return folder;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            folder.Dispose();
            throw Unwritable(full, e);
        }
    }

    /// <summary>Writes a file that only this user can read: bridges are a secret between the person and whoever gave them.</summary>
    public static void Put(string path, string text)
    {
        File.Delete(path);
        using var file = new StreamWriter(path, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        file.Write(text);
    }

    public void Dispose() => _lock.Dispose();

    private static TorException Unwritable(string path, Exception e) =>
        new(TorError.BadSetting, $"Tor's data folder {path} cannot be made or written to: {ControlConnection.OneLine(e.Message)}", e) { Setting = "DataDirectory" };
}
