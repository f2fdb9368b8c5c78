using System.Text.Json.Serialization;

namespace Tacit.App.Wallets;

/// <summary>The page's colours.</summary>
public enum PageTheme
{
    /// <summary>As the system has them.</summary>
    System,
    Light,
    Dark,
}

/// <summary>What other users of this machine get of the page's API.</summary>
public enum OtherUsers
{
    /// <summary>Nothing, where the system tells who asks.</summary>
    Refuse,

    /// <summary>The same as the app's own user.</summary>
    Allow,
}

/// <summary>The settings as the page shows them; each is a member of <c>app.json</c> (<see cref="AppOptions"/>).</summary>
/// <param name="Transport">The setting's word; null for the default.</param>
/// <param name="Plugins">Only shown: the page sets no programs.</param>
/// <param name="IsChanging">A change waits for what is under way to end.</param>
internal sealed record SettingsView(
    [property: JsonConverter(typeof(PageEnum<PageTheme>))] PageTheme Theme, bool KeepChats, string? DefaultModel, string? DefaultPlan, string? DefaultSystem, long MinCrowd, bool AutoFill, bool FillAtPrompt, int LowWater, int BatchSize,
    IReadOnlyList<string>? FillPlans, string? Transport, Uri? Relay, bool TorExits, string? TorSocks, IReadOnlyList<string> Bridges, IReadOnlyList<string> Plugins,
    string OutgrownPlan, bool WaitForSubscription, bool AllowPseudonyms, bool RequireLocalKeys,
    [property: JsonConverter(typeof(PageEnum<OtherUsers>))] OtherUsers OtherUsers, bool IsChanging)
{
    public static SettingsView Of(AppOptions options, bool isChanging) => new(
        options.Theme, options.KeepChats, options.DefaultModel, options.DefaultPlan, options.DefaultSystem, options.MinCrowd, options.AutoFill, options.FillAtPrompt, options.LowWater,
        options.BatchSize, options.FillPlans, options.Transport?.Word(), options.Relay, options.Tor.Exits, options.Tor.Socks, options.Tor.Bridges, options.Tor.Plugins,
        options.OutgrownPlan.ToString().ToLowerInvariant(), options.WaitForSubscription, options.AllowPseudonyms, options.RequireLocalKeys, options.OtherUsers, isChanging);
}
