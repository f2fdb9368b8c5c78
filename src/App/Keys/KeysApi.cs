namespace Tacit.App.Keys;

/// <summary>The keys of local programs, for the page.</summary>
internal static class KeysApi
{
    public static void Map(PageApi page, LocalKeys keys)
    {
        page.Map("GET", "/keys", PageJson.Default.IReadOnlyListLocalKeyView, context => keys.ListAsync(context.RequestAborted));
        page.Map("POST", "/keys", PageJson.Default.LocalKeyRequest, PageJson.Default.NewLocalKey, (context, body) => keys.CreateAsync(body, context.RequestAborted));
        page.Map("PATCH", "/keys/{id}", async context => await keys.ChangeAsync(
            (string)context.Request.RouteValues["id"]!, await PageApi.ReadAsync(context, PageJson.Default.LocalKeyRequest, PageApi.DefaultMaxBytes), context.RequestAborted));
        page.Map("DELETE", "/keys/{id}", context => keys.RevokeAsync((string)context.Request.RouteValues["id"]!, context.RequestAborted));
    }
}
