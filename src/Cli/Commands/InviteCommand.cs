using System.CommandLine;
using System.Globalization;
using Tacit.Hosting;
using Tacit.Hosting.Onion;
using Tacit.Issuer;

namespace Tacit.Cli.Commands;

/// <summary>
/// <c>tacit issuer invite</c>: one line with all that a new user's page asks for, to be sent as text, or as a QR code that holds it. It names nobody; with
/// <c>--credits</c> it brings a voucher, and so money.
/// </summary>
internal static class InviteCommand
{
    public static Command Create(Terminal terminal, Flags flags)
    {
        Option<Uri?> address = Flags.Url("--address", "Where users reach the issuer. Default: its onion service, if it has one.");
        Option<long?> credits = new("--credits") { Description = "Put a new voucher of this worth in it: whoever uses it first has the credits.", HelpName = "N" };
        credits.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && (!long.TryParse(result.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out long n) || n is < 1 or > 1_000_000_000_000))
            {
                result.AddError("--credits takes a whole number from 1 to 10^12.");
            }
        });
        Command command = new("invite", "Make an invitation: the issuer's address and directory key in one line, for the first run of a user's app (on the issuer's machine).") { address, credits };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            string data = flags.DataFolderOf(parsed);
            string where = parsed.GetValue(address)?.ToString().TrimEnd('/')
                ?? (OnionDoor.FindAddress(data, IssuerServer.Role) is string onion ? $"http://{onion}"
                    : throw new CommandException("Say where users reach the issuer: tacit issuer invite --address https://issuer.example"));
            using ManagementClient issuer = new(data, IssuerServer.Role);
            IssuerStatus status = await issuer.GetAsync("/status", IssuerJson.Default.IssuerStatus, cancellationToken);
            string? voucher = null;
            if (parsed.GetValue(credits) is long worth)
            {
                VoucherBatch batch = await issuer.PostAsync("/vouchers", new VoucherOrder(worth, 1, null), IssuerJson.Default.VoucherOrder, IssuerJson.Default.VoucherBatch, cancellationToken);
                voucher = batch.Codes[0];
            }
            terminal.Line(Write(where, status.DirectoryKey, voucher));
            terminal.Note(
                voucher is null ? "It is no secret. The page of `tacit app` takes it as it is; as a QR code: … | qrencode -t UTF8"
                : "It is as good as money until its voucher is used: send it to one person, by a way that nobody reads. The page of `tacit app` takes it as it is.");
            return ExitCode.Fine;
        });
        return command.WithExamples("tacit issuer invite --address https://issuer.example", "tacit issuer invite --credits 50 | qrencode -t UTF8");
    }

    /// <summary>The form that <c>src/App/web/src/setup/invitation.ts</c> reads.</summary>
    private static string Write(string address, string key, string? voucher) => $"tacit:?issuer={address}&key={key}{(voucher is null ? "" : $"&voucher={voucher}")}";
}
