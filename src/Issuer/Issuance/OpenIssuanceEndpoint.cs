using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Tacit.Hosting;
using Tacit.Protocol;

namespace Tacit.Issuer.Issuance;

/// <summary>
/// <c>POST /open-token-request</c>: tokens of open plans, for nobody in particular. No account, no row: the same blinded message gets the same signature however often it
/// comes, because that is what RSA does. Where the operator names origins, their pages may call it; it takes no credential, so that no page ever has one to send.
/// </summary>
internal sealed class OpenIssuanceEndpoint
{
    private readonly IssuanceService _issuance;
    private readonly OpenIssuanceOptions _options;
    private readonly SourceLimiter _sources;
    private readonly RateLimiter _all;

    /// <param name="issuance">Does the work.</param>
    /// <param name="options">How much is given.</param>
    /// <param name="sources">How it is found out where requests come from.</param>
    /// <param name="time">The clock of the limits.</param>
    public OpenIssuanceEndpoint(IssuanceService issuance, OpenIssuanceOptions options, RequestSources sources, TimeProvider time)
    {
        _issuance = issuance;
        _options = options;
        _sources = new SourceLimiter(options.AddressBurst, options.AddressPerMinute / 60.0, sources, time);
        _all = new RateLimiter(Math.Max(options.BatchSize, options.PerSecond * 10), options.PerSecond, time);
    }

    /// <param name="routes">Where it is added.</param>
    /// <param name="pages">Whose pages may call it.</param>
    public void Map(IEndpointRouteBuilder routes, CrossOrigin pages)
    {
        routes.MapPost(Routes.OpenTokenRequest, pages.Around(StorageGuard.Around(IssueAsync)));
        if (pages.IsOn)
        {
            routes.MapMethods(Routes.OpenTokenRequest, [HttpMethods.Options], pages.Preflight(HttpMethods.Post));
        }
    }

    private async Task IssueAsync(HttpContext context)
    {
        // 1. Who sends a credential meant something else, and would be recognised by it here.
        if (context.Request.Headers.Authorization.Count > 0 || context.Request.Headers.Cookie.Count > 0)
        {
            await Problems.WriteAsync(context, ProblemTypes.CredentialRefused);
            return;
        }

        bool isBatch = MediaTypeMatch.Is(context.Request, MediaTypes.GenericBatchRequest);
        if (!isBatch && !MediaTypeMatch.Is(context.Request, MediaTypes.TokenRequest))
        {
            await Problems.WriteAsync(context, ProblemTypes.UnsupportedMediaType, $"Send {MediaTypes.TokenRequest} or {MediaTypes.GenericBatchRequest}.");
            return;
        }

        // 2. The body: open plans are of type 0x0002, whose requests have no extensions.
        int most = isBatch ? 4 + (_options.BatchSize * TokenRequest.SizeInBytes) : TokenRequest.MaxSizeInBytes;
        if (context.Request.ContentLength > most)
        {
            await Problems.WriteAsync(context, ProblemTypes.RequestTooLarge, $"At most {_options.BatchSize} tokens are given at once.");
            return;
        }

        if (await IssuanceBody.ReadAsync(context, isBatch, most) is not IReadOnlyList<TokenRequest> requests)
        {
            return;
        }

        if (requests.Count > _options.BatchSize)
        {
            await Problems.WriteAsync(context, ProblemTypes.BatchTooLarge, $"At most {_options.BatchSize} tokens are given at once.");
            return;
        }

        // 3. Keys and ranges by lookup, then what the address and all together are given, then the signatures.
        IssuanceOutcome outcome = await _issuance.GiveAsync(
            requests, count => _sources.TryTake(context, count) && _all.TryTake([], count), context.RequestAborted);
        await IssuanceBody.WriteAsync(context, requests, isBatch, outcome);
    }
}
