using System.Buffers;
using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;

namespace Tacit.App;

/// <summary>A kind of event with the form of what it carries.</summary>
internal sealed record PageEvent<T>(string Name, JsonTypeInfo<T> Form);

/// <summary>
/// Tells all open tabs what happens (<c>GET /app/events</c>): first everything as it is (<c>state</c>), then each change. A tab that does not read is closed, and gets
/// the state anew when it comes back: nothing waits for it, and nothing is kept for it without bound. Thread safe.
/// </summary>
internal sealed class PageEvents : IDisposable
{
    /// <summary>More tabs than anybody looks at; beyond, the oldest is closed.</summary>
    private const int MaxTabs = 32;

    private static readonly PageEvent<PageState> StateEvent = new("state", PageJson.Default.PageState);

    private readonly Lock _lock = new();
    private readonly List<PageTab> _tabs = [];
    private ImmutableArray<Func<PageState, CancellationToken, Task<PageState>>> _parts = [];
    private bool _closed;

    /// <summary>Whether anybody listens.</summary>
    public bool HasTabs
    {
        get
        {
            lock (_lock)
            {
                return _tabs.Count > 0;
            }
        }
    }

    /// <summary>Adds one area's part of the state.</summary>
    public void Contribute(Func<PageState, CancellationToken, Task<PageState>> part) =>
        ImmutableInterlocked.Update(ref _parts, parts => parts.Add(part));

    public void Map(PageApi page) => page.Map("GET", "/events", ServeAsync);

    /// <summary>Tells every tab. Does not wait; costs nothing where no tab is open.</summary>
    public void Publish<T>(PageEvent<T> kind, T value)
    {
        lock (_lock)
        {
            // Written under the lock, so that no tab sees two events in another order than others do.
            if (_tabs.Count == 0)
            {
                return;
            }
            byte[] message = Encode(kind, value);
            foreach (PageTab tab in _tabs)
            {
                tab.Offer(message);
            }
        }
    }

    /// <summary>Has every tab fetch the state anew, after a change that touches much of it.</summary>
    public async Task PublishStateAsync(CancellationToken cancellationToken)
    {
        PageState state = await StateAsync(cancellationToken);
        Publish(StateEvent, state);
    }

    /// <summary>Ends all tabs' streams: the app stops.</summary>
    public void Close()
    {
        lock (_lock)
        {
            _closed = true;
            foreach (PageTab tab in _tabs)
            {
                tab.Close();
            }
        }
    }

    public void Dispose() => Close();

    private async Task ServeAsync(HttpContext context)
    {
        using var tab = new PageTab();
        Add(tab);
        try
        {
            context.Response.ContentType = "text/event-stream; charset=utf-8";
            context.Response.Headers.CacheControl = "no-store";
            context.Response.Headers.XContentTypeOptions = "nosniff";
            // The tab is listening already: what changes while the state is put together comes after it, and says the same again at worst.
            byte[] state = Encode(StateEvent, await StateAsync(context.RequestAborted));
            await tab.WriteAsync(state, context);
        }
        finally
        {
            Remove(tab);
        }
    }

    private async Task<PageState> StateAsync(CancellationToken cancellationToken)
    {
        var state = new PageState();
        foreach (Func<PageState, CancellationToken, Task<PageState>> part in _parts)
        {
            state = await part(state, cancellationToken);
        }
        return state;
    }

    private void Add(PageTab tab)
    {
        lock (_lock)
        {
            _tabs.Add(tab);
            if (_tabs.Count > MaxTabs)
            {
                _tabs[0].Close();
            }
            if (_closed)
            {
                tab.Close();
            }
        }
    }

    private void Remove(PageTab tab)
    {
        lock (_lock)
        {
            _tabs.Remove(tab);
        }
    }

    private static byte[] Encode<T>(PageEvent<T> kind, T value)
    {
        var message = new ArrayBufferWriter<byte>(256);
        message.Write("event: "u8);
        message.Write(Encoding.ASCII.GetBytes(kind.Name));
        message.Write("\ndata: "u8);
        using (var json = new Utf8JsonWriter(message))
        {
            // On one line: JSON has its line ends escaped.
            JsonSerializer.Serialize(json, value, kind.Form);
        }
        message.Write("\n\n"u8);
        return message.WrittenSpan.ToArray();
    }
}
