namespace Tacit.Cli.Window;

/// <summary>What of the user's session decides how a page is opened.</summary>
internal sealed record Surroundings
{
    /// <summary>Folders in which programs are looked for.</summary>
    public required IReadOnlyList<string> Path { get; init; }

    public required string Home { get; init; }

    /// <summary>Whether this is root: as root, Chromium runs without its sandbox or not at all.</summary>
    public required bool IsRoot { get; init; }

    /// <summary>Whether there is a screen.</summary>
    public required bool HasDisplay { get; init; }

    public bool IsMac { get; init; }

    public static Surroundings OfProcess()
    {
        string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        bool isMac = OperatingSystem.IsMacOS();
        return new Surroundings
        {
            Path =
            [
                .. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(System.IO.Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries),
                "/snap/bin", "/var/lib/flatpak/exports/bin", System.IO.Path.Combine(home, ".local/share/flatpak/exports/bin"),
            ],
            Home = home,
            IsRoot = !OperatingSystem.IsWindows() && Environment.IsPrivilegedProcess,
            HasDisplay = isMac || OperatingSystem.IsWindows() || Has("WAYLAND_DISPLAY") || Has("DISPLAY"),
            IsMac = isMac,
        };

        static bool Has(string name) => !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(name));
    }

    /// <summary>Where a program is; null if it is not.</summary>
    public string? Find(string program) => System.IO.Path.IsPathRooted(program)
        ? File.Exists(program) ? program : null
        : Path.Select(folder => System.IO.Path.Combine(folder, program)).FirstOrDefault(File.Exists);
}
