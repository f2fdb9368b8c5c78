using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Http;
using BadHttpRequestException = Microsoft.AspNetCore.Http.BadHttpRequestException;

namespace Tacit.Hosting;

public enum BodyReadResult
{
    Complete,

    /// <summary>Longer than the bound. What is left is not read; the connection closes after the reply.</summary>
    TooLarge,

    /// <summary>The caller had no room for more. As with <see cref="TooLarge"/>, what is left is not read.</summary>
    NoRoom,

    /// <summary>The sender vanished, sent fewer bytes than announced, or was slower than the least rate. Nobody waits for a reply.</summary>
    Aborted,
}

/// <summary>Reads request bodies to a bound of the caller's, into a buffer of the caller's.</summary>
public static class RequestBody
{
    /// <param name="limit">Most bytes taken.</param>
    /// <param name="take">Asked before each part is copied, with its bytes: false ends the reading with <see cref="BodyReadResult.NoRoom"/>.</param>
    public static async ValueTask<BodyReadResult> ReadAsync(HttpContext context, IBufferWriter<byte> destination, long limit, Func<long, bool>? take = null)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(destination);
        if (context.Request.ContentLength > limit)
        {
            return Refuse(context, BodyReadResult.TooLarge);
        }
        PipeReader reader = context.Request.BodyReader;
        long total = 0;
        try
        {
            while (true)
            {
                ReadResult result = await reader.ReadAsync(context.RequestAborted);
                ReadOnlySequence<byte> buffer = result.Buffer;
                total = checked(total + buffer.Length);
                if (total > limit)
                {
                    reader.AdvanceTo(buffer.End);
                    return Refuse(context, BodyReadResult.TooLarge);
                }
                if (take is not null && !take(buffer.Length))
                {
                    reader.AdvanceTo(buffer.End);
                    return Refuse(context, BodyReadResult.NoRoom);
                }
                foreach (ReadOnlyMemory<byte> segment in buffer)
                {
                    destination.Write(segment.Span);
                }
                reader.AdvanceTo(buffer.End);
                if (result.IsCanceled)
                {
                    return BodyReadResult.Aborted;
                }
                if (result.IsCompleted)
                {
                    return BodyReadResult.Complete;
                }
            }
        }
        catch (BadHttpRequestException e) when (e.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            return Refuse(context, BodyReadResult.TooLarge);
        }
        catch (Exception e) when (e is BadHttpRequestException or IOException or OperationCanceledException)
        {
            return BodyReadResult.Aborted;
        }
    }

    private static BodyReadResult Refuse(HttpContext context, BodyReadResult result)
    {
        // Without this the server would go on reading for a while to keep the connection usable: work for whoever sent too much.
        if (!context.Response.HasStarted && HttpProtocol.IsHttp11(context.Request.Protocol))
        {
            context.Response.Headers.Connection = "close";
        }
        return result;
    }
}
