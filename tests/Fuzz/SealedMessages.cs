using System.Buffers;
using Tacit.Protocol;

namespace Tacit.Fuzz;

/// <summary>Sealed chat, as far as it can be reached without a key: and behind the key, what whoever has it could send.</summary>
internal static class SealedMessages
{
    private static readonly byte[] s_requestId = Samples.Filled(16, 5);

    private static SealedReplySecret Secret => new(Samples.Filled(32, 1), Samples.Filled(32, 2), s_requestId);

    public static IReadOnlyList<byte[]> Envelopes { get; } =
        [Envelope(null), Envelope("AAAA.BBBB"), [.. Samples.Utf8(" "), .. Envelope(null), .. Samples.Utf8("\n")]];

    public static IReadOnlyList<byte[]> Plaintexts { get; } =
    [
        Plaintext(new SealedInnerRequest("POST", Routes.ChatCompletions, [new("authorization", "PrivateToken token=\"AAAA\"")], Samples.Utf8("{\"model\":\"m\"}"))),
        Plaintext(new SealedInnerRequest("GET", Routes.Models, [], default)),
    ];

    public static IReadOnlyList<byte[]> Replies { get; } = [Reply(0), Reply(3)];

    public static IReadOnlyList<byte[]> Frames { get; } = [FramesOf(0), FramesOf(2)];

    public static bool RunEnvelope(byte[] input)
    {
        SealedRequestError error = SealedEnvelope.Parse(input, out SealedEnvelope? envelope);
        using SealedEnvelope? owned = envelope;
        FuzzTarget.Require(error == SealedRequestError.None == envelope is not null, "an envelope comes without an error, and only then");
        if (envelope is null)
        {
            return false;
        }

        FuzzTarget.Require(
            envelope.Aad.AsSpan().SequenceEqual(SealedChatFormat.Aad(envelope.KeyId, envelope.Timestamp, envelope.RequestId)), "the associated data are another request's");
        var again = new ArrayBufferWriter<byte>();
        SealedEnvelope.Write(again, envelope.EncapsulatedKey, envelope.Ciphertext.Span, envelope.Aad, envelope.Timestamp, envelope.RequestId);
        FuzzTarget.Require(SealedEnvelope.Parse(again.WrittenSpan, out SealedEnvelope? same) == SealedRequestError.None, "what was read is not taken again");
        using SealedEnvelope? ownedToo = same;
        FuzzTarget.Require(
            same!.Ciphertext.Span.SequenceEqual(envelope.Ciphertext.Span) && same.EncapsulatedKey.AsSpan().SequenceEqual(envelope.EncapsulatedKey),
            "an envelope changes when it is written and read again");
        return true;
    }

    public static bool RunPlaintext(byte[] input)
    {
        // A mutated length in front, or a size that is no bucket, would hide all that is behind.
        byte[] padded = input;
        if (!SealedInnerRequest.TryParse(padded, out SealedInnerRequest? request))
        {
            int end = input.AsSpan().LastIndexOfAnyExcept((byte)0) + 1;
            if (end < 5)
            {
                return false;
            }

            padded = new byte[SealedChatFormat.RequestBucket(end)];
            input.AsSpan(4, end - 4).CopyTo(padded.AsSpan(4));
            System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(padded, (uint)(end - 4));
            if (!SealedInnerRequest.TryParse(padded, out request))
            {
                return false;
            }
        }

        byte[] again = Plaintext(request!);
        FuzzTarget.Require(SealedInnerRequest.TryParse(again, out SealedInnerRequest? same), "what was read is not taken again");
        FuzzTarget.Require(
            same!.Path == request!.Path && same.Method == request.Method && same.Headers.SequenceEqual(request.Headers) && same.Body.Span.SequenceEqual(request.Body.Span),
            "a request changes when it is written and read again");
        return true;
    }

    /// <summary>Whatever is done to a reply on its way, what comes out is a beginning of it.</summary>
    public static bool RunReply(byte[] input)
    {
        using SealedReplySecret secret = Secret;
        using var reader = new SealedReplyReader(secret);
        int half = input.Length / 2;
        reader.Push(input.AsSpan(0, half));
        reader.Push(input.AsSpan(half));
        FuzzTarget.Require(Body(3).AsSpan().StartsWith(reader.Body.WrittenSpan), "a reply that was tampered with gave out something else");
        return reader.Complete() == SealedReplyError.None;
    }

    /// <summary>What is inside the chunks is the gateway's, and bounded all the same.</summary>
    public static bool RunFrames(byte[] input)
    {
        using SealedReplySecret secret = Secret;
        using var writer = new SealedReplyWriter(secret);
        using var reader = new SealedReplyReader(secret);
        var events = new ArrayBufferWriter<byte>();
        writer.WriteHead(events);
        byte[] frames = input[..Math.Min(input.Length, SealedChatFormat.MaxChunkSizeInBytes)];
        writer.WriteChunk(events, frames, PaddingBuckets.Round(frames.Length), isFinal: true);
        reader.Push(events.WrittenSpan);
        FuzzTarget.Require(reader.IsWhole || reader.Body.WrittenCount == 0, "a chunk that was refused gave something out");
        return reader.Complete() == SealedReplyError.None;
    }

    private static byte[] Envelope(string? work)
    {
        var output = new ArrayBufferWriter<byte>();
        SealedEnvelope.Write(output, Samples.Filled(32, 2), Samples.Filled(1040, 3), SealedChatFormat.Aad(7, 1_795_000_000_000, s_requestId), 1_795_000_000_000, s_requestId, work);
        return output.WrittenSpan.ToArray();
    }

    private static byte[] Plaintext(SealedInnerRequest request)
    {
        using var buffer = new SensitiveBuffer();
        request.WritePlaintext(buffer);
        return buffer.WrittenSpan.ToArray();
    }

    private static byte[] Reply(int chunks)
    {
        using SealedReplySecret secret = Secret;
        using var writer = new SealedReplyWriter(secret);
        var events = new ArrayBufferWriter<byte>();
        writer.WriteHead(events);
        var head = new ArrayBufferWriter<byte>();
        SealedFrames.WriteHead(head, 200, [new("content-type", "application/json")]);
        if (chunks == 0)
        {
            writer.WriteChunk(events, head.WrittenSpan, 256, isFinal: true);
            return events.WrittenSpan.ToArray();
        }

        writer.WriteChunk(events, head.WrittenSpan, 256, isFinal: false);
        for (int i = 0; i < chunks; i++)
        {
            var frames = new ArrayBufferWriter<byte>();
            SealedFrames.WriteBody(frames, Body(chunks).AsSpan(i * 100, 100));
            writer.WriteChunk(events, frames.WrittenSpan, 256, isFinal: i == chunks - 1);
        }

        return events.WrittenSpan.ToArray();
    }

    private static byte[] Body(int chunks) => [.. Enumerable.Range(0, chunks * 100).Select(i => (byte)(i * 7 % 256))];

    private static byte[] FramesOf(int bodies)
    {
        var frames = new ArrayBufferWriter<byte>();
        SealedFrames.WriteHead(frames, 200, [new("content-type", "application/json")]);
        for (int i = 0; i < bodies; i++)
        {
            SealedFrames.WriteBody(frames, Samples.Filled(20, 1));
        }

        if (bodies > 0)
        {
            SealedFrames.WriteTrailers(frames, [new("tacit-renewal", "AAAA")]);
        }

        return frames.WrittenSpan.ToArray();
    }
}
