using System.IO.Pipelines;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Tacit.Gateway.Chains;
using Tacit.Gateway.Replies;
using Tacit.Protocol;

namespace Tacit.Gateway.Endpoints;

/// <summary>
/// A reply, and the chain's renewal in a trailer behind it, whatever the media type, unless its head can say it. HTTP/2 has trailers; in HTTP/1.1 the chunked
/// coding has; before that, and where there is no renewal, the reply comes without.
/// </summary>
internal static class TrailedReply
{
    /// <summary>
    /// Puts the renewal among the headers of a reply that is whole before any of it is sent (RFC 9110, section 6.5: a trailer is for what is not known sooner).
    /// </summary>
    /// <returns>False if a trailer has to bring it: the reply is a stream, or its renewal is not there yet.</returns>
    public static bool TryWriteHead(HttpResponse response, Reply reply)
    {
        if (reply.IsEventStream || reply.Renewal is not { Outcome.IsCompletedSuccessfully: true } renewal)
        {
            return false;
        }

        if (renewal.Outcome.Result is byte[] signature)
        {
            response.Headers[Routes.RenewalTrailer] = ChainHeaders.FormatRenewal(signature);
        }

        return true;
    }

    /// <param name="context">Status and headers are set; nothing has been sent.</param>
    /// <param name="copy">Writes the reply; false if it could not be written whole.</param>
    /// <param name="renewal">What the trailer says, once the reply has ended; null: there is none.</param>
    public static async Task WriteAsync(HttpContext context, Func<PipeWriter, ValueTask<bool>> copy, Func<ValueTask<string?>> renewal)
    {
        HttpResponse response = context.Response;
        bool isChunked = HttpProtocol.IsHttp11(context.Request.Protocol);
        if (isChunked)
        {
            response.Headers.TransferEncoding = "chunked";
            response.Headers.Trailer = Routes.RenewalTrailer;
        }
        else if (response.SupportsTrailers())
        {
            response.DeclareTrailer(Routes.RenewalTrailer);
        }

        using ChunkedBody? chunked = isChunked ? new ChunkedBody(response.BodyWriter) : null;
        if (!await copy(chunked ?? response.BodyWriter))
        {
            context.Abort();
            return;
        }

        string? trailer = await renewal();
        if (chunked is not null)
        {
            await chunked.EndAsync(Routes.RenewalTrailer, trailer, context.RequestAborted);
        }
        else if (trailer is not null && response.SupportsTrailers())
        {
            response.AppendTrailer(Routes.RenewalTrailer, trailer);
        }
    }
}
