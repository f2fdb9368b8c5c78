namespace Tacit.Inference;

/// <summary>Where a backend listens: a URL, or <c>unix:/path</c>, behind which its API is at <c>/v1</c>, as all servers of this kind have it.</summary>
internal sealed class BackendAddress
{
    public const string UnixScheme = "unix";

    public BackendAddress(Uri address)
    {
        if (address.Scheme == UnixScheme)
        {
            SocketPath = Uri.UnescapeDataString(address.AbsolutePath);
            Base = "http://localhost/v1";
        }
        else
        {
            Base = address.AbsoluteUri.TrimEnd('/');
        }

        IsTls = Base.StartsWith("https:", StringComparison.Ordinal);
        Root = Base.EndsWith("/v1", StringComparison.Ordinal) ? Base[..^3] : Base;
    }

    /// <summary>The socket's file; null for a URL.</summary>
    public string? SocketPath { get; }

    /// <summary>Up to and with the version, without a slash behind it.</summary>
    public string Base { get; }

    /// <summary>The same without <c>/v1</c>: where servers have what is not part of the API.</summary>
    public string Root { get; }

    public bool IsTls { get; }

    /// <summary>Whether settings may name it.</summary>
    public static bool IsValid(Uri? address) => address is { IsAbsoluteUri: true, UserInfo.Length: 0, Query.Length: 0, Fragment.Length: 0 }
        && (address.Scheme == UnixScheme ? address.Host.Length == 0 && address.AbsolutePath is ['/', _, ..] && FitsSocket(address) : address.Scheme is "http" or "https");

    /// <summary>Longer paths than this no system takes for a socket (sun_path of unix(7)).</summary>
    private static bool FitsSocket(Uri address) => System.Text.Encoding.UTF8.GetByteCount(Uri.UnescapeDataString(address.AbsolutePath)) <= 107;
}
