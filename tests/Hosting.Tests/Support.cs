using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Tacit.Hosting.Tests;

/// <summary>Keeps everything that anyone logs at any level, scopes and exceptions in full, as the worst log a deployment could have.</summary>
internal sealed class GreedyLog : ILoggerFactory
{
    private readonly ConcurrentQueue<string> lines = new();

    public string Text => string.Join('\n', lines);

    public ILogger CreateLogger(string categoryName) => new Entry(this, categoryName);

    public void AddProvider(ILoggerProvider provider)
    {
    }

    public void Dispose()
    {
    }

    private sealed class Entry(GreedyLog owner, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
        {
            owner.lines.Enqueue($"scope {state}");
            return null;
        }

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            owner.lines.Enqueue($"{logLevel} {category} {eventId} {formatter(state, exception)} {exception}");
    }
}

internal static class Servers
{
    public static Task<WebServer> StartAsync(
        Action<IEndpointRouteBuilder> map, Func<WebServerOptions, WebServerOptions>? change = null, ILoggerFactory? loggers = null, TimeProvider? time = null)
    {
        WebServerOptions options = new() { Role = "test", Listen = ListenAddress.Loopback(0), DrainTimeout = TimeSpan.FromSeconds(5) };
        return WebServer.StartAsync(
            change?.Invoke(options) ?? options, map, time ?? TimeProvider.System, loggers ?? NullLoggerFactory.Instance, TestContext.Current.CancellationToken);
    }

    public static HttpMessageInvoker Client() => new(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, UseCookies = false });

    public static async Task<(int Status, string Body, HttpResponseMessage Response)> GetAsync(Uri address)
    {
        using HttpMessageInvoker client = Client();
        HttpResponseMessage response = await client.SendAsync(new HttpRequestMessage(HttpMethod.Get, address), TestContext.Current.CancellationToken);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), response);
    }

    /// <summary>Sends bytes as they are and returns all that comes back until the other side closes.</summary>
    public static async Task<string> RawAsync(Uri address, params byte[][] pieces)
    {
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(address.Host, address.Port, TestContext.Current.CancellationToken);
        using MemoryStream received = new();
        try
        {
            foreach (byte[] piece in pieces)
            {
                await socket.SendAsync(piece, TestContext.Current.CancellationToken);
            }
        }
        catch (SocketException)
        {
            // It has heard enough; what it said to that is read all the same.
        }
        try
        {
            byte[] buffer = new byte[4096];
            int read;
            while ((read = await socket.ReceiveAsync(buffer, TestContext.Current.CancellationToken)) > 0)
            {
                received.Write(buffer, 0, read);
            }
        }
        catch (SocketException)
        {
            // Reset: what arrived until then counts.
        }
        return Encoding.Latin1.GetString(received.ToArray());
    }
}

/// <summary>A folder of the test's own, gone afterwards.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("tacit").FullName;

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public void Dispose()
    {
        try
        {
            Directory.Delete(Path, recursive: true);
        }
        catch (IOException)
        {
        }
    }
}
