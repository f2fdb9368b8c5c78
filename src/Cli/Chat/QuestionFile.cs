using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Tacit.Cli.Chat;

/// <summary>A file that goes with a question: its text, or an image. What it is, is told by what is in it and not by its name.</summary>
/// <param name="Name">Without its folder: where it lies on this machine is nobody's business.</param>
/// <param name="Text">Its text; null for an image.</param>
/// <param name="Image">A <c>data:</c> URL; null for text.</param>
internal sealed record QuestionFile(string Name, string? Text, string? Image)
{
    /// <summary>More is no question; and the largest request that the app takes by default is 16 MiB, an image a third larger in it than on the disk.</summary>
    public const int MaxBytes = 10 << 20;

    private static readonly UTF8Encoding s_strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <exception cref="CommandException">It cannot be read, is too large, or is neither text nor an image.</exception>
    public static async Task<QuestionFile> ReadAsync(string path, CancellationToken cancellationToken)
    {
        if (Directory.Exists(path))
        {
            throw new CommandException($"{path} is a folder. Name its files, each with --file.", ExitCode.Usage);
        }
        try
        {
            await using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, 1, FileOptions.Asynchronous);
            return await ReadAsync(Path.GetFileName(path), file, cancellationToken);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CommandException($"There is no file {path}.", ExitCode.Usage);
        }
        catch (UnauthorizedAccessException)
        {
            throw new CommandException($"{path} cannot be read by this user.", ExitCode.Usage);
        }
    }

    /// <summary>The same from a stream that tells no length.</summary>
    /// <inheritdoc cref="ReadAsync(string, CancellationToken)"/>
    public static async Task<QuestionFile> ReadAsync(string name, Stream stream, CancellationToken cancellationToken)
    {
        using MemoryStream whole = new();
        byte[] buffer = new byte[64 * 1024];
        int read;
        while ((read = await stream.ReadAsync(buffer, cancellationToken)) > 0)
        {
            if (whole.Length + read > MaxBytes)
            {
                throw new CommandException(
                    string.Create(CultureInfo.InvariantCulture, $"{name} is larger than {MaxBytes >> 20} MiB. Give the part of it that the question is about."), ExitCode.Usage);
            }
            whole.Write(buffer, 0, read);
        }
        return await OfAsync(name, whole.ToArray(), cancellationToken);
    }

    /// <inheritdoc cref="ReadAsync(string, CancellationToken)"/>
    public static async Task<QuestionFile> OfAsync(string name, byte[] content, CancellationToken cancellationToken)
    {
        if (ImageType(content) is string type)
        {
            return new QuestionFile(name, null, $"data:{type};base64,{Convert.ToBase64String(content)}");
        }
        if (content.AsSpan().StartsWith("%PDF-"u8))
        {
            return new QuestionFile(name, await PdfTextAsync(name, content, cancellationToken), null);
        }
        return new QuestionFile(name, TextOf(content) ?? throw new CommandException(
            $"{name} is neither text in UTF-8 nor an image (PNG, JPEG, GIF, WebP) nor a PDF: a model could make nothing of it.", ExitCode.Usage), null);
    }

    /// <summary>The text as it is in a question: fenced by more backticks than it has itself, so that its end is where it ends.</summary>
    public string Fenced()
    {
        int longest = 2;
        int run = 0;
        foreach (char c in Text ?? "")
        {
            run = c == '`' ? run + 1 : 0;
            longest = Math.Max(longest, run);
        }
        string fence = new('`', longest + 1);
        return $"{Name}:\n{fence}\n{Text!.TrimEnd('\n')}\n{fence}";
    }

    /// <summary>Null if it is none.</summary>
    private static string? TextOf(byte[] content)
    {
        ReadOnlySpan<byte> bytes = content;
        if (bytes is [0xFF, 0xFE, ..] or [0xFE, 0xFF, ..] && bytes.Length % 2 == 0)
        {
            return (bytes[0] == 0xFF ? Encoding.Unicode : Encoding.BigEndianUnicode).GetString(bytes[2..]).ReplaceLineEndings("\n");
        }
        // No text has a zero byte, and nearly everything else has.
        if (bytes.Contains((byte)0))
        {
            return null;
        }
        try
        {
            return s_strict.GetString(bytes is [0xEF, 0xBB, 0xBF, ..] ? bytes[3..] : bytes).ReplaceLineEndings("\n");
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }

    private static string? ImageType(ReadOnlySpan<byte> content) => content switch
    {
        [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A, ..] => "image/png",
        [0xFF, 0xD8, 0xFF, ..] => "image/jpeg",
        [(byte)'G', (byte)'I', (byte)'F', (byte)'8', ..] => "image/gif",
        [(byte)'R', (byte)'I', (byte)'F', (byte)'F', _, _, _, _, (byte)'W', (byte)'E', (byte)'B', (byte)'P', ..] => "image/webp",
        _ => null,
    };

    /// <summary>By poppler's program where it is installed: a PDF is read by a parser that many look at, or not at all.</summary>
    private static async Task<string> PdfTextAsync(string name, byte[] content, CancellationToken cancellationToken)
    {
        ProcessStartInfo start = new("pdftotext", ["-enc", "UTF-8", "-layout", "-nopgbrk", "-", "-"])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, StandardOutputEncoding = s_strict,
        };
        Process program;
        try
        {
            program = Process.Start(start)!;
        }
        catch (Win32Exception)
        {
            throw new CommandException($"{name} is a PDF, whose text `pdftotext` takes out; it is not installed (Debian: apt install poppler-utils).");
        }
        using (program)
        {
            try
            {
                Task<string> text = program.StandardOutput.ReadToEndAsync(cancellationToken);
                Task<string> problem = program.StandardError.ReadToEndAsync(cancellationToken);
                try
                {
                    await program.StandardInput.BaseStream.WriteAsync(content, cancellationToken);
                    program.StandardInput.Close();
                }
                catch (IOException)
                {
                    // It had seen enough; how it ended says more.
                }
                await program.WaitForExitAsync(cancellationToken);
                await problem;
                if (program.ExitCode != 0)
                {
                    throw new CommandException($"`pdftotext` cannot read {name}: it is damaged, or has a password.", ExitCode.Usage);
                }
                return string.IsNullOrWhiteSpace(await text)
                    ? throw new CommandException($"There is no text in {name}: its pages are images. Give them as images (pdftoppm -png).", ExitCode.Usage)
                    : (await text).ReplaceLineEndings("\n");
            }
            catch (DecoderFallbackException)
            {
                throw new CommandException($"`pdftotext` cannot read {name}.", ExitCode.Usage);
            }
            finally
            {
                if (!program.HasExited)
                {
                    program.Kill();
                }
            }
        }
    }
}
