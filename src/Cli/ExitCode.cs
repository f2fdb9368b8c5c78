namespace Tacit.Cli;

/// <summary>What a script can tell from <c>$?</c>.</summary>
internal static class ExitCode
{
    public const int Fine = 0;
    public const int Failed = 1;
    public const int Usage = 2;
}

/// <summary>A command that did not work, told in a sentence or two that say what to do.</summary>
internal sealed class CommandException(string message, int exitCode = ExitCode.Failed) : Exception(message)
{
    public int ExitCode { get; } = exitCode;
}
