using System.Net.ServerSentEvents;
using System.Text.Json.Nodes;

namespace Tacit.App.Tests.Chats;

/// <summary>An open tab: reads all events as they come.</summary>
public sealed class TestTab : IAsyncDisposable
{
    private readonly HttpResponseMessage _answer;
    private readonly List<(string Name, JsonNode Data)> _events = [];
    private readonly SemaphoreSlim _came = new(0);
    private readonly CancellationTokenSource _closed = new();
    private Task _reading = Task.CompletedTask;

    private TestTab(HttpResponseMessage answer) => _answer = answer;

    public IReadOnlyList<(string Name, JsonNode Data)> Events
    {
        get
        {
            lock (_events)
            {
                return [.. _events];
            }
        }
    }

    public static async Task<TestTab> OpenAsync(TestApp app)
    {
        HttpResponseMessage answer = await app.SendAsync(HttpMethod.Get, "/app/events", change: request => request.Headers.Add(PageApi.Header, "1"));
        Assert.Equal("text/event-stream", answer.Content.Headers.ContentType?.MediaType);
        var tab = new TestTab(answer);
        tab._reading = Task.Run(tab.ReadAsync);
        await tab.WaitAsync("state", _ => true);
        return tab;
    }

    /// <summary>The first event of a kind for which something holds.</summary>
    public async Task<JsonNode> WaitAsync(string name, Func<JsonNode, bool> condition)
    {
        using var late = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        while (true)
        {
            foreach ((string kind, JsonNode data) in Events)
            {
                if (kind == name && condition(data))
                {
                    return data;
                }
            }
            await _came.WaitAsync(late.Token);
        }
    }

    /// <summary>A message's text as a page puts it together from its deltas, beginning with what it had.</summary>
    public string Assemble(string message, string before = "")
    {
        string text = before;
        foreach (JsonNode delta in Events.Where(one => one.Name == "delta" && one.Data.Text("message") == message && one.Data["reasoning"] is null).Select(one => one.Data))
        {
            int offset = delta["offset"]!.GetValue<int>();
            string piece = delta.Text("text");
            if (offset + piece.Length > text.Length)
            {
                Assert.True(offset <= text.Length, "A piece is missing.");
                text += piece[(text.Length - offset)..];
            }
        }
        return text;
    }

    /// <summary>Completes when the app ends the stream.</summary>
    public Task ClosedAsync() => _reading.WaitAsync(TimeSpan.FromMinutes(2));

    public async ValueTask DisposeAsync()
    {
        await _closed.CancelAsync();
        await _reading;
        _answer.Dispose();
        _closed.Dispose();
        _came.Dispose();
    }

    private async Task ReadAsync()
    {
        try
        {
            await using Stream stream = await _answer.Content.ReadAsStreamAsync(_closed.Token);
            await foreach (SseItem<string> item in SseParser.Create(stream).EnumerateAsync(_closed.Token))
            {
                lock (_events)
                {
                    _events.Add((item.EventType, JsonNode.Parse(item.Data)!));
                }
                _came.Release();
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or HttpRequestException)
        {
            // Closed by one side or the other.
        }
    }
}
