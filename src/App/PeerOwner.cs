using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;

namespace Tacit.App;

/// <summary>
/// Whose a connection from this machine is. Loopback is every user's of a machine, but Linux says in <c>/proc/net/tcp</c> whose the other end is: another user gets nothing of what
/// is behind the page's API, the chats and the seed. Where it is not said (no such files, an end in another network namespace, as a container's), nobody is refused for it; but an
/// end on this very machine that is not found is.
/// </summary>
internal static class PeerOwner
{
    private const string Established = "01";

    /// <summary>How often the tables are read for an end that is missing.</summary>
    private const int MaxLooks = 5;

    private static readonly string[] s_tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    private static readonly uint? s_own = ReadOwnUser();

    /// <summary>Whether the other end is this user's, root's, or nobody can tell. Asked once for each connection.</summary>
    public static bool MayAsk(HttpContext context)
    {
        IDictionary<object, object?>? items = context.Features.Get<IConnectionItemsFeature>()?.Items;
        if (items is not null && items.TryGetValue(typeof(PeerOwner), out object? known))
        {
            return (bool)known!;
        }
        ConnectionInfo connection = context.Connection;
        bool may = s_own is not uint own || connection.RemoteIpAddress is not IPAddress theirs || connection.LocalIpAddress is not IPAddress ours
            || MayAsk(new IPEndPoint(theirs, connection.RemotePort), new IPEndPoint(ours, connection.LocalPort), own, ReadTables);
        if (items is not null)
        {
            items[typeof(PeerOwner)] = may;
        }
        return may;
    }

    /// <param name="read">The lines of the tables, null where there are none.</param>
    internal static bool MayAsk(IPEndPoint theirs, IPEndPoint ours, uint own, Func<IReadOnlyList<string>?> read)
    {
        bool oursWasThere = false;
        // Several times where their end is missing: the tables are no snapshot, and an end may be passed over while others come and go.
        for (int look = 0; look < MaxLooks; look++)
        {
            if (read() is not IReadOnlyList<string> lines)
            {
                return true;
            }
            foreach (string line in lines)
            {
                if (!TryParse(line, out Entry entry))
                {
                    continue;
                }
                if (Same(entry.Local, theirs) && Same(entry.Remote, ours))
                {
                    // An end that no program holds any more says root: nobody waits for an answer there.
                    return entry.Inode != 0 && (entry.User == own || entry.User == 0);
                }
                oursWasThere |= entry.IsEstablished && Same(entry.Local, ours) && Same(entry.Remote, theirs);
            }
        }
        // Neither end: the connection is gone. Ours alone: theirs is in another network namespace, unless both have one address, as on loopback; that leads to no other
        // namespace, so whose it is stands here and was not found.
        return oursWasThere && !IsHere(theirs, ours);
    }

    private static bool IsHere(IPEndPoint theirs, IPEndPoint ours) => IPAddress.IsLoopback(Plain(theirs.Address)) || Plain(theirs.Address).Equals(Plain(ours.Address));

    private static bool Same(IPEndPoint one, IPEndPoint other) => one.Port == other.Port && Plain(one.Address).Equals(Plain(other.Address));

    private static IPAddress Plain(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : new IPAddress(address.GetAddressBytes());

    /// <summary><c>sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …</c>, as proc(5) has it.</summary>
    private static bool TryParse(string line, out Entry entry)
    {
        entry = default;
        string[] parts = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (parts.Length < 10 || !TryParse(parts[1], out IPEndPoint? local) || !TryParse(parts[2], out IPEndPoint? remote)
            || !uint.TryParse(parts[7], NumberStyles.None, CultureInfo.InvariantCulture, out uint user) || !ulong.TryParse(parts[9], NumberStyles.None, CultureInfo.InvariantCulture, out ulong inode))
        {
            return false;
        }
        entry = new Entry(local!, remote!, parts[3] == Established, user, inode);
        return true;
    }

    /// <summary>The address in words of 32 bits in the machine's order, the port in hexadecimal.</summary>
    private static bool TryParse(string text, out IPEndPoint? end)
    {
        end = null;
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        if (colon is not (8 or 32) || !ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ushort port))
        {
            return false;
        }
        byte[] address = new byte[colon / 2];
        for (int i = 0; i < address.Length; i += 4)
        {
            if (!uint.TryParse(text.AsSpan(2 * i, 8), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint word))
            {
                return false;
            }
            if (BitConverter.IsLittleEndian)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(address.AsSpan(i), word);
            }
            else
            {
                BinaryPrimitives.WriteUInt32BigEndian(address.AsSpan(i), word);
            }
        }
        end = new IPEndPoint(new IPAddress(address), port);
        return true;
    }

    private static List<string>? ReadTables()
    {
        List<string>? lines = null;
        foreach (string table in s_tables)
        {
            try
            {
                (lines ??= []).AddRange(File.ReadLines(table).Skip(1));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // A machine without IPv6, or one that is no Linux.
            }
        }
        return lines is { Count: > 0 } ? lines : null;
    }

    private static uint? ReadOwnUser()
    {
        try
        {
            string? line = OperatingSystem.IsLinux() ? File.ReadLines("/proc/self/status").FirstOrDefault(line => line.StartsWith("Uid:", StringComparison.Ordinal)) : null;
            // Real, effective, saved, of files.
            return line?.Split('\t', StringSplitOptions.RemoveEmptyEntries) is [_, _, string effective, ..] && uint.TryParse(effective, NumberStyles.None, CultureInfo.InvariantCulture, out uint user) ? user : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private readonly record struct Entry(IPEndPoint Local, IPEndPoint Remote, bool IsEstablished, uint User, ulong Inode);
}
