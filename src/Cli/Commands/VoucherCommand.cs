using System.CommandLine;
using System.Globalization;
using Tacit.Hosting;
using Tacit.Issuer;

namespace Tacit.Cli.Commands;

internal static class VoucherCommand
{
    public static Command Create(Terminal terminal, Flags flags)
    {
        Option<long> credits = new("--credits") { Description = "What each voucher is worth.", HelpName = "N", Required = true };
        credits.Validators.Add(result =>
        {
            if (result.Tokens.Count != 1 || !long.TryParse(result.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out long n) || n is < 1 or > 1_000_000_000_000)
            {
                result.AddError("--credits takes a whole number from 1 to 10^12.");
            }
        });
        Option<int?> count = Flags.Number("--count", "N", 1, 10_000, "How many vouchers. Default: 1.");
        Option<DateOnly?> expires = new("--expires")
        {
            Description = "Last day (UTC) on which they can be deposited, as YYYY-MM-DD. Default: in a year.",
            HelpName = "DATE",
            CustomParser = result =>
            {
                if (result.Tokens.Count == 1 && DateOnly.TryParseExact(result.Tokens[0].Value, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out DateOnly day))
                {
                    return day;
                }
                result.AddError("--expires takes a day as YYYY-MM-DD.");
                return null;
            },
        };
        Option<bool> json = Flags.Json();
        Command create = new("create", "Make voucher codes. They are shown once and stored nowhere.") { credits, count, expires, json };
        create.SetAction(async (parsed, cancellationToken) =>
        {
            using ManagementClient issuer = new(flags.DataFolderOf(parsed), IssuerServer.Role);
            VoucherBatch batch = await issuer.PostAsync(
                "/vouchers",
                new VoucherOrder(parsed.GetValue(credits), parsed.GetValue(count) ?? 1, parsed.GetValue(expires)),
                IssuerJson.Default.VoucherOrder,
                IssuerJson.Default.VoucherBatch,
                cancellationToken);
            if (parsed.GetValue(json))
            {
                terminal.Json(batch, CliJson.Default.VoucherBatch);
                return ExitCode.Fine;
            }
            foreach (string code in batch.Codes)
            {
                terminal.Line(code);
            }
            terminal.Note(string.Create(
                CultureInfo.InvariantCulture,
                $"{batch.Codes.Count} voucher(s) of {batch.Credits} credits, good until {batch.Expires:yyyy-MM-dd}. These are the only copies. To use one: tacit account deposit CODE"));
            return ExitCode.Fine;
        });
        create.WithExamples("tacit voucher create --credits 100", "tacit voucher create --credits 20 --count 500 --expires 2027-12-31 > codes.txt");
        return new Command("voucher", "Make voucher codes (on the issuer's machine).") { create };
    }
}
