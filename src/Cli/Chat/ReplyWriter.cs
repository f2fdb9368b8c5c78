using System.Text;
using System.Threading.Channels;
using Tacit.Cli.Rendering;

namespace Tacit.Cli.Chat;

/// <summary>Writes an answer as it comes: drawn where there is a screen, as it was written elsewhere.</summary>
/// <param name="terminal">Null writes nothing.</param>
/// <param name="raw">Whether it is written as it came on a screen too.</param>
internal sealed class ReplyWriter(Terminal? terminal, bool raw)
{
    private readonly StringBuilder _whole = new();

    /// <summary>What was written so far; the part of an answer that is there when the rest is not wanted.</summary>
    public string Text => _whole.ToString();

    /// <returns>The whole answer.</returns>
    public async Task<string> WriteAsync(IAsyncEnumerable<string> pieces)
    {
        MarkdownScreen? screen = terminal?.Screen is null || raw ? null : new MarkdownScreen(terminal.Out, terminal.Screen, terminal.UseColor);
        // Drawing takes longer than reading where much comes at once: then it is drawn together.
        Channel<string> read = Channel.CreateUnbounded<string>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
        Task reading = ReadAsync(pieces, read.Writer);
        try
        {
            while (await read.Reader.WaitToReadAsync(CancellationToken.None))
            {
                StringBuilder some = new();
                while (read.Reader.TryRead(out string? piece))
                {
                    some.Append(piece);
                }
                _whole.Append(some);
                terminal?.EndProgress();
                if (screen is not null)
                {
                    screen.Append(some.ToString());
                }
                else
                {
                    terminal?.Untrusted(some.ToString());
                }
            }
            await reading;
        }
        finally
        {
            terminal?.EndProgress();
            screen?.Finish();
            if (screen is null && _whole.Length > 0 && _whole[^1] != '\n')
            {
                terminal?.Line();
            }
        }
        return Text;
    }

    private static async Task ReadAsync(IAsyncEnumerable<string> pieces, ChannelWriter<string> into)
    {
        try
        {
            await foreach (string piece in pieces)
            {
                into.TryWrite(piece);
            }
            into.Complete();
        }
        catch (Exception e)
        {
            into.Complete(e);
        }
    }
}
