using System.Buffers;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;

namespace Tacit.Protocol.Tests;

public sealed class BinaryHttpTests
{
    private static readonly Gen<string> s_names = Gen.Elements("accept", "x-a", "content-type", "!#$%&'*+-.^_`|~09az");

    private static readonly Gen<string> s_values =
        from inner in Gen.ArrayOf(Gen.Elements("a b\t\u00ff\",;".ToCharArray()))
        select new string(inner).Trim(' ', '\t');

    private static readonly Gen<BinaryHttpField[]> s_fields =
        Gen.ArrayOf(from name in s_names from value in s_values select new BinaryHttpField(name, value)).Select(fields => fields.Take(12).ToArray());

    private static readonly Gen<BinaryHttpRequest> s_requests =
        from method in Gen.Elements("GET", "POST", "M-SEARCH")
        from authority in Gen.Elements("", "gateway.example:8226")
        from path in Gen.Elements("/", "*", "/v1/models?x=%20")
        from headers in s_fields
        select new BinaryHttpRequest { Method = method, Scheme = "https", Authority = authority, Path = path, Headers = headers };

    private static readonly Gen<BinaryHttpResponse> s_responses =
        from status in Gen.Choose(200, 599) from headers in s_fields select new BinaryHttpResponse { Status = status, Headers = headers };

    private static readonly Gen<BinaryHttpResponse[]> s_interims =
        Gen.ArrayOf(from status in Gen.Choose(100, 199) from headers in s_fields select new BinaryHttpResponse { Status = status, Headers = headers })
            .Select(all => all.Take(3).ToArray());

    [Fact]
    public void Published_examples_read_as_they_say()
    {
        IReadOnlyList<JsonElement> vectors = Vectors.Read("rfc9292_section5_examples.json", "rfc9292-bhttp");
        Assert.Equal(4, vectors.Count);
        foreach (JsonElement vector in vectors)
        {
            byte[] message = vector.Hex("bhttp");
            JsonElement decoded = vector.GetProperty("decoded");
            int framing = decoded.GetProperty("framing").GetInt32();
            BinaryHttpKind kind = framing % 2 == 0 ? BinaryHttpKind.Request : BinaryHttpKind.Response;
            for (int step = 1; step <= message.Length; step++)
            {
                ArrayBufferWriter<byte> content = new();
                using BinaryHttpReader reader = ReadInPieces(kind, message, step, content)!;
                Assert.NotNull(reader);
                if (kind == BinaryHttpKind.Request)
                {
                    JsonElement control = decoded.GetProperty("control");
                    BinaryHttpRequest request = reader.Request!;
                    Assert.Equal(
                        (control.Text("method"), control.Text("scheme"), control.Text("authority"), control.Text("path")),
                        (request.Method, request.Scheme, request.Authority, request.Path));
                    AssertFields(decoded.GetProperty("headers"), request.Headers);
                }
                else
                {
                    Assert.Equal(decoded.GetProperty("status").GetInt32(), reader.Response!.Status);
                    AssertFields(decoded.GetProperty("headers"), reader.Response.Headers);
                    JsonElement[] interims = decoded.TryGetProperty("informational", out JsonElement list) ? [.. list.EnumerateArray()] : [];
                    Assert.Equal(interims.Length, reader.Informational.Count);
                    foreach ((JsonElement expected, BinaryHttpResponse interim) in interims.Zip(reader.Informational))
                    {
                        Assert.Equal(expected.GetProperty("status").GetInt32(), interim.Status);
                        AssertFields(expected.GetProperty("headers"), interim.Headers);
                    }
                }

                Assert.Equal(decoded.Hex("content"), content.WrittenSpan.ToArray());
                AssertFields(decoded.GetProperty("trailers"), reader.Trailers);
            }
        }
    }

