namespace Tacit.Client.Tests;

/// <summary>What a wallet's chains are at, seen from outside and in its journal.</summary>
internal static class ChainStates
{
    public static async Task<SubscriptionHoldings> ChainsAsync(this TacitClient client, string plan = "pro") =>
        (await client.Wallet.GetStatusAsync()).Subscriptions.First(entry => entry.Plan == plan);

    /// <summary>The chains once none of them is in use.</summary>
    public static async Task<SubscriptionHoldings> SettledChainsAsync(this TacitClient client, string plan = "pro")
    {
        SubscriptionHoldings holdings;
        for (int i = 0; (holdings = await client.ChainsAsync(plan)).Busy > 0 && i < 12_000; i++)
        {
            await Task.Delay(10);
        }
        return holdings;
    }

    /// <summary>All rows that the journal keeps for chains, and the open requests.</summary>
    public static async Task<(long Links, long Requests)> RowsAsync(this TacitClient client) => await client.Wallet.Journal.Database.ReadAsync(
        session => (
            session.QueryInt64("SELECT COUNT(*) FROM token t JOIN series s ON s.id = t.series WHERE s.namespace = 1")!.Value,
            session.QueryInt64("SELECT COUNT(*) FROM request")!.Value));

    public static async Task<long> SpentAsync(this TacitClient client, string plan = "pro") =>
        (await client.Wallet.GetHistoryAsync()).Where(entry => entry.Kind == HistoryKind.Spent && entry.Plan == plan).Sum(entry => entry.Amount);
}
