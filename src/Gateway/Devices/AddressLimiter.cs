using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;
using Tacit.Gateway.Sealing;
using Tacit.Hosting;
using Tacit.Protocol;

namespace Tacit.Gateway.Devices;

/// <summary>
/// Limits by network address, in this process' memory only. An address is there as a keyed hash, under a key that ends with the process, and for as long as its requests
/// count. Thread safe.
/// </summary>
internal sealed class AddressLimiter
{
    /// <summary>Addresses that are told apart; about 60 MB. What comes beyond shares one count, so that a crowd of addresses buys nothing.</summary>
    public const int MaxAddresses = 64 * 1024;

    private const int Ipv6NetworkBytes = 8;

    private readonly AddressOptions _options;
    private readonly TrustedProxies _proxies;
    private readonly byte[] _key = RandomNumberGenerator.GetBytes(32);
    private readonly TimeProvider _time;
    private readonly int _most;
    private readonly int _onionAddresses;
    private readonly Table _requests = new();
    private readonly Table _registrations = new();
    private readonly long _began;

    /// <param name="options">The limits.</param>
    /// <param name="time">The clock.</param>
    /// <param name="most">Addresses that are told apart.</param>
    /// <param name="onionAddresses">As how many addresses all clients of the onion service count, who have none.</param>
    public AddressLimiter(AddressOptions options, TimeProvider time, int most = MaxAddresses, int onionAddresses = 64)
    {
        (_options, _time, _most, _onionAddresses, _began) = (options, time, most, onionAddresses, time.GetTimestamp());
        _proxies = new TrustedProxies(options.TrustedProxies);
    }

    /// <summary>Counts a request that carries a token or a device's signature; null if its address may make it.</summary>
    public ApiError? Check(HttpContext context, bool isToken) => isToken && !_options.Tokens ? null : Check(context, _requests, _options.Rates);

    /// <summary>Counts a registration.</summary>
    public ApiError? CheckRegistration(HttpContext context) => Check(context, _registrations, _options.Registrations);

    private ApiError? Check(HttpContext context, Table table, RateLimits limits)
    {
        if (limits.IsNone)
        {
            return null;
        }

        // Not by the clock: windows that it filled while it was ahead would stay full until that time comes.
        long now = (long)_time.GetElapsedTime(_began).TotalSeconds;
        long wait;
        if (InnerRequest.IsOnionToLimit(context))
        {
            wait = table.TryTakeOnion(now, limits.Times(_onionAddresses));
        }
        else if (_proxies.AddressOf(InnerRequest.AddressToLimit(context), InnerRequest.ForwardedToLimit(context)) is { } address)
        {
            wait = table.TryTake(NameOf(address), now, limits, _most);
        }
        else
        {
            return null;
        }

        return wait == 0 ? null : ApiError.Create(ErrorCodes.AddressRateLimited, "Too many requests come from this network address.") with { RetryAfter = (int)wait };
    }

    private UInt128 NameOf(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out int written);
        int length = address.AddressFamily == AddressFamily.InterNetworkV6 ? Ipv6NetworkBytes : written;
        Span<byte> mac = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(_key, bytes[..length], mac);
        return BinaryPrimitives.ReadUInt128BigEndian(mac);
    }

    private sealed class Table
    {
        private const long TrimInterval = 600;

        private readonly Dictionary<UInt128, RateWindows> _addresses = [];
        private readonly RateWindows _others = new();
        private readonly RateWindows _onion = new();
        private readonly Lock _gate = new();
        private long _trimmed;

        public long TryTakeOnion(long now, RateLimits limits)
        {
            lock (_gate)
            {
                return _onion.TryTake(now, limits);
            }
        }

        public long TryTake(UInt128 name, long now, RateLimits limits, int most)
        {
            lock (_gate)
            {
                if (_addresses.TryGetValue(name, out RateWindows? windows))
                {
                    return windows.TryTake(now, limits);
                }

                // At most once a second, since it looks at all of them.
                if ((_addresses.Count >= most && now != _trimmed) || now - _trimmed >= TrimInterval)
                {
                    _trimmed = now;
                    foreach ((UInt128 idle, RateWindows known) in _addresses)
                    {
                        if (known.IsEmpty(now))
                        {
                            _addresses.Remove(idle);
                        }
                    }
                }

                if (_addresses.Count >= most)
                {
                    return _others.TryTake(now, limits);
                }

                windows = new RateWindows();
                _addresses.Add(name, windows);
                return windows.TryTake(now, limits);
            }
        }
    }
}
