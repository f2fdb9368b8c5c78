using System.Buffers;
using System.IO.Pipelines;
using System.Threading.Channels;
using Microsoft.AspNetCore.Http;

namespace Tacit.App;

/// <summary>One open tab: what it has not read yet, within bounds.</summary>
internal sealed class PageTab : IDisposable
{
    private const int MaxWaitingEvents = 4096;
    private const long MaxWaitingBytes = 16 << 20;

    private readonly Channel<byte[]> _waiting = Channel.CreateBounded<byte[]>(new BoundedChannelOptions(MaxWaitingEvents) { SingleReader = true });
    private readonly CancellationTokenSource _closed = new();
    private long _waitingBytes;

    /// <summary>Puts an event into the tab's queue; one whose queue is full is closed.</summary>
    public void Offer(byte[] message)
    {
        if (Interlocked.Add(ref _waitingBytes, message.Length) > MaxWaitingBytes || !_waiting.Writer.TryWrite(message))
        {
            Close();
        }
    }

    /// <summary>Ends the stream, even where it waits for a reader that does not read.</summary>
    public void Close()
    {
        _waiting.Writer.TryComplete();
        // Its callbacks write to a connection: not under the lock of whoever closes.
        _ = _closed.CancelAsync();
    }

    /// <summary>Writes the first message and then what comes, until the tab or the app closes.</summary>
    public async Task WriteAsync(byte[] first, HttpContext context)
    {
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(_closed.Token, context.RequestAborted);
        try
        {
            PipeWriter writer = context.Response.BodyWriter;
            await writer.WriteAsync(first, either.Token);
            while (await _waiting.Reader.WaitToReadAsync(either.Token))
            {
                while (_waiting.Reader.TryRead(out byte[]? message))
                {
                    Interlocked.Add(ref _waitingBytes, -message.Length);
                    // What waits together leaves together.
                    if (writer.UnflushedBytes > 64 * 1024)
                    {
                        await writer.FlushAsync(either.Token);
                    }
                    writer.Write(message);
                }
                if ((await writer.FlushAsync(either.Token)).IsCompleted)
                {
                    return;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Closed: what was not read is not worth waiting for, the state will tell it.
            context.Abort();
        }
    }

    public void Dispose() => _closed.Dispose();
}
