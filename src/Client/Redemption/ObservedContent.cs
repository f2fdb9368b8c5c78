using System.Net;

namespace Tacit.Client;

/// <summary>A body whose observer is told when it begins to be, and when all of it was, handed to the connection.</summary>
internal sealed class ObservedContent(ReadOnlyMemory<byte> body, PromptTrace trace) : HttpContent
{
    /// <summary>The content of a request that may have an observer.</summary>
    public static HttpContent Of(ReadOnlyMemory<byte> body, PromptTrace? trace) => trace is null ? new ReadOnlyMemoryContent(body) : new ObservedContent(body, trace);

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        trace.Sending();
        await stream.WriteAsync(body, cancellationToken);
        trace.Sent(body.Length);
    }

    protected override bool TryComputeLength(out long length)
    {
        length = body.Length;
        return true;
    }
}
