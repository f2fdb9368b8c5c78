using Tacit.Hosting;
using Tacit.Protocol;

namespace Tacit.Gateway;

/// <summary>Fetches the issuer's signed directory as it is published. The gateway checks it against its pinned key, wherever it comes from.</summary>
public delegate ValueTask<ReadOnlyMemory<byte>> DirectoryFetch(CancellationToken cancellationToken);

/// <summary>Directories over HTTP.</summary>
public static class DirectorySource
{
    /// <summary>Fetches <c>/.well-known/private-token-issuer-directory</c> of an issuer.</summary>
    /// <param name="issuer">The issuer's base URL.</param>
    public static DirectoryFetch Http(Uri issuer)
    {
        var address = new Uri(issuer, Routes.IssuerDirectory);
        return async cancellationToken => await PublicDocument.FetchAsync(address, IssuerDirectory.MaxSizeInBytes, TimeSpan.FromSeconds(5), cancellationToken);
    }
}
