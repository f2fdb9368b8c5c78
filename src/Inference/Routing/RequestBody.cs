using System.Net;
using System.Text;
using System.Text.Json;

namespace Tacit.Inference;

/// <summary>
/// The body of one provider call: the filtered request, with the backend's own names for the model and the output cap where they differ.
/// Those two come first in what <see cref="RequestFilter"/> writes, so a new head is put before the untouched rest and nothing is copied.
/// </summary>
internal sealed class RequestBody : HttpContent
{
    private readonly byte[]? _head;
    private readonly ReadOnlyMemory<byte> _rest;
    private Task _sending = Task.CompletedTask;

    public RequestBody(ProviderCall call, string model, string? outputCapMember)
    {
        Headers.TryAddWithoutValidation("Content-Type", "application/json");
        (_head, int from) = Head(call, model, outputCapMember);
        _rest = call.Body[from..];
    }

    /// <summary>
    /// Ends when nothing reads the body's memory any more. Over HTTP/2 a reply can begin before its request is all sent; the caller wipes and
    /// reuses the memory, so returning before this would send someone else's bytes.
    /// </summary>
    public Task Sending => _sending;

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken) =>
        _sending = WriteAsync(stream, cancellationToken);

    private async Task WriteAsync(Stream stream, CancellationToken cancellationToken)
    {
        if (_head is not null)
        {
            await stream.WriteAsync(_head, cancellationToken);
        }

        await stream.WriteAsync(_rest, cancellationToken);
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override bool TryComputeLength(out long length)
    {
        length = (_head?.Length ?? 0) + _rest.Length;
        return true;
    }

    /// <summary>The new head, or null where none is needed, and from where on the body follows.</summary>
    private static (byte[]? Head, int From) Head(ProviderCall call, string model, string? outputCapMember)
    {
        var reader = new Utf8JsonReader(call.Body.Span);
        reader.Read();
        reader.Read();
        if (!reader.ValueTextEquals("model"u8))
        {
            throw new ArgumentException("Not a body that the request filter wrote.");
        }

        reader.Read();
        bool renamed = !reader.ValueTextEquals(model);
        int from = (int)reader.BytesConsumed;
        if (outputCapMember is null || call.Operation != Operation.ChatCompletions)
        {
            return renamed ? (Encoding.UTF8.GetBytes($"{{\"model\":\"{model}\""), from) : (null, 0);
        }

        // The filter always writes a chat completion's cap as the second member.
        reader.Read();
        if (!renamed && reader.ValueTextEquals(outputCapMember))
        {
            return (null, 0);
        }

        reader.Read();
        string cap = Encoding.ASCII.GetString(reader.ValueSpan);
        return (Encoding.UTF8.GetBytes($"{{\"model\":\"{model}\",\"{outputCapMember}\":{cap}"), (int)reader.BytesConsumed);
    }
}
