using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using FsCheck.Fluent;
using Tacit.Crypto;

namespace Tacit.Protocol.Tests;

/// <summary>Sealed chat at both ends: what was sealed comes out, and nothing else is taken for it.</summary>
public sealed class SealedChatTests
{
    private static readonly HpkeSuite s_suite = HpkeSuite.X25519ChaCha20Poly1305;
    private static readonly DateTimeOffset s_now = DateTimeOffset.FromUnixTimeMilliseconds(1_795_000_000_123);
    private static readonly byte[] s_config = [.. "\x07\x00\x20"u8, .. new byte[40]];

    [Theory]
    [InlineData(0, 1024)]
    [InlineData(1024, 1024)]
    [InlineData(1025, 4096)]
    [InlineData(16384, 16384)]
    [InlineData(16385, 65536)]
    [InlineData(65537, 131072)]
    public void Request_is_padded_to_a_bucket(int size, int bucket)
    {
        Assert.Equal(bucket, SealedChatFormat.RequestBucket(size));
        Assert.True(SealedChatFormat.IsRequestBucket(bucket));
        Assert.False(SealedChatFormat.IsRequestBucket(bucket - 1));
    }

    [Fact]
    public void Request_opens_to_what_was_sealed_with_the_body_to_the_byte()
    {
        string body = "{ \"model\":\"m\",\r\n\"messages\":[{\"content\":\"\\u00e9 {}\"}] }";
        SealedInnerRequest request = Request(body);
        using HpkePrivateKey key = HpkePrivateKey.Generate(s_suite);
        using SealedReplySecret client = Seal(key, request, out byte[] json);

        using var plaintext = new SensitiveBuffer();
        Assert.Equal(SealedRequestError.None, Open(key, json, plaintext, out SealedInnerRequest? opened, out SealedReplySecret? gateway));
        using SealedReplySecret? owned = gateway;

        Assert.Equal(("POST", Routes.ChatCompletions, body), (opened!.Method, opened.Path, Encoding.UTF8.GetString(opened.Body.Span)));
        Assert.Equal(request.Headers, opened.Headers);
        Assert.Equal(client.Encode(), gateway!.Encode());
        Assert.True(SealedReplySecret.TryParse(client.Encode(), out SealedReplySecret? kept));
        Assert.Equal(client.Encode(), kept.Encode());
    }

    [Fact]
    public void Two_sealings_of_one_request_have_nothing_in_common_but_their_size()
    {
        using HpkePrivateKey key = HpkePrivateKey.Generate(s_suite);
        using SealedReplySecret one = Seal(key, Request(), out byte[] first);
        using SealedReplySecret two = Seal(key, Request("{\"model\":\"another and longer one\"}"), out byte[] second);

        Assert.Equal(first.Length, second.Length);
        Assert.NotEqual(one.RequestId.ToArray(), two.RequestId.ToArray());
        Assert.NotEqual(one.EncapsulatedKey.ToArray(), two.EncapsulatedKey.ToArray());
    }

