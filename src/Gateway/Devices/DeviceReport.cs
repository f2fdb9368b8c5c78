namespace Tacit.Gateway.Devices;

/// <summary>Where a device on the list comes from.</summary>
public enum DeviceSource
{
    /// <summary>The settings or the file that they name.</summary>
    Settings = 0,

    /// <summary><c>tacit gateway devices add</c>.</summary>
    Operator = 1,

    /// <summary>It registered itself.</summary>
    Registration = 2,
}

/// <summary>A device as the operator sees it.</summary>
/// <param name="Key">Its public key in base64url.</param>
/// <param name="Name">What the operator calls it; empty for one that registered itself.</param>
/// <param name="Source">Where it comes from.</param>
/// <param name="Revoked">Whether it was taken off.</param>
public sealed record DeviceLine(string Key, string Name, DeviceSource Source, bool Revoked);

/// <summary>All devices of a gateway.</summary>
public sealed record DeviceReport(IReadOnlyList<DeviceLine> Devices);

/// <summary>A device that the operator adds or removes.</summary>
public sealed record DeviceName(string Key, string Name = "");
