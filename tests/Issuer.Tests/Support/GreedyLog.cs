using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Tacit.Issuer.Tests.Support;

/// <summary>Keeps everything that anyone logs at any level, exceptions in full.</summary>
internal sealed class GreedyLog : ILoggerFactory, ILogger
{
    private readonly ConcurrentQueue<string> _lines = new();

    public string Text => string.Join('\n', _lines);

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider)
    {
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull
    {
        _lines.Enqueue(state.ToString() ?? "");
        return null;
    }

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        _lines.Enqueue($"{logLevel} {eventId} {formatter(state, exception)} {exception}");

    public void Dispose()
    {
    }
}
