using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using Tacit.Client;

namespace Tacit.App;

/// <summary>What the areas of the page's API are made of.</summary>
internal sealed record AppParts(AppOptions Options, IPromptSender Prompts, AppDatabase Database, PageEvents Events, TimeProvider Time, ILoggerFactory Loggers);

/// <summary>The page's side of the app: its areas put together.</summary>
internal sealed class AppPage : IAsyncDisposable
{
    private readonly AppParts _parts;
    private readonly ChatsApi _chats;

    /// <param name="key">What <c>app.db</c> is sealed under; null while there is neither wallet nor device. Taken over.</param>
    public AppPage(AppOptions options, IPromptSender prompts, LocalKey? key, TimeProvider time, ILoggerFactory loggers)
    {
        var database = new AppDatabase(options.DataDirectory, time);
        if (key is not null)
        {
            database.Unlock(key);
        }
        _parts = new AppParts(options, prompts, database, new PageEvents(), time, loggers);
        _chats = new ChatsApi(_parts);
    }

    /// <summary>Maps every area; each adds its line here and, where it has something to stop, in <see cref="StopAsync"/>.</summary>
    public void Map(IEndpointRouteBuilder routes, LocalGuard guard)
    {
        var page = new PageApi(routes, guard);
        _parts.Events.Map(page);
        _chats.Map(page);
    }

    /// <summary>Ends what would outlast a stop: tabs' streams.</summary>
    public Task StopAsync()
    {
        _parts.Events.Close();
        return Task.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _parts.Events.Dispose();
        await _parts.Database.DisposeAsync();
    }
}
