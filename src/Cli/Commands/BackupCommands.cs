using System.CommandLine;
using System.Globalization;
using Tacit.Gateway;
using Tacit.Hosting.Onion;
using Tacit.Issuer;
using Tacit.Signer;
using Tacit.Storage;

namespace Tacit.Cli.Commands;

/// <summary>Copies of a role's SQLite database, and putting one back with what it then forgets said plainly. PostgreSQL has tools of its own.</summary>
internal static class BackupCommands
{
    public static Command Backup(Terminal terminal, Flags flags)
    {
        Argument<string> role = Role();
        Option<string> to = new("--to") { Description = "The file to write; never one that is there.", HelpName = "FILE", Required = true };
        Command command = new("backup", "Copy the database of a server role, while it runs or not (as the role's user).") { role, to };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            string name = parsed.GetRequiredValue(role);
            string copy = parsed.GetRequiredValue(to);
            await DatabaseCopy.WriteAsync(DatabaseOf(flags.DataFolderOf(parsed), name), copy, cancellationToken);
            terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{copy}: {new FileInfo(copy).Length} bytes, checked"));
            if (OnionDoor.CopyKey(flags.DataFolderOf(parsed), name, copy) is string key)
            {
                terminal.Line($"{key}: the onion service's key, encrypted as it was");
            }
            terminal.Note(name switch
            {
                "signer" => "Its keys are encrypted under the signer's passphrase or key file: keep that, apart from the copy.",
                "issuer" => "Its directory key is encrypted under the issuer's passphrase or key file: keep that, apart from the copy.",
                _ => "Keep only the newest copy: two of them would tell which tokens were spent in between.",
            });
            return ExitCode.Fine;
        });
        return command.WithExamples("tacit backup issuer --to /backup/issuer.db --data /var/lib/tacit/issuer");
    }

    public static Command Restore(Terminal terminal, Flags flags)
    {
        Argument<string> role = Role();
        Option<string> from = new("--from") { Description = "A file that `tacit backup` wrote.", HelpName = "FILE", Required = true };
        Option<string?> directory = new("--directory") { Description = "Issuer: the newest directory it published, as fetched from it or kept by a gateway, to go on from.", HelpName = "FILE" };
        Option<bool> accept = new("--accept-forgotten-spends") { Description = "Gateway: take all tokens again, those that were spent since the copy included." };
        Command command = new("restore", "Put a copy in the place of the database of a server role that does not run.") { role, from, directory, accept };
        command.Validators.Add(result =>
        {
            string? name = result.GetValue(role);
            if (result.GetValue(directory) is not null && name != "issuer")
            {
                result.AddError("--directory is for the issuer.");
            }
            if (result.GetValue(accept) && name != "gateway")
            {
                result.AddError("--accept-forgotten-spends is for the gateway.");
            }
        });
        command.SetAction(async (parsed, cancellationToken) =>
        {
            string name = parsed.GetRequiredValue(role);
            string copy = parsed.GetRequiredValue(from);
            string data = flags.DataFolderOf(parsed);
            Hosting.DataFolder.Create(data);
            string? aside = name switch
            {
                "signer" => await RestoreSignerAsync(terminal, copy, data, cancellationToken),
                "issuer" => await RestoreIssuerAsync(terminal, copy, data, parsed.GetValue(directory), cancellationToken),
                _ => await RestoreGatewayAsync(terminal, copy, data, parsed.GetValue(accept), cancellationToken),
            };
            if (OnionDoor.PutBackKey(data, name, copy))
            {
                terminal.Line($"The onion service is that of the copy, http://{OnionDoor.FindAddress(data, name)}.");
            }
            if (aside is not null)
            {
                terminal.Note($"What was there is {aside} now.");
            }
            return ExitCode.Fine;
        });
        return command.WithExamples(
            "tacit restore gateway --from /backup/gateway.db --data /var/lib/tacit/gateway",
            "tacit restore issuer --from /backup/issuer.db --directory issuer-directory.json --data /var/lib/tacit/issuer");
    }

    private static async Task<string?> RestoreSignerAsync(Terminal terminal, string copy, string data, CancellationToken cancellationToken)
    {
        string? aside = await SignerBackup.RestoreAsync(copy, data, TimeProvider.System, cancellationToken);
        terminal.Line("The signer's keys are those of the copy.");
        terminal.Note("Keys made since are lost. If a live period's is among them, give its plan another id here and at the issuer before the signer starts: gateways and wallets refuse a second key for the same plan and period (docs/operating.md, Backup).");
        return aside;
    }

    private static async Task<string?> RestoreIssuerAsync(Terminal terminal, string copy, string data, string? directoryFile, CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte>? directory = null;
        try
        {
            if (directoryFile is not null)
            {
                directory = await File.ReadAllBytesAsync(directoryFile, cancellationToken);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException($"{directoryFile} cannot be read.");
        }
        IssuerRestored restored;
        try
        {
            restored = await IssuerBackup.RestoreAsync(copy, data, directory, TimeProvider.System, cancellationToken);
        }
        catch (InvalidDataException)
        {
            throw new CommandException($"{directoryFile} is no directory that this issuer has signed. Fetch its last one from a gateway's data folder (issuer-directory.json). Nothing was changed.");
        }
        terminal.Line(string.Create(
            CultureInfo.InvariantCulture,
            $"The issuer's books are those of the copy: {restored.Ledger.Accounts} accounts, {restored.Ledger.Outstanding} credits, {(restored.Ledger.IsSound ? "sound" : "NOT SOUND")}."));
        terminal.Note(string.Create(
            CultureInfo.InvariantCulture,
            $"Forgotten is what came since: deposits ({restored.OpenVouchers} vouchers are open in the copy; those redeemed since can be redeemed again), accounts, and sales (credits spent since are back; their tokens are good all the same)."));
        terminal.Note(directoryFile is null
            ? string.Create(CultureInfo.InvariantCulture, $"The last directory it knows is number {restored.Sequence}. If it published later ones, clients refuse those to come until they are past: restore again with --directory.")
            : string.Create(CultureInfo.InvariantCulture, $"Its next directory follows number {restored.Sequence}."));
        return restored.Aside;
    }

    private static async Task<string?> RestoreGatewayAsync(Terminal terminal, string copy, string data, bool accept, CancellationToken cancellationToken)
    {
        string? aside = await GatewayBackup.RestoreAsync(copy, data, accept, TimeProvider.System, cancellationToken);
        terminal.Line("The gateway's spend record is that of the copy.");
        terminal.Note(accept
            ? "Tokens that were spent since can be SPENT AGAIN until their deadline, as you asked."
            : "Which tokens were spent since is forgotten, so all keys in use when it next starts are closed: their tokens are refused, spent or not. It takes those of the next period; to serve this one, sell a plan under another id after that start, and make your users whole (docs/operating.md, Backup).");
        return aside;
    }

    private static Argument<string> Role()
    {
        Argument<string> role = new("role") { Description = "signer, issuer or gateway.", HelpName = "ROLE" };
        role.AcceptOnlyFromAmong("signer", "issuer", "gateway");
        return role;
    }

    private static string DatabaseOf(string data, string role) => Path.Combine(data, role switch
    {
        "signer" => SignerOptions.DatabaseName,
        "issuer" => IssuerOptions.DatabaseName,
        _ => GatewayBackup.DatabaseName,
    });
}
