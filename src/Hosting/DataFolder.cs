namespace Tacit.Hosting;

/// <summary>Where a role keeps its files: <c>--data</c>, else <c>$TACIT_HOME</c>, else the platform's data folder. Only its owner may enter it.</summary>
public static class DataFolder
{
    /// <param name="flag">What <c>--data</c> says, or null.</param>
    public static string Resolve(string? flag)
    {
        if (!string.IsNullOrEmpty(flag))
        {
            return Path.GetFullPath(flag);
        }
        string? home = Environment.GetEnvironmentVariable("TACIT_HOME");
        if (!string.IsNullOrEmpty(home))
        {
            return Path.GetFullPath(home);
        }
        // LocalApplicationData honours $XDG_DATA_HOME on Linux.
        string platform = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify);
        return platform.Length > 0
            ? Path.Combine(platform, "tacit")
            : throw new SettingsException(new SettingsProblem("--data", "this user has no home folder", "Name a folder with --data or TACIT_HOME."));
    }

    /// <summary>Creates the folder (mode 0700) if needed and proves that files can be written there.</summary>
    /// <exception cref="SettingsException">It cannot be created or written.</exception>
    public static void Create(string path)
    {
        try
        {
            if (OperatingSystem.IsWindows())
            {
                Directory.CreateDirectory(path);
            }
            else
            {
                Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            }
            string probe = Path.Combine(path, $".probe-{Environment.ProcessId}");
            File.WriteAllBytes(probe, []);
            File.Delete(probe);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException or NotSupportedException)
        {
            throw new SettingsException(new SettingsProblem(
                "--data",
                $"the data folder {path} cannot be written",
                "Give the user that runs this write access to it, free disk space, or name another folder with --data or TACIT_HOME."));
        }
    }
}
