using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Tacit.Hosting;
using Tacit.Protocol;

namespace Tacit.Issuer.Issuance;

/// <summary>
/// <c>GET /.well-known/private-token-issuer-directory</c> (RFC 9578 §4), and every earlier one by its number at
/// <c>/.well-known/private-token-issuer-directory/{sequence}</c>, so that anyone can follow the chain.
/// </summary>
internal sealed class DirectoryEndpoints
{
    private readonly DirectoryPublisher _publisher;
    private readonly DirectoryStore _store;
    private readonly TimeSpan _maxAge;
    private readonly TimeProvider _time;

    public DirectoryEndpoints(DirectoryPublisher publisher, DirectoryStore store, TimeSpan maxAge, TimeProvider time)
    {
        _publisher = publisher;
        _store = store;
        _maxAge = maxAge;
        _time = time;
    }

    /// <param name="routes">Where they are added.</param>
    /// <param name="pages">Whose pages may read the newest.</param>
    public void Map(IEndpointRouteBuilder routes, CrossOrigin pages)
    {
        routes.MapGet(Routes.IssuerDirectory, pages.Around(StorageGuard.Around(ShowAsync)));
        routes.MapGet(Routes.IssuerDirectory + "/{sequence}", StorageGuard.Around(ShowEarlierAsync));
    }

    private async Task ShowAsync(HttpContext context)
    {
        if (await _publisher.GetAsync(context.RequestAborted) is not PublishedDirectory directory)
        {
            await Problems.WriteAsync(context, ProblemTypes.SignerUnavailable);
            return;
        }

        // A copy may not be used past the moment at which a key goes live or ends.
        TimeSpan untilChange = directory.ValidUntil - _time.GetUtcNow();
        long maxAge = Math.Max(0, (long)(untilChange < _maxAge ? untilChange : _maxAge).TotalSeconds);
        context.Response.Headers.CacheControl = string.Create(CultureInfo.InvariantCulture, $"public, max-age={maxAge}");
        context.Response.Headers.ETag = directory.ETag;
        if (context.Request.Headers.IfNoneMatch.Any(tags => tags is not null && tags.Contains(directory.ETag, StringComparison.Ordinal)))
        {
            context.Response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }

        await WriteAsync(context, directory.Body);
    }

    private async Task ShowEarlierAsync(HttpContext context)
    {
        if (!long.TryParse(context.Request.RouteValues["sequence"] as string, NumberStyles.None, CultureInfo.InvariantCulture, out long sequence)
            || await _store.LoadBodyAsync(sequence, context.RequestAborted) is not byte[] body)
        {
            await Problems.WriteAsync(context, ProblemTypes.NotFound);
            return;
        }

        context.Response.Headers.CacheControl = "public, max-age=31536000, immutable";
        await WriteAsync(context, body);
    }

    private static Task WriteAsync(HttpContext context, byte[] body)
    {
        context.Response.ContentType = MediaTypes.IssuerDirectory;
        context.Response.ContentLength = body.Length;
        return context.Response.Body.WriteAsync(body, context.RequestAborted).AsTask();
    }
}
