using System.Diagnostics;
using System.Text.Json;

namespace Tacit.Cli.Tests;

/// <summary>One question with what belongs to it: standard input and files.</summary>
public sealed class AskTests
{
    private static readonly byte[] s_png = [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Question_carries_files_images_system_prompt_and_what_a_pipe_brings()
    {
        await using ScriptedModel model = await ScriptedModel.StartAsync(question => ["you said ", question[..4]]);
        using TemporaryFolder folder = new();
        await File.WriteAllTextAsync(folder["a.cs"], "int a; // ```\n", Ct);
        await File.WriteAllBytesAsync(folder["b.png"], s_png, Ct);
        string[] user = ["--data", model.Data];

        Outcome files = await Cli.RunAsync(["ask", "compare", "--file", folder["a.cs"], "--file", folder["b.png"], "--system", "Be brief.", .. user]);
        Assert.True(files.Code == ExitCode.Fine, files.Error);
        Assert.Equal("you said comp\n", files.Out);
        JsonElement[] messages = ScriptedModel.MessagesOf(model.Asked[0]);
        Assert.Equal(("system", "Be brief."), (messages[0].GetProperty("role").GetString(), ScriptedModel.TextOf(messages[0])));
        // The fence is longer than any in the file, and the folder's name stays here.
        Assert.Equal("compare\n\na.cs:\n````\nint a; // ```\n````", ScriptedModel.TextOf(messages[1]));
        Assert.Equal("data:image/png;base64," + Convert.ToBase64String(s_png), messages[1].GetProperty("content")[1].GetProperty("image_url").GetProperty("url").GetString());

        // As a process of its own, with a pipe: `cat log | tacit ask "what is wrong?"`.
        Outcome piped = await PipedAsync("line 1\nline 2\n"u8.ToArray(), ["ask", "what is wrong?", "--json", .. user]);
        Assert.True(piped.Code == ExitCode.Fine, piped.Error);
        Assert.Equal("what is wrong?\n\nline 1\nline 2", ScriptedModel.TextOf(ScriptedModel.MessagesOf(model.Asked[1])[0]));
        using (JsonDocument json = JsonDocument.Parse(piped.Out))
        {
            Assert.Equal(("you said what", ScriptedModel.Name), (json.RootElement.GetProperty("text").GetString(), json.RootElement.GetProperty("model").GetString()));
        }
        await PipedAsync("all of it"u8.ToArray(), ["ask", "-", .. user]);
        Assert.Equal("all of it", ScriptedModel.TextOf(ScriptedModel.MessagesOf(model.Asked[2])[0]));
        await PipedAsync(s_png, ["ask", "what is this?", .. user]);
        Assert.Equal("image_url", ScriptedModel.MessagesOf(model.Asked[3])[0].GetProperty("content")[1].GetProperty("type").GetString());
        await PipedAsync("not for the model"u8.ToArray(), ["ask", "alone", "--no-stdin", .. user]);
        Assert.Equal("alone", ScriptedModel.TextOf(ScriptedModel.MessagesOf(model.Asked[4])[0]));
    }

    [Fact]
    public async Task File_that_no_model_can_read_is_refused_before_anything_is_sent()
    {
        using TemporaryFolder folder = new();
        await File.WriteAllBytesAsync(folder["program"], [0x7F, (byte)'E', (byte)'L', (byte)'F', 0, 1], Ct);
        await File.WriteAllBytesAsync(folder["latin1.txt"], [(byte)'f', 0xFC, (byte)'r'], Ct);
        await using (FileStream large = new(folder["large.txt"], FileMode.Create))
        {
            large.SetLength(Chat.QuestionFile.MaxBytes + 1);
        }
        foreach ((string file, string told) in ((string, string)[])[
            ("program", "neither text"), ("latin1.txt", "neither text"), ("large.txt", "larger than 10 MiB"), ("none", "no file"), (".", "is a folder")])
        {
            Outcome outcome = await Cli.RunAsync("ask", "what is this?", "--file", folder[file], "--data", folder["user"]);
            Assert.Equal(ExitCode.Usage, outcome.Code);
            Assert.Contains(told, outcome.Error, StringComparison.Ordinal);
        }
        // Whoever pipes nothing but noise is told the same.
        Outcome piped = await PipedAsync([0, 1, 2], ["ask", "what?", "--data", folder["user"]]);
        Assert.Equal(ExitCode.Usage, piped.Code);
        Assert.Contains("standard input", piped.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder["user"]));
    }

