using System.CommandLine;
using Tacit.Cli.Window;
using Tacit.Hosting;

namespace Tacit.Cli.Commands;

/// <summary>The entry in the desktop's menu, with its icon, for this user (freedesktop.org: Desktop Entry, Icon Theme and Base Directory specifications).</summary>
internal static class DesktopCommand
{
    private static readonly (string Resource, string Path)[] s_icons =
    [
        ("desktop/icon.svg", "icons/hicolor/scalable/apps/tacit.svg"),
        ("desktop/icon-192.png", "icons/hicolor/192x192/apps/tacit.png"),
        ("desktop/icon-512.png", "icons/hicolor/512x512/apps/tacit.png"),
    ];

    public static Command Create(Terminal terminal, Flags flags)
    {
        Command install = new("install", "Put Tacit into the desktop's menu, for this user.");
        install.SetAction(parsed =>
        {
            string root = Root();
            string? data = parsed.GetValue(flags.Data) is null && Environment.GetEnvironmentVariable("TACIT_HOME") is not { Length: > 0 } ? null : flags.DataFolderOf(parsed);
            foreach ((string resource, string path) in s_icons)
            {
                using Stream icon = Resource(resource);
                using FileStream file = Create(Path.Combine(root, path));
                icon.CopyTo(file);
            }
            using StreamReader entry = new(Resource("desktop/tacit.desktop"));
            string exec = Quoted(Environment.ProcessPath ?? "tacit") + (data is null ? "" : $" --data {Quoted(data)}");
            using StreamWriter written = new(Create(EntryIn(root)));
            written.Write(entry.ReadToEnd().Replace("\nExec=tacit\n", $"\nExec={exec}\n", StringComparison.Ordinal));
            terminal.Done($"Tacit is in the desktop's menu, as {EntryIn(root)}. `tacit desktop remove` takes it out again.");
            return ExitCode.Fine;
        });
        Command remove = new("remove", "Take it out again.");
        remove.SetAction(_ =>
        {
            string root = Root();
            string[] there = [.. s_icons.Select(icon => Path.Combine(root, icon.Path)).Append(EntryIn(root)).Where(File.Exists)];
            foreach (string file in there)
            {
                File.Delete(file);
            }
            terminal.Line(there.Length > 0 ? "Tacit is no longer in the desktop's menu." : "It was not there.");
            return ExitCode.Fine;
        });
        return new Command("desktop", "Put Tacit into the desktop's menu, or take it out.") { install.WithExamples("tacit desktop install"), remove };
    }

    private static string Root()
    {
        if (!OperatingSystem.IsLinux() && !OperatingSystem.IsFreeBSD())
        {
            throw new CommandException("Only desktops by freedesktop.org's specifications have such entries; there is none on this system.");
        }
        // Relative values are to be ignored, says the specification.
        return Environment.GetEnvironmentVariable("XDG_DATA_HOME") is { Length: > 0 } given && Path.IsPathRooted(given)
            ? given
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".local/share");
    }

    private static string EntryIn(string root) => Path.Combine(root, "applications/tacit.desktop");

    private static FileStream Create(string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        return new FileStream(path, FileMode.Create, FileAccess.Write);
    }

    private static Stream Resource(string name) => typeof(DesktopCommand).Assembly.GetManifestResourceStream(name) ?? throw new InvalidOperationException(name);

    /// <summary>As the value of Exec wants it: quoted where it must be, with its own escapes, those of strings on top, and no field codes.</summary>
    internal static string Quoted(string argument)
    {
        string plain = argument.Replace("%", "%%", StringComparison.Ordinal);
        return plain.All(c => char.IsAsciiLetterOrDigit(c) || c is '/' or '.' or '-' or '_' or '+' or '%')
            ? plain
            : $"\"{plain.Replace("\\", "\\\\\\\\", StringComparison.Ordinal).Replace("\"", "\\\\\"", StringComparison.Ordinal).Replace("`", "\\\\`", StringComparison.Ordinal).Replace("$", "\\\\$", StringComparison.Ordinal)}\"";
    }
}
