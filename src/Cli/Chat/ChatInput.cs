namespace Tacit.Cli.Chat;

/// <summary>Where the lines of a chat come from.</summary>
internal interface IChatInput
{
    /// <returns>Null when there are no more.</returns>
    Task<string?> ReadAsync(string prompt, CancellationToken cancellationToken);

    /// <summary>Looks, while an answer comes, whether it is still wanted.</summary>
    /// <param name="stop">It is not.</param>
    /// <param name="leave">Nor is anything else.</param>
    /// <param name="ended">Cancelled once the answer is there.</param>
    Task WatchAsync(Action stop, Action leave, CancellationToken ended);
}

/// <summary>Lines as a pipe or a file brings them. One that ends in a backslash goes on in the next.</summary>
internal sealed class PlainInput(Terminal terminal) : IChatInput
{
    public async Task<string?> ReadAsync(string prompt, CancellationToken cancellationToken)
    {
        if (!terminal.InputIsRedirected)
        {
            terminal.Error.Write(prompt);
            terminal.Error.Flush();
        }
        string? line = await terminal.In.ReadLineAsync(cancellationToken);
        while (line is ['\\'] or [.., '\\'] && await terminal.In.ReadLineAsync(cancellationToken) is string next)
        {
            line = line[..^1] + "\n" + next;
        }
        return line;
    }

    // A signal ends the whole of it.
    public Task WatchAsync(Action stop, Action leave, CancellationToken ended) => Task.CompletedTask;
}
