using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Tacit.App.Wallets;
using Tacit.Client;
using Tacit.Client.Transports;
using Tacit.Hosting;
using Tacit.Storage;

namespace Tacit.App;

/// <summary>What a running app says of itself. Calls nobody.</summary>
/// <param name="Address">The base address of its API, without <c>/v1</c>.</param>
/// <param name="Wallet">Null if the app has none, and signs requests with a device's key.</param>
/// <param name="Pending">Requests whose reply was not delivered.</param>
/// <param name="Carrier">How connections are made, and whether they can be.</param>
/// <param name="Servers">Issuer and gateway, or relay.</param>
/// <param name="Device">The device's public key; null if there is a wallet.</param>
/// <param name="Key">What commands send to <c>/v1</c> as an API key: it is let in where local keys are required.</param>
public sealed record AppStatus(
    string Address, WalletStatus? Wallet, IReadOnlyList<PendingPrompt> Pending, IReadOnlyList<Notice> Notices, CarrierStatus Carrier, IReadOnlyList<ServerStatus> Servers,
    string? Device = null, string? Key = null)
{
    public override string ToString() => Address;
}

/// <param name="ToldTor">Whether Tor was told, too: one that somebody else runs is not.</param>
public sealed record NewIdentityResult(bool ToldTor);

/// <param name="Plan">The plan's id; null takes the cheapest.</param>
/// <param name="Size">One of the standard sizes.</param>
/// <param name="Shrink">Whether to take the next smaller standard size that the account can pay.</param>
public sealed record FillCommand(string? Plan, int Size, bool Shrink = true);

public sealed record RestoreResult(int Restored);

/// <param name="Plan">The id of a subscription plan.</param>
/// <param name="Renews">Whether the following periods are bought by themselves.</param>
public sealed record SubscribeCommand(string Plan, bool Renews);

public sealed record PlanCommand(string Plan);

public sealed record UnsubscribeResult(bool WasSubscribed);

public sealed record BackupCommand(string Passphrase)
{
    public override string ToString() => "[scrubbed]";
}

/// <param name="File">The wallet, encrypted under the passphrase.</param>
public sealed record BackupResult(byte[] File);

/// <summary>A secret that is shown once.</summary>
public sealed record AccountKeyShown(string AccountKey);

public sealed record AccountKeyGiven(string AccountKey);

/// <param name="Resume">Whether to lift a contradiction that was found earlier, if everything agrees now.</param>
public sealed record AuditCommand(bool Resume);

public sealed record DepositCommand(string Code);

/// <param name="Body">A chat completion.</param>
/// <param name="Plan">The plan that is to pay; null takes the cheapest.</param>
public sealed record PresentCommand(byte[] Body, string? Plan)
{
    public override string ToString() => "[scrubbed]";
}

/// <param name="Id">Of the <see cref="SealedPrompt"/>.</param>
public sealed record SettleCommand(string Id, SealedOutcome Outcome);

/// <param name="Offer">The id of a price.</param>
/// <param name="Provider">Who is to take the money; null takes the issuer's first.</param>
public sealed record CheckoutCommand(string Offer, string? Provider = null);

