using System.Text.Json;
using Tacit.App.Wallets;
using Tacit.Client;
using Tacit.Client.Transports;
using Tacit.Storage;

namespace Tacit.App;

/// <summary>
/// What can be asked, for the page: from the stored directory, so that a look at it tells nobody anything but, where there is none yet, the issuer that somebody begins. A
/// device has no directory: its gateway is asked for its list, without a signature.
/// </summary>
internal sealed class ModelsApi(AppParts parts)
{
    public void Map(PageApi page) => page.Map("GET", "/models", PageJson.Default.ModelsView, context => FindAsync(context.RequestAborted));

    private async Task<ModelsView> FindAsync(CancellationToken cancellationToken)
    {
        try
        {
            return parts.Host.Mode == AppMode.Device ? await OfDeviceAsync(cancellationToken) : await parts.Host.UseAsync(OfWalletAsync, cancellationToken);
        }
        catch (Exception e) when (e is ClientException or StorageException)
        {
            return new ModelsView([], e.Message);
        }
    }

    private static async Task<ModelsView> OfWalletAsync(TacitClient client, CancellationToken cancellationToken)
    {
        DirectorySummary directory = await client.Directory.GetAsync(cancellationToken);
        WalletStatus wallet = await client.Wallet.GetStatusAsync(cancellationToken);
        // A plan without a live key is bought by nobody; the directory is then an old one, or the clock wrong.
        List<PlanSummary> plans = [.. directory.Plans.Where(plan => plan.LiveKeys.Count > 0)];
        List<ModelView> models =
        [
            .. plans.SelectMany(plan => plan.Models).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).Select(model => new ModelView(
                model,
                [
                    .. plans.Where(plan => plan.Models.Contains(model, StringComparer.Ordinal)).Select(plan => Describe(plan, wallet))
                        .OrderBy(plan => plan.Price).ThenBy(plan => plan.MaxInputBytes).ThenBy(plan => plan.Id, StringComparer.Ordinal),
                ])),
        ];
        ServerStatus? gateway = (await client.GetServersAsync(cancellationToken)).FirstOrDefault(server => server.Role != "issuer");
        return new ModelsView(
            models,
            models.Count == 0 ? "No plan can be bought now: the stored directory is too old and the issuer could not be reached, or this machine's clock is wrong." : null,
            gateway is null ? null : WayOf(gateway), "gateway");
    }

    private static ModelPlan Describe(PlanSummary plan, WalletStatus wallet)
    {
        bool isSubscription = plan.Kind == "subscription";
        SubscriptionHoldings? subscription = wallet.Subscriptions.Where(known => known.Plan == plan.Id && known.Ready + known.Busy > 0).MinBy(known => known.Until);
        PlanHoldings? held = wallet.Plans.FirstOrDefault(known => known.Plan == plan.Id);
        return new ModelPlan(
            plan.Id, plan.Kind, plan.Price, plan.MaxInputBytes, plan.MaxOutputTokens, plan.Period,
            isSubscription ? subscription is null ? 0 : subscription.Ready + subscription.Busy : held?.Held ?? 0,
            isSubscription ? subscription?.Until : held is { Held: > 0 } ? held.Deadline : null,
            plan.LiveKeys[^1].Accounts);
    }

    private async Task<ModelsView> OfDeviceAsync(CancellationToken cancellationToken)
    {
        string? way = parts.Host.Device?.Gateway is ServerStatus gateway ? WayOf(gateway) : null;
        ReadOnlyMemory<byte> list = await parts.Host.GetModelsAsync(cancellationToken);
        List<ModelView> models = [];
        try
        {
            using JsonDocument json = JsonDocument.Parse(list);
            foreach (JsonElement model in json.RootElement.GetProperty("data").EnumerateArray())
            {
                if (model.GetProperty("id").GetString() is string id)
                {
                    models.Add(new ModelView(id, []));
                }
            }
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return new ModelsView([], "The gateway's list of models has not the form that it must have.", way, "device");
        }
        return new ModelsView(models, null, way, "device");
    }

    /// <summary>Of <see cref="Ways"/>; null if the server may not be used as things are set.</summary>
    private static string? WayOf(ServerStatus server) => server.Carried is "direct" or "sealed" && new Uri(server.Address).IsLoopback ? "local" : server.Carried;
}
