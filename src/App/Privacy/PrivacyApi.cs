using Microsoft.AspNetCore.Http;
using Tacit.App.Wallets;
using Tacit.Client;
using Tacit.Client.Transports;
using Tacit.Storage;

namespace Tacit.App;

/// <summary>Who saw what, for the page. Nobody is asked for it: all is from what the requests left in their conversation, and from the wallet's records.</summary>
internal sealed class PrivacyApi(AppParts parts, ChatShelf chats)
{
    public void Map(PageApi page)
    {
        page.Map("GET", "/ways", PageJson.Default.WaysView, _ => Task.FromResult(Ways.All));
        page.Map("GET", "/conversations/{id}/privacy", PageJson.Default.PrivacyView, FindAsync);
    }

    private async Task<PrivacyView> FindAsync(HttpContext context) =>
        PrivacyReport.Of(await chats.Book.TracesAsync(ChatsApi.Id(context), context.RequestAborted), await DescribeAsync(context.RequestAborted));

    private async Task<PrivacyContext> DescribeAsync(CancellationToken cancellationToken)
    {
        if (parts.Host.Mode != AppMode.Wallet)
        {
            return PrivacyContext.Nothing;
        }
        try
        {
            return await parts.Host.LookAsync(
                async (client, token) =>
                {
                    ServerStatus? issuer = (await client.GetServersAsync(token)).FirstOrDefault(server => server.Role == "issuer");
                    return new PrivacyContext(await client.Account.FindHashAsync(token), await client.Wallet.GetHistoryAsync(token), issuer?.Carried, issuer?.Address);
                },
                cancellationToken);
        }
        catch (Exception e) when (e is ClientException or StorageException)
        {
            // The requests say what they say, whatever the wallet is at.
            return PrivacyContext.Nothing;
        }
    }
}
