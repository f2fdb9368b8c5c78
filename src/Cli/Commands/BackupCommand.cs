using System.CommandLine;
using Tacit.App;
using Tacit.Cli.Wallets;
using Tacit.Hosting;

namespace Tacit.Cli.Commands;

/// <summary>What <c>wallet backup</c> wrote.</summary>
internal sealed record BackupWritten(string File, long Bytes);

/// <summary><c>wallet backup</c>, and the way back.</summary>
internal static class BackupCommand
{
    public static Command Create(Terminal terminal, Flags flags)
    {
        ClientFlags client = new(flags);
        Argument<string> file = new("FILE") { Description = "Where to write it; it must not exist yet." };
        Option<SecretReference?> passphrase = Flags.Secret("--passphrase", "A passphrase of at least 12 characters. Asked for on a terminal if left out.");
        Option<bool> json = Flags.Json();
        Command command = new("backup", "Write the whole wallet to an encrypted file: seed, tokens, subscriptions. Whoever has file and passphrase spends it.") { file, passphrase, json };
        client.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            string path = Path.GetFullPath(parsed.GetValue(file)!);
            if (File.Exists(path))
            {
                throw new CommandException($"{path} exists already. A backup overwrites nothing: choose another name.");
            }
            await using IWalletAccess wallet = await WalletAccess.OpenAsync(terminal, client.Load(parsed), cancellationToken);
            byte[] backup = await wallet.BackupAsync(Passphrase(terminal, parsed.GetValue(passphrase), twice: true), cancellationToken);
            Write(path, backup);
            if (parsed.GetValue(json))
            {
                terminal.Json(new BackupWritten(path, backup.Length), CliJson.Default.BackupWritten);
            }
            else
            {
                terminal.Done($"The wallet is in {path}.");
                terminal.Line("A subscription's chain comes back from it only if nothing was asked on that chain since: make a new one now and then.");
            }
            return ExitCode.Fine;
        });
        return command.WithExamples("tacit wallet backup wallet.backup", "tacit wallet backup wallet.backup --passphrase env:BACKUP_PASSPHRASE");
    }

    /// <summary>Makes a wallet from a backup.</summary>
    internal static async Task<(IWalletAccess Access, AppOptions Options)> RestoreAsync(
        Terminal terminal, AppOptions options, string file, SecretReference? passphrase, CancellationToken cancellationToken)
    {
        byte[] content;
        try
        {
            if (new FileInfo(file).Length > WalletBackupFile.MaxSizeInBytes)
            {
                throw new CommandException($"{file} is too large to be a backup of a wallet.");
            }
            content = await File.ReadAllBytesAsync(file, cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException($"{file} cannot be read: {e.Message}");
        }
        return await WalletAccess.RestoreAsync(terminal, options, content, Passphrase(terminal, passphrase, twice: false), cancellationToken);
    }

    private static string Passphrase(Terminal terminal, SecretReference? reference, bool twice)
    {
        if (WalletCommands.Read(reference, "--passphrase") is string given)
        {
            return given;
        }
        if (terminal.InputIsRedirected || !terminal.ErrorIsTerminal)
        {
            throw new CommandException("Give the passphrase as a reference: --passphrase env:NAME or file:PATH.", ExitCode.Usage);
        }
        string typed = terminal.ReadSecret("Passphrase");
        return !twice || terminal.ReadSecret("Again") == typed ? typed : throw new CommandException("The two do not match.", ExitCode.Usage);
    }

    private static void Write(string path, byte[] content)
    {
        FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }
        try
        {
            using FileStream stream = new(path, options);
            stream.Write(content);
            stream.Flush(flushToDisk: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException($"{path} cannot be written: {e.Message}");
        }
    }
}
