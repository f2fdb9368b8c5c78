using System.CommandLine;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Tacit.EndToEnd.Support;

namespace Tacit.Cli.Tests;

public sealed class FrameTests
{
    [Theory]
    [InlineData("nonsense")]
    [InlineData("--nonsense")]
    [InlineData("doctor extra")]
    [InlineData("doctor --nonsense")]
    [InlineData("completion")]
    [InlineData("completion tcsh")]
    [InlineData("doctor --data")]
    public async Task Wrong_usage_exits_2_with_a_line_and_where_to_look(string line)
    {
        Outcome outcome = await Cli.RunAsync(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(ExitCode.Usage, outcome.Code);
        Assert.Empty(outcome.Out);
        string[] lines = outcome.Error.TrimEnd().Split('\n');
        Assert.Equal(2, lines.Length);
        Assert.StartsWith("tacit: ", lines[0], StringComparison.Ordinal);
        Assert.Contains("--help", lines[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_command_has_help_that_says_what_it_does()
    {
        using Terminal terminal = new(TextWriter.Null, TextWriter.Null, TextReader.Null);
        List<string[]> paths = [[]];
        Collect(CommandLine.Build(terminal), []);
        Assert.NotEmpty(paths);
        foreach (string[] path in paths)
        {
            Outcome outcome = await Cli.RunAsync([.. path, "--help"]);
            Assert.Equal(ExitCode.Fine, outcome.Code);
            Assert.Contains("Description:", outcome.Out, StringComparison.Ordinal);
            Assert.Empty(outcome.Error);
        }

        void Collect(Command command, string[] path)
        {
            Assert.False(string.IsNullOrWhiteSpace(command.Description), string.Join(' ', path));
            Assert.All(command.Options, option => Assert.False(string.IsNullOrWhiteSpace(option.Description), option.Name));
            foreach (Command sub in command.Subcommands)
            {
                paths.Add([.. path, sub.Name]);
                Collect(sub, [.. path, sub.Name]);
            }
        }
    }

    [Fact]
    public void Failure_is_explained_without_a_stack_trace()
    {
        Exception thrown = Record.Exception(Throw)!;
        (int code, string message) = Failures.Explain(thrown);
        Assert.Equal(ExitCode.Failed, code);
        Assert.DoesNotContain("secret place", message, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", message, StringComparison.Ordinal);

        static void Throw() => throw new InvalidOperationException("at secret place");
    }

    [Fact]
    public async Task Table_without_a_terminal_is_plain_and_keeps_its_columns()
    {
        using StringWriter output = new();
        using Terminal terminal = new(output, TextWriter.Null, TextReader.Null);
        terminal.Table(["plan", "held"], [["chat", "5"], ["chat-large", "12"]]);
        terminal.Done("done");
        await output.FlushAsync(TestContext.Current.CancellationToken);
        Assert.Equal(["PLAN        HELD", "chat        5", "chat-large  12", "✓ done", ""], output.ToString().Split('\n'));
    }

    [Fact]
    public void Table_on_a_terminal_has_a_frame()
    {
        using StringWriter output = new();
        using Terminal terminal = new(output, TextWriter.Null, TextReader.Null) { IsInteractive = true, UseColor = true };
        terminal.Table(["plan"], [["[not markup]"]]);
        Assert.Contains("╭", output.ToString(), StringComparison.Ordinal);
        Assert.Contains("[not markup]", output.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tacit do", "doctor")]
    [InlineData("tacit doctor --js", "--json")]
    [InlineData("tacit completion b", "bash")]
    public async Task Completion_script_of_bash_offers_what_fits(string typed, string expected)
    {
        Outcome script = await Cli.RunAsync("completion", "bash");
        string last = typed[(typed.LastIndexOf(' ') + 1)..];
        string words = string.Join(' ', typed.Split(' ').Select(word => $"'{word}'"));
        using Process bash = Program.StartFile("bash", ["-c",
            $"{script.Out}\nPATH={AppContext.BaseDirectory}:$PATH COMP_LINE='{typed}' COMP_POINT={typed.Length}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}}-1)); PATH={AppContext.BaseDirectory}:$PATH; _tacit; printf '%s\\n' \"${{COMPREPLY[@]}}\""]);
        Outcome outcome = await Program.EndOfAsync(bash);
        Assert.Equal("", outcome.Error);
        Assert.Contains(expected, outcome.Out.Split('\n'));
        Assert.All(outcome.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries), offer => Assert.StartsWith(last, offer, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("zsh")]
    [InlineData("fish")]
    public async Task Completion_script_is_there_for_other_shells(string shell)
    {
        Outcome outcome = await Cli.RunAsync("completion", shell);
        Assert.Equal(ExitCode.Fine, outcome.Code);
        Assert.Contains("[suggest:", outcome.Out, StringComparison.Ordinal);
    }
}

public sealed class DoctorTests
{
    [Fact]
    public async Task Doctor_as_json_lists_findings_and_agrees_with_its_exit_code()
    {
        using TemporaryFolder folder = new();
        Outcome outcome = await Cli.RunAsync("doctor", "--data", folder.Path, "--json");
        using JsonDocument report = JsonDocument.Parse(outcome.Out);
        Assert.Equal(outcome.Code == 0, report.RootElement.GetProperty("healthy").GetBoolean());
        string[] checks = [.. report.RootElement.GetProperty("findings").EnumerateArray().Select(f => f.GetProperty("check").GetString()!)];
        Assert.Superset(new HashSet<string> { "runtime", "libcrypto", "libsqlite3", "key memory", "data folder", "disk space", "disk sync", "clock", "port 8224" }, checks.ToHashSet());
        foreach (JsonElement finding in report.RootElement.GetProperty("findings").EnumerateArray())
        {
            Assert.Equal(finding.GetProperty("verdict").GetString() != "ok", finding.TryGetProperty("fix", out _));
        }
    }

    [Fact]
    public async Task Data_folder_that_others_can_write_is_broken_and_exits_1()
    {
        using TemporaryFolder folder = new();
        File.SetUnixFileMode(folder.Path, (UnixFileMode)0x1FF);
        Outcome outcome = await Cli.RunAsync("doctor", "--data", folder.Path);
        Assert.Equal(ExitCode.Failed, outcome.Code);
        Assert.Contains($"chmod 700 {folder.Path}", outcome.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Socket_left_by_a_role_that_crashed_is_told()
    {
        using TemporaryFolder folder = new();
        using (Socket crashed = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            crashed.Bind(new UnixDomainSocketEndPoint(folder["x"]));
            File.Move(folder["x"], folder["gateway.sock"]);
        }
        Outcome outcome = await Cli.RunAsync("doctor", "--data", folder.Path);
        Assert.Contains("ended without removing", outcome.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Port_taken_by_a_stranger_is_broken()
    {
        using Socket stranger = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        stranger.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        stranger.Listen();
        Task serving = AnswerLikeSshAsync();
        Doctor.Finding finding = await Doctor.RoleChecks.PortAsync(
            "issuer", ((IPEndPoint)stranger.LocalEndPoint!).Port, TimeProvider.System, TestContext.Current.CancellationToken);
        await serving;
        Assert.Equal(Doctor.Verdict.Broken, finding.Verdict);
        Assert.NotNull(finding.Fix);

        async Task AnswerLikeSshAsync()
        {
            using Socket client = await stranger.AcceptAsync(TestContext.Current.CancellationToken);
            await client.SendAsync("SSH-2.0-something\r\n"u8.ToArray(), TestContext.Current.CancellationToken);
        }
    }

    [Fact]
    public async Task Issuer_of_the_wallet_that_does_not_answer_is_broken()
    {
        using TemporaryFolder folder = new();
        int port = FreePorts.Take(3);
        await Cli.RunAsync("account", "create", "--issuer", $"http://127.0.0.1:{port}", "--data", folder.Path);
        await File.WriteAllTextAsync(folder["app.json"], $$"""{ "IssuerUrl": "http://127.0.0.1:{{port}}" }""", TestContext.Current.CancellationToken);
        Outcome outcome = await Cli.RunAsync("doctor", "--data", folder.Path);
        Assert.Equal(ExitCode.Failed, outcome.Code);
        Assert.Contains($"127.0.0.1:{port} does not answer", outcome.Out, StringComparison.Ordinal);
    }

    [Fact]
    public void Variable_that_no_role_reads_is_told()
    {
        System.Collections.Hashtable environment = new() { ["TACIT__Issuer__Listen"] = "x", ["TACIT__Isuer__Listen"] = "y", ["TACIT_HOME"] = "z" };
        Doctor.Finding finding = Assert.Single(Doctor.SettingsChecks.Environment(environment));
        Assert.Equal(Doctor.Verdict.Broken, finding.Verdict);
        Assert.Contains("TACIT__Isuer__Listen", finding.Detail, StringComparison.Ordinal);
        Assert.DoesNotContain("TACIT__Issuer__Listen", finding.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Account_at_an_issuer_that_does_not_answer_still_shows_the_new_seed()
    {
        using TemporaryFolder folder = new();
        Outcome outcome = await Cli.RunAsync("account", "create", "--issuer", $"http://127.0.0.1:{FreePorts.Take(3)}", "--data", folder.Path);
        Assert.Equal(ExitCode.Failed, outcome.Code);
        string seed = (await File.ReadAllTextAsync(folder["wallet.seed"], TestContext.Current.CancellationToken)).Trim();
        Assert.Contains(seed, outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Clock_before_the_files_it_should_follow_is_broken()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder["f"], "");
        File.SetLastWriteTimeUtc(folder["f"], TimeProvider.System.GetUtcNow().UtcDateTime.AddHours(1));
        Assert.Equal(Doctor.Verdict.Broken, Doctor.MachineChecks.Clock(TimeProvider.System, folder.Path).Verdict);
        Assert.Equal(Doctor.Verdict.Broken, Doctor.MachineChecks.Clock(new Stopped(new DateTimeOffset(2001, 1, 1, 0, 0, 0, TimeSpan.Zero)), "/nonexistent").Verdict);
        Assert.Equal(Doctor.Verdict.Fine, Doctor.MachineChecks.Clock(TimeProvider.System, "/nonexistent").Verdict);
    }

    private sealed class Stopped(DateTimeOffset at) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => at;
    }
}
