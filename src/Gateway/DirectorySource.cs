using System.Net;
using Tacit.Protocol;

namespace Tacit.Gateway;

/// <summary>Fetches the issuer's signed directory as it is published. The gateway checks it against its pinned key, wherever it comes from.</summary>
public delegate ValueTask<ReadOnlyMemory<byte>> DirectoryFetch(CancellationToken cancellationToken);

/// <summary>Directories over HTTP.</summary>
public static class DirectorySource
{
    /// <summary>Fetches <c>/.well-known/private-token-issuer-directory</c> of an issuer. One connection each time: it happens every few minutes.</summary>
    /// <param name="issuer">The issuer's base URL.</param>
    public static DirectoryFetch Http(Uri issuer)
    {
        var address = new Uri(issuer, Routes.IssuerDirectory);
        return async cancellationToken =>
        {
            using var invoker = new HttpMessageInvoker(
                new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, ActivityHeadersPropagator = null, ConnectTimeout = TimeSpan.FromSeconds(5) });
            using var request = new HttpRequestMessage(HttpMethod.Get, address);
            using HttpResponseMessage response = await invoker.SendAsync(request, cancellationToken);
            if (response.StatusCode != HttpStatusCode.OK || response.Content.Headers.ContentLength > IssuerDirectory.MaxSizeInBytes)
            {
                throw new HttpRequestException($"The issuer answered {(int)response.StatusCode}.");
            }

            await using Stream body = await response.Content.ReadAsStreamAsync(cancellationToken);
            var document = new MemoryStream();
            byte[] buffer = new byte[16 * 1024];
            for (int read; (read = await body.ReadAsync(buffer, cancellationToken)) > 0;)
            {
                document.Write(buffer, 0, read);
                if (document.Length > IssuerDirectory.MaxSizeInBytes)
                {
                    throw new HttpRequestException("The issuer's directory is larger than 1 MiB.");
                }
            }

            return document.GetBuffer().AsMemory(0, (int)document.Length);
        };
    }
}