/// <summary>
/// The app's management socket, for the commands that need the wallet while the app has it: <c>GET /status</c>, <c>GET /history</c>, <c>GET /plans</c>,
/// <c>POST /transport/new-identity</c>,
/// <c>POST /wallet/fill</c>, <c>/wallet/subscribe</c>, <c>/wallet/unsubscribe</c>, <c>/wallet/restart-chain</c>, <c>/wallet/backup</c>, <c>/wallet/restore</c>,
/// <c>/wallet/upkeep</c>, <c>/wallet/pseudonym/fetch</c>, <c>/wallet/pseudonym/rotate</c>, <c>GET /account</c>, <c>POST /account/create</c>, <c>/account/import</c>,
/// <c>/account/reveal</c>, <c>/account/deposit</c>, <c>/keys/audit</c>, <c>GET /account/prices</c>, <c>POST /account/checkout</c>, <c>/sealed/present</c>, <c>/sealed/settle</c>.
/// </summary>
internal sealed class AppManagement(ClientHost host, Uri address, string ownKey)
{
    public void Map(IEndpointRouteBuilder routes)
    {
        Answer(HttpMethods.Get, "/status", AppJson.Default.AppStatus, StatusAsync);
        Answer(HttpMethods.Post, "/transport/new-identity", AppJson.Default.NewIdentityResult, async token =>
            new NewIdentityResult(await (host.Transports ?? throw SetupErrors.NotSetUp(address.GetLeftPart(UriPartial.Authority))).TakeNewIdentityAsync(token)));
        Look("/history", AppJson.Default.IReadOnlyListHistoryEntry, (client, token) => client.Wallet.GetHistoryAsync(token));
        Get("/plans", AppJson.Default.DirectorySummary, (client, token) => client.Directory.GetAsync(token));
        PostWith("/keys/audit", AppJson.Default.AuditCommand, AppJson.Default.DirectoryAudit, (client, command, token) => client.Directory.AuditAsync(command.Resume, token));
        Post("/plans/refresh", AppJson.Default.DirectorySummary, (client, token) => client.Directory.RefreshAsync(token));
        Get("/account", AppJson.Default.AccountSummary, (client, token) => client.Account.GetAsync(token));
        Post("/account/create", AppJson.Default.AccountKeyShown, async (client, token) => new AccountKeyShown(await client.Account.CreateAsync(token)));
        Post("/account/reveal", AppJson.Default.AccountKeyShown, async (client, token) => new AccountKeyShown(await client.Account.RevealKeyAsync(token)));
        Post("/wallet/restore", AppJson.Default.RestoreResult, async (client, token) => new RestoreResult(await client.Filler.RestoreAsync(token)));
        Post("/wallet/upkeep", AppJson.Default.AppStatus, async (client, token) =>
        {
            await client.Refills.RunOnceAsync(token);
            return await StatusAsync(token);
        });
        Post("/wallet/pseudonym/fetch", AppJson.Default.IReadOnlyListPseudonymHoldings, (client, token) => client.Pseudonyms.FetchAsync(token));
        Post("/wallet/pseudonym/rotate", AppJson.Default.PseudonymHoldings, (client, token) => client.Pseudonyms.RotateAsync(token));
        PostWith("/wallet/fill", AppJson.Default.FillCommand, AppJson.Default.FillResult, (client, command, token) =>
            client.Filler.FillAsync(command.Plan, command.Size, command.Shrink, token));
        PostWith("/wallet/subscribe", AppJson.Default.SubscribeCommand, AppJson.Default.SubscribeResult, (client, command, token) =>
            client.Filler.SubscribeAsync(command.Plan, command.Renews, token));
        PostWith("/wallet/restart-chain", AppJson.Default.PlanCommand, AppJson.Default.SubscribeResult, (client, command, token) =>
            client.Filler.RestartChainAsync(command.Plan, token));
        PostWith("/wallet/unsubscribe", AppJson.Default.PlanCommand, AppJson.Default.UnsubscribeResult, async (client, command, token) =>
            new UnsubscribeResult(await client.Filler.UnsubscribeAsync(command.Plan, token)));
        PostWith("/wallet/backup", AppJson.Default.BackupCommand, AppJson.Default.BackupResult, async (client, command, token) =>
            new BackupResult(WalletBackupFile.Seal(await client.Wallet.ExportAsync(token), command.Passphrase)));
        PostWith("/account/deposit", AppJson.Default.DepositCommand, AppJson.Default.DepositResult, (client, command, token) => client.Account.DepositAsync(command.Code, token));
        Get("/account/prices", AppJson.Default.CreditPrices, (client, token) => client.Account.GetPricesAsync(token));
        PostWith("/account/checkout", AppJson.Default.CheckoutCommand, AppJson.Default.CheckoutPage, (client, command, token) =>
            client.Account.CheckOutAsync(command.Offer, command.Provider, token));
        PostWith("/sealed/present", AppJson.Default.PresentCommand, AppJson.Default.SealedPrompt, (client, command, token) =>
            client.Redemption.PresentSealedAsync(new PromptRequest(PromptOperation.ChatCompletions, command.Body, Plan: command.Plan), token));
        PostWith("/sealed/settle", AppJson.Default.SettleCommand, AppJson.Default.SealedOutcome, async (client, command, token) =>
        {
            await client.Redemption.SettleSealedAsync(command.Id, command.Outcome, token);
            return command.Outcome;
        });
        PostWith("/account/import", AppJson.Default.AccountKeyGiven, AppJson.Default.AccountKeyShown, async (client, command, token) =>
        {
            await client.Account.ImportAsync(command.AccountKey, token);
            return new AccountKeyShown(await client.Account.RevealKeyAsync(token));
        });

        void Look<T>(string path, JsonTypeInfo<T> form, Func<TacitClient, CancellationToken, Task<T>> look) =>
            Answer(HttpMethods.Get, path, form, token => host.LookAsync(look, token));
        void Get<T>(string path, JsonTypeInfo<T> form, Func<TacitClient, CancellationToken, Task<T>> work) =>
            Answer(HttpMethods.Get, path, form, token => host.UseAsync(work, token));
        void Post<T>(string path, JsonTypeInfo<T> form, Func<TacitClient, CancellationToken, Task<T>> work) =>
            Answer(HttpMethods.Post, path, form, token => host.UseAsync(work, token));
        void PostWith<TCommand, T>(string path, JsonTypeInfo<TCommand> command, JsonTypeInfo<T> form, Func<TacitClient, TCommand, CancellationToken, Task<T>> work)
        {
            Task AnswerTo(HttpContext context) => AnswerAsync(context, form, token => CarryOutAsync(context, command, work, token));
            routes.MapPost(path, (RequestDelegate)AnswerTo);
        }
        void Answer<T>(string method, string path, JsonTypeInfo<T> form, Func<CancellationToken, Task<T>> work)
        {
            RequestDelegate answer = context => AnswerAsync(context, form, work);
            routes.MapMethods(path, [method], answer);
        }
    }

