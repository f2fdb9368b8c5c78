using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Tacit.Gateway.Admission;

namespace Tacit.Gateway.Endpoints;

/// <summary>
/// Remembers, for as long as a connection lasts and no longer, that a good token came over it. Says nothing of which: only that whoever is there has paid once,
/// and need not wait behind a flood of those who have not.
/// </summary>
internal static class ProvenConnection
{
    private static readonly object s_key = new();

    public static Presenter Presenter(HttpContext context) => new(context.Connection.Id, Items(context)?.ContainsKey(s_key) == true, context.RequestAborted)
    {
        IsSequential = HttpProtocol.IsHttp11(context.Request.Protocol),
    };

    public static void Remember(HttpContext context)
    {
        if (Items(context) is { } items && !items.ContainsKey(s_key))
        {
            items[s_key] = s_key;
        }
    }

    /// <summary>After a false token, or one that was made dear to check: the connection waits behind the honest ones again.</summary>
    public static void Forget(HttpContext context) => Items(context)?.Remove(s_key);

    private static IDictionary<object, object?>? Items(HttpContext context) => context.Features.Get<IConnectionItemsFeature>()?.Items;
}
