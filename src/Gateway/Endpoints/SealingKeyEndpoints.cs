using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Tacit.Gateway.Sealing;
using Tacit.Gateway.Work;
using Tacit.Hosting;
using Tacit.Protocol;

namespace Tacit.Gateway.Endpoints;

/// <summary>
/// The keys that prompts to this gateway are sealed with: <c>GET /api/pubkey</c>, <c>/.well-known/jwks.json</c> and <c>/.well-known/ohttp-gateway</c> for clients, and
/// the offer to the issuer at <c>/.well-known/tacit-sealing-keys</c>. All public, none for one reader only.
/// </summary>
internal sealed class SealingKeyEndpoints(SealingKeys keys, WorkGate work, GatewayOptions options, TimeProvider time)
{
    // Well within the time that a key still opens requests after its end.
    private const string CacheForMinutes = "public, max-age=300";

    private readonly Lock _gate = new();
    private (long Second, byte[] Body)? _offer;

    /// <param name="pages">Web pages that may read the keys.</param>
    public void Map(IEndpointRouteBuilder routes, CrossOrigin pages)
    {
        routes.MapGet(Routes.SealingKeys, pages.Around(context => WriteAsync(context, MediaTypes.Json, "no-cache", (Document() with { Work = work.IsOn ? work.Announce() : null }).Encode())));
        routes.MapGet(Routes.JsonWebKeys, (RequestDelegate)(context => ShowAsync(context, MediaTypes.JsonWebKeys, static document => document.EncodeKeySet())));

        // RFC 9458, section 3: the first is preferred, so the current one comes before the next.
        routes.MapGet(Routes.ObliviousKeys, (RequestDelegate)(context => ShowAsync(
            context, MediaTypes.ObliviousKeys, static document => SealingKeyList.EncodeConfigs(document.Keys.Select(entry => entry.Key)))));
        routes.MapGet(Routes.SealingOffer, (RequestDelegate)(context => WriteAsync(context, MediaTypes.Json, "no-store", Offer())));
    }

    private SealingKeyDocument Document()
    {
        DateTimeOffset now = time.GetUtcNow();
        return new SealingKeyDocument { Gateway = options.Name, ServerTime = now, Keys = keys.PublishedAt(now) };
    }

    private Task ShowAsync(HttpContext context, string mediaType, Func<SealingKeyDocument, byte[]> encode)
    {
        SealingKeyDocument document = Document();
        return WriteAsync(context, mediaType, document.Keys.Count == 0 ? "no-store" : CacheForMinutes, encode(document));
    }

    /// <summary>Signed once a second at most: whoever asks more often gets the same.</summary>
    private byte[] Offer()
    {
        DateTimeOffset now = time.GetUtcNow();
        lock (_gate)
        {
            if (_offer?.Second != now.ToUnixTimeSeconds())
            {
                _offer = (now.ToUnixTimeSeconds(), keys.MakeOffer(now));
            }

            return _offer.Value.Body;
        }
    }

    private static Task WriteAsync(HttpContext context, string mediaType, string caching, byte[] body)
    {
        context.Response.ContentType = mediaType;
        context.Response.ContentLength = body.Length;
        context.Response.Headers.CacheControl = caching;
        return context.Response.Body.WriteAsync(body, context.RequestAborted).AsTask();
    }
}
