using System.Collections.Frozen;
using Tacit.Protocol;

namespace Tacit.Gateway.Devices;

/// <summary>All devices, as one unchanging picture: those of settings and file, and over them what the database says.</summary>
internal sealed class DeviceList
{
    /// <summary>Far more lines than anybody writes by hand.</summary>
    private const int MaxFileBytes = 4 << 20;

    private readonly FrozenDictionary<string, DeviceLine> _devices;

    private DeviceList(Dictionary<string, DeviceLine> devices) => _devices = devices.ToFrozenDictionary(StringComparer.Ordinal);

    public IReadOnlyList<DeviceLine> All => [.. _devices.Values.OrderBy(device => device.Name, StringComparer.Ordinal).ThenBy(device => device.Key, StringComparer.Ordinal)];

    public DeviceLine? Find(string key) => _devices.GetValueOrDefault(key);

    public static DeviceList Merge(IEnumerable<ListedDevice> listed, IEnumerable<DeviceLine> stored)
    {
        var devices = new Dictionary<string, DeviceLine>(StringComparer.Ordinal);
        foreach (ListedDevice device in listed)
        {
            devices[device.Key] = new DeviceLine(device.Key, device.Name, DeviceSource.Settings, Revoked: false);
        }

        foreach (DeviceLine device in stored)
        {
            // A name that the settings give stays readable in the list of those that were taken off.
            devices[device.Key] = device.Name.Length == 0 && devices.TryGetValue(device.Key, out DeviceLine? known) ? device with { Name = known.Name } : device;
        }

        return new DeviceList(devices);
    }

    /// <summary>Reads <see cref="DeviceOptions.AllowFile"/>.</summary>
    /// <param name="fault">The first line that cannot be read, or what is wrong with the file.</param>
    /// <returns>Null, with the fault, if one cannot be read: half a list is none.</returns>
    public static IReadOnlyList<ListedDevice>? ReadFile(string path, out string? fault)
    {
        var devices = new List<ListedDevice>();
        try
        {
            if (new FileInfo(path).Length > MaxFileBytes)
            {
                fault = "it is too large";
                return null;
            }

            int number = 0;
            foreach (string line in File.ReadLines(path))
            {
                number++;
                string text = line.Trim();
                if (text.Length == 0 || text[0] == '#')
                {
                    continue;
                }

                string[] parts = text.Split((char[])[' ', '\t'], 2, StringSplitOptions.TrimEntries);
                string name = parts.Length > 1 ? parts[1] : "";
                if (!DeviceKeyId.TryParse(parts[0], out _) || !DeviceOptions.IsName(name))
                {
                    fault = $"line {number} is no key and name";
                    return null;
                }

                devices.Add(new ListedDevice { Key = parts[0], Name = name });
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            fault = "it cannot be read";
            return null;
        }

        fault = null;
        return devices;
    }
}
