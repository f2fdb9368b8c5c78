using Microsoft.AspNetCore.Http;
using Tacit.Client;

namespace Tacit.App.Wallets;

/// <summary>
/// The wallet, for the page. What is shown comes from its own records; what asks the issuer does so because a person pressed a button, on a connection and a circuit of its
/// own, and the wallet's own purchases keep to their schedule (law 6).
/// </summary>
internal sealed class WalletApi(AppParts parts, WalletWatch watch)
{
    public void Map(PageApi page)
    {
        ClientHost host = parts.Host;
        page.Map("GET", "/wallet", PageJson.Default.WalletView, async context =>
            await watch.WalletAsync(context.RequestAborted) ?? throw new PageException(PageProblem.Missing("wallet")));
        page.Map("GET", "/wallet/history", PageJson.Default.HistoryView, async context =>
        {
            IReadOnlyList<HistoryEntry> history = await host.LookAsync((client, token) => client.Wallet.GetHistoryAsync(token), context.RequestAborted);
            return new HistoryView([.. history.Select(entry => new HistoryLine(entry.Day, entry.Kind, entry.Plan.Length == 0 ? null : entry.Plan, entry.Amount))]);
        });
        page.Map("GET", "/wallet/prices", PageJson.Default.CreditPrices, context => host.UseAsync((client, token) => client.Account.GetPricesAsync(token), context.RequestAborted));
        page.Map("POST", "/wallet/refresh-account", PageJson.Default.BalanceView, context => ToldAsync(context, async (client, token) =>
        {
            AccountSummary account = await client.Account.GetAsync(token);
            await client.Directory.GetAsync(token);
            return new BalanceView(account.Credits, account.Owed);
        }));
        page.Map("POST", "/wallet/deposit", PageJson.Default.DepositCommand, PageJson.Default.DepositResult, (context, body) => ToldAsync(context, async (client, token) =>
        {
            if (!await client.Account.ExistsAsync(token))
            {
                // Nothing is told apart by it: an account is nothing before its first credit.
                await client.Account.CreateAsync(token);
            }
            return await client.Account.DepositAsync(body.Code, token);
        }));
        page.Map("POST", "/wallet/checkout", PageJson.Default.CheckoutCommand, PageJson.Default.CheckoutPage, (context, body) => ToldAsync(context, async (client, token) =>
        {
            if (!await client.Account.ExistsAsync(token))
            {
                await client.Account.CreateAsync(token);
            }
            return await client.Account.CheckOutAsync(body.Offer, body.Provider, token);
        }));
        page.Map("POST", "/wallet/fill", PageJson.Default.RefillRequest, PageJson.Default.FillResult, (context, body) =>
            ToldAsync(context, (client, token) => client.Filler.FillAsync(body.Plan, body.Size, body.Shrink, token)));
        page.Map("POST", "/wallet/subscribe", PageJson.Default.SubscribeRequest, PageJson.Default.SubscribeResult, (context, body) =>
            ToldAsync(context, (client, token) => client.Filler.SubscribeAsync(body.Plan, body.Renews, token)));
        page.Map("POST", "/wallet/unsubscribe", PageJson.Default.PlanCommand, PageJson.Default.UnsubscribeResult, (context, body) =>
            ToldAsync(context, async (client, token) => new UnsubscribeResult(await client.Filler.UnsubscribeAsync(body.Plan, token))));
        page.Map("POST", "/wallet/restart", PageJson.Default.PlanCommand, PageJson.Default.SubscribeResult, (context, body) =>
            ToldAsync(context, (client, token) => client.Filler.RestartChainAsync(body.Plan, token)));
        page.Map("POST", "/wallet/restore-tokens", PageJson.Default.RestoreResult, context =>
            ToldAsync(context, async (client, token) => new RestoreResult(await client.Filler.RestoreAsync(token))));
        page.Map("POST", "/wallet/audit", PageJson.Default.AuditRequest, PageJson.Default.DirectoryAudit, (context, body) =>
            ToldAsync(context, (client, token) => client.Directory.AuditAsync(body.Resume, token)));
        page.Map("POST", "/wallet/reveal", PageJson.Default.RevealRequest, PageJson.Default.SecretView, (context, body) => host.LookAsync(
            async (client, token) => new SecretView(body.What == RevealedSecret.Seed ? client.Wallet.RevealSeed() : await client.Account.RevealKeyAsync(token)),
            context.RequestAborted));
        page.Map("POST", "/wallet/backup", BackupAsync);
        page.Map("POST", "/carrier/new-identity", PageJson.Default.NewIdentityResult, async context =>
            new NewIdentityResult(await (host.Transports ?? throw SetupErrors.NotSetUp(host.Page)).TakeNewIdentityAsync(context.RequestAborted)));
        page.Map("GET", "/carrier/circuits", PageJson.Default.CircuitsView, async context =>
            CircuitsView.Of(host.Transports is null ? [] : await host.Transports.GetCircuitsAsync(context.RequestAborted)));
        page.Map("GET", "/carrier", PageJson.Default.CarrierView, context => watch.CarrierAsync(context.RequestAborted));
    }

    private async Task BackupAsync(HttpContext context)
    {
        BackupCommand body = await PageApi.ReadAsync(context, PageJson.Default.BackupCommand, PageApi.DefaultMaxBytes);
        byte[] content = await parts.Host.LookAsync((client, token) => client.Wallet.ExportAsync(token), context.RequestAborted);
        // The key is made of the passphrase slowly, on purpose.
        byte[] file = await Task.Run(() => WalletBackupFile.Seal(content, body.Passphrase), context.RequestAborted);
        context.Response.ContentType = "application/octet-stream";
        context.Response.Headers.ContentDisposition = "attachment; filename=\"tacit-wallet.backup\"";
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers.XContentTypeOptions = "nosniff";
        await context.Response.Body.WriteAsync(file, context.RequestAborted);
    }

    /// <summary>Does something that changes the wallet, whose new state every tab hears of, also where it failed half way.</summary>
    private async Task<T> ToldAsync<T>(HttpContext context, Func<TacitClient, CancellationToken, Task<T>> work)
    {
        try
        {
            return await parts.Host.UseAsync(work, context.RequestAborted);
        }
        finally
        {
            watch.Nudge();
        }
    }
}