    [Theory]
    [InlineData("another key")]
    [InlineData("another config")]
    [InlineData("ciphertext")]
    [InlineData("encapsulated key")]
    [InlineData("timestamp")]
    [InlineData("request id")]
    [InlineData("zero encapsulated key")]
    [InlineData("short encapsulated key")]
    public void Request_with_anything_changed_does_not_open(string what)
    {
        using HpkePrivateKey key = HpkePrivateKey.Generate(s_suite), other = HpkePrivateKey.Generate(s_suite);
        using SealedReplySecret secret = Seal(key, Request(), out byte[] json);
        Assert.Equal(SealedRequestError.None, SealedEnvelope.Parse(json, out SealedEnvelope? sealedOne));
        using SealedEnvelope envelope = sealedOne!;
        byte[] encapsulated = what switch
        {
            "encapsulated key" => Flip(envelope.EncapsulatedKey, 3),
            "zero encapsulated key" => new byte[32],
            "short encapsulated key" => envelope.EncapsulatedKey[..31],
            _ => envelope.EncapsulatedKey,
        };
        byte[] ciphertext = what == "ciphertext" ? Flip(envelope.Ciphertext.ToArray(), 100) : envelope.Ciphertext.ToArray();
        long timestamp = envelope.Timestamp + (what == "timestamp" ? 1 : 0);
        byte[] id = what == "request id" ? Flip(envelope.RequestId, 0) : envelope.RequestId;
        var changed = new ArrayBufferWriter<byte>();
        SealedEnvelope.Write(changed, encapsulated, ciphertext, SealedChatFormat.Aad(envelope.KeyId, timestamp, id), timestamp, id);

        using var plaintext = new SensitiveBuffer();
        Assert.Equal(SealedRequestError.None, SealedEnvelope.Parse(changed.WrittenSpan, out SealedEnvelope? parsed));
        using SealedEnvelope owned = parsed!;
        SealedRequestError error = SealedRequest.Open(
            s_suite, what == "another key" ? other : key, what == "another config" ? Flip(s_config, 5) : s_config, owned, plaintext, out SealedInnerRequest? opened, out SealedReplySecret? reply);

        Assert.Equal((SealedRequestError.Undecryptable, true, true), (error, opened is null, reply is null));
        Assert.Equal(0, plaintext.WrittenCount);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("{} ", "a")]
    [InlineData("\"work\":\"\\u0041\"")]
    [InlineData("\"more\":1")]
    [InlineData("\"timestamp\":1")]
    public void Envelope_with_another_form_is_refused(string text, string? more = null)
    {
        using HpkePrivateKey key = HpkePrivateKey.Generate(s_suite);
        using SealedReplySecret secret = Seal(key, Request(), out byte[] json);
        string whole = Encoding.UTF8.GetString(json);
        string input = text.StartsWith('"') ? whole[..^1] + "," + text + "}" : text + more;

        Assert.Equal(SealedRequestError.Malformed, SealedEnvelope.Parse(Encoding.UTF8.GetBytes(input), out SealedEnvelope? envelope));
        Assert.Null(envelope);
    }

    [Fact]
    public void Envelope_takes_each_value_in_one_spelling_and_only_the_associated_data_it_computes()
    {
        using HpkePrivateKey key = HpkePrivateKey.Generate(s_suite);
        using SealedReplySecret secret = Seal(key, Request(), out byte[] json);
        string whole = Encoding.UTF8.GetString(json);
        string id = Base64Url.EncodeToString(secret.RequestId.Span);

        Assert.Equal(SealedRequestError.None, Parse(whole));
        Assert.Equal(SealedRequestError.None, Parse(whole[..^1] + ",\"work\":\"a.b\"}"));
        foreach (string bad in new[]
        {
            whole.Replace(id, id + "==", StringComparison.Ordinal), whole.Replace(id, id[..^1], StringComparison.Ordinal), whole.Replace(id, " " + id, StringComparison.Ordinal),
            whole.Replace("1795000000123", "1795000000123.0", StringComparison.Ordinal), whole.Replace("1795000000123", "-1", StringComparison.Ordinal),
            whole.Replace("1795000000123", "9007199254740992", StringComparison.Ordinal), whole.Replace("\"aad\"", "\"Aad\"", StringComparison.Ordinal), whole + "{}", whole[..^1],
        })
        {
            Assert.Equal(SealedRequestError.Malformed, Parse(bad));
        }

        Assert.Equal(SealedRequestError.AadMismatch, Parse(whole.Replace("1795000000123", "1795000000124", StringComparison.Ordinal)));
        for (int at = 0; at < SealedChatFormat.AadSizeInBytes; at++)
        {
            byte[] aad = SealedChatFormat.Aad(7, s_now.ToUnixTimeMilliseconds(), secret.RequestId.Span);
            string changed = whole.Replace(Base64Url.EncodeToString(aad), Base64Url.EncodeToString(Flip(aad, at)), StringComparison.Ordinal);
            // Every byte counts but the key id, which says itself who it is: the seal is made for the key's own.
            Assert.Equal(at == 21 ? SealedRequestError.None : SealedRequestError.AadMismatch, Parse(changed));
        }
    }

    [Theory]
    [InlineData("""{"path":"/v1/models"}""", true)]
    [InlineData("""{"path":"/v1/models","method":"GET","headers":{}}""", true)]
    [InlineData("""{"path":"/x","body":{}}""", true)]
    [InlineData("""{}""", false)]
    [InlineData("""{"path":"v1"}""", false)]
    [InlineData("""{"path":"/a b"}""", false)]
    [InlineData("""{"path":"/é"}""", false)]
    [InlineData("""{"path":"/x","path":"/x"}""", false)]
    [InlineData("""{"path":"/x","method":"PUT"}""", false)]
    [InlineData("""{"path":"/x","body":[]}""", false)]
    [InlineData("""{"path":"/x","body":{}}{}""", false)]
    [InlineData("""{"path":"/x","headers":{"Authorization":"x"}}""", false)]
    [InlineData("""{"path":"/x","headers":{"a":"x","a":"x"}}""", false)]
    [InlineData("""{"path":"/x","headers":{"a":"x\r\nb: c"}}""", false)]
    [InlineData("""{"path":"/x","headers":{"a":1}}""", false)]
    [InlineData("""{"path":"/x","cookie":"x"}""", false)]
    public void Inner_request_has_one_form(string json, bool isTaken) => Assert.Equal(isTaken, SealedInnerRequest.TryParse(Padded(json), out _));

