using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Tacit.App;
using Tacit.Cli.Roles;
using Tacit.Cli.Wallets;
using Tacit.Cli.Window;
using Tacit.Hosting;

namespace Tacit.Cli.Commands;

/// <summary><c>tacit</c> alone: the app's page as a window. What it started ends with the window, or with Ctrl-C; an app that ran before goes on.</summary>
internal static class WindowCommand
{
    /// <summary>Whether the app of this build has its page.</summary>
    public static bool HasPage { get; } = typeof(AppServer).Assembly.GetManifestResourceNames().Any(name => name.StartsWith("page/index.html", StringComparison.Ordinal));

    public static void AddTo(RootCommand root, Terminal terminal, Flags flags, Surroundings surroundings)
    {
        Option<bool> noWindow = new("--no-window") { Description = "Start the app and print its address, without opening it." };
        root.Add(noWindow);
        root.SetAction(async (parsed, stop) =>
        {
            string data = flags.DataFolderOf(parsed);
            bool opens = !parsed.GetValue(noWindow);
            if (await FindRunningAsync(data, stop) is Uri running)
            {
                Announce(terminal, running, "Tacit runs already");
                using OpenPage? shown = opens ? Open(terminal, surroundings, running, data) : null;
                await WaitAsync(shown, wait: shown?.Window is not null, stop);
                return ExitCode.Fine;
            }
            using LineLog log = new(terminal.OpenLog(), LogLevel.Warning, TimeProvider.System);
            terminal.Progress("Tacit starts …");
            string settings = Path.Combine(data, ClientFlags.RememberedFile);
            SettingsLoader Collect() => new SettingsLoader()
                .AddFlag(nameof(AppOptions.DataDirectory), data, "--data").AddFile(File.Exists(settings) ? settings : null).AddEnvironment("App")
                .AddFlag(nameof(AppOptions.DataDirectory), parsed.GetValue(flags.Data) is null ? null : data, "--data");
            RunningRole app = await AppRole.StartAsync(new RoleContext(Collect(), Collect, settings, TimeProvider.System, log, terminal.Progress, terminal.Note, Starts: true), stop);
            try
            {
                terminal.EndProgress();
                Uri address = new(app.Address);
                Announce(terminal, address, "Tacit runs");
                using OpenPage? shown = opens ? Open(terminal, surroundings, address, data) : null;
                terminal.Line(shown?.Window is null ? "Ctrl-C ends it." : "Closing the window ends it, as Ctrl-C does. `tacit app` runs it without one.");
                await WaitAsync(shown, wait: true, stop);
            }
            finally
            {
                await app.StopAsync();
            }
            return ExitCode.Fine;
        });
        root.WithExamples("tacit", "tacit chat", "tacit ask \"Why is the sky blue?\"", "tacit demo");
    }

    private static async Task<Uri?> FindRunningAsync(string data, CancellationToken stop)
    {
        if (!File.Exists(ManagementSocket.PathFor(data, AppServer.Role)))
        {
            return null;
        }
        await using RunningApp app = new(data);
        try
        {
            return new Uri((await app.GetAppStatusAsync(stop)).Address);
        }
        catch (ManagementException e) when (e.IsNotRunning)
        {
            return null;
        }
    }

    private static void Announce(Terminal terminal, Uri address, string state)
    {
        terminal.Line($"{state} at {terminal.Bold(address.ToString())}");
        terminal.Line($"  for other programs: {new Uri(address, "/v1")} (OpenAI), {address.GetLeftPart(UriPartial.Authority)} (Anthropic), any API key");
        terminal.Out.Flush();
    }

    private static OpenPage? Open(Terminal terminal, Surroundings surroundings, Uri address, string data)
    {
        if (!HasPage)
        {
            terminal.Note("This tacit was built without its page, for want of Node 20: `tacit chat` does without. `make` sees to Node where it can.");
            return null;
        }
        if (surroundings.IsRoot)
        {
            terminal.Note("This is root, for whom browsers run without their sandbox, which is what keeps pages in: none is opened. Run tacit as yourself, or open the address above as another user.");
            return null;
        }
        if (!surroundings.HasDisplay)
        {
            terminal.Note("There is no screen here to open it on.");
            return null;
        }
        if (AppBrowser.Find(surroundings, data) is AppBrowser browser)
        {
            bool isOpen = browser.IsOpen();
            if (Start(browser.File, browser.ArgumentsFor(address)) is Process process)
            {
                return new OpenPage(process, isOpen ? null : process);
            }
        }
        if (surroundings.Find(surroundings.IsMac ? "/usr/bin/open" : "xdg-open") is string opener && Start(opener, [address.ToString()]) is Process handed)
        {
            terminal.Note("It opens in the default browser. With a browser of Chromium's family, it would have a window of its own, which keeps nothing and asks nobody.");
            return new OpenPage(handed, null);
        }
        terminal.Note("No browser was found: open the address above in one.");
        return null;
    }

    private static Process? Start(string file, IReadOnlyList<string> arguments)
    {
        try
        {
            Process process = Process.Start(new ProcessStartInfo(file, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
            // Browsers talk to whoever started them, and nobody wants to hear it.
            process.StandardInput.Close();
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();
            return process;
        }
        catch (Win32Exception)
        {
            return null;
        }
    }

    /// <summary>Until the window is closed, if there is one, or the user ends it.</summary>
    private static async Task WaitAsync(OpenPage? shown, bool wait, CancellationToken stop)
    {
        if (!wait)
        {
            return;
        }
        Task closed = shown?.Window is Process window ? window.WaitForExitAsync(CancellationToken.None) : new TaskCompletionSource().Task;
        await Task.WhenAny(closed, RoleHost.WaitAsync(stop));
    }

    /// <param name="started">What was started; it may have handed the page over and ended.</param>
    /// <param name="window">The process that lives as long as the window; null if that is not known.</param>
    private sealed class OpenPage(Process started, Process? window) : IDisposable
    {
        public Process? Window => window;

        public void Dispose()
        {
            if (window is { HasExited: false })
            {
                window.Kill(entireProcessTree: true);
            }
            started.Dispose();
        }
    }
}
