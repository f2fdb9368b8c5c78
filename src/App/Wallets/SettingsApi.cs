using System.Text.Json;
using Tacit.Hosting;

namespace Tacit.App.Wallets;

/// <summary>The settings, for the page: kept in the settings file, and taken up at once or as soon as nothing is under way that goes by the old ones.</summary>
internal sealed class SettingsApi : IDisposable
{
    private static readonly PageEvent<SettingsView> s_settings = new("settings", PageJson.Default.SettingsView);

    private readonly AppParts _parts;
    private readonly Func<AppOptions, CancellationToken, Task> _taken;
    private readonly SemaphoreSlim _one = new(1, 1);

    /// <param name="taken">Called with settings that need no client opened anew, once they are kept.</param>
    public SettingsApi(AppParts parts, Func<AppOptions, CancellationToken, Task> taken)
    {
        (_parts, _taken) = (parts, taken);
        parts.Events.Contribute((state, _) => Task.FromResult(state with { Settings = View() }));
    }

    public void Map(PageApi page)
    {
        page.Map("GET", "/settings", PageJson.Default.SettingsView, _ => Task.FromResult(View()));
        page.Map("PUT", "/settings", PageJson.Default.JsonElement, PageJson.Default.SettingsView, (context, body) => ChangeAsync(body, context.RequestAborted));
    }

    public void Dispose() => _one.Dispose();

    private SettingsView View() => SettingsView.Of(_parts.Options, _parts.Host.IsChanging);

    private async Task<SettingsView> ChangeAsync(JsonElement values, CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken);
        try
        {
            ClientHost host = _parts.Host;
            AppOptions wanted = SettingMembers.Apply(host.Options, values, out List<SettingsChange> changes, out bool reopens);
            if (reopens)
            {
                host.RequireOwned();
            }
            Keep(host, changes);
            // From here on the change is made whoever waits for it.
            AppOptions kept = host.Reload(wanted);
            if (reopens && host.Mode != AppMode.Setup)
            {
                await host.ReopenAsync(kept);
            }
            else
            {
                host.Adopt(kept);
            }
            await _taken(kept, CancellationToken.None);
            SettingsView view = View();
            _parts.Events.Publish(s_settings, view);
            return view;
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>Writes changes to the settings file.</summary>
    /// <exception cref="PageException">That cannot be done: nothing has changed.</exception>
    public static void Keep(ClientHost host, IReadOnlyList<SettingsChange> changes)
    {
        try
        {
            DataFolder.Create(host.Options.DataDirectory);
            SettingsFile.Change(host.SettingsFile, changes);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or SettingsException)
        {
            throw new PageException(PageProblem.Of(500, "settings-not-kept", "The settings could not be written.", $"{host.SettingsFile} cannot be changed: {e.Message}"));
        }
    }
}
