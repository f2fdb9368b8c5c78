using System.Diagnostics;
using System.Text.Json;

namespace Tacit.EndToEnd.Support;

/// <summary>Runs the clients under <c>npm/</c>, which nobody here wrote. Skips the test where Node 20 or npm is missing.</summary>
internal static class Node
{
    private static readonly string s_folder = Path.Combine(RepositoryRoot(), "tests", "EndToEnd", "npm");
    private static readonly Lazy<Task> s_installed = new(() => InstallAsync(s_folder, "ci"));

    public static async Task<JsonElement> RunAsync(string script, params string[] arguments)
    {
        await s_installed.Value;
        (int code, string output, string errors) = await ExecuteAsync(s_folder, "node", [script, .. arguments]);
        Assert.True(code == 0, $"{script} failed: {errors}");
        return JsonDocument.Parse(output).RootElement;
    }

    /// <summary>Installs the packages that a folder's lock file names, where they are not yet.</summary>
    public static async Task InstallAsync(string folder, params string[] how)
    {
        try
        {
            (int code, string version, _) = await ExecuteAsync(folder, "node", ["--version"]);
            if (code != 0 || !int.TryParse(version.TrimStart('v').Split('.')[0], out int major) || major < 20)
            {
                Assert.Skip("Node 20 or later is not on this machine; `make setup` installs it.");
            }
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip("Node is not on this machine; `make setup` installs it.");
        }

        // npm notes there what it installed last.
        var installed = new FileInfo(Path.Combine(folder, "node_modules", ".package-lock.json"));
        if (!installed.Exists || installed.LastWriteTimeUtc < File.GetLastWriteTimeUtc(Path.Combine(folder, "package-lock.json")))
        {
            (int code, _, string errors) = await ExecuteAsync(folder, "npm", [.. how, "--ignore-scripts", "--no-audit", "--no-fund"]);
            Assert.True(code == 0, $"npm failed: {errors}");
        }
    }

    public static async Task<(int Code, string Output, string Errors)> ExecuteAsync(string folder, string program, IEnumerable<string> arguments, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, (await output).Trim(), await errors);
    }

    public static string RepositoryRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Tacit.slnx")))
            {
                return folder.FullName;
            }
        }

        throw new DirectoryNotFoundException("Tacit.slnx is in no folder above the tests.");
    }
}