    [Fact]
    public void Padding_is_zeros_to_a_bucket_and_nothing_else()
    {
        byte[] good = Padded("""{"path":"/x"}""");
        Assert.True(SealedInnerRequest.TryParse(good, out _));
        Assert.False(SealedInnerRequest.TryParse(good.AsMemory(0, 1023), out _));
        Assert.False(SealedInnerRequest.TryParse((byte[])[.. good, 0], out _));
        Assert.False(SealedInnerRequest.TryParse(Array.Empty<byte>(), out _));
        Assert.False(SealedInnerRequest.TryParse(Flip(good, 1023), out _));
        Assert.False(SealedInnerRequest.TryParse(Flip(good, 0), out _));
    }

    [Fact]
    public void Reply_comes_out_whatever_the_pieces_it_arrives_in() =>
        Property.Holds(
            from sizes in Gen.ArrayOf(Gen.Choose(0, 3000))
            from piece in Gen.Choose(1, 5000)
            select (sizes, piece),
            sample =>
            {
                using SealedReplySecret secret = Secret();
                byte[][] bodies = [.. sample.sizes.Select(RandomNumberGenerator.GetBytes)];
                byte[] events = [.. Events(secret, bodies).SelectMany(one => one)];
                using var reader = new SealedReplyReader(secret);
                foreach (byte[] piece in events.Chunk(sample.piece))
                {
                    Assert.Equal(SealedReplyError.None, reader.Push(piece));
                }

                Assert.Equal(SealedReplyError.None, reader.Complete());
                Assert.Equal((200, "text/event-stream", "renewed"), (reader.Status, reader.Headers["content-type"], reader.Trailers!["tacit-renewal"]));
                Assert.Equal(bodies.SelectMany(body => body), reader.Body.WrittenSpan.ToArray());
            });

    [Fact]
    public void Chunks_of_one_bucket_have_one_length()
    {
        using SealedReplySecret secret = Secret();
        byte[][] one = Events(secret, [new byte[1], new byte[300]]);
        byte[][] other = Events(secret, [new byte[150], new byte[1000]]);
        Assert.Equal(one.Select(e => e.Length), other.Select(e => e.Length));
    }

