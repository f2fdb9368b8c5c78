using System.CommandLine;
using System.Globalization;
using Tacit.App;
using Tacit.Cli.Wallets;
using Tacit.Client;

namespace Tacit.Cli.Commands;

/// <summary>What <c>account create</c> shows once.</summary>
internal sealed record AccountCreated(string AccountKey, string? WalletSeed);

internal static class AccountCommands
{
    public static Command Create(Terminal terminal, Flags flags) => new("account", "Your account at the issuer: credits, which turn into tokens.")
    {
        CreateAccount(terminal, flags),
        Show(terminal, flags),
        Deposit(terminal, flags),
        Buy(terminal, flags),
    };

    private static Command CreateAccount(Terminal terminal, Flags flags)
    {
        ClientFlags client = new(flags);
        Option<bool> json = Flags.Json();
        Command command = new("create", "Make an account, and a wallet if there is none. Shows their secrets once: write them down.") { json };
        client.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            AppOptions options = client.Load(parsed);
            string? seed = null;
            IWalletAccess wallet;
            if (Wallet.Exists(options.DataDirectory))
            {
                wallet = await WalletAccess.OpenAsync(terminal, options, cancellationToken);
            }
            else
            {
                (wallet, seed) = await WalletAccess.CreateAsync(terminal, options, null, cancellationToken);
            }
            await using (wallet)
            {
                string? key = null;
                try
                {
                    key = await wallet.CreateAccountAsync(cancellationToken);
                }
                finally
                {
                    // A wallet that was made is told of even if the issuer then did not answer: its seed is shown only now.
                    if (key is null && seed is not null)
                    {
                        terminal.Note("A wallet was made. Write its seed down: " + seed);
                    }
                }
                ClientFlags.Remember(options);
                if (parsed.GetValue(json))
                {
                    terminal.Json(new AccountCreated(key, seed), CliJson.Default.AccountCreated);
                    return ExitCode.Fine;
                }
                terminal.Done($"An account at {options.IssuerUrl.GetLeftPart(UriPartial.Authority)}");
                terminal.Line();
                if (seed is not null)
                {
                    terminal.Line($"  wallet seed   {terminal.Bold(seed)}");
                }
                terminal.Line($"  account key   {terminal.Bold(key)}");
                terminal.Line();
                terminal.Line("Write both down: they are shown only now. With them `tacit wallet restore` gets credits and tokens back on another machine;");
                terminal.Line("whoever else has them can spend both, and link what this wallet did.");
                terminal.Line("Next: tacit account deposit CODE");
                return ExitCode.Fine;
            }
        });
        return command.WithExamples("tacit account create --issuer https://issuer.example --directory-key DuxdGNJiERvJGC_HORx6M9eF5M4zwQFAwfrpFAg2D7U");
    }

    private static Command Show(Terminal terminal, Flags flags)
    {
        ClientFlags client = new(flags);
        Option<bool> json = Flags.Json();
        Command command = new("show", "Ask the issuer for credits and history.") { json };
        client.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await using IWalletAccess wallet = await WalletAccess.OpenAsync(terminal, client.Load(parsed), cancellationToken);
            AccountSummary account = await wallet.GetAccountAsync(cancellationToken);
            if (parsed.GetValue(json))
            {
                terminal.Json(account, CliJson.Default.AccountSummary);
                return ExitCode.Fine;
            }
            terminal.Line($"{account.Credits.ToString("N0", CultureInfo.InvariantCulture)} credits");
            if (account.Owed > 0)
            {
                terminal.Note($"A payment went back after its credits had become tokens: {account.Owed.ToString("N0", CultureInfo.InvariantCulture)} credits come off the next deposit.");
            }
            if (account.History.Count > 0)
            {
                terminal.Line();
                terminal.Table(["day", "what", "plan", "number", "credits"], [.. account.History.Select(line => (string[])
                    [Day(line.Day), line.Kind, line.Plan ?? "", line.Quantity.ToString(CultureInfo.InvariantCulture), line.Credits.ToString("+#;-#;0", CultureInfo.InvariantCulture)])]);
            }
            return ExitCode.Fine;
        });
        return command.WithExamples("tacit account show", "tacit account show --json | jq .credits");
    }

    private static Command Deposit(Terminal terminal, Flags flags)
    {
        ClientFlags client = new(flags);
        Argument<string> code = new("CODE") { Description = "The voucher's code, or - to read it from standard input." };
        Option<bool> json = Flags.Json();
        Command command = new("deposit", "Add a voucher's credits to the account, once however often it is repeated.") { code, json };
        client.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            string given = parsed.GetRequiredValue(code);
            string text = given == "-" ? await terminal.In.ReadLineAsync(cancellationToken) ?? "" : given;
            await using IWalletAccess wallet = await WalletAccess.OpenAsync(terminal, client.Load(parsed), cancellationToken);
            DepositResult result = await wallet.DepositAsync(text.Trim(), cancellationToken);
            if (parsed.GetValue(json))
            {
                terminal.Json(result, CliJson.Default.DepositResult);
            }
            else
            {
                string credits = result.Credits.ToString("N0", CultureInfo.InvariantCulture);
                terminal.Done(result.AlreadyDeposited
                    ? $"This voucher was deposited before; nothing changed. The account has {credits} credits."
                    : $"{result.Worth.ToString("N0", CultureInfo.InvariantCulture)} credits added. The account has {credits}. Next: tacit wallet fill");
            }
            return ExitCode.Fine;
        });
        return command.WithExamples("tacit account deposit 79YX-H3T5-R7FF-WGDZ-B7H7-KV7B-XHZ", "head -1 codes.txt | tacit account deposit -");
    }

    private static Command Buy(Terminal terminal, Flags flags)
    {
        ClientFlags client = new(flags);
        Argument<string?> offer = new("OFFER") { Description = "What to buy. Without it the offers are listed.", Arity = ArgumentArity.ZeroOrOne };
        Option<string?> with = new("--with") { Description = "Who takes the money: stripe or paddle. Default: the issuer's first.", HelpName = "PROVIDER" };
        Option<bool> json = Flags.Json();
        Command command = new("buy", "Buy credits: lists what is sold, or gets the address of a page to pay on.") { offer, with, json };
        client.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await using IWalletAccess wallet = await WalletAccess.OpenAsync(terminal, client.Load(parsed), cancellationToken);
            if (parsed.GetValue(offer) is not string wanted)
            {
                return List(terminal, await wallet.GetPricesAsync(cancellationToken), parsed.GetValue(json));
            }
            CheckoutPage page = await wallet.CheckOutAsync(wanted, parsed.GetValue(with), cancellationToken);
            if (parsed.GetValue(json))
            {
                terminal.Json(page, CliJson.Default.CheckoutPage);
                return ExitCode.Fine;
            }
            terminal.Line(page.Url.AbsoluteUri);
            terminal.Note(
                $"Pay there in a browser; {page.Credits.ToString("N0", CultureInfo.InvariantCulture)} credits come once the money has (tacit account show). " +
                "The payment names you to the provider and the issuer; what the credits are later used for stays apart from it.");
            return ExitCode.Fine;
        });
        return command.WithExamples("tacit account buy", "tacit account buy small --with stripe");
    }

    private static int List(Terminal terminal, CreditPrices prices, bool json)
    {
        if (json)
        {
            terminal.Json(prices, CliJson.Default.CreditPrices);
            return ExitCode.Fine;
        }
        if (prices.Offers.Count == 0)
        {
            terminal.Line("This issuer gives credits for vouchers only: tacit account deposit CODE");
            return ExitCode.Fine;
        }
        terminal.Table(["offer", "credits", "price"], [.. prices.Offers.Select(price => (string[])
            [price.Id, price.Credits.ToString("N0", CultureInfo.InvariantCulture), Money.Format(price.Amount, price.Currency)])]);
        terminal.Line();
        terminal.Line($"Next: tacit account buy {prices.Offers[0].Id} --with {string.Join('|', prices.Providers)}");
        return ExitCode.Fine;
    }

    private static string Day(DateOnly day) => day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
}
