using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using Tacit.App.Keys;
using Tacit.App.Wallets;
using Tacit.Client;

namespace Tacit.App;

/// <summary>What the areas of the page's API are made of.</summary>
internal sealed record AppParts(ClientHost Host, AppDatabase Database, PageEvents Events, TimeProvider Time, ILoggerFactory Loggers)
{
    /// <summary>The settings as they are now.</summary>
    public AppOptions Options => Host.Options;

    /// <summary>What the page asks with: counted, where requests are.</summary>
    public IPromptSender Prompts { get; init; } = Host;

    /// <summary>What questions take that name nothing themselves.</summary>
    public ChatDefaults ChatDefaults() => new(Options.DefaultModel, Options.DefaultPlan, Options.DefaultSystem);
}

/// <summary>The page's side of the app: its areas put together.</summary>
internal sealed class AppPage : IAsyncDisposable
{
    private readonly AppParts _parts;
    private readonly ChatShelf _chats;
    private readonly ChatsApi _chatsApi;
    private readonly WalletWatch _watch;
    private readonly SettingsApi _settings;

    public AppPage(ClientHost host, TimeProvider time, ILoggerFactory loggers)
    {
        var database = new AppDatabase(host.Options.DataDirectory, time);
        var events = new PageEvents();
        Keys = new LocalKeys(host, database, events, time);
        _parts = new AppParts(host, database, events, time, loggers) { Prompts = Keys.ForPage };
        Unlock();
        host.Changed += Unlock;
        _chats = new ChatShelf(_parts);
        _chatsApi = new ChatsApi(_parts, _chats);
        _watch = new WalletWatch(_parts);
        _settings = new SettingsApi(_parts, (options, token) => _chats.KeepAsync(options.KeepChats, token));
    }

    /// <summary>The keys of local programs.</summary>
    public LocalKeys Keys { get; }

    /// <summary>Maps every area; each adds its line here and, where it has something to stop, in <see cref="StopAsync"/>.</summary>
    public void Map(IEndpointRouteBuilder routes, LocalGuard guard)
    {
        var page = new PageApi(routes, guard, () => _parts.Options.OtherUsers);
        _parts.Events.Map(page);
        _chatsApi.Map(page);
        new ModelsApi(_parts).Map(page);
        new PrivacyApi(_parts, _chats).Map(page);
        new WalletApi(_parts, _watch).Map(page);
        new SetupApi(_parts).Map(page);
        _settings.Map(page);
        KeysApi.Map(page, Keys);
    }

    /// <summary>The app listens: goes on with what was under way when it ended.</summary>
    /// <param name="address">Where.</param>
    public void Start(Uri address)
    {
        string api = new Uri(address, "v1").ToString();
        _parts.Events.Contribute((state, _) => Task.FromResult(state with { Address = api }));
        _chats.Resume();
        _watch.Start();
    }

    /// <summary>Ends what would outlast a stop: tabs' streams.</summary>
    public Task StopAsync()
    {
        _parts.Events.Close();
        return Task.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        _parts.Host.Changed -= Unlock;
        await StopAsync();
        await _chats.DisposeAsync();
        await _watch.DisposeAsync();
        _settings.Dispose();
        await Keys.DisposeAsync();
        _parts.Events.Dispose();
        await _parts.Database.DisposeAsync();
    }

    /// <summary>Once there is a wallet or a device, what the app keeps is sealed under its key.</summary>
    private void Unlock()
    {
        lock (_parts)
        {
            if (!_parts.Database.IsUnlocked && _parts.Host.DeriveLocalKey(AppDatabase.KeyPurpose) is LocalKey key)
            {
                _parts.Database.Unlock(key);
            }
        }
    }
}
