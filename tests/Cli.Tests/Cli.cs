using System.Diagnostics;
using System.Text;

namespace Tacit.Cli.Tests;

/// <summary>What a command did.</summary>
internal sealed record Outcome(int Code, string Out, string Error);

/// <summary>Runs commands in this process, on a terminal made of strings.</summary>
internal static class Cli
{
    public static async Task<Outcome> RunAsync(params string[] args) => await RunAsync(args, null);

    public static async Task<Outcome> RunAsync(string[] args, string? input, CancellationToken? cancellationToken = null)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        using StringReader reader = new(input ?? "");
        using Terminal terminal = new(TextWriter.Synchronized(output), TextWriter.Synchronized(error), reader);
        int code = await CommandLine.RunAsync(args, terminal, cancellationToken ?? TestContext.Current.CancellationToken);
        return new Outcome(code, output.ToString(), error.ToString());
    }
}

/// <summary>What is written while somebody else looks at it: a <see cref="StringWriter"/> may throw at whoever reads while another writes.</summary>
internal sealed class HeardText
{
    private readonly StringBuilder _text = new();

    public HeardText() => Writer = TextWriter.Synchronized(new StringWriter(_text));

    public TextWriter Writer { get; }

    public string Text
    {
        get
        {
            // The writer locks itself.
            lock (Writer)
            {
                return _text.ToString();
            }
        }
    }
}

/// <summary>Runs the built program as a process of its own.</summary>
internal static class Program
{
    public static string Path { get; } = System.IO.Path.Combine(AppContext.BaseDirectory, "tacit");

    public static Process Start(string[] args, params (string Name, string Value)[] environment) => StartFile(Path, args, environment);

    public static Process StartFile(string file, string[] args, params (string Name, string Value)[] environment)
    {
        ProcessStartInfo start = new(file, args)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
            StandardErrorEncoding = Encoding.UTF8,
        };
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }
        return Process.Start(start)!;
    }

    public static async Task<Outcome> RunAsync(string[] args, params (string Name, string Value)[] environment)
    {
        using Process process = Start(args, environment);
        process.StandardInput.Close();
        return await EndOfAsync(process);
    }

    public static async Task<Outcome> EndOfAsync(Process process)
    {
        using CancellationTokenSource late = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        late.CancelAfter(TimeSpan.FromMinutes(5));
        Task<string> output = process.StandardOutput.ReadToEndAsync(late.Token);
        Task<string> error = process.StandardError.ReadToEndAsync(late.Token);
        try
        {
            await process.WaitForExitAsync(late.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
        return new Outcome(process.ExitCode, await output, await error);
    }
}

/// <summary>A folder of the test's own, gone afterwards.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("tacit").FullName;

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public void Dispose()
    {
        try
        {
            Directory.Delete(Path, recursive: true);
        }
        catch (IOException)
        {
        }
    }
}
