using System.Net;
using Tacit.Client.Transports;
using Tacit.Gateway.Tests.Support;

namespace Tacit.Client.Tests;

/// <summary>Connections by unit: shared within one, never between two, gone when unused.</summary>
public sealed class TransportPoolTests
{
    private static readonly Route There = Route.Direct(new Uri("http://127.0.0.1:1"));

    private readonly FakeTime _time = new(new DateTimeOffset(2026, 3, 10, 12, 0, 0, TimeSpan.Zero));

    [Fact]
    public void Same_unit_shares_a_handler_and_another_does_not()
    {
        using var pool = new TransportPool(new TransportOptions(), _time);
        IsolationKey one = IsolationKey.ForConversation([1]);

        using TransportLease first = pool.Lease(There, one, keep: true);
        using TransportLease same = pool.Lease(There, IsolationKey.ForConversation([1]), keep: true);
        using TransportLease other = pool.Lease(There, IsolationKey.ForConversation([2]), keep: true);
        using TransportLease elsewhere = pool.Lease(Route.Direct(new Uri("http://127.0.0.1:2")), one, keep: true);

        Assert.Same(first.Invoker, same.Invoker);
        Assert.NotSame(first.Invoker, other.Invoker);
        Assert.NotSame(first.Invoker, elsewhere.Invoker);
    }

    [Fact]
    public void Handler_of_one_request_goes_with_it()
    {
        using var pool = new TransportPool(new TransportOptions(), _time);

        pool.Lease(There, IsolationKey.ForOneRequest(), keep: false).Dispose();

        Assert.Equal(0, pool.Count);
    }

    [Fact]
    public void Idle_handler_expires_and_one_in_use_does_not()
    {
        using var pool = new TransportPool(new TransportOptions { IdleTimeout = TimeSpan.FromSeconds(90) }, _time);
        pool.Lease(There, IsolationKey.ForConversation([1]), keep: true).Dispose();
        using TransportLease used = pool.Lease(There, IsolationKey.ForConversation([2]), keep: true);
        Assert.Equal(2, pool.Count);

        _time.Advance(TimeSpan.FromSeconds(200));

        Assert.Equal(1, pool.Count);
    }

    [Fact]
    public void Idle_handlers_are_bounded_and_the_longest_unused_goes_first()
    {
        using var pool = new TransportPool(new TransportOptions { MaxIdle = 3 }, _time);
        for (byte i = 0; i < 10; i++)
        {
            pool.Lease(There, IsolationKey.ForConversation([i]), keep: true).Dispose();
            _time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Equal(3, pool.Count);
    }

    [Fact]
    public async Task Redirect_is_not_followed_and_no_cookie_is_kept()
    {
        await using Support.Interposer front = await Support.Interposer.StartAsync(new Uri("http://127.0.0.1:1"));
        front.Impersonate = (context, _) =>
        {
            context.Response.StatusCode = 302;
            context.Response.Headers.Location = "/elsewhere";
            context.Response.Headers.SetCookie = "id=alice";
            return Task.FromResult(true);
        };
        using var pool = new TransportPool(new TransportOptions(), _time);
        for (int i = 0; i < 2; i++)
        {
            using TransportLease lease = pool.Lease(Route.Direct(front.Address), IsolationKey.ForConversation([1]), keep: true);
            using var request = new HttpRequestMessage(HttpMethod.Get, front.Address);
            using HttpResponseMessage response = await lease.Invoker.SendAsync(request, TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.Found, response.StatusCode);
        }

        Assert.Equal(2, front.Seen.Count);
        Assert.All(front.Seen, seen => Assert.Equal(["Host"], seen.Headers.Keys));
    }

    [Theory]
    [InlineData("ftp://host/")]
    [InlineData("/relative")]
    public void Address_that_is_no_web_address_is_refused(string address) =>
        Assert.Throws<ArgumentException>(() => Route.Direct(new Uri(address, UriKind.RelativeOrAbsolute)));
}