    [Fact]
    public void Published_examples_are_written_byte_for_byte()
    {
        foreach (JsonElement vector in Vectors.Read("rfc9292_section5_examples.json", "rfc9292-bhttp"))
        {
            byte[] message = vector.Hex("bhttp");
            JsonElement decoded = vector.GetProperty("decoded");
            ArrayBufferWriter<byte> content = new();
            int framing = decoded.GetProperty("framing").GetInt32();
            using BinaryHttpReader reader = BinaryHttpReader.TryParse(framing % 2 == 0 ? BinaryHttpKind.Request : BinaryHttpKind.Response, message, content)!;
            ArrayBufferWriter<byte> written = new();
            switch (framing)
            {
                case 0:
                    BinaryHttpWriter.WriteRequest(written, reader.Request!, content.WrittenSpan, reader.Trailers);
                    break;
                case 1:
                    BinaryHttpWriter.WriteResponse(written, reader.Response!, content.WrittenSpan, reader.Trailers, reader.Informational);
                    break;
                case 2:
                    BinaryHttpWriter.BeginRequest(written, reader.Request!);
                    BinaryHttpWriter.WriteChunk(written, content.WrittenSpan);
                    BinaryHttpWriter.WriteEnd(written, reader.Trailers);
                    break;
                default:
                    BinaryHttpWriter.BeginResponse(written, reader.Response!, reader.Informational);
                    BinaryHttpWriter.WriteChunk(written, content.WrittenSpan);
                    BinaryHttpWriter.WriteEnd(written, reader.Trailers);
                    break;
            }

            BinaryHttpWriter.WritePadding(written, decoded.GetProperty("padding_length").GetInt32());
            Assert.Equal(Convert.ToHexStringLower(message), Convert.ToHexStringLower(written.WrittenSpan));
        }
    }

    [Fact]
    public void Requests_survive_both_forms_any_cut_and_padding() =>
        Property.Holds(
            from request in s_requests
            from content in Property.BytesUpTo(300)
            from trailers in s_fields
            from isKnown in Gen.Elements(true, false)
            from padding in Gen.Choose(0, 40)
            from step in Gen.Choose(1, 50)
            select (request, content, trailers, isKnown, padding, step),
            input =>
            {
                byte[] message = Write(to =>
                {
                    if (input.isKnown)
                    {
                        BinaryHttpWriter.WriteRequest(to, input.request, input.content, input.trailers);
                    }
                    else
                    {
                        BinaryHttpWriter.BeginRequest(to, input.request);
                        WriteChunks(to, input.content, input.step);
                        BinaryHttpWriter.WriteEnd(to, input.trailers);
                    }

                    BinaryHttpWriter.WritePadding(to, input.padding);
                });
                ArrayBufferWriter<byte> content = new();
                using BinaryHttpReader? reader = ReadInPieces(BinaryHttpKind.Request, message, input.step, content);
                Assert.NotNull(reader);
                Assert.Equal(
                    (input.request.Method, input.request.Scheme, input.request.Authority, input.request.Path),
                    (reader.Request!.Method, reader.Request.Scheme, reader.Request.Authority, reader.Request.Path));
                Assert.Equal(input.request.Headers, reader.Request.Headers);
                Assert.Equal(input.content, content.WrittenSpan.ToArray());
                Assert.Equal(input.trailers, reader.Trailers);
            });

    [Fact]
    public void Responses_cut_short_are_refused_unless_the_cut_is_between_sections() =>
        Property.Holds(
            from response in s_responses
            from interims in s_interims
            from content in Property.BytesUpTo(60)
            from trailers in s_fields
            from isKnown in Gen.Elements(true, false)
            select (response, interims, content, trailers, isKnown),
            input =>
            {
                int contentEnd = 0;
                byte[] message = Write(to =>
                {
                    if (input.isKnown)
                    {
                        BinaryHttpWriter.WriteResponse(to, input.response, input.content, input.trailers, input.interims);
                    }
                    else
                    {
                        BinaryHttpWriter.BeginResponse(to, input.response, input.interims);
                        WriteChunks(to, input.content, 20);
                        contentEnd = ((ArrayBufferWriter<byte>)to).WrittenCount;
                        BinaryHttpWriter.WriteEnd(to, input.trailers);
                    }
                });
                for (int length = 0; length <= message.Length; length++)
                {
                    ArrayBufferWriter<byte> content = new();
                    using BinaryHttpReader? reader = ReadInPieces(BinaryHttpKind.Response, message[..length], 1000, content);
                    if (reader is null)
                    {
                        Assert.NotEqual(message.Length, length);
                        continue;
                    }

                    // A cut between sections reads as if what is missing were empty, as the RFC has it; sections themselves are whole or absent.
                    Assert.True(reader.Response!.Headers.Count == 0 || reader.Response.Headers.SequenceEqual(input.response.Headers));
                    Assert.True(content.WrittenCount == 0 || content.WrittenSpan.SequenceEqual(input.content));
                    Assert.True(reader.Trailers.Count == 0 || reader.Trailers.SequenceEqual(input.trailers));
                    Assert.Equal(input.interims.Length, reader.Informational.Count);
                    Assert.True(input.isKnown || content.WrittenCount == 0 || length > contentEnd, "the end of streamed content was taken for granted");
                }
            });

