using System.CommandLine;
using System.CommandLine.Parsing;
using Tacit.Cli.Commands;
using Tacit.Cli.Roles;
using Tacit.Cli.Window;
using Tacit.Hosting;

namespace Tacit.Cli;

/// <summary>The tree of commands, and the one place where a command is run and its failure explained.</summary>
internal static class CommandLine
{
    /// <param name="surroundings">The user's session; null takes this process's.</param>
    public static async Task<int> RunAsync(string[] args, Terminal terminal, CancellationToken cancellationToken, Surroundings? surroundings = null)
    {
        RootCommand root = Build(terminal, surroundings);
        // Response files are off: `tacit ask @name` is a question.
        ParseResult parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Errors.Count > 0 && parsed.Action is System.CommandLine.Invocation.ParseErrorAction)
        {
            terminal.Fail(Describe(parsed));
            terminal.Note($"See `{PathOf(parsed.CommandResult)} --help`.");
            return ExitCode.Usage;
        }
        using ProcessSignals signals = new();
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(signals.Stopping, cancellationToken);
        try
        {
            return await parsed.InvokeAsync(
                // Servers need longer than the library's two seconds to drain; signals are ours.
                new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null, Output = terminal.Out, Error = terminal.Error },
                stop.Token);
        }
        catch (Exception e)
        {
            (int code, string message) = Failures.Explain(e);
            terminal.Fail(message);
            return code;
        }
        finally
        {
            terminal.EndProgress();
        }
    }

    internal static RootCommand Build(Terminal terminal, Surroundings? surroundings = null)
    {
        RootCommand root = new("Use language models without anyone being able to link who you are to what you ask.");
        Flags flags = new();
        root.Add(flags.Data);
        WindowCommand.AddTo(root, terminal, flags, surroundings ?? Surroundings.OfProcess());
        root.Add(DemoCommand.Create(terminal, flags));
        root.Add(ChatCommand.Create(terminal, flags));
        root.Add(AskCommand.Create(terminal, flags));
        root.Add(SealCommand.Create(terminal, flags));
        root.Add(UnsealCommand.Create(terminal, flags));
        root.Add(AccountCommands.Create(terminal, flags));
        root.Add(WalletCommands.Create(terminal, flags));
        root.Add(DeviceCommands.Create(terminal, flags));
        root.Add(DirectoryCommands.Plans(terminal, flags));
        root.Add(DirectoryCommands.Keys(terminal, flags));
        root.Add(AppRole.Create(terminal, flags));
        Command issuer = IssuerCommands.AddTo(ServerRoles.Issuer(terminal, flags), terminal, flags);
        issuer.Add(OnionCommand.Create(terminal, flags, "issuer"));
        root.Add(issuer);
        Command signer = ServerRoles.Signer(terminal, flags);
        signer.Add(TotalsCommands.Signer(terminal, flags));
        root.Add(signer);
        Command gateway = ServerRoles.Gateway(terminal, flags);
        gateway.Add(TotalsCommands.Gateway(terminal, flags));
        gateway.Add(ProviderCommands.Create(terminal, flags));
        gateway.Add(GatewayKeyCommand.Create(terminal, flags));
        PseudonymCommands.AddTo(gateway, terminal, flags);
        gateway.Add(GatewayDeviceCommands.Create(terminal, flags));
        gateway.Add(OnionCommand.Create(terminal, flags, "gateway"));
        root.Add(gateway);
        Command relay = ServerRoles.Relay(terminal, flags);
        relay.Add(OnionCommand.Create(terminal, flags, "relay"));
        root.Add(relay);
        root.Add(VoucherCommand.Create(terminal, flags));
        root.Add(BackupCommands.Backup(terminal, flags));
        root.Add(BackupCommands.Restore(terminal, flags));
        root.Add(MigrateCommand.Create(terminal, flags));
        root.Add(StatusCommand.Create(terminal, flags));
        root.Add(DoctorCommand.Create(terminal, flags));
        root.Add(DesktopCommand.Create(terminal, flags));
        root.Add(CompletionCommand.Create(terminal));
        Help.AddTo(root);
        return root;
    }

    /// <summary>One sentence for what is wrong; the first cause, since the rest mostly follows from it.</summary>
    private static string Describe(ParseResult parsed)
    {
        Command command = parsed.CommandResult.Command;
        if (command.Subcommands.Count > 0 && (command.Action is null || parsed.UnmatchedTokens.Any(token => !token.StartsWith('-'))))
        {
            IEnumerable<string> names = command.Subcommands.Where(sub => !sub.Hidden).Select(sub => sub.Name);
            string? given = parsed.UnmatchedTokens.FirstOrDefault(token => !token.StartsWith('-'));
            return given is null
                ? $"Say what to do: {string.Join(", ", names)}."
                : $"There is no command '{given}'. There are: {string.Join(", ", names)}.";
        }
        return parsed.Errors[0].Message.ReplaceLineEndings(" ").Replace("\t", "", StringComparison.Ordinal);
    }

    private static string PathOf(SymbolResult result)
    {
        Stack<string> names = new();
        for (SymbolResult? at = result; at is not null; at = at.Parent)
        {
            if (at is CommandResult command)
            {
                names.Push(command.Command is RootCommand ? "tacit" : command.Command.Name);
            }
        }
        return string.Join(' ', names);
    }
}
