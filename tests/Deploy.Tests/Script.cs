using System.Diagnostics;

namespace Tacit.Deploy.Tests;

/// <summary>A script's end.</summary>
internal sealed record Outcome(int Code, string Out, string Error);

/// <summary>Runs scripts of the tree as an operator's shell would, with tools of the test's own first in the PATH.</summary>
internal sealed class Script : IDisposable
{
    private readonly Dictionary<string, string> _environment = [];

    /// <summary>A folder for the test, gone afterwards.</summary>
    public string Folder { get; } = Directory.CreateTempSubdirectory("tacit-deploy-").FullName;

    public static string Root { get; } = FindRoot();

    /// <summary>The program as it was built beside these tests, which reference it for that.</summary>
    public static string Program { get; } = Path.Combine(Root, "src/Cli", Path.GetRelativePath(Path.Combine(Root, "tests/Deploy.Tests"), AppContext.BaseDirectory), "tacit");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public string this[string name] => Path.Combine(Folder, name);

    public Script Set(string name, string value)
    {
        _environment[name] = value;
        return this;
    }

    /// <summary>Puts a tool in the PATH that writes down how it was called, each argument on a line, a blank line after each call, and then runs <paramref name="body"/>.</summary>
    public void Record(string tool, string body = "")
    {
        Directory.CreateDirectory(this["bin"]);
        string path = Path.Combine(this["bin"], tool);
        File.WriteAllText(path, $$"""
            #!/usr/bin/env bash
            { printf '%s\n' "$@"; echo; } >>'{{this[tool + ".calls"]}}'
            {{body}}
            """);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    public string[][] Calls(string tool) => File.Exists(this[tool + ".calls"])
        ? [.. File.ReadAllText(this[tool + ".calls"]).Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Select(call => call.Split('\n', StringSplitOptions.RemoveEmptyEntries))]
        : [];

    public Task<Outcome> RunAsync(string script, params string[] arguments) => ExecuteAsync("bash", [Path.Combine(Root, script), .. arguments]);

    public async Task<Outcome> ExecuteAsync(string program, params string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true, WorkingDirectory = Folder };
        // What the test sets and nothing of what its own environment happens to hold.
        string path = start.Environment["PATH"]!;
        start.Environment.Clear();
        start.Environment["PATH"] = this["bin"] + ":" + path;
        start.Environment["HOME"] = Folder;
        foreach ((string name, string value) in _environment)
        {
            start.Environment[name] = value;
        }

        using Process process = Process.Start(start)!;
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync(Token);
        Task<string> error = process.StandardError.ReadToEndAsync(Token);
        await process.WaitForExitAsync(Token);
        return new Outcome(process.ExitCode, await output, await error);
    }

    public static bool HasTool(string name) =>
        Environment.GetEnvironmentVariable("PATH")!.Split(':').Any(folder => File.Exists(Path.Combine(folder, name)));

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Tacit.slnx")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        return folder ?? throw new InvalidOperationException("The tests do not run in the tree.");
    }
}
