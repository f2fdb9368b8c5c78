using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Net.Http.Headers;
using Tacit.App.Wallets;
using Tacit.Client;
using Tacit.Hosting;

namespace Tacit.App;

/// <summary>
/// Maps the calls of the app's own page, all under <c>/app</c>. Each passes <see cref="LocalGuard"/> and carries the header <c>Tacit-Page: 1</c>, which a page elsewhere
/// could send only after a preflight that nobody answers: so not even a browser whose Origin and Sec-Fetch-Site are wrong gets through. Errors are
/// <see cref="PageProblem"/>s.
/// </summary>
internal sealed class PageApi(IEndpointRouteBuilder routes, LocalGuard guard, Func<OtherUsers> others)
{
    public const string Prefix = "/app";
    public const string Header = "Tacit-Page";

    /// <summary>Largest body of a call that says nothing else, in bytes.</summary>
    public const int DefaultMaxBytes = 256 * 1024;

    public static bool IsOf(HttpRequest request) => request.Path.StartsWithSegments(Prefix, StringComparison.Ordinal);

    /// <summary>A call that answers with JSON.</summary>
    /// <param name="pattern">The path below <see cref="Prefix"/>.</param>
    public void Map<T>(string method, string pattern, JsonTypeInfo<T> form, Func<HttpContext, Task<T>> work) =>
        Map(method, pattern, async context => await WriteAsync(context, await work(context), form));

    /// <summary>A call that takes JSON and answers with JSON.</summary>
    /// <param name="maxBytes">Most bytes of the body.</param>
    public void Map<TBody, T>(
        string method, string pattern, JsonTypeInfo<TBody> body, JsonTypeInfo<T> form, Func<HttpContext, TBody, Task<T>> work, int maxBytes = DefaultMaxBytes) =>
        Map(method, pattern, async context => await WriteAsync(context, await work(context, await ReadAsync(context, body, maxBytes)), form));

    /// <summary>A call that writes its answer itself; one that writes nothing is answered with 204.</summary>
    public void Map(string method, string pattern, RequestDelegate work) =>
        routes.MapMethods(Prefix + pattern, [method], (RequestDelegate)(context => AnswerAsync(context, work)));

    /// <summary>The body of a call, read to a bound.</summary>
    /// <exception cref="PageException">Too large, or of another form.</exception>
    public static async Task<T> ReadAsync<T>(HttpContext context, JsonTypeInfo<T> form, int maxBytes)
    {
        if (!MediaTypeHeaderValue.TryParse(context.Request.ContentType, out MediaTypeHeaderValue? type)
            || !type.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase))
        {
            throw new PageException(PageProblem.Of(415, "unsupported-media-type", "The body has another media type than this call takes.", "Send it as application/json."));
        }
        using var body = new PromptBuffer();
        switch (await RequestBody.ReadAsync(context, body, maxBytes))
        {
            case BodyReadResult.TooLarge:
                throw new PageException(PageProblem.Of(413, "request-too-large", "The request is too large.", $"This call takes at most {maxBytes} bytes."));
            case BodyReadResult.Aborted:
                throw new OperationCanceledException();
        }
        return JsonSerializer.Deserialize(body.Written.Span, form) ?? throw new JsonException();
    }

    /// <summary>A list from a body, in which the serializer lets nothing stand for a missing element.</summary>
    public static IReadOnlyList<T> Whole<T>(IReadOnlyList<T>? list)
        where T : class => list is null ? [] : list.Any(element => element is null) ? throw new JsonException() : list;

    public static Task WriteAsync<T>(HttpContext context, T answer, JsonTypeInfo<T> form)
    {
        context.Response.ContentType = "application/json";
        // Chats stay out of the browser's cache, which is neither encrypted nor emptied with them.
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers.XContentTypeOptions = "nosniff";
        return JsonSerializer.SerializeAsync(context.Response.Body, answer, form, context.RequestAborted);
    }

    private async Task AnswerAsync(HttpContext context, RequestDelegate work)
    {
        PageProblem? problem = Refusal(context);
        if (problem is null)
        {
            try
            {
                await work(context);
                if (!context.Response.HasStarted && context.Response.ContentType is null)
                {
                    context.Response.StatusCode = StatusCodes.Status204NoContent;
                    context.Response.Headers.CacheControl = "no-store";
                }
                return;
            }
            catch (Exception e) when (e is OperationCanceledException or IOException)
            {
                // The tab is gone.
                context.Abort();
                return;
            }
            catch (Exception e) when (PageProblem.Explain(e) is PageProblem known)
            {
                problem = known;
            }
        }
        await problem.WriteAsync(context);
    }

    private PageProblem? Refusal(HttpContext context) => guard.Refusal(context.Request) is string why
        ? PageProblem.Of(403, "foreign-origin", "The app answers no web page but its own.", why)
        : !LocalGuard.IsByNumber(context.Request)
            ? PageProblem.Of(403, "foreign-origin", "The app answers no web page but its own.", "The page is at 127.0.0.1: the name localhost may lead to another user's program.")
        : context.Request.Headers[Header] != "1"
            ? PageProblem.Of(403, "page-header-missing", "The call is not the page's own.", $"Calls of the page carry the header {Header}: 1.")
            : others() == OtherUsers.Refuse && !PeerOwner.MayAsk(context)
                ? PageProblem.Of(403, "other-user", "The page is its own user's.", "Another user of this machine started this app: chats and wallet are theirs. Start an app of your own, at another port.")
                : null;
}
