using System.Buffers;
using System.Text.Json;

namespace Tacit.Protocol;

/// <summary>An error of issuer or relay as problem details (RFC 9457), media type <see cref="MediaTypes.ProblemJson"/>.</summary>
/// <param name="Type">One of <see cref="ProblemTypes"/>; what a program looks at.</param>
/// <param name="Status">HTTP status.</param>
/// <param name="Title">The same sentence for every occurrence.</param>
/// <param name="Detail">What is special about this one and what to do, or null.</param>
public sealed record Problem(string Type, int Status, string Title, string? Detail = null)
{
    /// <summary>The body, UTF-8.</summary>
    public byte[] Encode()
    {
        ArrayBufferWriter<byte> buffer = new(256);
        WriteTo(buffer);
        return buffer.WrittenSpan.ToArray();
    }

    public void WriteTo(IBufferWriter<byte> destination)
    {
        using Utf8JsonWriter json = new(destination);
        json.WriteStartObject();
        json.WriteString("type"u8, Type);
        json.WriteString("title"u8, Title);
        json.WriteNumber("status"u8, Status);
        if (Detail is not null)
        {
            json.WriteString("detail"u8, Detail);
        }

        json.WriteEndObject();
    }
}
