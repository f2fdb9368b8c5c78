using System.Buffers.Binary;

namespace Tacit.Gateway.Devices;

/// <summary>What one device has used of its limits, as it stands in its row: sliding windows of requests, and output tokens of the day (UTC). Not thread safe.</summary>
internal sealed class DeviceUsage
{
    private const byte Version = 1;
    private const long SecondsPerDay = 86400;
    private const int HeadSize = 1 + sizeof(long) + sizeof(long);

    private readonly RateWindows _windows = new();
    private long _day;
    private long _tokens;

    /// <summary>Reads a row; what cannot be read, from another version, counts as nothing used.</summary>
    public static DeviceUsage Read(ReadOnlySpan<byte> row)
    {
        var usage = new DeviceUsage();
        if (row.Length == HeadSize + usage._windows.SizeInBytes && row[0] == Version)
        {
            usage._day = BinaryPrimitives.ReadInt64BigEndian(row[1..]);
            usage._tokens = BinaryPrimitives.ReadInt64BigEndian(row[(1 + sizeof(long))..]);
            usage._windows.Read(row[HeadSize..]);
        }

        return usage;
    }

    public byte[] Write()
    {
        byte[] row = new byte[HeadSize + _windows.SizeInBytes];
        row[0] = Version;
        BinaryPrimitives.WriteInt64BigEndian(row.AsSpan(1), _day);
        BinaryPrimitives.WriteInt64BigEndian(row.AsSpan(1 + sizeof(long)), _tokens);
        _windows.Write(row.AsSpan(HeadSize));
        return row;
    }

    /// <summary>Counts a request and sets its tokens aside; or says what is used up, and then nothing is counted.</summary>
    public UsageTaken TryTake(long now, RateLimits limits, long? tokensPerDay, long tokens)
    {
        long day = now / SecondsPerDay;
        if (day > _day)
        {
            (_day, _tokens) = (day, 0);
        }

        if (tokensPerDay is long most && _tokens + tokens > most)
        {
            return new UsageTaken(UsageVerdict.Tokens, Math.Max(1, ((_day + 1) * SecondsPerDay) - now));
        }

        long wait = _windows.TryTake(now, limits);
        if (wait > 0)
        {
            return new UsageTaken(UsageVerdict.Requests, wait);
        }

        _tokens += tokens;
        return new UsageTaken(UsageVerdict.Taken, 0);
    }

    /// <summary>The request did not come to be.</summary>
    public void GiveBack(long then, long now, long tokens)
    {
        _windows.GiveBack(then, now);
        Settle(then, tokens, 0);
    }

    /// <summary>The request has ended: what it cost takes the place of what was set aside, if the day is still the same.</summary>
    public void Settle(long then, long setAside, long cost)
    {
        if (then / SecondsPerDay == _day)
        {
            _tokens = Math.Max(0, _tokens - setAside + cost);
        }
    }
}

internal enum UsageVerdict
{
    Taken,
    Requests,
    Tokens,
    Revoked,
}

/// <param name="Wait">Seconds until it is worth asking again.</param>
internal readonly record struct UsageTaken(UsageVerdict Verdict, long Wait);
