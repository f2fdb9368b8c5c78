using System.Net;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;
using Tacit.Gateway.Devices;
using Tacit.Gateway.Tests.Support;
using Tacit.Hosting.Onion;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests;

/// <summary>What limits by devices and addresses are made of.</summary>
public sealed class DeviceWindowTests
{
    private readonly FakeTime _time = new(new DateTimeOffset(2026, 11, 21, 6, 0, 0, TimeSpan.Zero));

    [Fact]
    public void No_span_of_the_windows_length_holds_more_than_the_limit_and_the_wait_is_true()
    {
        const int Span = 60;
        for (int round = 0; round < 50; round++)
        {
            var window = new SlidingWindow(Span, 12);
            int limit = RandomNumberGenerator.GetInt32(1, 12);
            var taken = new List<long>();
            long now = 1_000_000;
            for (int i = 0; i < 400; i++)
            {
                now += RandomNumberGenerator.GetInt32(0, 9);
                // As it is on disk.
                var again = new SlidingWindow(Span, 12);
                byte[] row = new byte[window.SizeInBytes];
                window.Write(row);
                again.Read(row);
                window = again;
                long wait = window.Wait(now, limit);
                if (wait == 0)
                {
                    window.Add(now);
                    taken.Add(now);
                    Assert.True(taken.Count(then => then > now - Span) <= limit);
                }
                else
                {
                    Assert.InRange(wait, 1, Span + (Span / 12));
                    Assert.NotEqual(0, window.Wait(now + wait - 1, limit));
                    Assert.Equal(0, window.Wait(now + wait, limit));
                    now += wait;
                }
            }

            Assert.True(taken.Count > 20);
        }
    }

    [Fact]
    public void What_is_given_back_can_be_taken_again_and_a_clock_that_goes_back_frees_nothing()
    {
        var window = new SlidingWindow(60, 12);
        window.Add(1000);
        window.Add(1001);
        Assert.NotEqual(0, window.Wait(1002, 2));
        window.Remove(1000, 1002);
        Assert.Equal(0, window.Wait(1002, 2));
        window.Add(1002);
        Assert.NotEqual(0, window.Wait(500, 2));
        window.Remove(100, 1003);
        Assert.NotEqual(0, window.Wait(1003, 2));
    }

    [Fact]
    public void Usage_of_another_form_counts_as_none()
    {
        var usage = DeviceUsage.Read([9, 9, 9]);
        Assert.Equal(UsageVerdict.Taken, usage.TryTake(1000, new RateLimits(1, null, null, null), null, 0).Verdict);
        Assert.Equal(UsageVerdict.Requests, DeviceUsage.Read(usage.Write()).TryTake(1000, new RateLimits(1, null, null, null), null, 0).Verdict);
    }

    [Theory]
    [InlineData("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true)]
    [InlineData("2001:db8:1:2::1", "2001:db8:1:3::1", false)]
    [InlineData("192.0.2.1", "192.0.2.2", false)]
    [InlineData("192.0.2.1", "::ffff:192.0.2.1", true)]
    public void Addresses_of_one_network_of_IPv6_count_as_one(string first, string second, bool together)
    {
        var limiter = new AddressLimiter(new AddressOptions { PerMinute = 1 }, _time);

        Assert.Null(limiter.Check(From(first), isToken: false));
        Assert.Equal(together, limiter.Check(From(second), isToken: false) is not null);
    }

    [Fact]
    public void Addresses_beyond_the_bound_share_one_count_until_the_others_are_forgotten()
    {
        var limiter = new AddressLimiter(new AddressOptions { PerMinute = 1 }, _time, most: 2);
        Assert.Null(limiter.Check(From("192.0.2.1"), isToken: false));
        Assert.Null(limiter.Check(From("192.0.2.2"), isToken: false));
        Assert.Null(limiter.Check(From("192.0.2.3"), isToken: false));
        Assert.NotNull(limiter.Check(From("192.0.2.4"), isToken: false));

        _time.Advance(TimeSpan.FromSeconds(70));
        Assert.Null(limiter.Check(From("192.0.2.4"), isToken: false));
        Assert.Null(limiter.Check(From("192.0.2.5"), isToken: false));
    }

    [Fact]
    public void Requests_with_tokens_count_only_where_the_settings_say_so()
    {
        var without = new AddressLimiter(new AddressOptions { PerMinute = 1 }, _time);
        var with = new AddressLimiter(new AddressOptions { PerMinute = 1, Tokens = true }, _time);
        for (int i = 0; i < 2; i++)
        {
            Assert.Null(without.Check(From("192.0.2.1"), isToken: true));
            Assert.Equal(i == 1, with.Check(From("192.0.2.1"), isToken: true) is not null);
        }
    }

    [Fact]
    public void Clients_of_the_onion_service_share_one_count_of_their_own_whatever_they_say_of_addresses()
    {
        var limiter = new AddressLimiter(new AddressOptions { PerMinute = 2 }, _time, onionAddresses: 3);
        for (int i = 0; i < 6; i++)
        {
            Assert.Null(limiter.Check(OverOnion($"203.0.113.{i}"), isToken: false));
        }

        ApiError? refused = limiter.Check(OverOnion("203.0.113.99"), isToken: false);
        Assert.Equal(ErrorCodes.AddressRateLimited, refused?.Code);
        Assert.InRange(refused!.RetryAfter!.Value, 1, 65);

        // Neither takes from the other.
        Assert.Null(limiter.Check(From("203.0.113.99"), isToken: false));
        Assert.Null(limiter.CheckRegistration(OverOnion("203.0.113.99")));
        _time.Advance(TimeSpan.FromSeconds(70));
        Assert.Null(limiter.Check(OverOnion("203.0.113.99"), isToken: false));
    }

    private static DefaultHttpContext OverOnion(string forwarded)
    {
        var context = new DefaultHttpContext();
        context.Features.Set(OnionTraffic.Mark.Instance);
        context.Request.Headers["X-Forwarded-For"] = forwarded;
        return context;
    }

    private static DefaultHttpContext From(string address)
    {
        var context = new DefaultHttpContext();
        context.Connection.RemoteIpAddress = IPAddress.Parse(address);
        return context;
    }
}