    [Theory]
    [InlineData("")]                                                    // nothing
    [InlineData("04")]                                                  // framing
    [InlineData("01" + "40c8")]                                         // a response where a request is due
    [InlineData("00" + "00" + "056874747073" + "00" + "012f")]          // no method
    [InlineData("00" + "0347 4554" + "00" + "00" + "012f")]             // no scheme
    [InlineData("00" + "0347 4554" + "056874747073" + "00" + "00")]     // no path
    [InlineData("00" + "0347 4554" + "056874747073" + "00" + "0161")]   // a path without slash
    [InlineData("00" + "0347 2054" + "056874747073" + "00" + "012f")]   // a blank in the method
    [InlineData("00" + "0347 4554" + "056874747073" + "00" + "012f" + "03 00 0161")]              // an empty name
    [InlineData("00" + "0347 4554" + "056874747073" + "00" + "012f" + "04 0161 0120")]            // a value of one blank
    [InlineData("00" + "0347 4554" + "056874747073" + "00" + "012f" + "05 0161 02610a")]          // a line feed
    [InlineData("00" + "0347 4554" + "056874747073" + "00" + "012f" + "03 0161 0161")]            // a line beyond its section
    [InlineData("00" + "0347 4554" + "056874747073" + "00" + "012f" + "08 053a70617468 0161")]    // :path as a field
    [InlineData("00" + "0347 4554" + "056874747073" + "00" + "012f" + "09 0161 0161 023a62 0161")] // a pseudo-field behind another
    [InlineData("00" + "0347 4554" + "056874747073" + "00" + "012f" + "00 00 05 023a62 0161")]    // a pseudo-field in the trailers
    [InlineData("00" + "0347 4554" + "056874747073" + "00" + "012f" + "00 ffffffffffffffff")]     // content without end
    [InlineData("00" + "0347 4554" + "056874747073" + "00" + "012f" + "00 00 00 01")]             // padding that is not zero
    [InlineData("00" + "7fff")]                                         // a method of 16 KiB, none of it there
    public void Malformed_requests_are_refused(string hex)
    {
        byte[] message = Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal));
        for (int step = 1; step <= Math.Max(1, message.Length); step++)
        {
            Assert.Null(ReadInPieces(BinaryHttpKind.Request, message, step, new ArrayBufferWriter<byte>()));
        }
    }

    [Fact]
    public void A_pseudo_field_of_an_extension_may_come_first()
    {
        byte[] message = Write(to => BinaryHttpWriter.WriteResponse(to, new BinaryHttpResponse { Status = 200, Headers = [new(":ext", "1"), new("a", "2")] }, default));
        using BinaryHttpReader? reader = BinaryHttpReader.TryParse(BinaryHttpKind.Response, message, new ArrayBufferWriter<byte>());
        Assert.Equal([new(":ext", "1"), new("a", "2")], reader!.Response!.Headers);
    }

    [Fact]
    public void Limits_hold_before_anything_is_kept()
    {
        var limits = new BinaryHttpLimits { MaxHeadBytes = 200, MaxFields = 3, MaxInformational = 1, MaxContentBytes = 10 };
        BinaryHttpResponse Response(int fields, int size = 1) =>
            new() { Status = 200, Headers = [.. Enumerable.Range(0, fields).Select(i => new BinaryHttpField("a", new string('b', size)))] };
        bool Takes(BinaryHttpResponse response, int content = 0, int interims = 0, bool isKnown = true)
        {
            BinaryHttpResponse[] before = [.. Enumerable.Repeat(new BinaryHttpResponse { Status = 100 }, interims)];
            byte[] message = Write(to =>
            {
                if (isKnown)
                {
                    BinaryHttpWriter.WriteResponse(to, response, new byte[content], null, before);
                    return;
                }

                BinaryHttpWriter.BeginResponse(to, response, before);
                WriteChunks(to, new byte[content], 4);
                BinaryHttpWriter.WriteEnd(to);
            });
            return BinaryHttpReader.TryParse(BinaryHttpKind.Response, message, new ArrayBufferWriter<byte>(), limits) is not null;
        }

        foreach (bool isKnown in new[] { true, false })
        {
            Assert.True(Takes(Response(3), 10, 1, isKnown));
            Assert.False(Takes(Response(4), isKnown: isKnown));
            Assert.False(Takes(Response(1, 200), isKnown: isKnown));
            Assert.False(Takes(Response(1), content: 11, isKnown: isKnown));
            Assert.False(Takes(Response(1), interims: 2, isKnown: isKnown));
        }
    }

    [Fact]
    public void Writer_refuses_what_the_reader_would()
    {
        ArrayBufferWriter<byte> to = new();
        var request = new BinaryHttpRequest { Method = "GET", Scheme = "https", Path = "/" };
        Assert.Throws<ArgumentException>(() => BinaryHttpWriter.WriteRequest(to, new() { Method = "G T", Scheme = "https", Path = "/" }, default));
        Assert.Throws<ArgumentException>(() => BinaryHttpWriter.WriteRequest(to, new() { Method = "GET", Scheme = "https", Path = "x" }, default));
        Assert.Throws<ArgumentException>(() => BinaryHttpWriter.WriteRequest(to, request, default, [new("a", "x\r\ny: z")]));
        Assert.Throws<ArgumentException>(() => BinaryHttpWriter.WriteRequest(to, request, default, [new("a", "\u0100")]));
        Assert.Throws<ArgumentException>(() => BinaryHttpWriter.WriteRequest(to, request, default, [new(":x", "y")]));
        Assert.Throws<ArgumentException>(() => BinaryHttpWriter.WriteResponse(to, new() { Status = 103 }, default));
    }

    [Theory]
    [InlineData(0, 256)]
    [InlineData(256, 256)]
    [InlineData(257, 1024)]
    [InlineData(4096, 4096)]
    [InlineData(4097, 16384)]
    [InlineData(16385, 32768)]
    [InlineData(40000, 49152)]
    public void Buckets_are_few(int size, int bucket) => Assert.Equal(bucket, PaddingBuckets.Round(size));

    private static BinaryHttpReader? ReadInPieces(BinaryHttpKind kind, byte[] message, int step, ArrayBufferWriter<byte> content)
    {
        var reader = new BinaryHttpReader(kind);
        for (int i = 0; i < message.Length; i += step)
        {
            if (!reader.TryRead(message.AsSpan(i, Math.Min(step, message.Length - i)), content))
            {
                reader.Dispose();
                return null;
            }
        }

        if (reader.TryEnd())
        {
            return reader;
        }

        reader.Dispose();
        return null;
    }

    private static void WriteChunks(IBufferWriter<byte> to, byte[] content, int size)
    {
        for (int i = 0; i < content.Length; i += size)
        {
            BinaryHttpWriter.WriteChunk(to, content.AsSpan(i, Math.Min(size, content.Length - i)));
        }
    }

    private static byte[] Write(Action<IBufferWriter<byte>> write)
    {
        ArrayBufferWriter<byte> buffer = new();
        write(buffer);
        return buffer.WrittenSpan.ToArray();
    }

    private static void AssertFields(JsonElement expected, IReadOnlyList<BinaryHttpField> fields) =>
        Assert.Equal(expected.EnumerateArray().Select(pair => new BinaryHttpField(pair[0].GetString()!, pair[1].GetString()!)), fields);
}
