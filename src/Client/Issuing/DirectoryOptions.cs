using Tacit.Client.Evidence;
using Tacit.Client.Transports;
using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>Which issuer to trust, and where it is.</summary>
public sealed record DirectoryOptions
{
    public const int KeySizeInBytes = 32;

    /// <summary>How a gateway is asked for its copy, where that is not to be at its address.</summary>
    internal Func<DirectoryGateway, Route>? CopyRoute { get; init; }

    /// <summary>The issuer's base address. Default http://127.0.0.1:8225.</summary>
    public Uri Issuer { get; init; } = new("http://127.0.0.1:8225");

    /// <summary>
    /// The issuer's long-term Ed25519 directory key, 32 bytes: the one thing to get from the operator by another way. Needed at the first use, stored from then
    /// on; another one later is refused.
    /// </summary>
    public ReadOnlyMemory<byte>? DirectoryKey { get; init; }

    /// <summary>Where else copies of the directory are compared, beside the gateways that it lists: base addresses. Default none.</summary>
    public IReadOnlyList<Uri> Mirrors { get; init; } = [];

    /// <summary>The wallet warns of a plan that the issuer says fewer accounts share. Default 64.</summary>
    public long MinCrowd { get; init; } = 64;

    /// <summary>How evidence for gateways' sealing keys is judged. Default: not at all.</summary>
    public EvidenceOptions Evidence { get; init; } = new();

    /// <summary>Reads a directory key as people pass it on: 64 hexadecimal digits or base64url.</summary>
    public static bool TryParseKey(string? text, out ReadOnlyMemory<byte> key)
    {
        bool isKey = PublicKeyText.TryParse(text, out byte[]? parsed);
        key = parsed;
        return isKey;
    }

    internal void Validate()
    {
        if (!Issuer.IsAbsoluteUri || (Issuer.Scheme != Uri.UriSchemeHttp && Issuer.Scheme != Uri.UriSchemeHttps))
        {
            throw new ClientException(ClientError.InvalidSetting, "The setting Issuer must be an http:// or https:// address.");
        }
        if (!Mirrors.All(mirror => mirror.IsAbsoluteUri && (mirror.Scheme == Uri.UriSchemeHttp || mirror.Scheme == Uri.UriSchemeHttps)))
        {
            throw new ClientException(ClientError.InvalidSetting, "Each of the setting Mirrors must be an http:// or https:// address.");
        }
        if (Evidence.FindFault() is string fault)
        {
            throw new ClientException(ClientError.InvalidSetting, $"The setting Evidence: {fault}.");
        }
        if (DirectoryKey is { Length: not KeySizeInBytes })
        {
            throw new ClientException(ClientError.InvalidSetting, "The setting DirectoryKey must be an Ed25519 public key of 32 bytes, in hexadecimal or base64url.");
        }
    }
}
