using System.Diagnostics;
using Tacit.Cli.Window;

namespace Tacit.Cli.Tests;

/// <summary><c>tacit</c> alone and the desktop's entry, with browsers that are scripts on the PATH.</summary>
public sealed class WindowTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Closing_the_window_ends_what_was_started()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Commands.WindowCommand.HasPage, "The page is not built.");
        using TemporaryFolder folder = Prepare();
        await ScriptAsync(folder, "chromium", "printf '%s\\n' \"$@\" > \"$HERE/arguments.new\"; mv \"$HERE/arguments.new\" \"$HERE/arguments\"; while [ ! -e \"$HERE/closed\" ]; do sleep 0.05; done");
        Task<Outcome> running = RunAsync(folder, Session(folder), Ct);
        string[] arguments = await ArgumentsAsync(folder, running);

        string page = Assert.Single(arguments, argument => argument.StartsWith("--app=", StringComparison.Ordinal))[6..];
        Assert.Matches("^http://127\\.0\\.0\\.1:[0-9]+/$", page);
        Assert.Contains("--user-data-dir=" + Path.Combine(folder["data"], "window"), arguments);
        // Nothing is kept, nobody is asked, and the sandbox stays.
        Assert.Contains("--incognito", arguments);
        Assert.Contains("--disable-background-networking", arguments);
        Assert.Contains(arguments, argument => argument.StartsWith("--host-resolver-rules=", StringComparison.Ordinal) && argument.Contains("MAP *.googleapis.com ~NOTFOUND", StringComparison.Ordinal));
        Assert.DoesNotContain(arguments, argument => argument.Contains("sandbox", StringComparison.Ordinal));
        using HttpClient browser = new(new SocketsHttpHandler { UseProxy = false });
        Assert.Contains("<html", await browser.GetStringAsync(new Uri(page), Ct), StringComparison.OrdinalIgnoreCase);

        // A second one uses the app that runs, and leaves it running.
        Outcome second = await RunAsync(folder, Session(folder) with { HasDisplay = false }, Ct);
        Assert.Equal(ExitCode.Fine, second.Code);
        Assert.Contains(page, second.Out, StringComparison.Ordinal);
        Assert.False(running.IsCompleted);

        await File.WriteAllTextAsync(folder["closed"], "", Ct);
        Outcome outcome = await running.WaitAsync(TimeSpan.FromMinutes(3), Ct);
        Assert.True(outcome.Code == ExitCode.Fine, outcome.Error);
        Assert.Contains(page, outcome.Out, StringComparison.Ordinal);
        await Assert.ThrowsAsync<HttpRequestException>(() => browser.GetStringAsync(new Uri(page), Ct));
    }

    [Fact]
    public async Task Ctrl_c_closes_the_window_that_was_opened()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Commands.WindowCommand.HasPage, "The page is not built.");
        using TemporaryFolder folder = Prepare();
        await ScriptAsync(folder, "google-chrome", "echo $$ > \"$HERE/arguments.new\"; mv \"$HERE/arguments.new\" \"$HERE/arguments\"; while :; do sleep 0.05; done");
        using CancellationTokenSource signal = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        Task<Outcome> running = RunAsync(folder, Session(folder), signal.Token);
        string[] pid = await ArgumentsAsync(folder, running);
        await signal.CancelAsync();
        Assert.Equal(ExitCode.Fine, (await running.WaitAsync(TimeSpan.FromMinutes(3), Ct)).Code);
        long start = Stopwatch.GetTimestamp();
        while (Directory.Exists("/proc/" + pid[0]) && !(await File.ReadAllTextAsync($"/proc/{pid[0]}/stat", Ct)).Contains(") Z", StringComparison.Ordinal))
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromMinutes(2), "The browser is still there.");
            await Task.Delay(20, Ct);
        }
    }

    [Theory]
    [InlineData(true, true, false, "root")]
    [InlineData(false, false, false, "no screen")]
    [InlineData(false, true, false, "No browser was found")]
    [InlineData(false, true, true, "nothing")]
    public async Task Address_is_printed_where_no_window_can_be_opened(bool isRoot, bool hasDisplay, bool noWindow, string told)
    {
        Assert.SkipUnless(Commands.WindowCommand.HasPage, "The page is not built.");
        using TemporaryFolder folder = Prepare();
        if (isRoot)
        {
            await ScriptAsync(folder, "chromium", "touch \"$HERE/arguments\"");
        }
        using CancellationTokenSource signal = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        HeardText output = new();
        HeardText error = new();
        using Terminal terminal = new(output.Writer, error.Writer, TextReader.Null);
        string[] args = ["--data", folder["data"], .. noWindow ? ["--no-window"] : Array.Empty<string>()];
        Task<int> running = Task.Run(() => CommandLine.RunAsync(args, terminal, signal.Token, Session(folder) with { IsRoot = isRoot, HasDisplay = hasDisplay }), Ct);
        await UntilAsync(() => running.IsCompleted || output.Text.Contains("Ctrl-C ends it.", StringComparison.Ordinal));
        await signal.CancelAsync();
        Assert.Equal(ExitCode.Fine, await running);
        Assert.Contains("http://127.0.0.1:", output.Text, StringComparison.Ordinal);
        Assert.Equal(!noWindow, error.Text.Contains(told, StringComparison.Ordinal));
        Assert.False(File.Exists(folder["arguments"]));
    }

    [Fact]
    public async Task Default_browser_gets_the_page_where_none_of_chromiums_family_is()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Commands.WindowCommand.HasPage, "The page is not built.");
        using TemporaryFolder folder = Prepare();
        await ScriptAsync(folder, "xdg-open", "echo \"$1\" > \"$HERE/arguments.new\"; mv \"$HERE/arguments.new\" \"$HERE/arguments\"");
        using CancellationTokenSource signal = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        Task<Outcome> running = RunAsync(folder, Session(folder), signal.Token);
        Assert.StartsWith("http://127.0.0.1:", Assert.Single(await ArgumentsAsync(folder, running)), StringComparison.Ordinal);
        // It ended long ago, and the app goes on.
        Assert.False(running.IsCompleted);
        await signal.CancelAsync();
        Assert.Equal(ExitCode.Fine, (await running.WaitAsync(TimeSpan.FromMinutes(3), Ct)).Code);
    }

    [Fact]
    public void Browser_in_a_sandbox_gets_its_profile_where_it_may_write()
    {
        using TemporaryFolder folder = new();
        Directory.CreateDirectory(folder["bin"]);
        Surroundings session = Session(folder);
        Assert.Null(AppBrowser.Find(session, "/data"));
        File.WriteAllText(Path.Combine(folder["bin"], "com.brave.Browser"), "");
        Assert.Equal(folder[".var/app/com.brave.Browser/data/tacit"], AppBrowser.Find(session, "/data")!.Profile);
        File.WriteAllText(Path.Combine(folder["bin"], "microsoft-edge"), "");
        Assert.Equal("/data/window", AppBrowser.Find(session, "/data")!.Profile);
    }

    [Fact]
    public async Task Desktop_entry_is_installed_valid_and_removed()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "By freedesktop.org's specifications.");
        using TemporaryFolder folder = new();
        (string, string)[] environment = [("XDG_DATA_HOME", folder["share"]), ("TACIT_HOME", "")];
        string data = folder["my data $5"];
        Outcome installed = await Program.RunAsync(["desktop", "install", "--data", data], environment);
        Assert.True(installed.Code == ExitCode.Fine, installed.Error);
        string entry = Path.Combine(folder["share"], "applications/tacit.desktop");
        string[] lines = await File.ReadAllLinesAsync(entry, Ct);
        string exec = Assert.Single(lines, line => line.StartsWith("Exec=", StringComparison.Ordinal));
        Assert.Equal($"Exec={Commands.DesktopCommand.Quoted(Program.Path)} --data \"{folder["my data "]}\\\\$5\"", exec);
        Assert.Contains("Icon=tacit", lines);
        foreach (string icon in (string[])["scalable/apps/tacit.svg", "192x192/apps/tacit.png", "512x512/apps/tacit.png"])
        {
            Assert.True(new FileInfo(Path.Combine(folder["share"], "icons/hicolor", icon)).Length > 100, icon);
        }
        if (Surroundings.OfProcess().Find("desktop-file-validate") is string validate)
        {
            using Process process = Program.StartFile(validate, [entry]);
            Outcome verdict = await Program.EndOfAsync(process);
            Assert.True(verdict.Code == 0, verdict.Out + verdict.Error);
        }
        Assert.Equal(ExitCode.Fine, (await Program.RunAsync(["desktop", "remove"], environment)).Code);
        Assert.Empty(Directory.EnumerateFiles(folder["share"], "*", SearchOption.AllDirectories));
    }

    /// <summary>A data folder whose app listens at a free port.</summary>
    private static TemporaryFolder Prepare()
    {
        TemporaryFolder folder = new();
        Directory.CreateDirectory(folder["data"]);
        Directory.CreateDirectory(folder["bin"]);
        File.WriteAllText(Path.Combine(folder["data"], "app.json"), """{ "Listen": "127.0.0.1:0" }""");
        return folder;
    }

    private static Surroundings Session(TemporaryFolder folder) => new() { Path = [folder["bin"]], Home = folder.Path, IsRoot = false, HasDisplay = true };

    private static async Task ScriptAsync(TemporaryFolder folder, string name, string script)
    {
        string path = Path.Combine(folder["bin"], name);
        await File.WriteAllTextAsync(path, $"#!/bin/sh\nHERE={folder.Path}\n{script}\n", Ct);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    private static async Task<Outcome> RunAsync(TemporaryFolder folder, Surroundings session, CancellationToken stop)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        using Terminal terminal = new(TextWriter.Synchronized(output), TextWriter.Synchronized(error), TextReader.Null);
        int code = await Task.Run(() => CommandLine.RunAsync(["--data", folder["data"]], terminal, stop, session), CancellationToken.None);
        return new Outcome(code, output.ToString(), error.ToString());
    }

    /// <summary>What the script wrote that was started.</summary>
    private static async Task<string[]> ArgumentsAsync(TemporaryFolder folder, Task<Outcome> running)
    {
        await UntilAsync(() => running.IsCompleted || File.Exists(folder["arguments"]));
        Assert.True(File.Exists(folder["arguments"]), running.IsCompletedSuccessfully ? (await running).Error : "It ended.");
        return await File.ReadAllLinesAsync(folder["arguments"], Ct);
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        long start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromMinutes(3), "Waited in vain.");
            await Task.Delay(20, Ct);
        }
    }
}
