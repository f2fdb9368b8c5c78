using System.CommandLine;
using System.Globalization;
using Tacit.Cli.Settings;
using Tacit.Gateway;
using Tacit.Hosting;
using Tacit.Issuer;
using Tacit.Signer;
using Tacit.Storage;

namespace Tacit.Cli.Commands;

/// <summary>Moves a role's data from one machine's file to PostgreSQL, where several machines share it, and back.</summary>
internal static class MigrateCommand
{
    public static Command Create(Terminal terminal, Flags flags)
    {
        Argument<string> role = new("role") { Description = "signer, issuer or gateway.", HelpName = "ROLE" };
        role.AcceptOnlyFromAmong("signer", "issuer", "gateway");
        Option<SecretReference?> to = Flags.Secret("--to", "The connection string of an empty PostgreSQL database: move there from the SQLite file in the data folder.");
        Option<SecretReference?> from = Flags.Secret("--from", "The connection string of a PostgreSQL database: move from there to a SQLite file in the data folder.");
        Command command = new("migrate", "Move a server role's data from SQLite to PostgreSQL or back, all of it or nothing, while the role stands still.") { role, to, from };
        command.Validators.Add(result =>
        {
            if (result.GetResult(to) is null == result.GetResult(from) is null)
            {
                result.AddError("Name one of --to and --from.");
            }
        });
        command.SetAction(async (parsed, cancellationToken) =>
        {
            string name = parsed.GetRequiredValue(role);
            bool toPostgres = parsed.GetValue(to) is not null;
            DatabaseOptions options = new() { Postgres = parsed.GetValue(to) ?? parsed.GetValue(from) };
            string connection = options.LoadConnectionString()!;
            string data = flags.DataFolderOf(parsed);
            DataFolder.Create(data);
            Func<string, string, bool, TimeProvider, CancellationToken, Task<IReadOnlyList<TransferredTable>>> move = name switch
            {
                "signer" => SignerTransfer.MoveAsync,
                "issuer" => IssuerTransfer.MoveAsync,
                _ => GatewayTransfer.MoveAsync,
            };
            IReadOnlyList<TransferredTable> tables = await move(data, connection, toPostgres, TimeProvider.System, cancellationToken);
            foreach (TransferredTable table in tables)
            {
                terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{table.Rows,12:N0}  {table.Name}"));
            }

            terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{tables.Sum(table => table.Rows),12:N0}  rows moved and counted"));
            terminal.Note(toPostgres
                ? $"The file is renamed (*{DatabaseTransfer.MovedSuffix}), so that nothing starts on it again. Set Database:Postgres, start the {name}, and remove the file."
                : name == "gateway"
                    ? "The database left behind is marked as old. Take Database:Postgres out of the settings, start the gateway, and drop the database."
                    : $"Take Database:Postgres out of the settings, start the {name}, and DROP THE DATABASE: whoever starts a role on it again goes on from what is old.");
            return ExitCode.Fine;
        });
        return command.WithExamples(
            "tacit migrate gateway --to file:/etc/tacit/gateway-database --data /var/lib/tacit/gateway",
            "tacit migrate gateway --from file:/etc/tacit/gateway-database --data /var/lib/tacit/gateway");
    }
}
