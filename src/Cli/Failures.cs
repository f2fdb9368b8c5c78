using System.Text.Json;
using Tacit.Client;
using Tacit.Hosting;
using Tacit.Hosting.KeyProtection;
using Tacit.Protocol;
using Tacit.Storage;
using Tacit.Tor;

namespace Tacit.Cli;

/// <summary>Turns what a command threw into the line or two that the user sees. Never a stack trace.</summary>
internal static class Failures
{
    public static (int ExitCode, string Message) Explain(Exception exception)
    {
        return exception switch
        {
            CommandException e => (e.ExitCode, e.Message),
            SettingsException e => (ExitCode.Failed, string.Join(Environment.NewLine + "  ", e.Problems.Select(p => p.ToString()))),
            ListenException e => (ExitCode.Failed, e.Message),
            ManagementException e => (ExitCode.Failed, e.Message),
            InternalChannelException e => (ExitCode.Failed, e.Message),
            KeyProtectionException e => (ExitCode.Failed, e.Message),
            TorException e => (ExitCode.Failed, e.Message),
            StorageException e => (ExitCode.Failed, e.Message),
            ClientException e => (ExitCode.Failed, e.Message),
            SignerUnavailableException e => (ExitCode.Failed, e.Message),
            OperationCanceledException => (ExitCode.Failed, "Interrupted."),
            AggregateException { InnerExceptions: [Exception only] } => Explain(only),
            HttpRequestException e => (ExitCode.Failed, $"A connection failed: {PublicDocument.FaultOf(e)}. `tacit doctor` looks for the cause."),
            JsonException => (ExitCode.Failed, "An answer came in a form this version does not know. Use the same version of tacit everywhere."),
            UnauthorizedAccessException e => (ExitCode.Failed, e.Message),
            // ENOSPC and EDQUOT; what was being written is whole or not there.
            IOException { HResult: 28 or 122 } e => (ExitCode.Failed, $"The disk is full ({e.Message}). Free some space and try again; nothing was lost."),
            IOException e => (ExitCode.Failed, e.Message),
            _ => (ExitCode.Failed, $"This should not have happened ({ExceptionNames.Of(exception)}). `tacit doctor` checks the machine; if it finds nothing, please report this line."),
        };
    }
}