    /// <summary>Every way to rearrange a reply, or to put another's parts into it: each is an error, and what came out before is a beginning.</summary>
    [Fact]
    public void Reply_that_was_tampered_with_is_an_error_at_the_place()
    {
        using SealedReplySecret secret = Secret();
        byte[][] bodies = [[1], [2], [3], [4]];
        byte[][] events = Events(secret, bodies);
        // The same request answered again, and another request's reply.
        byte[][] again = Events(secret, bodies);
        using SealedReplySecret otherSecret = Secret();
        byte[][] other = Events(otherSecret, bodies);
        Assert.Equal(6, events.Length);

        Fails(SealedReplyError.Truncated, 0, []);
        for (int cut = 0; cut < events.Length; cut++)
        {
            Fails(SealedReplyError.Truncated, Math.Max(0, cut - 1), events[..cut]);
            Fails(SealedReplyError.Truncated, Math.Max(0, cut - 1), [.. events[..cut], events[cut][..^1]]);
        }

        for (int at = 1; at < events.Length; at++)
        {
            SealedReplyError afterEnd = at == events.Length - 1 ? SealedReplyError.AfterFinal : SealedReplyError.Undecryptable;
            // Repeated, left out, exchanged with the next, of the same place of another reply.
            Fails(afterEnd, Math.Min(at, 4), [.. events[..(at + 1)], events[at], .. events[(at + 1)..]]);
            Fails(at == events.Length - 1 ? SealedReplyError.Truncated : SealedReplyError.Undecryptable, at - 1, [.. events[..at], .. events[(at + 1)..]]);
            if (at < events.Length - 1)
            {
                Fails(SealedReplyError.Undecryptable, at - 1, [.. events[..at], events[at + 1], events[at], .. events[(at + 2)..]]);
            }

            Fails(SealedReplyError.Undecryptable, at - 1, [.. events[..at], again[at], .. events[(at + 1)..]]);
            Fails(SealedReplyError.Undecryptable, at - 1, [.. events[..at], other[at], .. events[(at + 1)..]]);
            // An end that is none, a chunk that was the end.
            Fails(SealedReplyError.Undecryptable, at - 1, [.. events[..at], Renamed(events[at]), .. events[(at + 1)..]]);
            // A head in the middle.
            Fails(SealedReplyError.Malformed, at - 1, [.. events[..at], events[0], .. events[at..]]);
        }

        Fails(SealedReplyError.Undecryptable, 0, [again[0], .. events[1..]]);
        Fails(SealedReplyError.OtherRequest, 0, [other[0], .. events[1..]]);
        Fails(SealedReplyError.Malformed, 0, events[1..]);
        Fails(SealedReplyError.AfterFinal, 4, [.. events, events[0]]);
        Fails(SealedReplyError.AfterFinal, 4, [.. events, "event: nothing\n"u8.ToArray()]);

        // Every character of the whole: what is not an error changes nothing.
        byte[] whole = [.. events.SelectMany(one => one)];
        for (int at = 0; at < whole.Length; at++)
        {
            using var reader = new SealedReplyReader(secret);
            byte[] changed = Flip(whole, at);
            reader.Push(changed);
            Assert.True(((byte[])[1, 2, 3, 4]).AsSpan().StartsWith(reader.Body.WrittenSpan));
            Assert.True(reader.Complete() != SealedReplyError.None, $"byte {at} of {Encoding.ASCII.GetString(whole.AsSpan(Math.Max(0, at - 20), 21))} makes no difference");
        }

        void Fails(SealedReplyError expected, int bodiesBefore, byte[][] sent)
        {
            using var reader = new SealedReplyReader(secret);
            foreach (byte[] part in sent)
            {
                reader.Push(part);
            }

            Assert.Equal(expected, reader.Complete());
            Assert.Equal(Enumerable.Range(1, bodiesBefore).Select(i => (byte)i), reader.Body.WrittenSpan.ToArray());
        }
    }

    [Fact]
    public void Events_may_end_their_lines_with_CRLF_and_have_comments_between_them_and_nothing_else()
    {
        using SealedReplySecret secret = Secret();
        string whole = string.Concat(Events(secret, [[1]]).Select(Encoding.ASCII.GetString));

        Assert.Equal(SealedReplyError.None, Read(": hello\n\n" + whole.Replace("\n", "\r\n", StringComparison.Ordinal) + ": bye\n"));
        Assert.Equal(SealedReplyError.Malformed, Read("id: 1\n" + whole));
        Assert.Equal(SealedReplyError.Malformed, Read("event: head\nevent: head\n"));
        Assert.Equal(SealedReplyError.Malformed, Read("event: ping\ndata: {}\n\n" + whole));
        Assert.Equal(SealedReplyError.Malformed, Read("event: head\n\n"));
        Assert.Equal(SealedReplyError.Malformed, Read("data: x\n\n"));
        Assert.Equal(SealedReplyError.Malformed, Read("data: " + new string('A', 30_000)));

        SealedReplyError Read(string text)
        {
            using var reader = new SealedReplyReader(secret);
            reader.Push(Encoding.ASCII.GetBytes(text));
            return reader.Complete();
        }
    }

    [Fact]
    public void Frames_come_in_their_order_and_a_chunk_counts_whole_or_not_at_all()
    {
        byte[] head = Frame(SealedFrames.WriteHead, 200, new("content-type", "x"));
        byte[] body = [2, 0, 0, 0, 1, 9];
        byte[] trailers = Frame((output, _, members) => SealedFrames.WriteTrailers(output, members), 0, new("a", "b"));

        Assert.Equal(SealedReplyError.None, Read([.. head, .. body, .. body, .. trailers]));
        Assert.Equal(SealedReplyError.None, Read(head));
        Assert.Equal(SealedReplyError.None, Read([.. head, 2, 0, 0, 0, 0]));
        foreach (byte[] bad in new byte[][]
        {
            [], body, [.. body, .. head], [.. head, .. head], [.. head, .. trailers, .. body], [.. head, .. trailers, .. trailers], [.. head, 4, 0, 0, 0, 0],
            [.. head, 2, 0, 0, 1, 0], [.. head, 2, 255, 255, 255, 255], [.. head, 0, 1], [1, 0, 0, 0, 2, (byte)'{', (byte)'}'],
        })
        {
            Assert.Equal(SealedReplyError.FramesMalformed, Read(bad));
        }

        static SealedReplyError Read(byte[] frames)
        {
            using SealedReplySecret secret = Secret();
            using var writer = new SealedReplyWriter(secret);
            using var reader = new SealedReplyReader(secret);
            var events = new ArrayBufferWriter<byte>();
            writer.WriteHead(events);
            writer.WriteChunk(events, frames, 256, isFinal: true);
            reader.Push(events.WrittenSpan);
            Assert.True(reader.IsWhole || (reader.Body.WrittenCount == 0 && reader.Status is null));
            return reader.Complete();
        }
    }