    private async Task<T> CarryOutAsync<TCommand, T>(
        HttpContext context, JsonTypeInfo<TCommand> form, Func<TacitClient, TCommand, CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        TCommand command = await JsonSerializer.DeserializeAsync(context.Request.Body, form, cancellationToken) ?? throw new JsonException();
        return await host.UseAsync((client, token) => work(client, command, token), cancellationToken);
    }

    /// <summary>Also while there is no wallet yet: the app is there, and says that there is none.</summary>
    private async Task<AppStatus> StatusAsync(CancellationToken cancellationToken)
    {
        string own = address.GetLeftPart(UriPartial.Authority);
        await host.LookForWalletAsync(cancellationToken);
        return host.Mode switch
        {
            AppMode.Wallet => await host.LookAsync(
                async (client, token) => new AppStatus(
                    own, await client.Wallet.GetStatusAsync(token), await client.Redemption.GetPendingAsync(token), host.Notices, client.Transports.Status,
                    await client.GetServersAsync(token), Key: ownKey),
                cancellationToken),
            AppMode.Device when host.Device is DeviceClient device => new AppStatus(own, null, [], [], device.Transports.Status, [device.Gateway], device.KeyId, ownKey),
            _ => new AppStatus(own, null, [], [], new CarrierStatus(Carrier.Direct, CarrierState.Unneeded), []),
        };
    }

    private static async Task AnswerAsync<T>(HttpContext context, JsonTypeInfo<T> form, Func<CancellationToken, Task<T>> work)
    {
        T result;
        try
        {
            result = await work(context.RequestAborted);
        }
        catch (ClientException e)
        {
            await ManagementSocket.RefuseAsync(context, StatusCodes.Status409Conflict, e.Message);
            return;
        }
        catch (StorageException e)
        {
            await ManagementSocket.RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, e.Message);
            return;
        }
        catch (JsonException)
        {
            await ManagementSocket.RefuseAsync(context, StatusCodes.Status400BadRequest, "The command is malformed; it may be of another version.");
            return;
        }
        context.Response.ContentType = "application/json";
        await JsonSerializer.SerializeAsync(context.Response.Body, result, form, context.RequestAborted);
    }
}

/// <summary>The JSON form of the management calls, for both ends.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true, AllowDuplicateProperties = false)]
[JsonSerializable(typeof(AppStatus))]
[JsonSerializable(typeof(NewIdentityResult))]
[JsonSerializable(typeof(IReadOnlyList<HistoryEntry>))]
[JsonSerializable(typeof(IReadOnlyList<PseudonymHoldings>))]
[JsonSerializable(typeof(DirectorySummary))]
[JsonSerializable(typeof(AccountSummary))]
[JsonSerializable(typeof(AccountKeyShown))]
[JsonSerializable(typeof(AccountKeyGiven))]
[JsonSerializable(typeof(RestoreResult))]
[JsonSerializable(typeof(FillCommand))]
[JsonSerializable(typeof(FillResult))]
[JsonSerializable(typeof(SubscribeCommand))]
[JsonSerializable(typeof(SubscribeResult))]
[JsonSerializable(typeof(PlanCommand))]
[JsonSerializable(typeof(UnsubscribeResult))]
[JsonSerializable(typeof(BackupCommand))]
[JsonSerializable(typeof(BackupResult))]
[JsonSerializable(typeof(DepositCommand))]
[JsonSerializable(typeof(PresentCommand))]
[JsonSerializable(typeof(SealedPrompt))]
[JsonSerializable(typeof(SettleCommand))]
[JsonSerializable(typeof(SealedOutcome))]
[JsonSerializable(typeof(AuditCommand))]
[JsonSerializable(typeof(DirectoryAudit))]
[JsonSerializable(typeof(DepositResult))]
[JsonSerializable(typeof(CreditPrices))]
[JsonSerializable(typeof(CheckoutCommand))]
[JsonSerializable(typeof(CheckoutPage))]
[JsonSerializable(typeof(JsonElement))]
public sealed partial class AppJson : JsonSerializerContext;
