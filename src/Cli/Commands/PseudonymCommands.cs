using System.CommandLine;
using System.Globalization;
using Tacit.Gateway;
using Tacit.Gateway.Pseudonyms;
using Tacit.Hosting;

namespace Tacit.Cli.Commands;

/// <summary>Abuse control at a gateway: <c>tacit gateway list</c>, <c>ban</c> and <c>unban</c>, over its management socket.</summary>
internal static class PseudonymCommands
{
    private const int MaxDays = 36_500;

    public static void AddTo(Command gateway, Terminal terminal, Flags flags)
    {
        gateway.Add(List(terminal, flags));
        gateway.Add(Ban(terminal, flags));
        gateway.Add(Unban(terminal, flags));
    }

    private static Command List(Terminal terminal, Flags flags)
    {
        Option<bool> json = Flags.Json();
        Command command = new("list", "Show pseudonyms that were refused by moderation, limited or banned (on the gateway's machine).") { json };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ManagementClient gateway = new(flags.DataFolderOf(parsed), GatewayServer.Role);
            PseudonymReport report = await gateway.GetAsync("/pseudonyms", GatewayManagementJson.Default.PseudonymReport, cancellationToken);
            if (parsed.GetValue(json))
            {
                terminal.Json(report, CliJson.Default.PseudonymReport);
                return ExitCode.Fine;
            }
            terminal.Line($"policy: {report.Policy}");
            terminal.Table(
                ["pseudonym", "refused in 30 days", "requests today", "banned until", "reason"],
                [.. report.Pseudonyms.Select(line => (string[])
                [
                    line.Id, Number(line.Refused), Number(line.Today), !line.IsBanned ? "" : line.Until is DateTimeOffset until ? Time(until) : "for ever", line.Reason ?? "",
                ])]);
            return ExitCode.Fine;
        });
        return command.WithExamples("tacit gateway list", "tacit gateway list --json | jq -r '.pseudonyms[] | select(.refused > 10).id'");
    }

    private static Command Ban(Terminal terminal, Flags flags)
    {
        Argument<string> id = new("ID") { Description = "The pseudonym, as `tacit gateway list` shows it." };
        Option<string> reason = new("--reason") { Description = "Why, in words for whoever is banned: they are told.", HelpName = "TEXT", Required = true };
        Option<int?> days = Flags.Number("--days", "N", 1, MaxDays, "For how long. Default: for ever.");
        Command command = new("ban", "Take no more requests with a pseudonym. Other instances on the database follow within seconds.") { id, reason, days };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ManagementClient gateway = new(flags.DataFolderOf(parsed), GatewayServer.Role);
            DateTimeOffset? until = parsed.GetValue(days) is int count ? TimeProvider.System.GetUtcNow().AddDays(count) : null;
            PseudonymBan made = await gateway.PostAsync(
                "/pseudonyms/ban", new PseudonymBan(parsed.GetRequiredValue(id).ToLowerInvariant(), parsed.GetRequiredValue(reason), until),
                GatewayManagementJson.Default.PseudonymBan, GatewayManagementJson.Default.PseudonymBan, cancellationToken);
            terminal.Done($"{made.Id} is banned {(made.Until is DateTimeOffset end ? "until " + Time(end) : "for ever")}.");
            return ExitCode.Fine;
        });
        return command.WithExamples("tacit gateway ban 0f3c9d5b7a1e2f4466889900aabbccdd --reason \"automated spam\" --days 30");
    }

    private static Command Unban(Terminal terminal, Flags flags)
    {
        Argument<string> id = new("ID") { Description = "The pseudonym, as `tacit gateway list` shows it." };
        Command command = new("unban", "Lift a ban.") { id };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ManagementClient gateway = new(flags.DataFolderOf(parsed), GatewayServer.Role);
            PseudonymName name = await gateway.PostAsync(
                "/pseudonyms/unban", new PseudonymName(parsed.GetRequiredValue(id).ToLowerInvariant()), GatewayManagementJson.Default.PseudonymName,
                GatewayManagementJson.Default.PseudonymName, cancellationToken);
            terminal.Done($"{name.Id} is no longer banned.");
            return ExitCode.Fine;
        });
        return command.WithExamples("tacit gateway unban 0f3c9d5b7a1e2f4466889900aabbccdd");
    }

    private static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    private static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);
}