    private static SealedRequestError Parse(string json)
    {
        SealedRequestError error = SealedEnvelope.Parse(Encoding.UTF8.GetBytes(json), out SealedEnvelope? envelope);
        envelope?.Dispose();
        return error;
    }

    private static SealedReplySecret Secret() => new(RandomNumberGenerator.GetBytes(32), RandomNumberGenerator.GetBytes(32), RandomNumberGenerator.GetBytes(16));

    private static SealedInnerRequest Request(string body = "{\"model\":\"m\"}") =>
        new("POST", Routes.ChatCompletions, [new("authorization", "PrivateToken token=\"AAAA\"")], Encoding.UTF8.GetBytes(body));

    private static SealedReplySecret Seal(HpkePrivateKey key, SealedInnerRequest request, out byte[] json)
    {
        var output = new ArrayBufferWriter<byte>();
        SealedReplySecret secret = SealedRequest.Seal(s_suite, key.PublicKey, s_config, s_now, request, output);
        json = output.WrittenSpan.ToArray();
        return secret;
    }

    private static SealedRequestError Open(HpkePrivateKey key, byte[] json, SensitiveBuffer plaintext, out SealedInnerRequest? request, out SealedReplySecret? reply)
    {
        Assert.Equal(SealedRequestError.None, SealedEnvelope.Parse(json, out SealedEnvelope? envelope));
        using SealedEnvelope owned = envelope!;
        Assert.Equal((7, s_now), (owned.KeyId, owned.Sent));
        return SealedRequest.Open(s_suite, key, s_config, owned, plaintext, out request, out reply);
    }

    /// <summary>Head, then a chunk for each body, the last one final; the reply's head and trailers are in the first and last.</summary>
    private static byte[][] Events(SealedReplySecret secret, byte[][] bodies)
    {
        using var writer = new SealedReplyWriter(secret);
        List<byte[]> events = [];
        var output = new ArrayBufferWriter<byte>();
        writer.WriteHead(output);
        events.Add(output.WrittenSpan.ToArray());
        for (int i = 0; i <= bodies.Length; i++)
        {
            var frames = new ArrayBufferWriter<byte>();
            if (i == 0)
            {
                SealedFrames.WriteHead(frames, 200, [new("content-type", "text/event-stream")]);
            }

            if (i < bodies.Length)
            {
                SealedFrames.WriteBody(frames, bodies[i]);
            }
            else
            {
                SealedFrames.WriteTrailers(frames, [new("tacit-renewal", "renewed")]);
            }

            output.ResetWrittenCount();
            writer.WriteChunk(output, frames.WrittenSpan, PaddingBuckets.Round(frames.WrittenCount), isFinal: i == bodies.Length);
            events.Add(output.WrittenSpan.ToArray());
        }

        return [.. events];
    }

    private static byte[] Renamed(byte[] one)
    {
        string text = Encoding.ASCII.GetString(one);
        return Encoding.ASCII.GetBytes(text.StartsWith("event: final", StringComparison.Ordinal) ? text.Replace("event: final", "event: chunk", StringComparison.Ordinal) : text.Replace("event: chunk", "event: final", StringComparison.Ordinal));
    }

    private static byte[] Frame(Action<IBufferWriter<byte>, int, IEnumerable<KeyValuePair<string, string>>> write, int status, KeyValuePair<string, string> member)
    {
        var output = new ArrayBufferWriter<byte>();
        write(output, status, [member]);
        return output.WrittenSpan.ToArray();
    }

    private static byte[] Padded(string json)
    {
        byte[] text = Encoding.UTF8.GetBytes(json);
        byte[] padded = new byte[SealedChatFormat.RequestBucket(text.Length + 4)];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(padded, (uint)text.Length);
        text.CopyTo(padded, 4);
        return padded;
    }

    private static byte[] Flip(byte[] bytes, int at)
    {
        byte[] changed = [.. bytes];
        changed[at] ^= 1;
        return changed;
    }
}