    [Fact]
    public async Task Text_of_a_pdf_is_taken_out_by_pdftotext_or_the_error_says_what_to_install()
    {
        using TemporaryFolder folder = new();
        byte[] pdf = "%PDF-1.4 pretended"u8.ToArray();
        await File.WriteAllBytesAsync(folder["paper.pdf"], pdf, Ct);
        Directory.CreateDirectory(folder["none"]);
        Outcome without = await WithPathAsync(folder["none"], ["ask", "summarize", "--file", folder["paper.pdf"], "--data", folder["user"]]);
        Assert.Equal(ExitCode.Failed, without.Code);
        Assert.Contains("poppler-utils", without.Error, StringComparison.Ordinal);

        // One that shows that it got the file, and that what it says is what is sent.
        await using ScriptedModel model = await ScriptedModel.StartAsync(_ => ["fine"]);
        Directory.CreateDirectory(folder["bin"]);
        string program = Path.Combine(folder["bin"], "pdftotext");
        await File.WriteAllTextAsync(program, "#!/bin/sh\necho \"text of $(/bin/cat)\"\n", Ct);
        File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        Outcome with = await WithPathAsync(folder["bin"], ["ask", "summarize", "--file", folder["paper.pdf"], "--data", model.Data]);
        Assert.True(with.Code == ExitCode.Fine, with.Error);
        Assert.Contains("text of %PDF-1.4 pretended", ScriptedModel.TextOf(ScriptedModel.MessagesOf(model.Asked[0])[0]), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\e]8;;http://beacon.example\e\\word\e]8;;\e\\")]
    [InlineData("\e[2J\e[1;1Hnothing happened")]
    [InlineData("\u009b31mred\u0090 device control \u009c")]
    [InlineData("over\rwritten \b\b\b\a")]
    [InlineData("\u202Egnp.exe\u202C \u2066x\u2069")]
    [InlineData("\U000E0041\U000E0042 unseen")]
    public void What_a_model_says_is_never_obeyed_by_a_terminal(string hostile)
    {
        string clean = Rendering.TerminalText.Clean(hostile);
        Assert.DoesNotContain(clean, c => (char.IsControl(c) && c is not ('\n' or '\t')) || c is (>= '\u202A' and <= '\u202E') or (>= '\u2066' and <= '\u2069') || c == '\uDB40');
        Assert.Contains('\uFFFD', clean);
        // Words stay.
        Assert.Equal(hostile.Where(char.IsAsciiLetter), clean.Where(char.IsAsciiLetter));
    }

    [Fact]
    public void What_a_model_may_say_is_left_as_it_is()
    {
        const string text = "Tabs\tand\nlines, 日本語, עברית, العربية, 👩‍👩‍👧‍👦, e\u0301, ½ ∑ │";
        Assert.Equal(text, Rendering.TerminalText.Clean(text));
        Assert.Equal("a\nb\nc", Rendering.TerminalText.Clean("a\r\nb\u2028c"));
        Assert.Equal((3, 6, 2, 1, 2), (Width("abc"), Width("日本語"), Width("👩‍👩‍👧‍👦"), Width("e\u0301"), Width("✔️")));

        static int Width(string shown) => Rendering.TerminalText.Width(shown);
    }

    private static async Task<Outcome> PipedAsync(byte[] input, string[] args)
    {
        using Process process = Program.Start(args);
        try
        {
            await process.StandardInput.BaseStream.WriteAsync(input, Ct);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It did not want it.
        }
        return await Program.EndOfAsync(process);
    }

    private static Task<Outcome> WithPathAsync(string path, string[] args) => Program.RunAsync(args, ("PATH", path));
}
