namespace Tacit.Tor;

/// <summary>An onion service to publish.</summary>
public sealed record OnionServiceOptions
{
    /// <summary>Bytes of an onion service's private key: the expanded Ed25519 key, 32 bytes scalar and 32 bytes PRF secret (control-spec, section 3.27).</summary>
    public const int PrivateKeySizeInBytes = 64;

    /// <summary>The service's key, <see cref="PrivateKeySizeInBytes"/> bytes, which is its address. Empty: a new one is made, see <see cref="OnionService.PrivateKey"/>.</summary>
    public ReadOnlyMemory<byte> PrivateKey { get; init; }

    /// <summary>The port in the service's address. Default 80.</summary>
    public int VirtualPort { get; init; } = 80;

    /// <summary>Where Tor passes connections on to: <c>unix:/path</c>, or an IP address and port of this machine (<c>127.0.0.1:8226</c>).</summary>
    public string Target { get; init; } = "";

    /// <summary>X25519 public keys, base32, of the only clients that may find the service (client authorization, rend-spec-v3 G.1). Empty: everyone may.</summary>
    public IReadOnlyList<string> AuthorizedClients { get; init; } = [];

    /// <summary>Whether clients are asked for proof of work while the service is under load, where the tor program can do that. Default: yes.</summary>
    public bool ProofOfWork { get; init; } = true;
}
