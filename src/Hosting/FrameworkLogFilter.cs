using Microsoft.Extensions.Logging;

namespace Tacit.Hosting;

/// <summary>
/// The logger factory that the web framework gets instead of ours. The framework puts paths, headers and addresses into messages, scopes and
/// exceptions; through here goes only what it says of itself: level, category, event, and the types of exceptions (law 4). Warnings and worse.
/// </summary>
internal sealed class FrameworkLogFilter(ILoggerFactory inner) : ILoggerFactory
{
    public ILogger CreateLogger(string categoryName) => new Filtered(inner.CreateLogger(categoryName), categoryName);

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    // The factory behind belongs to the caller.
    public void Dispose()
    {
    }

    private sealed class Filtered(ILogger inner, string category) : ILogger
    {
        // Of these the first opens an activity and a scope with the path for every request if its logger is on at all; the second would log what
        // our own front handler has already reported, and the third what a failed start throws to whoever started it.
        private readonly bool _muted =
            category is "Microsoft.AspNetCore.Hosting.Diagnostics" or "Microsoft.Hosting.Lifetime" or "Microsoft.Extensions.Hosting.Internal.Host";

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => !_muted && logLevel >= LogLevel.Warning && inner.IsEnabled(logLevel);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                string text = eventId.Name ?? "event " + eventId.Id;
                if (exception is not null)
                {
                    text += ": " + ExceptionNames.Of(exception);
                }
                inner.Log(logLevel, eventId, text, null, static (text, _) => text);
            }
        }
    }
}

/// <summary>What of an exception may be written down: the types, never the messages, which quote input, paths and addresses.</summary>
public static class ExceptionNames
{
    /// <summary>The exception's type and those of its causes, outermost first.</summary>
    public static string Of(Exception exception)
    {
        ArgumentNullException.ThrowIfNull(exception);
        string names = exception.GetType().FullName ?? exception.GetType().Name;
        int depth = 0;
        for (Exception? cause = exception.InnerException; cause is not null && depth < 8; cause = cause.InnerException, depth++)
        {
            names += " < " + cause.GetType().FullName;
        }
        return names;
    }
}
