using Tacit.Client;
using Tacit.Client.Transports;

namespace Tacit.App;

/// <summary>How requests are carried: two choices in one word, who makes the connections and what is sealed to the gateway.</summary>
public enum TransportSetting
{
    /// <summary>Over Tor.</summary>
    Tor,

    /// <summary>By this machine itself, which everybody who is asked sees the address of.</summary>
    Direct,

    /// <summary>As <see cref="Direct"/>, with requests sealed to the gateway itself.</summary>
    Sealed,

    /// <summary>As <see cref="Sealed"/>, by way of a relay. The issuer sees this machine's address.</summary>
    Ohttp,

    /// <summary>Over Tor, with requests sealed to the gateway.</summary>
    TorSealed,

    /// <summary>Over Tor to a relay, which passes on what is sealed to the gateway.</summary>
    TorOhttp,
}

/// <summary>The two choices.</summary>
public static class TransportSettings
{
    /// <summary>Who makes the connections. Where nothing is set: Tor, but for addresses on this machine.</summary>
    public static CarrierChoice Carrier(this TransportSetting? setting) => setting switch
    {
        null => CarrierChoice.TorUnlessLocal,
        TransportSetting.Tor or TransportSetting.TorSealed or TransportSetting.TorOhttp => CarrierChoice.Tor,
        _ => CarrierChoice.Direct,
    };

    /// <summary>What is sealed, and whether a relay carries it.</summary>
    public static GatewayTransport Sealing(this TransportSetting? setting) => setting switch
    {
        TransportSetting.Sealed or TransportSetting.TorSealed => GatewayTransport.Sealed,
        TransportSetting.Ohttp or TransportSetting.TorOhttp => GatewayTransport.Ohttp,
        _ => GatewayTransport.Direct,
    };

    /// <summary>The same way, and sealed to a gateway.</summary>
    public static TransportSetting SealedTo(this TransportSetting? setting, Uri gateway)
    {
        ArgumentNullException.ThrowIfNull(gateway);
        return setting.Carrier() == CarrierChoice.Direct || (setting is null && gateway.IsLoopback) ? TransportSetting.Sealed : TransportSetting.TorSealed;
    }

    /// <summary>The word for it in settings and flags.</summary>
    public static string Word(this TransportSetting setting) => setting switch
    {
        TransportSetting.TorSealed => "tor+sealed",
        TransportSetting.TorOhttp => "tor+ohttp",
        TransportSetting.Tor => "tor",
        TransportSetting.Direct => "direct",
        TransportSetting.Sealed => "sealed",
        _ => "ohttp",
    };
}
