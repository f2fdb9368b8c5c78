using System.Buffers;
using System.Text;
using Tacit.Protocol;

namespace Tacit.Fuzz;

internal static class BinaryHttp
{
    private static readonly BinaryHttpField[] s_fields = [new("authorization", "PrivateToken token=\"AAIA\""), new("content-type", "application/json")];

    private static readonly BinaryHttpRequest s_request = new() { Method = "POST", Scheme = "https", Authority = "gateway.example", Path = "/v1/chat/completions?a=b", Headers = s_fields };

    private static readonly BinaryHttpResponse s_response = new() { Status = 200, Headers = s_fields };

    private static readonly BinaryHttpResponse s_interim = new() { Status = 103, Headers = [new("link", "</a>")] };

    public static IReadOnlyList<byte[]> Requests { get; } =
    [
        Write(to => BinaryHttpWriter.WriteRequest(to, s_request, "{\"model\":\"m\"}"u8, s_fields)),
        Write(to =>
        {
            BinaryHttpWriter.BeginRequest(to, s_request);
            BinaryHttpWriter.WriteChunk(to, "{\"model\""u8);
            BinaryHttpWriter.WriteChunk(to, ":\"m\"}"u8);
            BinaryHttpWriter.WriteEnd(to, s_fields);
            BinaryHttpWriter.WritePadding(to, 9);
        }),
        .. Samples.FromVectors("rfc9458_appendix_a.json", "request_bhttp", "rfc9458-ohttp"),
    ];

    public static IReadOnlyList<byte[]> Responses { get; } =
    [
        Write(to => BinaryHttpWriter.WriteResponse(to, s_response, "data: x\n\n"u8, s_fields, [s_interim])),
        Write(to =>
        {
            BinaryHttpWriter.BeginResponse(to, s_response, [s_interim, s_interim]);
            BinaryHttpWriter.WriteChunk(to, "data: x\n\n"u8);
            BinaryHttpWriter.WriteEnd(to, s_fields);
        }),
        .. Samples.FromVectors("rfc9458_appendix_a.json", "response_bhttp", "rfc9458-ohttp"),
    ];

    public static IReadOnlyList<byte[]> KeyLists { get; } = [.. Configurations().Select(one => (byte[])[0, 5, 9, 0xfe, 0xfe, 1, 2, 0, (byte)one.Length, .. one])];

    /// <summary>Whole and cut into small pieces the reader has to come to the same; and what it took, written again and read again, says the same.</summary>
    public static bool Run(byte[] input, BinaryHttpKind kind)
    {
        string? whole = Read(input, kind, input.Length);
        string? cut = Read(input, kind, 1 + (input.Length % 7));
        FuzzTarget.Require(whole == cut, "a message reads otherwise when it comes in pieces");
        return whole is not null;
    }

    public static string? Read(byte[] message, BinaryHttpKind kind, int step)
    {
        using var content = new SensitiveBuffer();
        using var reader = new BinaryHttpReader(kind);
        for (int i = 0; i < message.Length; i += Math.Max(step, 1))
        {
            if (!reader.TryRead(message.AsSpan(i, Math.Min(Math.Max(step, 1), message.Length - i)), content))
            {
                FuzzTarget.Require(!reader.TryRead([0], content), "a refused message went on");
                return null;
            }
        }

        if (!reader.TryEnd())
        {
            return null;
        }

        string text = Describe(reader, content.WrittenSpan);
        byte[] again = Write(to =>
        {
            if (reader.Request is { } request)
            {
                BinaryHttpWriter.WriteRequest(to, request, content.WrittenSpan, reader.Trailers);
            }
            else
            {
                BinaryHttpWriter.WriteResponse(to, reader.Response!, content.WrittenSpan, reader.Trailers, reader.Informational);
            }
        });
        using var copy = new SensitiveBuffer();
        using BinaryHttpReader? second = BinaryHttpReader.TryParse(kind, again, copy);
        FuzzTarget.Require(second is not null && Describe(second, copy.WrittenSpan) == text, "a message changes when it is written and read again");
        return text;
    }

    private static string Describe(BinaryHttpReader reader, ReadOnlySpan<byte> content)
    {
        StringBuilder text = new();
        if (reader.Request is { } request)
        {
            text.AppendLine($"{request.Method} {request.Scheme} {request.Authority} {request.Path}");
            Append(text, request.Headers);
        }

        foreach (BinaryHttpResponse response in reader.Response is { } final ? [.. reader.Informational, final] : reader.Informational)
        {
            text.AppendLine($"{response.Status}");
            Append(text, response.Headers);
        }

        text.AppendLine(Convert.ToHexString(content));
        Append(text, reader.Trailers);
        return text.ToString();
    }

    private static void Append(StringBuilder text, IReadOnlyList<BinaryHttpField> fields)
    {
        foreach ((string name, string value) in fields)
        {
            text.AppendLine($"{name.ToLowerInvariant()}: {value}");
        }
    }

    private static IEnumerable<byte[]> Configurations() =>
    [
        new ObliviousKeyConfiguration { KeyId = 1, KemId = 0x0020, PublicKey = Samples.Filled(32, 3), Algorithms = [new(1, 3), new(1, 1)] }.Encode(),
        .. Samples.FromVectors("rfc9458_appendix_a.json", "key_config", "rfc9458-ohttp"),
    ];

    public static byte[] Write(Action<IBufferWriter<byte>> write)
    {
        ArrayBufferWriter<byte> buffer = new();
        write(buffer);
        return buffer.WrittenSpan.ToArray();
    }
}
