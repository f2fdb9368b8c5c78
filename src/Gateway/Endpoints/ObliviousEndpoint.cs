using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Http;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Sealing;
using Tacit.Gateway.Work;
using Tacit.Hosting;
using Tacit.Protocol;

namespace Tacit.Gateway.Endpoints;

/// <summary>
/// <c>POST /ohttp</c>: the oblivious gateway resource (RFC 9458; in chunks: draft-ietf-ohai-chunked-ohttp). Opens a request, runs it as if it had come by itself, and
/// seals its answer. What goes wrong before a request is open is told in the clear, everything after that inside.
/// </summary>
internal sealed class ObliviousEndpoint(GatewayParts parts, SealingKeys keys, RequestDelegate inner)
{
    /// <summary>For control data and headers: more than the server takes of those of a request that comes by itself.</summary>
    private const int MaxHeadBytes = 64 * 1024;

    private const int MaxUncounted = 8 * 1024;

    public async Task HandleAsync(HttpContext context)
    {
        // 0. The media type, and nothing that would tell who sends beside what is sealed so that nobody can (RFC 9458, section 6.1).
        if (IsChunked(context.Request.ContentType) is not bool chunked)
        {
            await ErrorReply.WriteAsync(
                context,
                ApiError.Create(ErrorCodes.UnsupportedMediaType, $"This takes {MediaTypes.ObliviousRequest} and {MediaTypes.ObliviousChunkedRequest}."));
            return;
        }

        if (HeaderRules.FindCredential(context.Request.Headers) is { } credential)
        {
            await ErrorReply.WriteAsync(context, credential);
            return;
        }

        // 1. The key, by lookup, before the body: a stranger makes us hold nothing.
        ObliviousRequestHeader? header;
        try
        {
            header = await ReadHeaderAsync(context);
        }
        catch (Exception e) when (e is Microsoft.AspNetCore.Http.BadHttpRequestException or IOException)
        {
            await ErrorReply.WriteIncompleteAsync(context);
            return;
        }

        if (header is null || !keys.TryFind(header.Value.KeyId, parts.Time.GetUtcNow(), out SealingKeyPair? pair))
        {
            await WriteKeyProblemAsync(context, isRead: false);
            return;
        }

        // 2. The body, bounded.
        var hold = new BodyHold(new SensitiveBuffer(MaxUncounted), parts.RequestRoom);
        OpenedRequest? opened = null;
        try
        {
            ApiError? refused = await RequestBody.ReadAsync(context, hold.Body, MaxBytes(), hold.TryTake) switch
            {
                BodyReadResult.Complete => null,
                BodyReadResult.NoRoom => GatewayParts.Busy(),
                BodyReadResult.TooLarge => ApiError.Create(ErrorCodes.RequestTooLarge, $"No plan of this gateway pays for a request of more than {MaxBytes()} bytes, sealed."),
                _ => ApiError.Create(ErrorCodes.RequestIncomplete, "The request's body ended early or came too slowly; nothing was spent."),
            };

            // 3. Work, where it is asked for; then the opening, behind its bound.
            refused ??= CheckWork(context, hold.Body.WrittenSpan);
            if (refused is null && !await parts.Openings.TryEnterAsync(context.RequestAborted))
            {
                refused = GatewayParts.Busy();
            }
            else if (refused is null)
            {
                try
                {
                    opened = OpenedRequest.TryOpen(pair, hold, chunked);
                }
                finally
                {
                    parts.Openings.Leave();
                }
            }

            if (refused is not null)
            {
                await ErrorReply.WriteAsync(context, refused);
                return;
            }
        }
        finally
        {
            if (opened is null)
            {
                hold.Dispose();
            }
        }

        if (opened is null)
        {
            await WriteKeyProblemAsync(context, isRead: true);
            return;
        }

        // 4. The request itself, and its answer.
        await AnswerAsync(context, opened);
    }

    private async Task AnswerAsync(HttpContext context, OpenedRequest opened)
    {
        using OpenedRequest owned = opened;
        context.Response.ContentType = opened.IsChunked ? MediaTypes.ObliviousChunkedResponse : MediaTypes.ObliviousResponse;
        context.Response.Headers.CacheControl = "no-store";
        if (opened.IsChunked)
        {
            // Whoever passes it on is not to gather what comes in pieces (draft-ietf-httpbis-incremental).
            context.Response.Headers["Incremental"] = "?1";
        }

        using InnerReply reply = opened.CreateReply(context, parts);
        await opened.Request.RunAsync(opened.IsWellFormed ? inner : RefuseAsync, context, reply);
    }

    private static Task RefuseAsync(HttpContext context) =>
        ErrorReply.WriteAsync(context, ApiError.Create(ErrorCodes.BadRequest, "What was sealed is no binary HTTP request (RFC 9292)."));

    /// <summary>Null for another media type. Neither of the two has parameters; one that came is passed over, and letters are of either case (RFC 9110, section 8.3.1).</summary>
    private static bool? IsChunked(string? contentType)
    {
        ReadOnlySpan<char> type = contentType;
        type = type[..(type.IndexOf(';') is >= 0 and int end ? end : type.Length)].Trim();
        return type.Equals(MediaTypes.ObliviousRequest, StringComparison.OrdinalIgnoreCase) ? false
            : type.Equals(MediaTypes.ObliviousChunkedRequest, StringComparison.OrdinalIgnoreCase) ? true
            : null;
    }

