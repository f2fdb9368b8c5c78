namespace Tacit.Client.Transports;

/// <summary>Limits of the connections that the client makes.</summary>
public sealed record TransportOptions
{
    /// <summary>How long to try to connect, TLS included. Default 15 s.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How long a conversation's connection is kept when nothing uses it. Default 90 s.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromSeconds(90);

    /// <summary>Most connections kept for conversations that are idle; beyond it the longest unused goes. Default 64.</summary>
    public int MaxIdle { get; init; } = 64;

    /// <summary>SHA-256 of the SubjectPublicKeyInfo of the only certificate that a server may have, whoever signed it; empty leaves that to the system's roots.</summary>
    public ReadOnlyMemory<byte> PinnedKey { get; init; }

    /// <summary>How connections are made. Default: by Tor, but for addresses on this machine.</summary>
    public CarrierChoice Carrier { get; init; }

    /// <summary>Where Tor is to be used: which one, and for what.</summary>
    public TorSettings Tor { get; init; } = new();

    /// <summary>Told how far Tor is while something waits for it; null for nobody.</summary>
    public IProgress<CarrierStatus>? Progress { get; init; }

    internal void Validate()
    {
        Tor.Validate();
        Check(ConnectTimeout > TimeSpan.Zero && ConnectTimeout <= TimeSpan.FromMinutes(10), nameof(ConnectTimeout), "between 0 and 10 minutes");
        Check(IdleTimeout > TimeSpan.Zero && IdleTimeout <= TimeSpan.FromHours(1), nameof(IdleTimeout), "between 0 and one hour");
        Check(MaxIdle is >= 0 and <= 4096, nameof(MaxIdle), "between 0 and 4096");

        static void Check(bool fine, string name, string range)
        {
            if (!fine)
            {
                throw new ClientException(ClientError.InvalidSetting, $"The setting {name} must be {range}.");
            }
        }
    }
}
