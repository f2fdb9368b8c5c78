using Microsoft.AspNetCore.Http;
using Tacit.Protocol;

namespace Tacit.Gateway.Endpoints;

/// <summary>
/// <c>GET /.well-known/private-token-issuer-directory</c>: the directory by which this gateway takes tokens, as the issuer signed it, so that a wallet can compare
/// what it was shown elsewhere.
/// </summary>
internal sealed class DirectoryEndpoint(GatewayParts parts)
{
    public async Task HandleAsync(HttpContext context)
    {
        ReadOnlyMemory<byte> document = parts.Catalogs.Document;
        if (document.IsEmpty)
        {
            await ErrorReply.WriteAsync(context, ApiError.Create(ErrorCodes.NotFound, "This gateway has no issuer."));
            return;
        }

        context.Response.ContentType = MediaTypes.IssuerDirectory;
        context.Response.ContentLength = document.Length;
        context.Response.Headers.CacheControl = "public, max-age=60";
        await context.Response.BodyWriter.WriteAsync(document, context.RequestAborted);
    }
}
