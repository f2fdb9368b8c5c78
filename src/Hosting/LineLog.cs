using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;

namespace Tacit.Hosting;

/// <summary>
/// Our log: one line an entry to a stream (standard error in a server), <c>time level category message</c>. An exception is written as its types and,
/// at Debug, where it came from; its message is not, since it may quote what a request held (law 4).
/// </summary>
public sealed class LineLog : ILoggerFactory
{
    private readonly Lock _gate = new();
    private readonly Stream _output;
    private readonly LogLevel _minimum;
    private readonly TimeProvider _time;
    private bool _disposed;

    /// <param name="output">Where lines go. Left open.</param>
    public LineLog(Stream output, LogLevel minimum, TimeProvider time)
    {
        _output = output;
        _minimum = minimum;
        _time = time;
    }

    public ILogger CreateLogger(string categoryName) => new Line(this, categoryName);

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            Flush();
        }
    }

    private void Write(LogLevel level, string category, string message, Exception? exception)
    {
        StringBuilder line = new();
        line.Append(_time.GetUtcNow().UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture));
        line.Append(' ').Append(Name(level)).Append(' ').Append(category).Append(": ");
        // One entry is one line, whatever a message holds: nothing may forge a second one.
        foreach (char c in message)
        {
            line.Append(char.IsControl(c) ? ' ' : c);
        }
        if (exception is not null)
        {
            line.Append(" (").Append(ExceptionNames.Of(exception)).Append(')');
            if (_minimum <= LogLevel.Debug && exception.StackTrace is string trace)
            {
                line.Append(" at ").Append(trace.ReplaceLineEndings(" |"));
            }
        }
        line.Append('\n');
        byte[] bytes = Encoding.UTF8.GetBytes(line.ToString());
        lock (_gate)
        {
            if (_disposed)
            {
                return;
            }
            try
            {
                _output.Write(bytes);
                _output.Flush();
            }
            catch (IOException)
            {
                // A closed terminal or a full disk must not take the server down with it.
            }
        }
    }

    private void Flush()
    {
        try
        {
            _output.Flush();
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // Nothing left to tell, and nobody to tell it to.
        }
    }

    private static string Name(LogLevel level) => level switch
    {
        LogLevel.Trace => "trace",
        LogLevel.Debug => "debug",
        LogLevel.Information => "info",
        LogLevel.Warning => "warn",
        _ => "error",
    };

    private sealed class Line(LineLog owner, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= owner._minimum && logLevel != LogLevel.None;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                owner.Write(logLevel, category, formatter(state, null), exception);
            }
        }
    }
}