    /// <summary>Over encapsulated key and ciphertext, as for every sealed request.</summary>
    private ApiError? CheckWork(HttpContext context, ReadOnlySpan<byte> request)
    {
        if (!parts.Work.IsFor(WorkKinds.Sealed))
        {
            return null;
        }

        Span<byte> digest = stackalloc byte[WorkStamp.DigestSizeInBytes];
        WorkStamp.DigestOfSealed(request[ObliviousRequestHeader.SizeInBytes..], default, digest);
        return parts.Work.Check(digest, context.Request.Headers[Routes.WorkHeader]);
    }

    /// <summary>The largest body that any plan takes, with head, padding and what sealing adds in chunks as small as they are.</summary>
    private long MaxBytes()
    {
        long largest = MaxHeadBytes + parts.MaxInputBytes;
        return largest + (largest / 8) + PaddingBuckets.Largest;
    }

    /// <summary>Looks at the first bytes and leaves them where they are; null if there are too few.</summary>
    private static async ValueTask<ObliviousRequestHeader?> ReadHeaderAsync(HttpContext context)
    {
        PipeReader reader = context.Request.BodyReader;
        ReadResult start = await reader.ReadAtLeastAsync(ObliviousRequestHeader.SizeInBytes, context.RequestAborted);
        bool read = TryReadHeader(start.Buffer, out ObliviousRequestHeader header);
        reader.AdvanceTo(start.Buffer.Start);
        return read ? header : null;
    }

    private static bool TryReadHeader(in ReadOnlySequence<byte> start, out ObliviousRequestHeader header)
    {
        Span<byte> bytes = stackalloc byte[ObliviousRequestHeader.SizeInBytes];
        bytes = bytes[..(int)Math.Min(start.Length, bytes.Length)];
        start.Slice(0, bytes.Length).CopyTo(bytes);
        return ObliviousRequestHeader.TryRead(bytes, out header);
    }

    /// <param name="isRead">Whether the body was; otherwise nobody reads it, and the connection is of no more use.</param>
    private static async Task WriteKeyProblemAsync(HttpContext context, bool isRead)
    {
        if (!isRead && HttpProtocol.IsHttp11(context.Request.Protocol))
        {
            context.Response.Headers.Connection = "close";
        }

        byte[] body = ObliviousProblems.Key.Encode();
        context.Response.StatusCode = ObliviousProblems.Key.Status;
        context.Response.ContentType = MediaTypes.ProblemJson;
        context.Response.ContentLength = body.Length;
        await context.Response.BodyWriter.WriteAsync(body, context.RequestAborted);
    }

    /// <summary>A request that was sealed to a live key.</summary>
    private sealed class OpenedRequest : IDisposable
    {
        private readonly ObliviousGatewayExchange _exchange;

        private OpenedRequest(ObliviousGatewayExchange exchange, InnerRequest request, bool isWellFormed)
        {
            _exchange = exchange;
            Request = request;
            IsWellFormed = isWellFormed;
        }

        public InnerRequest Request { get; }

        /// <summary>Whether what was sealed is a request at all.</summary>
        public bool IsWellFormed { get; }

        public bool IsChunked => _exchange.IsChunked;

        /// <summary>Null if the body was not sealed to this key, or was changed; then nothing was taken over.</summary>
        /// <param name="hold">With the body; goes over to the request.</param>
        public static OpenedRequest? TryOpen(SealingKeyPair pair, BodyHold hold, bool isChunked)
        {
            ReadOnlySpan<byte> sealedBytes = hold.Body.WrittenSpan;
            ObliviousGatewayExchange? exchange = ObliviousGatewayExchange.TryBegin(pair.PrivateKey, sealedBytes, isChunked, out int size);
            if (exchange is null)
            {
                return null;
            }

            using var message = new SensitiveBuffer(sealedBytes.Length - size);
            if (!TryOpen(exchange, sealedBytes[size..], message))
            {
                exchange.Dispose();
                return null;
            }

            hold.Body.Dispose();
            var body = new SensitiveBuffer(message.WrittenCount);
            using BinaryHttpReader? reader = BinaryHttpReader.TryParse(
                BinaryHttpKind.Request, message.WrittenSpan, body, new BinaryHttpLimits { MaxHeadBytes = MaxHeadBytes });
            BinaryHttpRequest? head = reader?.Request;
            var request = new InnerRequest
            {
                Method = head?.Method ?? "",
                Target = head?.Path ?? "",
                Headers = head?.Headers ?? [],
                Body = body,
                Room = hold,
            };
            return new OpenedRequest(exchange, request, head is not null);
        }

        public InnerReply CreateReply(HttpContext context, GatewayParts parts)
        {
            if (!IsChunked)
            {
                return new WholeReply(_exchange, context, parts.RequestRoom);
            }

            var framing = new ObliviousFraming(_exchange.CreateResponse());
            // A stream may be long; what it is sealed with is derived, and the rest is not kept for it.
            _exchange.Dispose();
            return new ReplyPacer(framing, context.Response.BodyWriter, parts.Pace);
        }

        public void Dispose()
        {
            Request.Dispose();
            _exchange.Dispose();
        }

        private static bool TryOpen(ObliviousGatewayExchange exchange, ReadOnlySpan<byte> ciphertext, SensitiveBuffer message)
        {
            if (!exchange.IsChunked)
            {
                return exchange.TryOpenRequest(ciphertext, message);
            }

            using ObliviousChunkReader chunks = exchange.ReadRequest();
            return chunks.TryRead(ciphertext, message) && chunks.TryEnd(message);
        }
    }
}
